/* SPDX-License-Identifier: MIT
 *
 * A body: bytes that are pulled once, front to back. Whoever produces bytes
 * (HTTP message, file, backend) offers this; whoever moves them needs only this.
 */
#ifndef NET_BODY_H
#define NET_BODY_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <sys/types.h>
#include "base/err.h"
#include "base/str.h"

struct stream;
struct body;

struct body_ops {
	/* Up to n bytes. > 0 bytes; 0 clean end (exactly `size` bytes were
	 * delivered, where size is known); < 0 failed, *e says why. A body that
	 * ends early is always an error, never a clean end. idle_us bounds a wait
	 * without progress. */
	ssize_t (*read)(struct body *b, void *buf, size_t n, int64_t idle_us, struct error *e);
	/* Frees. Legal at any time; what is unread is abandoned (a connection
	 * under it is reused only when the body was read to its end). */
	void (*close)(struct body *b);
	/* Optional, for zero copy: offers the next bytes as they lie in the
	 * kernel. On return *from or *file says where (file: at *off), and the
	 * result is how many of the next bytes of the body may be taken from
	 * there without read(); 0 when none. Whoever takes them calls taken(). */
	uint64_t (*raw)(struct body *b, struct stream **from, int *file, int64_t *off);
	void (*taken)(struct body *b, uint64_t n);
};

#define BODY_SIZE_UNKNOWN UINT64_MAX

/* First member of every implementation. */
struct body {
	const struct body_ops *ops;
	uint64_t size; /* bytes in all, or BODY_SIZE_UNKNOWN */
};

ssize_t body_read(struct body *b, void *buf, size_t n, int64_t idle_us, struct error *e);
void body_close(struct body **b); /* NULL is fine */

/* Sends all of it to a stream, by the cheapest way that both allow. *sent
 * counts the bytes that were handed to the kernel, in the error case too.
 * *sink_failed tells whose fault an error is: true = the stream's. A body that
 * yields more or fewer bytes than its size is ERR_PROTOCOL, and what is too much
 * is never sent. */
enum err body_send(struct body *b, struct stream *to, int64_t idle_us, uint64_t *sent,
                   bool *sink_failed, struct error *e);

/* The same after the bytes of a message head, which leave together with the first
 * bytes of the body. *sent does not count them. */
enum err body_send_after(struct body *b, struct stream *to, struct str head, int64_t idle_us,
                         uint64_t *sent, bool *sink_failed, struct error *e);

/* A body over memory that outlives it. */
struct body *body_of_memory(const void *p, size_t n);

#endif
