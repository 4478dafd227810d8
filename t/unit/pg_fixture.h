/* SPDX-License-Identifier: MIT
 *
 * A private PostgreSQL server for one test program, in a new folder, in memory where
 * that is possible: databases are many small files, and nothing here has to survive.
 * It ends with the program, however that ends. Each test makes databases of its
 * own in it:
 *
 *     int main(void) { pg_start(); ... }
 *     START_TEST(x) { const char *db = pg_database("x"); ... pg_text(db, "SELECT 1") ... }
 *
 * As root the server runs as user postgres, because it refuses root.
 */
#ifndef PG_FIXTURE_H
#define PG_FIXTURE_H

#include <assert.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include "db/migrate.h"
#include "rt/task.h"

#define PG_MAYBE __attribute__((unused))

static struct {
	char folder[64];
	char bin[128];
	pid_t owner;                 /* the test program, not its forked tests */
	int commands[2], answers[2]; /* pipes to and from the keeper */
} pg;

static void pg_become_user(void)
{
	if (geteuid() != 0)
		return;
	const struct passwd *p = getpwnam("postgres");
	if (!p || initgroups(p->pw_name, p->pw_gid) || setgid(p->pw_gid) || setuid(p->pw_uid))
		_exit(125);
}

static pid_t pg_spawn(const char *const *argv)
{
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	int null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	dup2(null, 1);
	if (!getenv("PG_FIXTURE_LOG"))
		dup2(null, 2);
	pg_become_user();
	prctl(PR_SET_PDEATHSIG, SIGQUIT);
	setsid();
	execv(argv[0], (char *const *)argv);
	_exit(127);
}

static void pg_run(const char *const *argv)
{
	int status;
	pid_t pid = pg_spawn(argv);
	if (waitpid(pid, &status, 0) != pid || status != 0) {
		fprintf(stderr, "%s failed\n", argv[0]);
		abort();
	}
}

static const char *pg_print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static const char *pg_print(const char *fmt, ...)
{
	static char lines[16][512]; /* the last 16 stay valid */
	static unsigned next;
	char *line = lines[next++ % 16];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof lines[0], fmt, ap);
	va_end(ap);
	return line;
}

static const char *pg_conninfo(const char *database)
{
	return pg_print("host=%s dbname=%s user=s3orch", pg.folder, database);
}

/* --- the keeper: a process whose child the server is, whoever restarts it ------ */

static pid_t pg_launch(void)
{
	const char *const argv[] = {pg_print("%s/postgres", pg.bin),
	                            "-D",
	                            pg_print("%s/data", pg.folder),
	                            "-k",
	                            pg.folder,
	                            "--listen_addresses=",
	                            "--fsync=off",
	                            "--max_connections=200",
	                            NULL};
	return pg_spawn(argv);
}

/* A command is a signal for the server, or 0 to start it; answered when done. */
static _Noreturn void pg_keep(int commands, int answers)
{
	pid_t server = 0;
	char c;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	while (read(commands, &c, 1) == 1) {
		int status;
		if (c == 0)
			server = pg_launch();
		else if (kill(server, c) == 0)
			waitpid(server, &status, 0);
		if (write(answers, &c, 1) != 1)
			break;
	}
	_exit(0);
}

static void pg_command(int sig)
{
	char c = (char)sig;
	if (write(pg.commands[1], &c, 1) != 1 || read(pg.answers[0], &c, 1) != 1)
		abort();
}

/* Ends it with the signal: SIGINT fast, SIGQUIT as after a crash. */
static void pg_stop_server(int sig)
{
	pg_command(sig);
}

static void pg_start_server(void)
{
	pg_command(0);
	while (PQping(pg_conninfo("postgres")) != PQPING_OK)
		usleep(5000);
}

static void pg_end(void)
{
	if (getpid() != pg.owner)
		return;
	int status;
	pg_stop_server(SIGQUIT);
	const char *const rm[] = {"/bin/rm", "-rf", pg.folder, NULL};
	if (fork() == 0) {
		execv(rm[0], (char *const *)rm);
		_exit(127);
	}
	wait(&status);
}

/* A program makes about twenty databases of 8 MB at most, and some WAL. */
static const char *pg_place(void)
{
	struct statvfs fs;
	bool fits = statvfs("/dev/shm", &fs) == 0 && fs.f_bavail * fs.f_frsize > 512UL << 20;
	return fits ? "/dev/shm" : "/tmp";
}

/* For the user that the server runs as. */
static void pg_own(const char *path)
{
	const struct passwd *p = getpwnam("postgres");
	if (geteuid() == 0 && (!p || chown(path, p->pw_uid, p->pw_gid) != 0))
		abort();
}

static void pg_initdb(const char *data)
{
	const char *const initdb[] = {pg_print("%s/initdb", pg.bin),
	                              "--auth=trust",
	                              "--encoding=UTF8",
	                              "--locale=C",
	                              "--username=s3orch",
	                              "--no-sync",
	                              "-D",
	                              data,
	                              NULL};
	pg_run(initdb);
}

/* The folder S3O_UNIT_CLUSTER, where there is one, is for what the first program makes
 * for all (t/run-unit): initdb costs more than most tests. */
