/* SPDX-License-Identifier: MIT
 *
 * Access control lists, of which there are two: private, and public-read, which lets
 * everybody read. The AccessControlPolicy document of the Amazon S3 API reference.
 */
#ifndef S3PROTO_ACL_H
#define S3PROTO_ACL_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "s3proto/s3err.h"

/* The value of x-amz-acl. NotImplemented: a list that S3 knows, InvalidArgument: it does
 * not either. bucket-owner-read and -full-control say nothing new: private. */
enum s3_error acl_parse_canned(struct str value, bool *public_read);

/* Grants to the owner, and READ to the group AllUsers. MalformedACLError: not such a
 * document; NotImplemented: other grants. *why is the text (NULL: the default one), in
 * the arena. */
enum s3_error acl_parse_xml(struct str doc, struct str owner, struct arena *a, bool *public_read,
                            const char **why);

void acl_write(struct buf *b, struct str owner, bool public_read); /* appends the document */

#endif
