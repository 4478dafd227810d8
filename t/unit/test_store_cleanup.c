/* SPDX-License-Identifier: MIT
 *
 * The clean-up queue, intents left behind, and who is woken by what.
 */
#include "store/versions.h"
#include "store_fixture.h"
#include "t/unit/run.h"

static size_t claim(struct sf *f, int n, int64_t grace, struct store_cleanup **rows)
{
	size_t count;
	ck_assert_int_eq(store_cleanup_claim(f->s, n, grace, NULL, 0, f->a, rows, &count, &f->e),
	                 ERR_OK);
	return count;
}

/* n rows of 10 bytes on backend a. */
static void fill_queue(struct sf *f, int n)
{
	for (int k = 0; k < n; k++) {
		struct store_intent i;
		ck_assert_int_eq(sf_reserve(f, "q", "a", 10, &i), ERR_OK);
		store_abandon(f->s, &i, "test", false);
	}
}

static void claims(const char *conninfo)
{
	struct sf f, g;
	struct store_cleanup *mine, *yours, *late;
	sf_open(&f, conninfo, "one");
	sf_open(&g, conninfo, "two");
	fill_queue(&f, 10);
	const char *avoid[] = {"b\\\"", "a"};
	size_t n;
	ck_assert_int_eq(store_cleanup_claim(f.s, 6, 0, avoid, 2, f.a, &mine, &n, &f.e), ERR_OK);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(store_cleanup_claim(f.s, 1, 0, avoid, 1, f.a, &mine, &n, &f.e), ERR_OK);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(store_cleanup_postpone(f.s, mine[0].id, 0, &f.e), ERR_OK);
	ck_assert_uint_eq(claim(&f, 6, 60 * CLOCK_SEC, &mine), 6);
	ck_assert_uint_eq(claim(&g, 6, 60 * CLOCK_SEC, &yours), 4);
	for (int i = 0; i < 6; i++)
		for (int k = 0; k < 4; k++)
			ck_assert_int_ne(mine[i].id, yours[k].id);
	ck_assert(str_eq(mine[0].backend, STR("a")) && str_eq(mine[0].reason, STR("test")));
	ck_assert(str_starts(mine[0].backend_key, STR("bk/q~")));
	ck_assert_uint_eq(mine[0].size, 10);
	ck_assert(!mine[0].reclaimed && mine[0].attempts == 0);

	ck_assert_int_eq(store_cleanup_done(f.s, mine[0].id, &f.e), ERR_OK);
	sf_assert_space(&f, "a", 0, 0, 90);
	ck_assert_int_eq(store_cleanup_done(f.s, mine[0].id, &f.e), ERR_OK); /* no-op */
	sf_assert_space(&f, "a", 0, 0, 90);

	/* Given back: anybody's at once or later, not as a reclaimed one, no attempt. */
	ck_assert_int_eq(store_cleanup_postpone(f.s, mine[1].id, 60 * CLOCK_SEC, &f.e), ERR_OK);
	ck_assert_uint_eq(claim(&g, 10, 60 * CLOCK_SEC, &late), 0);
	ck_assert_int_eq(pg_number(conninfo, "UPDATE cleanup_queue SET claimed_by = 'one' WHERE "
	                                     "claimed_by IS NULL AND attempts = 0 RETURNING "
	                                     "round(extract(epoch FROM next_retry - now()) / 60)"),
	                 1);
	ck_assert_int_eq(store_cleanup_postpone(f.s, mine[1].id, 0, &f.e), ERR_OK);
	ck_assert_uint_eq(claim(&g, 10, 60 * CLOCK_SEC, &late), 1);
	ck_assert(late[0].id == mine[1].id && !late[0].reclaimed);

	/* Older than the grace period: taken over. The former owner's failure and
	 * postponement then change nothing. */
	bool dead;
	ck_assert_uint_eq(claim(&g, 10, 0, &late), 9);
	ck_assert(late[0].reclaimed);
	ck_assert_int_eq(store_cleanup_failed(f.s, &mine[2], "late", &dead, &f.e), ERR_OK);
	ck_assert_int_eq(store_cleanup_postpone(f.s, mine[3].id, 0, &f.e), ERR_OK);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM cleanup_queue "
	                                     "WHERE claimed_by = 'two' AND attempts = 0"),
	                 9);
	sf_close(&g);
	sf_close(&f);
}
TEST(claims)

