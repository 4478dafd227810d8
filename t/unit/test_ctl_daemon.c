/* SPDX-License-Identifier: MIT
 *
 * What daemons do before they serve: options, pid file, detaching, log file,
 * word to the service manager. Real processes and files in a folder of its own.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/config.h"
#include "ctl/daemon.h"
#include "t/unit/run.h"

static char dir[64];

static void make_dir(void)
{
	snprintf(dir, sizeof dir, "/tmp/s3o-daemon-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void remove_dir(void)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static char *path_of(const char *name)
{
	static char paths[4][128];
	static unsigned i;
	char *p = paths[i++ % 4];

	snprintf(p, sizeof paths[0], "%s/%s", dir, name);
	return p;
}

static void read_text(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "r");

	ck_assert_ptr_nonnull(f);
	text[fread(text, 1, size - 1, f)] = '\0';
	fclose(f);
}

static int exit_status(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* --- options ------------------------------------------------------------------- */

static struct daemon_options o;

/* Arguments are separated by single spaces. */
static int parse(const char *line)
{
	static char text[512];
	static char program[] = "proxyd";
	char *argv[32] = {program};
	int argc = 1;

	snprintf(text, sizeof text, "%s", line);
	for (char *rest = text, *word; (word = strsep(&rest, " ")) != NULL;)
		argv[argc++] = word;
	if (!line[0])
		argc = 1;
	argv[argc] = NULL;
	return daemon_options(&o, "proxyd", argc, argv);
}

START_TEST(options_have_defaults)
{
	ck_assert_int_eq(parse(""), -1);
	ck_assert_str_eq(o.config, DAEMON_CONFIG_FILE);
	ck_assert_str_eq(o.program, "proxyd");
	ck_assert_ptr_null(o.log_file);
	ck_assert_ptr_null(o.pid_file);
	ck_assert_ptr_null(o.user);
	ck_assert(o.wait_db == 0 && !o.check && !o.detach);
}
END_TEST

START_TEST(options_take_one_dash_or_two)
{
	ck_assert_int_eq(parse("-config a.yaml -log-file=b --pid-file c --user=d -d"), -1);
	ck_assert_str_eq(o.config, "a.yaml");
	ck_assert_str_eq(o.log_file, "b");
	ck_assert_str_eq(o.pid_file, "c");
	ck_assert_str_eq(o.user, "d");
	ck_assert(o.detach);
	ck_assert_int_eq(parse("-c x --wait-db 15 -t"), -1);
	ck_assert_str_eq(o.config, "x");
	ck_assert_int_eq(o.wait_db, 15 * CLOCK_SEC);
	ck_assert(o.check);
	ck_assert_int_eq(parse("-c=x=y"), -1);
	ck_assert_str_eq(o.config, "x=y");
}
END_TEST

START_TEST(options_that_only_print)
{
	ck_assert_int_eq(parse("-V"), DAEMON_OK);
	ck_assert_int_eq(parse("--version"), DAEMON_OK);
	ck_assert_int_eq(parse("-h"), DAEMON_OK);
	ck_assert_int_eq(parse("--help"), DAEMON_OK);
}
END_TEST

START_TEST(wrong_usage_is_2)
{
	static const char *const wrong[] = {
		"-x",
		"file",
		"-config",
		"-c=",
		"-t=yes",
		"--wait-db x",
		"--wait-db -1",
		"--wait-db 86401",
		"-",
		"--",
		"-d",
		"---config x",
		"--configx y",
		"-d=1 --log-file x",
	};

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		ck_assert_msg(parse(wrong[i]) == DAEMON_USAGE, "%s", wrong[i]);
}
END_TEST

/* --- pid file -------------------------------------------------------------------- */

/* A process that locks the file, and says so. *release: closing it ends it. */
static pid_t start_holder(const char *path, int *release)
{
	int said[2], held[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(said), 0);
	ck_assert_int_eq(pipe(held), 0);
	pid = fork();
	if (pid == 0) {
		struct error e;

		close(held[1]);
		if (daemon_pid_lock(path, &e) != ERR_OK)
			_exit(1);
		daemon_pid_write();
		(void)!write(said[1], "", 1);
		(void)!read(held[0], &byte, 1);
		daemon_pid_remove();
		_exit(0);
	}
	close(said[1]);
	close(held[0]);
	ck_assert_int_eq(read(said[0], &byte, 1), 1);
	close(said[0]);
	*release = held[1];
	return pid;
}

