/* SPDX-License-Identifier: MIT
 *
 * Entity tags. Inside the program they have no quotes; the quotes belong to the
 * wire. A tag is 32 hex digits (MD5), with "-<number of parts>" after a
 * multipart upload.
 */
#ifndef S3PROTO_ETAG_H
#define S3PROTO_ETAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/str.h"

#define ETAG_SIZE 39 /* 32 hex digits, "-10000", NUL */

void etag_of_md5(const uint8_t md5[MD5_SIZE], char out[ETAG_SIZE]);

/* The tag of a multipart object: MD5 of the parts' binary MD5s in order, and
 * their number (1 to 10,000). */
void etag_of_parts(const uint8_t (*md5s)[MD5_SIZE], size_t n, char out[ETAG_SIZE]);

/* The MD5 in a tag without "-N"; false for all others. */
bool etag_to_md5(struct str etag, uint8_t md5[MD5_SIZE]);

/* A tag as it comes on the wire: without white space, W/ and quotes. */
struct str etag_strip(struct str s);
void etag_add_quoted(struct buf *b, struct str etag);

/* Whether a field value ("*", or a comma list of quoted, weak or bare tags)
 * matches the tag of an object that exists. */
bool etag_list_matches(struct str list, struct str etag);

#endif
