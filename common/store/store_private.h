/* SPDX-License-Identifier: MIT
 *
 * What the files of store share.
 *
 *     store.c    life, renewal of intents     write.c    intents, commit
 *     read.c     find, list                   delete.c   keys and versions
 *     uploads.c  uploads in parts             json.c     objects as JSON
 *     space.c    quotas                       cleanup.c  queue, reaper
 *     jobs.c     waking, health               args.c     parameters of statements
 *     gauges.c   space as metrics             readers.c  long reads
 *     versions.c all versions, tags, ACL      buckets.c  buckets and their settings
 *     expiry.c   what lifecycle rules find    copies.c   copies of segments
 *     drains.c   emptying backends            usage.c    of backends, by the month
 *     removal.c  removing backends            requests.c long jobs that were asked for
 *     inspect.c  what operators look at      reconcile.c what only backends know
 */
#ifndef STORE_PRIVATE_H
#define STORE_PRIVATE_H

#include "base/buf.h"
#include "db/db.h"
#include "rt/sync.h"
#include "store/store.h"
#include "store/uploads.h"

/* --- args.c ---------------------------------------------------------------- */

/* Parameters of one statement, in order. Strings are not copied. */
struct args {
	struct db_param p[QUERY_PARAMS_MAX];
	char numbers[QUERY_PARAMS_MAX][24]; /* an int64_t as text */
	int n;
};
void arg_str(struct args *a, struct str s);
void arg_text(struct args *a, const char *s);
void arg_i64(struct args *a, int64_t v);
void arg_bool(struct args *a, bool v);
/* An array, written into the buffer. */
void arg_ids(struct args *a, struct buf *array, const int64_t *ids, size_t n);
void arg_texts(struct args *a, struct buf *array, const char *const *s, size_t n);
/* Two arrays, and a number: buckets of the configuration, the copies that each of them
 * wants, and those that others do. */
void arg_factors(struct args *a, const struct store *s, struct buf *buckets, struct buf *factors,
                 struct arena *scratch);
void arg_null(struct args *a);
/* One of the slots in which a backend is counted, at random. */
void arg_slot(struct args *a);

/* --- json.c ---------------------------------------------------------------- */

/* What the functions of the database are given. ERR_INVALID when something is not
 * UTF-8. */
enum err json_of_object(const struct store_object *o, struct buf *out, struct error *e);
enum err json_of_upload(const struct store_upload *u, struct buf *out, struct error *e);
enum err json_of_segment(const struct store_new_segment *s, struct buf *out, struct error *e);
enum err json_of_segments(const struct store_new_segment *s, size_t n, struct buf *out,
                          struct error *e);
enum err json_of_deletions(const struct store_deletion *items, const size_t *which, size_t n,
                           struct buf *out, struct error *e);
enum err json_of_pairs(const struct str_pair *pairs, size_t n, struct buf *out, struct error *e);
/* Members that are strings; anything else gives none. */
void json_to_pairs(struct arena *a, struct str json, struct str_pair **out, size_t *n);

/* --- the store ------------------------------------------------------------- */

#define WAKE_SLUGS_MAX 16 /* distinct jobs woken within a few milliseconds */
#define WAKE_SLUG_SIZE 32

/* A place for an intent that is to be renewed. */
struct live_intent {
	char id[STORE_INTENT_SIZE]; /* "": the place is free */
	int64_t renewed;            /* the last time that is certain; monotonic */
	bool gone;                  /* the reaper had it */
	size_t next_free;
};

struct live_read {
	char generation[ULID_SIZE];
};

struct store {
	struct db *db;
	const struct config *config;
	char *instance;
	struct wait_group tasks;
	struct task *renewer;
	bool closing;

	int64_t renew_interval;
	int64_t intent_life;      /* after which the reaper may come for one that is not renewed */
	int64_t landing_time;     /* of intents that do not tell theirs */
	struct live_intent *live; /* places keep their intents: each is found at once */
	size_t n_live;            /* intents */
	size_t n_places, cap_places;
	size_t free_place; /* first of a list; not less than n_places: none */

	struct live_read *reads; /* of several segments, under way */
	size_t n_reads, cap_reads;
	bool reads_kept; /* by the keeper */
	struct task *keeper;

	char wakes[WAKE_SLUGS_MAX][WAKE_SLUG_SIZE];
	size_t n_wakes;
	bool waking; /* a task is about to send them */

	struct arena *hint_arena;
	struct store_space *hint;
	size_t n_hint;
	int64_t hint_asked, hint_read; /* when reading began, of the last and of the last
	                                * that succeeded; monotonic; 0: never */
	bool hinting;
	struct notify hinted; /* hinting is over */
	int64_t exported;     /* when it was last asked for by a page of metrics */
};

/* Segments of a bucket have been committed with so many copies: when it wants more,
 * somebody is woken. */
void copies_committed(struct store *s, struct str bucket, size_t copies);

/* n rows have been put into the clean-up queue: counted, and somebody is woken. */
void cleanup_queued(struct store *s, const char *reason, uint64_t n);

/* A statement whose outcome matters more than the client's patience: not ended by
 * cancellation. */
enum err exec_shielded(struct store *s, enum query q, const struct args *a, struct db_result **res,
                       struct error *e);
/* The error that a status of a function of the database means; never ERR_OK. */
enum err status_error(struct str status, struct error *e);
/* Intents that have become copies: not renewed any more. */
void intents_landed(struct store *s, const struct store_new_segment *segments, size_t n);
void version_id_copy(char out[STORE_VERSION_SIZE], struct str id);
/* A column with pairs, see json_to_pairs(); NULL gives none. */
void db_pairs(struct arena *a, const struct db_result *r, int row, int col, struct str_pair **out,
              size_t *n);
/* A column that lives as long as the arena. */
struct str db_dup(struct arena *a, const struct db_result *r, int row, int col);

void live_add(struct store *s, struct store_intent *intent);
void live_remove(struct store *s, const struct store_intent *intent);

/* Starts the first refresh. */
void space_refresh(struct store *s);
/* So that the writes of a second do not all go to what was the emptiest backend before. */
void space_reserved(struct store *s, const struct store_intent *i);

#endif