/* Rows that another is about to claim are locked: passed over, not waited for. */
static void claims_at_once(const char *conninfo)
{
	struct sf f;
	struct store_cleanup *rows;
	sf_open(&f, conninfo, "one");
	fill_queue(&f, 10);
	PGconn *other = PQconnectdb(conninfo);
	PGresult *r = PQexec(other, "BEGIN; SELECT id FROM cleanup_queue "
	                            "ORDER BY next_retry, id LIMIT 1 FOR UPDATE");
	ck_assert_int_eq(PQntuples(r), 1);
	int64_t locked = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	ck_assert_uint_eq(claim(&f, 4, 60 * CLOCK_SEC, &rows), 4);
	for (int k = 0; k < 4; k++)
		ck_assert_int_ne(rows[k].id, locked);
	ck_assert_uint_eq(claim(&f, 10, 60 * CLOCK_SEC, &rows), 5);
	for (int k = 0; k < 5; k++)
		ck_assert_int_ne(rows[k].id, locked);
	PQfinish(other);
	pg_until(claim(&f, 10, 60 * CLOCK_SEC, &rows) == 1);
	ck_assert_int_eq(rows[0].id, locked);
	sf_close(&f);
}
TEST(claims_at_once)

/* 1, 2, 4 ... 256 minutes, then the dead letter queue. */
static void failures(const char *conninfo)
{
	struct sf f;
	struct store_cleanup *rows;
	struct store_depths d;
	bool dead = false;
	sf_open(&f, conninfo, "one");
	fill_queue(&f, 1);
	for (int k = 0; k < STORE_CLEANUP_ATTEMPTS; k++) {
		ck_assert(!dead);
		ck_assert_uint_eq(claim(&f, 10, 0, &rows), 1);
		ck_assert_int_eq(rows[0].attempts, k);
		ck_assert_int_eq(store_cleanup_failed(f.s, &rows[0], "no route", &dead, &f.e),
		                 ERR_OK);
		ck_assert_uint_eq(claim(&f, 10, 0, &rows), 0); /* not due */
		if (dead)
			break;
		long long wait =
			pg_number(conninfo, "SELECT round(extract(epoch FROM next_retry - now())) "
		                            "FROM cleanup_queue");
		ck_assert(wait > (60 << k) - 20 && wait <= (60 << k));
		ck_assert_int_eq(store_depths(f.s, &d, &f.e), ERR_OK);
		ck_assert(d.cleanup_queue == 1 && d.cleanup_dlq == 0);
		ck_assert(d.next_cleanup > clock_wall() + ((60 << k) - 20) * CLOCK_SEC);
		pg_text(conninfo, "UPDATE cleanup_queue SET next_retry = now()");
	}
	ck_assert(dead);
	ck_assert_int_eq(store_depths(f.s, &d, &f.e), ERR_OK);
	ck_assert(d.cleanup_queue == 0 && d.cleanup_dlq == 1 && d.next_cleanup == 0);
	ck_assert_str_eq(
		pg_text(conninfo, "SELECT last_error FROM cleanup_dlq WHERE attempts = 10"),
		"no route");
	sf_assert_space(&f, "a", 0, 0, 10); /* still counted */
	sf_check(conninfo);

	/* What operators do with it. */
	ck_assert_str_eq(pg_text(conninfo, "SELECT s3o_dlq_retry(id) FROM cleanup_dlq"), "t");
	sf_assert_space(&f, "a", 0, 0, 10);
	ck_assert_uint_eq(claim(&f, 10, 0, &rows), 1);
	for (int k = 0; k < STORE_CLEANUP_ATTEMPTS; k++) {
		store_cleanup_failed(f.s, &rows[0], "again", &dead, &f.e);
		pg_text(conninfo, "UPDATE cleanup_queue SET next_retry = now()");
		claim(&f, 10, 0, &rows);
	}
	ck_assert(dead);
	ck_assert_str_eq(pg_text(conninfo, "SELECT s3o_dlq_write_off(id) FROM cleanup_dlq"), "t");
	sf_assert_space(&f, "a", 0, 0, 0);
	sf_close(&f);
}
TEST(failures)

