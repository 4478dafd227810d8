/* SPDX-License-Identifier: MIT
 *
 * PostgreSQL for tasks: a few pipelined connections per process, statements
 * from sql/queries by name, prepared when first used. Each statement is its own
 * transaction (PQpipelineSync after each, so that one statement's error does not
 * fail its neighbours); what needs several statements is one SQL function.
 *
 * Connections are opened in the background and reopened with back-off when
 * they break. A breaker (threshold and open time from the configuration) makes
 * calls fail at once with ERR_UNAVAILABLE while the database is away.
 */
#ifndef DB_DB_H
#define DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"
#include "db_gen.h" /* enum query, from sql/ */

struct db;
struct db_result;

/* Of the pool of one process. */
#define DB_CONNECTIONS 2
/* Of the breaker; half-open while a probe is under way. */
enum db_state { DB_CLOSED, DB_OPEN, DB_HALF_OPEN };

struct db_options {
	const char *conninfo;    /* libpq keywords; db_conninfo() makes it */
	int connections;         /* at most, 0: DB_CONNECTIONS; one, until calls queue up */
	int64_t timeout_us;      /* of one statement, 0: 10 s; then ERR_DB_UNCERTAIN for
	                          * writes, ERR_UNAVAILABLE for reads */
	int failure_threshold;   /* breaker; 0: 3 */
	int64_t open_timeout_us; /* breaker; 0: 15 s */
	/* The breaker has moved; must not wait. NULL: nobody wants to know. */
	void (*on_state)(void *arg, enum db_state from, enum db_state to);
	void *arg;
};

/* Starts the connection tasks; does not wait. */
struct db *db_new(const struct db_options *o);
/* Ends them; parks until they have left. Statements in progress end as with a lost
 * connection. */
void db_free(struct db **d);

/* Parks until one connection works, or the deadline. */
enum err db_wait_ready(struct db *d, int64_t deadline, struct error *e);
enum db_state db_state(const struct db *d);
/* False while the breaker is not closed, or calls would not get a connection in
 * time: "degraded". */
bool db_is_healthy(const struct db *d);

/* A parameter: text form, NULL when p is NULL. Bytea goes as "\\x..." text. */
struct db_param {
	const char *p; /* NUL-terminated is not required */
	size_t n;
};

/* Runs a statement. params has as many elements as the statement has
 * parameters (db_gen.h); they are copied. Errors:
 *   ERR_UNAVAILABLE   not sent, or refused before it could run; nothing happened
 *   ERR_DB_BUSY       rolled back: a lock was not to be had in time, or it took too long
 *   ERR_DB_REFUSED    rolled back: e.g. a table, a function or the right to it is missing
 *   ERR_DB_UNCERTAIN  sent, connection lost or timed out: may have happened.
 *                     Statements marked read-only give ERR_UNAVAILABLE instead
 *   ERR_CANCELED      the task was cancelled; the answer is thrown away when it
 *                     comes. A write may have happened. (Shield where that matters.)
 *   ERR_INVALID, ERR_CONFLICT ...  by SQLSTATE: see db.c
 * On ERR_OK *out is a result to be freed with db_result_free. */
enum err db_exec(struct db *d, enum query q, const struct db_param *params, struct db_result **out,
                 struct error *e);

/* The same on a connection of its own, with the settings of the server and no bound but the
 * task's cancellation: for statements that read whole tables. ERR_UNAVAILABLE also when the
 * connection breaks at the wrong moment. */
enum err db_exec_patiently(struct db *d, enum query q, const struct db_param *params,
                           struct db_result **out, struct error *e);

/* A connection without a loop, for use at start and in short-lived processes: one for all
 * that they do, because PostgreSQL forks for each. On failure *out is NULL. */
struct db_blocking;
enum err db_blocking_open(const char *conninfo, struct db_blocking **out, struct error *e);
void db_blocking_close(struct db_blocking **b);

/* Runs the statement once per row of values, each in a transaction of its own. values has
 * as many terminated strings per row as the statement has parameters. */
enum err db_exec_blocking(struct db_blocking *b, enum query q, const char *const *values,
                          size_t rows, struct error *e);

/* The same for one statement that tells something: parameters and result as of db_exec(),
 * and its errors, but ERR_UNAVAILABLE also when the connection breaks at the wrong moment. */
enum err db_query_blocking(struct db_blocking *b, enum query q, const struct db_param *params,
                           struct db_result **out, struct error *e);

int db_rows(const struct db_result *r);
bool db_is_null(const struct db_result *r, int row, int col);
struct str db_str(const struct db_result *r, int row, int col); /* NULL gives "" */
int64_t db_i64(const struct db_result *r, int row, int col);    /* NULL gives 0 */
bool db_bool(const struct db_result *r, int row, int col);
int64_t db_wall(const struct db_result *r, int row, int col); /* timestamptz selected as
                                                               * microseconds since 1970 */
void db_result_free(struct db_result **r);

/* Calls fn(payload, arg) for each notification on the channel, from a task of the pool; fn
 * must not wait. It is also called with an empty payload when listening begins, and again
 * after each lost connection, because notifications may have been missed. Ends with
 * db_listener_free(), before db_free(). */
struct db_listener;
struct db_listener *db_listen(struct db *d, const char *channel,
                              void (*fn)(struct str payload, void *arg), void *arg);
void db_listener_free(struct db_listener **l);

/* A connection of one's own, for session advisory locks. */
struct db_session;
enum err db_session_open(const char *conninfo, int64_t deadline, struct db_session **out,
                         struct error *e);
/* pg_try_advisory_lock(id): *got tells. The lock ends with the session. One call at a time. */
enum err db_session_try_lock(struct db_session *s, int64_t id, bool *got, struct error *e);
enum err db_session_unlock(struct db_session *s, int64_t id, struct error *e);
/* False when the connection has broken: all locks are lost. May be asked at any time. */
bool db_session_is_alive(struct db_session *s);
void db_session_close(struct db_session **s);

/* libpq keywords from the configuration, correctly quoted. */
struct config;
struct arena;
char *db_conninfo(struct arena *a, const struct config *c);

#endif
