/* SPDX-License-Identifier: MIT
 *
 * The pool against a real server: answers, errors, cancellation, time-outs, lost
 * connections, a server that goes away and comes back.
 */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "db/db_private.h"
#include "pg_fixture.h"
#include "rt/fd.h"
#include "rt/sync.h"
#include "t/unit/run.h"

/* What the breaker did, one letter per state. */
static char states[64];

static void note_state(void *arg, enum db_state from, enum db_state to)
{
	size_t n = strlen(states);
	ck_assert_ptr_eq(arg, states);
	ck_assert_int_ne(from, to);
	ck_assert(n == 0 || states[n - 1] == "COH"[from]);
	if (n < sizeof states - 1)
		states[n] = "COH"[to];
}

static struct db *open_pool(const char *conninfo, int connections, int64_t timeout)
{
	struct db_options o = {
		.conninfo = conninfo,
		.connections = connections,
		.timeout_us = timeout,
		.open_timeout_us = 300 * CLOCK_MS,
		.on_state = note_state,
		.arg = states,
	};
	struct db *d = db_new(&o);
	struct error e;
	ck_assert_msg(db_wait_ready(d, clock_deadline(10 * CLOCK_SEC), &e) == ERR_OK, "%s", e.text);
	return d;
}

static enum err find(struct db *d, const char *key, int *rows)
{
	struct db_param p[] = {{"b", 1}, {key, strlen(key)}, {"", 0}};
	struct db_result *r = NULL;
	enum err rc = db_exec(d, Q_FIND_HEAD, p, &r, NULL);
	*rows = rc == ERR_OK ? db_rows(r) : -1;
	db_result_free(&r);
	return rc;
}

static enum err record_job(struct db *d, const char *name)
{
	struct db_param p[] = {{name, strlen(name)}};
	struct db_result *r = NULL;
	enum err rc = db_exec(d, Q_JOB_SUCCEEDED, p, &r, NULL);
	db_result_free(&r);
	return rc;
}

/* --- answers -------------------------------------------------------------------- */

static void answers(const char *conninfo)
{
	struct db *d = open_pool(conninfo, 2, 0);
	struct db_result *r = NULL;
	struct error e;
	int rows;
	ck_assert_int_eq(find(d, "none", &rows), ERR_OK);
	ck_assert_int_eq(rows, 0);
	ck_assert_int_eq(record_job(d, "x"), ERR_OK);
	ck_assert_int_eq(db_exec(d, Q_JOB_LIST, NULL, &r, &e), ERR_OK);
	ck_assert_int_eq(db_rows(r), 1);
	ck_assert(str_eq(db_str(r, 0, JOB_LIST_NAME), STR("x")));
	ck_assert(db_is_null(r, 0, JOB_LIST_LAST_FAILURE));
	ck_assert_int_eq(db_wall(r, 0, JOB_LIST_LAST_FAILURE), 0);
	int64_t age = clock_wall() - db_wall(r, 0, JOB_LIST_LAST_SUCCESS);
	ck_assert(age > -CLOCK_SEC && age < 60 * CLOCK_SEC);
	db_result_free(&r);
	ck_assert_ptr_null(r);

	struct db_param nul[] = {{"b", 1}, {"a\0b", 3}, {"", 0}};
	ck_assert_int_eq(db_exec(d, Q_FIND_HEAD, nul, &r, &e), ERR_INVALID);
	struct db_param latin1[] = {{"b", 1}, {"\xe9", 1}, {"", 0}};
	ck_assert_int_eq(db_exec(d, Q_FIND_HEAD, latin1, &r, &e), ERR_INVALID);
	struct db_param none[] = {{NULL, 0}};
	ck_assert_int_eq(db_exec(d, Q_JOB_SUCCEEDED, none, &r, &e), ERR_INVALID); /* NOT NULL */
	ck_assert_int_eq(find(d, "none", &rows), ERR_OK); /* errors do not spread */
	ck_assert(db_is_healthy(d));
	db_free(&d);
	ck_assert_ptr_null(d);
	db_free(&d);
}

/* A statement is answered before it is committed, and the commit can fail: that is
 * no success. Nor is it anything to its neighbours. */
