/* SPDX-License-Identifier: MIT
 *
 * Folders are tried in a new one within them, so that nothing is said about which folder it
 * is (s3o-folder), and what was not there before is not there afterwards. Everything that may wait
 * for the disk runs on a thread.
 */
#include "adminctl/probe_private.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "rt/task.h"

/* Written and shared to see whether blocks can be; one block of most file systems. */
#define BLOCK 4096

struct probe_folder {
	char *path;  /* the folder to try, which may not exist yet */
	size_t kept; /* bytes of it that name what was there before */
	enum err r;
	struct error e;
	/* of the tries */
	struct statvfs space;
	int64_t sync_us;
	int sync_errno, clone_errno;
};

static enum err fail(struct probe_folder *f, const char *path)
{
	return f->r = err_set(&f->e, ERR_IO, "%s: %s", path, strerrordesc_np(errno));
}

/* Calls fn with each folder above path and with path, cut off behind it, from the top. */
static bool each_part(struct probe_folder *f, bool (*fn)(struct probe_folder *f, size_t n))
{
	for (char *p = f->path + 1;; p++) {
		char c = *p;
		bool ok;

		if ((c != '/' && c != '\0') || p[-1] == '/')
			continue;
		*p = '\0';
		ok = fn(f, (size_t)(p - f->path));
		*p = c;
		if (!ok || c == '\0')
			return ok;
	}
}

static bool make_part(struct probe_folder *f, size_t n)
{
	if (mkdir(f->path, 0700) == 0)
		return true;
	if (errno != EEXIST) {
		fail(f, f->path);
		return false;
	}
	f->kept = n;
	return true;
}

static void make(void *arg)
{
	each_part(arg, make_part);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

/* Upwards, as far as it was made and is empty: somebody else may use it by now. */
static void remove_parts(struct probe_folder *f)
{
	for (size_t n = strlen(f->path); n > f->kept; n--) {
		char c = f->path[n];

		if (c != '/' && c != '\0')
			continue;
		f->path[n] = '\0';
		rmdir(f->path);
		f->path[n] = c;
	}
}

static void unmake(void *arg)
{
	struct probe_folder *f = arg;

	/* which is not there when it could not be made */
	if (nftw(f->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT &&
	    errno != ENOTDIR)
		fail(f, f->path);
	remove_parts(f);
}

static bool run(void (*fn)(void *), struct probe_folder *f)
{
	f->r = ERR_OK;
	if (task_offload(fn, f) < 0)
		f->r = err_set(&f->e, ERR_IO, "no thread can be started");
	return f->r == ERR_OK;
}

static const char *user(void)
{
	const struct passwd *pw = getpwuid(geteuid());

	return pw ? pw->pw_name : "an unknown user";
}

bool probe_folder_make(struct probe *p)
{
	struct probe_folder *f = ARENA_NEW(p->arena, struct probe_folder);
	int64_t start = clock_mono();
	bool ok;

	/* the prefix without its last slash */
	f->path = arena_printf(p->arena, "%s/%.*s", p->configured->path, (int)strlen(p->prefix) - 1,
	                       p->prefix);
	p->folder = f;
	p->trial->path = f->path;
	ok = run(make, f);
	probe_note(p, "writable", ok ? PROBE_OK : PROBE_FAILED, true,
	           str_of(ok ? arena_printf(p->arena, "by %s, who tries it", user()) : f->e.text),
	           clock_mono() - start);
	return ok;
}

bool probe_folder_remove(struct probe *p, struct error *e)
{
	bool ok = run(unmake, p->folder);

	*e = p->folder->e;
	return ok;
}

/* --- what only folders have ------------------------------------------------------ */

static void try_sync(struct probe_folder *f, int fd)
{
	static const char block[BLOCK];
	int64_t start = clock_mono();

	if (write(fd, block, BLOCK) != BLOCK || fsync(fd) < 0)
		f->sync_errno = errno;
	f->sync_us = clock_mono() - start;
}

static void try_sharing(struct probe_folder *f, int fd, int dir)
{
	int other = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (other < 0 || ioctl(other, FICLONE, fd) < 0)
		f->clone_errno = errno;
	if (other >= 0)
		close(other);
}

static void try_file(struct probe_folder *f, int dir)
{
	int fd = openat(dir, "try", O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0) {
		fail(f, f->path);
		return;
	}
	try_sync(f, fd);
	try_sharing(f, fd, dir);
	close(fd);
}

static void look(void *arg)
{
	struct probe_folder *f = arg;
	int dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0 || fstatvfs(dir, &f->space) < 0)
		fail(f, f->path);
	else
		try_file(f, dir);
	if (dir >= 0)
		close(dir);
}

static void note_space(struct probe *p, const struct probe_folder *f)
{
	uint64_t bytes = (uint64_t)f->space.f_bavail * f->space.f_frsize;

	probe_note(p, "free space", bytes > 0 ? PROBE_OK : PROBE_NO, false,
	           str_of(arena_printf(p->arena, "%.1f GiB", (double)bytes / (1 << 30))), 0);
}

static void note_errno(struct probe *p, const char *feature, int why, bool required,
                       const char *good, int64_t us)
{
	probe_note(p, feature, why == 0 ? PROBE_OK : PROBE_NO, required,
	           str_of(why == 0 ? good : strerrordesc_np(why)), us);
}

void probe_folder_tries(struct probe *p)
{
	struct probe_folder *f = p->folder;

	if (!run(look, f)) {
		probe_note(p, "free space", PROBE_FAILED, true, str_of(f->e.text), 0);
		return;
	}
	note_space(p, f);
	note_errno(p, "fsync", f->sync_errno, true, "of 4 KiB", f->sync_us);
	note_errno(p, "copies that share blocks", f->clone_errno, false, "", 0);
}
