/* SPDX-License-Identifier: MIT
 *
 * The body of the message whose head was read last, in each framing. Bytes that
 * came with the head are taken from the input buffer; the rest goes straight
 * into the reader's memory, or is offered to splice.
 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "net/http_conn_private.h"

#define DRAIN_PIECE (8 * 1024)

void http_conn_begin_body(struct http_conn *c, const struct http_head *h)
{
	c->framing = h->framing;
	c->keep_alive = h->keep_alive;
	c->left = h->framing == HTTP_BODY_LENGTH ? h->content_length : 0;
	c->chunked = (struct http1_chunked){0};
	c->ended = h->framing == HTTP_BODY_NONE || (h->framing == HTTP_BODY_LENGTH && !c->left);
}

static struct http_conn *of_body(struct body *b)
{
	return (struct http_conn *)b; /* its first member */
}

/* Up to n bytes, from the buffer or straight from the stream. Small reads of
 * something longer fill the buffer instead of making a system call each. */
static ssize_t take(struct http_conn *c, char *to, size_t n, uint64_t left, int64_t idle_us)
{
	if (http_conn_buffered(c) == 0) {
		int64_t deadline = clock_deadline(idle_us);
		ssize_t r;

		if (n >= HTTP_CONN_INPUT_SIZE || n >= left)
			return stream_read(c->s, to, n < left ? n : (size_t)left, deadline);
		if ((r = http_conn_fill(c, deadline)) <= 0)
			return r;
	}
	if (n > http_conn_buffered(c))
		n = http_conn_buffered(c);
	if (n > left)
		n = (size_t)left;
	memcpy(to, c->buf + c->pos, n);
	http_conn_consume(c, n);
	return (ssize_t)n;
}

static ssize_t fail_read(struct http_conn *c, ssize_t r, struct error *e)
{
	http_conn_broken(c, e, r, "reading a body");
	return -1;
}

static ssize_t read_length(struct http_conn *c, char *to, size_t n, int64_t idle_us,
                           struct error *e)
{
	ssize_t r = take(c, to, n, c->left, idle_us);

	if (r <= 0)
		return fail_read(c, r, e);
	c->left -= (uint64_t)r;
	c->ended = c->left == 0;
	return r;
}

static ssize_t read_until_close(struct http_conn *c, char *to, size_t n, int64_t idle_us,
                                struct error *e)
{
	ssize_t r = take(c, to, n, UINT64_MAX, idle_us);

	if (r < 0)
		return fail_read(c, r, e);
	c->ended = r == 0;
	return r;
}

/* Inside a chunk with nothing buffered: as with a length. */
static ssize_t read_chunk_rest(struct http_conn *c, char *to, size_t n, int64_t idle_us,
                               struct error *e)
{
	ssize_t r = take(c, to, n, c->chunked.left, idle_us);
	const char *data;
	size_t used, data_n;

	if (r <= 0)
		return fail_read(c, r, e);
	http1_chunked_feed(&c->chunked, to, (size_t)r, &used, &data, &data_n);
	assert(data == to && data_n == (size_t)r);
	return r;
}

/* What the buffer holds: the framing before the data, and up to n bytes of data.
 * 0 when it holds only framing; *result tells about the end. */
static size_t decode_buffered(struct http_conn *c, char *to, size_t n, enum http1_result *result)
{
	/* n bytes of input hold at most n bytes of data. */
	size_t limit = http_conn_buffered(c) < n ? http_conn_buffered(c) : n;
	const char *data;
	size_t used, data_n;

	*result = http1_chunked_feed(&c->chunked, c->buf + c->pos, limit, &used, &data, &data_n);
	if (data_n > 0)
		memcpy(to, data, data_n);
	http_conn_consume(c, used);
	return data_n;
}

/* Bytes of the framing are no progress: they do not prolong the wait. */
static ssize_t read_chunked(struct http_conn *c, char *to, size_t n, int64_t idle_us,
                            struct error *e)
{
	int64_t deadline = clock_deadline(idle_us);