/* The back-off is never longer than a day. */
static void longest_wait(const char *conninfo)
{
	pg_text(conninfo, "INSERT INTO cleanup_queue (backend_name, object_key, reason, attempts, "
	                  "claimed_by) VALUES ('a', 'k', 'r', 8, 'x')");
	pg_text(conninfo, "SELECT s3o_cleanup_failed(id, 'x', 'e') FROM cleanup_queue");
	ck_assert_int_eq(pg_number(conninfo, "SELECT round(extract(epoch FROM next_retry - now()) "
	                                     "/ 60) FROM cleanup_queue"),
	                 256);
}
TEST(longest_wait)

static void reaper(const char *conninfo)
{
	struct sf f;
	struct store_intent i[3];
	uint64_t moved;
	sf_config.write_path.min_age = CLOCK_SEC; /* renewed every 200 ms */
	sf_open(&f, conninfo, "one");
	for (int k = 0; k < 3; k++)
		ck_assert_int_eq(sf_reserve(&f, "k", k < 2 ? "a" : "b", 100, &i[k]), ERR_OK);
	ck_assert_int_eq(store_reap(f.s, 60 * CLOCK_SEC, 10, &moved, &f.e), ERR_OK);
	ck_assert_uint_eq(moved, 0);

	/* A living writer's intents are renewed; a forgotten one's are not. */
	ck_assert(!store_intent_is_gone(f.s, &i[1]));
	sf_die(&f, &i[0]);
	pg_text(conninfo, "UPDATE pending_objects SET renewed_at = now() - interval '1 day'");
	pg_until(pg_number(conninfo, "SELECT count(*) FROM pending_objects "
	                             "WHERE renewed_at > now() - interval '1 hour'") == 2);
	ck_assert_int_eq(store_reap(f.s, 3600 * CLOCK_SEC, 10, &moved, &f.e), ERR_OK);
	ck_assert_uint_eq(moved, 1);
	ck_assert_int_eq(sf_commit(&f, "k", &i[0], 1, NULL), ERR_CONFLICT);
	ck_assert_int_eq(sf_commit(&f, "k", &i[1], 1, NULL), ERR_OK);
	ck_assert_str_eq(pg_text(conninfo, "SELECT reason FROM cleanup_queue"), "intent_expired");

	/* A living writer is told. */
	ck_assert_int_eq(store_reap(f.s, 0, 10, &moved, &f.e), ERR_OK);
	ck_assert_uint_eq(moved, 1);
	pg_until(store_intent_is_gone(f.s, &i[2]));
	store_abandon(f.s, &i[2], "test", false);
	ck_assert(!store_intent_is_gone(f.s, &i[2]));

	/* No more than asked for at a time. */
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 1, &i[0]), ERR_OK);
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 1, &i[1]), ERR_OK);
	ck_assert_int_eq(store_reap(f.s, 0, 1, &moved, &f.e), ERR_OK);
	ck_assert_uint_eq(moved, 1);
	struct store_depths d;
	ck_assert_int_eq(store_depths(f.s, &d, &f.e), ERR_OK);
	ck_assert_uint_eq(d.intents, 1);
	sf_close(&f);
}
TEST(reaper)

