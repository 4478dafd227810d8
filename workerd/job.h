/* SPDX-License-Identifier: MIT
 *
 * A background job: what the scheduler must know to run it, and what a pass of it
 * may use. A pass does one batch; the scheduler sees to it that at most one runs
 * per kind and database, and that it is called again while there is work.
 */
#ifndef WORKERD_JOB_H
#define WORKERD_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/err.h"

struct config;
struct pass;
struct setup;
struct task;

struct job {
	const char *slug; /* in logs, metrics, notifications and the control protocol */
	int64_t lock;     /* number of its advisory lock; part of the database's contract */
	int service;      /* METRIC_SERVICE_... */
	int64_t (*interval)(const struct config *c); /* the longest time between two passes */
	bool (*gate)(const struct config *c);        /* false: switched off. NULL: always on */
	bool at_start;                               /* a pass when the daemon starts */
	/* ERR_OK even when single items failed (they are retried by their own rules);
	 * ERR_UNAVAILABLE, ERR_DB_UNCERTAIN and ERR_CANCELED are not failures of the job.
	 * After the first two and ERR_DB_BUSY it is tried again soon, after other
	 * failures at its tick. */
	enum err (*run)(struct pass *p, struct error *e);
};

extern const struct job job_cleanup, job_drain, job_lifecycle, job_multipart_gc, job_overreplicate,
	job_reap, job_rebalance, job_reconcile, job_remove, job_replicate;

/* At most this many items of one pass at the same time. */
#define PASS_MEMBERS 64

struct pass {
	const struct job *job;
	const struct setup *setup; /* stays as it is during the pass */
	struct arena *arena;       /* freed after the pass */
	char request_id[33];       /* in every log line of the pass */
	bool whole;                /* it is time to look at everything, not only at what was
	                            * announced: the ticker, or an operator */
	/* out */
	uint64_t items; /* dealt with, for the log and the status */
	uint64_t made;  /* copies made, moved or removed, for who has asked for a run */
	bool again;     /* more is waiting: the next pass follows at once */
	int64_t due;    /* wall clock: when something will be to do; 0: not known */
	/* private */
	bool (*must_stop)(const struct pass *p);
	void *owner;
	struct task *members[PASS_MEMBERS];
};

/* To be asked between items: the daemon stops, or the lock of the job is lost. */
bool pass_must_stop(const struct pass *p);

/* Calls fn(arg, i) for i = 0 .. n-1 in up to `concurrency` tasks, until done or
 * pass_must_stop(). Returns how many items were begun; those have been finished
 * too (when the time for stopping is over they see a cancelled task). */
size_t pass_each(struct pass *p, int concurrency, size_t n, void (*fn)(void *arg, size_t i),
                 void *arg);

/* Ends the waits of the items in progress. */
void pass_cancel(struct pass *p);

#endif
