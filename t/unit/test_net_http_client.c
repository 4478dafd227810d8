/* SPDX-License-Identifier: MIT
 *
 * Exchanges of the client: heads, bodies, Expect, early answers, time-outs, and
 * what fails.
 */
#include "http_client_fixture.h"
#include "t/unit/run.h"

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

/* Reads only when it is told to, and then to the end. */
static bool serve_stalled(struct server *srv, struct http_conn *c, const struct http_head *h)
{
	char waste[4096];
	ssize_t n;

	(void)h;
	while (!srv->go)
		notify_wait(&srv->changed, CLOCK_NEVER);
	while ((n = stream_read(http_conn_stream(c), waste, sizeof waste,
	                        clock_deadline(TEST_PATIENCE))) > 0)
		srv->received += (size_t)n;
	srv->intact = n == 0;
	return false;
}

/* Nothing that the kernel still holds of a request that was given up may arrive. */
static void given_up_upload(void)
{
	const size_t n = 200000; /* fits into the buffers of both ends */
	char *p = calloc(1, n);
	struct server srv;
	struct http_exchange x = request("PUT");
	struct http_client *c;

	server_start(&srv, serve_stalled);
	c = client_default(&srv);
	x.send = body_of_memory(p, n);
	x.response_us = 100 * CLOCK_MS;
	fetch_fails(c, &x, ERR_TIMEOUT);
	ck_assert(x.sent_any);
	srv.go = true;
	notify_all(&srv.changed);
	wait_closed(&srv);
	ck_assert(!srv.intact && srv.received < n);
	body_close(&x.send);
	http_client_free(&c);
	server_stop(&srv);
	free(p);
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

static void (*const in_tasks[])(void) = {
	request_head,      invalid_requests,  uploads,          expect_continue, expect_ignored,
	early_answers,     early_success,     answer_times_out, bad_answers,     failing_bodies,
	answer_before_end, abandoned_answers, given_up_upload,
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
