/* SPDX-License-Identifier: MIT
 *
 * Bodies on their way to a backend: in memory or in an unlinked file. Written
 * by one task, read by others; the complication is that readers may be ahead of
 * the writer and wait for it, and that file I/O happens on other threads while
 * the task is parked.
 */
#include "object/spool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/file_body.h"
#include "rt/sync.h"
#include "rt/task.h"

/* What is written to the file at once: more, while the budget lasts, because each
 * time costs two thread switches. */
#define BLOCK_SIZE (256 * 1024)
#define BLOCK_MIN  (16 * 1024)
/* Withheld from readers until the spool is sealed. A body without its last
 * byte is never taken for complete; a block makes no short packets. */
#define HOLD_BACK (64 * 1024)

/* A file up to this size is closed on the loop: freeing its pages and blocks takes
 * about 0.5 ms, and 28 ms for each GiB. */
#define CLOSE_MAX (16 * 1024 * 1024)

struct spool {
	struct spool_budget *budget;
	uint64_t size; /* announced; of an open spool the most it may have */
	bool open;     /* the size is not known yet */
	uint64_t written;
	uint64_t charged; /* bytes taken from the budget */
	char *memory;     /* all of the body so far; or one block, when fd != -1 */
	size_t block;     /* its size */
	size_t filled;    /* of the block, when fd != -1 */
	int fd;
	bool sealed;
	enum err failed;
	struct notify grown;
};

