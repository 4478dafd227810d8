/* SPDX-License-Identifier: MIT
 *
 * The document of DeleteObjects:
 * <Delete><Quiet/><Object><Key/><VersionId/><ETag/></Object>...</Delete>.
 */
#ifndef S3PROTO_DELETE_LIST_H
#define S3PROTO_DELETE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"
#include "s3proto/s3err.h"

#define DELETE_LIST_MAX 1000 /* objects of one request, as in S3 */

struct delete_item {
	struct str key;     /* may be empty or too long: an error of that key alone */
	struct str version; /* empty: none given */
	struct str etag;    /* empty: no condition; "*": any; else a tag without quotes */
};

struct delete_list {
	bool quiet;
	size_t n; /* 1 to DELETE_LIST_MAX */
	struct delete_item *items;
};

/* MalformedXML, with the cause: not well-formed, another document, no object,
 * more than DELETE_LIST_MAX. NotImplemented: a condition that is not known
 * (LastModifiedTime, Size). InvalidArgument: an ETag that no object could have
 * (empty, weak, a quoted star): taken as "none" it would delete too much.
 * *why is the text (NULL: the default one); it and out belong to the arena. */
enum s3_error delete_list_parse(struct str doc, struct arena *a, struct delete_list *out,
                                const char **why);

#endif
