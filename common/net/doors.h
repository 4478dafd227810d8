/* SPDX-License-Identifier: MIT
 *
 * The connections of one process: accepted at several doors, each with a limit and
 * handlers of its own, and all brought to an end when the process leaves. A
 * connection has a task while a request is in progress; one that waits for its
 * client costs a few structs.
 */
#ifndef NET_DOORS_H
#define NET_DOORS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct doors;
struct http_call;
struct ssl_ctx_st;

/* Where to count, for others to see. NULL: nowhere. */
struct doors_counters {
	_Atomic uint64_t *connections; /* open now */
	_Atomic uint64_t *requests;    /* in progress now */
	_Atomic uint64_t *served;      /* requests in all */
};

struct door_options {
	int fd;                 /* a listening socket, closed in the end, also on failure */
	struct ssl_ctx_st *tls; /* NULL: plain connections */
	/* Connections at once. When one more comes, the one that has waited longest
	 * for its client makes room; when none waits it is not served yet. */
	size_t limit;
	void (*handle)(struct http_call *c); /* as in http_server_options */
	void (*malformed)(struct http_call *c, int status, const char *why);
	void *arg;             /* http_call.server */
	int64_t idle_us;       /* between requests */
	int64_t header_us;     /* first byte of a head to its end; accept to TLS hand-shake */
	int64_t write_idle_us; /* each wait while sending */
};

struct doors *doors_new(struct doors_counters counters);
/* After doors_leave(). */
void doors_free(struct doors **d);

/* Accepts from now on. What the options refer to must outlive the doors. */
enum err doors_open(struct doors *d, const struct door_options *o, struct error *e);

/* Accepts nothing more, lets requests in progress finish, closes what has waited
 * for linger_us, and returns when no connection is left. In that time a client
 * that is busy sends its next request and is told "Connection: close" with the
 * answer. Requests in progress are cancelled after patience_us. */
void doors_leave(struct doors *d, int64_t linger_us, int64_t patience_us);

#endif