static void failing_commits(const char *conninfo)
{
	pg_text(conninfo,
	        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
	        "$$ BEGIN RAISE EXCEPTION 'not this one' USING ERRCODE = '23514'; END $$");
	pg_text(conninfo, "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON job_health DEFERRABLE "
	                  "INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.name = 'refused') "
	                  "EXECUTE FUNCTION refuse()");
	struct db *d = open_pool(conninfo, 1, 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(record_job(d, "refused"), ERR_INVALID);
		ck_assert_int_eq(record_job(d, "taken"), ERR_OK);
	}
	ck_assert_str_eq(pg_text(conninfo, "SELECT string_agg(name, ' ') FROM job_health"),
	                 "taken");
	ck_assert(db_is_healthy(d));
	db_free(&d);
}

START_TEST(test_failing_commits)
{
	pg_in_task(failing_commits, pg_database("failing_commits"));
}
END_TEST

/* Every statement can be prepared, and its parameters and columns are as db_gen.h
 * says: a program would otherwise read another column. */
static void check_query(PGconn *c, enum query q)
{
	const struct db_query *query = db_query(q);
	char columns[512] = "";
	PGresult *r = PQprepare(c, query->name, query->text, 0, NULL);
	ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK, "%s: %s", query->name,
	              PQerrorMessage(c));
	PQclear(r);
	r = PQdescribePrepared(c, query->name);
	ck_assert_msg(PQnparams(r) == query->n_params, "%s", query->name);
	for (int i = 0; i < PQnfields(r); i++)
		snprintf(columns + strlen(columns), sizeof columns - strlen(columns), "%s%s",
		         i ? " " : "", PQfname(r, i));
	ck_assert_msg(strncmp(columns, query->columns, strlen(query->columns)) == 0,
	              "%s: %s, not %s", query->name, columns, query->columns);
	PQclear(r);
}

START_TEST(test_queries)
{
	PGconn *c = PQconnectdb(pg_database("queries"));
	for (int q = 0; q < QUERY_COUNT; q++)
		check_query(c, (enum query)q);
	PQfinish(c);
}
END_TEST

START_TEST(test_answers)
{
	pg_in_task(answers, pg_database("answers"));
}
END_TEST

/* --- many at once ----------------------------------------------------------------- */

struct many {
	struct db *d;
	int done;
};

static void one_of_many(void *arg)
{
	struct many *m = arg;
	for (int i = 0; i < 50; i++) {
		int rows;
		ck_assert_int_eq(find(m->d, "k", &rows), ERR_OK);
		if (i % 10 == 0)
			ck_assert_int_eq(record_job(m->d, "many"), ERR_OK);
	}
	m->done++;
}

static void many_at_once(const char *conninfo)
{
	struct many m = {.d = open_pool(conninfo, 3, 0)};
	struct wait_group g = {0};
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(wait_group_spawn(&g, "many", one_of_many, &m, NULL), 0);
	wait_group_wait(&g, 0);
	ck_assert_int_eq(m.done, 100);
	db_free(&m.d);
}

START_TEST(test_many)
{
	pg_in_task(many_at_once, pg_database("many"));
}
END_TEST

/* A statement and an answer that do not fit into the socket. */
static void large(const char *conninfo)
{
	struct db *d = open_pool(conninfo, 1, 0);
	const size_t n = 20 * 1000 * 1000;
	char *text = malloc(n);
	memset(text, 'x', n);
	struct db_param p[] = {{"big", 3}, {text, n}};
	struct db_result *r = NULL;
	ck_assert_int_eq(db_exec(d, Q_JOB_FAILED, p, &r, NULL), ERR_OK);
	db_result_free(&r);
	ck_assert_int_eq(db_exec(d, Q_JOB_LIST, NULL, &r, NULL), ERR_OK);
	ck_assert(str_eq(db_str(r, 0, JOB_LIST_LAST_ERROR), str_n(text, n)));
	db_result_free(&r);
	free(text);
	db_free(&d);
}

START_TEST(test_large)
{
	pg_in_task(large, pg_database("large"));
}
END_TEST

/* --- a blocked statement ------------------------------------------------------------ */

