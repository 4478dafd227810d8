/* SPDX-License-Identifier: MIT
 *
 * Messages on a connection: heads in pieces, bodies in every framing, and bodies
 * on their way from one connection to another.
 */
#include "test_net.h"

#include "base/buf.h"
#include "net/http_conn.h"
#include "t/unit/run.h"

#define IDLE TEST_PATIENCE

/* --- somebody who writes ---------------------------------------------------- */

struct writer {
	struct stream *s;
	const char *p;
	size_t n;
	size_t piece; /* bytes per write, 0: random up to 3000 */
	bool close;
};

static void writer_task(void *arg)
{
	struct writer *w = arg;

	for (size_t at = 0; at < w->n;) {
		size_t n = w->piece ? w->piece : random_u64() % 3000 + 1;

		if (n > w->n - at)
			n = w->n - at;
		if (stream_write_all(w->s, w->p + at, n, TEST_PATIENCE) < 0)
			return;
		at += n;
		task_yield();
	}
	if (w->close)
		stream_shutdown_write(w->s);
}

/* A connection to read from, and its writer at work. */
struct feed {
	struct stream *peer;
	struct http_conn *conn;
	struct writer w;
	struct wait_group g;
	struct arena *arena;
	struct http_head head;
	enum http1_result result;
	const char *why;
};

static void feed_open(struct feed *f, const char *p, size_t n, size_t piece, bool close)
{
	struct stream *s;

	*f = (struct feed){.arena = arena_new()};
	pair_open(&s, &f->peer);
	f->conn = http_conn_new(s);
	f->w = (struct writer){.s = f->peer, .p = p, .n = n, .piece = piece, .close = close};
	ck_assert_int_eq(wait_group_spawn(&f->g, "writer", writer_task, &f->w, NULL), 0);
}

static void feed_text(struct feed *f, const char *text, size_t piece, bool close)
{
	feed_open(f, text, strlen(text), piece, close);
}

static void feed_close(struct feed *f)
{
	http_conn_close(&f->conn);
	wait_group_wait(&f->g, 0);
	stream_close(&f->peer);
	arena_free(&f->arena);
}

static enum err request_within(struct feed *f, int64_t us)
{
	return await_request(f->conn, clock_deadline(us), f->arena, &f->head, &f->result, &f->why);
}

static enum err next_request(struct feed *f)
{
	return request_within(f, TEST_PATIENCE);
}

static enum err next_response(struct feed *f, const char *method)
{
	return http_conn_read_response(f->conn, str_of(method), clock_deadline(TEST_PATIENCE),
	                               f->arena, &f->head, NULL, &error);
}

/* Reads the body in pieces of n; its text, or NULL when it failed. */
static char *body_text(struct feed *f, size_t n)
{
	struct body *b = http_conn_body(f->conn, &f->head);
	struct buf text = {0};
	char *copy = NULL, *piece = malloc(n);
	ssize_t r;

	while ((r = body_read(b, piece, n, IDLE, &error)) > 0)
		buf_add(&text, piece, (size_t)r);
	if (r == 0)
		copy = arena_strndup(f->arena, text.p ? text.p : "", text.n);
	free(piece);
	buf_free(&text);
	return copy;
}

/* --- heads ------------------------------------------------------------------ */

static const char two_requests[] = "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
				   "\r\nPOST /b HTTP/1.1\r\nHost: h\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n"
				   "3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: t\r\n\r\n"
				   "GET /c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

static void pipelined_in_pieces(void)
{
	for (size_t piece = 1; piece < sizeof two_requests; piece += piece < 80 ? 1 : 37) {
		struct feed f;
		struct http_head first;

		feed_text(&f, two_requests, piece, true);
		ck_assert_ok(next_request(&f));
		first = f.head;
		ck_assert(!http_conn_reusable(f.conn));
		ck_assert_str_eq(body_text(&f, 2), "hello");
		ck_assert(http_conn_reusable(f.conn));
		ck_assert_ok(next_request(&f));
		ck_assert(str_eq(first.target, STR("/a"))); /* heads outlive the buffer */
		ck_assert(str_eq(f.head.target, STR("/b")));
		ck_assert_str_eq(body_text(&f, 100), "abcde");
		ck_assert(http_conn_reusable(f.conn));
		ck_assert_uint_eq(http_conn_body_bytes(f.conn), 10);
		ck_assert_ok(next_request(&f));
		ck_assert_str_eq(body_text(&f, 100), "");
		ck_assert(!http_conn_reusable(f.conn)); /* Connection: close */
		ck_assert_int_eq(next_request(&f), ERR_NOT_FOUND);
		feed_close(&f);
	}
}

