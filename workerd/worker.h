/* SPDX-License-Identifier: MIT
 *
 * workerd as a whole. What follows from the configuration is a setup, replaced
 * as one by a reload; what cannot be replaced (database, listeners) is the
 * worker's.
 */
#ifndef WORKERD_WORKER_H
#define WORKERD_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include "backend/backend.h"
#include "backend/usage_flush.h"
#include "base/buf.h"
#include "base/err.h"
#include "ctl/daemon.h"
#include "rt/sync.h"

struct breaker;
struct config;
struct db;
struct engine;
struct scheduler;
struct store;

struct setup {
	const struct config *config;
	struct breaker *breakers; /* of this process alone, one per backend */
	struct usage *usage;      /* likewise */
	struct backend_set backends;
	int64_t *silent_until; /* one per backend, monotonic: no deletion before, because
	                        * it has let one time out; written by the clean-up */
	int64_t *told_full;    /* one per backend, monotonic: when it was told to be nearly full */
	struct store *store;
	struct engine *engine;
	/* private */
	struct config *owned; /* NULL: the first configuration, which the worker keeps */
	unsigned users;
};

enum reload_state { RELOAD_NEVER, RELOAD_OK, RELOAD_FAILED };

struct reload {
	bool wanted;             /* asked for and not begun */
	uint64_t count;          /* finished */
	enum reload_state state; /* of the last one */
	int64_t started, ended;  /* wall clock */
	struct buf error;        /* findings, or why it failed */
	struct buf restart;      /* settings that need a restart, one per line */
	struct notify done;
};

struct worker {
	struct config *first; /* as started with: what the database and listeners are */
	const char *config_file;
	char *conninfo;
	char instance[DAEMON_INSTANCE_SIZE]; /* in claims */
	int64_t started;                     /* wall clock */
	uint64_t generation;                 /* successful loads, the first one included */
	struct db *db;
	struct setup *setup; /* the current one */
	struct scheduler *scheduler;
	struct usage_flusher usage_flusher; /* of the current setup */
	struct reload reload;
	bool ready, stopping;
	struct notify changed; /* a reload is wanted, or the end */
};

/* Opens backends and store of a configuration. The setup takes over `owned`,
 * also on failure. */
enum err setup_open(const struct worker *w, const struct config *c, struct config *owned,
                    struct setup **out, struct error *e);
/* A reference that stays valid while its holder waits. */
struct setup *setup_use(struct worker *w);
/* Tasks only; the last one closes it. */
void setup_drop(struct setup **s);

/* Loads the configuration again and puts it to use between passes. Result in
 * w->reload. */
void worker_reload(struct worker *w);
/* Asks the main task for a reload. */
void worker_want_reload(struct worker *w);

/* usage.c: until it is cancelled, writes what is counted to the database now and then;
 * arg is the worker. */
void worker_usage_main(void *arg);
/* Writes it now. Parks. */
enum err worker_usage_flush(struct worker *w, struct error *e);
/* Between passes: puts the next setup to use, with all that the present one has counted
 * and could not write any more. */
void worker_usage_replace(struct worker *w, struct setup *next);

/* Shared memory is not needed by a single process; one region all the same. */
void worker_metrics_attach(const struct config *c);
/* Frees it, for leak checks. */
void worker_metrics_detach(void);

#endif
