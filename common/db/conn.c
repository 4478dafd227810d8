/* SPDX-License-Identifier: MIT
 *
 * A connection of the pool. Its task opens it, proves it with SELECT 1, then
 * reads answers until it breaks, and begins again. Statements are sent by the
 * tasks that want them, straight into libpq's buffer and the socket; what the
 * socket does not take is written by a task that exists just for that.
 *
 * The complication: answers come in the order of the statements, whether or not
 * anybody still waits for them. A statement therefore outlives its caller, and
 * is freed by whoever is the last to need it.
 */
#include "db/db_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "rt/fd.h"

#define BACKOFF_MIN (100 * CLOCK_MS)
#define BACKOFF_MAX (5 * CLOCK_SEC)
/* Of the time-out of a statement; the server's own is at 8 tenths. */
#define SILENCE_TENTHS 9
#define NAME_MAX_LEN   32 /* of a prepared statement: two numbers */

/* --- the queue of statements ------------------------------------------------ */

static struct statement *push(struct conn *c, int query)
{
	struct statement *s = MEM_NEW(struct statement);
	s->query = query;
	s->task = task_self();
	s->sent = clock_mono();
	*c->last = s;
	c->last = &s->next;
	c->in_flight++;
	return s;
}

static struct statement *pop(struct conn *c)
{
	struct statement *s = c->first;
	c->first = s->next;
	if (!c->first)
		c->last = &c->first;
	c->in_flight--;
	return s;
}

void statement_free(struct statement *s)
{
	PQclear(s->result);
	free(s);
}

static void finish(struct statement *s)
{
	s->done = true;
	if (s->task)
		task_wake(s->task);
	else
		statement_free(s);
}

/* --- sending ---------------------------------------------------------------- */

/* For everybody but the reader, which finds the end of the stream then. */
static void give_up(struct conn *c)
{
	c->broken = true;
	if (c->pg.fd)
		shutdown(rt_fd_get(c->pg.fd), SHUT_RDWR);
}

static void flush_rest(void *arg)
{
	struct conn *c = arg;
	int r = 0;
	while (c->pg.fd && !c->broken && (r = PQflush(c->pg.conn)) > 0)
		if (rt_fd_wait_write(c->pg.fd, CLOCK_NEVER) < 0)
			break;
	if (r < 0)
		give_up(c);
	c->flushing = false;
}

static void flush(struct conn *c)
{
	if (c->flushing)
		return;
	int r = PQflush(c->pg.conn);
	if (r > 0)
		c->flushing = wait_group_spawn(&c->flushers, "db-flush", flush_rest, c, NULL) == 0;
	if (r < 0 || (r > 0 && !c->flushing))
		give_up(c);
}

static bool queue_prepare(struct conn *c, int query, const char *name, bool *preparing)
{
	if (c->prepared[query])
		return true;
	if (!PQsendPrepare(c->pg.conn, name, db_query(query)->text, 0, NULL))
		return false;
	*preparing = c->prepared[query] = true;
	return true;
}

static bool queue_query(struct conn *c, int query, const char *const *values, bool *preparing)
{
	char name[NAME_MAX_LEN];
	if (query == DB_PROBE)
		return PQsendQueryParams(c->pg.conn, "SELECT 1", 0, NULL, NULL, NULL, NULL, 0);
	snprintf(name, sizeof name, "q%d_%u", query, c->serial[query]);
	return queue_prepare(c, query, name, preparing) &&
	       PQsendQueryPrepared(c->pg.conn, name, db_query(query)->n_params, values, NULL, NULL,
	                           0);
}

/* libpq refuses only when the connection is gone or memory is. What it has
 * queued then is not sent: without its Sync nothing of it is executed for good. */
