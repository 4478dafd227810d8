/* SPDX-License-Identifier: MIT
 *
 * Options, configuration check, log file, detaching and service manager. Its
 * complication is -d: the started process must not return before the daemon is
 * up, so it waits on a pipe for one byte; end of file without it means failure.
 */
#include "ctl/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "config/config.h"

#define WAIT_DB_MAX 86400 /* seconds: a day */

/* Where relative paths of the configuration begin, once detached. */
#define WORK_DIR "/var/lib/s3-orchestrator"

static const char *log_file; /* NULL: standard output */
static int log_fd = STDOUT_FILENO;
static int ready_fd = -1; /* of the waiting process, while detaching */
static struct buf early;  /* warnings from before there was a log */

/* --- options --------------------------------------------------------------- */

static void usage(FILE *f, const char *program)
{
	fprintf(f,
	        "usage: %s [options]\n"
	        "  -config FILE, -c FILE  configuration (" DAEMON_CONFIG_FILE ")\n"
	        "  -t                     check the configuration and exit\n"
	        "  -d                     detach; needs --log-file\n"
	        "  --log-file FILE        log to FILE, reopened on SIGUSR1\n"
	        "  --pid-file FILE        instead of <server.run_dir>/%s.pid\n"
	        "  --user NAME            become this user once the sockets are bound\n"
	        "  --wait-db SECONDS      wait that long for the database at start\n"
	        "  -V                     print the version and exit\n"
	        "  -h                     print this and exit\n"
	        "A flag may be written with one dash or two.\n",
	        program, program);
}

static int wrong_usage(const char *program, const char *what, const char *arg)
{
	fprintf(stderr, "%s: %s: %s (%s -h prints help)\n", program, what, arg, program);
	return DAEMON_USAGE;
}

enum flag { F_CONFIG, F_CHECK, F_DETACH, F_LOG, F_PID, F_USER, F_WAIT_DB, F_VERSION, F_HELP };

static const struct {
	const char *name;
	enum flag flag;
	bool value;
} flags[] = {
	{"config", F_CONFIG, true},    {"c", F_CONFIG, true},        {"t", F_CHECK, false},
	{"d", F_DETACH, false},        {"log-file", F_LOG, true},    {"pid-file", F_PID, true},
	{"user", F_USER, true},        {"wait-db", F_WAIT_DB, true}, {"V", F_VERSION, false},
	{"version", F_VERSION, false}, {"h", F_HELP, false},         {"help", F_HELP, false},
};

#define N_FLAGS (sizeof flags / sizeof flags[0])

static size_t find_flag(struct str name)
{
	size_t i = 0;

	while (i < N_FLAGS && !str_eq(name, str_of(flags[i].name)))
		i++;
	return i;
}

static bool set_flag(struct daemon_options *o, enum flag flag, const char *value)
{
	uint64_t seconds;

	switch (flag) {
	case F_CONFIG:
		o->config = value;
		return true;
	case F_LOG:
		o->log_file = value;
		return true;
	case F_PID:
		o->pid_file = value;
		return true;
	case F_USER:
		o->user = value;
		return true;
	case F_WAIT_DB:
		if (!str_to_u64(str_of(value), &seconds) || seconds > WAIT_DB_MAX)
			return false;
		o->wait_db = (int64_t)seconds * CLOCK_SEC;
		return true;
	case F_CHECK:
		o->check = true;
		return true;
	case F_DETACH:
		o->detach = true;
		return true;
	case F_VERSION:
	case F_HELP:
		break;
	}
	return true;
}

int daemon_options(struct daemon_options *o, const char *program, int argc, char **argv)
{
	*o = (struct daemon_options){.program = program, .config = DAEMON_CONFIG_FILE};
	for (int i = 1; i < argc; i++) {
		struct str arg = str_of(argv[i]), value;
		const char *v = NULL;
		size_t f;

		if (!str_starts(arg, STR("-")))
			return wrong_usage(program, "unexpected argument", argv[i]);
		arg = str_skip(arg, str_starts(arg, STR("--")) ? 2 : 1);
		bool joined = str_chr(arg, '=') >= 0;
		arg = str_cut(arg, '=', &value);
		f = find_flag(arg);
		if (f == N_FLAGS)
			return wrong_usage(program, "unknown option", argv[i]);
		if (joined && !flags[f].value)
			return wrong_usage(program, "option takes no value", argv[i]);
		if (flags[f].value) {
			v = joined ? value.p : argv[++i];
			if (!v || !*v)
				return wrong_usage(program, "option needs a value", flags[f].name);
		}
		if (flags[f].flag == F_HELP) {
			usage(stdout, program);
			return DAEMON_OK;
		}
		if (flags[f].flag == F_VERSION) {
			printf("%s %s\n", program, S3O_VERSION);
			return DAEMON_OK;
		}
		if (!set_flag(o, flags[f].flag, v))
			return wrong_usage(program, "not a number of seconds", v);
	}
	if (o->detach && !o->log_file && !o->check)
		return wrong_usage(program, "-d needs an option", "--log-file");
	return -1;
}

/* --- configuration --------------------------------------------------------- */

static void print_lines(const char *prefix, struct str text)
{
	while (text.n) {
		struct str line = str_cut(text, '\n', &text);

		if (line.n)
			fprintf(stderr, "%s%.*s\n", prefix, STR_FMT(line));
	}
}

