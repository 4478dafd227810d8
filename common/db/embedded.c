/* SPDX-License-Identifier: MIT
 *
 * The private cluster: made once, started, taken over, stopped.
 *
 * The complication: nearly everything is done by other programs under another
 * user. Each is run by run_as(), which keeps the end of what it said for the
 * error message. initdb works on a folder beside and is renamed into place, so
 * that an interrupted one leaves nothing that looks like a cluster.
 */
#include "db/embedded.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "config/config.h"
#include "db/db.h"

#define POLL_US           20000             /* while waiting for a process or an answer */
#define START_TIMEOUT     (120 * CLOCK_SEC) /* recovery after a crash may take a while */
#define FAST_TIMEOUT      (30 * CLOCK_SEC)
#define IMMEDIATE_TIMEOUT (10 * CLOCK_SEC)
#define SOCKET_PATH_MAX   107 /* sun_path without its NUL, unix(7) */
#define SOCKET_NAME       "/.s.PGSQL.5432"

/* Beside those of proxyd's children: the pool of workerd, its listener and one for
 * each job; migrations; people. */
#define OTHER_CONNECTIONS 40

struct cluster {
	struct arena *a;
	const char *path, *data, *run, *log;
	const char *bin; /* folder of the programs */
	uid_t uid;
	gid_t gid;
	const char *user;
	bool closed_path; /* a folder above is closed to the user, but open to us: root */
	int data_version; /* major version that made the data, 0: there is none */
	int max_connections;
};

/* --- running programs ------------------------------------------------------- */

/* Of all rights of root one is kept: to pass through folders that are closed to
 * the user. A checkout below /root is such a place. */
static bool keep_passage(void)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3] = {0};
	d[0].effective = d[0].permitted = d[0].inheritable = 1U << CAP_DAC_READ_SEARCH;
	return syscall(SYS_capset, &h, d) == 0 &&
	       prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0) == 0;
}

static void become(const struct cluster *c)
{
	if (geteuid() == c->uid)
		return;
	if (c->closed_path && prctl(PR_SET_KEEPCAPS, 1) != 0)
		_exit(126);
	if (initgroups(c->user, c->gid) != 0 || setgid(c->gid) != 0 || setuid(c->uid) != 0)
		_exit(126);
	if (c->closed_path && !keep_passage())
		_exit(126);
}

/* Of a child between fork and exec; nothing of the parent stays but out. */
static _Noreturn void exec_as(const struct cluster *c, const char *const *argv, int out)
{
	sigset_t none;
	sigemptyset(&none);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(out, 1);
	dup2(out, 2);
	int null = open("/dev/null", O_RDONLY);
	dup2(null, 0);
	closefrom(3);
	setsid(); /* Ctrl-C on the terminal is for the supervisor */
	umask(077);
	become(c);
	if (chdir("/") != 0)
		_exit(126);
	execv(argv[0], (char *const *)argv);
	_exit(127);
}

static bool wait_exit(pid_t pid, int *status)
{
	while (waitpid(pid, status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(*status) && WEXITSTATUS(*status) == 0;
}

/* The last non-empty line that comes through the pipe. */
static void read_last_line(int fd, char *line, size_t cap)
{
	char text[2048]; /* the end of it */
	size_t n = 0;
	ssize_t got;
	while ((got = read(fd, text + n, sizeof text - 1 - n)) != 0) {
		if (got < 0 && errno != EINTR)
			break;
		n += got > 0 ? (size_t)got : 0;
		if (n > sizeof text / 2) {
			memmove(text, text + n - sizeof text / 2, sizeof text / 2);
			n = sizeof text / 2;
		}
	}
	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[n] = '\0';
	char *last = strrchr(text, '\n');
	snprintf(line, cap, "%.*s", (int)cap - 1, last ? last + 1 : text);
}

#define LINE_SIZE 160 /* what fits into an error's text */

static enum err run_as(const struct cluster *c, const char *const *argv, char line[LINE_SIZE],
                       struct error *e)
{
	int out[2], status = 0;
	if (pipe2(out, O_CLOEXEC) != 0)
		return err_set(e, ERR_IO, "pipe: %m");
	pid_t pid = fork();
	if (pid == 0)
		exec_as(c, argv, out[1]);
	close(out[1]);
	if (pid > 0)
		read_last_line(out[0], line, LINE_SIZE);
	close(out[0]);
	if (pid < 0)
		return err_set(e, ERR_IO, "fork: %m");
	if (!wait_exit(pid, &status))
		return err_set(e, ERR_IO, "%s failed: %s", argv[0], line);
	return ERR_OK;
}

/* --- where and who ---------------------------------------------------------- */

/* First line of a small file as a number, or 0. */
static int read_number(const char *path)
{
	char line[32] = "";
	FILE *f = fopen(path, "re");
	if (!f)
		return 0;
	if (!fgets(line, sizeof line, f))
		line[0] = '\0';
	fclose(f);
	return (int)strtol(line, NULL, 10);
}

/* Debian keeps each major version's programs in a folder of its own: the one that
 * made the data, else (wanted is 0, or it is not installed) the newest. */
static int find_version(int wanted)
{
	glob_t g = {0};
	int newest = 0;
	bool found = false;
	if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &g) == 0)
		for (size_t i = 0; i < g.gl_pathc; i++) {
			const char *number = g.gl_pathv[i] + strlen("/usr/lib/postgresql/");
			int v = (int)strtol(number, NULL, 10);
			found = found || v == wanted;
			newest = v > newest ? v : newest;
		}
	globfree(&g);
	return found ? wanted : newest;
}

