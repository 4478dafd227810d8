/* SPDX-License-Identifier: MIT
 *
 * What the files of db share.
 *
 *     pg.c         one libpq connection in the loop, one statement at a time
 *     conn.c       a connection of the pool: pipelined, reopened when it breaks
 *     db.c         the pool: which connection, breaker, waiting for the answer
 *     listen.c     who hears of notifications, on the first connection of the pool
 *     sqlstate.c   what an error of PostgreSQL means to a caller
 *     result.c     columns of a result      blocking.c  without a loop
 *     patient.c    on a connection of its own, as long as it takes
 */
#ifndef DB_PRIVATE_H
#define DB_PRIVATE_H

#include <libpq-fe.h>
#include "db/db.h"
#include "rt/sync.h"
#include "rt/task.h"

struct rt_fd;

/* A statement of sql/queries. */
struct db_query {
	const char *name;
	int n_params;
	bool read_only;
	const char *columns; /* separated by spaces; a result may have more */
	const char *text;
};
const struct db_query *db_query(enum query q);

/* --- pg.c ------------------------------------------------------------------ */

struct pg {
	PGconn *conn;
	struct rt_fd *fd; /* of the same socket as that of libpq, but our own */
};

/* Opens a connection; settings are run-time parameters of the session in the
 * form "-c a=b -c c=d", or NULL. Parks until PostgreSQL has answered or the
 * connect timeout (3 s, unless conninfo has one) has passed; not ended by
 * cancellation. On failure *p is empty. */
enum err pg_open(struct pg *p, const char *conninfo, const char *settings, struct error *e);
void pg_close(struct pg *p); /* an empty one too */

/* Reads everything that has arrived into libpq, calling handle(arg) after each
 * piece. False when the connection has broken. */
bool pg_receive(struct pg *p, void (*handle)(void *arg), void *arg);

/* One statement with text parameters, waiting for its answer. ERR_UNAVAILABLE,
 * ERR_CANCELED, or what its SQLSTATE means; after the first two the connection is
 * good for nothing but closing. *out may be NULL. */
enum err pg_query(struct pg *p, const char *sql, int n_params, const char *const *params,
                  int64_t deadline, PGresult **out, struct error *e);

/* libpq's message on one line, without "ERROR: " and the like it keeps. */
enum err pg_conn_error(PGconn *conn, const char *what, struct error *e);

/* --- sqlstate.c ------------------------------------------------------------ */

struct pg_failure {
	enum err code; /* of a statement that was rolled back */
	bool counts;   /* the server is in trouble: a failure for the breaker */
	bool fatal;    /* the session has ended: outcome unknown */
	bool stale;    /* the prepared statement must be prepared anew */
};
struct pg_failure pg_failure(const PGresult *r);
/* Fills e from the result of a failed statement; returns code. */
enum err pg_result_error(const PGresult *r, enum err code, const char *what, struct error *e);

/* --- conn.c ---------------------------------------------------------------- */

#define DB_PROBE  (-1) /* SELECT 1, for the breaker */
#define DB_LISTEN (-2) /* LISTEN */

/* A statement under way. Belongs to the task that waits for it, or, once that has
 * left, to the connection. */
struct statement {
	struct statement *next;
	struct task *task;            /* NULL: nobody waits any more */
	int query;                    /* enum query, DB_PROBE or DB_LISTEN */
	struct db_listener *listener; /* of DB_LISTEN, as long as it is there */
	bool preparing;               /* the answer to PREPARE is still to come */
	bool done;
	bool lost; /* the connection broke before the answer */
	int64_t sent;
	PGresult *result; /* rows, or the first error */
};

struct conn {
	struct db *db;
	struct task *task;
	struct pg pg;
	bool ready;    /* takes statements */
	bool broken;   /* is about to be closed */
	bool flushing; /* a task is writing what the socket did not take */
	struct wait_group flushers;
	struct statement *first, **last; /* in the order they were sent */
	size_t in_flight;
	int64_t heard; /* when something last arrived */
	bool prepared[QUERY_COUNT];
	unsigned serial[QUERY_COUNT]; /* distinguishes statements prepared anew */
};

/* The task of a connection; arg is the conn. Ends when the db is closing. */
void conn_run(void *arg);

/* Sends a statement; NULL when the connection just broke: nothing was sent.
 * values are terminated strings or NULL. */
struct statement *conn_send(struct conn *c, int query, const char *const *values);
void statement_free(struct statement *s);

/* Nobody waits for its answer but the listener. Nothing while there is no connection: it
 * begins with LISTEN for all. */
void conn_listen(struct conn *c, struct db_listener *l);

/* A statement was not answered in time. One that may write is waiting behind others,
 * or its answer would have come: the server's own time-out is shorter. It must not
 * be executed when its caller has been told that the outcome is unknown and others
 * have written, so the connection is given up. For one that only reads, that is done
 * if nothing at all has come for that long. */
void conn_timed_out(struct conn *c, const struct statement *s);

/* --- listen.c -------------------------------------------------------------- */

struct db_listener {
	struct db_listener *next; /* of the same db */
	struct db *db;
	char *channel;
	void (*fn)(struct str payload, void *arg);
	void *arg;
};

void db_subscribe(struct db *d); /* all listeners, on the first connection: it is new */
void db_notified(struct db *d, const char *channel, const char *payload);

/* --- blocking.c ------------------------------------------------------------ */

struct db_blocking {
	PGconn *conn;
};

/* --- db.c ------------------------------------------------------------------ */

struct db {
	char *conninfo;
	char *settings; /* of the pool's sessions */
	int64_t timeout_us, open_timeout_us;
	int failure_threshold;

	struct conn *conns;
	size_t n_conns;
	struct db_listener *listeners;
	bool crowded; /* more than the first connection are wanted, from now on */
	struct wait_group tasks;
	struct semaphore connecting; /* one at a time: it occupies a thread */
	struct notify changed;       /* a connection is ready, the breaker moved, closing */
	bool closing;
	size_t users; /* calls under way */
	struct notify unused;

	int64_t lost; /* since when no connection is ready; CLOCK_NEVER: one is */
	int failures; /* in a row */
	enum db_state state;
	int64_t open_since;
	struct task *prober; /* while it is not closed: probes on a live connection */
	void (*on_state)(void *arg, enum db_state from, enum db_state to);
	void *arg;
};

/* libpq wants terminated strings: all in one piece of memory, freed by the
 * caller, or NULL when a parameter has a NUL inside, which no text has. */
char *db_terminate(const struct db_query *q, const struct db_param *params, const char **values);

/* Statements queue up on the first connection, or it is in trouble: the others are opened,
 * too. Until then they would only cost the server. */
void db_want_all(struct db *d);
void db_failed(struct db *d, const char *error); /* one failure for the breaker */
void db_succeeded(struct db *d);                 /* a statement was answered */
void db_close_breaker(struct db *d);             /* a probe was answered */
void db_conns_changed(struct db *d);             /* one is ready now, or is not any more */

#endif