struct config *daemon_load_config(const char *file)
{
	struct config_findings f = {0};
	struct config *c = NULL;

	if (config_load(file, &c, &f) != ERR_OK)
		c = NULL;
	print_lines("error: ", buf_str(&f.errors));
	print_lines("warning: ", buf_str(&f.warnings));
	early.n = 0;
	buf_add_str(&early, buf_str(&f.warnings));
	config_findings_free(&f);
	return c;
}

static void log_lines(const char *msg, const char *field, struct str text)
{
	while (text.n) {
		struct str line = str_cut(text, '\n', &text);

		if (line.n)
			log_warn("runtime", msg, LOG_S(field, line));
	}
}

void daemon_log_warnings(struct str warnings)
{
	log_lines("configuration warning", "warning", warnings);
}

void daemon_log_inactive(const struct config *c)
{
	BUF_AUTO features = {0};

	config_inactive_features(c, &features);
	log_lines("configured feature is not active", "feature", buf_str(&features));
}

int daemon_check_config(const char *file)
{
	struct config *c = daemon_load_config(file);

	if (!c)
		return DAEMON_FAILED;
	printf("config %s: valid\n  backends: %zu\n  buckets:  %zu\n  routing:  %s\n", file,
	       c->n_backends, c->n_buckets,
	       c->routing_strategy == STRATEGY_PACK ? "pack" : "spread");
	config_free(&c);
	buf_free(&early);
	return DAEMON_OK;
}

/* --- log --------------------------------------------------------------------- */

static int open_log(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

enum err daemon_log_open(const struct daemon_options *o, enum log_level level, struct error *e)
{
	log_file = o->log_file;
	if (log_file) {
		int fd = open_log(log_file);

		if (fd < 0)
			return err_set(e, ERR_IO, "log file %s: %s", log_file, strerror(errno));
		log_fd = fd;
		if (daemon_give(log_file, o->user, e) != ERR_OK)
			return e->code;
	}
	log_init(log_fd, level);
	daemon_log_warnings(buf_str(&early));
	buf_free(&early);
	return ERR_OK;
}

void daemon_log_reopen(void)
{
	int fd;

	if (!log_file)
		return;
	fd = open_log(log_file);
	if (fd < 0) {
		log_warn("runtime", "log file cannot be reopened", LOG_STR("path", log_file),
		         LOG_STR("error", strerror(errno)));
		return;
	}
	/* The number stays the same, so nobody has to be told. */
	dup3(fd, log_fd, O_CLOEXEC);
	close(fd);
}

int daemon_fail(const struct daemon_options *o, const char *what, const struct error *e)
{
	log_error("runtime", what, LOG_STR("error", e->text));
	if (log_file)
		fprintf(stderr, "%s: %s: %s\n", o->program, what, e->text);
	return DAEMON_FAILED;
}

/* --- detaching ----------------------------------------------------------------- */

/* The daemon changes its directory: what is named on the command line must not
 * depend on it. */
static const char *absolute(const char *path)
{
	char cwd[PATH_MAX], *out;

	if (!path || path[0] == '/' || !getcwd(cwd, sizeof cwd))
		return path;
	if (asprintf(&out, "%s/%s", cwd, path) < 0)
		abort();
	return out; /* lives as long as the process */
}

static void open_null(int fd, int flags_)
{
	int null = open("/dev/null", flags_);

	if (null >= 0 && null != fd) {
		dup2(null, fd);
		close(null);
	}
}

static _Noreturn void wait_for_daemon(int fd, pid_t pid)
{
	char byte;
	ssize_t n;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(DAEMON_OK);
	waitpid(pid, NULL, WNOHANG);
	_exit(DAEMON_FAILED);
}

enum err daemon_detach(struct daemon_options *o, struct error *e)
{
	int pipefd[2];
	pid_t pid;

	o->config = absolute(o->config);
	o->log_file = absolute(o->log_file);
	o->pid_file = absolute(o->pid_file);
	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return err_set(e, ERR_IO, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		return err_set(e, ERR_IO, "fork: %s", strerror(errno));
	if (pid > 0) {
		close(pipefd[1]);
		wait_for_daemon(pipefd[0], pid);
	}
	close(pipefd[0]);
	ready_fd = pipefd[1];
	setsid();
	if (chdir(WORK_DIR) < 0 && chdir("/") < 0)
		return err_set(e, ERR_IO, "/: %s", strerror(errno));
	open_null(STDIN_FILENO, O_RDONLY);
	open_null(STDOUT_FILENO, O_WRONLY);
	return ERR_OK;
}

void daemon_forked(void)
{
	if (ready_fd < 0)
		return;
	close(ready_fd);
	ready_fd = -1;
	open_null(STDERR_FILENO, O_WRONLY);
}

void daemon_ready(void)
{
	if (ready_fd >= 0)
		while (write(ready_fd, "", 1) < 0 && errno == EINTR)
			;
	daemon_forked();
	daemon_notify("READY=1");
}

/* --- service manager ------------------------------------------------------------- */

void daemon_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t n = path ? strlen(path) : 0;
	int fd;

	if (n < 2 || n >= sizeof a.sun_path || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(a.sun_path, path, n);
	if (path[0] == '@') /* an abstract name begins with NUL */
		a.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
	              (const struct sockaddr *)&a,
	              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	close(fd);
}

void daemon_watchdog(void)
{
	if (getenv("WATCHDOG_USEC"))
		daemon_notify("WATCHDOG=1");
}
