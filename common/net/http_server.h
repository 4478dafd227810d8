/* SPDX-License-Identifier: MIT
 *
 * The server side of one HTTP/1.1 connection: reads requests, calls a handler
 * for each, keeps the connection alive or ends it as the framing demands. What
 * a request means is the handler's business; waiting for requests is that of
 * doors.h.
 */
#ifndef NET_HTTP_SERVER_H
#define NET_HTTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "net/body.h"
#include "net/http_conn.h"

struct http_call {
	struct arena *arena;    /* freed after the call */
	struct http_head head;  /* the request */
	struct str path, query; /* raw parts of the target, see uri.h */
	struct body *body;      /* the request body, never NULL; not to be closed */
	const char *peer;       /* "ip:port" or "unix:UID" */
	int64_t started;        /* clock_mono when the head was complete */
	int64_t write_idle_us;  /* bound for each wait while sending */
	void *server;           /* for the handler: what http_server_options.arg was */

	/* what has been answered; for logs and metrics */
	int status;    /* 0: nothing sent yet */
	uint64_t sent; /* body bytes handed to the kernel */
	bool failed;   /* the answer was cut off: the connection will be closed */

	/* private */
	struct http_conn *conn;
	struct buf fields;
	bool continue_sent, close;
	const bool *stopping;
};

struct http_server_options {
	/* Must answer every call, with http_reply*(). Runs in the task of
	 * http_serve(). */
	void (*handle)(struct http_call *c);
	/* Answers a message that is no HTTP; status 400, 431, 501 or 505. */
	void (*malformed)(struct http_call *c, int status, const char *why);
	void *arg;
	int64_t drain_us; /* for the unread rest of a request body */
	int64_t write_idle_us;
	/* Once true, answers say "Connection: close". A connection that was promised
	 * to live on is left alone: who stops closes the idle ones. Not NULL. */
	const bool *stopping;
};

/* What a connection is to do next. */
enum http_next {
	HTTP_NEXT_CLOSE,
	HTTP_NEXT_REQUEST, /* wait: nothing of the next request has come */
	HTTP_NEXT_HEAD,    /* wait: a head has begun */
};

/* Serves the requests that have come, until there is nothing more to be read for
 * the moment. Tasks only. */
enum http_next http_serve(struct http_conn *conn, const struct http_server_options *o);

/* Adds a header field to the answer to come. Values with control characters
 * are dropped, so that nobody splits an answer. Content-Length, Connection and
 * Date are added by themselves. */
void http_reply_field(struct http_call *c, const char *name, struct str value);
void http_reply_fieldf(struct http_call *c, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Sends the answer: status, the fields so far, and a body from memory. For HEAD
 * only the length is told. 204, 304 and 1xx have neither. */
void http_reply(struct http_call *c, int status, struct str body);
/* Only the head, announcing `length` bytes that a HEAD request would not get. */
void http_reply_head(struct http_call *c, int status, uint64_t length);
/* Head and body. One of known size is sent by the cheapest way; of one of unknown size
 * each piece that it yields is sent at once, as a chunk, or to an HTTP/1.0 client until
 * the connection closes. ERR_OK, or why it was cut off; *sink_failed: the client's
 * fault. The connection is closed when cut. Does not close the body. */
enum err http_reply_body(struct http_call *c, int status, struct body *b, bool *sink_failed,
                         struct error *e);
/* Tells a waiting client to go on (Expect: 100-continue), once. Called before
 * the first read of the body; a request answered without it is not sent. */
void http_continue(struct http_call *c);

/* The socket, for what it tells about who is at the other end. */
int http_call_fd(const struct http_call *c);

/* For requests that take long: the client has closed the connection, so that nobody would get
 * the answer. (Or it has ended its direction only; nobody can tell the two apart.) */
bool http_client_left(const struct http_call *c);

/* No further request is read from this connection: for requests whose body broke
 * off in the middle. Before the answer. */
void http_close_after(struct http_call *c);

#endif
