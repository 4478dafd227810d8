/* SPDX-License-Identifier: MIT
 *
 * HTTP/1.1 client for backends: a pool of connections per origin, our own
 * framing, streaming both ways. Used on the body path; everything else that
 * speaks HTTP to the outside uses libcurl.
 */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "net/body.h"
#include "net/http1.h"
#include "net/uri.h"

struct http_client;

struct http_client_options {
	const struct uri_endpoint *endpoint; /* copied */
	const char *ca_file;                 /* NULL: the system's */
	bool insecure;                       /* no certificate verification */
	int max_connections;                 /* 0: 200; requests beyond it wait, up to connect_us */
	int max_idle;                        /* 0: 100 */
	int64_t idle_us;                     /* 0: 90 s, so that DNS is asked again */
	int64_t connect_us;                  /* 0: 10 s, for TCP, and again for TLS */
};

enum err http_client_new(const struct http_client_options *o, struct http_client **out,
                         struct error *e);
/* No exchange may be in progress. The task that closes idle connections ends by
 * this only, so a loop that shall stop needs it. */
void http_client_free(struct http_client **c);

struct http_exchange {
	/* in */
	struct str method;
	struct str target;               /* raw, e.g. "/bucket/key?x=y" */
	const struct http_field *fields; /* all but Host, Content-Length, Connection */
	size_t n_fields;
	struct str host; /* Host field; empty: the endpoint's authority */
	/* A body of known size to send (NULL: none). It is read but not closed.
	 * expect_continue waits for a 100 (at most 1 s) before sending it. */
	struct body *send;
	bool expect_continue;
	int64_t response_us; /* time from the end of the request to the head */
	int64_t idle_us;     /* each wait without progress in bodies */
	/* out */
	struct http_head head; /* valid as long as the arena */
	struct body *body;     /* never NULL on success: the caller closes it, which
	                        * gives the connection back */
	bool sent_any;         /* a byte of the request may have reached the peer */
	bool send_failed;      /* an error came from reading *send*, not from the peer */
};

/* One request and the head of its answer. A stale pooled connection is replaced
 * silently as long as nothing was answered and the body can be sent again (no
 * body, or nothing of it read yet). ERR_IO, ERR_TIMEOUT, ERR_PROTOCOL or
 * ERR_CANCELED, ERR_INVALID for what cannot be a request, ERR_CONGESTED when no
 * connection became free within connect_us; with send_failed the code that *send*
 * gave. Any HTTP status is success here, also one that came before the request was
 * sent completely, except a 2xx. */
enum err http_client_exchange(struct http_client *c, struct arena *a, struct http_exchange *x,
                              struct error *e);

#endif
