/* SPDX-License-Identifier: MIT
 *
 * The scheduler. A job's task sleeps until the earliest of: its tick, the time
 * at which something is due (a notification makes that "now"), and the end of
 * its unused lease. A notification that comes during a pass is kept for after it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "db/db.h"
#include "observe/metrics.h"
#include "rt/task.h"
#include "store/store.h"
#include "workerd/job.h"
#include "workerd/lease.h"
#include "workerd/scheduler.h"
#include "workerd/worker.h"

/* A lease is kept that long after a pass, so that a stream of small passes does
 * not ask for it each time. */
#define LEASE_LINGER (10 * CLOCK_SEC)

/* Another daemon runs the job: notifications are for it, too. */
#define SKIP_PAUSE CLOCK_SEC

/* The database is away, or too busy: ask again without waiting for the tick. */
#define DATABASE_PAUSE (5 * CLOCK_SEC)

/* Successes of a busy job are written to the database no more often; a failure
 * and the first success after it always are. */
#define RECORD_INTERVAL (10 * CLOCK_SEC)

static const struct job *const jobs[] = {
	&job_cleanup,       &job_reap,      &job_multipart_gc, &job_rebalance, &job_replicate,
	&job_overreplicate, &job_lifecycle, &job_drain,        &job_remove,    &job_reconcile,
};
#define N_JOBS (sizeof jobs / sizeof *jobs)

struct entry {
	struct scheduler *scheduler;
	const struct job *job;
	struct lease lease;
	struct task *task;
	struct notify changed;
	/* all monotonic */
	int64_t tick;
	int64_t due;        /* CLOCK_NEVER: nothing but the tick */
	int64_t not_before; /* of due */
	bool whole;         /* the next pass looks at everything */
	int64_t used;       /* the lease, last */
	int64_t recorded;   /* a success, in the database */
	struct pass *pass;  /* in progress, or NULL */
	/* for the status; times are wall clock */
	const char *result;
	struct error error; /* text "": the last pass did not fail */
	uint64_t items, failures;
	bool busy; /* when skipped: because another daemon runs the job */
	/* runs over everything, and what the last one has made */
	uint64_t wholes_begun, wholes_ended, made;
	int64_t ended, succeeded, failed;
};

struct scheduler {
	struct worker *worker;
	bool held, stopping;
	struct leases leases;
	struct wait_group tasks;
	struct notify idle; /* a pass has ended */
	struct entry entries[N_JOBS];
};

