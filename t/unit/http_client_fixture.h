/* SPDX-License-Identifier: MIT
 *
 * An HTTP client and a server in the same process that follows a script.
 */
#ifndef HTTP_CLIENT_FIXTURE_H
#define HTTP_CLIENT_FIXTURE_H

#include "test_net.h"

#include <openssl/ssl.h>

#include "base/buf.h"
#include "net/http_client.h"
#include "net/http_conn.h"

/* --- a server that follows a script ----------------------------------------- */

struct server;

/* Called for each request; true keeps the connection. */
typedef bool (*serve_fn)(struct server *srv, struct http_conn *c, const struct http_head *h);

struct server {
	struct listener l;
	serve_fn serve;
	SSL_CTX *tls;
	struct wait_group tasks;
	struct task *acceptor;
	struct task *conns[64];
	int n_conns; /* connections accepted in all */
	int n_open;
	int n_requests;
	size_t received; /* body bytes */
	bool intact;     /* they followed the pattern */
	struct notify changed;
	bool go; /* for scripts that wait */
};

struct server_conn {
	struct server *srv;
	struct stream *s;
};

static inline void answer(struct http_conn *c, const char *text)
{
	stream_write_all(http_conn_stream(c), text, strlen(text), TEST_PATIENCE);
}

static inline void serve_conn(void *arg)
{
	struct server_conn *sc = arg;
	struct server *srv = sc->srv;
	struct stream *s = sc->s;
	struct http_conn *c;
	bool go_on = true;

	free(sc);
	srv->n_open++;
	c = http_conn_new(s);
	if (srv->tls && stream_tls_server(s, srv->tls, clock_deadline(TEST_PATIENCE), NULL))
		go_on = false;
	while (go_on) {
		struct arena *a = arena_new();
		struct http_head h;
		enum http1_result result;
		const char *why;

		go_on = await_request(c, CLOCK_NEVER, a, &h, &result, &why) == ERR_OK;
		if (go_on) {
			srv->n_requests++;
			go_on = srv->serve(srv, c, &h);
		}
		arena_free(&a);
	}
	http_conn_close(&c);
	srv->n_open--;
	notify_all(&srv->changed);
}

static inline void accept_conns(void *arg)
{
	struct server *srv = arg;
	int fd;

	while (socket_accept(srv->l.f, CLOCK_NEVER, &fd, NULL) == ERR_OK) {
		struct server_conn *sc = malloc(sizeof *sc);

		*sc = (struct server_conn){srv, stream_new(fd)};
		wait_group_spawn(&srv->tasks, "conn", serve_conn, sc, &srv->conns[srv->n_conns++]);
	}
}

static inline void server_start(struct server *srv, serve_fn serve)
{
	*srv = (struct server){.serve = serve, .intact = true};
	listener_open(&srv->l);
	wait_group_spawn(&srv->tasks, "accept", accept_conns, srv, &srv->acceptor);
}

/* The client must have closed its connections. */
static inline void server_stop(struct server *srv)
{
	task_cancel(srv->acceptor);
	wait_group_wait(&srv->tasks, 0);
	rt_fd_close(&srv->l.f);
}

static inline void wait_closed(struct server *srv)
{
	while (srv->n_open > 0)
		ck_assert_int_eq(notify_wait(&srv->changed, clock_deadline(TEST_PATIENCE)), 0);
}

static inline void read_body(struct server *srv, struct http_conn *c, const struct http_head *h)
{
	struct body *b = http_conn_body(c, h);
	unsigned char *buf = malloc(100000);
	ssize_t n;

	srv->received = 0;
	while ((n = body_read(b, buf, 100000, TEST_PATIENCE, NULL)) > 0) {
		srv->intact &= is_pattern(buf, (size_t)n, srv->received);
		srv->received += (size_t)n;
	}
	free(buf);
}

static inline bool serve_ok(struct server *srv, struct http_conn *c, const struct http_head *h)
{
	read_body(srv, c, h);
	answer(c, str_eq(h->method, STR("HEAD"))
	                  ? "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
	                  : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	return true;
}

/* --- a client ---------------------------------------------------------------- */

static inline struct http_client *client_open(struct server *srv, struct http_client_options o)
{
	struct arena *a = arena_new();
	struct uri_endpoint ep;
	struct http_client *c;
	char *url = arena_printf(a, "%s:%s", srv->tls ? "https://localhost" : "http://127.0.0.1",
	                         srv->l.port);

	ck_assert_ok(uri_parse_endpoint(a, str_of(url), &ep, &error));
	ep.authority = arena_strdup(a, "test.example");
	o.endpoint = &ep;
	ck_assert_ok(http_client_new(&o, &c, &error));
	arena_free(&a);
	return c;
}

static inline struct http_client *client_default(struct server *srv)
{
	return client_open(srv, (struct http_client_options){0});
}

static inline struct http_exchange request(const char *method)
{
	return (struct http_exchange){.method = str_of(method),
	                              .target = STR("/b/k"),
	                              .response_us = TEST_PATIENCE,
	                              .idle_us = TEST_PATIENCE};
}

/* One exchange with the whole answer; its text, or NULL with *rc. */
static inline char *fetch(struct http_client *c, struct arena *a, struct http_exchange *x,
                          enum err *rc)
{
	struct buf text = {0};
	char piece[1000], *copy = NULL;
	ssize_t n;

	*rc = http_client_exchange(c, a, x, &error);
	if (*rc)
		return NULL;
	while ((n = body_read(x->body, piece, sizeof piece, TEST_PATIENCE, &error)) > 0)
		buf_add(&text, piece, (size_t)n);
	if (n < 0)
		*rc = error.code;
	else
		copy = arena_strndup(a, text.p ? text.p : "", text.n);
	buf_free(&text);
	body_close(&x->body);
	return copy;
}

static inline void fetch_ok(struct http_client *c, struct http_exchange *x, int status,
                            const char *want)
{
	struct arena *a = arena_new();
	enum err rc;
	char *text = fetch(c, a, x, &rc);

	ck_assert_msg(rc == ERR_OK, "%s", error.text);
	ck_assert_int_eq(x->head.status, status);
	ck_assert_str_eq(text, want);
	arena_free(&a);
}

static inline void fetch_fails(struct http_client *c, struct http_exchange *x, enum err want)
{
	struct arena *a = arena_new();
	enum err rc;

	fetch(c, a, x, &rc);
	ck_assert_msg(rc == want, "%s: %s", err_name(rc), error.text);
	ck_assert_ptr_null(x->body);
	arena_free(&a);
}

static inline bool serve_wait(struct server *srv, struct http_conn *c, const struct http_head *h)
{
	while (!srv->go)
		if (notify_wait(&srv->changed, CLOCK_NEVER) < 0)
			return false;
	return serve_ok(srv, c, h);
}

#endif
