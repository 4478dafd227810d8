/* SPDX-License-Identifier: MIT
 *
 * What lies on a backend and is in no table: which of it is explained after all, and how it
 * becomes an object, a copy, or something to be deleted. Errors as in store.h.
 */
#ifndef STORE_RECONCILE_H
#define STORE_RECONCILE_H

#include "store/store.h"

/* out[i]: the catalogue knows why keys[i] lies on the backend, because it is a copy, is being
 * written, or is to be deleted. */
enum err store_explained(struct store *s, const char *backend, const char *const *keys, size_t n,
                         bool *out, struct error *e);

struct store_name {
	struct str bucket, key;
	/* out */
	bool is_bucket;   /* there is such a bucket, */
	bool has_version; /* and a version or a delete marker of the key in it */
};
enum err store_names(struct store *s, struct store_name *names, size_t n, struct error *e);

/* Something on a backend. */
struct store_found {
	const char *backend;
	struct str backend_key;
	uint64_t size;
	struct str md5, sha256; /* lower-case hex of the bytes, or empty: not known */
};

/* What became of it. */
enum store_outcome {
	STORE_DONE,
	STORE_KNOWN,     /* nothing: it is explained by now, or its key has a version */
	STORE_DRAINING,  /* nothing: the backend gets nothing new */
	STORE_NO_BUCKET, /* nothing: the bucket is gone */
	STORE_UNPROVEN,  /* nothing: they may or may not be the bytes of a segment without a copy */
	STORE_ORPHAN,    /* nothing: there is no segment that could use them */
};

/* The segment that a name tells. */
struct store_origin {
	struct str bucket, key;
	bool is_cut; /* key is only the beginning of it */
	const char *generation;
	int part; /* number, 0: none */
};

/* A copy of that segment, if it can be one. The quota is counted, whether there is room or
 * not: the bytes are there. dry_run: only tells what it would do. */
enum err store_adopt_copy(struct store *s, const struct store_found *f,
                          const struct store_origin *of, bool dry_run, enum store_outcome *out,
                          struct error *e);

/* An object, whose bytes stay where and as they are. Of o what a client could have said, and
 * its generation, bucket and key. modified: microseconds since 1970. */
enum err store_import(struct store *s, const struct store_found *f, const struct store_object *o,
                      int64_t modified, enum store_outcome *out, struct error *e);

/* Queues it for deletion, unless it is explained by now. */
enum err store_queue_found(struct store *s, const struct store_found *f, const char *reason,
                           bool *queued, struct error *e);

#endif
