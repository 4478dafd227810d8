/* SPDX-License-Identifier: MIT
 *
 * Buckets: those of the configuration, and those that clients have created. Both are
 * rows of the same table, which says whom a bucket belongs to and what has been set on
 * it. A setting is a text that can be given back; what it means is its writer's business.
 *
 * Errors other than those that are named as in store.h.
 */
#ifndef STORE_BUCKETS_H
#define STORE_BUCKETS_H

#include "store/store.h"

/* Of one owner, as AWS had it for a long time. */
#define STORE_BUCKETS_MAX 100

struct store_bucket {
	struct str name;
	struct str owner;      /* access key that created it; empty: the configuration */
	struct str versioning; /* "Enabled", "Suspended"; empty: never was */
	int64_t created;       /* microseconds since 1970 */
	struct str_pair *settings;
	size_t n_settings;
};

/* Creates a bucket with n settings; owner empty: one of the configuration. ERR_CONFLICT:
 * the name is taken; ERR_BUSY: the owner has STORE_BUCKETS_MAX. Creating a bucket that the
 * owner has already changes nothing; that is no error, unless the settings are not those
 * that it has: ERR_PRECONDITION. */
enum err store_bucket_create(struct store *s, struct str bucket, struct str owner,
                             const struct str_pair *settings, size_t n, struct error *e);
/* With all that was set on it. Open uploads are aborted, writes in progress will fail.
 * ERR_NO_BUCKET: the owner has no such bucket. ERR_CONFLICT: it is not empty; versions and
 * delete markers count. */
enum err store_bucket_delete(struct store *s, struct str bucket, struct str owner, struct error *e);
/* A bucket with those of the n named settings that are set. ERR_NO_BUCKET. */
enum err store_bucket_find(struct store *s, struct str bucket, const char *const *names, size_t n,
                           struct arena *a, struct store_bucket *out, struct error *e);
/* The value of a setting that was asked for; empty: not set. */
struct str store_bucket_setting(const struct store_bucket *b, const char *name);
/* Those of the owner (empty: nobody) and the one named `also`, in order of name; without
 * settings. */
enum err store_bucket_list(struct store *s, struct str owner, struct str also, struct arena *a,
                           struct store_bucket **out, size_t *n, struct error *e);

/* ERR_NO_BUCKET. Deleting what is not set is no error. */
enum err store_bucket_set(struct store *s, struct str bucket, struct str owner, const char *name,
                          struct str value, struct error *e);
enum err store_bucket_unset(struct store *s, struct str bucket, struct str owner, const char *name,
                            struct error *e);

#endif
