/* SPDX-License-Identifier: MIT
 *
 * What the XML documents of S3 requests have in common: they are refused with an
 * S3 error and a text that names what is wrong, also when they hold an element
 * that is not known. Ignoring one would promise what is not done.
 */
#ifndef S3PROTO_DOCUMENT_H
#define S3PROTO_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "s3proto/s3err.h"
#include "s3proto/xml.h"

struct document {
	struct arena *arena;
	const struct xml_node *root;
	enum s3_error error; /* S3_OK until the first refusal, which stays */
	const char *why;     /* its text, in the arena; NULL: the default one */
};

/* Reads doc, whose root must have that name: else MalformedXML. False when
 * refused, as in all functions here that return bool. */
bool document_read(struct document *d, struct str doc, const char *root, struct arena *a);

/* Notes a refusal, unless there is one; always false. */
bool document_refuse(struct document *d, enum s3_error error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Whether each child of n is one of the names (NULL ends them) and those that
 * are not in `many` (may be NULL) stand there once at most; else MalformedXML. */
bool document_allow(struct document *d, const struct xml_node *n, const char *const *names,
                    const char *const *many);

/* The number of children of that name. */
size_t document_count(const struct xml_node *n, const char *name);

/* The child's text as a decimal number from min to max; absent: *v stays as it
 * is. Not a number is MalformedXML, out of bounds InvalidArgument. */
bool document_number(struct document *d, const struct xml_node *n, const char *name, uint64_t min,
                     uint64_t max, uint64_t *v);

/* The child's text as true or false, of any case; absent: *v stays as it is. */
bool document_bool(struct document *d, const struct xml_node *n, const char *name, bool *v);

#endif
