/* SPDX-License-Identifier: MIT
 *
 * The second half of daemon.h: what a daemon asks of the kernel for itself:
 * pid file, user, limits, signals. The lock of the pid file is a record lock
 * because that belongs to the process and dies with it, while children that
 * outlive a killed supervisor for a moment do not hold it.
 */
#include "ctl/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.h"

static struct {
	char *path;
	int fd;
	pid_t owner;
} pid_file = {.fd = -1};

/* --- run directory and pid file ---------------------------------------------- */

static const struct passwd *find_user(const char *user, struct error *e)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(user);
	if (!pw)
		err_set(e, ERR_INVALID, "user %s: %s", user,
		        errno ? strerror(errno) : "does not exist");
	return pw;
}

enum err daemon_give(const char *path, const char *user, struct error *e)
{
	const struct passwd *pw;

	if (!user || geteuid() != 0)
		return ERR_OK;
	if (!(pw = find_user(user, e)))
		return ERR_INVALID;
	if (chown(path, pw->pw_uid, pw->pw_gid) < 0)
		return err_set(e, ERR_IO, "chown %s: %s", path, strerror(errno));
	return ERR_OK;
}

static enum err make_dir(const char *path, const char *user, struct error *e)
{
	if (mkdir(path, 0755) == 0)
		return daemon_give(path, user, e);
	return errno == EEXIST ? ERR_OK : err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
}

enum err daemon_run_dir(const char *dir, const char *user, struct error *e)
{
	char *path = strdup(dir);
	enum err r = path ? ERR_OK : err_set(e, ERR_IO, "no memory");

	for (char *p = path; p && r == ERR_OK && (p = strchr(p + 1, '/')) != NULL; *p = '/') {
		*p = '\0';
		r = make_dir(path, NULL, e);
	}
	if (r == ERR_OK)
		r = make_dir(dir, user, e);
	free(path);
	return r;
}

/* Locks what is at the path now; false when somebody holds it. */
static bool lock_file(int fd, pid_t *holder)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(fd, F_SETLK, &l) == 0)
		return true;
	*holder = fcntl(fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK ? l.l_pid : 0;
	return false;
}

/* True when the path still names the file that was locked: its former holder
 * may have removed it between our open and our lock. */
static bool is_same_file(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

enum err daemon_pid_lock(const char *path, struct error *e)
{
	for (;;) {
		pid_t holder = 0;
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

		if (fd < 0)
			return err_set(e, ERR_IO, "pid file %s: %s", path, strerror(errno));
		if (!lock_file(fd, &holder)) {
			close(fd);
			return err_set(e, ERR_CONFLICT, "already running (process %d holds %s)",
			               (int)holder, path);
		}
		if (is_same_file(fd, path)) {
			pid_file.fd = fd;
			pid_file.owner = getpid();
			pid_file.path = strdup(path);
			return ERR_OK;
		}
		close(fd);
	}
}

void daemon_pid_write(void)
{
	if (pid_file.fd < 0 || ftruncate(pid_file.fd, 0) < 0)
		return;
	dprintf(pid_file.fd, "%d\n", (int)getpid());
}

void daemon_pid_remove(void)
{
	if (pid_file.fd < 0 || pid_file.owner != getpid())
		return;
	/* Removed before it is unlocked: see is_same_file(). Where the folder
	 * belongs to somebody else, an empty file says that nobody runs. */
	if (unlink(pid_file.path) < 0)
		(void)!ftruncate(pid_file.fd, 0);
	close(pid_file.fd);
	free(pid_file.path);
	pid_file.path = NULL;
	pid_file.fd = -1;
}

/* --- privileges and limits ----------------------------------------------------- */

enum err daemon_become(const char *user, struct error *e)
{
	const struct passwd *pw;

	if (!user) {
		if (geteuid() == 0)
			log_warn("runtime", "running as root; --user names another user");
		return ERR_OK;
	}
	if (!(pw = find_user(user, e)))
		return ERR_INVALID;
	if (pw->pw_uid == geteuid())
		return ERR_OK;
	if (initgroups(user, pw->pw_gid) < 0 || setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0)
		return err_set(e, ERR_DENIED, "become user %s: %s", user, strerror(errno));
	return ERR_OK;
}

void daemon_instance(char name[DAEMON_INSTANCE_SIZE])
{
	char host[65] = "", tag[9];
	uint8_t random[4];

	if (gethostname(host, sizeof host - 1) < 0 || !host[0])
		snprintf(host, sizeof host, "localhost");
	random_bytes(random, sizeof random);
	hex_encode(random, sizeof random, tag);
	snprintf(name, DAEMON_INSTANCE_SIZE, "%s:%d:%s", host, (int)getpid(), tag);
}

void daemon_raise_limits(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return;
	r.rlim_cur = r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) < 0)
		log_warn("runtime", "limit of open files stays as it was",
		         LOG_STR("error", strerror(errno)));
}

/* --- signals --------------------------------------------------------------------- */

int daemon_signalfd(const int *signals)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	for (; *signals; signals++)
		sigaddset(&set, *signals);
	sigprocmask(SIG_SETMASK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0) { /* no descriptors at all: nothing can be served */
		log_error("runtime", "signalfd", LOG_STR("error", strerror(errno)));
		abort();
	}
	return fd;
}

void daemon_signals_default(void)
{
	sigset_t none;

	for (int s = 1; s < SIGRTMIN; s++)
		signal(s, SIG_DFL); /* fails for KILL and STOP, as it should */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}
