/* SPDX-License-Identifier: MIT
 *
 * A body over a file. The loop must not wait for a disk: it reads only what the
 * page cache holds (RWF_NOWAIT) and leaves the rest to an offload thread.
 * sendfile() has no such flag, so before a piece is offered for it mincore() is
 * asked, 2 us for a MiB, and a cold piece is read in by a thread.
 */
#include "net/file_body.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/body.h"
#include "rt/offload.h"
#include "rt/task.h"

/* Offered for sendfile() at a time: long enough to make a thread switch cheap,
 * short enough not to be evicted before it is sent. */
#define RAW_PIECE ((size_t)1024 * 1024)
#define PAGE      ((size_t)4096) /* the smallest there is; more entries do no harm */

struct file_body {
	struct body body;
	int fd;
	uint64_t off, left;
	struct offload_lane *lane;
	uint64_t warm; /* up to here it was in memory when last looked at */
};

struct cold_read {
	int fd;
	void *buf; /* NULL: only bring it into memory */
	size_t n;
	uint64_t off;
	ssize_t result; /* -errno */
};

static ssize_t read_all(int fd, void *buf, size_t n, uint64_t off)
{
	ssize_t r;

	do
		r = pread(fd, buf, n, (off_t)off);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

static void read_cold(void *arg)
{
	struct cold_read *c = arg;
	char scratch[64 * 1024]; /* of a thread's stack, 8 MiB */

	if (c->buf != NULL) {
		c->result = read_all(c->fd, c->buf, c->n, c->off);
		return;
	}
	for (size_t done = 0; done < c->n; done += (size_t)c->result) {
		size_t piece = c->n - done < sizeof(scratch) ? c->n - done : sizeof(scratch);

		c->result = read_all(c->fd, scratch, piece, c->off + done);
		if (c->result <= 0)
			return;
	}
}

static ssize_t read_on_thread(int fd, void *buf, size_t n, uint64_t off)
{
	struct cold_read c = {.fd = fd, .buf = buf, .n = n, .off = off};
	int r = task_offload(read_cold, &c);

	return r < 0 ? r : c.result;
}

/* What is in memory. 0 as well as an error may only mean that nothing is. */
static ssize_t read_warm(int fd, void *buf, size_t n, uint64_t off)
{
	struct iovec iov = {.iov_base = buf, .iov_len = n};

	return preadv2(fd, &iov, 1, (off_t)off, RWF_NOWAIT);
}

ssize_t file_read_at(int fd, void *buf, size_t n, uint64_t off, struct error *e)
{
	ssize_t r = read_warm(fd, buf, n, off);

	if (r <= 0)
		r = read_on_thread(fd, buf, n, off);
	if (r <= 0) {
		errno = r == 0 ? EIO : (int)-r;
		err_set(e, ERR_IO, "read: %s%m", r == 0 ? "the file is too short: " : "");
		return -1;
	}
	return r;
}

/* --- the body ------------------------------------------------------------- */

/* A read that may be given up: with memory and a descriptor of its own. */
struct lane_read {
	struct cold_read read;
	char bytes[]; /* n, unless it is only brought into memory */
};

static void lane_read(void *arg)
{
	struct lane_read *l = arg;

	read_cold(&l->read);
}

static void lane_read_free(void *arg)
{
	struct lane_read *l = arg;

	close(l->read.fd);
	free(l);
}

/* As read_on_thread(). */
static ssize_t read_in_lane(const struct file_body *f, void *buf, size_t n)
{
	struct lane_read *l = mem_alloc(sizeof(*l) + (buf != NULL ? n : 0));
	ssize_t r;

	l->read = (struct cold_read){
		.fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0),
		.buf = buf != NULL ? l->bytes : NULL,
		.n = n,
		.off = f->off,
	};
	r = offload_run(f->lane, lane_read, l, lane_read_free);
	if (r == -ETIMEDOUT) /* by the lane's patience or by cancellation */
		return task_is_cancelled() ? -ECANCELED : r;
	if (r == 0) {
		r = l->read.result;
		if (buf != NULL && r > 0)
			memcpy(buf, l->bytes, (size_t)r);
	}
	lane_read_free(l);
	return r == -EBUSY ? -ETIMEDOUT : r;
}

static enum err read_error(ssize_t r, struct error *e)
{
	if (r == -ECANCELED)
		return err_set(e, ERR_CANCELED, "cancelled");
	errno = r == 0 ? EIO : (int)-r;
	return err_set(e, r == -ETIMEDOUT ? ERR_TIMEOUT : ERR_IO, "read: %s%m",
	               r == 0 ? "the file is too short: " : "");
}

static ssize_t file_read(struct body *b, void *buf, size_t n, int64_t idle_us, struct error *e)
{
	struct file_body *f = (struct file_body *)b;
	ssize_t r;

	(void)idle_us; /* the lane has its own patience */
	if (n > f->left)
		n = (size_t)f->left;
	if (n == 0)
		return 0;
	if (task_is_cancelled())
		return err_set(e, ERR_CANCELED, "cancelled"), -1;
	r = read_warm(f->fd, buf, n, f->off);
	if (r <= 0)
		r = read_in_lane(f, buf, n);
	if (r <= 0)
		return read_error(r, e), -1;
	f->off += (uint64_t)r;
	f->left -= (uint64_t)r;
	return r;
}

static bool is_in_memory(int fd, uint64_t off, size_t n)
{
	unsigned char pages[RAW_PIECE / PAGE + 1];
	uint64_t start = off & ~(uint64_t)(PAGE - 1);
	size_t length = (size_t)(off - start) + n;
	void *map = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, (off_t)start);
	bool all = true;

	if (map == MAP_FAILED)
		return false;
	if (mincore(map, length, pages) < 0)
		all = false;
	for (size_t i = 0; all && i < (length + PAGE - 1) / PAGE; i++)
		all = (pages[i] & 1) != 0;
	munmap(map, length);
	return all;
}

static uint64_t file_raw(struct body *b, struct stream **from, int *file, int64_t *off)
{
	struct file_body *f = (struct file_body *)b;
	size_t n = f->left < RAW_PIECE ? (size_t)f->left : RAW_PIECE;

	*from = NULL;
	*file = f->fd;
	*off = (int64_t)f->off;
	if (n == 0 || task_is_cancelled())
		return 0;
	if (f->off < f->warm)
		return f->warm - f->off;
	if (!is_in_memory(f->fd, f->off, n) && read_in_lane(f, NULL, n) <= 0)
		return 0; /* read() will tell the error */
	f->warm = f->off + n;
	return n;
}

static void file_taken(struct body *b, uint64_t n)
{
	struct file_body *f = (struct file_body *)b;

	f->off += n;
	f->left -= n;
}

static void file_close(struct body *b)
{
	struct file_body *f = (struct file_body *)b;

	close(f->fd);
	free(f);
}

struct body *file_body(int fd, uint64_t off, uint64_t n, struct offload_lane *lane)
{
	static const struct body_ops ops = {
		.read = file_read,
		.close = file_close,
		.raw = file_raw,
		.taken = file_taken,
	};
	struct file_body *f = MEM_NEW(struct file_body);

	*f = (struct file_body){
		.body = {.ops = &ops, .size = n},
		.fd = fd,
		.off = off,
		.left = n,
		.lane = lane,
	};
	return &f->body;
}
