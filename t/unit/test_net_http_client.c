/* SPDX-License-Identifier: MIT
 *
 * The client against a server in the same process: reuse, dead connections,
 * early answers, limits, time-outs, cancellation, TLS.
 */
#include "test_net.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "net/http_client.h"
#include "net/http_conn.h"
#include "t/unit/run.h"

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

static void answer(struct http_conn *c, const char *text)
{
	stream_write_all(http_conn_stream(c), text, strlen(text), TEST_PATIENCE);
}

static void serve_conn(void *arg)
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

static void accept_conns(void *arg)
{
	struct server *srv = arg;
	int fd;

	while (socket_accept(srv->l.f, CLOCK_NEVER, &fd, NULL) == ERR_OK) {
		struct server_conn *sc = malloc(sizeof *sc);

		*sc = (struct server_conn){srv, stream_new(fd)};
		wait_group_spawn(&srv->tasks, "conn", serve_conn, sc, &srv->conns[srv->n_conns++]);
	}
}

static void server_start(struct server *srv, serve_fn serve)
{
	*srv = (struct server){.serve = serve, .intact = true};
	listener_open(&srv->l);
	wait_group_spawn(&srv->tasks, "accept", accept_conns, srv, &srv->acceptor);
}

/* The client must have closed its connections. */
static void server_stop(struct server *srv)
{
	task_cancel(srv->acceptor);
	wait_group_wait(&srv->tasks, 0);
	rt_fd_close(&srv->l.f);
}

static void wait_closed(struct server *srv)
{
	while (srv->n_open > 0)
		ck_assert_int_eq(notify_wait(&srv->changed, clock_deadline(TEST_PATIENCE)), 0);
}

static void read_body(struct server *srv, struct http_conn *c, const struct http_head *h)
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

