/* SPDX-License-Identifier: MIT
 *
 * One server connection: request after request, as long as they come. The
 * complication is the end of a request whose body was not read: the rest is
 * read and thrown away when it is small, otherwise the connection closes, and
 * closes slowly, because a reset would take the answer away from a client that
 * is still sending.
 */
#include "net/http_server.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/uri.h"

/* Unread request bytes that are cheaper to read than a new connection. */
#define DRAIN_MAX (256 * 1024)
/* How long and how much a closing connection still swallows. */
#define LINGER_US    (2 * CLOCK_SEC)
#define LINGER_BYTES (64 * 1024 * 1024)

/* Of a body of unknown size: it lies on the task's stack. */
#define PIECE_MAX (16 * 1024)

/* --- answering ------------------------------------------------------------- */

static bool has_control(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char ch = (unsigned char)s.p[i];
		if ((ch < 0x20 && ch != '\t') || ch == 0x7f)
			return true;
	}
	return false;
}

void http_reply_field(struct http_call *c, const char *name, struct str value)
{
	if (has_control(value))
		return;
	buf_add_cstr(&c->fields, name);
	buf_add(&c->fields, ": ", 2);
	buf_add_str(&c->fields, value);
	buf_add(&c->fields, "\r\n", 2);
}

void http_reply_fieldf(struct http_call *c, const char *name, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n >= 0)
		http_reply_field(
			c, name,
			str_n(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1));
}

/* Whether another request can follow on this connection, as far as can be told
 * before the answer is sent. */
static bool can_continue(const struct http_call *c)
{
	if (!c->head.keep_alive || c->close || *c->stopping)
		return false;
	if (http_conn_reusable(c->conn))
		return true;
	/* Nobody knows whether a client that was not told to go on will send. */
	if (c->head.expect_continue && !c->continue_sent)
		return false;
	return c->head.framing == HTTP_BODY_LENGTH && c->head.content_length <= DRAIN_MAX;
}

/* How a body without length ends. */
static void end_otherwise(struct http_call *c, struct buf *out)
{
	if (c->head.minor == 0)
		c->close = true;
	else
		buf_add_cstr(out, "Transfer-Encoding: chunked\r\n");
}

/* length: BODY_SIZE_UNKNOWN when nobody knows. */
static void build_head(struct http_call *c, struct buf *out, int status, uint64_t length)
{
	char date[CLOCK_HTTP_SIZE];
	clock_format_http(clock_wall(), date);
	buf_reserve(out, c->fields.n + 256);
	buf_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\nServer: s3-orchestrator\r\n", status,
	           http_status_reason(status), date);
	if (length == BODY_SIZE_UNKNOWN)
		end_otherwise(c, out);
	else if (status != 204 && status != 304 && status >= 200)
		buf_printf(out, "Content-Length: %llu\r\n", (unsigned long long)length);
	if (!can_continue(c)) {
		c->close = true;
		buf_add_cstr(out, "Connection: close\r\n");
	} else if (c->head.minor == 0) {
		buf_add_cstr(out, "Connection: keep-alive\r\n");
	}
	buf_add(out, c->fields.p, c->fields.n);
	buf_add(out, "\r\n", 2);
}

static bool sends_no_body(const struct http_call *c, int status)
{
	return str_eq(c->head.method, STR("HEAD")) || status == 204 || status == 304;
}

void http_reply(struct http_call *c, int status, struct str body)
{
	assert(c->status == 0);
	BUF_AUTO head = {0};
	build_head(c, &head, status, body.n);
	c->status = status;
	if (sends_no_body(c, status))
		body.n = 0;
	struct iovec iov[2] = {{head.p, head.n}, {(void *)body.p, body.n}};
	int r = stream_write(http_conn_stream(c->conn), iov, body.n ? 2 : 1, c->write_idle_us);
	if (r < 0)
		c->failed = true;
	else
		c->sent += body.n;
}

void http_reply_head(struct http_call *c, int status, uint64_t length)
{
	assert(c->status == 0);
	BUF_AUTO head = {0};
	build_head(c, &head, status, length);
	c->status = status;
	if (stream_write_all(http_conn_stream(c->conn), head.p, head.n, c->write_idle_us) < 0)
		c->failed = true;
}

/* A piece with its framing; none: the end. */
static enum err send_piece(struct http_call *c, const char *p, size_t n, bool *sink_failed,
                           struct error *e)
{
	bool chunked = c->head.minor > 0;
	char size[24];
	struct iovec iov[3] = {{size, 0}, {(void *)p, n}, {(void *)"\r\n", chunked ? 2 : 0}};
	if (chunked)
		iov[0].iov_len = (size_t)snprintf(size, sizeof(size), "%zx\r\n", n);
	int r = stream_write(http_conn_stream(c->conn), iov, 3, c->write_idle_us);
	*sink_failed = r < 0;
	if (r < 0)
		return stream_error(e, r, "sending a body");
	c->sent += n;
	return ERR_OK;
}

