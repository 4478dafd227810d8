/* SPDX-License-Identifier: MIT
 *
 * The listeners of workerd: control socket, and a TCP address for health,
 * metrics and the admin API with a token.
 */
#ifndef WORKERD_SERVE_H
#define WORKERD_SERVE_H

#include <stdbool.h>
#include "base/err.h"

struct config;
struct doors;
struct http_call;
struct worker;

/* Sockets are bound before there is a loop: the TCP one while still privileged,
 * the control socket as the user who shall own it. -1: none. */
enum err serve_bind_tcp(const struct config *c, int *fd, struct error *e);
enum err serve_bind_control(const struct config *c, int *fd, struct error *e);
void serve_unlink_control(const struct config *c);

/* Starts accepting; takes the descriptors over. */
struct doors *serve_new(struct worker *w, int tcp, int control);
/* Closes listeners and connections; parks until requests have ended, for a short
 * while of their own accord. */
void serve_free(struct doors **d);

/* admin.c: answers a request; control: it came over the control socket. */
void admin_handle(struct http_call *c, bool control);

#endif
