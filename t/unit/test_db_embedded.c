/* SPDX-License-Identifier: MIT
 *
 * The private cluster: made, stopped, started again, taken over, recovered; and
 * folders that will not do.
 */
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include "base/arena.h"
#include "config/config.h"
#include "db/db.h"
#include "db/embedded.h"
#include "pg_fixture.h"
#include "t/unit/run.h"

static char folder[64];
static char path[100];

static struct config config_at(const char *p)
{
	struct config c = {.database = {.driver = DRIVER_EMBEDDED, .path = p}};
	c.server.processes = 2;
	return c;
}

static _Atomic bool stop;

static pid_t start(const struct config *c)
{
	_Atomic pid_t pid = 0;
	struct error e;
	ck_assert_msg(embedded_start(c, &stop, &pid, &e) == ERR_OK, "%s", e.text);
	ck_assert_int_gt(pid, 1);
	return pid;
}

static void setup(void)
{
	/* Check's handler kills the whole group, also in a child that is signalled
	 * before it has become the server. */
	signal(SIGINT, SIG_DFL);
	snprintf(folder, sizeof folder, "/tmp/s3o-emb-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	chmod(folder, 0755);
	snprintf(path, sizeof path, "%s/state/pg", folder);
}

static void teardown(void)
{
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

/* It has ended already; who inherits its rest may take its time to bury it. What is not
 * buried yet runs no program any more. */
static bool is_gone(pid_t pid)
{
	char link[64], program[PATH_MAX];

	snprintf(link, sizeof link, "/proc/%d/exe", (int)pid);
	for (int i = 0; i < 1000; i++) {
		if (kill(pid, 0) != 0 || readlink(link, program, sizeof program) < 0)
			return true;
		usleep(10000);
	}
	return false;
}

START_TEST(test_life)
{
	struct config c = config_at(path);
	struct arena *a = arena_new();
	const char *conninfo = db_conninfo(a, &c);
	struct migrate_result m;
	struct error e;
	struct stat st;
	pid_t pid = start(&c);
	ck_assert_msg(migrate_run(conninfo, &m, &e) == ERR_OK, "%s", e.text);
	pg_text(conninfo, "INSERT INTO job_health (name) VALUES ('kept')");
	ck_assert_str_eq(pg_text(conninfo, "SHOW listen_addresses"), "");
	ck_assert_str_eq(pg_text(conninfo, "SHOW fsync"), "on");
	ck_assert_str_eq(pg_text(conninfo, "SHOW server_encoding"), "UTF8");
	/* All children of all reloads, and all else. */
	ck_assert_int_ge(pg_number(conninfo, "SHOW max_connections"), 4 * 2 * 2 + 40);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0700);
	ck_assert_uint_ne(st.st_uid, 0);

	/* Its supervisor was killed: the next one takes it over. */
	ck_assert_int_eq(start(&c), pid);
	embedded_stop(pid);
	ck_assert_int_eq(PQping(conninfo), PQPING_NO_RESPONSE);

	/* What was committed survives a crash. */
	pid = start(&c);
	pg_text(conninfo, "INSERT INTO job_health (name) VALUES ('also kept')");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	pid = start(&c);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM job_health"), 2);
	embedded_stop(pid);
	arena_free(&a);
}
END_TEST

/* A server that hangs in an open transaction is stopped all the same. */
START_TEST(test_stop_in_use)
{
	struct config c = config_at(path);
	struct arena *a = arena_new();
	pid_t pid = start(&c);
	PGconn *conn = PQconnectdb(db_conninfo(a, &c));
	PQclear(PQexec(conn, "BEGIN"));
	embedded_stop(pid);
	ck_assert(is_gone(pid));
	PQfinish(conn);
	arena_free(&a);

	/* Told to stop while it does not answer yet: the caller knows what to stop. */
	_Atomic pid_t starting = 0;
	struct error e;
	stop = true;
	ck_assert_int_eq(embedded_start(&c, &stop, &starting, &e), ERR_CANCELED);
	ck_assert_int_eq(kill(starting, 0), 0);
	embedded_stop(starting);
	ck_assert(is_gone(starting));
}
END_TEST

/* An initdb that was interrupted leaves only data.new, which goes. */
START_TEST(test_interrupted_initdb)
{
	struct config c = config_at(path);
	char command[400];
	pid_t pid = start(&c);
	embedded_stop(pid);
	snprintf(command, sizeof command,
	         "mv %s/data %s/data.new && rm %s/data.new/global/pg_control", path, path, path);
	ck_assert_int_eq(system(command), 0);
	embedded_stop(start(&c));
}
END_TEST

static void expect_refusal(const struct config *c, enum err code, const char *text)
{
	_Atomic pid_t pid = 0;
	struct error e;
	ck_assert_int_eq(embedded_start(c, &stop, &pid, &e), code);
	ck_assert_msg(strstr(e.text, text), "%s", e.text);
	ck_assert_int_eq(pid, 0);
}

START_TEST(test_refusals)
{
	char longer[200], command[400];
	struct config c = config_at("relative/path");
	expect_refusal(&c, ERR_INVALID, "not an absolute path");
	memset(longer, 'x', sizeof longer - 1);
	longer[0] = '/';
	longer[sizeof longer - 1] = '\0';
	c = config_at(longer);
	expect_refusal(&c, ERR_INVALID, "too long");

	c = config_at(path);
	embedded_stop(start(&c));
	ck_assert_int_eq(chmod(path, 0755), 0);
	expect_refusal(&c, ERR_DENIED, "mode 0755");
	ck_assert_int_eq(chmod(path, 0700), 0);
	snprintf(command, sizeof command, "echo 7 >%s/data/PG_VERSION", path);
	ck_assert_int_eq(system(command), 0);
	expect_refusal(&c, ERR_CONFLICT, "was made by PostgreSQL 7");
}
END_TEST

START_TEST(test_folder_of_another_user)
{
	struct config c = config_at(path);
	if (geteuid() != 0)
		SKIP("PostgreSQL runs as another user only when started by root");
	ck_assert_int_eq(system(pg_print("mkdir -p -m 0700 %s", path)), 0);
	expect_refusal(&c, ERR_DENIED, "belongs to uid 0");
}
END_TEST

/* A folder above, such as /root, is closed to the user that PostgreSQL runs as. */
START_TEST(test_below_a_closed_folder)
{
	struct config c = config_at(path);
	ck_assert_int_eq(chmod(folder, 0700), 0);
	embedded_stop(start(&c));
	ck_assert_int_eq(chmod(folder, 0755), 0);
}
END_TEST

START_TEST(test_conninfo)
{
	struct config c = {.database = {.driver = DRIVER_POSTGRES,
	                                .host = "db.example",
	                                .port = 5433,
	                                .database = "s3",
	                                .user = "o'neil",
	                                .password = "p\\w 'x'",
	                                .ssl_mode = "require"}};
	struct arena *a = arena_new();
	char *message = NULL;
	PQconninfoOption *o = PQconninfoParse(db_conninfo(a, &c), &message);
	int found = 0;
	ck_assert_msg(o, "%s", message);
	for (PQconninfoOption *p = o; p->keyword; p++) {
		found += !strcmp(p->keyword, "password") && !strcmp(p->val, "p\\w 'x'");
		found += !strcmp(p->keyword, "user") && !strcmp(p->val, "o'neil");
		found += !strcmp(p->keyword, "port") && !strcmp(p->val, "5433");
		found += !strcmp(p->keyword, "sslmode") && !strcmp(p->val, "require");
	}
	ck_assert_int_eq(found, 4);
	PQconninfoFree(o);
	arena_free(&a);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("embedded");
	tcase_set_timeout(t, 100);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_life);
	tcase_add_test(t, test_stop_in_use);
	tcase_add_test(t, test_interrupted_initdb);
	tcase_add_test(t, test_refusals);
	tcase_add_test(t, test_folder_of_another_user);
	tcase_add_test(t, test_below_a_closed_folder);
	tcase_add_test(t, test_conninfo);
	return run_tests("db_embedded", t);
}
