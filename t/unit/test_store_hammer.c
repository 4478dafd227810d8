/* SPDX-License-Identifier: MIT
 *
 * Several processes, each with many tasks on several connections, write, delete,
 * abandon, clean up, reap and change limits at random, on backends that are
 * nearly full. Meanwhile a session of its own looks at the sums: at no instant may
 * a backend hold more than its limit. At the end everything must add up, and
 * PostgreSQL must not have seen a deadlock.
 */
#include "store_fixture.h"
#include "t/unit/run.h"

#define PROCESSES 3
#define TASKS     24
#define STEPS     60
#define KEYS      12

struct hammer {
	struct sf f;
	int committed, full, failed;
};

static const char *random_key(struct hammer *h)
{
	return arena_printf(h->f.a, "key%d", (int)(random_u64() % KEYS));
}

static void note(struct hammer *h, enum err r)
{
	switch (r) {
	case ERR_OK:
	case ERR_NOT_FOUND:
	case ERR_PRECONDITION:
	case ERR_CONFLICT: /* reaped */
		break;
	case ERR_NO_SPACE:
		h->full++;
		break;
	default:
		h->failed++;
		fprintf(stderr, "%s: %s\n", err_name(r), h->f.e.text);
	}
}

static void write_one(struct hammer *h)
{
	const char *key = random_key(h), *backend[] = {"a", "b", "u"};
	struct store_intent i[2];
	struct store_conditions cond = {.if_none_match_any = random_u64() % 4 == 0};
	size_t n = 0, wanted = 1 + random_u64() % 2, first = random_u64() % 3;
	uint64_t size = random_u64() % 200;
	enum err r = ERR_OK;
	for (; n < wanted && r == ERR_OK; n += r == ERR_OK)
		note(h, r = sf_reserve(&h->f, key, backend[(first + n) % 3], size, &i[n]));
	if (random_u64() % 5 == 0)
		r = ERR_IO; /* "the backend failed" */
	if (n > 0 && r == ERR_OK) {
		note(h, r = sf_commit(&h->f, key, i, n, &cond));
		h->committed += r == ERR_OK;
	}
	for (size_t k = 0; r != ERR_OK && k < n; k++) {
		if (random_u64() % 3 == 0)
			store_cancel(h->f.s, &i[k]);
		else if (random_u64() % 3 == 0)
			sf_die(&h->f, &i[k]);
		else
			store_abandon(h->f.s, &i[k], "hammer", false);
	}
}

static void clean_up(struct hammer *h)
{
	struct store_cleanup *rows;
	size_t n;
	bool dead;
	enum err r = store_cleanup_claim(h->f.s, 10, 0, NULL, 0, h->f.a, &rows, &n, &h->f.e);
	note(h, r);
	for (size_t i = 0; i < n; i++)
		note(h, random_u64() % 20
		                ? store_cleanup_done(h->f.s, rows[i].id, &h->f.e)
		                : store_cleanup_failed(h->f.s, &rows[i], "x", &dead, &h->f.e));
}

static void hammer_task(void *arg)
{
	struct hammer *h = arg;
	for (int step = 0; step < STEPS; step++) {
		uint64_t moved, dice = random_u64() % 20;
		uint64_t copies;
		if (dice < 11)
			write_one(h);
		else if (dice < 14)
			note(h, sf_delete(&h->f, random_key(h), &copies));
		else if (dice < 19)
			clean_up(h);
		else
			note(h, store_reap(h->f.s, 100 * CLOCK_MS, 5, &moved, &h->f.e));
	}
}

static struct hammer hammer;

static void hammer_loop(const char *conninfo)
{
	struct wait_group g = {0};
	char name[32];
	snprintf(name, sizeof name, "p%d", (int)getpid());
	sf_open(&hammer.f, conninfo, name);
	for (int i = 0; i < TASKS; i++)
		wait_group_spawn(&g, "hammer", hammer_task, &hammer, NULL);
	wait_group_wait(&g, 0);
	sf_close(&hammer.f);
}

static pid_t hammer_process(const char *conninfo)
{
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	sf_config.write_path.min_age = CLOCK_SEC;
	pg_in_task(hammer_loop, conninfo);
	fprintf(stderr, "committed %d, full %d, failed %d\n", hammer.committed, hammer.full,
	        hammer.failed);
	_exit(hammer.failed > 0 || hammer.committed == 0 || hammer.full == 0);
}

/* A quota may only be exceeded by bytes that came late, see s3o_add_found: then
 * the backend is in debt. */
static int sample(const char *conninfo, pid_t *pids)
{
	PGconn *c = PQconnectdb(conninfo);
	int samples = 0, running = PROCESSES, status;
	while (running > 0) {
		PGresult *r =
			PQexec(c, "SELECT backend_name FROM backend_space b WHERE bytes_limit > 0 "
		                  "AND bytes_used + bytes_reserved + orphan_bytes > bytes_limit "
		                  "AND NOT EXISTS (SELECT FROM backend_quota_slots s "
		                  "WHERE s.backend_name = b.backend_name AND in_debt)");
		ck_assert_int_eq(PQresultStatus(r), PGRES_TUPLES_OK);
		ck_assert_int_eq(PQntuples(r), 0);
		PQclear(r);
		samples++;
		for (int i = 0; i < PROCESSES; i++)
			if (pids[i] && waitpid(pids[i], &status, WNOHANG) == pids[i]) {
				ck_assert_int_eq(status, 0);
				pids[i] = 0;
				running--;
			}
	}
	PQfinish(c);
	return samples;
}

START_TEST(test_hammer)
{
	const char *conninfo = pg_database("hammer");
	pid_t pids[PROCESSES];
	sf_backends[0].quota_bytes = 1500;
	sf_backends[1].quota_bytes = 1501;
	sf_sync(conninfo);
	for (int i = 0; i < PROCESSES; i++)
		pids[i] = hammer_process(conninfo);
	ck_assert_int_gt(sample(conninfo, pids), 20);
	sf_check(conninfo);
	ck_assert_int_eq(pg_number(conninfo, "SELECT deadlocks FROM pg_stat_database "
	                                     "WHERE datname = current_database()"),
	                 0);
}
END_TEST

/* --- limits that move under the writers' feet ------------------------------------------ */

static void resize_loop(const char *conninfo)
{
	for (int i = 0; i < 150; i++) {
		sf_backends[0].quota_bytes = random_u64() % 3 ? 500 + random_u64() % 2000 : 0;
		sf_sync(conninfo);
	}
}

START_TEST(test_resize)
{
	const char *conninfo = pg_database("resize");
	int status;
	sf_backends[0].quota_bytes = 1500;
	sf_backends[1].quota_bytes = 1501;
	sf_sync(conninfo);
	pid_t pid = hammer_process(conninfo);
	resize_loop(conninfo);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	sf_check(conninfo);
	ck_assert_int_eq(pg_number(conninfo, "SELECT deadlocks FROM pg_stat_database "
	                                     "WHERE datname = current_database()"),
	                 0);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("hammer");
	pg_start();
	tcase_set_timeout(t, 200);
	tcase_add_test(t, test_hammer);
	tcase_add_test(t, test_resize);
	return run_tests("store_hammer", t);
}
