/* SPDX-License-Identifier: MIT
 *
 * Tag sets of objects and buckets. Limits and characters are those of
 * "Categorizing your storage using tags" in the Amazon S3 user guide.
 */
#ifndef S3PROTO_TAGGING_H
#define S3PROTO_TAGGING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "s3proto/document.h"
#include "s3proto/s3err.h"

#define TAGGING_OBJECT_MAX 10  /* tags of an object */
#define TAGGING_BUCKET_MAX 50  /* tags of a bucket */
#define TAGGING_KEY_MAX    128 /* Unicode characters; 1 at least */
#define TAGGING_VALUE_MAX  256 /* Unicode characters */

enum tagging_owner { TAGGING_OBJECT, TAGGING_BUCKET };

struct tagging {
	size_t n;
	struct str_pair *tags; /* as they came; names unique */
};

/* Both: InvalidTag: a key or value of wrong length or characters, a key twice or
 * beginning with "aws:"; BadRequest: too many. *why is the text (NULL: the
 * default one); it and out belong to the arena. An empty set is fine. */

/* <Tagging><TagSet><Tag><Key/><Value/></Tag>...; MalformedXML when it is not. */
enum s3_error tagging_parse_xml(struct str doc, enum tagging_owner owner, struct arena *a,
                                struct tagging *out, const char **why);

/* The value of x-amz-tagging: "k=v&k2=v2", URL-encoded, '+' is a space.
 * InvalidArgument: a bad escape. */
enum s3_error tagging_parse_header(struct str value, struct arena *a, struct tagging *out,
                                   const char **why);

/* Appends the document. */
void tagging_write(struct buf *b, const struct tagging *t);

/* One <Tag>, which other documents have too. */
bool tagging_read_tag(struct document *d, const struct xml_node *n, struct str_pair *out);
/* All that are below n, which may hold nothing else: a set as in the document above. */
bool tagging_read_set(struct document *d, const struct xml_node *n, enum tagging_owner owner,
                      struct tagging *out);
void tagging_write_tag(struct buf *b, const struct str_pair *tag);

#endif
