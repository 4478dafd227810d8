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

/* Whether each child of n is in one of the lists (NULL ends them; a list may be
 * NULL). A second one that is not in `many` and what is in no list is MalformedXML;
 * what is in `unsupported` is NotImplemented; a text in place of elements is
 * MalformedXML. The refusal names the element. */
bool document_allow(struct document *d, const struct xml_node *n, const char *const *once,
                    const char *const *many, const char *const *unsupported);

/* The number of children of that name. */
size_t document_count(const struct xml_node *n, const char *name);

size_t document_characters(struct str text); /* of UTF-8; combining ones count too */

/* The text of n itself. An element inside of it is MalformedXML: the text would be
 * taken as empty, which often means "all". */
bool document_leaf(struct document *d, const struct xml_node *n, struct str *text);

/* The text of a child; absent: *text stays as it is. */
bool document_text(struct document *d, const struct xml_node *n, const char *name,
                   struct str *text);

/* The child's text as a decimal number from min to max; absent: *v stays as it
 * is. Not a number is MalformedXML, out of bounds InvalidArgument. */
bool document_number(struct document *d, const struct xml_node *n, const char *name, uint64_t min,
                     uint64_t max, uint64_t *v);

/* The child's text as true or false, of any case; absent: *v stays as it is. */
bool document_bool(struct document *d, const struct xml_node *n, const char *name, bool *v);

#endif
