/* SPDX-License-Identifier: MIT
 *
 * Work with the database that the supervisor needs but must not do itself,
 * because it blocks and because libpq would leave things behind that children
 * then inherit: done by a short-lived forked process.
 */
#ifndef PROXYD_HELPER_H
#define PROXYD_HELPER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct config;
struct usage;

enum helper_job {
	HELPER_BOOT,     /* embedded cluster, migrations, quota limits, usage so far */
	HELPER_QUOTA,    /* quota limits only */
	HELPER_EMBEDDED, /* the embedded cluster has died: start it again */
	HELPER_USAGE,    /* what the children have counted last */
};

/* Shared memory between the helper and the supervisor. */
struct helper_report {
	_Atomic pid_t postmaster; /* of the embedded cluster, once there is a process */
	_Atomic bool stop;        /* the supervisor wants no more of it */
	char error[240];          /* why it failed */
};

struct helper {
	pid_t pid; /* 0: none runs */
	enum helper_job job;
	int64_t kill_at;
	struct helper_report *report;
	struct usage *usage; /* of the board, set before the first job */
};

void helper_init(struct helper *h);
/* Starts a job; no other may run. wait_db: how long HELPER_BOOT tries again
 * while the database does not answer. limit: after that it is killed. */
bool helper_start(struct helper *h, enum helper_job job, const struct config *c, int64_t wait_db,
                  int64_t limit);
/* A process has ended; true when it was this one. *ok, or h->report->error. */
bool helper_ended(struct helper *h, pid_t pid, int status, bool *ok);
void helper_tick(struct helper *h);
/* It ends at the next opportunity; a cluster that it was starting is the
 * supervisor's to stop. */
void helper_stop(struct helper *h);

#endif
