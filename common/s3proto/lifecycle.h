/* SPDX-License-Identifier: MIT
 *
 * Lifecycle rules of a bucket: the LifecycleConfiguration document. Rules are
 * those of "Lifecycle configuration elements" in the Amazon S3 user guide. What
 * would not be carried out, such as transitions, is refused.
 */
#ifndef S3PROTO_LIFECYCLE_H
#define S3PROTO_LIFECYCLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "s3proto/s3err.h"

#define LIFECYCLE_RULES_MAX 1000
#define LIFECYCLE_ID_MAX    255        /* characters */
#define LIFECYCLE_DAYS_MAX  2147483647 /* of every number of days */
#define LIFECYCLE_NEWER_MAX 100        /* noncurrent versions to keep */
#define LIFECYCLE_NO_SIZE   UINT64_MAX

/* How the conditions were written, so that they are given back like that. */
enum lifecycle_form {
	LIFECYCLE_TOP_PREFIX, /* <Prefix/> in the rule itself, from before there were filters */
	LIFECYCLE_ALL,        /* <Filter/> */
	LIFECYCLE_ONE,        /* <Filter> with one condition */
	LIFECYCLE_AND,        /* <Filter><And> */
};

/* An object is meant when it meets all conditions. */
struct lifecycle_filter {
	enum lifecycle_form form;
	bool has_prefix;
	struct str prefix; /* empty: every key */
	size_t n_tags;
	struct str_pair *tags;
	uint64_t larger_than;  /* bytes, exclusive; LIFECYCLE_NO_SIZE: no condition */
	uint64_t smaller_than; /* the same */
};

struct lifecycle_rule {
	struct str id; /* unique; made up when the document has none */
	bool enabled;
	struct lifecycle_filter filter;

	/* Actions; one at least. Days are 0 when there is no such action. */
	uint32_t expire_days;     /* current versions, after creation */
	bool has_expire_date;     /* at most one of these three */
	int64_t expire_date;      /* microseconds since 1970, midnight UTC */
	bool expire_marker;       /* delete markers without noncurrent versions */
	uint32_t noncurrent_days; /* after the version became noncurrent */
	uint32_t noncurrent_keep; /* and as many newer noncurrent ones stay; 0: none */
	uint32_t abort_days;      /* incomplete uploads, after initiation */
};

struct lifecycle {
	size_t n; /* 1 to LIFECYCLE_RULES_MAX */
	struct lifecycle_rule *rules;
};

/* MalformedXML: not such a document, no or too many rules. InvalidRequest and
 * InvalidArgument: a rule that contradicts itself or is out of bounds. InvalidTag:
 * a tag of a filter. NotImplemented: an element that is known to S3 but not kept
 * here, by its name. *why is the text (NULL: the default one); it and out belong
 * to the arena. */
enum s3_error lifecycle_parse(struct str doc, struct arena *a, struct lifecycle *out,
                              const char **why);

void lifecycle_write(struct buf *b, const struct lifecycle *l); /* appends the document */

#endif