START_TEST(pid_file_holds_the_pid_and_goes)
{
	char text[32], want[32];
	struct error e;

	ck_assert_int_eq(daemon_pid_lock(path_of("pid"), &e), ERR_OK);
	daemon_pid_write();
	read_text(path_of("pid"), text, sizeof text);
	snprintf(want, sizeof want, "%d\n", (int)getpid());
	ck_assert_str_eq(text, want);
	daemon_pid_remove();
	ck_assert_int_ne(access(path_of("pid"), F_OK), 0);
	daemon_pid_remove();
}
END_TEST

START_TEST(pid_file_of_a_living_daemon_is_refused)
{
	char *path = path_of("pid"), name[32];
	struct error e;
	int release;
	pid_t pid = start_holder(path, &release);

	ck_assert_int_eq(daemon_pid_lock(path, &e), ERR_CONFLICT);
	snprintf(name, sizeof name, "process %d ", (int)pid);
	ck_assert_ptr_nonnull(strstr(e.text, name));
	close(release);
	ck_assert_int_eq(exit_status(pid), 0);
	ck_assert_int_eq(daemon_pid_lock(path, &e), ERR_OK);
	daemon_pid_remove();
}
END_TEST

START_TEST(pid_file_of_a_killed_daemon_is_stale)
{
	char *path = path_of("pid");
	struct error e;
	int release, status;
	pid_t pid = start_holder(path, &release);

	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(daemon_pid_lock(path, &e), ERR_OK);
	daemon_pid_remove();
	close(release);
}
END_TEST

START_TEST(children_do_not_hold_the_pid_file)
{
	char *path = path_of("pid"), byte;
	int alive[2], status;
	struct error e;
	pid_t holder;

	ck_assert_int_eq(pipe(alive), 0);
	holder = fork();
	if (holder == 0) {
		if (daemon_pid_lock(path, &e) != ERR_OK)
			_exit(1);
		if (fork() == 0) { /* outlives it, until the test ends */
			close(alive[1]);
			(void)!read(alive[0], &byte, 1);
			daemon_pid_remove(); /* and must not remove what is not its own */
			_exit(0);
		}
		_exit(0);
	}
	waitpid(holder, &status, 0);
	ck_assert_int_eq(daemon_pid_lock(path, &e), ERR_OK);
	close(alive[1]);
	close(alive[0]);
	ck_assert_int_eq(access(path, F_OK), 0);
	daemon_pid_remove();
}
END_TEST

START_TEST(pid_file_that_cannot_be_made)
{
	struct error e;

	ck_assert_int_eq(daemon_pid_lock(path_of("none/pid"), &e), ERR_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "none/pid"));
}
END_TEST

START_TEST(run_dir_is_made_once)
{
	struct error e;
	struct stat st;

	ck_assert_int_eq(daemon_run_dir(path_of("a/b/run"), NULL, &e), ERR_OK);
	ck_assert_int_eq(stat(path_of("a/b/run"), &st), 0);
	ck_assert(S_ISDIR(st.st_mode));
	ck_assert_int_eq(daemon_run_dir(path_of("a/b/run"), NULL, &e), ERR_OK);
	ck_assert_int_eq(daemon_run_dir("/dev/null/run", NULL, &e), ERR_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "/dev/null"));
}
END_TEST

START_TEST(instances_differ)
{
	char a[DAEMON_INSTANCE_SIZE], b[DAEMON_INSTANCE_SIZE], pid[32];

	daemon_instance(a);
	daemon_instance(b);
	snprintf(pid, sizeof pid, ":%d:", (int)getpid());
	ck_assert_ptr_nonnull(strstr(a, pid));
	ck_assert_str_ne(a, b);
}
END_TEST

START_TEST(unknown_user_is_an_error)
{
	struct error e;

	ck_assert_int_eq(daemon_become("no-such-user-here", &e), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(e.text, "no-such-user-here"));
	ck_assert_int_eq(daemon_become(NULL, &e), ERR_OK);
}
END_TEST

