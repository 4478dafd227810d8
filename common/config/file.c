/* SPDX-License-Identifier: MIT
 *
 * Reading small regular files, see file.h.
 */
#include "config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const char *read_all(int fd, struct buf *out)
{
	for (;;) {
		ssize_t n;

		buf_reserve(out, 16384);
		n = read(fd, out->p + out->n, 16384);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return strerror(errno);
		if (n == 0)
			return NULL;
		out->n += (size_t)n;
		if (out->n > FILE_SIZE_MAX)
			return "larger than 1 MiB";
	}
}

const char *file_read(const char *path, struct buf *out, struct stat *st)
{
	/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	const char *wrong;

	if (fd < 0)
		return strerror(errno);
	if (fstat(fd, st))
		wrong = strerror(errno);
	else if (!S_ISREG(st->st_mode))
		wrong = "not a regular file";
	else
		wrong = read_all(fd, out);
	close(fd);
	return wrong;
}
