/* SPDX-License-Identifier: MIT
 *
 * When jobs run: one task per job, which wakes up for its ticker, for a
 * notification that there is work, or when a pass has said that something will
 * be due. The ticker is the net, notifications are the trigger: the interval
 * bounds the delay, it does not cause it.
 */
#ifndef WORKERD_SCHEDULER_H
#define WORKERD_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"

struct job;
struct scheduler;
struct worker;

/* Starts the tasks. The worker outlives the scheduler. */
struct scheduler *scheduler_new(struct worker *w);

/* Runs the job of that slug now; an empty slug means all of them. whole: it shall look
 * at everything, see struct pass. False when there is no such job. May be called from
 * any task. */
bool scheduler_wake(struct scheduler *s, struct str slug, bool whole);

/* Runs the job of that slug over everything, and parks until it has: what the whole of its
 * passes has made. */
enum run_outcome {
	RUN_DONE,
	RUN_OFF,         /* it is switched off in the configuration */
	RUN_BUSY,        /* another daemon runs it */
	RUN_UNAVAILABLE, /* the database is away, or the daemon stops */
	RUN_FAILED,      /* *e says why */
};
enum run_outcome scheduler_run(struct scheduler *s, const char *slug, uint64_t *made,
                               struct error *e);

/* Between these two no pass runs: hold parks until those in progress have
 * stopped between two items. */
void scheduler_hold(struct scheduler *s);
void scheduler_release(struct scheduler *s);

/* Asks all passes to end; scheduler_cancel also ends their waits. */
void scheduler_stop(struct scheduler *s);
void scheduler_cancel(struct scheduler *s);
/* Parks until all tasks have left or the deadline. True when they have. */
bool scheduler_wait(struct scheduler *s, int64_t deadline);
/* After scheduler_stop(); parks until all tasks have left. */
void scheduler_free(struct scheduler **s);

enum job_state { JOB_OFF, JOB_WAITING, JOB_RUNNING };

/* What became of a job in this process. Times are wall clock, 0: never. */
struct job_status {
	const struct job *job;
	enum job_state state;
	int64_t next_run;
	int64_t last_pass;       /* when the last pass ended */
	const char *last_result; /* "success", "error", "skipped"; "" before the first */
	uint64_t last_items;
	int64_t last_success, last_failure;
	const char *last_error; /* "" when the last pass did not fail */
	uint64_t failures;      /* in a row */
};
size_t scheduler_count(void);
void scheduler_status(const struct scheduler *s, size_t i, struct job_status *out);

#endif
