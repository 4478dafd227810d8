/* SPDX-License-Identifier: MIT
 *
 * Copies of segments: which are missing or too many, and how one is added, moved or
 * removed. Used by the jobs that keep them right. Errors as in store.h.
 */
#ifndef STORE_COPIES_H
#define STORE_COPIES_H

#include "store/store.h"

/* A segment of an object, or a part of an open upload, and all it takes to copy it. */
struct store_held {
	int64_t id;
	struct str bucket, key;
	char generation[ULID_SIZE]; /* of the object it belongs to, or will */
	bool is_upload;             /* of an upload that is open */
	int part;                   /* number, 0: not of an upload */
	int number;                 /* in the object */
	uint64_t size;              /* plaintext */
	struct str etag, sha256;    /* hex; sha256 may be empty */
	struct str content_type;
	struct store_copy *copies; /* oldest first */
	size_t n_copies;
};

/* Those of n segments that are there, by id. */
enum err store_held(struct store *s, const int64_t *ids, size_t n, struct arena *a,
                    struct store_held **out, size_t *n_out, struct error *e);

/* One of those, by its id; NULL: it is not there. */
const struct store_held *store_held_find(const struct store_held *held, size_t n, int64_t id);

/* A copy on a backend. */
struct store_located {
	int64_t segment;
	struct str backend_key;
	uint64_t size;
	int64_t created; /* microseconds since 1970 */
};
/* Up to n copies on a backend whose keys come after a key and not after `until`
 * (STR_NULL: no bound), in order. */
enum err store_copies_on(struct store *s, const char *backend, struct str after, struct str until,
                         int n, struct arena *a, struct store_located **out, size_t *n_out,
                         struct error *e);

/* The n smallest copies on a backend, by size. */
enum err store_smallest_copies(struct store *s, const char *backend, int n, struct arena *a,
                               struct store_located **out, size_t *n_out, struct error *e);

/* The bytes of the intent become a copy of the segment. With `from` they take the place of
 * the copy on that backend, which is queued for deletion with that reason: a move. NULL: one
 * more copy. Not done: ERR_PRECONDITION, because the segment is gone, the backend has a copy,
 * or `from` has none any more; ERR_CONFLICT as of store_commit(). The caller abandons the
 * intent. */
enum err store_copy_add(struct store *s, int64_t segment, const struct store_intent *i,
                        const char *from, const char *reason, struct error *e);

/* Which copies count. */
struct store_counted {
	const char *const *backends;
	size_t n;
};

/* Removes a copy, queueing its deletion with that reason, if at least `keep` others are left
 * on the backends that count (NULL: all do). An empty reason: the bytes are known not to be
 * there; the segment is looked at. ERR_NOT_FOUND: there is no such copy (any more). ERR_CONFLICT: it is needed. */
enum err store_copy_remove(struct store *s, int64_t segment, const struct store_copy *copy,
                           const char *reason, int keep, const struct store_counted *counted,
                           struct error *e);

/* --- too few ---------------------------------------------------------------- */

/* What all segments are compared with. */
struct store_wanted_copies {
	const char *const *backends; /* copies on these count, */
	const char *const *domains;  /* in these failure domains, one for each */
	size_t n;
};

struct store_walked {
	int64_t last;      /* where the next window begins; 0: that was the end */
	uint64_t entered;  /* into the queue */
	uint64_t hopeless; /* want more copies than there are backends for */
};
/* Looks at n segments of objects behind one, and enters those in the queue that have fewer
 * copies than the configuration wants, or in too few domains. */
enum err store_replication_walk(struct store *s, int64_t after, int n,
                                const struct store_wanted_copies *wanted, struct store_walked *out,
                                struct error *e);

struct store_replication {
	int64_t segment;
	int attempts;
	bool suspect;   /* a copy is said to be missing or damaged */
	bool reclaimed; /* taken over from a claim older than the grace period */
};
/* Claims up to n due rows of the queue for this instance. */
enum err store_replication_claim(struct store *s, int n, int64_t grace_us, struct arena *a,
                                 struct store_replication **out, size_t *n_out, struct error *e);
/* Nothing is missing any more. */
enum err store_replication_done(struct store *s, const int64_t *segments, size_t n,
                                struct error *e);
/* To be tried again after 10 s * 2^attempts, at most 10 minutes. */
enum err store_replication_failed(struct store *s, int64_t segment, const char *error,
                                  struct error *e);
/* Gives claims back untried. */
enum err store_replication_postpone(struct store *s, const int64_t *segments, size_t n,
                                    struct error *e);

/* A copy could not be read although the catalogue has it: it will be looked at. Does not
 * wait. */
void store_copy_suspect(struct store *s, int64_t segment, const struct store_copy *copy);

/* Rows of the queue, not counted beyond 10,000, and when the next one is due, wall clock; 0:
 * none is. */
enum err store_replication_depth(struct store *s, uint64_t *depth, int64_t *next, struct error *e);

/* --- too many --------------------------------------------------------------- */

/* Of n segments of objects behind one, those with more copies than the configuration wants;
 * *last as in store_walked. */
enum err store_excess_walk(struct store *s, int64_t after, int n, struct arena *a, int64_t **out,
                           size_t *n_out, int64_t *last, struct error *e);

#endif
