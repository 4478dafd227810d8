/* SPDX-License-Identifier: MIT
 *
 * Notifications and advisory locks, over lost connections and restarts.
 */
#include "base/clock.h"
#include "db/db.h"
#include "pg_fixture.h"
#include "t/unit/run.h"

struct heard {
	int connects, payloads;
	char last[64];
};

static void on_payload(struct str payload, void *arg)
{
	struct heard *h = arg;
	if (!payload.n)
		h->connects++;
	else
		h->payloads++;
	snprintf(h->last, sizeof h->last, "%.*s", STR_FMT(payload));
}

static void listening(const char *conninfo)
{
	struct heard h = {0};
	struct db *d = db_new(&(struct db_options){.conninfo = conninfo});
	struct db_listener *l = db_listen(d, "Odd \"name\"", on_payload, &h);
	pg_until(h.connects == 1);
	pg_text(conninfo, "SELECT pg_notify('Odd \"name\"', 'hello')");
	pg_text(conninfo, "SELECT pg_notify('other', 'not for us')");
	pg_until(h.payloads == 1);
	ck_assert_str_eq(h.last, "hello");
	pg_text(conninfo,
	        "SELECT pg_notify('Odd \"name\"', 'n' || i) FROM generate_series(1, 1000) i");
	pg_until(h.payloads == 1001);
	ck_assert_str_eq(h.last, "n1000");

	pg_text(conninfo, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
	                  "WHERE query LIKE 'LISTEN%'");
	pg_until(h.connects == 2);
	pg_text(conninfo, "SELECT pg_notify('Odd \"name\"', 'again')");
	pg_until(h.payloads == 1002);

	pg_stop_server(SIGQUIT);
	pg_start_server();
	pg_until(h.connects == 3);
	pg_text(conninfo, "SELECT pg_notify('Odd \"name\"', 'restarted')");
	pg_until(h.payloads == 1003);
	ck_assert_str_eq(h.last, "restarted");
	db_listener_free(&l);
	ck_assert_ptr_null(l);
	db_listener_free(&l);
	/* The connection goes on; what is still told is for nobody. */
	l = db_listen(d, "another", on_payload, &h);
	pg_until(h.connects == 4);
	pg_text(conninfo, "SELECT pg_notify('Odd \"name\"', 'late'), pg_notify('another', 'one')");
	pg_until(h.payloads == 1004);
	ck_assert_str_eq(h.last, "one");
	db_listener_free(&l);
	l = db_listen(d, "gone at once", on_payload, &h);
	db_listener_free(&l);
	db_free(&d);
	ck_assert_int_eq(h.connects, 4);
}

START_TEST(test_listening)
{
	pg_in_task(listening, pg_empty_database("listening"));
}
END_TEST

static void nobody_there(const char *conninfo)
{
	struct heard h = {0};
	struct db *d = db_new(&(struct db_options){.conninfo = conninfo});
	struct db_listener *l = db_listen(d, "x", on_payload, &h);
	task_sleep(200 * CLOCK_MS); /* some attempts; nothing to wait for */
	ck_assert_int_eq(h.connects, 0);
	db_listener_free(&l);
	db_free(&d);
}

START_TEST(test_nobody_there)
{
	pg_in_task(nobody_there, "host=/nonexistent");
}
END_TEST

static struct db_session *open_session(const char *conninfo)
{
	struct db_session *s;
	struct error e;
	ck_assert_msg(db_session_open(conninfo, clock_deadline(5 * CLOCK_SEC), &s, &e) == ERR_OK,
	              "%s", e.text);
	return s;
}

static bool try_lock(struct db_session *s, int64_t id)
{
	struct error e;
	bool got;
	ck_assert_msg(db_session_try_lock(s, id, &got, &e) == ERR_OK, "%s", e.text);
	return got;
}

static void locks(const char *conninfo)
{
	struct db_session *one = open_session(conninfo), *two = open_session(conninfo);
	struct error e;
	bool got = true;
	ck_assert(try_lock(one, 1003));
	ck_assert(!try_lock(two, 1003));
	ck_assert(try_lock(two, INT64_MAX));
	ck_assert(db_session_is_alive(one) && db_session_is_alive(two));
	pg_text(conninfo, "SELECT pg_terminate_backend(pid) FROM pg_locks "
	                  "WHERE locktype = 'advisory' AND objid = 1003");
	pg_until(!db_session_is_alive(one));
	ck_assert_int_eq(db_session_try_lock(one, 1004, &got, &e), ERR_UNAVAILABLE);
	ck_assert(!got);
	ck_assert(db_session_is_alive(two));
	pg_until(try_lock(two, 1003)); /* free again */
	db_session_close(&one);
	db_session_close(&two);
	ck_assert_ptr_null(two);
	db_session_close(&two);
	one = open_session(conninfo);
	pg_until(try_lock(one, 1003)); /* it ended with its session */
	db_session_close(&one);
	ck_assert_int_eq(db_session_open("host=/nonexistent", clock_deadline(CLOCK_SEC), &one, &e),
	                 ERR_UNAVAILABLE);
	ck_assert_ptr_null(one);
}

START_TEST(test_locks)
{
	pg_in_task(locks, pg_empty_database("locks"));
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("listen");
	pg_start();
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_listening);
	tcase_add_test(t, test_nobody_there);
	tcase_add_test(t, test_locks);
	return run_tests("db_listen", t);
}
