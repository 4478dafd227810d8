/* SPDX-License-Identifier: MIT
 *
 * Request paths (/bucket/key; /key where the host names the bucket), copy sources,
 * and hosts that name a bucket.
 */
#ifndef S3PROTO_PATH_H
#define S3PROTO_PATH_H

#include "base/arena.h"
#include "base/str.h"

#define PATH_KEY_MAX 1024 /* bytes of a key in UTF-8, as in S3 */

enum path_result {
	PATH_OK,           /* bucket, and a key unless the bucket itself is meant */
	PATH_ROOT,         /* exactly "/" */
	PATH_NO_BUCKET,    /* InvalidRequest */
	PATH_BAD_ESCAPE,   /* InvalidURI: a '%' without two hex digits */
	PATH_BAD_TEXT,     /* InvalidRequest: not UTF-8, or a NUL; no catalogue could hold it */
	PATH_KEY_TOO_LONG, /* KeyTooLongError */
	PATH_BAD_VERSION,  /* InvalidArgument: copy source with an empty ?versionId= */
};

struct path {
	struct str bucket;
	struct str key;     /* empty: the bucket itself */
	struct str version; /* copy source only: decoded value of ?versionId; empty: none */
};

/* raw is the path of a request target, beginning with '/'. It is decoded once
 * and split at the first '/' after the leading one; nothing is normalised: keys
 * may contain "//", ".", "..". */
enum path_result path_split(struct arena *a, struct str raw, struct path *out);

/* The same where the host names the bucket: all after the leading slash is the key.
 * PATH_OK, PATH_BAD_ESCAPE, PATH_BAD_TEXT or PATH_KEY_TOO_LONG. */
enum path_result path_key(struct arena *a, struct str raw, struct str *key);

/* The bucket that the value of a Host field names as "BUCKET.DOMAIN[:port]", in any
 * case; empty when it names none. domains: separated by commas; of several that fit
 * the longest counts, and the host of a domain itself names no bucket. */
struct str path_host_bucket(struct str host, struct str domains);

/* The value of x-amz-copy-source: "[/]bucket/key[?versionId=...]". Both sides of
 * the '?' are decoded once; before it a '+' is a space, as in S3: some clients encode
 * the whole as if it were a form's. Without a key it is PATH_NO_BUCKET. */
enum path_result path_split_copy_source(struct arena *a, struct str value, struct path *out);

#endif
