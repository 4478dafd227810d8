/* SPDX-License-Identifier: MIT
 *
 * What the files of store share.
 *
 *     store.c    life, renewal of intents     write.c    reserve ... commit, delete
 *     read.c     find, list                   json.c     pairs as JSON
 *     space.c    quotas                       cleanup.c  queue, reaper
 *     jobs.c     waking, health               args.c     parameters of statements
 *     gauges.c   space as metrics
 */
#ifndef STORE_PRIVATE_H
#define STORE_PRIVATE_H

#include "base/buf.h"
#include "db/db.h"
#include "rt/sync.h"
#include "store/store.h"

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
/* An array of texts, written into the buffer. */
void arg_texts(struct args *a, struct buf *array, const char *const *s, size_t n);
void arg_null(struct args *a);
/* One of the slots in which a backend is counted, at random. */
void arg_slot(struct args *a);

/* --- json.c ---------------------------------------------------------------- */

/* {"name":"value",...}; ERR_INVALID when something is not UTF-8. */
enum err json_from_pairs(const struct str_pair *pairs, size_t n, struct buf *out, struct error *e);
/* Members that are strings; anything else gives none. */
void json_to_pairs(struct arena *a, struct str json, struct str_pair **out, size_t *n);

/* --- the store ------------------------------------------------------------- */

#define WAKE_SLUGS_MAX 16 /* distinct jobs woken within a few milliseconds */
#define WAKE_SLUG_SIZE 32

struct live_intent {
	char id[STORE_INTENT_SIZE];
	int64_t renewed; /* the last time that is certain; monotonic */
	bool gone;       /* the reaper had it */
};

struct store {
	struct db *db;
	char *instance;
	struct wait_group tasks;
	struct task *renewer;
	bool closing;

	int64_t renew_interval;
	int64_t intent_life;      /* after which the reaper may come for one that is not renewed */
	int64_t landing_time;     /* after which nothing more of an ended write arrives */
	struct live_intent *live; /* to be renewed */
	size_t n_live, cap_live;

	char wakes[WAKE_SLUGS_MAX][WAKE_SLUG_SIZE];
	size_t n_wakes;
	bool waking; /* a task is about to send them */

	struct arena *hint_arena;
	struct store_space *hint;
	size_t n_hint;
	int64_t hint_asked, hint_read; /* monotonic; 0: never */
	bool hinting;
	struct notify hinted; /* hinting is over */
	int64_t exported;     /* when it was last asked for by a page of metrics */
};

/* n rows have been put into the clean-up queue: counted, and somebody is woken. */
void cleanup_queued(struct store *s, const char *reason, uint64_t n);

void live_add(struct store *s, const char *intent);
void live_remove(struct store *s, const char *intent);

/* Starts the first refresh. */
void space_refresh(struct store *s);

#endif