static void pg_make_data(void)
{
	const char *shared = getenv("S3O_UNIT_CLUSTER"), *data = pg_print("%s/data", pg.folder);
	if (!shared) {
		pg_initdb(data);
		return;
	}
	const char *first = pg_print("%s/data", shared), *making = pg_print("%s/making", shared);
	int lock = open(pg_print("%s/lock", shared), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (lock < 0 || flock(lock, LOCK_EX) != 0)
		abort();
	if (access(first, F_OK) != 0) {
		pg_own(shared);
		pg_initdb(making);
		if (rename(making, first) != 0)
			abort();
	}
	close(lock);
	const char *const cp[] = {"/bin/cp", "-a", first, data, NULL};
	pg_run(cp);
}

PG_MAYBE static void pg_start(void)
{
	glob_t g;
	if (glob("/usr/lib/postgresql/*/bin", 0, NULL, &g) != 0) {
		fprintf(stderr, "PostgreSQL is not installed\n");
		exit(1);
	}
	snprintf(pg.bin, sizeof pg.bin, "%s", g.gl_pathv[g.gl_pathc - 1]);
	globfree(&g);
	snprintf(pg.folder, sizeof pg.folder, "%s/s3o-unit-pg-XXXXXX", pg_place());
	if (!mkdtemp(pg.folder))
		abort();
	pg_own(pg.folder);
	pg_make_data();
	pg.owner = getpid();
	if (pipe2(pg.commands, O_CLOEXEC) != 0 || pipe2(pg.answers, O_CLOEXEC) != 0)
		abort();
	if (fork() == 0)
		pg_keep(pg.commands[0], pg.answers[1]);
	atexit(pg_end);
	pg_start_server();
}

/* --- SQL, blocking ------------------------------------------------------------ */

/* A connection of this process, kept for the next statement on the same database: a new
 * one costs more than most statements. What a parent process had is not for its children. */
static PGconn *pg_connection(const char *conninfo)
{
	static struct {
		PGconn *conn;
		pid_t process;
		char conninfo[256];
	} kept[8], *k;
	static unsigned n;
	for (k = kept; k < kept + 8; k++) {
		if (!k->conn || k->process != getpid() || strcmp(k->conninfo, conninfo) != 0)
			continue;
		PGresult *r = PQexec(k->conn, "");
		if (PQresultStatus(r) != PGRES_EMPTY_QUERY)
			PQreset(k->conn); /* the server was restarted meanwhile */
		PQclear(r);
		return k->conn;
	}
	k = &kept[n++ % 8];
	PQfinish(k->process == getpid() ? k->conn : NULL);
	k->conn = PQconnectdb(conninfo);
	k->process = getpid();
	snprintf(k->conninfo, sizeof k->conninfo, "%s", conninfo);
	return k->conn;
}

/* The first value of the result, "" when there is none. Valid for 16 more calls. */
static const char *pg_text(const char *conninfo, const char *sql)
{
	PGconn *c = pg_connection(conninfo);
	PGresult *r = PQexec(c, sql);
	if (PQresultStatus(r) != PGRES_TUPLES_OK && PQresultStatus(r) != PGRES_COMMAND_OK)
		ck_abort_msg("%s: %s", sql, PQerrorMessage(c));
	const char *text =
		pg_print("%s", PQntuples(r) > 0 && PQnfields(r) > 0 ? PQgetvalue(r, 0, 0) : "");
	PQclear(r);
	return text;
}

PG_MAYBE static long long pg_number(const char *conninfo, const char *sql)
{
	return atoll(pg_text(conninfo, sql));
}

static const char *pg_create(const char *name, const char *template)
{
	static char kept[32][256];
	static unsigned n;
	assert(n < 32);
	pg_text(pg_conninfo("postgres"),
	        pg_print("CREATE DATABASE %s TEMPLATE %s", name, template));
	snprintf(kept[n], sizeof kept[n], "%s", pg_conninfo(name));
	return kept[n++];
}

/* Its connection string, which stays valid. */
PG_MAYBE static const char *pg_empty_database(const char *name)
{
	return pg_create(name, "template0");
}

/* A database with the schema: a copy of the first one. */
PG_MAYBE static const char *pg_database(const char *name)
{
	struct migrate_result m;
	struct error e;
	if (pg_number(pg_conninfo("postgres"),
	              "SELECT count(*) FROM pg_database WHERE datname = 'schema'") == 0)
		ck_assert_msg(migrate_run(pg_empty_database("schema"), &m, &e) == ERR_OK, "%s",
		              e.text);
	return pg_create(name, "schema");
}

/* --- tasks ---------------------------------------------------------------------- */

struct pg_task {
	void (*fn)(const char *conninfo);
	const char *conninfo;
};

static void pg_run_task(void *arg)
{
	struct pg_task *t = arg;
	t->fn(t->conninfo);
	rt_stop();
}

/* Runs fn in a task of a loop of its own until nothing is left. */
PG_MAYBE static void pg_in_task(void (*fn)(const char *conninfo), const char *conninfo)
{
	struct pg_task t = {fn, conninfo};
	rt_init();
	task_spawn("test", pg_run_task, &t);
	rt_run();
	rt_deinit();
}

/* Waits in a task for a condition, 20 s at most. */
#define pg_until(condition)                                                                        \
	do {                                                                                       \
		for (int pg_i_ = 0; !(condition); pg_i_++) {                                       \
			ck_assert_msg(pg_i_ < 4000, "waited in vain: " #condition);                \
			task_sleep(5000);                                                          \
		}                                                                                  \
	} while (0)

#endif
