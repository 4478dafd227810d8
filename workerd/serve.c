/* SPDX-License-Identifier: MIT
 *
 * Accepting connections. There are few clients (adminctl, a scraper, a health
 * check), so their number is small and fixed: one more waits in the kernel until
 * another has left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "ctl/admin.h"
#include "net/http_server.h"
#include "net/socket.h"
#include "rt/fd.h"
#include "rt/sync.h"
#include "rt/task.h"
#include "workerd/serve.h"
#include "workerd/worker.h"

#define CONNECTIONS 32

/* Out of descriptors: pause before the next attempt. */
#define ACCEPT_PAUSE (100 * CLOCK_MS)

/* For people and scrapers on a good network. */
#define HEADER_TIME (10 * CLOCK_SEC)
#define IDLE_TIME   (60 * CLOCK_SEC)
#define WRITE_TIME  (30 * CLOCK_SEC)

/* Owner and group. */
#define CONTROL_MODE 0660

struct listener {
	struct serve *serve;
	struct rt_fd *fd;
	struct task *task;
	struct http_server_options options;
};

struct connection {
	struct serve *serve;
	struct listener *listener; /* NULL: free */
	struct task *task;
	int fd;
};

struct serve {
	struct listener tcp, control;
	struct connection connections[CONNECTIONS];
	struct notify left; /* a connection is free again */
	struct wait_group tasks;
	bool stopping;
};

/* --- sockets ------------------------------------------------------------- */

static void control_path(const struct config *c, char *out, size_t n)
{
	snprintf(out, n, "%s/workerd.sock", c->server.run_dir);
}

enum err serve_bind_tcp(const struct config *c, int *fd, struct error *e)
{
	*fd = -1;
	if (!*c->worker.listen_addr)
		return ERR_OK;
	return socket_listen_tcp(c->worker.listen_addr, 1, fd, e);
}

enum err serve_bind_control(const struct config *c, int *fd, struct error *e)
{
	char path[4096];

	control_path(c, path, sizeof path);
	return socket_listen_unix(path, CONTROL_MODE, fd, e);
}

void serve_unlink_control(const struct config *c)
{
	char path[4096];

	control_path(c, path, sizeof path);
	unlink(path);
}

/* --- connections --------------------------------------------------------- */

static void connection_main(void *arg)
{
	struct connection *c = arg;

	http_serve(stream_new(c->fd), &c->listener->options);
	c->listener = NULL;
	c->task = NULL;
	notify_all(&c->serve->left);
}

/* Parks until one is free. NULL: the end. */
static struct connection *free_connection(struct serve *s)
{
	while (!s->stopping) {
		for (int i = 0; i < CONNECTIONS; i++)
			if (!s->connections[i].listener)
				return &s->connections[i];
		notify_wait(&s->left, CLOCK_NEVER);
	}
	return NULL;
}

static void start(struct listener *l, struct connection *c, int fd)
{
	*c = (struct connection){.serve = l->serve, .listener = l, .fd = fd};
	if (wait_group_spawn(&l->serve->tasks, "connection", connection_main, c, &c->task) == 0)
		return;
	close(fd);
	c->listener = NULL;
}

static void listener_main(void *arg)
{
	struct listener *l = arg;
	struct connection *c;

	while ((c = free_connection(l->serve))) {
		struct error e;
		int fd;
		enum err r = socket_accept(l->fd, CLOCK_NEVER, &fd, &e);

		if (r == ERR_CANCELED)
			break;
		if (r != ERR_OK) {
			log_warn("httpserver", "connection cannot be accepted",
			         LOG_STR("error", e.text));
			if (task_sleep(ACCEPT_PAUSE) < 0)
				break;
			continue;
		}
		/* another listener's task may have taken it meanwhile */
		c = free_connection(l->serve);
		if (c)
			start(l, c, fd);
		else
			close(fd);
	}
	rt_fd_close(&l->fd);
	l->task = NULL;
}

/* --- start and end ------------------------------------------------------- */

static void handle_tcp(struct http_call *c)
{
	admin_handle(c, false);
}

static void handle_control(struct http_call *c)
{
	admin_handle(c, true);
}

static void listen_on(struct serve *s, struct listener *l, int fd, struct worker *w,
                      void (*handle)(struct http_call *c))
{
	if (fd < 0)
		return;
	l->serve = s;
	l->fd = rt_fd_new(fd);
	l->options = (struct http_server_options){
		.handle = handle,
		.malformed = admin_error,
		.arg = w,
		.header_us = HEADER_TIME,
		.idle_us = IDLE_TIME,
		.write_idle_us = WRITE_TIME,
		.stopping = &s->stopping,
	};
	if (wait_group_spawn(&s->tasks, "listener", listener_main, l, &l->task) < 0)
		abort(); /* no memory for a stack at start */
}

struct serve *serve_new(struct worker *w, int tcp, int control)
{
	struct serve *s = MEM_NEW(struct serve);

	listen_on(s, &s->tcp, tcp, w, handle_tcp);
	listen_on(s, &s->control, control, w, handle_control);
	return s;
}

static void cancel(struct task *t)
{
	if (t)
		task_cancel(t);
}

void serve_free(struct serve **s)
{
	(*s)->stopping = true;
	notify_all(&(*s)->left);
	cancel((*s)->tcp.task);
	cancel((*s)->control.task);
	for (int i = 0; i < CONNECTIONS; i++)
		cancel((*s)->connections[i].task);
	wait_group_wait(&(*s)->tasks, 0);
	free(*s);
	*s = NULL;
}
