/* SPDX-License-Identifier: MIT
 *
 * Accepting and ending connections. The complication is leaving: a client may
 * send its next request on an idle connection in the moment when it is closed,
 * and would see an error. When another generation takes over, idle connections
 * therefore stay a little longer: who is busy sends its next request in that time
 * and is told "Connection: close" with the answer.
 */
#include "proxyd/doors.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "net/http_server.h"
#include "net/socket.h"
#include "net/stream.h"
#include "proxyd/server.h"
#include "rt/fd.h"
#include "rt/sync.h"
#include "rt/task.h"

#define DOORS_MAX 3 /* S3, metrics, control */

/* Of one child. Each is a task with two memory mappings, of which Linux allows
 * a process 65,530 by default. */
#define CONNECTIONS_MAX 8192

#define ACCEPT_BURST   64               /* then the others get a turn */
#define ACCEPT_BACKOFF (100 * CLOCK_MS) /* after an error such as EMFILE */
#define ACCEPT_QUIET   (10 * CLOCK_SEC) /* between two log lines about such errors */
#define LEAVE_IDLE     (5 * CLOCK_SEC)  /* how long an idle connection stays open */
#define LEAVE_STEP     (50 * CLOCK_MS)

struct door {
	struct doors *doors;
	struct rt_fd *listener;
	struct ssl_ctx_st *tls;
	void (*handle)(struct http_call *c);
	struct task *task;
	int64_t complained;
};

struct connection {
	struct connection *next, **self; /* in doors.first */
	struct door *door;
	struct task *task;
	struct http_server_options options;
	int fd;             /* for looking only, closed by its stream */
	bool busy;          /* a request is in progress */
	bool ended;         /* it has been told to end */
	int64_t idle_since; /* while not busy */
};

struct doors {
	struct server *server;
	struct door door[DOORS_MAX];
	int n;
	struct wait_group tasks;  /* connections */
	struct wait_group accept; /* one per door */
	struct connection *first;
	size_t open;
	struct notify changed; /* a connection has ended */
};

/* --- one connection ---------------------------------------------------------- */

static void begin_request(struct connection *k, struct http_call *c)
{
	struct server *s = k->door->doors->server;

	k->busy = true;
	atomic_fetch_add(&s->self->requests, 1);
	c->server = s;
}

static void end_request(struct connection *k)
{
	struct server *s = k->door->doors->server;

	atomic_fetch_sub(&s->self->requests, 1);
	atomic_fetch_add(&s->self->served, 1);
	k->busy = false;
	k->idle_since = rt_now();
}

static void on_request(struct http_call *c)
{
	struct connection *k = c->server;

	begin_request(k, c);
	k->door->handle(c);
	end_request(k);
}

static void on_malformed(struct http_call *c, int status, const char *why)
{
	struct connection *k = c->server;

	begin_request(k, c);
	route_malformed(c, status, why);
	end_request(k);
}

static void serve(struct connection *k)
{
	struct stream *s = stream_new(k->fd);
	struct error e;

	if (k->door->tls && stream_tls_server(s, k->door->tls, clock_deadline(k->options.header_us),
	                                      &e) != ERR_OK) {
		log_debug("httpserver", "TLS handshake failed",
		          LOG_STR("client_addr", stream_peer(s)), LOG_STR("error", e.text));
		stream_close(&s);
		return;
	}
	http_serve(s, &k->options);
}

static void link_connection(struct doors *d, struct connection *k)
{
	k->next = d->first;
	k->self = &d->first;
	if (k->next)
		k->next->self = &k->next;
	d->first = k;
	d->open++;
	atomic_store(&d->server->self->connections, d->open);
}

static void unlink_connection(struct doors *d, struct connection *k)
{
	*k->self = k->next;
	if (k->next)
		k->next->self = k->self;
	d->open--;
	atomic_store(&d->server->self->connections, d->open);
	notify_all(&d->changed);
}

static void connection_task(void *arg)
{
	struct connection *k = arg;

	serve(k);
	unlink_connection(k->door->doors, k);
	free(k);
}

static int64_t bound(int64_t configured)
{
	return configured > 0 ? configured : CLOCK_NEVER;
}

