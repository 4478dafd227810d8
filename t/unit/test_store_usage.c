/* SPDX-License-Identifier: MIT
 *
 * Monthly usage in the database: hosts add up, nothing is added that was not told, and
 * everybody learns the sums.
 */
#include "store_fixture.h"
#include "t/unit/run.h"

#include "backend/usage_flush.h"
#include "db/db_private.h"
#include "store/usage.h"

/* Only those of these tests, whose list of backends they know. */
#define N 3

static void expect_totals(const struct store_amounts *t, uint64_t api, uint64_t egress,
                          uint64_t ingress)
{
	ck_assert_uint_eq(t->api, api);
	ck_assert_uint_eq(t->egress, egress);
	ck_assert_uint_eq(t->ingress, ingress);
}

static void expect_amounts(struct usage_amounts n, uint64_t api, uint64_t egress, uint64_t ingress)
{
	struct store_amounts t = {n.api, n.egress, n.ingress};
	expect_totals(&t, api, egress, ingress);
}

static void add(struct sf *f, const char *period, struct store_usage *list, size_t n)
{
	ck_assert_msg(store_usage_add(f->s, period, list, n, &f->e) == ERR_OK, "%s", f->e.text);
}

/* --- the statements -------------------------------------------------------------- */

static void sums(const char *conninfo)
{
	struct sf f;
	struct store_usage one[] = {{.backend = "u", .add = {1, 20, 300}},
	                            {.backend = "a"},
	                            {.backend = "b", .add = {.egress = UINT64_C(1) << 40}}};
	struct store_usage other[] = {{.backend = "a", .add = {.ingress = 5}},
	                              {.backend = "odd \" \\ {name}", .add = {.api = 1}},
	                              {.backend = "u", .add = {2, 0, 1}}};
	sf_open(&f, conninfo, "one");
	add(&f, "2026-04", one, 3);
	expect_totals(&one[0].total, 1, 20, 300);
	expect_totals(&one[1].total, 0, 0, 0);
	expect_totals(&one[2].total, 0, UINT64_C(1) << 40, 0);
	/* where nothing was added there is no row */
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM backend_usage"), 2);

	add(&f, "2026-04", other, 3);
	expect_totals(&other[0].total, 0, 0, 5);
	expect_totals(&other[1].total, 1, 0, 0);
	expect_totals(&other[2].total, 3, 20, 301);

	/* who has nothing to add learns what the others have added */
	memset(&one[0].add, 0, sizeof one[0].add);
	memset(&one[2].add, 0, sizeof one[2].add);
	add(&f, "2026-04", one, 3);
	expect_totals(&one[0].total, 3, 20, 301);
	expect_totals(&one[1].total, 0, 0, 5);

	one[0].add.api = 9;
	add(&f, "2026-05", one, 3);
	expect_totals(&one[0].total, 9, 0, 0);
	expect_totals(&one[2].total, 0, 0, 0);
	ck_assert_int_eq(store_usage_read(f.s, "2026-04", one, 3, &f.e), ERR_OK);
	expect_totals(&one[0].total, 3, 20, 301);
	expect_totals(&one[1].total, 0, 0, 5);
	expect_totals(&one[2].total, 0, UINT64_C(1) << 40, 0);
	add(&f, "2026-05", one, 0);
	sf_close(&f);
}
TEST(sums)

static void drained(const char *conninfo)
{
	struct sf f;
	struct store_usage list[] = {{.backend = "a", .add = {1, 1, 1}},
	                             {.backend = "b", .add = {1, 1, 1}}};
	pg_text(conninfo, "INSERT INTO backend_drains (backend_name, state) VALUES"
	                  " ('a', 'drained'), ('b', 'draining')");
	sf_open(&f, conninfo, "one");
	add(&f, "2026-04", list, 2);
	expect_totals(&list[0].total, 0, 0, 0);
	expect_totals(&list[1].total, 1, 1, 1);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM backend_usage"), 1);
	sf_close(&f);
}
TEST(drained)

/* --- many hosts ------------------------------------------------------------------ */

#define HOSTS  8
#define ROUNDS 50

struct host {
	struct sf *f;
	const char *order[N];
	struct wait_group *group;
};

static void run_host(void *arg)
{
	struct host *h = arg;
	for (int i = 0; i < ROUNDS; i++) {
		struct store_usage list[N];
		struct error e;
		for (int k = 0; k < N; k++)
			list[k] = (struct store_usage){.backend = h->order[k], .add = {1, 2, 3}};
		ck_assert_msg(store_usage_add(h->f->s, "2026-04", list, N, &e) == ERR_OK, "%s",
		              e.text);
	}
}

/* Each names the backends in another order: nobody waits for one that waits for him. */
static void hosts(const char *conninfo)
{
	static const char *const orders[][N] = {{"a", "b", "u"}, {"u", "b", "a"}, {"b", "u", "a"}};
	struct wait_group group = {0};
	struct host all[HOSTS];
	struct sf f;
	sf_open(&f, conninfo, "one");
	for (int i = 0; i < HOSTS; i++) {
		all[i] = (struct host){.f = &f};
		memcpy(all[i].order, orders[i % 3], sizeof all[i].order);
		ck_assert_int_eq(wait_group_spawn(&group, "host", run_host, &all[i], NULL), 0);
	}
	wait_group_wait(&group, 0);
	for (int k = 0; k < N; k++)
		ck_assert_int_eq(
			pg_number(conninfo,
		                  pg_print("SELECT ingress_bytes + egress_bytes + api_requests"
		                           " FROM backend_usage WHERE backend_name = '%s'",
		                           orders[0][k])),
			HOSTS * ROUNDS * 6);
	sf_close(&f);
}
TEST(hosts)

