/* SPDX-License-Identifier: MIT
 *
 * XML in both directions: a writer that appends elements to a buffer, and a
 * reader that turns a document in memory into a small tree. The reader refuses
 * what an S3 document never has and what could cost more than its size: a DTD
 * (so there are no entities beyond the five of XML), deep nesting, encodings
 * other than UTF-8.
 */
#ifndef S3PROTO_XML_H
#define S3PROTO_XML_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define XML_DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define XML_S3_NS       "http://s3.amazonaws.com/doc/2006-03-01/"

/* Writer. Element names are trusted, texts are escaped; the document is one
 * line after the declaration. */
void xml_begin(struct buf *b, const char *root); /* declaration, root with the S3 namespace */
void xml_open(struct buf *b, const char *name);
void xml_close(struct buf *b, const char *name); /* the root is closed with it too */
void xml_text(struct buf *b, const char *name, struct str text); /* <name>text</name> */
void xml_uint(struct buf *b, const char *name, uint64_t v);
void xml_bool(struct buf *b, const char *name, bool v); /* true, false */

/* Appends text with & < > " ' as entities, TAB LF CR as references, and U+FFFD
 * for every code point that XML 1.0 forbids and every byte that is not UTF-8. */
void xml_escape(struct buf *b, struct str text);

#define XML_DEPTH_MAX 16     /* S3 documents need 5 */
#define XML_NODES_MAX 100000 /* 10,000 parts with up to nine elements each */

struct xml_node {
	struct str name;        /* without namespace */
	struct str text;        /* of a leaf, unescaped, white space kept; empty for others */
	struct xml_node *child; /* the first one */
	struct xml_node *next;  /* sibling */
};

/* ERR_INVALID: not well-formed or forbidden; ERR_TOO_LARGE: too many elements.
 * The caller bounds the length of doc. Everything in the tree belongs to the
 * arena, nothing points into doc. */
enum err xml_parse(struct str doc, struct arena *a, struct xml_node **root, struct error *e);

/* The first child of that name, or NULL; n may be NULL. */
const struct xml_node *xml_child(const struct xml_node *n, const char *name);
/* The next sibling of the same name, or NULL. */
const struct xml_node *xml_next(const struct xml_node *n);
/* The text of the first child of that name; empty when there is none. */
struct str xml_child_text(const struct xml_node *n, const char *name);

#endif
