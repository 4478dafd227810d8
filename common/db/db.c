/* SPDX-License-Identifier: MIT
 *
 * The pool: picks a connection, sends, waits; and the breaker.
 *
 * The breaker opens after a number of failures in a row: connections refused or
 * lost, answers that did not come in time, errors that are the server's own fault
 * (see sqlstate.c); and when there has been no connection for half of the time
 * that a call may take, because an attempt to connect may hang. While it is open
 * calls fail at once. It closes when a probe was answered: SELECT 1 on each new
 * connection, or, when the connections are alive but statements fail, on a live
 * one after the open time. Requests are never the probe.
 *
 * libpq sends after each statement (PQpipelineSync flushes); statements of one
 * turn of the loop cannot share a system call.
 */
#include "db/db_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "db_gen_queries.h"

#define TIMEOUT_DEFAULT      (10 * CLOCK_SEC)
#define THRESHOLD_DEFAULT    3
#define OPEN_TIMEOUT_DEFAULT (15 * CLOCK_SEC)

/* When the first connection is not enough: most statements take less than a millisecond,
 * so that some in a row are no reason, nor is one that is run for the first time, which
 * takes 20 ms; but nobody should queue behind a slow one. */
#define CROWD_DEPTH 16
#define CROWD_AGE   (50 * CLOCK_MS)

const struct db_query *db_query(enum query q)
{
	assert((unsigned)q < QUERY_COUNT);
	return &queries[q];
}

/* --- breaker ---------------------------------------------------------------- */

static void run_prober(void *arg);

static void set_state(struct db *d, enum db_state state)
{
	enum db_state from = d->state;

	d->state = state;
	if (d->on_state)
		d->on_state(d->arg, from, state);
}

static void open_breaker(struct db *d, const char *error)
{
	set_state(d, DB_OPEN);
	d->open_since = clock_mono();
	log_error("store", "database unavailable", LOG_STR("error", error));
	notify_all(&d->changed);
	if (!d->prober && wait_group_spawn(&d->tasks, "db-probe", run_prober, d, &d->prober) < 0)
		d->prober = NULL; /* new connections close it too */
}

void db_want_all(struct db *d)
{
	if (d->crowded)
		return;
	d->crowded = true;
	notify_all(&d->changed);
}

void db_failed(struct db *d, const char *error)
{
	db_want_all(d);
	d->failures++;
	if (d->state == DB_CLOSED && d->failures >= d->failure_threshold)
		open_breaker(d, error);
	else
		log_debug("store", "database failure", LOG_STR("error", error));
}

void db_succeeded(struct db *d)
{
	if (d->state == DB_CLOSED)
		d->failures = 0;
}

void db_close_breaker(struct db *d)
{
	d->failures = 0;
	if (d->state == DB_CLOSED)
		return;
	set_state(d, DB_CLOSED);
	log_info("store", "database available again",
	         LOG_INT("duration_ms", (clock_mono() - d->open_since) / CLOCK_MS));
	notify_all(&d->changed);
}

void db_conns_changed(struct db *d)
{
	bool any = false;
	for (size_t i = 0; i < d->n_conns; i++)
		any = any || d->conns[i].ready;
	if (any)
		d->lost = CLOCK_NEVER;
	else if (d->lost == CLOCK_NEVER)
		d->lost = clock_mono();
}

/* When calls stop waiting for a connection; CLOCK_NEVER while there is one. */
static int64_t deserted_at(const struct db *d)
{
	return d->lost == CLOCK_NEVER ? CLOCK_NEVER : d->lost + d->timeout_us / 2;
}

enum db_state db_state(const struct db *d)
{
	return d->state;
}

bool db_is_healthy(const struct db *d)
{
	return d->state == DB_CLOSED && clock_mono() < deserted_at(d);
}

/* --- life ------------------------------------------------------------------- */

/* The server gives up first, so that its answer is certain. What it has answered
 * outlasts its crash, however it is configured. Plans: every statement is meant to
 * use an index, also while its tables are still small, and generic plans are as
 * good as others and made once. Where there is no index, forbidding the scan makes it
 * look so expensive that it would be compiled. */