static const char *find_bin(struct arena *a, int wanted)
{
	int version = find_version(wanted);
	if (version)
		return arena_printf(a, "/usr/lib/postgresql/%d/bin", version);
	const char *const others[] = {"/usr/bin", "/usr/local/bin", "/usr/pgsql/bin"};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (access(arena_printf(a, "%s/initdb", others[i]), X_OK) == 0)
			return others[i];
	return NULL;
}

static enum err find_user(struct cluster *c, struct error *e)
{
	const char *const names[] = {"s3-orchestrator", "postgres", "nobody"};
	struct passwd *p = NULL;
	if (geteuid() != 0)
		p = getpwuid(geteuid());
	for (size_t i = 0; geteuid() == 0 && !p && i < sizeof names / sizeof *names; i++)
		p = getpwnam(names[i]);
	if (!p && geteuid() == 0)
		return err_set(e, ERR_DENIED, "no user to run PostgreSQL as");
	c->uid = p ? p->pw_uid : geteuid();
	c->gid = p ? p->pw_gid : getegid();
	c->user = arena_strdup(c->a, p ? p->pw_name : "");
	return ERR_OK;
}

static enum err describe(struct cluster *c, const struct config *config, struct error *e)
{
	c->path = config->database.path;
	c->data = arena_printf(c->a, "%s/data", c->path);
	c->run = arena_printf(c->a, "%s/" EMBEDDED_SOCKET_DIR, c->path);
	c->log = arena_printf(c->a, "%s/log", c->path);
	c->max_connections =
		CONFIG_GENERATIONS * config->server.processes * DB_CONNECTIONS + OTHER_CONNECTIONS;
	if (c->path[0] != '/')
		return err_set(e, ERR_INVALID, "database.path: %s is not an absolute path",
		               c->path);
	if (strlen(c->run) + strlen(SOCKET_NAME) > SOCKET_PATH_MAX)
		return err_set(
			e, ERR_INVALID,
			"database.path: %s is too long for a socket in it (at most %zu bytes)",
			c->path, SOCKET_PATH_MAX - strlen("/" EMBEDDED_SOCKET_DIR SOCKET_NAME));
	c->data_version = read_number(arena_printf(c->a, "%s/PG_VERSION", c->data));
	c->bin = find_bin(c->a, c->data_version);
	if (!c->bin)
		return err_set(e, ERR_NOT_FOUND,
		               "the PostgreSQL server is not installed (database.driver: embedded "
		               "needs the distribution's package)");
	return find_user(c, e);
}

/* --- folders ---------------------------------------------------------------- */

static enum err make_parents(struct arena *a, const char *path, struct error *e)
{
	char *p = arena_strdup(a, path);
	for (char *slash = strchr(p + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(p, 0755) != 0 && errno != EEXIST)
			return err_set(e, ERR_IO, "%s: %m", p);
		*slash = '/';
	}
	return ERR_OK;
}

/* A folder that is there already must be as PostgreSQL wants it: its owner's
 * alone. It is not changed, because it may be somebody else's. */