struct statement *conn_send(struct conn *c, int query, const char *const *values)
{
	bool preparing = false;
	assert(c->ready && !c->broken);
	if (!queue_query(c, query, values, &preparing) || !PQpipelineSync(c->pg.conn)) {
		give_up(c);
		return NULL;
	}
	struct statement *s = push(c, query);
	s->preparing = preparing;
	flush(c);
	return s;
}

void conn_listen(struct conn *c, struct db_listener *l)
{
	BUF_AUTO sql = {0};
	if (!c->ready || c->broken)
		return;
	char *name = PQescapeIdentifier(c->pg.conn, l->channel, strlen(l->channel));
	buf_printf(&sql, "LISTEN %s", name ? name : "");
	buf_add_char(&sql, '\0');
	PQfreemem(name);
	if (!PQsendQueryParams(c->pg.conn, sql.p, 0, NULL, NULL, NULL, NULL, 0) ||
	    !PQpipelineSync(c->pg.conn)) {
		give_up(c);
		return;
	}
	struct statement *s = push(c, DB_LISTEN);
	s->task = NULL;
	s->listener = l;
	flush(c);
}

/* --- receiving -------------------------------------------------------------- */

static void note_failure(struct conn *c, struct statement *s)
{
	struct pg_failure f = pg_failure(s->result);
	if (f.stale && s->query >= 0) {
		c->prepared[s->query] = false;
		c->serial[s->query]++;
	}
	if (f.counts)
		db_failed(c->db, PQresultErrorField(s->result, PG_DIAG_MESSAGE_PRIMARY));
	else if (s->query != DB_PROBE)
		db_succeeded(c->db);
}

/* The Sync after a statement: nothing more comes for it. */
static void complete(struct conn *c)
{
	struct statement *s = pop(c);
	ExecStatusType status = PQresultStatus(s->result);
	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		note_failure(c, s);
	else if (s->query == DB_PROBE)
		db_close_breaker(c->db);
	else
		db_succeeded(c->db);
	if (s->listener && status == PGRES_COMMAND_OK)
		s->listener->fn(STR(""), s->listener->arg);
	finish(s);
}

static bool is_error(const PGresult *r)
{
	return PQresultStatus(r) == PGRES_FATAL_ERROR;
}

static bool is_fatal(const PGresult *r)
{
	return is_error(r) && pg_failure(r).fatal;
}

/* After a fatal error the connection is closed, which finishes all that are on it
 * as lost. An error may come after rows, when the Sync could not commit what had
 * made them: then it is what counts. */
static void take(struct conn *c, PGresult *r)
{
	struct statement *s = c->first;
	ExecStatusType status = PQresultStatus(r);
	if (status == PGRES_PIPELINE_SYNC) {
		PQclear(r);
		complete(c);
	} else if (s->preparing && status == PGRES_COMMAND_OK) {
		s->preparing = false;
		PQclear(r);
	} else if (is_fatal(r)) {
		c->broken = true;
		PQclear(r);
	} else if (status == PGRES_PIPELINE_ABORTED ||
	           (s->result && (is_error(s->result) || !is_error(r)))) {
		PQclear(r);
	} else {
		if (s->preparing)
			c->prepared[s->query] = false;
		PQclear(s->result);
		s->result = r;
	}
}

static void hear(struct conn *c)
{
	PGnotify *n;
	while (!c->broken && (n = PQnotifies(c->pg.conn))) {
		db_notified(c->db, n->relname, n->extra);
		PQfreemem(n);
	}
}

/* PQgetResult gives NULL between the answers of two commands, but never twice in
 * a row while one is outstanding. */
static void drain(void *arg)
{
	struct conn *c = arg;
	bool gap = false;
	c->heard = clock_mono();
	while (c->first && !c->broken && !PQisBusy(c->pg.conn)) {
		PGresult *r = PQgetResult(c->pg.conn);
		if (!r && gap)
			break;
		gap = !r;
		if (r)
			take(c, r);
	}
	hear(c);
}