START_TEST(another_user_is_for_good)
{
	struct error e;
	pid_t pid;

	if (geteuid() != 0)
		SKIP("only root can become somebody else");
	pid = fork();
	if (pid == 0)
		_exit(daemon_become("nobody", &e) == ERR_OK && geteuid() != 0 && setuid(0) < 0 ? 0
		                                                                               : 1);
	ck_assert_int_eq(exit_status(pid), 0);
}
END_TEST

/* --- detaching --------------------------------------------------------------------- */

/* Runs a daemon that is ready after `ok`, and returns what its starter returns. */
static int start_detached(bool ok)
{
	pid_t pid = fork();
	struct error e;

	if (pid > 0)
		return exit_status(pid);
	o = (struct daemon_options){.program = "proxyd", .config = "x.yaml", .log_file = "log"};
	if (chdir(dir) < 0 || daemon_detach(&o, &e) != ERR_OK)
		_exit(99);
	if (!ok)
		_exit(7);
	FILE *f = fopen(path_of("facts"), "w");
	fprintf(f, "%s %s %d", o.config, o.log_file, getsid(0) == getpid());
	fclose(f);
	daemon_ready();
	_exit(0);
}

START_TEST(detached_daemon_is_up_when_its_starter_returns)
{
	char text[256], want[256];

	ck_assert_int_eq(start_detached(true), 0);
	read_text(path_of("facts"), text, sizeof text);
	snprintf(want, sizeof want, "%s/x.yaml %s/log 1", dir, dir);
	ck_assert_str_eq(text, want);
}
END_TEST

START_TEST(detached_daemon_that_fails_is_1)
{
	ck_assert_int_eq(start_detached(false), 1);
}
END_TEST

/* --- log ---------------------------------------------------------------------------- */

START_TEST(log_file_is_reopened)
{
	char *path = path_of("log"), *old = path_of("log.1"), text[4096];
	struct error e;
	struct stat st;

	o = (struct daemon_options){.program = "proxyd", .log_file = path};
	o.user = geteuid() == 0 ? "nobody" : NULL;
	ck_assert_int_eq(daemon_log_open(&o, LOG_INFO, &e), ERR_OK);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_uid == geteuid(), o.user == NULL);
	log_info("runtime", "before");
	ck_assert_int_eq(rename(path, old), 0);
	log_info("runtime", "between");
	daemon_log_reopen();
	log_info("runtime", "after");
	read_text(old, text, sizeof text);
	ck_assert_ptr_nonnull(strstr(text, "before"));
	ck_assert_ptr_nonnull(strstr(text, "between"));
	read_text(path, text, sizeof text);
	ck_assert_ptr_nonnull(strstr(text, "after"));
	ck_assert_ptr_null(strstr(text, "between"));
}
END_TEST

START_TEST(log_file_that_cannot_be_opened)
{
	struct error e;

	o = (struct daemon_options){.program = "proxyd", .log_file = path_of("none/log")};
	ck_assert_int_eq(daemon_log_open(&o, LOG_INFO, &e), ERR_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "none/log"));
}
END_TEST

/* --- service manager ------------------------------------------------------------------ */

