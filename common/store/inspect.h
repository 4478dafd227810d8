/* SPDX-License-Identifier: MIT
 *
 * What operators look at: where objects are, what waits in the queues, and what is to become
 * of deletions that were given up. Lists are bounded by their caller. Errors as in store.h.
 */
#ifndef STORE_INSPECT_H
#define STORE_INSPECT_H

#include "store/buckets.h"
#include "store/store.h"

/* --- objects ---------------------------------------------------------------- */

/* A copy of a segment. */
struct store_location {
	int number;             /* of the segment, from 1 */
	uint64_t plaintext;     /* size of the segment */
	struct str sha256;      /* of its plaintext, hex; empty: not known */
	bool encrypted;         /* with the key */
	struct str key_id;      /* of that name; else empty */
	struct store_copy copy; /* backend empty: the segment has no copy at all */
	int64_t created;        /* microseconds since 1970 */
};

struct store_inspected {
	uint64_t size; /* plaintext */
	struct str etag;
	int parts;             /* of the upload that made it, 0: none did; each is a segment */
	struct str version_id; /* as clients are told; empty: the bucket never had versions */
	int64_t modified;
	struct store_location *locations; /* in order of segment and age */
	size_t n;
};

/* A version of a key as in store_find(), and the copies of the `segments` segments behind the
 * one numbered `after`. ERR_NOT_FOUND, also for a delete marker. */
enum err store_inspect(struct store *s, struct str bucket, struct str key, struct str version,
                       int after, int segments, struct arena *a, struct store_inspected *out,
                       struct error *e);

struct store_copied {
	struct str key;
	int copies;          /* of the segment that has the fewest */
	struct str backends; /* of all segments, in order of name, separated by commas */
};
/* Those of n keys that are current objects, in order of key. Costs as much as they have
 * segments. */
enum err store_inspect_copies(struct store *s, struct str bucket, const char *const *keys, size_t n,
                              struct arena *a, struct store_copied **out, size_t *n_out,
                              struct error *e);

/* Up to n buckets of all owners behind a name, in order, without settings. */
enum err store_inspect_buckets(struct store *s, struct str after, int n, struct arena *a,
                               struct store_bucket **out, size_t *n_out, struct error *e);

struct store_bucket_size {
	bool known;              /* false: it has too many keys */
	uint64_t objects, bytes; /* current ones, without older versions */
};
/* Not of more than STORE_SIZE_KEYS: a fraction of a second for the database. */
#define STORE_SIZE_KEYS 100000
enum err store_inspect_size(struct store *s, struct str bucket, struct store_bucket_size *out,
                            struct error *e);

/* What is not as it must be in the catalogue, a line each, n at most. Reads all of it: a large
 * one ends with ERR_DB_BUSY. */
enum err store_check(struct store *s, int n, struct arena *a, struct str **out, size_t *n_out,
                     struct error *e);

/* --- queues ------------------------------------------------------------------ */

/* A row of the clean-up queue. */
struct store_queued {
	int64_t id;
	struct str backend, backend_key, reason, error, owner; /* the last two may be empty */
	int attempts;
	uint64_t size;
	int64_t claimed, next_retry; /* microseconds since 1970; claimed 0: it is not */
};
/* The n rows (1000 at most) that are due first, those with attempts left: of a backend, or of all (empty);
 * only those that are due already, or all. Claims nothing. *depth counts what waits,
 * whether it is due or not. */
enum err store_inspect_cleanup(struct store *s, struct str backend, bool due, int n,
                               struct arena *a, struct store_queued **out, size_t *n_out,
                               uint64_t *depth, struct error *e);

/* A row of cleanup_dlq: a deletion that was given up. */
struct store_dead {
	int64_t id, original; /* its id in the clean-up queue */
	struct str backend, backend_key, reason, error;
	int attempts;
	uint64_t size;
	int64_t queued, moved; /* into the queue, and from there */
};
/* The n oldest ones, likewise. */
enum err store_inspect_dlq(struct store *s, struct str backend, int n, struct arena *a,
                           struct store_dead **out, size_t *n_out, uint64_t *depth,
                           struct error *e);

/* Rows of cleanup_dlq. */
struct store_dlq_choice {
	struct str backend; /* empty: any */
	int64_t id;         /* 0: any */
};
struct store_dlq_done {
	uint64_t rows, bytes; /* bytes only of those written off */
};
/* Ten more attempts for each, or: their bytes are not counted any more, and nobody deletes
 * them. Some of them in each transaction; *out says how many were done, also when an error
 * came in between. After ERR_DB_UNCERTAIN it may be some more. */
enum err store_dlq_requeue(struct store *s, const struct store_dlq_choice *which,
                           struct store_dlq_done *out, struct error *e);
enum err store_dlq_write_off(struct store *s, const struct store_dlq_choice *which,
                             struct store_dlq_done *out, struct error *e);

/* A segment that has too few copies, or is to be looked at. */
struct store_replicating {
	int64_t segment;
	struct str bucket, key; /* empty: the segment is gone */
	struct str error;       /* of the last attempt, may be empty */
	int attempts;
	int64_t next_retry;
	bool suspect; /* a copy is said to be missing or damaged */
};
/* The n that are due first. How many there are: store_replication_depth(). */
enum err store_inspect_replication(struct store *s, int n, struct arena *a,
                                   struct store_replicating **out, size_t *n_out, struct error *e);

#endif
