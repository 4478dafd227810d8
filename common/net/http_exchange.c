/* SPDX-License-Identifier: MIT
 *
 * One request and its answer. Two things make it longer than it sounds: a pooled
 * connection may turn out to be dead only when it is used, and a server may
 * answer (and stop reading) while the body is still being sent. For the second a
 * watcher task looks at the input during long bodies and stops the sending side,
 * so that the answer is read instead of waiting for room that never comes.
 */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "net/http_client_private.h"
#include "rt/sync.h"
#include "rt/task.h"

/* Fits the socket buffers of both sides: sending it cannot block for long. */
#define WATCH_MIN (64 * 1024)

/* After a failed send the answer, if there is one, has arrived already or is
 * just behind. */
#define EARLY_ANSWER_US CLOCK_SEC
#define CONTINUE_US     CLOCK_SEC /* RFC 9110 10.1.1: "should not wait indefinitely" */

/* A rest that costs less to read than a new connection would. */
#define DRAIN_MAX (64 * 1024)
#define DRAIN_US  (100 * CLOCK_MS)

/* --- the request head ------------------------------------------------------ */

static bool is_valid(const struct http_exchange *x)
{
	if (!http1_is_token(x->method) || !http1_is_target(x->target) || !http1_is_value(x->host))
		return false;
	for (size_t i = 0; i < x->n_fields; i++)
		if (!http1_is_token(x->fields[i].name) || !http1_is_value(x->fields[i].value))
			return false;
	return !x->send || x->send->size != BODY_SIZE_UNKNOWN;
}

static void add_field(struct buf *b, struct str name, struct str value)
{
	buf_add_str(b, name);
	buf_add(b, ": ", 2);
	buf_add_str(b, value);
	buf_add(b, "\r\n", 2);
}

/* Without a body these methods say so, or servers answer 411 (RFC 9110 8.6). */
static bool method_wants_length(struct str method)
{
	return str_eq(method, STR("PUT")) || str_eq(method, STR("POST"));
}

static bool expects_continue(const struct http_exchange *x)
{
	return x->expect_continue && x->send && x->send->size > 0;
}

static void build_head(struct buf *b, const struct http_client *c, const struct http_exchange *x)
{
	buf_reserve(b, 1024); /* nearly every request */
	buf_add_str(b, x->method);
	buf_add_char(b, ' ');
	buf_add_str(b, x->target);
	buf_add(b, " HTTP/1.1\r\n", 11);
	add_field(b, STR("Host"), x->host.n > 0 ? x->host : http_client_authority(c));
	for (size_t i = 0; i < x->n_fields; i++)
		add_field(b, x->fields[i].name, x->fields[i].value);
	if (x->send)
		buf_printf(b, "Content-Length: %llu\r\n", (unsigned long long)x->send->size);
	else if (method_wants_length(x->method))
		buf_add_cstr(b, "Content-Length: 0\r\n");
	if (expects_continue(x))
		buf_add_cstr(b, "Expect: 100-continue\r\n");
	buf_add(b, "\r\n", 2);
}

/* --- the watcher ----------------------------------------------------------- */

struct watcher {
	struct stream *s;
	struct task *task; /* NULL when it has ended */
	bool fired;        /* the sending side is shut */
	struct wait_group group;
};

static bool is_interim(const char *p, ssize_t n)
{
	return n >= 10 && memcmp(p, "HTTP/1.1 1", 10) == 0;
}

/* Anything but an interim answer means that the server is done with the request.
 * One look is enough: should an interim answer hide a later one, the time limits
 * still hold. */
static void watch(void *arg)
{
	struct watcher *w = arg;
	char start[10];
	ssize_t n = stream_peek(w->s, start, sizeof start, CLOCK_NEVER);

	if (n > 0 && !is_interim(start, n)) {
		stream_shutdown_write(w->s);
		w->fired = true;
	}
	w->task = NULL;
}

static void watcher_start(struct watcher *w, struct stream *s)
{
	*w = (struct watcher){.s = s};
	if (wait_group_spawn(&w->group, "early answer", watch, w, &w->task) < 0)
		w->task = NULL; /* then without */
}

static void watcher_stop(struct watcher *w)
{
	if (w->task)
		task_cancel(w->task);
	wait_group_wait(&w->group, 0);
}

/* --- one attempt ----------------------------------------------------------- */

struct attempt {
	struct http_exchange *x;
	struct client_conn *cc;
	struct arena *arena;
	struct str head;   /* request bytes not sent yet */
	bool body_touched; /* a byte of the body may have been read */
	bool answered;     /* something came back */
};

static struct stream *stream_of(const struct attempt *t)
{
	return http_conn_stream(t->cc->conn);
}

static enum err read_answer(struct attempt *t, int64_t us, bool *got_continue, struct error *e)
{
	enum err rc = http_conn_read_response(t->cc->conn, t->x->method, clock_deadline(us),
	                                      t->arena, &t->x->head, got_continue, e);

	t->answered |= rc != ERR_NOT_FOUND;
	return rc;
}

static enum err send_head(struct attempt *t, bool *sink_failed, struct error *e)
{
	int r = stream_write_all(stream_of(t), t->head.p, t->head.n, t->x->idle_us);

	t->head = STR_NULL;
	*sink_failed = r < 0;
	return r < 0 ? stream_error(e, r, "sending a request") : ERR_OK;
}

/* The head, if it is still there, and the body. *sink_failed: the connection
 * does not take it; an answer may explain why. */
static enum err send_body(struct attempt *t, bool *sink_failed, struct error *e)
{
	struct body *b = t->x->send;
	struct watcher w = {0};
	uint64_t sent;
	enum err rc;

