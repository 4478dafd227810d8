/* SPDX-License-Identifier: MIT
 *
 * Opening the folder of a backend, on a thread. A file in it says which folder it
 * is, so that an empty one that lies there while its file system is not mounted
 * is not taken for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "backend/dir_private.h"
#include "base/mem.h"

/* A file in tmp/ that has not been written to for so long was left by a process
 * that died. */
#define LEFTOVER_AGE 3600 /* seconds */

#define MARKER     "s3o-folder"
#define MARKER_MAX 1024
#define MARKER_TEXT                                                                                \
	"# This folder is a backend of s3-orchestrator. Its catalogue knows it by this line:\n"

/* Random, because only the loop may make ULIDs: 16 bytes in hexadecimal. */
#define NAME_SIZE 33

static void make_name(char name[NAME_SIZE])
{
	uint8_t bytes[(NAME_SIZE - 1) / 2];

	random_bytes(bytes, sizeof(bytes));
	hex_encode(bytes, sizeof(bytes), name);
}

/* --- open folders --------------------------------------------------------- */

static struct dir_root *root_new(void)
{
	struct dir_root *r = MEM_NEW(struct dir_root);

	r->users = 1;
	r->objects = r->tmp = -1;
	pthread_mutex_init(&r->lock, NULL);
	return r;
}

struct dir_root *dir_root_use(struct dir_root *r)
{
	r->users++;
	return r;
}

