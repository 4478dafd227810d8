/* SPDX-License-Identifier: MIT
 *
 * A connected byte stream: TCP or Unix socket, plain or TLS. At most one task
 * reads and one writes at a time. All deadlines are monotonic microseconds.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>
#include "base/err.h"
#include "base/str.h"

struct ssl_ctx_st;
struct stream;

/* Takes over a connected socket (sets TCP_NODELAY and keep-alive probes where
 * they apply). The process must ignore SIGPIPE: splice, sendfile and OpenSSL
 * cannot suppress it call by call. */
struct stream *stream_new(int fd);
/* Without waiting: no TLS shutdown hand-shake. No other task may be inside a call
 * on it: cancel that one and wait for it first. */
void stream_close(struct stream **s);

/* TLS hand-shake on top. For the client, host is sent as SNI (unless it is an IP
 * address) and verified against the certificate when verify is set. */
enum err stream_tls_client(struct stream *s, struct ssl_ctx_st *ctx, const char *host, bool verify,
                           int64_t deadline, struct error *e);
enum err stream_tls_server(struct stream *s, struct ssl_ctx_st *ctx, int64_t deadline,
                           struct error *e);

/* > 0 bytes read; 0 end of stream; -errno (-ETIMEDOUT, -ECANCELED, -ECONNRESET ...). */
ssize_t stream_read(struct stream *s, void *buf, size_t n, int64_t deadline);
/* The two halves of stream_read(), for who wants no buffer while waiting:
 * -EAGAIN instead of waiting, and the wait that goes with it (0, -ETIMEDOUT or
 * -ECANCELED; the next try may give -EAGAIN all the same). */
ssize_t stream_try_read(struct stream *s, void *buf, size_t n);
int stream_wait_read(struct stream *s, int64_t deadline);
/* After -EAGAIN, to wait without a task: as rt_fd_call_on_read(). */
int stream_call_on_read(struct stream *s, void (*fn)(void *arg), void *arg);
/* As stream_read(), but the bytes stay unread. */
ssize_t stream_peek(struct stream *s, void *buf, size_t n, int64_t deadline);

/* Writes everything in one sendmsg where possible; changes iov. idle_us bounds
 * each wait without progress, not the whole call. 0 or -errno. */
int stream_write(struct stream *s, struct iovec *iov, int n, int64_t idle_us);
int stream_write_all(struct stream *s, const void *p, size_t n, int64_t idle_us);
/* For bytes after which others follow at once: they may be held back to fill a
 * segment (MSG_MORE). */
int stream_write_more(struct stream *s, const void *p, size_t n, int64_t idle_us);
/* Ends the sending direction at once; a writer that waits gets -EPIPE, and a TLS
 * peer is not told that this was meant. */
void stream_shutdown_write(struct stream *s);
/* Closing will reset the connection and drop what has not left yet: else the kernel
 * goes on sending it, for as long as the peer takes to read it. */
void stream_drop_unsent(struct stream *s);
/* Ends the sending direction after a complete message, with TLS by a close_notify.
 * Does not wait. */
void stream_finish_write(struct stream *s);

/* Moves n bytes from one plain stream to another without copying them to user
 * space. Returns 0 when all have been moved, else -errno, and -EPIPE when the
 * source ended early; *moved counts what arrived at `to` in every case, and
 * *from_failed tells whose error it is. -EMFILE and -ENFILE (no pipe to be had)
 * come before anything has been moved. Both must be stream_is_plain(). When bytes
 * have been taken from the source that never reached `to`, reading from the
 * source fails from then on. */
int stream_splice(struct stream *to, struct stream *from, uint64_t n, int64_t idle_us,
                  uint64_t *moved, bool *from_failed);
/* The same from a regular file at offset off. What is not in the page cache is
 * read on an offload thread first. */
int stream_sendfile(struct stream *to, int fd, off_t off, uint64_t n, int64_t idle_us,
                    uint64_t *moved, bool *from_failed);

bool stream_is_plain(const struct stream *s);
int stream_fd(const struct stream *s);
/* For an idle pooled connection: true when it must not be used again (closed,
 * reset, or unexpected bytes have come). Does not wait. */
bool stream_is_stale(struct stream *s);

/* Turns a negative result of the calls above into an error value: ERR_TIMEOUT,
 * ERR_CANCELED or ERR_IO, with text "doing: what happened". */
enum err stream_error(struct error *e, ssize_t r, const char *doing);

/* True once the peer has closed the connection, or has only said that it sends nothing more:
 * which of both, only writing can tell. Does not wait. */
bool stream_peer_closed(const struct stream *s);

/* "ip:port" or "[ip6]:port" of the peer, "unix:UID" for Unix sockets. Owned by s. */
const char *stream_peer(const struct stream *s);

#endif