/* Whatever the order in which intents come and go, those that are there are renewed. */
static void renewals(const char *conninfo)
{
	enum { N = 100 };
	struct sf f;
	struct store_intent first[N], later[N / 2];
	sf_config.write_path.min_age = CLOCK_SEC;
	sf_open(&f, conninfo, "one");
	for (int k = 0; k < N; k++)
		ck_assert_int_eq(sf_reserve(&f, "k", "a", 1, &first[k]), ERR_OK);
	for (int k = 0; k < N; k += 2)
		store_cancel(f.s, &first[k]);
	for (int k = 0; k < N / 2; k++)
		ck_assert_int_eq(sf_reserve(&f, "k", "b", 1, &later[k]), ERR_OK);
	for (int k = 0; k < N; k += 2)
		store_cancel(f.s, &first[k]); /* its place has another */
	ck_assert_uint_eq(f.s->n_live, N);
	ck_assert_uint_eq(f.s->n_places, N);
	pg_text(conninfo, "UPDATE pending_objects SET renewed_at = now() - interval '1 day'");
	pg_until(pg_number(conninfo, "SELECT count(*) FROM pending_objects "
	                             "WHERE renewed_at > now() - interval '1 hour'") == N);
	pg_text(conninfo, pg_print("SELECT s3o_cancel('%s')", later[7].id));
	pg_until(store_intent_is_gone(f.s, &later[7]));
	ck_assert(!store_intent_is_gone(f.s, &later[8]));
	for (int k = 0; k < N / 2; k++) {
		store_cancel(f.s, &later[k]);
		store_cancel(f.s, &first[2 * k + 1]);
	}
	ck_assert_uint_eq(f.s->n_live, 0);
	sf_close(&f);
}
TEST(renewals)

/* An intent that is being committed is locked: the reaper passes it over. */
static void reaper_and_commit(const char *conninfo)
{
	struct sf f;
	struct store_intent i;
	uint64_t moved;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 100, &i), ERR_OK);
	PGconn *other = PQconnectdb(conninfo);
	PQclear(PQexec(other, "BEGIN; SELECT FROM pending_objects FOR UPDATE"));
	ck_assert_int_eq(store_reap(f.s, 0, 10, &moved, &f.e), ERR_OK);
	ck_assert_uint_eq(moved, 0);
	PQfinish(other);
	ck_assert_int_eq(sf_commit(&f, "k", &i, 1, NULL), ERR_OK);
	sf_close(&f);
}
TEST(reaper_and_commit)

/* --- writers that come late -------------------------------------------------------- */

static struct store_intent reaped(struct sf *f, uint64_t size)
{
	struct store_intent i;
	uint64_t moved;
	ck_assert_int_eq(sf_reserve(f, "late", "a", size, &i), ERR_OK);
	ck_assert_int_eq(store_reap(f->s, 0, 10, &moved, &f->e), ERR_OK);
	ck_assert_uint_eq(moved, 1);
	return i;
}

static void delete_all(struct sf *f)
{
	struct store_cleanup *rows;
	size_t n = claim(f, 50, 0, &rows);
	for (size_t k = 0; k < n; k++)
		ck_assert_int_eq(store_cleanup_done(f->s, rows[k].id, &f->e), ERR_OK);
}

/* A writer was stopped for so long that its intent was reaped, and even the
 * deletion begun or done, before its bytes arrived. They are deleted all the same,
 * and counted once. */
static void late_bytes(const char *conninfo)
{
	struct sf f;
	struct store_cleanup *rows;
	sf_open(&f, conninfo, "one");
	struct store_intent i = reaped(&f, 1000); /* all of the quota */
	store_abandon(f.s, &i, "too_late", false);
	sf_assert_space(&f, "a", 0, 0, 1000);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM cleanup_queue"), 1);
	ck_assert_uint_eq(claim(&f, 10, 0, &rows), 1);
	store_abandon(f.s, &i, "too_late", false); /* that deletion may have come too early */
	ck_assert_int_eq(store_cleanup_done(f.s, rows[0].id, &f.e), ERR_OK);
	sf_assert_space(&f, "a", 0, 0, 1000);
	sf_check(conninfo);
	delete_all(&f);
	sf_assert_space(&f, "a", 0, 0, 0);

	i = reaped(&f, 100);
	delete_all(&f);
	ck_assert_int_eq(sf_commit(&f, "late", &i, 1, NULL), ERR_CONFLICT);
	store_abandon(f.s, &i, "too_late", false);
	ck_assert_str_eq(pg_text(conninfo, "SELECT object_key FROM cleanup_queue "
	                                   "WHERE reason = 'too_late' AND size_bytes = 100"),
	                 pg_print("%.*s", STR_FMT(i.backend_key)));
	sf_assert_space(&f, "a", 0, 0, 100);
	sf_check(conninfo);
	delete_all(&f);

	/* A backend without a limit. */
	ck_assert_int_eq(sf_reserve(&f, "late", "u", 100, &i), ERR_OK);
	pg_text(conninfo, "SELECT s3o_reap(0, 10, 0::SMALLINT, 0)");
	delete_all(&f);
	store_abandon(f.s, &i, "too_late", false);
	sf_assert_space(&f, "u", 0, 0, 100);
	sf_close(&f);
}
TEST(late_bytes)

