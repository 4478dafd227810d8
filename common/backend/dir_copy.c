/* SPDX-License-Identifier: MIT
 *
 * Copies of objects within a directory: the file system shares the blocks where it can,
 * else the kernel copies them; either way no byte comes up here. It goes in stretches,
 * so that no step lasts long and a copy that nobody wants any more can be ended.
 */
#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "backend/dir_private.h"

/* Of one step: 1 s at 64 MB/s. */
#define STRETCH ((size_t)64 * 1024 * 1024)

/* Is it the file system that does not copy, in general or these two files? */
static bool is_unsupported(int why)
{
	return why == EXDEV || why == EINVAL || why == ENOSYS || why == EOPNOTSUPP;
}

static enum err copy_error(struct dir_write *w)
{
	if (is_unsupported(errno))
		return err_set(&w->job.error, ERR_UNSUPPORTED, "copy %s: %m", w->path);
	return dir_error(&w->job.error, "copy", w->path);
}

static enum err copy_stretch(struct dir_write *w)
{
	size_t left = w->size - w->copied < STRETCH ? (size_t)(w->size - w->copied) : STRETCH;
	size_t all = left;

	while (left > 0) {
		ssize_t n = copy_file_range(w->from, NULL, w->fd, NULL, left, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return copy_error(w);
		if (n == 0)
			return err_set(&w->job.error, ERR_PROTOCOL,
			               "copy %s: the source has become shorter", w->path);
		left -= (size_t)n;
	}
	w->copied += all;
	return dir_write_sync(w, all);
}

/* Some file systems that share blocks do so only when asked in this way. */
static enum err begin(struct dir_write *w)
{
	enum err r = dir_write_begin(w);

	if (r == ERR_OK && ioctl(w->fd, FICLONE, w->from) == 0)
		w->copied = w->size;
	return r;
}

void dir_copy_step(void *write)
{
	struct dir_write *w = write;

	w->job.result = w->fd < 0 ? begin(w) : ERR_OK;
	if (w->job.result == ERR_OK)
		w->job.result = copy_stretch(w);
	w->last = w->copied == w->size;
	if (w->job.result == ERR_OK && w->last)
		w->job.result = dir_write_finish(w);
	if (w->job.result != ERR_OK || w->last)
		dir_write_abort(w);
}