static void ends_of_requests(void)
{
	struct feed f;

	feed_text(&f, "", 0, true);
	ck_assert_int_eq(next_request(&f), ERR_NOT_FOUND);
	feed_close(&f);
	feed_text(&f, "GET / HT", 0, true);
	ck_assert_int_eq(next_request(&f), ERR_IO);
	feed_close(&f);
	feed_text(&f, "", 0, false);
	ck_assert_int_eq(request_within(&f, 10 * CLOCK_MS), ERR_TIMEOUT);
	ck_assert_int_eq(f.result, HTTP1_MORE);
	feed_close(&f);
	feed_text(&f, "GET / HTTP/1.1\r\nHost", 0, false);
	ck_assert_int_eq(request_within(&f, 20 * CLOCK_MS), ERR_TIMEOUT);
	ck_assert_int_eq(f.result, HTTP1_MORE);
	ck_assert_uint_eq(http_conn_buffered(f.conn), 20);
	feed_close(&f);
}

/* Refused although no empty line ever comes. */
static void garbage(void)
{
	static const char hello[] = "\x16\x03\x01\x02\x00\x01\xfc\x03";
	struct feed f;

	feed_open(&f, hello, sizeof hello - 1, 0, false);
	ck_assert_int_eq(next_request(&f), ERR_PROTOCOL);
	ck_assert_int_eq(f.result, HTTP1_BAD);
	ck_assert_ptr_nonnull(f.why);
	feed_close(&f);
	feed_text(&f, "GET / HTTP/1.1\nHost: h\n\n", 1, false);
	ck_assert_int_eq(next_request(&f), ERR_PROTOCOL);
	feed_close(&f);
}

static void head_of(struct buf *b, size_t n)
{
	buf_add_cstr(b, "GET / HTTP/1.1\r\nHost: h\r\nX: ");
	while (b->n < n - 4)
		buf_add_char(b, 'v');
	buf_add_cstr(b, "\r\n\r\n");
}

static void large_heads(void)
{
	struct feed f;
	BUF_AUTO fits = {0}, too_large = {0};

	head_of(&fits, HTTP1_HEAD_MAX);
	feed_open(&f, fits.p, fits.n, 0, false);
	ck_assert_ok(next_request(&f));
	ck_assert_uint_eq(f.head.fields[1].value.n, HTTP1_HEAD_MAX - 32);
	feed_close(&f);
	head_of(&too_large, HTTP1_HEAD_MAX + 1);
	feed_open(&f, too_large.p, too_large.n, 0, false);
	ck_assert_int_eq(next_request(&f), ERR_PROTOCOL);
	ck_assert_int_eq(f.result, HTTP1_TOO_LARGE);
	feed_close(&f);
}

/* A head byte by byte must not cost quadratic time: this one would take minutes. */
static void slow_head(void)
{
	struct feed f;
	BUF_AUTO b = {0};

	head_of(&b, 100000);
	feed_open(&f, b.p, b.n, 1, false);
	ck_assert_ok(next_request(&f));
	feed_close(&f);
}

static void interim_answers(void)
{
	static const char in[] = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n"
				 "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	struct feed f;
	bool got = false;

	feed_text(&f, in, 1, false);
	ck_assert_ok(next_response(&f, "PUT"));
	ck_assert_int_eq(f.head.status, 200);
	ck_assert_str_eq(body_text(&f, 10), "ok");
	feed_close(&f);

	feed_text(&f, in, 7, false);
	ck_assert_ok(http_conn_read_response(f.conn, STR("PUT"), clock_deadline(IDLE), f.arena,
	                                     &f.head, &got, &error));
	ck_assert(got && f.head.status == 100);
	ck_assert_ok(next_response(&f, "PUT"));
	ck_assert_int_eq(f.head.status, 200);
	feed_close(&f);

	feed_text(&f, "HTTP/1.1 101 Switching Protocols\r\n\r\n", 0, false);
	ck_assert_int_eq(next_response(&f, "GET"), ERR_PROTOCOL);
	feed_close(&f);
}

