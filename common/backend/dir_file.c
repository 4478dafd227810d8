/* SPDX-License-Identifier: MIT
 *
 * Writing and removing objects in a directory, durably: a file gets its name
 * only when its bytes are on the disk, and a name counts once its directory is.
 *
 * The complication: removing takes empty directories away, so that a directory
 * may vanish between making it and using it. Whoever finds it gone makes it
 * again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "backend/dir_private.h"
#include "base/clock.h"
#include "base/mem.h"

/* Above this the space is asked for first, so that a full disk is found out
 * before the bytes have been moved. */
#define ALLOCATE_MIN (64 * 1024)

/* Bytes are brought to the disk in stretches of that size, so that no step lasts
 * longer than a disk needs for that: 2 s at 30 MB/s. */
#define SYNC_STRETCH (64 * 1024 * 1024)

/* Attempts to link into a directory that others remove all the time. */
#define PUBLISH_TRIES 100

enum err dir_error(struct error *e, const char *what, const char *path)
{
	switch (errno) {
	case ENOSPC:
	case EDQUOT:
		return err_set(e, ERR_NO_SPACE, "%s %s: %m", what, path);
	case EFBIG:
		return err_set(e, ERR_TOO_LARGE, "%s %s: %m", what, path);
	case EACCES:
	case EPERM:
		return err_set(e, ERR_DENIED, "%s %s: %m", what, path);
	default:
		return err_set(e, ERR_IO, "%s %s: %m", what, path);
	}
}

bool dir_is_gone(int dir)
{
	struct stat st;

	return fstat(dir, &st) < 0 || st.st_nlink == 0;
}

enum err dir_absent(const struct dir_root *r, struct error *e)
{
	if (dir_is_gone(r->objects))
		return err_set(e, ERR_IO, "the directory itself was removed");
	return err_set(e, ERR_NOT_FOUND, "no such object");
}

/* --- creating and filling ------------------------------------------------- */

enum err dir_write_begin(struct dir_write *w)
{
	if (w->name[0] == '\0')
		w->fd = openat(w->job.root->tmp, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);
	else
		w->fd = openat(w->job.root->tmp, w->name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC,
		               0640);
	if (w->fd < 0) {
		w->name[0] = '\0';
		if (dir_is_gone(w->job.root->tmp)) /* for which Linux says EPERM */
			errno = ENOENT;
		return dir_error(&w->job.error, "create", w->path);
	}
	if (w->from < 0)
		w->md5 = digest_new(DIGEST_MD5);
	if (w->from < 0 && w->size > ALLOCATE_MIN &&
	    fallocate(w->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)w->size) < 0 &&
	    (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
		return dir_error(&w->job.error, "allocate", w->path);
	return ERR_OK;
}

enum err dir_write_sync(struct dir_write *w, uint64_t n)
{
	w->unsynced += n;
	if (w->unsynced < SYNC_STRETCH)
		return ERR_OK;
	w->unsynced = 0;
	return fdatasync(w->fd) == 0 ? ERR_OK : dir_error(&w->job.error, "sync", w->path);
}

static enum err write_piece(struct dir_write *w)
{
	const char *p = w->piece;
	size_t left = w->piece_n;

	while (left > 0) {
		ssize_t n = write(w->fd, p, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return dir_error(&w->job.error, "write", w->path);
		p += n;
		left -= (size_t)n;
	}
	digest_update(w->md5, w->piece, w->piece_n);
	return dir_write_sync(w, w->piece_n);
}

static int sync_directory(int root, const char *path)
{
	int fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (fd < 0)
		return -1;
	r = fsync(fd);
	close(fd);
	return r;
}

/* Calls each(r, path) for every directory above the last name of path, from the
 * top. */
static int for_parents(struct dir_root *r, const char *path,
                       int (*each)(struct dir_root *r, const char *path))
{
	char copy[DIR_PATH_SIZE];

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *slash = strchr(copy, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (each(r, copy) < 0)
			return -1;
		*slash = '/';
	}
	return 0;
}

/* --- what lasts ----------------------------------------------------------- */

/* A directory that is found there need not last: who has made it may not have
 * synced what is above it, or was killed before it could. So everybody does, once
 * for each directory. */

static bool identify(int dir, const char *path, struct dir_identity *out)
{
	struct statx st;

	if (statx(dir, path, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &st) < 0)
		return false;
	out->inode = st.stx_ino;
	out->born = st.stx_mask & STATX_BTIME
	                    ? st.stx_btime.tv_sec * INT64_C(1000000000) + st.stx_btime.tv_nsec
	                    : 0;
	return true;
}

static struct dir_identity *place_of(struct dir_root *r, const struct dir_identity *i)
{
	uint64_t h = (i->inode ^ (uint64_t)i->born) * UINT64_C(0x9E3779B97F4A7C15);