static int bind_notify(const char *name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	size_t n = strlen(name);

	memcpy(a.sun_path, name, n);
	if (name[0] == '@')
		a.sun_path[0] = '\0';
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a,
	                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
	                 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void expect_state(int fd, const char *want)
{
	char text[64] = "";

	ck_assert_int_eq(recv(fd, text, sizeof text - 1, 0), (ssize_t)strlen(want));
	ck_assert_str_eq(text, want);
}

START_TEST(service_manager_is_told)
{
	char abstract[64], text[8];
	int fd = bind_notify(path_of("notify"));

	daemon_ready();
	expect_state(fd, "READY=1");
	daemon_notify("STOPPING=1");
	expect_state(fd, "STOPPING=1");
	daemon_watchdog();
	ck_assert_int_eq(recv(fd, text, sizeof text, 0), -1);
	setenv("WATCHDOG_USEC", "60000000", 1);
	daemon_watchdog();
	expect_state(fd, "WATCHDOG=1");
	close(fd);
	snprintf(abstract, sizeof abstract, "@s3o-test-%d", (int)getpid());
	fd = bind_notify(abstract);
	daemon_notify("READY=1");
	expect_state(fd, "READY=1");
	close(fd);
}
END_TEST

START_TEST(no_service_manager_is_fine)
{
	unsetenv("NOTIFY_SOCKET");
	daemon_notify("READY=1");
	setenv("NOTIFY_SOCKET", "", 1);
	daemon_notify("READY=1");
	setenv("NOTIFY_SOCKET", "relative", 1);
	daemon_notify("READY=1");
	setenv("NOTIFY_SOCKET", path_of("gone"), 1);
	daemon_notify("READY=1");
}
END_TEST

/* --- signals ------------------------------------------------------------------------- */

START_TEST(signals_arrive_by_descriptor)
{
	int fd = daemon_signalfd((const int[]){SIGTERM, SIGHUP, 0});
	struct pollfd p = {.fd = fd, .events = POLLIN};
	pid_t pid;
	int status;

	ck_assert_int_eq(poll(&p, 1, 0), 0);
	kill(getpid(), SIGTERM);
	ck_assert_int_eq(poll(&p, 1, 1000), 1);
	pid = fork();
	if (pid == 0) {
		daemon_signals_default();
		raise(SIGTERM);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	close(fd);
}
END_TEST

/* --- configuration --------------------------------------------------------------------- */

static void write_config(const char *path, const char *more)
{
	FILE *f = fopen(path, "w");

	fprintf(f,
	        "server: {listen_addr: ':9000'}\n"
	        "database: {driver: embedded, path: %s/db}\n"
	        "buckets:\n"
	        "  - name: photos\n"
	        "    credentials: [{access_key_id: AKID, secret_access_key: very-secret}]\n"
	        "backends:\n"
	        "  - {name: disk1, type: directory, path: %s/disk1, quota_bytes: 1000000}\n%s",
	        dir, dir, more);
	fclose(f);
}

START_TEST(configuration_is_checked)
{
	struct config *c;

	write_config(path_of("good.yaml"), "");
	ck_assert_int_eq(daemon_check_config(path_of("good.yaml")), DAEMON_OK);
	write_config(path_of("bad.yaml"), "no_such_section: {}\n");
	ck_assert_int_eq(daemon_check_config(path_of("bad.yaml")), DAEMON_FAILED);
	ck_assert_int_eq(daemon_check_config(path_of("missing.yaml")), DAEMON_FAILED);
	c = daemon_load_config(path_of("good.yaml"));
	ck_assert_ptr_nonnull(c);
	ck_assert_str_eq(c->backends[0].name, "disk1");
	config_free(&c);
	ck_assert_ptr_null(daemon_load_config(path_of("bad.yaml")));
}
END_TEST

static TCase *tests(const char *name, const TTest *const *list, size_t n)
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, make_dir, remove_dir);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(t, list[i]);
	return t;
}

#define TESTS(name, ...)                                                                           \
	tests(name, (const TTest *const[]){__VA_ARGS__},                                           \
	      sizeof((const TTest *const[]){__VA_ARGS__}) / sizeof(TTest *))

int main(void)
{
	Suite *s = suite_create("ctl_daemon");

	suite_add_tcase(s, TESTS("options", options_have_defaults, options_take_one_dash_or_two,
	                         options_that_only_print, wrong_usage_is_2));
	suite_add_tcase(s, TESTS("host", pid_file_holds_the_pid_and_goes,
	                         pid_file_of_a_living_daemon_is_refused,
	                         pid_file_of_a_killed_daemon_is_stale,
	                         children_do_not_hold_the_pid_file, pid_file_that_cannot_be_made,
	                         run_dir_is_made_once, instances_differ, unknown_user_is_an_error,
	                         another_user_is_for_good));
	suite_add_tcase(s, TESTS("process", detached_daemon_is_up_when_its_starter_returns,
	                         detached_daemon_that_fails_is_1, log_file_is_reopened,
	                         log_file_that_cannot_be_opened, service_manager_is_told,
	                         no_service_manager_is_fine, signals_arrive_by_descriptor));
	suite_add_tcase(s, TESTS("configuration", configuration_is_checked));
	return run_suite(s);
}
