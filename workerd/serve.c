/* SPDX-License-Identifier: MIT
 *
 * Sockets and doors of workerd.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/config.h"
#include "ctl/admin.h"
#include "net/doors.h"
#include "net/socket.h"
#include "workerd/serve.h"
#include "workerd/worker.h"

/* Few clients: scrapers and health checks; adminctl. */
#define TCP_CONNECTIONS     64
#define CONTROL_CONNECTIONS 32

/* For people and scrapers on a good network. */
#define HEADER_TIME (10 * CLOCK_SEC)
#define IDLE_TIME   (60 * CLOCK_SEC)
#define WRITE_TIME  (30 * CLOCK_SEC)
/* For requests in progress when the daemon ends. */
#define STOP_TIME (2 * CLOCK_SEC)

/* Owner and group: they are the operators. */
#define CONTROL_MODE 0660

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

/* --- start and end ------------------------------------------------------- */

static void handle_tcp(struct http_call *c)
{
	admin_handle(c, false);
}

static void handle_control(struct http_call *c)
{
	if (admin_check_peer(c))
		admin_handle(c, true);
}

static void open_door(struct doors *d, struct worker *w, int fd, size_t limit,
                      void (*handle)(struct http_call *c))
{
	const struct door_options o = {
		.fd = fd,
		.limit = limit,
		.handle = handle,
		.malformed = admin_error,
		.arg = w,
		.idle_us = IDLE_TIME,
		.header_us = HEADER_TIME,
		.write_idle_us = WRITE_TIME,
	};
	struct error e;

	if (fd >= 0 && doors_open(d, &o, &e) != ERR_OK)
		abort(); /* no memory for a stack at start */
}

struct doors *serve_new(struct worker *w, int tcp, int control)
{
	struct doors *d = doors_new((struct doors_counters){0});

	open_door(d, w, tcp, TCP_CONNECTIONS, handle_tcp);
	open_door(d, w, control, CONTROL_CONNECTIONS, handle_control);
	return d;
}

void serve_free(struct doors **d)
{
	doors_leave(*d, 0, STOP_TIME);
	doors_free(d);
}
