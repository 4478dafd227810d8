/* SPDX-License-Identifier: MIT
 *
 * The connections of one child: accepted at up to three doors, each served by a
 * task of its own, all brought to an end when the child leaves.
 */
#ifndef PROXYD_DOORS_H
#define PROXYD_DOORS_H

#include "base/err.h"

struct http_call;
struct server;
struct ssl_ctx_st;
struct doors;

/* The server must outlive it. */
struct doors *doors_new(struct server *s);
/* After doors_leave(). */
void doors_free(struct doors **d);

/* Takes connections from a listening socket, which it closes in the end, and
 * gives their requests to handle. tls: NULL for plain connections. */
enum err doors_open(struct doors *d, int fd, struct ssl_ctx_st *tls,
                    void (*handle)(struct http_call *c), struct error *e);

/* Accepts nothing more, lets requests in progress finish, closes connections
 * that are idle, and returns when none is left. */
void doors_leave(struct doors *d);

#endif
