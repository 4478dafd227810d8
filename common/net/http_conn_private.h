/* SPDX-License-Identifier: MIT
 *
 * What http_conn.c (input and heads) and http_body.c (bodies) share.
 */
#ifndef NET_HTTP_CONN_PRIVATE_H
#define NET_HTTP_CONN_PRIVATE_H

#include "net/http_conn.h"

/* Holds nearly every head, and a small body with it. */
#define HTTP_CONN_INPUT_SIZE (16 * 1024)

struct http_conn {
	struct body body; /* of the last head */
	struct stream *s;
	char *buf; /* NULL while empty */
	size_t cap, pos, end;
	size_t scanned; /* bytes after pos in which no empty line was found */
	size_t probe;   /* parse again at this many bytes, empty line or not */
	enum http_framing framing;
	uint64_t left; /* with HTTP_BODY_LENGTH */
	struct http1_chunked chunked;
	bool ended;  /* the body has been read to its end */
	bool broken; /* an error was met: the framing is lost */
	bool keep_alive;
	uint64_t body_bytes;
};

/* Drops n buffered bytes. */
void http_conn_consume(struct http_conn *c, size_t n);
/* Receives some bytes behind those that are there. As stream_read(). */
ssize_t http_conn_fill(struct http_conn *c, int64_t deadline);
/* Notes that the connection is of no more use; r as from stream_read(), <= 0. */
enum err http_conn_broken(struct http_conn *c, struct error *e, ssize_t r, const char *doing);

/* Starts the body that belongs to the head. */
void http_conn_begin_body(struct http_conn *c, const struct http_head *h);

#endif
