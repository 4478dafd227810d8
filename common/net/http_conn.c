/* SPDX-License-Identifier: MIT
 *
 * An HTTP/1.1 connection. The input buffer exists only while it holds bytes: it is
 * allocated to receive and freed when the last byte has been used, so an idle
 * connection has none, and large bodies go past it straight into the reader's
 * memory. While the rest of a head is awaited it shrinks to what it holds. A head
 * is copied to the arena when complete, so that it outlives the buffer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http_conn_private.h"

#define INTERIM_MAX 16 /* 1xx answers before the real one */

/* Heads may be large, but not all at once: anybody may begin one, without being
 * known. Bytes of input buffers of this process beyond their first size. */
#define LARGE_HEADS_MAX (64 * 1024 * 1024)

static size_t large_heads;

static void free_input(struct http_conn *c)
{
	if (c->cap > HTTP_CONN_INPUT_SIZE)
		large_heads -= c->cap - HTTP_CONN_INPUT_SIZE;
	free(c->buf);
	c->buf = NULL;
	c->cap = c->pos = c->end = 0;
}

struct http_conn *http_conn_new(struct stream *s)
{
	struct http_conn *c = MEM_NEW(struct http_conn);

	c->s = s;
	return c;
}

void http_conn_close(struct http_conn **c)
{
	if (!*c)
		return;
	stream_close(&(*c)->s);
	free_input(*c);
	free(*c);
	*c = NULL;
}

struct stream *http_conn_stream(struct http_conn *c)
{
	return c->s;
}

size_t http_conn_buffered(const struct http_conn *c)
{
	return c->end - c->pos;
}

static void free_if_empty(struct http_conn *c)
{
	if (c->pos == c->end)
		free_input(c);
}

void http_conn_consume(struct http_conn *c, size_t n)
{
	c->pos += n;
	c->scanned = 0;
	c->probe = 0;
	free_if_empty(c);
}

/* Makes room for at least one byte more. False: too many large heads. */
static bool make_room(struct http_conn *c)
{
	if (c->end < c->cap)
		return true;
	if (c->pos > 0) {
		memmove(c->buf, c->buf + c->pos, http_conn_buffered(c));
		c->end -= c->pos;
		c->pos = 0;
	} else if (c->cap < HTTP_CONN_INPUT_SIZE) {
		c->cap = HTTP_CONN_INPUT_SIZE;
		c->buf = mem_resize(c->buf, c->cap);
	} else {
		if (large_heads + c->cap > LARGE_HEADS_MAX)
			return false;
		large_heads += c->cap;
		c->cap *= 2;
		c->buf = mem_resize(c->buf, c->cap);
	}
	return true;
}

static ssize_t try_fill(struct http_conn *c)
{
	ssize_t r;

	if (!make_room(c))
		return -ENOBUFS;
	r = stream_try_read(c->s, c->buf + c->end, c->cap - c->end);
	if (r > 0)
		c->end += (size_t)r;
	free_if_empty(c);
	return r;
}

ssize_t http_conn_fill(struct http_conn *c, int64_t deadline)
{
	ssize_t r;
	int waited;

	while ((r = try_fill(c)) == -EAGAIN)
		if ((waited = stream_wait_read(c->s, deadline)) < 0)
			return waited;
	return r;
}

static void shrink_input(struct http_conn *c)
{
	size_t n = http_conn_buffered(c);

	if (n == 0 || n == c->cap || c->cap > HTTP_CONN_INPUT_SIZE)
		return;
	if (c->pos > 0)
		memmove(c->buf, c->buf + c->pos, n);
	c->pos = 0;
	c->end = c->cap = n;
	c->buf = mem_resize(c->buf, n);
}

int http_conn_call_on_read(struct http_conn *c, void (*fn)(void *arg), void *arg)
{
	shrink_input(c);
	return stream_call_on_read(c->s, fn, arg);
}

/* Is it worth parsing? Always at first; later when an empty line has come, or
 * when the bytes have doubled, so that garbage without one is refused before it
 * has filled the buffer. Byte by byte a head would cost quadratic time. */
static bool may_be_complete(struct http_conn *c)
{
	size_t n = http_conn_buffered(c);
	size_t from = c->scanned > 3 ? c->scanned - 3 : 0;
	bool found = memmem(c->buf + c->pos + from, n - from, "\r\n\r\n", 4) != NULL;

	c->scanned = n;
	if (!found && n < c->probe && n < HTTP1_HEAD_MAX)
		return false;
	c->probe = 2 * n;
	return true;
}

static struct str moved(struct str s, const char *from, const char *to)
{
	return s.n > 0 ? str_n(to + (s.p - from), s.n) : STR_NULL;
}