static char *session_settings(int64_t timeout_us)
{
	struct buf b = {0};
	buf_printf(&b,
	           "-c statement_timeout=%lld -c lock_timeout=%lld "
	           "-c synchronous_commit=on -c enable_seqscan=off "
	           "-c enable_bitmapscan=off -c plan_cache_mode=force_generic_plan -c jit=off",
	           (long long)(timeout_us / CLOCK_MS * 8 / 10),
	           (long long)(timeout_us / CLOCK_MS * 6 / 10));
	buf_add_char(&b, '\0');
	return b.p;
}

struct db *db_new(const struct db_options *o)
{
	struct db *d = MEM_NEW(struct db);
	d->conninfo = strdup(o->conninfo);
	d->timeout_us = o->timeout_us ? o->timeout_us : TIMEOUT_DEFAULT;
	d->lost = clock_mono();
	d->open_timeout_us = o->open_timeout_us ? o->open_timeout_us : OPEN_TIMEOUT_DEFAULT;
	d->failure_threshold = o->failure_threshold ? o->failure_threshold : THRESHOLD_DEFAULT;
	d->settings = session_settings(d->timeout_us);
	d->on_state = o->on_state;
	d->arg = o->arg;
	semaphore_init(&d->connecting, 1);
	d->n_conns = (size_t)(o->connections ? o->connections : DB_CONNECTIONS);
	d->conns = mem_alloc(d->n_conns * sizeof *d->conns);
	for (size_t i = 0; i < d->n_conns; i++) {
		struct conn *c = &d->conns[i];
		c->db = d;
		c->last = &c->first;
		if (wait_group_spawn(&d->tasks, "db-conn", conn_run, c, &c->task) < 0)
			c->task = NULL; /* the others do */
	}
	return d;
}

void db_free(struct db **dp)
{
	struct db *d = *dp;
	if (!d)
		return;
	*dp = NULL;
	d->closing = true;
	notify_all(&d->changed);
	for (size_t i = 0; i < d->n_conns; i++)
		if (d->conns[i].task)
			task_cancel(d->conns[i].task);
	if (d->prober)
		task_cancel(d->prober);
	wait_group_wait(&d->tasks, 0);
	task_shield();
	while (d->users > 0)
		notify_wait(&d->unused, CLOCK_NEVER);
	task_unshield();
	free(d->conns);
	free(d->settings);
	free(d->conninfo);
	free(d);
}

static void enter(struct db *d)
{
	d->users++;
}

static void leave(struct db *d)
{
	if (--d->users == 0)
		notify_all(&d->unused);
}

/* --- statements ------------------------------------------------------------- */

static struct conn *least_busy(struct db *d)
{
	struct conn *best = NULL;
	for (size_t i = 0; i < d->n_conns; i++) {
		struct conn *c = &d->conns[i];
		if (c->ready && !c->broken && (!best || c->in_flight < best->in_flight))
			best = c;
	}
	return best;
}