	for (;;) {
		enum http1_result result;
		ssize_t r;

		if (http_conn_buffered(c) > 0) {
			size_t got = decode_buffered(c, to, n, &result);

			if (result == HTTP1_BAD) {
				c->broken = true;
				err_set(e, ERR_PROTOCOL, "malformed chunk");
				return -1;
			}
			c->ended = result == HTTP1_DONE;
			if (got > 0 || c->ended)
				return (ssize_t)got;
			continue;
		}
		if (http1_chunked_in_data(&c->chunked))
			return read_chunk_rest(c, to, n, idle_us, e);
		if ((r = http_conn_fill(c, deadline)) <= 0)
			return fail_read(c, r, e);
	}
}

static ssize_t read_some(struct http_conn *c, void *buf, size_t n, int64_t idle_us, struct error *e)
{
	switch (c->framing) {
	case HTTP_BODY_LENGTH:
		return read_length(c, buf, n, idle_us, e);
	case HTTP_BODY_CHUNKED:
		return read_chunked(c, buf, n, idle_us, e);
	case HTTP_BODY_CLOSE:
		return read_until_close(c, buf, n, idle_us, e);
	case HTTP_BODY_NONE:
		break;
	}
	return 0;
}

static ssize_t conn_body_read(struct body *b, void *buf, size_t n, int64_t idle_us, struct error *e)
{
	struct http_conn *c = of_body(b);
	ssize_t r;

	if (c->ended)
		return 0;
	if (c->broken) {
		err_set(e, ERR_IO, "reading a body: connection is broken");
		return -1;
	}
	r = read_some(c, buf, n, idle_us, e);
	if (r > 0)
		c->body_bytes += (uint64_t)r;
	return r;
}

static uint64_t conn_body_raw(struct body *b, struct stream **from, int *file, int64_t *off)
{
	struct http_conn *c = of_body(b);

	(void)file;
	(void)off;
	if (c->framing != HTTP_BODY_LENGTH || c->broken || http_conn_buffered(c) > 0 ||
	    !stream_is_plain(c->s))
		return 0;
	*from = c->s;
	return c->left;
}

static void conn_body_taken(struct body *b, uint64_t n)
{
	struct http_conn *c = of_body(b);

	assert(n <= c->left);
	c->left -= n;
	c->body_bytes += n;
	c->ended = c->left == 0;
}

/* The connection is its owner's; what is unread shows in http_conn_reusable(). */
static void conn_body_close(struct body *b)
{
	(void)b;
}

static uint64_t size_of(const struct http_head *h)
{
	switch (h->framing) {
	case HTTP_BODY_NONE:
		return 0;
	case HTTP_BODY_LENGTH:
		return h->content_length;
	default:
		return BODY_SIZE_UNKNOWN;
	}
}

struct body *http_conn_body(struct http_conn *c, const struct http_head *h)
{
	static const struct body_ops ops = {
		.read = conn_body_read,
		.close = conn_body_close,
		.raw = conn_body_raw,
		.taken = conn_body_taken,
	};

	c->body = (struct body){.ops = &ops, .size = size_of(h)};
	return &c->body;
}

bool http_conn_reusable(const struct http_conn *c)
{
	return c->ended && c->keep_alive && !c->broken && c->framing != HTTP_BODY_CLOSE;
}

static int64_t time_left(int64_t deadline)
{
	return deadline == CLOCK_NEVER ? CLOCK_NEVER : deadline - clock_mono();
}

bool http_conn_drain(struct http_conn *c, uint64_t max, int64_t within_us)
{
	char scrap[DRAIN_PIECE];
	int64_t deadline = clock_deadline(within_us);

	if (!c->ended && c->framing == HTTP_BODY_LENGTH && c->left > max)
		return false;
	while (!c->ended) {
		size_t n = max < sizeof scrap ? (size_t)max : sizeof scrap;
		ssize_t r;

		if (n == 0 || time_left(deadline) <= 0 ||
		    (r = conn_body_read(&c->body, scrap, n, time_left(deadline), NULL)) < 0)
			return false;
		max -= (uint64_t)r;
	}
	return true;
}

uint64_t http_conn_body_bytes(const struct http_conn *c)
{
	return c->body_bytes;
}