static bool serve_ok(struct server *srv, struct http_conn *c, const struct http_head *h)
{
	read_body(srv, c, h);
	answer(c, str_eq(h->method, STR("HEAD"))
	                  ? "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
	                  : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	return true;
}

/* --- a client ---------------------------------------------------------------- */

static struct http_client *client_open(struct server *srv, struct http_client_options o)
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

static struct http_client *client_default(struct server *srv)
{
	return client_open(srv, (struct http_client_options){0});
}

static struct http_exchange request(const char *method)
{
	return (struct http_exchange){.method = str_of(method),
	                              .target = STR("/b/k"),
	                              .response_us = TEST_PATIENCE,
	                              .idle_us = TEST_PATIENCE};
}

/* One exchange with the whole answer; its text, or NULL with *rc. */
static char *fetch(struct http_client *c, struct arena *a, struct http_exchange *x, enum err *rc)
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

static void fetch_ok(struct http_client *c, struct http_exchange *x, int status, const char *want)
{
	struct arena *a = arena_new();
	enum err rc;
	char *text = fetch(c, a, x, &rc);

	ck_assert_msg(rc == ERR_OK, "%s", error.text);
	ck_assert_int_eq(x->head.status, status);
	ck_assert_str_eq(text, want);
	arena_free(&a);
}

static void fetch_fails(struct http_client *c, struct http_exchange *x, enum err want)
{
	struct arena *a = arena_new();
	enum err rc;

	fetch(c, a, x, &rc);
	ck_assert_msg(rc == want, "%s: %s", err_name(rc), error.text);
	ck_assert_ptr_null(x->body);
	arena_free(&a);
}

/* --- ordinary exchanges ------------------------------------------------------ */

static bool serve_echo_head(struct server *srv, struct http_conn *c, const struct http_head *h)
{
	BUF_AUTO b = {0}, text = {0};

	(void)srv;
	buf_printf(&text, "%.*s %.*s", STR_FMT(h->method), STR_FMT(h->target));
	for (size_t i = 0; i < h->n_fields; i++)
		buf_printf(&text, "|%.*s=%.*s", STR_FMT(h->fields[i].name),
		           STR_FMT(h->fields[i].value));
	buf_printf(&b, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%.*s", text.n,
	           STR_FMT(buf_str(&text)));
	http_conn_drain(c, 1000, TEST_PATIENCE);
	buf_add_char(&b, '\0');
	answer(c, b.p);
	return true;
}

static void request_head(void)
{
	struct server srv;
	struct http_field fields[] = {{STR("X-A"), STR("a b")}, {STR("X-B"), STR("")}};
	struct http_exchange x = request("GET");
	struct http_client *c;

	server_start(&srv, serve_echo_head);
	c = client_default(&srv);
	fetch_ok(c, &x, 200, "GET /b/k|Host=test.example");
	x.fields = fields;
	x.n_fields = 2;
	x.host = STR("other:1");
	fetch_ok(c, &x, 200, "GET /b/k|Host=other:1|X-A=a b|X-B=");
	x = request("POST");
	fetch_ok(c, &x, 200, "POST /b/k|Host=test.example|Content-Length=0");
	x = request("PUT");
	x.send = body_of_memory("12345", 5);
	fetch_ok(c, &x, 200, "PUT /b/k|Host=test.example|Content-Length=5");
	body_close(&x.send);
	http_client_free(&c);
	server_stop(&srv);
}

/* Nothing of it may reach the wire. */
static void invalid_requests(void)
{
	struct server srv;
	struct http_client *c;
	struct http_field bad = {STR("X"), STR("a\r\nY: b")};
	struct body unknown = {.size = BODY_SIZE_UNKNOWN};
	struct http_exchange x[5];

	for (int i = 0; i < 5; i++)
		x[i] = request("GET");
	x[0].method = STR("GET /");
	x[1].target = STR("/a b");
	x[2].fields = &bad;
	x[2].n_fields = 1;
	x[3].host = STR("h\r\n");
	x[4].send = &unknown;
	server_start(&srv, serve_ok);
	c = client_default(&srv);
	for (int i = 0; i < 5; i++) {
		fetch_fails(c, &x[i], ERR_INVALID);
		ck_assert(!x[i].sent_any);
	}
	ck_assert_int_eq(srv.n_conns, 0);
	http_client_free(&c);
	server_stop(&srv);
}

static void reuse(void)
{
	static const char *const methods[] = {"GET", "HEAD", "GET", "DELETE"};
	struct server srv;
	struct http_client *c;

	server_start(&srv, serve_ok);
	c = client_default(&srv);
	for (int i = 0; i < 20; i++) {
		struct http_exchange x = request(methods[i % 4]);

		fetch_ok(c, &x, 200, str_eq(x.method, STR("HEAD")) ? "" : "ok");
	}
	ck_assert_int_eq(srv.n_requests, 20);
	ck_assert_int_eq(srv.n_conns, 1);
	http_client_free(&c);
	wait_closed(&srv);
	server_stop(&srv);
}

static void upload(size_t n, bool expect)
{
	struct server srv;
	struct http_client *c;
	struct http_exchange x = request("PUT");
	unsigned char *p = malloc(n + 1);

	fill_pattern(p, n, 0);
	server_start(&srv, serve_ok);
	c = client_default(&srv);
	x.send = body_of_memory(p, n);
	x.expect_continue = expect;
	fetch_ok(c, &x, 200, "ok");
	ck_assert(srv.intact);
	ck_assert_uint_eq(srv.received, n);
	ck_assert(x.sent_any && !x.send_failed);
	ck_assert_int_eq(srv.n_conns, 1);
	body_close(&x.send);
	free(p);
	http_client_free(&c);
	server_stop(&srv);
}

static void uploads(void)
{
	static const size_t sizes[] = {0, 1, 16 * 1024, 64 * 1024, 64 * 1024 + 1, 5 * 1024 * 1024};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		upload(sizes[i], false);
}

/* --- Expect: 100-continue ----------------------------------------------------- */

static bool serve_continue(struct server *srv, struct http_conn *c, const struct http_head *h)
{
	if (h->expect_continue)
		answer(c, "HTTP/1.1 100 Continue\r\n\r\n");
	return serve_ok(srv, c, h);
}

static bool serve_refusal(struct server *srv, struct http_conn *c, const struct http_head *h)
{
	(void)srv;
	(void)h;
	answer(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
	return true;
}

static bool serve_early_success(struct server *srv, struct http_conn *c, const struct http_head *h)
{
	(void)srv;
	(void)h;
	answer(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	return false;
}

static void expect_continue(void)
{
	struct server srv;
	struct http_client *c;
	struct http_exchange x = request("PUT");

	server_start(&srv, serve_continue);
	c = client_default(&srv);
	x.send = body_of_memory("\0\37", 2); /* the first two of the pattern */
	x.expect_continue = true;
	fetch_ok(c, &x, 200, "ok");
	ck_assert(srv.intact && srv.received == 2);

	srv.serve = serve_refusal;
	fetch_ok(c, &x, 403, "no");
	/* Nobody knows whether the body is still due: another connection. */
	srv.serve = serve_early_success;
	fetch_fails(c, &x, ERR_PROTOCOL);
	srv.serve = serve_ok;
	body_close(&x.send);
	x = request("GET");
	fetch_ok(c, &x, 200, "ok");
	ck_assert_int_eq(srv.n_conns, 3);
	http_client_free(&c);
	server_stop(&srv);
}

/* A server that ignores Expect gets the body after a second. */
static void expect_ignored(void)
{
	upload(1000, true);
}

/* --- dead connections --------------------------------------------------------- */

static bool serve_and_close(struct server *srv, struct http_conn *c, const struct http_head *h)
{
	serve_ok(srv, c, h);
	return false;
}

/* Closed while idle: noticed before it is used. */
static void stale_noticed(void)
{
	struct server srv;
	struct http_client *c;

	server_start(&srv, serve_and_close);
	c = client_default(&srv);
	for (int i = 0; i < 3; i++) {
		struct http_exchange x = request("PUT");

		x.send = body_of_memory("\0\37", 2);
		fetch_ok(c, &x, 200, "ok");
		body_close(&x.send);
		wait_closed(&srv);
	}
	ck_assert_int_eq(srv.n_conns, 3);
	http_client_free(&c);
	server_stop(&srv);
}

/* Closed at the moment of use: the request arrives and nothing comes back. */
static bool serve_first_only(struct server *srv, struct http_conn *c, const struct http_head *h)
{
	if (srv->n_requests == 2)
		return false;
	return serve_ok(srv, c, h);
}

static void stale_at_use(void)
{
	for (int with_body = 0; with_body < 2; with_body++) {
		struct server srv;
		struct http_client *c;
		struct http_exchange x = request("GET");

		server_start(&srv, serve_first_only);
		c = client_default(&srv);
		fetch_ok(c, &x, 200, "ok");
		if (with_body) {
			x = request("PUT");
			x.send = body_of_memory("x", 1);
			fetch_fails(c, &x, ERR_IO);
			ck_assert(x.sent_any && !x.send_failed);
			body_close(&x.send);
		} else {
			fetch_ok(c, &x, 200, "ok");
			ck_assert_int_eq(srv.n_conns, 2);
		}
		http_client_free(&c);
		server_stop(&srv);
	}
}

/* A fresh connection that dies is not tried again. */
static bool serve_nothing(struct server *srv, struct http_conn *c, const struct http_head *h)
{
	(void)srv;
	(void)c;
	(void)h;
	return false;
}

static void fresh_dies(void)
{
	struct server srv;
	struct http_client *c;
	struct http_exchange x = request("GET");

	server_start(&srv, serve_nothing);
	c = client_default(&srv);
	fetch_fails(c, &x, ERR_IO);
	ck_assert_int_eq(srv.n_conns, 1);
	ck_assert(x.sent_any);
	http_client_free(&c);
	server_stop(&srv);
}

static void nobody_listens(void)
{
	struct server srv;
	struct http_client *c;
	struct http_exchange x = request("GET");

	server_start(&srv, serve_ok);
	c = client_default(&srv);
	server_stop(&srv);
	fetch_fails(c, &x, ERR_IO);
	ck_assert(!x.sent_any);
	http_client_free(&c);
}

/* --- answers that come early or not ------------------------------------------- */

/* Answers after the head and closes, with the body unread. */
static bool serve_early(struct server *srv, struct http_conn *c, const struct http_head *h)
{
	(void)srv;
	(void)h;
	answer(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
	return false;
}

/* Answers after the head and neither reads nor closes until told. */
static bool serve_early_and_stall(struct server *srv, struct http_conn *c,
                                  const struct http_head *h)
{
	serve_early(srv, c, h);
	while (!srv->go)
		if (notify_wait(&srv->changed, CLOCK_NEVER) < 0)
			break;
	return false;
}

static void early_answers(void)
{
	static const serve_fn ways[] = {serve_early, serve_early_and_stall};
	const size_t n = 32 * 1024 * 1024;
	char *p = calloc(1, n);

	for (size_t i = 0; i < 2; i++) {
		struct server srv;
		struct http_client *c;
		struct http_exchange x = request("PUT");

		server_start(&srv, ways[i]);
		c = client_default(&srv);
		x.send = body_of_memory(p, n);
		fetch_ok(c, &x, 403, "no");
		ck_assert(!x.send_failed);
		body_close(&x.send);
		srv.go = true;
		notify_all(&srv.changed);
		http_client_free(&c);
		server_stop(&srv);
	}
	free(p);
}

/* Success for a body that was not read cannot be true. */
static void early_success(void)
{
	const size_t n = 32 * 1024 * 1024;
	char *p = calloc(1, n);
	struct server srv;
	struct http_client *c;
	struct http_exchange x = request("PUT");

	server_start(&srv, serve_early_success);
	c = client_default(&srv);
	x.send = body_of_memory(p, n);
	fetch_fails(c, &x, ERR_PROTOCOL);
	body_close(&x.send);
	free(p);
	http_client_free(&c);
	server_stop(&srv);
}

static bool serve_wait(struct server *srv, struct http_conn *c, const struct http_head *h)
{
	while (!srv->go)
		if (notify_wait(&srv->changed, CLOCK_NEVER) < 0)
			return false;
	return serve_ok(srv, c, h);
}

static void answer_times_out(void)
{
	struct server srv;
	struct http_client *c;
	struct http_exchange x = request("GET");

	server_start(&srv, serve_wait);
	c = client_default(&srv);
	x.response_us = 30 * CLOCK_MS;
	fetch_fails(c, &x, ERR_TIMEOUT);
	srv.go = true;
	notify_all(&srv.changed);
	x = request("GET");
	fetch_ok(c, &x, 200, "ok");
	ck_assert_int_eq(srv.n_conns, 2);
	http_client_free(&c);
	server_stop(&srv);
}

static bool serve_malformed(struct server *srv, struct http_conn *c, const struct http_head *h)
{
	(void)srv;
	(void)h;
	answer(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok");
	return true;
}

static bool serve_truncated(struct server *srv, struct http_conn *c, const struct http_head *h)
{
	(void)srv;
	(void)h;
	answer(c, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok");
	return false;
}

static bool serve_with_surplus(struct server *srv, struct http_conn *c, const struct http_head *h)
{
	(void)srv;
	(void)h;
	answer(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more");
	return true;
}

static void bad_answers(void)
{
	struct server srv;
	struct http_client *c;
	struct http_exchange x = request("GET");

	server_start(&srv, serve_malformed);
	c = client_default(&srv);
	fetch_fails(c, &x, ERR_PROTOCOL);
	srv.serve = serve_truncated;
	fetch_fails(c, &x, ERR_IO);
	srv.serve = serve_with_surplus;
	fetch_ok(c, &x, 200, "ok");
	/* The surplus must not be taken for the next answer. */
	srv.serve = serve_ok;
	fetch_ok(c, &x, 200, "ok");
	ck_assert_int_eq(srv.n_conns, 4);
	http_client_free(&c);
	server_stop(&srv);
}

/* --- bodies that fail ---------------------------------------------------------- */

struct failing {
	struct body body;
	size_t left;
	enum err how; /* ERR_OK: a clean end */
};

static ssize_t failing_read(struct body *b, void *buf, size_t n, int64_t idle_us, struct error *e)
{
	struct failing *f = (struct failing *)b;

	(void)idle_us;
	if (n > f->left)
		n = f->left;
	memset(buf, 'x', n);
	f->left -= n;
	if (n > 0 || f->how == ERR_OK)
		return (ssize_t)n;
	err_set(e, f->how, "source failed");
	return -1;
}

static void failing_bodies(void)
{
	static const struct body_ops ops = {.read = failing_read};
	static const struct failing cases[] = {
		{{&ops, 10}, 9, ERR_OK},
		{{&ops, 10}, 11, ERR_OK},
		{{&ops, 10}, 0, ERR_OK},
		{{&ops, 10}, 5, ERR_INVALID},
		{{&ops, 200000}, 150000, ERR_DENIED},
		{{&ops, 200000}, 200001, ERR_OK},
		{{&ops, 0}, 1, ERR_OK},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct server srv;
		struct http_client *c;
		struct failing f = cases[i];
		struct http_exchange x = request("PUT");

		server_start(&srv, serve_ok);
		c = client_default(&srv);
		x.send = &f.body;
		fetch_fails(c, &x, f.how ? f.how : ERR_PROTOCOL);
		ck_assert(x.send_failed);
		/* The half request must not be followed by another on that connection. */
		x = request("GET");
		fetch_ok(c, &x, 200, "ok");
		ck_assert_int_eq(srv.n_conns, 2);
		http_client_free(&c);
		server_stop(&srv);
	}
}

/* A source that has given its last byte but needs time to say so: the answer is
 * already there then, and the connection, which was shut for sending, must not
 * be used again. */
struct late {
	struct failing f;
	struct server *srv;
};

static ssize_t late_read(struct body *b, void *buf, size_t n, int64_t idle_us, struct error *e)
{
	struct late *l = (struct late *)b;

	if (l->f.left == 0)
		wait_closed(l->srv); /* it has answered and seen the end of our side */
	return failing_read(b, buf, n, idle_us, e);
}

static void answer_before_end(void)
{
	static const struct body_ops ops = {.read = late_read};
	struct server srv;
	struct http_client *c;
	struct late l = {{{&ops, 200000}, 200000, ERR_OK}, &srv};
	struct http_exchange x = request("PUT");

	server_start(&srv, serve_ok);
	c = client_default(&srv);
	x.send = &l.f.body;
	fetch_ok(c, &x, 200, "ok");
	for (int i = 0; i < 2; i++) {
		x = request("PUT");
		x.send = body_of_memory("\0\37", 2);
		fetch_ok(c, &x, 200, "ok");
		body_close(&x.send);
	}
	ck_assert_int_eq(srv.n_conns, 2);
	http_client_free(&c);
	server_stop(&srv);
}

/* --- abandoned answers ---------------------------------------------------------- */

static bool serve_zeros(struct server *srv, struct http_conn *c, const struct http_head *h)
{
	bool small = str_eq(h->target, STR("/small"));
	size_t n = small ? 50000 : 10 * 1024 * 1024;
	char *p = calloc(1, n);
	char head[64];
	int len = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", n);
	struct iovec iov[2] = {{head, (size_t)len}, {p, n}};
	int r = stream_write(http_conn_stream(c), iov, 2, TEST_PATIENCE);

	(void)srv;
	free(p);
	return r == 0;
}

static void abandoned_answers(void)
{
	struct server srv;
	struct http_client *c;
	struct arena *a = arena_new();

	server_start(&srv, serve_zeros);
	c = client_default(&srv);
	for (int i = 0; i < 2; i++) {
		struct http_exchange x = request("GET");

		x.target = i == 0 ? STR("/small") : STR("/large");
		ck_assert_ok(http_client_exchange(c, a, &x, &error));
		ck_assert_int_eq(srv.n_conns, 1); /* the small rest was read */
		body_close(&x.body);
	}
	wait_closed(&srv); /* the large one was not */
	arena_free(&a);
	http_client_free(&c);
	server_stop(&srv);
}

/* --- limits ---------------------------------------------------------------------- */

struct fetcher {
	struct http_client *c;
	int done, failed;
	enum err want;
};

static void fetcher_task(void *arg)
{
	struct fetcher *f = arg;
	struct http_exchange x = request("GET");
	struct arena *a = arena_new();
	enum err rc;

	fetch(f->c, a, &x, &rc);
	f->done += rc == f->want;
	f->failed += rc != f->want;
	arena_free(&a);
}

static void limit_waits(void)
{
	struct server srv;
	struct wait_group g = {0};
	struct fetcher f = {0};

	server_start(&srv, serve_wait);
	f.c = client_open(&srv, (struct http_client_options){.max_connections = 3, .max_idle = 2});
	for (int i = 0; i < 10; i++)
		wait_group_spawn(&g, "fetch", fetcher_task, &f, NULL);
	while (srv.n_requests < 3)
		task_sleep(CLOCK_MS);
	ck_assert_int_eq(srv.n_conns, 3);
	srv.go = true;
	notify_all(&srv.changed);
	wait_group_wait(&g, 0);
	ck_assert_int_eq(f.done, 10);
	ck_assert_int_le(srv.n_open, 3);
	while (srv.n_open > 2) /* at most max_idle stay */
		ck_assert_int_eq(notify_wait(&srv.changed, clock_deadline(TEST_PATIENCE)), 0);
	http_client_free(&f.c);
	server_stop(&srv);
}

static void limit_times_out(void)
{
	struct server srv;
	struct http_client *c;
	struct http_exchange held = request("GET"), x = request("GET");
	struct arena *a = arena_new();

	server_start(&srv, serve_ok);
	c = client_open(&srv, (struct http_client_options){.max_connections = 1,
	                                                   .connect_us = 100 * CLOCK_MS});
	ck_assert_ok(http_client_exchange(c, a, &held, &error));
	fetch_fails(c, &x, ERR_CONGESTED);
	ck_assert(!x.sent_any);
	body_close(&held.body);
	fetch_ok(c, &x, 200, "ok");
	ck_assert_int_eq(srv.n_conns, 1);
	arena_free(&a);
	http_client_free(&c);
	server_stop(&srv);
}

/* Without any traffic the sweeper closes what has been idle too long. */
static void idle_closed(void)
{
	struct server srv;
	struct http_client *c;
	struct http_exchange x = request("GET");

	server_start(&srv, serve_ok);
	c = client_open(&srv, (struct http_client_options){.idle_us = 30 * CLOCK_MS});
	fetch_ok(c, &x, 200, "ok");
	ck_assert_int_eq(srv.n_open, 1);
	wait_closed(&srv);
	fetch_ok(c, &x, 200, "ok");
	ck_assert_int_eq(srv.n_conns, 2);
	wait_closed(&srv);
	http_client_free(&c);
	server_stop(&srv);
}

/* --- cancellation ------------------------------------------------------------------ */

static void cancelled(void)
{
	struct server srv;
	struct wait_group g = {0};
	struct fetcher f = {.want = ERR_CANCELED};
	struct http_exchange x = request("GET");
	struct task *t;

	server_start(&srv, serve_wait);
	f.c = client_open(&srv, (struct http_client_options){.max_connections = 1});
	wait_group_spawn(&g, "fetch", fetcher_task, &f, &t);
	while (srv.n_requests < 1)
		task_sleep(CLOCK_MS);
	task_cancel(t);
	wait_group_wait(&g, 0);
	ck_assert_int_eq(f.done, 1);
	srv.go = true;
	notify_all(&srv.changed);
	fetch_ok(f.c, &x, 200, "ok"); /* its place is free again */
	http_client_free(&f.c);
	server_stop(&srv);
}

static void cancelled_upload_task(void *arg)
{
	struct fetcher *f = arg;
	struct http_exchange x = request("PUT");
	struct arena *a = arena_new();
	const size_t n = 32 * 1024 * 1024;
	char *p = calloc(1, n);
	enum err rc;

	x.send = body_of_memory(p, n);
	fetch(f->c, a, &x, &rc);
	f->done += rc == f->want;
	body_close(&x.send);
	free(p);
	arena_free(&a);
}

static void cancelled_upload(void)
{
	struct server srv;
	struct wait_group g = {0};
	struct fetcher f = {.want = ERR_CANCELED};
	struct task *t;

	server_start(&srv, serve_wait);
	f.c = client_default(&srv);
	wait_group_spawn(&g, "upload", cancelled_upload_task, &f, &t);
	while (srv.n_requests < 1)
		task_sleep(CLOCK_MS);
	task_cancel(t);
	wait_group_wait(&g, 0);
	ck_assert_int_eq(f.done, 1);
	srv.go = true;
	notify_all(&srv.changed);
	http_client_free(&f.c);
	server_stop(&srv);
}

/* --- TLS ---------------------------------------------------------------------------- */

static SSL_CTX *self_signed(const char *pem)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_EXTENSION *san =
		X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost");
	FILE *f = fopen(pem, "we");

	X509_set_version(x, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
	                           (const unsigned char *)"test", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_add_ext(x, san, -1);
	X509_set_pubkey(x, key);
	ck_assert_int_gt(X509_sign(x, key, EVP_sha256()), 0);
	SSL_CTX_use_certificate(ctx, x);
	SSL_CTX_use_PrivateKey(ctx, key);
	ck_assert(f && PEM_write_X509(f, x) == 1);
	fclose(f);
	X509_EXTENSION_free(san);
	X509_free(x);
	EVP_PKEY_free(key);
	return ctx;
}

static void over_tls(void)
{
	char pem[] = "/tmp/test_net_XXXXXX";
	const size_t n = 1000000;
	unsigned char *p = malloc(n);
	struct server srv;
	struct http_client *c;
	struct http_exchange x;

	close(mkstemp(pem));
	fill_pattern(p, n, 0);
	server_start(&srv, serve_ok);
	srv.tls = self_signed(pem);
	c = client_open(&srv, (struct http_client_options){.ca_file = pem});
	for (int i = 0; i < 3; i++) {
		x = request("PUT");
		x.send = body_of_memory(p, n);
		fetch_ok(c, &x, 200, "ok");
		ck_assert(srv.intact && srv.received == n);
		body_close(&x.send);
	}
	ck_assert_int_eq(srv.n_conns, 1);
	http_client_free(&c);

	x = request("GET");
	c = client_default(&srv);
	fetch_fails(c, &x, ERR_IO);
	ck_assert(!x.sent_any);
	http_client_free(&c);
	c = client_open(&srv, (struct http_client_options){.insecure = true});
	fetch_ok(c, &x, 200, "ok");
	http_client_free(&c);
	server_stop(&srv);
	SSL_CTX_free(srv.tls);
	unlink(pem);
	free(p);
}

static void bad_ca_file(void)
{
	struct arena *a = arena_new();
	struct uri_endpoint ep;
	struct http_client_options o = {.endpoint = &ep, .ca_file = "/nonexistent"};
	struct http_client *c;

	ck_assert_ok(uri_parse_endpoint(a, STR("https://h"), &ep, &error));
	ck_assert_int_eq(http_client_new(&o, &c, &error), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(error.text, "/nonexistent"));
	arena_free(&a);
}

static void (*const in_tasks[])(void) = {
	request_head,      invalid_requests,  reuse,
	uploads,           expect_continue,   expect_ignored,
	stale_noticed,     stale_at_use,      fresh_dies,
	nobody_listens,    early_answers,     early_success,
	answer_times_out,  bad_answers,       failing_bodies,
	abandoned_answers, limit_waits,       limit_times_out,
	idle_closed,       cancelled,         cancelled_upload,
	over_tls,          answer_before_end, bad_ca_file,
};

START_TEST(test_in_task)
{
	in_task(in_tasks[_i]);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test_in_task, 0, sizeof in_tasks / sizeof *in_tasks);
	return run_tests("net_http_client", t);
}
