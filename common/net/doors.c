/* SPDX-License-Identifier: MIT
 *
 * Accepting, keeping and ending connections. A connection is in one of three lists
 * of its door: waiting for a request, for the rest of a head (or a hand-shake), or
 * busy. The first two are ordered by age, so the door's own task finds what is
 * overdue, and what makes room, at their beginning. A task exists from the first
 * byte that comes until there is nothing more to be read; starting one costs less
 * than keeping the stack of one that waits.
 *
 * The other complication is leaving: a client may send its next request on an idle
 * connection in the moment when it is closed, and would see an error.
 */
#include "net/doors.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/http_server.h"
#include "net/socket.h"
#include "net/stream.h"
#include "rt/fd.h"
#include "rt/sync.h"
#include "rt/task.h"

#define DOORS_MAX 3 /* public, metrics, control */

#define ACCEPT_BURST   64               /* then the others get a turn */
#define ACCEPT_BACKOFF (100 * CLOCK_MS) /* when there is no room to be made */
#define ACCEPT_QUIET   (10 * CLOCK_SEC) /* between two log lines about errors */
#define LEAVE_STEP     (50 * CLOCK_MS)

TAILQ_HEAD(connections, connection);

struct door {
	struct doors *doors;
	struct door_options options;
	struct rt_fd *listener;
	struct task *task;
	struct connections idle;  /* no byte of a request has come */
	struct connections heads; /* a head has begun, or a hand-shake is due */
	struct connections busy;  /* a request is in progress, or it has been told to end */
	size_t open;              /* in all three */
	int64_t complained;
};

struct connection {
	TAILQ_ENTRY(connection) link;
	struct connections *in;
	int64_t since; /* when it came there */
	struct door *door;
	struct http_conn *conn;
	struct task *task; /* NULL: bytes from the client start one */
	bool ended;        /* it has been told to end */
};

struct doors {
	struct doors_counters counters;
	struct door door[DOORS_MAX];
	int n;
	struct wait_group accept; /* one task per door */
	size_t open;
	struct notify changed; /* a connection has ended, or waits */
	bool leaving;
};

static void count(_Atomic uint64_t *counter, int by)
{
	if (counter)
		atomic_fetch_add(counter, (uint64_t)by);
}

/* --- lists ------------------------------------------------------------------- */

static void append(struct connection *k, struct connections *to)
{
	TAILQ_INSERT_TAIL(to, k, link);
	k->in = to;
	k->since = rt_now();
}

static void move(struct connection *k, struct connections *to)
{
	TAILQ_REMOVE(k->in, k, link);
	append(k, to);
}

static void close_connection(struct connection *k)
{
	struct doors *d = k->door->doors;

	TAILQ_REMOVE(k->in, k, link);
	k->door->open--;
	d->open--;
	count(d->counters.connections, -1);
	notify_all(&d->changed);
	http_conn_close(&k->conn);
	free(k);
}

static void end_connection(struct connection *k)
{
	if (!k->task) {
		close_connection(k);
		return;
	}
	k->ended = true;
	move(k, &k->door->busy);
	task_cancel(k->task);
}

/* --- one connection ---------------------------------------------------------- */

static void begin_request(struct connection *k, struct http_call *c)
{
	move(k, &k->door->busy);
	count(k->door->doors->counters.requests, 1);
	c->server = k->door->options.arg;
}

static void end_request(struct connection *k)
{
	const struct doors_counters *counters = &k->door->doors->counters;

	count(counters->requests, -1);
	count(counters->served, 1);
	move(k, &k->door->idle);
	notify_all(&k->door->doors->changed);
}

static void on_request(struct http_call *c)
{
	struct connection *k = c->server;

	begin_request(k, c);
	k->door->options.handle(c);
	end_request(k);
}

static void on_malformed(struct http_call *c, int status, const char *why)
{
	struct connection *k = c->server;

	begin_request(k, c);
	k->door->options.malformed(c, status, why);
	end_request(k);
}