static int64_t earliest(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static const struct config *config_of(const struct entry *e)
{
	return e->scheduler->worker->setup->config;
}

static bool is_on(const struct entry *e)
{
	return !e->job->gate || e->job->gate(config_of(e));
}

/* --- one pass ------------------------------------------------------------ */

static bool must_stop(const struct pass *p)
{
	const struct entry *e = p->owner;

	return e->scheduler->stopping || e->scheduler->held || !lease_is_held(&e->lease);
}

static void count(const struct entry *e, int tick)
{
	metrics_inc(METRIC_WORKER_TICKS, e->job->service, tick, 0);
}

static void record(struct entry *e, const struct pass *p, bool ok)
{
	int64_t now = rt_now();

	if (ok && e->failures == 0 && e->recorded > 0 && now < e->recorded + RECORD_INTERVAL)
		return;
	e->recorded = ok ? now : 0;
	/* Also for the last pass of a daemon that stops. The pass counts even if
	 * this is lost. */
	task_shield();
	store_job_record(p->setup->store, e->job->slug, ok, ok ? NULL : e->error.text, NULL);
	task_unshield();
}

static void skipped(struct entry *e, const char *why)
{
	e->result = "skipped";
	e->busy = false;
	e->not_before = rt_now() + SKIP_PAUSE;
	count(e, METRIC_TICK_SKIPPED);
	log_debug(e->job->slug, "tick skipped", LOG_STR("reason", why));
}

static void failed(struct entry *e, const struct pass *p, const char *what, const struct error *err)
{
	err_set(&e->error, err->code, "%s%s", what, err->text);
	e->result = "error";
	e->failed = clock_wall();
	count(e, METRIC_TICK_ERROR);
	log_error(e->job->slug, "pass failed", LOG_STR("request_id", p->request_id),
	          LOG_STR("error", e->error.text));
	record(e, p, false);
	e->failures++;
	metrics_set(METRIC_WORKER_FAILURES, e->job->service, 0, 0, (int64_t)e->failures);
}

static void succeeded(struct entry *e, const struct pass *p, int64_t began)
{
	e->result = "success";
	e->error.text[0] = '\0';
	e->succeeded = clock_wall();
	count(e, METRIC_TICK_SUCCESS);
	if (p->items > 0)
		log_info(e->job->slug, "pass completed", LOG_STR("request_id", p->request_id),
		         LOG_INT("count", p->items),
		         LOG_INT("duration_ms", (clock_mono() - began) / CLOCK_MS));
	record(e, p, true);
	e->failures = 0;
	metrics_set(METRIC_WORKER_FAILURES, e->job->service, 0, 0, 0);
	metrics_set(METRIC_WORKER_LAST_SUCCESS, e->job->service, 0, 0, e->succeeded / CLOCK_SEC);
}

/* The next pass at the latest in `us` from now. */
static void plan(struct entry *e, int64_t us)
{
	e->due = earliest(e->due, rt_now() + us);
}

/* Also when it went away with a statement on its way: whether that was carried out or not,
 * the next pass finds what is there. */
static bool is_away(enum err r)
{
	return r == ERR_UNAVAILABLE || r == ERR_DB_UNCERTAIN;
}

static void work(struct entry *e, struct pass *p)
{
	int64_t began = clock_mono();
	struct error err = {0};
	enum err r = e->job->run(p, &err);

	e->items = p->items;
	e->used = rt_now();
	/* A database that went away has its own breaker, metric and log lines. */
	if (r == ERR_OK)
		succeeded(e, p, began);
	else if (is_away(r))
		skipped(e, "the database is not available");
	else if (r == ERR_CANCELED)
		skipped(e, "the daemon stops");
	else
		failed(e, p, "", &err);
	if (is_away(r) || r == ERR_DB_BUSY)
		plan(e, DATABASE_PAUSE);
	else if (r == ERR_OK && p->again)
		plan(e, 0);
	else if (r == ERR_OK && p->due > 0)
		plan(e, p->due - clock_wall());
}

static void attempt(struct entry *e, struct pass *p)
{
	struct error err = {0};
	enum err r = ERR_UNAVAILABLE;
	bool got = false;

	if (db_is_healthy(e->scheduler->worker->db))
		r = lease_take(&e->lease, &got, &err);
	e->used = rt_now();
	if (got)
		work(e, p);
	else if (r == ERR_OK) {
		skipped(e, "another instance holds the lock");
		e->busy = true;
	} else if (r == ERR_UNAVAILABLE || r == ERR_CANCELED) {
		skipped(e, "the database is not available");
		plan(e, DATABASE_PAUSE);
	} else
		failed(e, p, "advisory lock: ", &err);
}

static void pass(struct entry *e)
{
	struct setup *setup = setup_use(e->scheduler->worker);
	struct pass p = {
		.job = e->job,
		.setup = setup,
		.arena = arena_new(),
		.whole = e->whole,
		.must_stop = must_stop,
		.owner = e,
	};
	uint8_t id[16];

	random_bytes(id, sizeof id);
	hex_encode(id, sizeof id, p.request_id);
	e->pass = &p;
	e->whole = false;
	e->due = CLOCK_NEVER; /* a notification from here on is for the next pass */
	if (p.whole) {
		e->wholes_begun++;
		e->made = 0;
	}
	attempt(e, &p);
	e->made += p.made;
	if (!p.again || strcmp(e->result, "success") != 0)
		e->wholes_ended = e->wholes_begun;
	if (e->due != CLOCK_NEVER && e->due < e->not_before)
		e->due = e->not_before;
	if (strcmp(e->result, "skipped") == 0) /* not looked at yet */
		e->whole = e->whole || p.whole;
	e->ended = clock_wall();
	e->pass = NULL;
	arena_free(&p.arena);
	setup_drop(&setup);
	notify_all(&e->scheduler->idle);
}

/* --- waiting for the next one -------------------------------------------- */

static int64_t next_run(const struct entry *e)
{
	return earliest(e->tick, e->due);
}

/* Missed ticks are dropped. An interval that a reload has shortened counts from
 * now. */
static void advance_tick(struct entry *e)
{
	int64_t interval = e->job->interval(config_of(e));
	int64_t now = rt_now();

	if (e->tick <= now) {
		e->whole = true;
		e->tick += interval * ((now - e->tick) / interval + 1);
	}
	e->tick = earliest(e->tick, now + interval);
}

/* False: the end. */
static bool wait_for_reason(struct entry *e)
{
	struct scheduler *s = e->scheduler;

	while (!s->stopping) {
		int64_t now = rt_now(), until = CLOCK_NEVER;

		if (!s->held && now >= next_run(e))
			return true;
		if (e->lease.held && now >= e->used + LEASE_LINGER)
			lease_give(&e->lease);
		if (!s->held)
			until = next_run(e);
		if (e->lease.held)
			until = earliest(until, e->used + LEASE_LINGER);
		notify_wait(&e->changed, until);
	}
	return false;
}

static void job_main(void *arg)
{
	struct entry *e = arg;

	e->tick = rt_now() +
	          (int64_t)(random_u64() % (uint64_t)(e->job->interval(config_of(e)) / 2 + 1));
	while (wait_for_reason(e)) {
		advance_tick(e);
		if (is_on(e))
			pass(e);
		else
			e->due = CLOCK_NEVER;
	}
	e->task = NULL;
}

/* --- control ------------------------------------------------------------- */

struct scheduler *scheduler_new(struct worker *w)
{
	struct scheduler *s = MEM_NEW(struct scheduler);

	s->worker = w;
	leases_init(&s->leases, w->conninfo);
	for (size_t i = 0; i < N_JOBS; i++) {
		struct entry *e = &s->entries[i];

		e->scheduler = s;
		e->job = jobs[i];
		e->lease = (struct lease){.all = &s->leases, .lock = jobs[i]->lock};
		e->due = jobs[i]->at_start ? 0 : CLOCK_NEVER;
		e->whole = jobs[i]->at_start;
		e->result = "";
		if (wait_group_spawn(&s->tasks, jobs[i]->slug, job_main, e, &e->task) < 0)
			abort(); /* no memory for a stack at start */
	}
	return s;
}

bool scheduler_wake(struct scheduler *s, struct str slug, bool whole)
{
	bool found = false;

	for (size_t i = 0; i < N_JOBS; i++) {
		struct entry *e = &s->entries[i];

		if (slug.n > 0 && !str_eq(slug, str_of(e->job->slug)))
			continue;
		found = true;
		e->whole = e->whole || whole;
		e->due = rt_now() > e->not_before ? rt_now() : e->not_before;
		notify_all(&e->changed);
	}
	return found;
}

static struct entry *find_entry(struct scheduler *s, const char *slug)
{
	for (size_t i = 0; i < N_JOBS; i++)
		if (strcmp(jobs[i]->slug, slug) == 0)
			return &s->entries[i];
	abort(); /* no such job in this program */
}

static enum run_outcome outcome_of(const struct entry *e, uint64_t *made, struct error *err)
{
	*made = e->made;
	if (strcmp(e->result, "success") == 0)
		return RUN_DONE;
	if (strcmp(e->result, "skipped") == 0)
		return e->busy ? RUN_BUSY : RUN_UNAVAILABLE;
	*err = e->error;
	return RUN_FAILED;
}

enum run_outcome scheduler_run(struct scheduler *s, const char *slug, uint64_t *made,
                               struct error *err)
{
	struct entry *e = find_entry(s, slug);
	uint64_t wanted = e->wholes_begun + 1; /* one that has begun may be past what is new */

	if (!is_on(e))
		return RUN_OFF;
	scheduler_wake(s, str_of(slug), true);
	while (e->wholes_ended < wanted && !s->stopping)
		if (notify_wait(&s->idle, CLOCK_NEVER) < 0)
			return RUN_UNAVAILABLE;
	return e->wholes_ended < wanted ? RUN_UNAVAILABLE : outcome_of(e, made, err);
}

static void change_all(struct scheduler *s)
{
	for (size_t i = 0; i < N_JOBS; i++)
		notify_all(&s->entries[i].changed);
}

static bool is_any_running(const struct scheduler *s)
{
	for (size_t i = 0; i < N_JOBS; i++)
		if (s->entries[i].pass)
			return true;
	return false;
}

void scheduler_hold(struct scheduler *s)
{
	s->held = true;
	while (is_any_running(s) && notify_wait(&s->idle, CLOCK_NEVER) == 0)
		;
}

void scheduler_release(struct scheduler *s)
{
	s->held = false;
	for (size_t i = 0; i < N_JOBS; i++)
		advance_tick(&s->entries[i]);
	change_all(s);
}

void scheduler_stop(struct scheduler *s)
{
	s->stopping = true;
	change_all(s);
	notify_all(&s->idle);
}

void scheduler_cancel(struct scheduler *s)
{
	for (size_t i = 0; i < N_JOBS; i++) {
		struct entry *e = &s->entries[i];

		if (e->pass)
			pass_cancel(e->pass);
		if (e->task)
			task_cancel(e->task);
	}
}

bool scheduler_wait(struct scheduler *s, int64_t deadline)
{
	while (s->tasks.running > 0 && notify_wait(&s->tasks.changed, deadline) == 0)
		;
	return s->tasks.running == 0;
}

void scheduler_free(struct scheduler **s)
{
	wait_group_wait(&(*s)->tasks, 0);
	leases_close(&(*s)->leases);
	free(*s);
	*s = NULL;
}

/* --- status -------------------------------------------------------------- */

size_t scheduler_count(void)
{
	return N_JOBS;
}

void scheduler_status(const struct scheduler *s, size_t i, struct job_status *out)
{
	const struct entry *e = &s->entries[i];

	*out = (struct job_status){
		.job = e->job,
		.state = e->pass    ? JOB_RUNNING
	                 : is_on(e) ? JOB_WAITING
	                            : JOB_OFF,
		.next_run = clock_wall() + (next_run(e) - rt_now()),
		.last_pass = e->ended,
		.last_result = e->result,
		.last_items = e->items,
		.last_success = e->succeeded,
		.last_failure = e->failed,
		.last_error = e->error.text,
		.failures = e->failures,
	};
}