static void start_connection(struct door *door, int fd)
{
	struct doors *d = door->doors;
	const struct config_server *c = &d->server->config->server;
	struct connection *k = MEM_NEW(struct connection);

	*k = (struct connection){
		.door = door,
		.fd = fd,
		.idle_since = rt_now(),
		.options = {.handle = on_request,
	                    .malformed = on_malformed,
	                    .arg = k,
	                    .header_us = bound(c->read_header_timeout),
	                    .idle_us = bound(c->idle_timeout),
	                    .write_idle_us = bound(c->write_timeout),
	                    .stopping = &d->server->stopping},
	};
	link_connection(d, k);
	if (wait_group_spawn(&d->tasks, "connection", connection_task, k, &k->task) < 0) {
		close(fd);
		unlink_connection(d, k);
		free(k);
	}
}

/* --- accepting --------------------------------------------------------------- */

static void end_connection(struct connection *k)
{
	k->ended = true;
	task_cancel(k->task);
}

/* Of too many connections, the one that has been idle longest makes room. */
static void make_room(struct doors *d)
{
	struct connection *oldest = NULL;

	for (struct connection *k = d->first; k; k = k->next)
		if (!k->busy && !k->ended && (!oldest || k->idle_since < oldest->idle_since))
			oldest = k;
	if (oldest)
		end_connection(oldest);
}

static void complain(struct door *door, const struct error *e)
{
	if (door->complained && rt_now() - door->complained < ACCEPT_QUIET)
		return;
	door->complained = rt_now();
	log_warn("httpserver", "connection cannot be accepted", LOG_STR("error", e->text));
}

static void accept_task(void *arg)
{
	struct door *door = arg;
	struct doors *d = door->doors;
	unsigned burst = 0;

	while (!task_is_cancelled()) {
		struct error e;
		enum err r;
		int fd;

		if (d->open >= CONNECTIONS_MAX) {
			make_room(d);
			notify_wait(&d->changed, rt_now() + ACCEPT_BACKOFF);
			continue;
		}
		r = socket_accept(door->listener, CLOCK_NEVER, &fd, &e);
		if (r == ERR_OK) {
			start_connection(door, fd);
			if (++burst % ACCEPT_BURST == 0)
				task_yield();
		} else if (r != ERR_CANCELED) {
			complain(door, &e);
			task_sleep(ACCEPT_BACKOFF);
		}
	}
	rt_fd_close(&door->listener);
}

enum err doors_open(struct doors *d, int fd, struct ssl_ctx_st *tls,
                    void (*handle)(struct http_call *c), struct error *e)
{
	struct door *door = &d->door[d->n];

	assert(d->n < DOORS_MAX);
	*door = (struct door){.doors = d, .tls = tls, .handle = handle};
	door->listener = rt_fd_new(fd);
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

	return ioctl(k->fd, FIONREAD, &n) == 0 && n > 0;
}

static void end_idle(struct doors *d, int64_t before)
{
	for (struct connection *k = d->first; k; k = k->next)
		if (!k->busy && !k->ended && k->idle_since <= before && !has_input(k))
			end_connection(k);
}

void doors_leave(struct doors *d)
{
	/* Nobody else listens while the whole server stops: no reason to linger. */
	int64_t stay = d->server->board->stopping ? 0 : LEAVE_IDLE;
	int64_t begin = rt_now();

	d->server->stopping = true;
	for (int i = 0; i < d->n; i++)
		task_cancel(d->door[i].task);
	wait_group_wait(&d->accept, 0);
	while (d->open > 0) {
		int64_t next = rt_now() + LEAVE_STEP;

		if (rt_now() - begin >= stay)
			end_idle(d, rt_now() - stay);
		while (d->open > 0 && notify_wait(&d->changed, next) == 0)
			;
	}
	wait_group_wait(&d->tasks, 0);
}

struct doors *doors_new(struct server *s)
{
	struct doors *d = MEM_NEW(struct doors);

	d->server = s;
	return d;
}

void doors_free(struct doors **d)
{
	if (*d)
		assert((*d)->open == 0);
	free(*d);
	*d = NULL;
}