	return &r->lasting[(h >> 32) % DIR_LASTING_MAX];
}

static bool is_lasting(struct dir_root *r, const struct dir_identity *i)
{
	const struct dir_identity *known = place_of(r, i);
	bool is;

	pthread_mutex_lock(&r->lock);
	is = i->born != 0 && known->inode == i->inode && known->born == i->born;
	pthread_mutex_unlock(&r->lock);
	return is;
}

static void set_lasting(struct dir_root *r, const struct dir_identity *i)
{
	pthread_mutex_lock(&r->lock);
	*place_of(r, i) = *i;
	pthread_mutex_unlock(&r->lock);
}

/* The directory above path. */
static int sync_above(int root, const char *path)
{
	const char *slash = strrchr(path, '/');
	char above[DIR_PATH_SIZE] = ".";

	if (slash != NULL)
		snprintf(above, sizeof(above), "%.*s", (int)(slash - path), path);
	return sync_directory(root, above);
}

/* The name of a directory, whose parents last. */
static int make_last(struct dir_root *r, const char *path)
{
	struct dir_identity i;

	if (!identify(r->objects, path, &i))
		return -1;
	if (is_lasting(r, &i))
		return 0;
	if (sync_above(r->objects, path) < 0)
		return -1;
	set_lasting(r, &i);
	return 0;
}

/* Those of all directories above the last name of path, in the lowest of which,
 * parent, something lies: so none of them can be replaced meanwhile. */
static int make_parents_last(struct dir_root *r, int parent, const char *path)
{
	struct dir_identity i;

	if (identify(parent, "", &i) && is_lasting(r, &i))
		return 0;
	return for_parents(r, path, make_last);
}

/* --- giving it its name --------------------------------------------------- */

static int make_directory(struct dir_root *r, const char *path)
{
	return mkdirat(r->objects, path, 0750) < 0 && errno != EEXIST ? -1 : 0;
}

static int open_parent(int root, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char parent[DIR_PATH_SIZE] = ".";

	if (slash != NULL)
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	*name = slash != NULL ? slash + 1 : path;
	return openat(root, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int link_into(const struct dir_write *w, int parent, const char *name)
{
	char self[64];

	if (w->name[0] != '\0')
		return linkat(w->job.root->tmp, w->name, parent, name, 0);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", w->fd);
	return linkat(AT_FDCWD, self, parent, name, AT_SYMLINK_FOLLOW);
}

/* Links and syncs. -1 with errno. */
static int try_publish(struct dir_write *w)
{
	const char *name;
	int parent = open_parent(w->job.root->objects, w->path, &name), r;

	if (parent < 0)
		return -1;
	r = link_into(w, parent, name);
	if (r == 0) {
		w->published = true;
		r = fsync(parent);
	}
	if (r == 0)
		r = make_parents_last(w->job.root, parent, w->path);
	if (r < 0 && w->published) {
		int why = errno;

		w->published = unlinkat(parent, name, 0) < 0;
		errno = why;
	}
	close(parent);
	return r;
}

static enum err publish(struct dir_write *w)
{
	int r = try_publish(w);

	for (int tries = 0; r < 0 && errno == ENOENT && tries < PUBLISH_TRIES; tries++) {
		/* ENOENT: one of them was removed again meanwhile */
		if (for_parents(w->job.root, w->path, make_directory) < 0 && errno != ENOENT)
			return dir_error(&w->job.error, "make directories of", w->path);
		r = try_publish(w);
	}
	if (r < 0 && errno == EEXIST)
		return err_set(&w->job.error, ERR_CONFLICT, "%s exists", w->path);
	if (r < 0)
		return dir_error(&w->job.error, "link", w->path);
	return ERR_OK;
}

/* Of bytes that were seen; those of a copy were not. */
static void describe_bytes(struct dir_write *w)
{
	uint8_t md5[MD5_SIZE];

	digest_final(w->md5, md5);
	hex_encode(md5, sizeof(md5), w->etag);
	dir_meta_add_md5(&w->meta, w->etag);
}

enum err dir_write_finish(struct dir_write *w)
{
	if (w->md5 != NULL)
		describe_bytes(w);
	if (fsetxattr(w->fd, DIR_META_NAME, w->meta.p, w->meta.n, 0) < 0)
		return dir_error(&w->job.error, "describe", w->path);
	if (fsync(w->fd) < 0)
		return dir_error(&w->job.error, "sync", w->path);
	return publish(w);
}

void dir_write_abort(void *write)
{
	struct dir_write *w = write;

	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	if (w->name[0] != '\0')
		unlinkat(w->job.root->tmp, w->name, 0);
	w->name[0] = '\0';
	digest_free(&w->md5);
}

void dir_write_free(void *write)
{
	struct dir_write *w = write;

	dir_write_abort(w);
	if (w->from >= 0)
		close(w->from);
	dir_root_drop(&w->job.root);
	buf_free(&w->meta);
	free(w->piece);
	free(w);
}

void dir_write_step(void *write)
{
	struct dir_write *w = write;

	w->job.result = w->fd < 0 ? dir_write_begin(w) : ERR_OK;
	if (w->job.result == ERR_OK)
		w->job.result = write_piece(w);
	if (w->job.result == ERR_OK && w->last)
		w->job.result = dir_write_finish(w);
	if (w->job.result != ERR_OK || w->last)
		dir_write_abort(w);
}

/* --- opening -------------------------------------------------------------- */

void dir_open_object(void *opening)
{
	struct dir_opening *o = opening;
	struct stat st;
	ssize_t n;

	o->fd = openat(o->job.root->objects, o->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (o->fd < 0 || fstat(o->fd, &st) < 0) {
		o->job.result = errno == ENOENT ? dir_absent(o->job.root, &o->job.error)
		                                : dir_error(&o->job.error, "open", o->path);
		return;
	}
	o->size = (uint64_t)st.st_size;
	o->modified = st.st_mtim.tv_sec * CLOCK_SEC + st.st_mtim.tv_nsec / 1000;
	if (!o->want_meta)
		return;
	o->meta = mem_alloc(DIR_META_MAX);
	n = fgetxattr(o->fd, DIR_META_NAME, o->meta, DIR_META_MAX);
	o->meta_n = n > 0 ? (size_t)n : 0;
}

void dir_opening_free(void *opening)
{
	struct dir_opening *o = opening;

	if (o->fd >= 0)
		close(o->fd);
	dir_root_drop(&o->job.root);
	free(o->meta);
	free(o);
}

/* --- removing ------------------------------------------------------------- */

/* Removes the empty directories above path and makes the change last. Ends with
 * path being the nearest directory that stays, "" for the top. */
static enum err remove_parents(struct dir_remove *r)
{
	char *slash;

	while ((slash = strrchr(r->path, '/')) != NULL) {
		*slash = '\0';
		if (unlinkat(r->job.root->objects, r->path, AT_REMOVEDIR) == 0 || errno == ENOENT)
			continue;
		if (sync_directory(r->job.root->objects, r->path) == 0)
			return ERR_OK;
		if (errno != ENOENT) /* else another removal was quicker: above it, then */
			return dir_error(&r->job.error, "sync", r->path);
	}
	return sync_directory(r->job.root->objects, ".") == 0
	               ? ERR_OK
	               : dir_error(&r->job.error, "sync", ".");
}

/* Who removed it may have been killed before that was durable. */
static enum err confirm_absence(struct dir_remove *r)
{
	enum err absent = dir_absent(r->job.root, &r->job.error);

	if (absent == ERR_NOT_FOUND && remove_parents(r) != ERR_OK)
		return r->job.error.code;
	return absent;
}

void dir_remove(void *remove)
{
	struct dir_remove *r = remove;

	if (unlinkat(r->job.root->objects, r->path, 0) == 0)
		r->job.result = remove_parents(r);
	else if (errno == ENOENT)
		r->job.result = confirm_absence(r);
	else
		r->job.result = dir_error(&r->job.error, "remove", r->path);
}

void dir_remove_free(void *remove)
{
	struct dir_remove *r = remove;

	dir_root_drop(&r->job.root);
	free(r);
}

void dir_write_withdraw(void *write)
{
	struct dir_write *w = write;

	if (w->published) {
		struct dir_remove *r = MEM_NEW(struct dir_remove);

		r->job.root = dir_root_use(w->job.root);
		memcpy(r->path, w->path, sizeof(r->path));
		dir_remove(r);
		dir_remove_free(r);
	}
	dir_write_free(w);
}