/* Late bytes for which there is no room any more: the quota is exceeded on the
 * backend, and nothing is taken there until enough is gone. */
static void late_bytes_in_debt(const char *conninfo)
{
	struct sf f;
	struct store_intent next;
	sf_open(&f, conninfo, "one");
	struct store_intent i = reaped(&f, 300);
	delete_all(&f);
	for (int k = 0; k < 9; k++)
		ck_assert_int_eq(sf_put(&f, (char[]){(char)('a' + k), 0}, "a", 100), ERR_OK);
	store_abandon(f.s, &i, "too_late", false);
	sf_assert_space(&f, "a", 900, 0, 300);
	sf_check(conninfo);
	for (int k = 0; k < 20; k++) /* whatever slot */
		ck_assert_int_eq(sf_reserve(&f, "n", "a", 1, &next), ERR_NO_SPACE);
	delete_all(&f);
	ck_assert_int_eq(sf_reserve(&f, "n", "a", 101, &next), ERR_NO_SPACE);
	ck_assert_int_eq(sf_reserve(&f, "n", "a", 100, &next), ERR_OK);
	sf_close(&f);
}
TEST(late_bytes_in_debt)

#define DUE_AFTER "SELECT round(extract(epoch FROM next_retry - created_at)) FROM cleanup_queue"

static struct store_intent reserve_landing(struct sf *f, struct str backend_key, int64_t landing)
{
	struct store_intent i = {
		.backend = "a", .backend_key = backend_key, .size = 10, .landing = landing};
	ck_assert_int_eq(store_reserve(f->s, STR("bk"), STR("k"), &i, &f->e), ERR_OK);
	return i;
}

/* A copy that the backend makes by itself tells how long it may go on. */
static void landing_of_copies(const char *conninfo)
{
	struct sf f;
	struct store_intent i;
	uint64_t moved;
	sf_config.server.backend_timeout = 30 * CLOCK_SEC;
	sf_open(&f, conninfo, "one");
	i = reserve_landing(&f, STR("bk/k~1"), 1000 * CLOCK_SEC);
	store_abandon(f.s, &i, "test", true);
	ck_assert_int_eq(pg_number(conninfo, DUE_AFTER), 1000);
	pg_text(conninfo, "SELECT s3o_cleanup_done(id, 0::SMALLINT) FROM cleanup_queue");

	/* Its writer has died 100 seconds ago. */
	i = reserve_landing(&f, STR("bk/k~2"), 1000 * CLOCK_SEC);
	sf_die(&f, &i);
	pg_text(conninfo, "UPDATE pending_objects SET renewed_at = now() - interval '100 s'");
	ck_assert_int_eq(store_reap(f.s, 60 * CLOCK_SEC, 10, &moved, &f.e), ERR_OK);
	ck_assert_uint_eq(moved, 1);
	int due = (int)pg_number(conninfo, DUE_AFTER);
	ck_assert(due > 890 && due <= 900);

	/* It had not, but was slow, and gives up only now. */
	store_abandon(f.s, &i, "test", true);
	ck_assert_int_ge(pg_number(conninfo, DUE_AFTER), 1000);
	sf_config.server.backend_timeout = 0;
	sf_close(&f);
}
TEST(landing_of_copies)

