/* SPDX-License-Identifier: MIT
 *
 * What proxyd cannot do itself is asked of workerd, over its control socket, and answered as
 * it comes: a port with a token is enough for all of the admin API. Jobs may take hours, so
 * nothing bounds the wait but the client's patience. A connection serves one request only:
 * one that died in the middle must not be asked again by itself, because workerd may have
 * begun.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "net/http_conn.h"
#include "net/http_server.h"
#include "net/socket.h"
#include "proxyd/admin/admin_private.h"
#include "proxyd/server.h"

/* A daemon whose queue of connections is full for so long is as good as none. */
#define CONNECT_TIME (5 * CLOCK_SEC)

/* Between two looks at whether the answer is still wanted. */
#define STEP (500 * CLOCK_MS)

/* There is no such status; the audit log wants one (nginx has it, too). */
#define STATUS_CLIENT_LEFT 499

static void add_field(struct buf *b, const char *name, struct str value)
{
	if (value.n > 0)
		buf_printf(b, "%s: %.*s\r\n", name, STR_FMT(value));
}

/* Fields are built anew: what a client sends to this port is not for the socket. */
static void build_request(const struct http_call *c, struct str body, struct buf *out)
{
	buf_printf(out, "%.*s %.*s", STR_FMT(c->head.method), STR_FMT(c->path));
	if (c->query.n > 0)
		buf_printf(out, "?%.*s", STR_FMT(c->query));
	buf_add_cstr(out, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
	add_field(out, "X-Forwarded-For", str_of(c->peer));
	add_field(out, "X-Request-Id", http_head_value(&c->head, STR("X-Request-Id")));
	add_field(out, "Content-Type", http_head_value(&c->head, STR("Content-Type")));
	buf_printf(out, "Content-Length: %zu\r\n\r\n", body.n);
	buf_add_str(out, body);
}

static enum err connect_worker(const struct server *s, struct http_conn **out, struct error *e)
{
	BUF_AUTO path = {0};
	struct stream *stream;
	enum err r;

	buf_printf(&path, "%s/workerd.sock%c", s->config->server.run_dir, '\0');
	r = socket_connect_unix(path.p, clock_deadline(CONNECT_TIME), &stream, e);
	if (r == ERR_OK)
		*out = http_conn_new(stream);
	return r;
}

/* --- the answer ------------------------------------------------------------------- */

static enum err await_answer(const struct http_call *c, struct http_conn *worker,
                             struct http_head *head, struct error *e)
{
	const struct server *s = c->server;
	enum err r;

	do
		r = http_conn_read_response(worker, c->head.method, clock_deadline(STEP), c->arena,
		                            head, NULL, e);
	while (r == ERR_TIMEOUT && !http_client_left(c) && !s->board->stopping);
	return r;
}

static void pass_field(struct http_call *c, const struct http_head *head, const char *name)
{
	struct str value = http_head_value(head, str_of(name));

	if (value.n > 0)
		http_reply_field(c, name, value);
}

static void relay(struct http_call *c, struct http_conn *worker, const struct http_head *head)
{
	bool client_left;
	struct error e;

	pass_field(c, head, "Content-Type");
	pass_field(c, head, "Cache-Control");
	pass_field(c, head, "Allow");
	if (str_eq(c->head.method, STR("HEAD")))
		http_reply_head(c, head->status, head->content_length);
	else if (http_reply_body(c, head->status, http_conn_body(worker, head), &client_left, &e) !=
	                 ERR_OK &&
	         !client_left)
		log_warn("admin", "the answer of workerd broke off", LOG_STR("error", e.text));
}

static void answer_failure(struct http_call *c, enum err r, const struct error *e)
{
	const struct server *s = c->server;

	if (http_client_left(c)) {
		admin_error(c, STATUS_CLIENT_LEFT, "the client has left");
	} else if (s->board->stopping || r == ERR_CANCELED) {
		admin_error(c, 503, "the server is stopping; the job goes on");
	} else {
		log_warn("admin", "workerd has not answered", LOG_STR("error", e->text));
		admin_error(c, 502, "the worker daemon ended before it answered");
	}
}

static enum err ask(struct http_call *c, struct http_conn *worker, struct str body,
                    struct http_head *head, struct error *e)
{
	BUF_AUTO request = {0};
	int r;

	build_request(c, body, &request);
	r = stream_write_all(http_conn_stream(worker), request.p, request.n, c->write_idle_us);
	if (r < 0)
		return stream_error(e, r, "asking workerd");
	return await_answer(c, worker, head, e);
}

/* --- all of it -------------------------------------------------------------------- */

static void forward(struct http_call *c, const char *unreachable)
{
	struct http_conn *worker;
	struct http_head head;
	struct str body;
	struct error e;
	enum err r;

	if (!admin_read_body(c, &body))
		return;
	if (connect_worker(c->server, &worker, &e) != ERR_OK) {
		log_warn("admin", "workerd cannot be asked", LOG_STR("error", e.text));
		admin_error(c, 503, unreachable);
		return;
	}
	r = ask(c, worker, body, &head, &e);
	if (r == ERR_OK)
		relay(c, worker, &head);
	else
		answer_failure(c, r, &e);
	http_conn_close(&worker);
}

void admin_forward(struct http_call *c, struct str arg)
{
	(void)arg;
	forward(c, "worker daemon not reachable");
}

void admin_forward_workers(struct http_call *c, struct str arg)
{
	(void)arg;
	forward(c, "worker health not available");
}
