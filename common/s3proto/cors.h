/* SPDX-License-Identifier: MIT
 *
 * Cross-origin rules of a bucket: the CORSConfiguration document, and which rule
 * answers a request how. Rules are those of "Elements of a CORS configuration"
 * in the Amazon S3 user guide; terms are those of the Fetch standard.
 */
#ifndef S3PROTO_CORS_H
#define S3PROTO_CORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "s3proto/s3err.h"

#define CORS_DOCUMENT_MAX 65536 /* bytes a client may send, as in S3 */
#define CORS_RULES_MAX    100
#define CORS_ID_MAX       255 /* characters */
#define CORS_NO_AGE       -1

struct cors_list {
	size_t n;
	struct str *v;
};

struct cors_rule {
	struct str id;            /* empty: none */
	struct cors_list origins; /* one at least; one '*' at most in each */
	struct cors_list methods; /* one at least: GET PUT HEAD POST DELETE */
	struct cors_list headers; /* patterns, compared without case */
	struct cors_list exposed;
	int64_t max_age; /* seconds, or CORS_NO_AGE */
};

struct cors {
	size_t n; /* 1 to CORS_RULES_MAX */
	struct cors_rule *rules;
};

/* The caller bounds doc, and with it the work of a match: CORS_DOCUMENT_MAX from a
 * client; what cors_write gives may be longer.
 * MalformedXML: not such a document, no rule, too many rules, or one without
 * origin or method. InvalidRequest: a method or pattern that is not allowed, an
 * ID that is too long. *why is the text (NULL: the default one); it and out
 * belong to the arena. */
enum s3_error cors_parse(struct str doc, struct arena *a, struct cors *out, const char **why);

void cors_write(struct buf *b, const struct cors *c); /* appends the document */

/* The first rule that allows the origin, the method (of a preflight: the one
 * asked about) and all headers of the value of Access-Control-Request-Headers
 * (empty: none), or NULL: a preflight is then answered AccessForbidden, another
 * request without any of these fields. */
const struct cors_rule *cors_match(const struct cors *c, struct str origin, struct str method,
                                   struct str headers);

#define CORS_FIELDS_MAX 7

struct cors_answer {
	size_t n;
	struct str_pair fields[CORS_FIELDS_MAX]; /* names in lower case */
};

/* The fields of the answer by a rule that cors_match gave for that origin;
 * headers as there. Values belong to the arena or to rule, origin and headers. */
void cors_answer(const struct cors_rule *rule, struct str origin, struct str headers,
                 struct arena *a, struct cors_answer *out);

#endif