static void answer_after_timeout(void)
{
	struct feed f;

	feed_text(&f, "HTTP/1.1 20", 0, false);
	ck_assert_int_eq(http_conn_read_response(f.conn, STR("GET"), clock_deadline(20 * CLOCK_MS),
	                                         f.arena, &f.head, NULL, &error),
	                 ERR_TIMEOUT);
	ck_assert_int_eq(stream_write_all(f.peer, "4 X\r\n\r\n", 7, IDLE), 0);
	ck_assert_ok(next_response(&f, "GET"));
	ck_assert_int_eq(f.head.status, 204);
	ck_assert(http_conn_reusable(f.conn));
	feed_close(&f);
}

/* --- bodies ----------------------------------------------------------------- */

static const struct {
	const char *in, *method;
	const char *body; /* NULL: must fail */
	bool reusable;
} bodies[] = {
	{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "GET", "hello", true},
	{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", "", true},
	{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", "", true},
	{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "GET", NULL, false},
	{"HTTP/1.1 200 OK\r\n\r\nuntil the end", "GET", "until the end", false},
	{"HTTP/1.0 200 OK\r\n\r\n", "GET", "", false},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "GET", "x",
         true},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", "GET", NULL,
         false},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", "GET", NULL, false},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy", "GET", NULL, false},
	{"HTTP/1.1 204 No\r\n\r\n", "DELETE", "", true},
};

static void body_framings(void)
{
	static const size_t pieces[] = {1, 3, 1000};

	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
		for (int k = 0; k < 9; k++) {
			struct feed f;
			const char *text;

			feed_text(&f, bodies[i].in, pieces[k / 3], true);
			ck_assert_ok(next_response(&f, bodies[i].method));
			text = body_text(&f, pieces[k % 3]);
			ck_assert_msg((text == NULL) == (bodies[i].body == NULL), "case %zu", i);
			if (text)
				ck_assert_str_eq(text, bodies[i].body);
			ck_assert_msg(http_conn_reusable(f.conn) == bodies[i].reusable, "case %zu",
			              i);
			feed_close(&f);
		}
}