/* What a backend may still be storing is not deleted before it has had the time. */
static void landing(const char *conninfo)
{
	struct sf f;
	struct store_intent i;
	struct store_cleanup *rows;
	sf_config.server.backend_timeout = 30 * CLOCK_SEC;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 10, &i), ERR_OK);
	store_abandon(f.s, &i, "test", true);
	ck_assert_uint_eq(claim(&f, 10, 0, &rows), 0);
	ck_assert_int_eq(pg_number(conninfo, DUE_AFTER), 30);
	pg_text(conninfo, "SELECT s3o_cleanup_done(id, 0::SMALLINT) FROM cleanup_queue");

	reaped(&f, 10); /* counts from the last renewal */
	ck_assert_int_eq(pg_number(conninfo, "SELECT (next_retry - created_at BETWEEN interval "
	                                     "'20 s' AND interval '30 s')::INT "
	                                     "FROM cleanup_queue"),
	                 1);
	pg_text(conninfo, "SELECT s3o_cleanup_done(id, 0::SMALLINT) FROM cleanup_queue");

	ck_assert_int_eq(sf_reserve(&f, "k", "a", 10, &i), ERR_OK);
	store_abandon(f.s, &i, "test", false);
	ck_assert_uint_eq(claim(&f, 10, 0, &rows), 1);
	sf_config.server.backend_timeout = 0;
	sf_close(&f);
}
TEST(landing)

/* A commit whose outcome is unknown: either it happened, or it never will. */
static void settling(const char *conninfo)
{
	struct sf f;
	struct store_intent i;
	struct store_object o;
	struct store_written w;
	struct store_written settled = {0};
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 10, &i), ERR_OK);
	ck_assert_int_eq(store_settle(f.s, &i, 1, &settled, &f.e), ERR_UNAVAILABLE);
	ck_assert_int_eq(settled.modified, 0);
	ck_assert_int_eq(sf_put(&f, "k", "b", 20), ERR_OK);
	ck_assert_int_eq(sf_commit(&f, "k", &i, 1, NULL), ERR_CONFLICT); /* on its way till now */
	sf_assert_space(&f, "a", 0, 0, 10);

	ck_assert_int_eq(sf_reserve(&f, "k", "a", 30, &i), ERR_OK);
	o = sf_object("k", 30);
	ck_assert_int_eq(sf_commit_object(&f, &o, &i, 1, NULL, &w), ERR_OK);
	ck_assert_int_eq(store_settle(f.s, &i, 1, &settled, &f.e), ERR_OK);
	ck_assert_int_eq(settled.modified, w.modified);
	ck_assert_str_eq(settled.version_id, "");
	sf_assert_space(&f, "a", 30, 0, 10);

	ck_assert_int_eq(sf_put(&f, "k", "b", 20), ERR_OK);
	ck_assert_int_eq(store_settle(f.s, &i, 1, &settled, &f.e), ERR_DB_UNCERTAIN);
	sf_close(&f);
}
TEST(settling)

/* And the client is told of the version that it has made, as the commit would have. */
static void settling_versions(const char *conninfo)
{
	static const struct {
		enum store_versioning versioning;
		bool is_null;
	} states[] = {{STORE_VERSIONED, false},
	              {STORE_VERSIONING_SUSPENDED, true},
	              {STORE_VERSIONED, false}};
	struct sf f;
	sf_open(&f, conninfo, "one");
	for (size_t k = 0; k < sizeof states / sizeof *states; k++) {
		struct store_intent i;
		struct store_object o = sf_object("k", 30);
		struct store_written w, settled;
		ck_assert_int_eq(
			store_set_versioning(f.s, STR("bk"), STR_NULL, states[k].versioning, &f.e),
			ERR_OK);
		ck_assert_int_eq(sf_reserve(&f, "k", "a", 30, &i), ERR_OK);
		ck_assert_int_eq(sf_commit_object(&f, &o, &i, 1, NULL, &w), ERR_OK);
		ck_assert_int_eq(store_settle(f.s, &i, 1, &settled, &f.e), ERR_OK);
		ck_assert_int_eq(settled.modified, w.modified);
		ck_assert_str_eq(settled.version_id, w.version_id);
		ck_assert_str_eq(settled.version_id, states[k].is_null ? "null" : o.generation);
	}
	sf_close(&f);
}
TEST(settling_versions)

