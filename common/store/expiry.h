/* SPDX-License-Identifier: MIT
 *
 * What the lifecycle job asks the catalogue: which buckets have rules, and which versions
 * of some keys are old enough for one of them. Errors as in store.h.
 */
#ifndef STORE_EXPIRY_H
#define STORE_EXPIRY_H

#include "store/store.h"

struct store_rules {
	struct str bucket, owner; /* access key; empty: the configuration */
	struct str document;      /* LifecycleConfiguration that was set; empty: none */
};
/* Up to n buckets behind `after`, in order of name. */
enum err store_rules_list(struct store *s, struct str after, int n, struct arena *a,
                          struct store_rules **out, size_t *n_out, struct error *e);

/* What is to be looked at. Times are microseconds since 1970; 0: nothing is that old. */
struct store_window {
	struct str bucket, prefix;
	struct str from;           /* key, inclusive; empty: the first one */
	int64_t after;             /* of that key only versions created after; 0: all */
	int keys, versions;        /* at most so many of either */
	uint32_t newer;            /* noncurrent versions are not counted beyond that */
	int64_t current_before;    /* current versions created before */
	int64_t noncurrent_before; /* versions that became noncurrent before */
	bool markers;              /* delete markers of any age that stand alone */
};

struct store_aged {
	struct str key, version; /* id, or "null" */
	char generation[ULID_SIZE];
	uint64_t size;
	bool is_latest, is_marker; /* a marker that is found stands alone, if it is latest */
	int64_t created;
	int64_t since;  /* when it became noncurrent; of the latest 0 */
	uint64_t newer; /* noncurrent versions of the key that are newer, window->newer at most */
	struct str_pair *tags;
	size_t n_tags;
};

/* The versions in order of key and age, the oldest of a key first. *keys is how many keys
 * were looked at, *last the last one of them. With window->versions results there may be
 * more behind the last one. */
enum err store_aged(struct store *s, const struct store_window *window, struct arena *a,
                    struct store_aged **out, size_t *n, int *keys, struct str *last,
                    struct error *e);

/* Deletes what was seen as store_delete() does. The result of each is ERR_NO_BUCKET when
 * the bucket belongs to somebody else by now, or has other rules. An error is also the
 * result of each that it kept from being deleted. */
enum err store_expire(struct store *s, const struct store_rules *rules,
                      struct store_deletion *items, size_t n, struct error *e);

#endif