void dir_root_drop(struct dir_root **root)
{
	struct dir_root *r = *root;

	*root = NULL;
	if (r == NULL || --r->users > 0)
		return;
	if (r->objects >= 0)
		close(r->objects);
	if (r->tmp >= 0)
		close(r->tmp);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static enum err fail(struct dir_folder *f, const char *what)
{
	return f->job.result = err_set(&f->job.error, ERR_IO, "path %s: %s%s%m", f->path, what,
	                               *what ? ": " : "");
}

/* Full is a state that passes, and what is stored can be read all the same. */
static bool is_full(void)
{
	return errno == ENOSPC || errno == EDQUOT;
}

/* --- which folder it is --------------------------------------------------- */

/* The first line that is no comment. */
static enum err parse_marker(struct dir_folder *f, const char *text)
{
	size_t n;

	while (*text == '#' || *text == '\n') {
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	n = strcspn(text, " \r\n");
	if (n == 0 || n >= sizeof(f->id))
		return f->job.result =
		               err_set(&f->job.error, ERR_IO,
		                       "%s/" MARKER " has no line that says which it is", f->path);
	memcpy(f->id, text, n);
	f->id[n] = '\0';
	return ERR_OK;
}

static enum err read_marker(struct dir_folder *f, int base)
{
	int fd = openat(base, MARKER, O_RDONLY | O_CLOEXEC);
	char text[MARKER_MAX + 1];
	ssize_t n;

	f->id[0] = '\0';
	if (fd < 0)
		return errno == ENOENT ? ERR_OK : fail(f, MARKER);
	n = read(fd, text, MARKER_MAX);
	if (n < 0)
		fail(f, MARKER);
	close(fd);
	if (n < 0)
		return ERR_IO;
	text[n] = '\0';
	return parse_marker(f, text);
}

static int write_marker(int base, const char *name, const char *id)
{
	int fd = openat(base, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0640);
	int r = fd < 0 ? -1 : dprintf(fd, MARKER_TEXT "%s\n", id);

	if (r >= 0)
		r = fsync(fd);
	if (fd >= 0)
		close(fd);
	/* never over one that another process has made meanwhile */
	if (r >= 0 && linkat(base, name, base, MARKER, 0) < 0 && errno != EEXIST)
		r = -1;
	return r;
}

/* A folder of an earlier version may be full: it then goes on without identity. */
static enum err make_marker(struct dir_folder *f, int base)
{
	char name[sizeof(MARKER) + NAME_SIZE], id[NAME_SIZE];
	int r, why;

	make_name(id);
	snprintf(name, sizeof(name), MARKER ".%s", id);
	r = write_marker(base, name, id);
	why = errno;
	unlinkat(base, name, 0);
	errno = why;
	if (r < 0 && !is_full())
		return fail(f, "it cannot be marked");
	if (r >= 0 && fsync(base) < 0)
		return fail(f, "sync");
	return read_marker(f, base);
}

static bool has_entries(int base, const char *name)
{
	int fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	bool any = false;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (!any && (e = readdir(d)) != NULL)
		any = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	return any;
}

void dir_folder_look(void *folder)
{
	struct dir_folder *f = folder;
	int base = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (base < 0) {
		if (errno != ENOENT)
			fail(f, "");
		return;
	}
	if (read_marker(f, base) == ERR_OK)
		f->in_use = has_entries(base, "objects");
	close(base);
}

/* --- making it ------------------------------------------------------------ */

/* Of a folder that may be read; one that may not is not ours, and was not made by
 * us. */
static void sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	fsync(fd); /* an error would come again with the first object */
	close(fd);
}

/* Durably, also when another process has just made it. */
static int make_path(char *path)
{
	sync_folder(*path == '/' ? "/" : ".");
	for (char *p = path + 1; *p != '\0'; p++) {
		int r;

		if (*p != '/')
			continue;
		*p = '\0';
		r = mkdir(path, 0755) < 0 && errno != EEXIST ? -1 : 0;
		if (r == 0)
			sync_folder(path);
		*p = '/';
		if (r < 0)
			return -1;
	}
	return mkdir(path, 0750) < 0 && errno != EEXIST ? -1 : 0;
}

static int open_inside(int base, const char *name)
{
	if (mkdirat(base, name, 0750) < 0 && errno != EEXIST)
		return -1;
	return openat(base, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void remove_leftovers(int tmp)
{
	DIR *d = fdopendir(openat(tmp, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *entry;
	struct stat st;

	if (d == NULL)
		return;
	while ((entry = readdir(d)) != NULL)
		if (fstatat(tmp, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && time(NULL) - st.st_mtime > LEFTOVER_AGE)
			unlinkat(tmp, entry->d_name, 0);
	closedir(d);
}

/* Can what O_TMPFILE makes be given a name? Not on NFS and some overlays. */
static bool tmpfile_works(int tmp)
{
	int fd = openat(tmp, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);
	char self[64], name[NAME_SIZE];
	bool works;

	if (fd < 0)
		return false;
	make_name(name);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	works = linkat(AT_FDCWD, self, tmp, name, AT_SYMLINK_FOLLOW) == 0;
	unlinkat(tmp, name, 0);
	close(fd);
	return works;
}

/* Writable, with attributes and hard links? NULL, or what failed, with errno. */
static const char *probe(int tmp)
{
	char name[NAME_SIZE], second[NAME_SIZE];
	const char *failed = NULL;
	int fd;

	make_name(name);
	make_name(second);
	fd = openat(tmp, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0640);
	if (fd < 0)
		return is_full() ? NULL : "it is not writable";
	if (fsetxattr(fd, DIR_META_NAME, "probe", 5, 0) < 0 && !is_full())
		failed = "it cannot hold extended attributes";
	else if (linkat(tmp, name, tmp, second, 0) < 0 && !is_full())
		failed = "it cannot hold hard links";
	int why = errno;
	unlinkat(tmp, second, 0);
	unlinkat(tmp, name, 0);
	close(fd);
	errno = why;
	return failed;
}

/* --- opening -------------------------------------------------------------- */

static enum err fill_root(struct dir_folder *f, int base)
{
	struct dir_root *r = f->job.root;
	const char *failed;

	r->objects = open_inside(base, "objects");
	r->tmp = r->objects < 0 ? -1 : open_inside(base, "tmp");
	failed = r->tmp < 0 ? "cannot make its folders" : probe(r->tmp);
	if (failed != NULL)
		return fail(f, failed);
	fsync(base); /* an error would come again with the first object */
	remove_leftovers(r->tmp);
	r->tmpfile = tmpfile_works(r->tmp);
	return ERR_OK;
}

/* It may have been unmounted since it was looked at. */
static enum err identify(struct dir_folder *f, int base)
{
	char before[DIR_ID_SIZE];
	enum err r;

	memcpy(before, f->id, sizeof(before));
	r = read_marker(f, base);
	if (r == ERR_OK && f->is_first_use && f->id[0] == '\0')
		r = make_marker(f, base);
	if (r == ERR_OK && !f->is_first_use && strcmp(f->id, before) != 0)
		r = f->job.result =
			err_set(&f->job.error, ERR_IO, "path %s has just changed", f->path);
	return r;
}

void dir_folder_open(void *folder)
{
	struct dir_folder *f = folder;
	int base;

	if (f->is_first_use && make_path(f->path) < 0) {
		fail(f, "");
		return;
	}
	base = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (base < 0) {
		fail(f, "");
		return;
	}
	f->job.root = root_new();
	if (identify(f, base) == ERR_OK)
		fill_root(f, base);
	close(base);
}

void dir_folder_free(void *folder)
{
	struct dir_folder *f = folder;

	dir_root_drop(&f->job.root);
	free(f);
}