static int open_unlinked(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd;
	char path[4096];
	snprintf(path, sizeof(path), "%s/s3o-put-XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static bool has_budget(const struct spool_budget *b, uint64_t n)
{
	return b->used <= b->limit && n <= b->limit - b->used;
}

static size_t choose_block(const struct spool_budget *b, uint64_t size)
{
	size_t n = has_budget(b, BLOCK_SIZE) ? BLOCK_SIZE : BLOCK_MIN;
	return size < n ? (size_t)size : n;
}

struct spool *spool_new(struct spool_budget *b, uint64_t size)
{
	struct spool *s = mem_alloc(sizeof(*s));
	s->budget = b;
	s->size = size;
	s->fd = -1;
	bool fits = size <= b->threshold && has_budget(b, size);
	s->block = fits ? size : choose_block(b, size);
	if (!fits)
		s->fd = -2; /* opened with the first block, where an error can be told */
	s->charged = s->block;
	b->used += s->charged;
	s->memory = mem_alloc(s->charged ? s->charged : 1);
	return s;
}

struct spool *spool_new_open(struct spool_budget *b, uint64_t max)
{
	struct spool *s = spool_new(b, max < BLOCK_MIN ? max : BLOCK_MIN);
	s->size = max;
	s->open = true;
	return s;
}

static void resize_memory(struct spool *s, size_t n)
{
	s->memory = mem_resize(s->memory, n);
	s->budget->used = s->budget->used - s->charged + n;
	s->charged = s->block = n;
}

static void close_file(void *arg)
{
	close(*(int *)arg);
}

void spool_free(struct spool **sp)
{
	struct spool *s = *sp;
	if (!s)
		return;
	*sp = NULL;
	s->budget->used -= s->charged;
	free(s->memory);
	if (s->fd >= 0 && (s->written <= CLOSE_MAX || task_offload(close_file, &s->fd) < 0))
		close_file(&s->fd);
	free(s);
}

static bool in_file(const struct spool *s)
{
	return s->fd != -1;
}

struct block_write {
	struct spool *s;
	off_t offset;
	int error;
};

static void write_block(void *arg)
{
	struct block_write *w = arg;
	struct spool *s = w->s;
	if (s->fd < 0 && (s->fd = open_unlinked(s->budget->dir)) < 0) {
		w->error = errno;
		s->fd = -2;
		return;
	}
	for (size_t done = 0; done < s->filled;) {
		ssize_t n =
			pwrite(s->fd, s->memory + done, s->filled - done, w->offset + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			w->error = errno;
			return;
		}
		done += (size_t)n;
	}
}

/* Moves what is in the block to the file. */
static enum err flush(struct spool *s, struct error *e)
{
	struct block_write w = {.s = s, .offset = (off_t)(s->written - s->filled)};
	if (task_offload(write_block, &w) < 0)
		w.error = EAGAIN;
	if (w.error)
		return err_set(e, w.error == ENOSPC || w.error == EDQUOT ? ERR_NO_SPACE : ERR_IO,
		               "temporary file in %s: %s", s->budget->dir, strerror(w.error));
	s->filled = 0;
	return ERR_OK;
}

/* From memory to a file: all that is there is the first block. */
static enum err leave_memory(struct spool *s, struct error *e)
{
	s->fd = -2;
	s->filled = s->written;
	enum err r = flush(s, e);
	if (r != ERR_OK)
		return r;
	s->budget->used -= s->charged;
	s->charged = 0;
	resize_memory(s, choose_block(s->budget, s->size - s->written));
	return ERR_OK;
}

/* More room for an open spool whose memory is full: twice as much, or a file. */
static enum err grow(struct spool *s, struct error *e)
{
	const struct spool_budget *b = s->budget;
	uint64_t want = 2 * (uint64_t)s->block;
	if (want > s->size)
		want = s->size;
	if (want > b->threshold)
		want = b->threshold;
	if (want <= s->block || !has_budget(b, want - s->block))
		return leave_memory(s, e);
	resize_memory(s, want);
	return ERR_OK;
}

enum err spool_space(struct spool *s, void **p, size_t *n, struct error *e)
{
	uint64_t left = s->size - s->written;
	if (left == 0)
		return err_set(e, ERR_TOO_LARGE, "body is longer than announced");
	if (!in_file(s) && s->written == s->block && grow(s, e) != ERR_OK)
		return e->code;
	size_t at = in_file(s) ? s->filled : s->written;
	*p = s->memory + at;
	*n = s->block - at;
	if (*n > left)
		*n = left;
	return ERR_OK;
}

enum err spool_commit(struct spool *s, size_t n, struct error *e)
{
	assert(s->written + n <= s->size && !s->sealed);
	s->written += n;
	if (in_file(s)) {
		s->filled += n;
		if ((s->filled == s->block || s->written == s->size) && flush(s, e) != ERR_OK)
			return e->code;
	}
	notify_all(&s->grown);
	return ERR_OK;
}

enum err spool_end(struct spool *s, struct error *e)
{
	assert(s->open && !s->sealed);
	if (s->filled > 0 && flush(s, e) != ERR_OK)
		return e->code;
	s->size = s->written;
	s->open = false;
	return ERR_OK;
}

void spool_seal(struct spool *s)
{
	assert(!s->open && s->written == s->size && s->filled == 0);
	s->sealed = true;
	notify_all(&s->grown);
}

void spool_fail(struct spool *s, enum err why)
{
	s->failed = why;
	notify_all(&s->grown);
}

uint64_t spool_size(const struct spool *s)
{
	return s->size;
}

bool spool_in_memory(const struct spool *s, const void **p)
{
	*p = s->memory;
	return !in_file(s);
}

/* --- reading --------------------------------------------------------------- */

struct spool_reader {
	struct body body;
	struct spool *s;
	uint64_t at;
};

/* How far readers may go now. */
static uint64_t readable(const struct spool *s)
{
	if (s->sealed)
		return s->size;
	uint64_t stored = s->written - s->filled;
	uint64_t most = s->size > HOLD_BACK ? s->size - HOLD_BACK : 0;
	return stored < most ? stored : most;
}

static ssize_t reader_read(struct body *b, void *buf, size_t n, int64_t idle_us, struct error *e)
{
	struct spool_reader *r = (struct spool_reader *)b;
	struct spool *s = r->s;
	(void)idle_us; /* the writer has bounds of its own, and fails the spool */
	while (r->at < s->size && readable(s) <= r->at && !s->failed) {
		if (notify_wait(&s->grown, INT64_MAX) < 0) {
			err_set(e, ERR_CANCELED, "cancelled");
			return -1;
		}
	}
	if (s->failed) {
		err_set(e, s->failed, "the upload failed");
		return -1;
	}
	if (r->at == s->size)
		return 0;
	uint64_t most = readable(s) - r->at;
	if (n > most)
		n = most;
	if (!in_file(s)) {
		memcpy(buf, s->memory + r->at, n);
	} else {
		struct error why;
		ssize_t got = file_read_at(s->fd, buf, n, r->at, &why);
		if (got < 0) {
			err_set(e, ERR_IO, "temporary file in %s: %s", s->budget->dir, why.text);
			return -1;
		}
		n = (size_t)got;
	}
	r->at += n;
	return (ssize_t)n;
}

static void reader_close(struct body *b)
{
	free(b);
}

/* A sealed spool in a file was written moments ago: it lies in the page cache,
 * and sendfile() takes it from there. */
static uint64_t reader_raw(struct body *b, struct stream **from, int *file, int64_t *off)
{
	struct spool_reader *r = (struct spool_reader *)b;
	*from = NULL;
	if (r->s->fd < 0 || !r->s->sealed || r->s->failed)
		return 0;
	*file = r->s->fd;
	*off = (int64_t)r->at;
	return r->s->size - r->at;
}

static void reader_taken(struct body *b, uint64_t n)
{
	((struct spool_reader *)b)->at += n;
}

static const struct body_ops reader_ops = {
	.read = reader_read,
	.close = reader_close,
	.raw = reader_raw,
	.taken = reader_taken,
};

struct body *spool_body(struct spool *s)
{
	assert(!s->open);
	struct spool_reader *r = mem_alloc(sizeof(*r));
	r->body.ops = &reader_ops;
	r->body.size = s->size;
	r->s = s;
	return &r->body;
}
