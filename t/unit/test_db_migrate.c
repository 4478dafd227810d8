/* SPDX-License-Identifier: MIT
 *
 * Migrations: from nothing, again, by many at once, on a database that is newer,
 * over a failure; functions that differ are replaced.
 */
#include "db/db.h"
#include "pg_fixture.h"
#include "t/unit/run.h"

static enum err migrate(const char *conninfo, struct migrate_result *m, struct error *e)
{
	*e = (struct error){0};
	return migrate_run(conninfo, m, e);
}

START_TEST(test_twice)
{
	const char *db = pg_empty_database("twice");
	struct migrate_result m;
	struct error e;
	ck_assert_msg(migrate(db, &m, &e) == ERR_OK, "%s", e.text);
	ck_assert_int_eq(m.from, 0);
	ck_assert_int_ge(m.to, 1);
	ck_assert_int_eq(m.applied, m.to);
	ck_assert_int_eq(pg_number(db, "SELECT count(*) FROM schema_migrations"), m.to);
	ck_assert_str_eq(pg_text(db, "SELECT name FROM schema_migrations WHERE version = 1"),
	                 "0001_catalogue.sql");
	int to = m.to;
	ck_assert_int_eq(migrate(db, &m, &e), ERR_OK);
	ck_assert(m.from == to && m.to == to && m.applied == 0);
	ck_assert_str_eq(pg_text(db, "SELECT string_agg(problem, '') FROM s3o_check()"), "");
}
END_TEST

START_TEST(test_functions_replaced)
{
	const char *db = pg_database("replaced");
	struct migrate_result m;
	struct error e;
	/* An unchanged hash: not looked at. */
	pg_text(db, "CREATE OR REPLACE FUNCTION s3o_micros(p_time TIMESTAMPTZ) RETURNS BIGINT "
	            "LANGUAGE sql STABLE AS 'SELECT 7::BIGINT'");
	ck_assert_int_eq(migrate(db, &m, &e), ERR_OK);
	ck_assert_int_eq(pg_number(db, "SELECT s3o_micros(now())"), 7);
	/* Of another program, that returned other things for other parameters. */
	pg_text(db, "DROP FUNCTION s3o_micros; DROP FUNCTION s3o_cancel;"
	            "CREATE FUNCTION s3o_micros(p_other TIMESTAMPTZ, OUT a INT, OUT b INT) "
	            "LANGUAGE sql AS 'SELECT 1, 2';"
	            "CREATE FUNCTION s3o_cancel(p_intent TEXT, p_why TEXT) RETURNS BOOLEAN "
	            "LANGUAGE sql AS 'SELECT TRUE';"
	            "CREATE FUNCTION s3other() RETURNS INT LANGUAGE sql AS 'SELECT 1'");
	pg_text(db, "UPDATE schema_functions SET hash = 'older'");
	ck_assert_msg(migrate(db, &m, &e) == ERR_OK, "%s", e.text);
	ck_assert_int_eq(pg_number(db, "SELECT count(*) FROM pg_proc WHERE proname = 's3o_cancel'"),
	                 1);
	ck_assert_int_eq(pg_number(db, "SELECT s3other()"), 1);
	ck_assert_int_eq(m.applied, 0);
	ck_assert_int_eq(pg_number(db, "SELECT s3o_micros('epoch')"), 0);
	ck_assert_int_eq(pg_number(db, "SELECT length(hash) FROM schema_functions"), 64);
}
END_TEST

/* A write that was under way when the version before was stopped. */
START_TEST(test_intents_of_an_older_version)
{
	const char *db = pg_database("intents");
	struct migrate_result m;
	struct error e;
	pg_text(db, "DELETE FROM schema_migrations WHERE version >= 4;"
	            "ALTER TABLE pending_objects DROP COLUMN landing;"
	            "DROP TABLE replication_queue, disabled_keys;"
	            "ALTER TABLE backend_drains DROP position, DROP progress, DROP failures, "
	            "DROP fruitless, DROP next_round; ALTER TABLE jobs DROP params;"
	            "INSERT INTO pending_objects (intent_id, object_key, bucket, object_name, "
	            "backend_name, backend_key, size_bytes, slot, owner) "
	            "VALUES ('i', 'b/k', 'b', 'k', 'a', 'b/k~1', 1, 0, 'old')");
	ck_assert_msg(migrate(db, &m, &e) == ERR_OK, "%s", e.text);
	ck_assert_int_eq(m.from, 3);
	ck_assert_int_eq(
		pg_number(db, "SELECT count(*) FROM pending_objects WHERE landing IS NULL"), 1);
}
END_TEST

START_TEST(test_newer)
{
	const char *db = pg_database("newer");
	struct migrate_result m;
	struct error e;
	pg_text(db, "INSERT INTO schema_migrations (version, name) VALUES (9999, 'future')");
	ck_assert_int_eq(migrate(db, &m, &e), ERR_CONFLICT);
	ck_assert_msg(strstr(e.text, "9999"), "%s", e.text);
}
END_TEST

START_TEST(test_many_at_once)
{
	const char *db = pg_empty_database("at_once");
	enum { N = 6 };
	int applied = 0, status;
	for (int i = 0; i < N; i++)
		if (fork() == 0) {
			struct migrate_result m;
			struct error e;
			enum err r = migrate(db, &m, &e);
			_exit(r != ERR_OK ? 100 : m.applied);
		}
	for (int i = 0; i < N; i++) {
		ck_assert_int_gt(wait(&status), 0);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) < 100);
		applied += WEXITSTATUS(status);
	}
	ck_assert_int_eq(applied, pg_number(db, "SELECT max(version) FROM schema_migrations"));
}
END_TEST

/* A migration that fails leaves nothing, and its error names the file. */
START_TEST(test_failure)
{
	const char *db = pg_empty_database("failure");
	struct migrate_result m;
	struct error e;
	pg_text(db, "CREATE TABLE cleanup_queue ()");
	ck_assert_int_ne(migrate(db, &m, &e), ERR_OK);
	ck_assert_msg(strncmp(e.text, "0001_catalogue.sql:", 19) == 0, "%s", e.text);
	ck_assert_msg(strstr(e.text, "cleanup_queue"), "%s", e.text);
	ck_assert_int_eq(m.to, 0);
	ck_assert_str_eq(pg_text(db, "SELECT to_regclass('object_versions')"), "");
	pg_text(db, "DROP TABLE cleanup_queue");
	ck_assert_int_eq(migrate(db, &m, &e), ERR_OK);
}
END_TEST

START_TEST(test_no_server)
{
	struct migrate_result m;
	struct error e;
	ck_assert_int_eq(migrate("host=/nonexistent", &m, &e), ERR_UNAVAILABLE);
	ck_assert_msg(strstr(e.text, "/nonexistent"), "%s", e.text);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("migrate");
	pg_start();
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_twice);
	tcase_add_test(t, test_functions_replaced);
	tcase_add_test(t, test_intents_of_an_older_version);
	tcase_add_test(t, test_newer);
	tcase_add_test(t, test_many_at_once);
	tcase_add_test(t, test_failure);
	tcase_add_test(t, test_no_server);
	return run_tests("db_migrate", t);
}
