/* SPDX-License-Identifier: MIT
 *
 * What stream.c, stream_tls.c and stream_move.c share.
 */
#ifndef NET_STREAM_PRIVATE_H
#define NET_STREAM_PRIVATE_H

#include "net/stream.h"

struct rt_fd;
struct ssl_st;

struct stream {
	struct rt_fd *f;
	struct ssl_st *ssl; /* NULL: plain */
	int low_water;      /* SO_RCVLOWAT while it is not 1, the default */
	size_t burst;       /* bytes moved since the last turn given to others */
	/* Everything that had arrived has been read: the next read would only
	 * say EAGAIN, so wait first. Cleared by every wait, because it is the
	 * wait that consumes the edge. */
	bool drained;
	bool writer_waits;     /* a task is parked until the socket is writable */
	bool read_wants_write; /* TLS: the last read stopped for want of room to write */
	bool write_wants_read; /* TLS: the reverse */
	bool torn;             /* bytes were lost on their way out: unreadable from here on */
	bool ssl_broken;       /* no close_notify may be sent any more */
	unsigned idle_records; /* TLS: records received since the last data */
	char peer[64];         /* "" until somebody asks */
};

int stream_wait_write(struct stream *s, int64_t deadline);
/* Accounts for n bytes; after a burst other tasks get a turn. A fast peer on
 * both sides could keep the loop to itself otherwise. */
void stream_moved(struct stream *s, size_t n);

/* > 0, 0 at the end, -EAGAIN or another -errno. */
ssize_t stream_ssl_read(struct stream *s, void *buf, size_t n, bool peek);
ssize_t stream_ssl_write(struct stream *s, const struct iovec *iov, int n);
void stream_ssl_notify_close(struct stream *s); /* once, without waiting */
void stream_ssl_free(struct stream *s);         /* the same before */

#endif