static bool is_silent(const struct conn *c)
{
	int64_t since = c->heard > c->first->sent ? c->heard : c->first->sent;
	return clock_mono() - since >= c->db->timeout_us / 10 * SILENCE_TENTHS;
}

void conn_timed_out(struct conn *c, const struct statement *s)
{
	bool may_write = s->query != DB_PROBE && !db_query(s->query)->read_only;
	if (c->first && !c->broken && (may_write || is_silent(c)))
		give_up(c);
}

static void serve(struct conn *c)
{
	while (!c->broken && !c->db->closing)
		if (rt_fd_wait_read(c->pg.fd, CLOCK_NEVER) < 0 || !pg_receive(&c->pg, drain, c))
			break;
}

/* --- the life of a connection ----------------------------------------------- */

static enum err prove(struct conn *c, struct error *e)
{
	enum err r = pg_open(&c->pg, c->db->conninfo, c->db->settings, e);
	if (r == ERR_OK)
		r = pg_query(&c->pg, "SELECT 1", 0, NULL, clock_deadline(c->db->timeout_us), NULL,
		             e);
	if (r == ERR_OK && !PQenterPipelineMode(c->pg.conn))
		r = pg_conn_error(c->pg.conn, "database", e);
	if (r != ERR_OK)
		pg_close(&c->pg);
	return r;
}

static enum err connect_one(struct conn *c, struct error *e)
{
	if (semaphore_take(&c->db->connecting, 1, CLOCK_NEVER) < 0)
		return err_set(e, ERR_CANCELED, "cancelled");
	enum err r = prove(c, e);
	semaphore_give(&c->db->connecting, 1);
	return r;
}

static void begin(struct conn *c)
{
	for (int i = 0; i < QUERY_COUNT; i++) {
		c->prepared[i] = false;
		c->serial[i] = 0;
	}
	c->broken = false;
	c->ready = true;
	c->heard = clock_mono();
	db_conns_changed(c->db);
	db_close_breaker(c->db);
	notify_all(&c->db->changed);
	if (c == c->db->conns)
		db_subscribe(c->db);
}

/* What the server has not received by now it must not execute later, when the
 * callers have been told that the outcome is unknown: closing drops it. */
static void drop_unsent(struct conn *c)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	setsockopt(rt_fd_get(c->pg.fd), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static void end(struct conn *c)
{
	struct error e;
	c->ready = false;
	c->broken = true;
	db_conns_changed(c->db);
	pg_conn_error(c->pg.conn, "connection lost", &e);
	if (c->first)
		drop_unsent(c);
	rt_fd_close(&c->pg.fd); /* ends the flusher */
	wait_group_wait(&c->flushers, 0);
	pg_close(&c->pg);
	while (c->first) {
		struct statement *s = pop(c);
		s->lost = true;
		finish(s);
	}
	if (!c->db->closing)
		db_failed(c->db, e.text);
}

/* Two processes that lost the server together should not come back together. */
static void pause_before_retry(int64_t backoff)
{
	task_sleep(backoff / 2 + (int64_t)(random_u64() % (uint64_t)backoff));
}

/* The first is opened at once. */
static void wait_until_wanted(struct conn *c)
{
	while (c != c->db->conns && !c->db->crowded && !c->db->closing)
		notify_wait(&c->db->changed, CLOCK_NEVER);
}

void conn_run(void *arg)
{
	struct conn *c = arg;
	int64_t backoff = BACKOFF_MIN;
	wait_until_wanted(c);
	while (!c->db->closing) {
		struct error e;
		enum err r = connect_one(c, &e);
		if (r == ERR_OK) {
			backoff = BACKOFF_MIN;
			begin(c);
			serve(c);
			end(c);
		} else if (!c->db->closing) {
			db_failed(c->db, e.text);
		}
		pause_before_retry(backoff);
		backoff = backoff * 2 < BACKOFF_MAX ? backoff * 2 : BACKOFF_MAX;
	}
}