static enum err make_folder(const struct cluster *c, const char *path, struct error *e)
{
	struct stat st;
	if (mkdir(path, 0700) == 0) {
		if (geteuid() != c->uid && chown(path, c->uid, c->gid) != 0)
			return err_set(e, ERR_IO, "%s: %m", path);
		return ERR_OK;
	}
	if (errno != EEXIST || stat(path, &st) != 0)
		return err_set(e, ERR_IO, "%s: %m", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_IO, "%s is not a folder", path);
	if (st.st_uid != c->uid)
		return err_set(e, ERR_DENIED,
		               "%s belongs to uid %u, but PostgreSQL is to run as %s (uid %u)",
		               path, (unsigned)st.st_uid, c->user, (unsigned)c->uid);
	if (st.st_mode & 077)
		return err_set(e, ERR_DENIED, "%s may be entered by others (mode %04o, not 0700)",
		               path, (unsigned)st.st_mode & 07777);
	return ERR_OK;
}

static bool is_reachable(const struct cluster *c)
{
	const char *const test[] = {"/bin/ls", c->path, NULL};
	char line[LINE_SIZE];
	return run_as(c, test, line, NULL) == ERR_OK;
}

static enum err make_folders(struct cluster *c, struct error *e)
{
	const char *const folders[] = {c->path, c->run, c->log};
	enum err r = make_parents(c->a, c->path, e);
	for (size_t i = 0; r == ERR_OK && i < sizeof folders / sizeof *folders; i++)
		r = make_folder(c, folders[i], e);
	if (r != ERR_OK)
		return r;
	c->closed_path = !is_reachable(c) && geteuid() == 0;
	if (c->closed_path && !is_reachable(c))
		r = err_set(e, ERR_DENIED, "%s cannot be reached by user %s", c->path, c->user);
	return r;
}

/* --- the data folder -------------------------------------------------------- */

static enum err check_version(const struct cluster *c, struct error *e)
{
	const char *const argv[] = {arena_printf(c->a, "%s/postgres", c->bin), "-V", NULL};
	char line[LINE_SIZE];
	int version = 0;
	enum err r = run_as(c, argv, line, e);
	if (r != ERR_OK)
		return r;
	sscanf(line, "postgres (PostgreSQL) %d", &version);
	if (version == c->data_version)
		return ERR_OK;
	return err_set(e, ERR_CONFLICT,
	               "%s was made by PostgreSQL %d, but %s has %d: install version %d again, or "
	               "convert the folder with pg_upgrade",
	               c->data, c->data_version, c->bin, version, c->data_version);
}

static enum err make_data(struct cluster *c, struct error *e)
{
	const char *fresh = arena_printf(c->a, "%s.new", c->data);
	const char *const clear[] = {"/bin/rm", "-rf", fresh, NULL};
	const char *const initdb[] = {arena_printf(c->a, "%s/initdb", c->bin),
	                              "--auth-local=trust",
	                              "--auth-host=reject",
	                              "--encoding=UTF8",
	                              "--locale=C",
	                              "--username=" EMBEDDED_USER,
	                              "-D",
	                              fresh,
	                              NULL};
	char line[LINE_SIZE];
	enum err r = run_as(c, clear, line, e);
	if (r == ERR_OK)
		r = run_as(c, initdb, line, e);
	if (r == ERR_OK && rename(fresh, c->data) != 0)
		r = err_set(e, ERR_IO, "%s: %m", fresh);
	return r;
}

/* --- the server ------------------------------------------------------------- */

static PGPing ping(const struct cluster *c)
{
	const char *const names[] = {"host", "dbname", "user", "connect_timeout", NULL};
	const char *const values[] = {c->run, "postgres", EMBEDDED_USER, "2", NULL};
	return PQpingParams(names, values, 0);
}

/* The process that the lock file names, unless that is a left-over and the number
 * is somebody else's by now: a server's working folder is its data folder. */
static pid_t find_running(const struct cluster *c)
{
	char cwd[PATH_MAX], data[PATH_MAX];
	pid_t pid = read_number(arena_printf(c->a, "%s/postmaster.pid", c->data));
	if (pid <= 1 || !realpath(c->data, data))
		return 0;
	ssize_t n = readlink(arena_printf(c->a, "/proc/%d/cwd", (int)pid), cwd, sizeof cwd);
	return n > 0 && str_eq(str_n(cwd, (size_t)n), str_of(data)) ? pid : 0;
}

