/* SPDX-License-Identifier: MIT
 *
 * Moving a body to a stream. Small bodies go through the stack, large ones
 * through a pooled buffer, and what the kernel can move by itself (socket to
 * socket, file to socket, no TLS) is never copied. The choice is made anew for
 * each piece, because a body may begin with bytes that are in memory already.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/body.h"
#include "net/stream.h"

#define SMALL_MAX   (16 * 1024)  /* on the stack: a 16th of a task's */
#define PIECE_SIZE  (128 * 1024) /* fewest system calls that still fit the L2 cache */
#define PIECES_IDLE 16           /* buffers kept per process: 2 MiB */
#define RAW_MIN     (32 * 1024)  /* below, two splices cost more than a copy */

struct sending {
	struct body *body;
	struct stream *to;
	struct str head; /* not sent yet */
	int64_t idle_us;
	uint64_t sent;
	char *buf;
	size_t cap;
	bool raw; /* worth trying */
	bool sink_failed;
	struct error *e;
};

static void *idle_pieces[PIECES_IDLE];
static int n_idle_pieces;

static char *piece_get(void)
{
	return n_idle_pieces > 0 ? idle_pieces[--n_idle_pieces] : mem_resize(NULL, PIECE_SIZE);
}

static void piece_put(char *p)
{
	if (n_idle_pieces < PIECES_IDLE)
		idle_pieces[n_idle_pieces++] = p;
	else
		free(p);
}

ssize_t body_read(struct body *b, void *buf, size_t n, int64_t idle_us, struct error *e)
{
	return b->ops->read(b, buf, n, idle_us, e);
}

void body_close(struct body **b)
{
	if (*b)
		(*b)->ops->close(*b);
	*b = NULL;
}

static enum err sink_error(struct sending *s, int r)
{
	s->sink_failed = true;
	return stream_error(s->e, r, "sending a body");
}

static uint64_t left_of(const struct sending *s)
{
	return s->body->size == BODY_SIZE_UNKNOWN ? UINT64_MAX : s->body->size - s->sent;
}

/* Head and piece in one system call. */
static enum err write_piece(struct sending *s, size_t n)
{
	struct iovec iov[2] = {
		{.iov_base = (void *)s->head.p, .iov_len = s->head.n},
		{.iov_base = s->buf, .iov_len = n},
	};
	int r = stream_write(s->to, iov, 2, s->idle_us);

	s->head = STR_NULL;
	s->sent += n - iov[1].iov_len;
	return r < 0 ? sink_error(s, r) : ERR_OK;
}

/* One piece through memory. *end at the end of the body. */
static enum err copy_piece(struct sending *s, bool *end)
{
	ssize_t n = body_read(s->body, s->buf, s->cap, s->idle_us, s->e);

	if (n < 0)
		return s->e->code;
	if ((uint64_t)n > left_of(s))
		return err_set(s->e, ERR_PROTOCOL, "body is longer than its size");
	*end = n == 0;
	if (*end && left_of(s) > 0 && s->body->size != BODY_SIZE_UNKNOWN)
		return err_set(s->e, ERR_PROTOCOL, "body is shorter than its size");
	return *end && s->head.n == 0 ? ERR_OK : write_piece(s, (size_t)n);
}

/* What may be moved without reading it, and from where. */
static uint64_t raw_offer(struct sending *s, struct stream **from, int *file, int64_t *off)
{
	uint64_t n;

	*from = NULL;
	*file = -1;
	*off = 0;
	if (!s->raw)
		return 0;
	n = s->body->ops->raw(s->body, from, file, off);
	if (n < RAW_MIN || (*from && !stream_is_plain(*from)))
		return 0;
	return n < left_of(s) ? n : left_of(s);
}

static enum err write_head(struct sending *s)
{
	int r = stream_write_more(s->to, s->head.p, s->head.n, s->idle_us);

	s->head = STR_NULL;
	return r < 0 ? sink_error(s, r) : ERR_OK;
}

static enum err move_raw(struct sending *s, uint64_t n, struct stream *from, int file, int64_t off)
{
	uint64_t moved;
	bool from_failed;
	enum err rc;
	int r;

	if (s->head.n > 0 && (rc = write_head(s)))
		return rc;
	if (from)
		r = stream_splice(s->to, from, n, s->idle_us, &moved, &from_failed);
	else
		r = stream_sendfile(s->to, file, off, n, s->idle_us, &moved, &from_failed);
	s->sent += moved;
	s->body->ops->taken(s->body, moved);
	if ((r == -EMFILE || r == -ENFILE) && moved == 0) {
		s->raw = false; /* no pipe left: copy */
		return ERR_OK;
	}
	/* read() says what is wrong with the source, or goes on elsewhere. */
	if (r < 0 && from_failed) {
		s->raw = false;
		return ERR_OK;
	}
	return r < 0 ? sink_error(s, r) : ERR_OK;
}

static enum err send_all(struct sending *s)
{
	bool end = false;
	enum err rc = ERR_OK;

	while (!rc && !end) {
		struct stream *from;
		int file;
		int64_t off;
		uint64_t n = raw_offer(s, &from, &file, &off);

		rc = n > 0 ? move_raw(s, n, from, file, off) : copy_piece(s, &end);
	}
	return rc;
}

enum err body_send_after(struct body *b, struct stream *to, struct str head, int64_t idle_us,
                         uint64_t *sent, bool *sink_failed, struct error *e)
{
	char small[SMALL_MAX];
	struct error ignored;
	bool is_small = b->size <= sizeof small;
	struct sending s = {
		.body = b,
		.to = to,
		.head = head,
		.idle_us = idle_us,
		.buf = is_small ? small : piece_get(),
		.cap = is_small ? sizeof small : PIECE_SIZE,
		.raw = b->ops->raw && stream_is_plain(to),
		.e = e ? e : &ignored,
	};
	enum err rc = send_all(&s);

	if (!is_small)
		piece_put(s.buf);
	*sent = s.sent;
	*sink_failed = s.sink_failed;
	return rc;
}

enum err body_send(struct body *b, struct stream *to, int64_t idle_us, uint64_t *sent,
                   bool *sink_failed, struct error *e)
{
	return body_send_after(b, to, STR_NULL, idle_us, sent, sink_failed, e);
}

struct memory_body {
	struct body body;
	const char *p;
	size_t left;
};

static ssize_t memory_read(struct body *b, void *buf, size_t n, int64_t idle_us, struct error *e)
{
	struct memory_body *m = (struct memory_body *)b;

	(void)idle_us;
	(void)e;
	if (n > m->left)
		n = m->left;
	if (n > 0)
		memcpy(buf, m->p, n);
	m->p += n;
	m->left -= n;
	return (ssize_t)n;
}

static void memory_close(struct body *b)
{
	free(b);
}

struct body *body_of_memory(const void *p, size_t n)
{
	static const struct body_ops ops = {.read = memory_read, .close = memory_close};
	struct memory_body *m = MEM_NEW(struct memory_body);

	*m = (struct memory_body){.body = {&ops, n}, .p = p ? p : "", .left = n};
	return &m->body;
}