/* --- from the counters and back -------------------------------------------------- */

static void flush(const char *conninfo)
{
	struct usage here[N] = {0}, there[N] = {0};
	struct db_blocking *db;
	struct sf f;
	usage_add_call(&here[0]);
	usage_add_egress(&here[0], 10);
	usage_add_ingress(&there[0], 7);
	usage_add_call(&there[2]);
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(db_blocking_open(conninfo, &db, &f.e), ERR_OK);
	ck_assert_int_eq(usage_flush(here, &sf_config, f.s, &f.e), ERR_OK);
	expect_amounts(usage_stored(&here[0]), 1, 10, 0);
	/* without a loop it is the same */
	ck_assert_int_eq(usage_flush_blocking(there, &sf_config, db, &f.e), ERR_OK);
	expect_amounts(usage_stored(&there[0]), 1, 10, 7);
	expect_amounts(usage_stored(&there[2]), 1, 0, 0);
	for (int i = 0; i < N; i++)
		ck_assert(usage_is_flushed(&here[i]) && usage_is_flushed(&there[i]));
	ck_assert_int_eq(usage_flush(here, &sf_config, f.s, &f.e), ERR_OK);
	expect_amounts(usage_stored(&here[0]), 1, 10, 7);
	ck_assert_str_eq(pg_text(conninfo, "SELECT DISTINCT period FROM backend_usage"),
	                 pg_text(conninfo, "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM')"));
	db_blocking_close(&db);
	sf_close(&f);
}
TEST(flush)

static void failure(const char *conninfo)
{
	struct config_backend limited = {.name = "a", .api_request_limit = 2};
	struct usage all[N] = {0};
	struct db_blocking *db;
	struct sf f;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(db_blocking_open(conninfo, &db, &f.e), ERR_OK);
	usage_add_call(&all[0]);
	usage_add_call(&all[0]);
	pg_text(conninfo, "ALTER TABLE backend_usage RENAME TO away");
	ck_assert_int_ne(usage_flush(all, &sf_config, f.s, &f.e), ERR_OK);
	ck_assert_int_ne(usage_flush_blocking(all, &sf_config, db, &f.e), ERR_OK);
	pg_text(conninfo, pg_print("SELECT pg_terminate_backend(%d)", PQbackendPID(db->conn)));
	ck_assert_int_eq(usage_flush_blocking(all, &sf_config, db, &f.e), ERR_UNAVAILABLE);
	db_blocking_close(&db);
	ck_assert_int_eq(db_blocking_open("host=/nowhere", &db, &f.e), ERR_UNAVAILABLE);
	ck_assert_ptr_null(db);
	expect_amounts(usage_unflushed(&all[0]), 2, 0, 0);
	ck_assert(!usage_allows(&all[0], &limited, (struct usage_amounts){.api = 1}));
	pg_text(conninfo, "ALTER TABLE away RENAME TO backend_usage");
	ck_assert_int_eq(usage_flush(all, &sf_config, f.s, &f.e), ERR_OK);
	expect_amounts(usage_stored(&all[0]), 2, 0, 0);
	ck_assert(usage_is_flushed(&all[0]));
	sf_close(&f);
}
TEST(failure)

/* A second or so passes. */
static struct usage_flusher flusher;

static bool is_flushed_by_tick(struct usage *all, const struct config *c, struct sf *f)
{
	usage_add_call(&all[0]);
	usage_flush_tick(&flusher, all, c, f->s);
	return usage_is_flushed(&all[0]);
}

static void ticks(const char *conninfo)
{
	struct config_backend backends[N];
	struct config c = sf_config;
	struct usage all[N] = {0};
	struct sf f;
	memcpy(backends, sf_backends, sizeof backends);
	backends[0].api_request_limit = 10;
	c.backends = backends;
	c.usage_flush.interval = 3600 * CLOCK_SEC;
	c.usage_flush.fast_interval = 1;
	c.usage_flush.adaptive_threshold = 0.5;
	ck_assert_int_eq(usage_flush_pace(&c), CLOCK_SEC);
	sf_open(&f, conninfo, "one");
	flusher.flushed = clock_mono() - c.usage_flush.interval;
	ck_assert(is_flushed_by_tick(all, &c, &f));
	ck_assert(!is_flushed_by_tick(all, &c, &f)); /* not yet again */
	for (int i = 0; i < 5; i++)
		ck_assert(!is_flushed_by_tick(all, &c, &f));
	c.usage_flush.adaptive_enabled = true; /* and 7 of 10 are used */
	ck_assert_int_eq(usage_flush_pace(&c), 1);
	flusher.holder = getpid(); /* somebody else is at it */
	ck_assert(!is_flushed_by_tick(all, &c, &f));
	ck_assert(flusher.fast);
	usage_flusher_give(&flusher);
	task_sleep(1000);
	ck_assert(is_flushed_by_tick(all, &c, &f));
	backends[0].api_request_limit = 1000;
	ck_assert(!is_flushed_by_tick(all, &c, &f));
	ck_assert(!flusher.fast);
	sf_close(&f);
}
TEST(ticks)

int main(void)
{
	TCase *t = tcase_create("usage");
	pg_start();
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_sums);
	tcase_add_test(t, test_drained);
	tcase_add_test(t, test_hosts);
	tcase_add_test(t, test_flush);
	tcase_add_test(t, test_failure);
	tcase_add_test(t, test_ticks);
	return run_tests("store_usage", t);
}