/* A response with n bytes of the pattern. */
static void make_response(struct buf *b, size_t n, bool chunked)
{
	unsigned char *p = malloc(n + 1);

	fill_pattern(p, n, 0);
	if (!chunked) {
		buf_printf(b, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", n);
		buf_add(b, p, n);
	} else {
		buf_add_cstr(b, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
		for (size_t at = 0; at < n;) {
			size_t piece = random_u64() % 50000 + 1;

			if (piece > n - at)
				piece = n - at;
			buf_printf(b, "%zx\r\n", piece);
			buf_add(b, p + at, piece);
			buf_add_cstr(b, "\r\n");
			at += piece;
		}
		buf_add_cstr(b, "0\r\n\r\n");
	}
	free(p);
}

/* Reads of random sizes: through the buffer and past it. */
static void large_bodies(void)
{
	const size_t n = 2 * 1024 * 1024;
	unsigned char *piece = malloc(100000);

	for (int chunked = 0; chunked < 2; chunked++) {
		struct feed f;
		BUF_AUTO in = {0};
		struct body *b;
		size_t got = 0;
		ssize_t r = 1;

		make_response(&in, n, chunked);
		feed_open(&f, in.p, in.n, 0, false);
		ck_assert_ok(next_response(&f, "GET"));
		b = http_conn_body(f.conn, &f.head);
		ck_assert_uint_eq(b->size, chunked ? BODY_SIZE_UNKNOWN : n);
		while (r > 0) {
			size_t want = random_u64() % (random_u64() % 2 ? 100000 : 100) + 1;

			r = body_read(b, piece, want, IDLE, &error);
			ck_assert_msg(r >= 0, "%s", error.text);
			ck_assert(is_pattern(piece, (size_t)r, got));
			got += (size_t)r;
		}
		ck_assert_uint_eq(got, n);
		ck_assert(http_conn_reusable(f.conn));
		feed_close(&f);
	}
	free(piece);
}

static void slow_body(void)
{
	struct feed f;
	struct body *b;
	char c[8];

	feed_text(&f, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", 0, false);
	ck_assert_ok(next_response(&f, "GET"));
	b = http_conn_body(f.conn, &f.head);
	while (http_conn_body_bytes(f.conn) < 2)
		ck_assert_int_gt(body_read(b, c, sizeof c, IDLE, &error), 0);
	ck_assert_int_lt(body_read(b, c, sizeof c, 20 * CLOCK_MS, &error), 0);
	ck_assert_int_eq(error.code, ERR_TIMEOUT);
	ck_assert_int_lt(body_read(b, c, sizeof c, IDLE, &error), 0);
	ck_assert(!http_conn_reusable(f.conn));
	feed_close(&f);
}

static void drains(void)
{
	struct feed f;
	BUF_AUTO in = {0};

	make_response(&in, 100000, false);
	feed_open(&f, in.p, in.n, 0, false);
	ck_assert_ok(next_response(&f, "GET"));
	ck_assert(!http_conn_drain(f.conn, 99999, IDLE));
	ck_assert(http_conn_drain(f.conn, 100000, IDLE));
	ck_assert(http_conn_reusable(f.conn));
	feed_close(&f);

	buf_consume(&in, in.n);
	make_response(&in, 100000, true);
	feed_open(&f, in.p, in.n, 0, false);
	ck_assert_ok(next_response(&f, "GET"));
	ck_assert(!http_conn_drain(f.conn, 50000, IDLE));
	ck_assert(http_conn_drain(f.conn, 50000, IDLE) || http_conn_drain(f.conn, 1, IDLE));
	feed_close(&f);
}

/* The time is one for the whole rest, however the bytes drip. */
static void drains_within_its_time(void)
{
	struct feed f;

	feed_text(&f, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhe", 0, false);
	ck_assert_ok(next_response(&f, "GET"));
	int64_t begin = clock_mono();
	ck_assert(!http_conn_drain(f.conn, 1000, 20 * CLOCK_MS));
	ck_assert_int_ge(clock_mono() - begin, 20 * CLOCK_MS);
	ck_assert(!http_conn_reusable(f.conn));
	feed_close(&f);
}

/* --- sending ---------------------------------------------------------------- */

struct receiver {
	struct stream *s;
	struct buf got;
};

static void receiver_task(void *arg)
{
	struct receiver *r = arg;
	char *buf = malloc(50000);
	ssize_t n;

	while ((n = stream_read(r->s, buf, 50000, clock_deadline(TEST_PATIENCE))) > 0)
		buf_add(&r->got, buf, (size_t)n);
	free(buf);
}

struct sent {
	enum err rc;
	uint64_t n;
	bool sink_failed;
	struct buf got;
};

/* Sends a body behind a head to somebody who collects everything. */
static struct sent send_to_receiver(struct body *b, const char *head)
{
	struct stream *out;
	struct receiver in = {0};
	struct wait_group g = {0};
	struct sent s = {0};

	pair_open(&out, &in.s);
	ck_assert_int_eq(wait_group_spawn(&g, "receiver", receiver_task, &in, NULL), 0);
	s.rc = body_send_after(b, out, str_of(head), IDLE, &s.n, &s.sink_failed, &error);
	stream_close(&out);
	wait_group_wait(&g, 0);
	stream_close(&in.s);
	s.got = in.got;
	return s;
}

static void assert_pattern_after(struct sent *s, const char *head, size_t n)
{
	size_t skip = strlen(head);

	ck_assert_msg(s->rc == ERR_OK, "%s", error.text);
	ck_assert_uint_eq(s->n, n);
	ck_assert_uint_eq(s->got.n, skip + n);
	ck_assert_int_eq(strncmp(s->got.p ? s->got.p : "", head, skip), 0);
	ck_assert(is_pattern((unsigned char *)s->got.p + skip, n, 0));
	buf_free(&s->got);
}

static void send_memory(void)
{
	static const size_t sizes[] = {0, 1, 4096, 16 * 1024, 16 * 1024 + 1, 1000000};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (int with_head = 0; with_head < 2; with_head++) {
			const char *head = with_head ? "head\r\n\r\n" : "";
			unsigned char *p = malloc(sizes[i] + 1);
			struct body *b = body_of_memory(p, sizes[i]);
			struct sent s;

			fill_pattern(p, sizes[i], 0);
			s = send_to_receiver(b, head);
			assert_pattern_after(&s, head, sizes[i]);
			body_close(&b);
			free(p);
		}
}

/* 5 MiB from one connection to another, spliced where the framing allows it. */
static void send_relayed(void)
{
	const size_t n = 5 * 1024 * 1024;

	for (int chunked = 0; chunked < 2; chunked++) {
		struct feed f;
		BUF_AUTO in = {0};
		struct sent s;

		make_response(&in, n, chunked);
		buf_add_cstr(&in, "HTTP/1.1 204 X\r\n\r\n"); /* must not be touched */
		feed_open(&f, in.p, in.n, 0, false);
		ck_assert_ok(next_response(&f, "GET"));
		s = send_to_receiver(http_conn_body(f.conn, &f.head), "head\r\n\r\n");
		assert_pattern_after(&s, "head\r\n\r\n", n);
		ck_assert_uint_eq(http_conn_body_bytes(f.conn), n);
		ck_assert(http_conn_reusable(f.conn));
		ck_assert_ok(next_response(&f, "GET"));
		ck_assert_int_eq(f.head.status, 204);
		feed_close(&f);
	}
}

static void send_truncated(void)
{
	struct feed f;
	BUF_AUTO in = {0};
	struct sent s;

	make_response(&in, 1000000, false);
	feed_open(&f, in.p, in.n - 10, 0, true);
	ck_assert_ok(next_response(&f, "GET"));
	s = send_to_receiver(http_conn_body(f.conn, &f.head), "");
	ck_assert_int_eq(s.rc, ERR_IO);
	ck_assert(!s.sink_failed);
	ck_assert(!http_conn_reusable(f.conn));
	buf_free(&s.got);
	feed_close(&f);
}

static void send_to_closed(void)
{
	struct feed f;
	BUF_AUTO in = {0};
	struct stream *a, *b;
	uint64_t sent;
	bool sink_failed;

	make_response(&in, 5000000, false);
	feed_open(&f, in.p, in.n, 0, true);
	ck_assert_ok(next_response(&f, "GET"));
	pair_open(&a, &b);
	stream_close(&b);
	ck_assert_int_eq(
		body_send(http_conn_body(f.conn, &f.head), a, IDLE, &sent, &sink_failed, &error),
		ERR_IO);
	ck_assert(sink_failed && sent < 5000000);
	ck_assert(!http_conn_reusable(f.conn));
	stream_close(&a);
	feed_close(&f);
}

/* A body that yields something else than it promised. */
struct liar {
	struct body body;
	size_t left;
};

static ssize_t liar_read(struct body *b, void *buf, size_t n, int64_t idle_us, struct error *e)
{
	struct liar *l = (struct liar *)b;

	(void)idle_us;
	(void)e;
	if (n > l->left)
		n = l->left;
	memset(buf, 'x', n);
	l->left -= n;
	return (ssize_t)n;
}

static void send_wrong_size(void)
{
	static const struct body_ops ops = {.read = liar_read};
	static const size_t sizes[] = {10, 100000};

	for (size_t i = 0; i < 2; i++)
		for (int more = 0; more < 2; more++) {
			struct liar l = {{&ops, sizes[i]}, more ? sizes[i] + 1 : sizes[i] - 1};
			struct sent s = send_to_receiver(&l.body, "");

			ck_assert_int_eq(s.rc, ERR_PROTOCOL);
			ck_assert(!s.sink_failed);
			ck_assert_uint_le(s.got.n, sizes[i]);
			buf_free(&s.got);
		}
}

static const struct {
	const char *name;
	void (*fn)(void);
} in_tasks[] = {
	{"pipelined", pipelined_in_pieces},
	{"ends", ends_of_requests},
	{"garbage", garbage},
	{"large heads", large_heads},
	{"slow head", slow_head},
	{"interim", interim_answers},
	{"after timeout", answer_after_timeout},
	{"framings", body_framings},
	{"large bodies", large_bodies},
	{"slow body", slow_body},
	{"drain", drains},
	{"drain time", drains_within_its_time},
	{"memory", send_memory},
	{"relay", send_relayed},
	{"truncated", send_truncated},
	{"closed", send_to_closed},
	{"wrong size", send_wrong_size},
};

START_TEST(test_in_task)
{
	in_task(in_tasks[_i].fn);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test_in_task, 0, sizeof in_tasks / sizeof *in_tasks);
	return run_tests("net_http_conn", t);
}
