/* SPDX-License-Identifier: MIT
 *
 * Versions of objects: whether a bucket keeps them, all that it has, and what can be
 * changed of one that is there. Writing, finding and deleting them is part of store.h.
 *
 * Errors other than those that are named as in store.h.
 */
#ifndef STORE_VERSIONS_H
#define STORE_VERSIONS_H

#include "store/store.h"

enum store_versioning { STORE_NEVER_VERSIONED, STORE_VERSIONED, STORE_VERSIONING_SUSPENDED };

/* ERR_NO_BUCKET. */
enum err store_versioning(struct store *s, struct str bucket, enum store_versioning *out,
                          struct error *e);
/* Not back to STORE_NEVER_VERSIONED. Waits for writes to the bucket that are being
 * committed. ERR_NO_BUCKET; after ERR_DB_UNCERTAIN it may still happen. */
enum err store_set_versioning(struct store *s, struct str bucket, struct str owner,
                              enum store_versioning v, struct error *e);

/* A version, a delete marker, or a group of keys. */
struct store_listed_version {
	struct str key;
	bool is_group; /* key is their common prefix, and nothing else is filled */
	bool is_latest, is_marker;
	char version_id[STORE_VERSION_SIZE]; /* "null" for the null version */
	struct str etag;
	uint64_t size;
	int64_t modified;
};

/* Up to n versions of keys with the prefix, not less than `from`: in byte order of key,
 * the newest first; of `from` itself only those older than `version`, if that is not
 * empty. With a delimiter (empty: none) keys that are equal up to the first one after the
 * prefix are one group. Fewer than n only when there are no more. Cost is independent of
 * how far into the bucket `from` is, of the size of groups and of the number of versions
 * that a key has. A `version` that is gone meanwhile begins with the newest of the key. */
enum err store_list_versions(struct store *s, struct str bucket, struct str prefix,
                             struct str delimiter, struct str from, struct str version, int n,
                             struct arena *a, struct store_listed_version **out, size_t *n_out,
                             struct error *e);

/* Replace the tags or the canned ACL (empty: private) of the version that o names with
 * its generation, whatever has been written since. ERR_NOT_FOUND: it is gone. */
enum err store_set_tags(struct store *s, const struct store_object *o, const struct str_pair *tags,
                        size_t n, struct error *e);
enum err store_set_acl(struct store *s, const struct store_object *o, struct str acl,
                       struct error *e);

#endif