/* Lets the head live in the arena instead of the input buffer. */
static void keep_head(struct http_head *h, const char *from, size_t n, struct arena *a)
{
	const char *to = arena_strndup(a, from, n);

	h->method = moved(h->method, from, to);
	h->target = moved(h->target, from, to);
	h->reason = moved(h->reason, from, to);
	for (size_t i = 0; i < h->n_fields; i++) {
		h->fields[i].name = moved(h->fields[i].name, from, to);
		h->fields[i].value = moved(h->fields[i].value, from, to);
	}
}

/* Whose head is awaited: method is NULL on the server side. */
static enum http1_result parse_buffered(struct http_conn *c, const struct str *method,
                                        struct arena *a, struct http_head *h, const char **why)
{
	const char *p = c->buf + c->pos;
	size_t n = http_conn_buffered(c), used;
	enum http1_result r;

	if (n == 0 || !may_be_complete(c))
		return HTTP1_MORE;
	r = method ? http1_parse_response(p, n, *method, a, h, &used, why)
	           : http1_parse_request(p, n, a, h, &used, why);
	if (r != HTTP1_DONE)
		return r;
	keep_head(h, p, used, a);
	http_conn_begin_body(c, h);
	http_conn_consume(c, used);
	return r;
}

enum err http_conn_broken(struct http_conn *c, struct error *e, ssize_t r, const char *doing)
{
	c->broken = true;
	if (r == 0)
		return err_set(e, ERR_IO, "%s: connection closed", doing);
	return stream_error(e, r, doing);
}

/* The end of a connection on which nothing of the next message has come. */
static bool is_quiet_end(const struct http_conn *c, ssize_t r)
{
	return http_conn_buffered(c) == 0 && (r == 0 || r == -ECONNRESET || r == -EPIPE);
}

/* Stray empty lines between requests (RFC 9112 2.2) are not kept. */
static void skip_empty_lines(struct http_conn *c)
{
	while (http_conn_buffered(c) >= 2 && memcmp(c->buf + c->pos, "\r\n", 2) == 0)
		http_conn_consume(c, 2);
}

enum err http_conn_read_request(struct http_conn *c, struct arena *a, struct http_head *h,
                                enum http1_result *result, const char **why, struct error *e)
{
	ssize_t r;

	do {
		skip_empty_lines(c);
		*result = parse_buffered(c, NULL, a, h, why);
		if (*result == HTTP1_DONE)
			return ERR_OK;
		if (*result != HTTP1_MORE) {
			c->broken = true;
			return err_set(e, ERR_PROTOCOL, "malformed request: %s", *why);
		}
	} while ((r = try_fill(c)) > 0);
	if (r == -EAGAIN)
		return ERR_OK;
	c->broken = true;
	if (is_quiet_end(c, r))
		return err_set(e, ERR_NOT_FOUND, "connection closed between requests");
	return http_conn_broken(c, e, r, "reading a request");
}

/* One head, whatever its status is. */
static enum err read_any_response(struct http_conn *c, struct str request_method, int64_t deadline,
                                  struct arena *a, struct http_head *h, struct error *e)
{
	const char *why = NULL;

	for (;;) {
		enum http1_result result = parse_buffered(c, &request_method, a, h, &why);
		ssize_t r;

		if (result == HTTP1_DONE)
			return ERR_OK;
		if (result != HTTP1_MORE) {
			c->broken = true;
			return err_set(e, ERR_PROTOCOL, "malformed answer: %s", why);
		}
		if ((r = http_conn_fill(c, deadline)) > 0)
			continue;
		if (r == -ETIMEDOUT) /* may be tried again */
			return stream_error(e, r, "waiting for an answer");
		if (is_quiet_end(c, r)) {
			c->broken = true;
			return err_set(e, ERR_NOT_FOUND, "connection closed without an answer");
		}
		return http_conn_broken(c, e, r, "reading an answer");
	}
}

enum err http_conn_read_response(struct http_conn *c, struct str request_method, int64_t deadline,
                                 struct arena *a, struct http_head *h, bool *got_continue,
                                 struct error *e)
{
	for (int i = 0; i < INTERIM_MAX; i++) {
		enum err rc = read_any_response(c, request_method, deadline, a, h, e);

		if (rc || h->status >= 200)
			return rc;
		if (h->status == 101)
			break; /* nobody asked for another protocol */
		if (h->status == 100 && got_continue) {
			*got_continue = true;
			return ERR_OK;
		}
	}
	c->broken = true;
	return err_set(e, ERR_PROTOCOL, "unexpected interim answer (%d)", h->status);
}
