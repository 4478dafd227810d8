/* SPDX-License-Identifier: MIT
 *
 * Names of segments on backends. A name is written once and never reused:
 *
 *     {bucket}/{key}~{generation}                    the segment of a PUT
 *     {bucket}/{key}~{generation}/{5-digit part}     a part
 *     ... .{attempt}                                 a later copy of it
 *
 * generation and attempt are ULIDs. A name that would exceed 1024 bytes (the S3
 * limit) keeps the first bytes of "{bucket}/{key}", cut between characters, and
 * gets "~~" and 32 hex digits of the SHA-256 of the whole before "~{generation}".
 */
#ifndef OBJECT_KEY_H
#define OBJECT_KEY_H

#include <stdbool.h>
#include "base/arena.h"
#include "base/codec.h"
#include "base/str.h"

#define OBJECT_KEY_MAX 1024 /* bytes of a name on a backend */

/* part 0: not a part. attempt NULL: the first copy. */
struct str object_key(struct arena *a, struct str bucket, struct str key, const char *generation,
                      int part, const char *attempt);

/* A name taken apart. The texts point into it. */
struct object_name {
	struct str bucket, key;
	bool is_cut; /* key is only the beginning of it */
	char generation[ULID_SIZE];
	int part; /* 0: not a part */
};
/* False: it is not of this form. One that is may have been made by somebody else. */
bool object_key_parse(struct str name, struct object_name *out);

#endif
