/* SPDX-License-Identifier: MIT
 *
 * The document of CompleteMultipartUpload:
 * <CompleteMultipartUpload><Part><PartNumber/><ETag/><ChecksumCRC32/>...</Part>...
 */
#ifndef S3PROTO_COMPLETE_LIST_H
#define S3PROTO_COMPLETE_LIST_H

#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"
#include "s3proto/checksum.h"
#include "s3proto/s3err.h"

#define COMPLETE_LIST_MAX 10000 /* parts, and the highest part number, as in S3 */

struct complete_part {
	unsigned number;                     /* 1 to COMPLETE_LIST_MAX */
	struct str etag;                     /* without quotes; empty: absent */
	struct str checksum[CHECKSUM_KINDS]; /* base64 as it came; empty: absent */
};

struct complete_list {
	size_t n;                    /* 1 to COMPLETE_LIST_MAX */
	struct complete_part *parts; /* numbers strictly ascending */
};

/* MalformedXML: not well-formed, another document, no part, too many parts.
 * InvalidArgument: not a part number. InvalidPartOrder: numbers not ascending.
 * NotImplemented: a checksum of another kind. *why is the text (NULL: the
 * default one); it and out belong to the arena. */
enum s3_error complete_list_parse(struct str doc, struct arena *a, struct complete_list *out,
                                  const char **why);

#endif
