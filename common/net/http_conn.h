/* SPDX-License-Identifier: MIT
 *
 * One HTTP/1.1 connection, either side: a stream with an input buffer, so that
 * heads, bodies and the bytes of the next message stay apart.
 */
#ifndef NET_HTTP_CONN_H
#define NET_HTTP_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/err.h"
#include "net/body.h"
#include "net/http1.h"
#include "net/stream.h"

struct http_conn;

/* Takes over the stream. */
struct http_conn *http_conn_new(struct stream *s);
void http_conn_close(struct http_conn **c);
struct stream *http_conn_stream(struct http_conn *c);

/* Server: the next request head, without waiting. ERR_OK with *result HTTP1_DONE, or
 * with HTTP1_MORE: what has come is no whole head; wait for input and call again.
 * ERR_NOT_FOUND: the peer closed between requests (not an error, and nothing to
 * answer). *result says which status fits a malformed one (ERR_PROTOCOL), *why what
 * is wrong. */
enum err http_conn_read_request(struct http_conn *c, struct arena *a, struct http_head *h,
                                enum http1_result *result, const char **why, struct error *e);
/* To wait after HTTP1_MORE without a task: as stream_call_on_read(). Meanwhile the
 * connection keeps only as much memory as there are bytes of a head. */
int http_conn_call_on_read(struct http_conn *c, void (*fn)(void *arg), void *arg);

/* Client: the head of the answer, skipping 1xx (but see *got_continue: set when
 * a 100 was skipped; may be NULL, then a 100 is skipped silently; when not NULL
 * the call returns ERR_OK with h->status == 100 at a 100). ERR_NOT_FOUND: the
 * connection was closed or reset before the first byte of an answer. After
 * ERR_TIMEOUT it may be called again. */
enum err http_conn_read_response(struct http_conn *c, struct str request_method, int64_t deadline,
                                 struct arena *a, struct http_head *h, bool *got_continue,
                                 struct error *e);

/* The body that goes with the head just read. Part of the connection: at most
 * one at a time, valid until the next head is read; body_close() does not close
 * the connection. For HTTP_BODY_NONE it is an empty body. */
struct body *http_conn_body(struct http_conn *c, const struct http_head *h);

/* True when the body of the last head has been read to its end and nothing in
 * the framing forbids another message. */
bool http_conn_reusable(const struct http_conn *c);
/* Reads and throws away up to max bytes of the rest of the body, in that time
 * altogether. True when it is at its end then. */
bool http_conn_drain(struct http_conn *c, uint64_t max, int64_t within_us);
/* Bytes that have been received and not been used yet. After a complete answer a
 * client must find none: a server that sends more than it announced cannot be
 * trusted with another request. */
size_t http_conn_buffered(const struct http_conn *c);
/* Bytes of bodies received on this connection so far. */
uint64_t http_conn_body_bytes(const struct http_conn *c);

#endif