/* The TLS hand-shake comes with the first bytes. */
static bool secure(struct connection *k)
{
	const struct door_options *o = &k->door->options;
	struct stream *s = http_conn_stream(k->conn);
	struct error e;

	if (!o->tls || !stream_is_plain(s))
		return true;
	if (stream_tls_server(s, o->tls, clock_deadline(o->header_us), &e) == ERR_OK) {
		move(k, &k->door->idle);
		return true;
	}
	log_debug("httpserver", "TLS handshake failed", LOG_STR("client_addr", stream_peer(s)),
	          LOG_STR("error", e.text));
	return false;
}

static void on_input(void *arg);

/* Lets the connection wait without its task. False: there may be more to read. */
static bool lay_down(struct connection *k, enum http_next wait)
{
	int r;

	/* A head is as old as its first byte, however often bytes come. */
	if (wait == HTTP_NEXT_HEAD && k->in == &k->door->idle)
		move(k, &k->door->heads);
	r = http_conn_call_on_read(k->conn, on_input, k);
	if (r == 0)
		k->task = NULL;
	else if (r != -EAGAIN)
		k->ended = true;
	return r == 0;
}

static void connection_task(void *arg)
{
	struct connection *k = arg;
	const struct door_options *o = &k->door->options;
	const struct http_server_options server = {
		.handle = on_request,
		.malformed = on_malformed,
		.arg = k,
		.drain_us = o->header_us,
		.write_idle_us = o->write_idle_us,
		.stopping = &k->door->doors->leaving,
	};

	while (!k->ended && secure(k)) {
		enum http_next next = http_serve(k->conn, &server);

		if (next == HTTP_NEXT_CLOSE)
			break;
		if (!k->ended && lay_down(k, next))
			return;
	}
	close_connection(k);
}

/* Called by the loop. Without a task the client is told at once; what is left of
 * the connection goes as one that waits in vain. */
static void on_input(void *arg)
{
	struct connection *k = arg;

	k->task = task_spawn("connection", connection_task, k);
	if (!k->task)
		shutdown(stream_fd(http_conn_stream(k->conn)), SHUT_RDWR);
}

static void start_connection(struct door *door, int fd)
{
	struct connection *k = MEM_NEW(struct connection);

	k->door = door;
	k->conn = http_conn_new(stream_new(fd));
	append(k, door->options.tls ? &door->heads : &door->idle);
	door->open++;
	door->doors->open++;
	count(door->doors->counters.connections, 1);
	if (http_conn_call_on_read(k->conn, on_input, k) < 0)
		close_connection(k);
}

/* --- accepting --------------------------------------------------------------- */

static int64_t later(int64_t t, int64_t us)
{
	return us < CLOCK_NEVER - t ? t + us : CLOCK_NEVER;
}

/* Ends what has waited for too long. Returns when to look again. */
static int64_t expire(struct connections *waiting, int64_t us)
{
	struct connection *k;

	while ((k = TAILQ_FIRST(waiting)) && later(k->since, us) <= rt_now())
		end_connection(k);
	return later(k ? k->since : rt_now(), us);
}

static int64_t sweep(struct door *door)
{
	int64_t idle = expire(&door->idle, door->options.idle_us);
	int64_t heads = expire(&door->heads, door->options.header_us);

	return idle < heads ? idle : heads;
}

static struct connection *older(struct connection *a, struct connection *b)
{
	return !a || (b && b->since < a->since) ? b : a;
}

/* NULL: all are busy. */
static struct connection *longest_waiting(const struct door *door)
{
	return older(TAILQ_FIRST(&door->idle), TAILQ_FIRST(&door->heads));
}

static struct connection *longest_waiting_anywhere(const struct doors *d)
{
	struct connection *k = NULL;

	for (int i = 0; i < d->n; i++)
		k = older(k, longest_waiting(&d->door[i]));
	return k;
}

/* At the cost of that connection, or when another one ends. */
static void make_room(struct doors *d, struct connection *k)
{
	size_t before = d->open;

	if (k)
		end_connection(k);
	if (d->open == before)
		notify_wait(&d->changed, rt_now() + ACCEPT_BACKOFF);
}

