/* SPDX-License-Identifier: MIT
 *
 * What http_client.c (the pool) and http_exchange.c (one request) share.
 */
#ifndef NET_HTTP_CLIENT_PRIVATE_H
#define NET_HTTP_CLIENT_PRIVATE_H

#include "net/http_client.h"
#include "net/http_conn.h"

/* A connection of the pool. While an exchange has it, `body` is what the caller
 * reads and closes. */
struct client_conn {
	struct body body; /* first: found from the body that was handed out */
	struct http_client *owner;
	struct client_conn *older; /* in the idle list */
	struct http_conn *conn;
	struct body *inner; /* of conn */
	int64_t idle_since;
	bool pooled;   /* has served an exchange before */
	bool unusable; /* the request was not sent completely: never again */
};

/* A connection, new or idle; fresh insists on a new one. Waits for a free place.
 * To be given back with http_client_put(). */
enum err http_client_take(struct http_client *c, bool fresh, struct client_conn **out,
                          struct error *e);
/* Into the pool if it can be used again, else closed. */
void http_client_put(struct client_conn **cc);

struct str http_client_authority(const struct http_client *c);

#endif