	t->body_touched = true;
	if (b->size > WATCH_MIN)
		watcher_start(&w, stream_of(t));
	rc = body_send_after(b, stream_of(t), t->head, t->x->idle_us, &sent, sink_failed, e);
	watcher_stop(&w);
	t->cc->unusable |= w.fired;
	t->x->send_failed = rc && !*sink_failed && rc != ERR_CANCELED;
	return rc;
}

static enum err accept_early(const struct attempt *t, struct error *e)
{
	if (t->x->head.status >= 300)
		return ERR_OK;
	return err_set(e, ERR_PROTOCOL, "answer %d before the request was complete",
	               t->x->head.status);
}

/* The request could not be sent to its end. An answer that came nevertheless is
 * what the caller wants to know, except one that claims success. */
static enum err early_answer(struct attempt *t, enum err rc, struct error *e)
{
	struct error ignored;

	t->cc->unusable = true;
	if (rc == ERR_CANCELED || read_answer(t, EARLY_ANSWER_US, NULL, &ignored))
		return rc;
	return accept_early(t, e);
}

/* Sends the head alone and waits for leave to go on. *final: an answer came
 * instead, and the body stays where it is. */
static enum err ask_to_continue(struct attempt *t, bool *final, bool *sink_failed, struct error *e)
{
	bool go_on = false;
	enum err rc = send_head(t, sink_failed, e);

	if (rc)
		return rc;
	rc = read_answer(t, CONTINUE_US, &go_on, e);
	if (rc == ERR_TIMEOUT)
		return ERR_OK; /* a server that does not know the game */
	if (rc || go_on)
		return rc;
	*final = true;
	t->cc->unusable = true; /* it may or may not still expect the body */
	return accept_early(t, e);
}

/* *final: the answer is there already. */
static enum err send_request(struct attempt *t, bool *final, struct error *e)
{
	bool sink_failed = false;
	enum err rc = ERR_OK;

	t->x->sent_any = true;
	if (expects_continue(t->x))
		rc = ask_to_continue(t, final, &sink_failed, e);
	if (!rc && !*final)
		rc = t->x->send ? send_body(t, &sink_failed, e) : send_head(t, &sink_failed, e);
	if (!rc || !sink_failed)
		return rc;
	rc = early_answer(t, rc, e);
	*final = rc == ERR_OK;
	return rc;
}

static enum err try_exchange(struct attempt *t, struct error *e)
{
	bool final = false;
	enum err rc = send_request(t, &final, e);

	if (!rc && !final)
		rc = read_answer(t, t->x->response_us, NULL, e);
	return rc;
}

/* --- the body of the answer ------------------------------------------------ */

static ssize_t answer_read(struct body *b, void *buf, size_t n, int64_t idle_us, struct error *e)
{
	struct client_conn *cc = (struct client_conn *)b;

	return body_read(cc->inner, buf, n, idle_us, e);
}

static void answer_close(struct body *b)
{
	struct client_conn *cc = (struct client_conn *)b;

	if (!cc->unusable)
		cc->unusable = !http_conn_drain(cc->conn, DRAIN_MAX, DRAIN_US);
	http_client_put(&cc);
}

static uint64_t answer_raw(struct body *b, struct stream **from, int *file, int64_t *off)
{
	struct client_conn *cc = (struct client_conn *)b;

	return cc->inner->ops->raw(cc->inner, from, file, off);
}

static void answer_taken(struct body *b, uint64_t n)
{
	struct client_conn *cc = (struct client_conn *)b;

	cc->inner->ops->taken(cc->inner, n);
}

static struct body *answer_body(struct client_conn *cc, const struct http_head *h)
{
	static const struct body_ops ops = {
		.read = answer_read,
		.close = answer_close,
		.raw = answer_raw,
		.taken = answer_taken,
	};

	cc->inner = http_conn_body(cc->conn, h);
	cc->body = (struct body){.ops = &ops, .size = cc->inner->size};
	return &cc->body;
}

/* --- the exchange ---------------------------------------------------------- */

/* Only a connection that had been idle, that died without a word, and a request
 * that is still whole. */
static bool may_repeat(const struct attempt *t, enum err rc)
{
	return t->cc->pooled && !t->answered && !t->body_touched &&
	       (rc == ERR_NOT_FOUND || rc == ERR_IO);
}

static enum err run(struct http_client *c, struct attempt *t, struct str head, struct error *e)
{
	bool fresh = false;

	for (;;) {
		enum err rc = http_client_take(c, fresh, &t->cc, e);

		if (rc)
			return rc;
		t->head = head;
		rc = try_exchange(t, e);
		if (!rc)
			return ERR_OK;
		fresh = may_repeat(t, rc);
		t->cc->unusable = true;
		if (t->body_touched) /* or the whole of it may arrive when it has been given up */
			stream_drop_unsent(http_conn_stream(t->cc->conn));
		http_client_put(&t->cc);
		if (!fresh)
			return rc == ERR_NOT_FOUND
			               ? err_set(e, ERR_IO, "connection closed without an answer")
			               : rc;
	}
}

enum err http_client_exchange(struct http_client *c, struct arena *a, struct http_exchange *x,
                              struct error *e)
{
	struct attempt t = {.x = x, .arena = a};
	struct error ignored;
	BUF_AUTO head = {0};
	enum err rc;

	x->body = NULL;
	x->sent_any = x->send_failed = false;
	if (!is_valid(x))
		return err_set(e, ERR_INVALID, "not a request that HTTP can carry");
	build_head(&head, c, x);
	rc = run(c, &t, buf_str(&head), e ? e : &ignored);
	if (rc)
		return rc;
	x->body = answer_body(t.cc, &x->head);
	return ERR_OK;
}