static enum err send_pieces(struct http_call *c, struct buf *head, struct body *b,
                            bool *sink_failed, struct error *e)
{
	char piece[PIECE_MAX];
	ssize_t n;
	enum err r = ERR_OK;
	int written =
		stream_write_all(http_conn_stream(c->conn), head->p, head->n, c->write_idle_us);
	*sink_failed = written < 0;
	if (written < 0)
		return stream_error(e, written, "sending a head");
	while (r == ERR_OK && (n = body_read(b, piece, sizeof(piece), c->write_idle_us, e)) != 0)
		r = n < 0 ? e->code : send_piece(c, piece, (size_t)n, sink_failed, e);
	if (r == ERR_OK && c->head.minor > 0)
		r = send_piece(c, NULL, 0, sink_failed, e);
	return r;
}

enum err http_reply_body(struct http_call *c, int status, struct body *b, bool *sink_failed,
                         struct error *e)
{
	assert(c->status == 0);
	BUF_AUTO head = {0};
	build_head(c, &head, status, b->size);
	c->status = status;
	uint64_t sent = 0;
	enum err r = b->size == BODY_SIZE_UNKNOWN
	                     ? send_pieces(c, &head, b, sink_failed, e)
	                     : body_send_after(b, http_conn_stream(c->conn), buf_str(&head),
	                                       c->write_idle_us, &sent, sink_failed, e);
	c->sent += sent;
	if (r != ERR_OK)
		c->failed = true;
	return r;
}

void http_continue(struct http_call *c)
{
	if (!c->head.expect_continue || c->continue_sent || c->head.minor == 0)
		return;
	c->continue_sent = true;
	struct str line = STR("HTTP/1.1 100 Continue\r\n\r\n");
	if (stream_write_all(http_conn_stream(c->conn), line.p, line.n, c->write_idle_us) < 0)
		c->failed = true;
}

int http_call_fd(const struct http_call *c)
{
	return stream_fd(http_conn_stream(c->conn));
}

bool http_client_left(const struct http_call *c)
{
	return stream_peer_closed(http_conn_stream(c->conn));
}

void http_close_after(struct http_call *c)
{
	c->close = true;
}

/* --- the connection -------------------------------------------------------- */

static void call_init(struct http_call *c, struct http_conn *conn,
                      const struct http_server_options *o)
{
	*c = (struct http_call){
		.arena = arena_new(),
		.conn = conn,
		.peer = stream_peer(http_conn_stream(conn)),
		.write_idle_us = o->write_idle_us,
		.server = o->arg,
		.stopping = o->stopping,
	};
}

static void call_free(struct http_call *c)
{
	buf_free(&c->fields);
	arena_free(&c->arena);
}

static int status_of(enum http1_result r)
{
	switch (r) {
	case HTTP1_TOO_LARGE:
		return 431;
	case HTTP1_BAD_VERSION:
		return 505;
	case HTTP1_BAD_CODING:
		return 501;
	default:
		return 400;
	}
}

/* Swallows what the client still sends, so that it gets to read our answer. */
static void linger(struct http_conn *conn)
{
	struct stream *s = http_conn_stream(conn);
	stream_finish_write(s);
	int64_t deadline = clock_deadline(LINGER_US);
	char waste[16 * 1024];
	for (uint64_t got = 0; got < LINGER_BYTES;) {
		ssize_t n = stream_read(s, waste, sizeof(waste), deadline);
		if (n <= 0)
			return;
		got += (uint64_t)n;
	}
}

static void refuse(struct http_call *c, const struct http_server_options *o, int status,
                   const char *why)
{
	c->close = true;
	o->malformed(c, status, why);
}

/* Answers the request whose head has come. True when another one may follow. */
static bool answer(struct http_call *c, const struct http_server_options *o)
{
	c->body = http_conn_body(c->conn, &c->head);
	if (uri_split_target(c->head.target, &c->path, &c->query))
		o->handle(c);
	else
		refuse(c, o, 400, "request target");
	assert(c->status != 0 || c->failed);
	if (c->failed)
		return false;
	if (!c->close)
		return http_conn_drain(c->conn, DRAIN_MAX, o->drain_us);
	linger(c->conn);
	return false;
}

/* One request, if a whole head is there. True when it is worth to look for another
 * one at once; *next otherwise. */
static bool serve_one(struct http_conn *conn, const struct http_server_options *o,
                      enum http_next *next)
{
	struct http_call c;
	enum http1_result result = HTTP1_BAD;
	const char *why = "";
	bool go_on = false;
	struct error e;
	enum err r;

	*next = HTTP_NEXT_CLOSE;
	call_init(&c, conn, o);
	r = http_conn_read_request(conn, c.arena, &c.head, &result, &why, &e);
	c.started = clock_mono();
	if (r == ERR_PROTOCOL) {
		refuse(&c, o, status_of(result), why);
		linger(conn);
	} else if (r == ERR_OK && result == HTTP1_MORE) {
		*next = http_conn_buffered(conn) > 0 ? HTTP_NEXT_HEAD : HTTP_NEXT_REQUEST;
	} else if (r == ERR_OK) {
		go_on = answer(&c, o);
	}
	call_free(&c);
	return go_on;
}

enum http_next http_serve(struct http_conn *conn, const struct http_server_options *o)
{
	enum http_next next;

	while (serve_one(conn, o, &next))
		;
	return next;
}