/* Holds a lock that job_succeeded waits for. */
static PGconn *block_jobs(const char *conninfo)
{
	PGconn *c = PQconnectdb(conninfo);
	PQclear(PQexec(c, "BEGIN; LOCK TABLE job_health IN EXCLUSIVE MODE"));
	return c;
}

struct call {
	struct db *d;
	enum err result;
	bool done;
};

static void run_call(void *arg)
{
	struct call *c = arg;
	c->result = record_job(c->d, "blocked");
	c->done = true;
}

static void cancelled(const char *conninfo)
{
	struct db *d = open_pool(conninfo, 1, 0);
	PGconn *blocker = block_jobs(conninfo);
	struct call call = {.d = d};
	int rows;
	struct task *t = task_spawn("call", run_call, &call);
	pg_until(pg_number(conninfo, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 1);
	task_cancel(t);
	pg_until(call.done);
	ck_assert_int_eq(call.result, ERR_CANCELED);
	PQfinish(blocker);
	/* The late answer belongs to nobody; the next one comes to the right task. */
	ck_assert_int_eq(find(d, "k", &rows), ERR_OK);
	ck_assert_int_eq(rows, 0);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM job_health"), 1);
	db_free(&d);
}

START_TEST(test_cancelled)
{
	pg_in_task(cancelled, pg_database("cancelled"));
}
END_TEST

/* The server's own time-out comes first and is certain. */
static void server_timeout(const char *conninfo)
{
	struct db *d = open_pool(conninfo, 1, 500 * CLOCK_MS);
	PGconn *blocker = block_jobs(conninfo);
	int rows;
	ck_assert_int_eq(record_job(d, "x"), ERR_DB_BUSY);
	ck_assert_int_eq(find(d, "k", &rows), ERR_OK);
	ck_assert(db_is_healthy(d));
	PQfinish(blocker);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM job_health"), 0);
	db_free(&d);
}

START_TEST(test_server_timeout)
{
	pg_in_task(server_timeout, pg_database("server_timeout"));
}
END_TEST

/* The database is there, but not as the statement expects it. */
static void refused(const char *conninfo)
{
	struct db *d = open_pool(conninfo, 1, CLOCK_SEC);
	pg_text(conninfo, "ALTER TABLE job_health RENAME TO away");
	ck_assert_int_eq(record_job(d, "x"), ERR_DB_REFUSED);
	ck_assert(db_is_healthy(d));
	pg_text(conninfo, "ALTER TABLE away RENAME TO job_health");
	ck_assert_int_eq(record_job(d, "x"), ERR_OK);
	db_free(&d);
}

START_TEST(test_refused)
{
	pg_in_task(refused, pg_database("refused"));
}
END_TEST

/* Statements of others ahead of it each used up their time: what nobody waits for any
 * more must not be executed when its turn comes. */
static void late_write(const char *conninfo)
{
	struct db *d = open_pool(conninfo, 1, 500 * CLOCK_MS);
	PGconn *blocker = PQconnectdb(conninfo);
	struct call ahead[] = {{.d = d}, {.d = d}};
	PQclear(PQexec(blocker, "INSERT INTO job_health (name) VALUES ('blocked')"));
	PQclear(PQexec(blocker, "BEGIN"));
	PQclear(PQexec(blocker, "SELECT FROM job_health WHERE name = 'blocked' FOR UPDATE"));
	for (int i = 0; i < 2; i++)
		task_spawn("call", run_call, &ahead[i]);
	task_yield();
	ck_assert_int_eq(record_job(d, "late"), ERR_DB_UNCERTAIN);
	pg_until(ahead[0].done && ahead[1].done);
	/* The server has come to the end of what it had been sent. */
	pg_until(pg_number(conninfo, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0);
	pg_until(record_job(d, "next") == ERR_OK);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM job_health WHERE name = 'late'"),
	                 0);
	PQfinish(blocker);
	db_free(&d);
}

START_TEST(test_late_write)
{
	pg_in_task(late_write, pg_database("late_write"));
}
END_TEST

/* A server that says nothing at all. */
static void silent_server(const char *conninfo)
{
	struct db *d = open_pool(conninfo, 1, 400 * CLOCK_MS);
	int rows;
	int pid = (int)pg_number(conninfo, "SELECT pid FROM pg_stat_activity "
	                                   "WHERE query = 'SELECT 1' AND pid <> pg_backend_pid()");
	ck_assert_int_gt(pid, 0);
	kill(pid, SIGSTOP);
	ck_assert_int_eq(record_job(d, "x"), ERR_DB_UNCERTAIN);
	int64_t t = clock_mono();
	enum err r = find(d, "k", &rows); /* waits for a new connection, or fails */
	ck_assert(r == ERR_OK || r == ERR_UNAVAILABLE);
	ck_assert(clock_mono() - t < 2 * CLOCK_SEC);
	pg_until(find(d, "k", &rows) == ERR_OK);
	kill(pid, SIGCONT);
	db_free(&d);
}

START_TEST(test_silent_server)
{
	pg_in_task(silent_server, pg_database("silent"));
}
END_TEST

/* --- how many connections ------------------------------------------------------------ */

static size_t count_ready(const struct db *d)
{
	size_t n = 0;
	for (size_t i = 0; i < d->n_conns; i++)
		n += d->conns[i].ready;
	return n;
}

/* Statements that follow each other share one, also in a pipeline. */
static void opened_when_wanted(const char *conninfo)
{
	struct db *d = open_pool(conninfo, 3, 0);
	int rows;
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(find(d, "k", &rows), ERR_OK);
	ck_assert(!d->crowded);
	ck_assert_uint_eq(count_ready(d), 1);
	PGconn *blocker = block_jobs(conninfo);
	struct call call = {.d = d};
	task_spawn("call", run_call, &call);
	pg_until(pg_number(conninfo, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 1);
	ck_assert_uint_eq(count_ready(d), 1);
	pg_until(clock_mono() - d->conns[0].first->sent >= 60 * CLOCK_MS);
	struct call behind = {.d = d};
	task_spawn("behind", run_call, &behind);
	pg_until(count_ready(d) == 3);
	ck_assert_int_eq(find(d, "k", &rows), ERR_OK); /* on one that nothing blocks */
	ck_assert(!call.done && !behind.done);
	PQfinish(blocker);
	pg_until(call.done && behind.done);
	db_free(&d);
}

START_TEST(test_opened_when_wanted)
{
	pg_in_task(opened_when_wanted, pg_database("opened_when_wanted"));
}
END_TEST

/* Nor need they be slow, if there are many. */
static void opened_for_many(const char *conninfo)
{
	struct db *d = open_pool(conninfo, 2, 0);
	struct call calls[32];
	for (size_t i = 0; i < 32; i++) {
		calls[i] = (struct call){.d = d};
		task_spawn("call", run_call, &calls[i]);
	}
	pg_until(count_ready(d) == 2);
	for (size_t i = 0; i < 32; i++)
		pg_until(calls[i].done);
	db_free(&d);
}

START_TEST(test_opened_for_many)
{
	pg_in_task(opened_for_many, pg_database("opened_for_many"));
}
END_TEST

/* The one that is there breaks: another takes its place, without its back-off. */
static void opened_after_a_loss(const char *conninfo)
{
	struct db *d = open_pool(conninfo, 2, 0);
	struct conn *spare = &d->conns[1];
	int rows;
	ck_assert_uint_eq(count_ready(d), 1);
	pg_text(conninfo, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
	                  "WHERE pid <> pg_backend_pid() AND datname = current_database()");
	pg_until(spare->ready);
	ck_assert_int_eq(find(d, "k", &rows), ERR_OK);
	pg_until(count_ready(d) == 2);
	ck_assert(db_is_healthy(d));
	db_free(&d);
}

START_TEST(test_opened_after_a_loss)
{
	pg_in_task(opened_after_a_loss, pg_database("opened_after_a_loss"));
}
END_TEST

/* --- lost connections ---------------------------------------------------------------- */

static void terminated(const char *conninfo)
{
	struct db *d = open_pool(conninfo, 1, 0);
	PGconn *blocker = block_jobs(conninfo);
	struct call call = {.d = d};
	int rows;
	task_spawn("call", run_call, &call);
	pg_until(pg_number(conninfo, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 1);
	pg_text(conninfo, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted");
	pg_until(call.done);
	ck_assert_int_eq(call.result, ERR_DB_UNCERTAIN);
	PQfinish(blocker);
	/* A call that finds no connection waits for the next one. */
	ck_assert_int_eq(find(d, "k", &rows), ERR_OK);
	ck_assert(db_is_healthy(d));

	/* An idle connection: noticed by itself. */
	pg_text(conninfo, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
	                  "WHERE pid <> pg_backend_pid() AND datname = current_database()");
	task_sleep(1000);
	pg_until(find(d, "k", &rows) == ERR_OK);
	db_free(&d);
}

START_TEST(test_terminated)
{
	pg_in_task(terminated, pg_database("terminated"));
}
END_TEST

static void server_gone(const char *conninfo)
{
	struct db *d = open_pool(conninfo, 2, 5 * CLOCK_SEC);
	int rows;
	pg_stop_server(SIGINT);
	pg_until(!db_is_healthy(d));
	uint64_t turns = rt_turns();
	ck_assert_int_eq(find(d, "k", &rows), ERR_UNAVAILABLE);
	ck_assert_int_eq(record_job(d, "x"), ERR_UNAVAILABLE);
	ck_assert_uint_eq(rt_turns(), turns); /* at once */
	pg_start_server();
	struct error e;
	ck_assert_int_eq(db_wait_ready(d, clock_deadline(20 * CLOCK_SEC), &e), ERR_OK);
	ck_assert(db_is_healthy(d));
	ck_assert_str_eq(states, "OC");
	ck_assert_int_eq(find(d, "k", &rows), ERR_OK);
	db_free(&d);
}

START_TEST(test_server_gone)
{
	pg_in_task(server_gone, pg_database("server_gone"));
}
END_TEST

static void find_once(void *d)
{
	int rows;
	find(d, "k", &rows);
}

/* libpq notices while it sends that the server has gone, and closes its socket, before
 * the loop has heard of it: the connection comes back, and whoever gets the number of
 * that socket next hears from it. */
static void closed_while_sending(const char *conninfo)
{
	struct db *d = open_pool(conninfo, 1, 5 * CLOCK_SEC);
	int rows, ends[2];
	pg_stop_server(SIGINT); /* blocking: the loop does not look meanwhile */
	for (int i = 0; i < 3; i++)
		task_spawn("send", find_once, d);
	task_yield();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	struct rt_fd *f = rt_fd_new(ends[0]);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	ck_assert_int_eq(rt_fd_wait_read(f, clock_deadline(5 * CLOCK_SEC)), 0);
	rt_fd_close(&f);
	close(ends[1]);
	pg_start_server();
	struct error e;
	ck_assert_int_eq(db_wait_ready(d, clock_deadline(20 * CLOCK_SEC), &e), ERR_OK);
	ck_assert_int_eq(find(d, "k", &rows), ERR_OK);
	db_free(&d);
}

START_TEST(test_closed_while_sending)
{
	pg_in_task(closed_while_sending, pg_database("closed_while_sending"));
}
END_TEST

/* Connections are fine, but statements fail for the server's fault (here: they
 * are raised): after the open time a live connection probes. */
static void failing_statements(const char *conninfo)
{
	struct db *d = open_pool(conninfo, 1, 0);
	int rows;
	pg_text(conninfo, "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
	                  "$$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $$");
	pg_text(conninfo,
	        "CREATE TRIGGER t BEFORE INSERT ON job_health EXECUTE FUNCTION full_disk()");
	for (int i = 0; i < 3; i++) {
		ck_assert(db_is_healthy(d));
		ck_assert_int_eq(record_job(d, "x"), ERR_UNAVAILABLE);
	}
	ck_assert_int_eq(db_state(d), DB_OPEN);
	ck_assert_int_eq(find(d, "k", &rows), ERR_UNAVAILABLE);
	pg_until(db_is_healthy(d));
	ck_assert_str_eq(states, "OHC");
	ck_assert_int_eq(find(d, "k", &rows), ERR_OK);
	db_free(&d);
}

START_TEST(test_failing_statements)
{
	pg_in_task(failing_statements, pg_database("failing"));
}
END_TEST

/* A prepared statement that the server has forgotten is prepared anew. */
static void forgotten_statement(const char *conninfo)
{
	struct db *d = open_pool(conninfo, 1, 0);
	int rows;
	ck_assert_int_eq(find(d, "k", &rows), ERR_OK);
	pg_text(conninfo, "ALTER TABLE object_versions ALTER etag TYPE VARCHAR(100)");
	pg_until(find(d, "k", &rows) == ERR_OK);
	db_free(&d);
}

START_TEST(test_forgotten_statement)
{
	pg_in_task(forgotten_statement, pg_database("forgotten"));
}
END_TEST

/* --- the end ------------------------------------------------------------------------- */

static void freed_in_use(const char *conninfo)
{
	struct db *d = open_pool(conninfo, 1, 0);
	PGconn *blocker = block_jobs(conninfo);
	struct call call = {.d = d};
	task_spawn("call", run_call, &call);
	pg_until(pg_number(conninfo, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 1);
	db_free(&d);
	ck_assert(call.done);
	ck_assert_int_eq(call.result, ERR_DB_UNCERTAIN); /* it had been sent */
	PQfinish(blocker);
}

START_TEST(test_freed_in_use)
{
	pg_in_task(freed_in_use, pg_database("freed"));
}
END_TEST

static void nobody_there(const char *conninfo)
{
	struct db_options o = {.conninfo = "host=/nonexistent", .timeout_us = 300 * CLOCK_MS};
	struct db *d = db_new(&o);
	struct error e;
	int rows;
	(void)conninfo;
	ck_assert_int_eq(db_wait_ready(d, clock_deadline(100 * CLOCK_MS), &e), ERR_UNAVAILABLE);
	pg_until(!db_is_healthy(d));
	ck_assert_int_eq(find(d, "k", &rows), ERR_UNAVAILABLE);
	db_free(&d);
}

START_TEST(test_nobody_there)
{
	pg_in_task(nobody_there, "");
}
END_TEST

/* An attempt to connect hangs: one call finds that out, in half of its time, those
 * after it fail at once. */
static void nobody_answers(const char *conninfo)
{
	struct db_options o = {.conninfo = conninfo, .timeout_us = 4 * CLOCK_SEC};
	struct db *d = db_new(&o);
	int rows;
	int64_t t = clock_mono();
	ck_assert(db_is_healthy(d));
	ck_assert_int_eq(find(d, "k", &rows), ERR_UNAVAILABLE);
	ck_assert_int_lt(clock_mono() - t, o.timeout_us);
	ck_assert(!db_is_healthy(d));
	uint64_t turns = rt_turns();
	ck_assert_int_eq(find(d, "k", &rows), ERR_UNAVAILABLE);
	ck_assert_uint_eq(rt_turns(), turns);
	db_free(&d);
}

START_TEST(test_nobody_answers)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, n), 0);
	ck_assert_int_eq(listen(fd, 10), 0);
	getsockname(fd, (struct sockaddr *)&a, &n);
	pg_in_task(nobody_answers, pg_print("host=127.0.0.1 port=%d dbname=x user=x "
	                                    "sslmode=disable connect_timeout=20",
	                                    ntohs(a.sin_port)));
	close(fd);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("pool");
	pg_start();
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_queries);
	tcase_add_test(t, test_answers);
	tcase_add_test(t, test_failing_commits);
	tcase_add_test(t, test_many);
	tcase_add_test(t, test_large);
	tcase_add_test(t, test_cancelled);
	tcase_add_test(t, test_refused);
	tcase_add_test(t, test_server_timeout);
	tcase_add_test(t, test_late_write);
	tcase_add_test(t, test_silent_server);
	tcase_add_test(t, test_opened_when_wanted);
	tcase_add_test(t, test_opened_for_many);
	tcase_add_test(t, test_opened_after_a_loss);
	tcase_add_test(t, test_terminated);
	tcase_add_test(t, test_server_gone);
	tcase_add_test(t, test_closed_while_sending);
	tcase_add_test(t, test_failing_statements);
	tcase_add_test(t, test_forgotten_statement);
	tcase_add_test(t, test_freed_in_use);
	tcase_add_test(t, test_nobody_there);
	tcase_add_test(t, test_nobody_answers);
	return run_tests("db_pool", t);
}
