/* SPDX-License-Identifier: MIT
 *
 * The listening sockets of proxyd. The supervisor opens them once and keeps them
 * for ever, so that a respawned child serves the queue of the dead one.
 */
#ifndef PROXYD_LISTEN_H
#define PROXYD_LISTEN_H

#include "base/err.h"

struct config;

#define LISTEN_MAX 128 /* the largest server.processes */

struct listeners {
	int n;                  /* server.processes */
	int tcp[LISTEN_MAX];    /* one per child, SO_REUSEPORT */
	int metrics;            /* telemetry.metrics.listen, or -1; shared by all children */
	int control;            /* shared by all children */
	char control_path[108]; /* fits sun_path */
};

/* Waits up to some seconds for an address that is still in use: the children of
 * a supervisor that was killed are leaving. user gets the control socket. On
 * failure nothing stays open. */
enum err listeners_open(const struct config *c, const char *user, struct listeners *out,
                        struct error *e);
/* In a child: closes all that it does not serve, for TCP all but one. */
void listeners_keep(const struct listeners *l, int tcp);
/* Closes all and removes the control socket. */
void listeners_close(struct listeners *l);

#endif
