/* SPDX-License-Identifier: MIT
 *
 * From the counters of a host to the database, which adds up the hosts, and back: the
 * sums are what the limits are measured against. Whoever flushes holds the flusher,
 * which lies beside the counters: two that flushed at once would both add the same.
 */
#ifndef BACKEND_USAGE_FLUSH_H
#define BACKEND_USAGE_FLUSH_H

#include <sys/types.h>
#include "backend/usage.h"
#include "base/err.h"

struct config;
struct db_blocking;
struct store;

/* In shared memory; zeroed: nobody flushes, nothing has been flushed. */
struct usage_flusher {
	_Atomic pid_t holder;    /* 0: nobody */
	_Atomic int64_t flushed; /* clock_mono of the last flush, also a failed one */
	_Atomic bool fast;       /* a limit is near */
};

/* For the end of the holder's process, told by whoever has waited for it. */
void usage_flusher_orphaned(struct usage_flusher *f, pid_t dead);

/* `all` are the counters of the backends of a configuration, in its order. */

/* To be called about once a second (usage_flush_pace()): flushes when the interval of
 * the configuration has passed and nobody else does. Failures are logged, and tried
 * again after the next interval. Tasks only. */
void usage_flush_tick(struct usage_flusher *f, struct usage *all, const struct config *c,
                      struct store *s);
int64_t usage_flush_pace(const struct config *c);

/* Waits until nobody else flushes; -ECANCELED. Tasks only. */
int usage_flusher_take(struct usage_flusher *f);
void usage_flusher_give(struct usage_flusher *f);
/* For the holder. On errors all that was counted is still there; after
 * ERR_DB_UNCERTAIN it may have been added all the same. */
enum err usage_flush(struct usage *all, const struct config *c, struct store *s, struct error *e);

/* The same without a loop, when no other process is there that could flush. */
enum err usage_flush_blocking(struct usage *all, const struct config *c, struct db_blocking *db,
                              struct error *e);

#endif