static void complain(struct door *door, const struct error *e)
{
	if (door->complained && rt_now() - door->complained < ACCEPT_QUIET)
		return;
	door->complained = rt_now();
	log_warn("httpserver", "connection cannot be accepted", LOG_STR("error", e->text));
}

static void accept_failed(struct door *door, enum err r, const struct error *e)
{
	if (r == ERR_TIMEOUT || r == ERR_CANCELED)
		return;
	complain(door, e);
	if (r == ERR_BUSY) /* out of descriptors */
		make_room(door->doors, longest_waiting_anywhere(door->doors));
	else
		task_sleep(ACCEPT_BACKOFF);
}

static void accept_task(void *arg)
{
	struct door *door = arg;
	unsigned burst = 0;

	while (!task_is_cancelled()) {
		int64_t overdue = sweep(door);
		struct error e;
		enum err r;
		int fd;

		r = socket_accept(door->listener, overdue, &fd, &e);
		if (r != ERR_OK) {
			accept_failed(door, r, &e);
			continue;
		}
		while (door->open >= door->options.limit && !task_is_cancelled())
			make_room(door->doors, longest_waiting(door));
		start_connection(door, fd);
		if (++burst % ACCEPT_BURST == 0)
			task_yield();
	}
	rt_fd_close(&door->listener);
}

enum err doors_open(struct doors *d, const struct door_options *o, struct error *e)
{
	struct door *door = &d->door[d->n];

	assert(d->n < DOORS_MAX);
	*door = (struct door){.doors = d, .options = *o};
	TAILQ_INIT(&door->idle);
	TAILQ_INIT(&door->heads);
	TAILQ_INIT(&door->busy);
	door->listener = rt_fd_new(o->fd);
	if (wait_group_spawn(&d->accept, "accept", accept_task, door, &door->task) < 0) {
		rt_fd_close(&door->listener);
		return err_set(e, ERR_BUSY, "no memory for a task");
	}
	d->n++;
	return ERR_OK;
}

/* --- leaving ------------------------------------------------------------------- */

/* Bytes that nobody has read yet are a request. */
static bool has_input(const struct connection *k)
{
	int n = 0;

	return ioctl(stream_fd(http_conn_stream(k->conn)), FIONREAD, &n) == 0 && n > 0;
}

static void end_waiting(struct connections *waiting, int64_t before)
{
	struct connection *k = TAILQ_FIRST(waiting);

	while (k && k->since <= before) {
		struct connection *next = TAILQ_NEXT(k, link);

		if (!has_input(k))
			end_connection(k);
		k = next;
	}
}

static void cancel_requests(const struct door *door)
{
	struct connection *k;

	TAILQ_FOREACH(k, &door->busy, link)
	task_cancel(k->task);
}

static void thin_out(struct doors *d, int64_t begin, int64_t linger_us, int64_t patience_us)
{
	for (struct door *door = d->door; door < d->door + d->n; door++) {
		if (rt_now() - begin >= linger_us) {
			end_waiting(&door->idle, rt_now() - linger_us);
			end_waiting(&door->heads, rt_now() - linger_us);
		}
		if (rt_now() - begin >= patience_us)
			cancel_requests(door);
	}
}

void doors_leave(struct doors *d, int64_t linger_us, int64_t patience_us)
{
	int64_t begin = rt_now();

	d->leaving = true;
	for (int i = 0; i < d->n; i++)
		task_cancel(d->door[i].task);
	wait_group_wait(&d->accept, 0);
	while (d->open > 0) {
		int64_t next = rt_now() + LEAVE_STEP;

		thin_out(d, begin, linger_us, patience_us);
		while (d->open > 0 && notify_wait(&d->changed, next) == 0)
			;
	}
}

struct doors *doors_new(struct doors_counters counters)
{
	struct doors *d = MEM_NEW(struct doors);

	d->counters = counters;
	return d;
}

void doors_free(struct doors **d)
{
	if (*d)
		assert((*d)->open == 0);
	free(*d);
	*d = NULL;
}