/* A deletion that comes late, its connection having broken, does not take what was
 * written since. */
static void late_deletion(const char *conninfo)
{
	struct sf f;
	struct store_version v;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(sf_put(&f, "k", "a", 10), ERR_OK);
	ck_assert_int_eq(store_find(f.s, STR("bk"), STR("k"), STR_NULL, f.a, &v, &f.e), ERR_OK);
	ck_assert_int_eq(sf_put(&f, "k", "b", 20), ERR_OK);
	const char *deletion =
		pg_print("SELECT status || queued FROM s3o_delete('bk', '', NULL, '[{\"name\": "
	                 "\"k\", \"version\": "
	                 "\"\", \"generation\": \"%s\", \"if_match\": \"\"}]', 0::SMALLINT)",
	                 v.o.generation);
	ck_assert_str_eq(pg_text(conninfo, deletion), "ok0");
	sf_assert_space(&f, "a", 0, 0, 10);
	sf_assert_space(&f, "b", 20, 0, 0);
	sf_close(&f);
}
TEST(late_deletion)

/* --- waking ------------------------------------------------------------------------ */

struct heard {
	int connects, cleanup, other;
};

static void on_wake(struct str payload, void *arg)
{
	struct heard *h = arg;
	if (!payload.n)
		h->connects++;
	else if (str_eq(payload, STR("cleanup_queue")))
		h->cleanup++;
	else
		h->other++;
}

static void waking(const char *conninfo)
{
	struct sf f;
	struct heard h = {0};
	uint64_t copies;
	uint64_t moved;
	struct store_intent i;
	sf_open(&f, conninfo, "one");
	struct db_listener *l = db_listen(f.db, "s3o_jobs", on_wake, &h);
	pg_until(h.connects == 1);
	ck_assert_int_eq(sf_put(&f, "k", "a", 10), ERR_OK); /* nothing replaced */
	for (int k = 0; k < 20; k++)
		store_wake(f.s, "other");
	store_wake(f.s, "third");
	pg_until(h.other >= 2);
	ck_assert_int_eq(h.other, 2); /* collected */
	ck_assert_int_eq(h.cleanup, 0);
	ck_assert_int_eq(sf_put(&f, "k", "a", 10), ERR_OK);
	pg_until(h.cleanup == 1);
	ck_assert_int_eq(sf_delete(&f, "k", &copies), ERR_OK);
	pg_until(h.cleanup == 2);
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 10, &i), ERR_OK);
	store_abandon(f.s, &i, "test", false);
	pg_until(h.cleanup == 3);
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 10, &i), ERR_OK);
	sf_die(&f, &i);
	ck_assert_int_eq(store_reap(f.s, 0, 10, &moved, &f.e), ERR_OK);
	pg_until(h.cleanup == 4);
	db_listener_free(&l);
	sf_close(&f);
}
TEST(waking)

int main(void)
{
	TCase *t = tcase_create("cleanup");
	pg_start();
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_claims);
	tcase_add_test(t, test_claims_at_once);
	tcase_add_test(t, test_failures);
	tcase_add_test(t, test_longest_wait);
	tcase_add_test(t, test_reaper);
	tcase_add_test(t, test_renewals);
	tcase_add_test(t, test_reaper_and_commit);
	tcase_add_test(t, test_late_bytes);
	tcase_add_test(t, test_late_bytes_in_debt);
	tcase_add_test(t, test_landing);
	tcase_add_test(t, test_landing_of_copies);
	tcase_add_test(t, test_settling);
	tcase_add_test(t, test_settling_versions);
	tcase_add_test(t, test_late_deletion);
	tcase_add_test(t, test_waking);
	return run_tests("store_cleanup", t);
}