static bool is_crowded(const struct conn *c)
{
	return c->in_flight >= CROWD_DEPTH ||
	       (c->first && clock_mono() - c->first->sent >= CROWD_AGE);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* patient: neither the breaker nor a long time without a connection is a reason
 * to give up before the deadline. */
static enum err find_conn(struct db *d, int64_t deadline, bool patient, struct conn **out,
                          struct error *e)
{
	for (;;) {
		int64_t until = patient ? deadline : earlier(deadline, deserted_at(d));
		if (d->closing)
			return err_set(e, ERR_UNAVAILABLE, "database: shutting down");
		if (d->state == DB_CLOSED && !patient && clock_mono() >= deserted_at(d))
			open_breaker(d, "no connection");
		if (d->state != DB_CLOSED && !patient)
			return err_set(e, ERR_UNAVAILABLE, "database: unavailable");
		*out = least_busy(d);
		if (*out && is_crowded(*out))
			db_want_all(d);
		if (*out && d->state == DB_CLOSED)
			return ERR_OK;
		int r = notify_wait(&d->changed, until);
		if (r == -ECANCELED)
			return err_set(e, ERR_CANCELED, "cancelled");
		if (r == -ETIMEDOUT && until == deadline)
			return err_set(e, ERR_UNAVAILABLE, "database: no connection in time");
	}
}

enum err db_wait_ready(struct db *d, int64_t deadline, struct error *e)
{
	struct conn *c;
	enter(d);
	enum err r = find_conn(d, deadline, true, &c, e);
	leave(d);
	return r;
}

char *db_terminate(const struct db_query *q, const struct db_param *params, const char **values)
{
	size_t n = 1;
	for (int i = 0; i < q->n_params; i++) {
		if (params[i].p && memchr(params[i].p, '\0', params[i].n))
			return NULL;
		n += params[i].n + 1;
	}
	char *all = mem_alloc(n), *p = all;
	for (int i = 0; i < q->n_params; i++) {
		values[i] = params[i].p ? p : NULL;
		if (params[i].p)
			memcpy(p, params[i].p, params[i].n);
		p += params[i].n + 1;
	}
	return all;
}

/* Waits for the answer. False when the caller left early, for the reason in *r:
 * then the statement is the connection's. */
static bool await(struct conn *c, struct statement *s, int64_t deadline, enum err *r)
{
	while (!s->done) {
		int woken = task_park(deadline);
		if (woken == 0 || s->done)
			continue;
		s->task = NULL;
		*r = woken == -ECANCELED ? ERR_CANCELED : ERR_TIMEOUT;
		if (*r == ERR_TIMEOUT) {
			db_failed(c->db, "no answer in time");
			conn_timed_out(c, s);
		}
		return false;
	}
	return true;
}

static enum err unanswered(const struct db_query *q, const char *why, struct error *e)
{
	return err_set(e, q->read_only ? ERR_UNAVAILABLE : ERR_DB_UNCERTAIN, "%s: %s", q->name,
	               why);
}

static enum err outcome(const struct db_query *q, const struct statement *s, struct error *e)
{
	ExecStatusType status = PQresultStatus(s->result);
	if (s->lost)
		return unanswered(q, "the connection to the database broke", e);
	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		return pg_result_error(s->result, pg_failure(s->result).code, q->name, e);
	return ERR_OK;
}

static enum err exec(struct db *d, enum query q, const char *const *values, PGresult **out,
                     struct error *e)
{
	int64_t deadline = clock_deadline(d->timeout_us);
	struct conn *c;
	enum err r = find_conn(d, deadline, false, &c, e);
	if (r != ERR_OK)
		return r;
	struct statement *s = conn_send(c, (int)q, values);
	if (!s)
		return err_set(e, ERR_UNAVAILABLE, "database: the connection is gone");
	if (!await(c, s, deadline, &r))
		return r == ERR_CANCELED ? err_set(e, r, "cancelled")
		                         : unanswered(db_query(q), "no answer in time", e);
	r = outcome(db_query(q), s, e);
	if (r == ERR_OK) {
		*out = s->result;
		s->result = NULL;
	}
	statement_free(s);
	return r;
}

/* Its answer closes the breaker (conn.c). */
static void probe(struct db *d)
{
	struct conn *c = least_busy(d);
	struct statement *s = c ? conn_send(c, DB_PROBE, NULL) : NULL;
	enum err r;
	if (!s)
		return;
	set_state(d, DB_HALF_OPEN);
	if (await(c, s, clock_deadline(d->timeout_us), &r))
		statement_free(s);
	if (d->state == DB_HALF_OPEN)
		set_state(d, DB_OPEN);
}

/* After up to a quarter more than the open time, so that processes do not probe
 * all at once. */
static void run_prober(void *arg)
{
	struct db *d = arg;
	while (d->state != DB_CLOSED && !d->closing) {
		uint64_t jitter = random_u64() % (uint64_t)(d->open_timeout_us / 4 + 1);
		if (task_sleep(d->open_timeout_us + (int64_t)jitter) == 0 && d->state == DB_OPEN)
			probe(d);
	}
	d->prober = NULL;
}

enum err db_exec(struct db *d, enum query q, const struct db_param *params, struct db_result **out,
                 struct error *e)
{
	const char *values[QUERY_PARAMS_MAX];
	char *copies = db_terminate(db_query(q), params, values);
	*out = NULL;
	if (!copies)
		return err_set(e, ERR_INVALID, "%s: a NUL character in a text", db_query(q)->name);
	enter(d);
	enum err r = exec(d, q, values, (PGresult **)out, e);
	leave(d);
	free(copies);
	return r;
}