/* Until its log collector runs it writes to start.log. */
static pid_t spawn_server(const struct cluster *c)
{
	const char *const argv[] = {
		arena_printf(c->a, "%s/postgres", c->bin),
		"-D",
		c->data,
		arena_printf(c->a, "--unix_socket_directories=%s", c->run),
		"--unix_socket_permissions=0700",
		"--listen_addresses=",
		"--port=5432",
		arena_printf(c->a, "--max_connections=%d", c->max_connections),
		"--logging_collector=on",
		arena_printf(c->a, "--log_directory=%s", c->log),
		"--log_filename=postgresql-%a.log", /* one per day of the week */
		"--log_truncate_on_rotation=on",
		"--log_rotation_age=1d",
		"--log_rotation_size=0",
		NULL,
	};
	int out = open(arena_printf(c->a, "%s/start.log", c->log),
	               O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0)
		exec_as(c, argv, out);
	close(out);
	return pid;
}

/* Whether it is our child or somebody's who never asks for its end (a zombie). */
static bool has_ended(pid_t pid)
{
	char path[32], state = 'Z'; /* "/proc/", a number, "/stat" */
	int status;
	if (waitpid(pid, &status, WNOHANG) == pid)
		return true;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return true;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'Z';
	fclose(f);
	return state == 'Z';
}

static enum err wait_ready(const struct cluster *c, pid_t pid, const _Atomic bool *stop,
                           struct error *e)
{
	int64_t deadline = clock_deadline(START_TIMEOUT);
	while (ping(c) != PQPING_OK) {
		if (*stop)
			return err_set(e, ERR_CANCELED, "told to stop");
		if (has_ended(pid))
			return err_set(e, ERR_IO, "PostgreSQL did not start, see %s/", c->log);
		if (clock_mono() > deadline)
			return err_set(e, ERR_TIMEOUT, "PostgreSQL does not answer, see %s",
			               c->log);
		usleep(POLL_US);
	}
	return ERR_OK;
}

static enum err make_database(const struct cluster *c, struct error *e)
{
	const char *const names[] = {"host", "dbname", "user", NULL};
	const char *const values[] = {c->run, "postgres", EMBEDDED_USER, NULL};
	PGconn *conn = PQconnectdbParams(names, values, 0);
	enum err rc = ERR_OK;
	PGresult *r =
		PQexec(conn, "SELECT FROM pg_database WHERE datname = '" EMBEDDED_DATABASE "'");
	if (PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 0) {
		PQclear(r);
		r = PQexec(conn, "CREATE DATABASE " EMBEDDED_DATABASE);
	}
	if (PQresultStatus(r) != PGRES_TUPLES_OK && PQresultStatus(r) != PGRES_COMMAND_OK)
		rc = err_set(e, ERR_IO, "embedded database: %s", PQerrorMessage(conn));
	PQclear(r);
	PQfinish(conn);
	return rc;
}

static enum err start(struct cluster *c, const _Atomic bool *stop, _Atomic pid_t *postmaster,
                      struct error *e)
{
	enum err r = make_folders(c, e);
	if (r == ERR_OK)
		r = c->data_version ? check_version(c, e) : make_data(c, e);
	if (r != ERR_OK)
		return r;
	pid_t pid = find_running(c);
	if (pid)
		log_info("store", "took over a running database", LOG_INT("postmaster", pid));
	else
		pid = spawn_server(c);
	if (pid < 0)
		return err_set(e, ERR_IO, "PostgreSQL cannot be started: %m");
	*postmaster = pid;
	r = wait_ready(c, pid, stop, e);
	if (r == ERR_OK)
		r = make_database(c, e);
	if (r != ERR_OK && r != ERR_CANCELED) {
		embedded_stop(pid);
		*postmaster = 0;
	}
	return r;
}

enum err embedded_start(const struct config *config, const _Atomic bool *stop,
                        _Atomic pid_t *postmaster, struct error *e)
{
	struct cluster c = {.a = arena_new()};
	enum err r = describe(&c, config, e);
	if (r == ERR_OK)
		r = start(&c, stop, postmaster, e);
	arena_free(&c.a);
	return r;
}

/* --- stopping --------------------------------------------------------------- */

static bool signal_and_wait(pid_t pid, int sig, int64_t timeout)
{
	int64_t deadline = clock_deadline(timeout);
	kill(pid, sig);
	while (!has_ended(pid)) {
		if (clock_mono() > deadline)
			return false;
		usleep(POLL_US);
	}
	return true;
}

void embedded_stop(pid_t postmaster)
{
	if (postmaster <= 1)
		return;
	if (!signal_and_wait(postmaster, SIGINT, FAST_TIMEOUT) &&
	    !signal_and_wait(postmaster, SIGQUIT, IMMEDIATE_TIMEOUT))
		log_error("store", "database does not stop", LOG_INT("postmaster", postmaster));
}
