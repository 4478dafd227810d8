/* SPDX-License-Identifier: MIT
 *
 * Opens and closes the listening sockets.
 */
#include "proxyd/listen.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "config/config.h"
#include "ctl/daemon.h"
#include "net/socket.h"

#define CONTROL_MODE 0660 /* access to the file is the right to administrate */

/* Children whose supervisor was killed close their sockets as soon as the kernel
 * has told them; a busy machine may take a moment. */
#define TAKEOVER_US   (5 * CLOCK_SEC)
#define TAKEOVER_STEP (50 * CLOCK_MS)

static void pause_for(int64_t us)
{
	struct timespec t = {.tv_nsec = us * 1000};

	nanosleep(&t, NULL);
}

static enum err open_tcp(const char *address, int n, int *fds, struct error *e)
{
	int64_t deadline = clock_deadline(TAKEOVER_US);
	enum err r;

	while ((r = socket_listen_tcp(address, n, fds, e)) == ERR_CONFLICT &&
	       clock_mono() < deadline)
		pause_for(TAKEOVER_STEP);
	return r;
}

static enum err open_control(struct listeners *l, struct error *e)
{
	int64_t deadline = clock_deadline(TAKEOVER_US);
	pid_t holder;
	enum err r;

	while ((r = socket_listen_unix(l->control_path, CONTROL_MODE, &l->control, e)) ==
	               ERR_CONFLICT &&
	       clock_mono() < deadline)
		pause_for(TAKEOVER_STEP);
	if (r == ERR_CONFLICT && (holder = socket_unix_holder(l->control_path)) != 0)
		return err_set(e, r, "%s: process %d has it open", l->control_path, (int)holder);
	return r;
}

static enum err open_all(const struct config *c, const char *user, struct listeners *l,
                         struct error *e)
{
	enum err r;

	if ((r = open_control(l, e)) != ERR_OK)
		return r;
	if ((r = daemon_give(l->control_path, user, e)) != ERR_OK)
		return r;
	if ((r = open_tcp(c->server.listen_addr, c->server.processes, l->tcp, e)) != ERR_OK)
		return r;
	l->n = c->server.processes;
	if (c->telemetry.metrics.enabled && c->telemetry.metrics.listen[0])
		return open_tcp(c->telemetry.metrics.listen, 1, &l->metrics, e);
	return ERR_OK;
}

enum err listeners_open(const struct config *c, const char *user, struct listeners *out,
                        struct error *e)
{
	enum err r;
	int n;

	*out = (struct listeners){.metrics = -1, .control = -1};
	n = snprintf(out->control_path, sizeof out->control_path, "%s/proxyd.sock",
	             c->server.run_dir);
	if (n < 0 || (size_t)n >= sizeof out->control_path)
		return err_set(e, ERR_INVALID, "server.run_dir: path too long for a socket");
	r = open_all(c, user, out, e);
	if (r != ERR_OK)
		listeners_close(out);
	return r;
}

void listeners_keep(const struct listeners *l, int tcp)
{
	for (int i = 0; i < l->n; i++)
		if (i != tcp)
			close(l->tcp[i]);
}

void listeners_close(struct listeners *l)
{
	for (int i = 0; i < l->n; i++)
		close(l->tcp[i]);
	l->n = 0;
	if (l->metrics >= 0)
		close(l->metrics);
	if (l->control >= 0) {
		unlink(l->control_path);
		close(l->control);
	}
	l->metrics = l->control = -1;
}
