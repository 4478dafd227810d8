/* SPDX-License-Identifier: MIT
 *
 * Running a test inside a task, and the two ends of a connection.
 */
#ifndef TEST_NET_H
#define TEST_NET_H

#include <check.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"
#include "net/http_conn.h"
#include "net/socket.h"
#include "net/stream.h"
#include "rt/fd.h"
#include "rt/sync.h"
#include "rt/task.h"

/* A bound for waits that must not time out, also on a busy machine. */
#define TEST_PATIENCE (20 * CLOCK_SEC)

static void (*test_body)(void);

static void test_main_task(void *arg)
{
	(void)arg;
	test_body();
	rt_stop();
}

/* Runs fn in a task and the loop until no task is left. */
static inline void in_task(void (*fn)(void))
{
	signal(SIGPIPE, SIG_IGN);
	test_body = fn;
	rt_init();
	ck_assert_ptr_nonnull(task_spawn("test", test_main_task, NULL));
	rt_run();
	rt_deinit();
}

#define ck_assert_ok(call)                                                                         \
	do {                                                                                       \
		enum err rc_ = (call);                                                             \
		ck_assert_msg(rc_ == ERR_OK, "%s: %s: %s", #call, err_name(rc_), error.text);      \
	} while (0)

static struct error error; /* of the call checked last */

struct listener {
	struct rt_fd *f;
	char port[8];
};

static inline void listener_open(struct listener *l)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof ss;
	char host[64];
	int fd;

	ck_assert_ok(socket_listen_tcp("127.0.0.1:0", 1, &fd, &error));
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&ss, &n), 0);
	ck_assert_int_eq(getnameinfo((struct sockaddr *)&ss, n, host, sizeof host, l->port,
	                             sizeof l->port, NI_NUMERICHOST | NI_NUMERICSERV),
	                 0);
	l->f = rt_fd_new(fd);
}

static inline struct stream *listener_accept(struct listener *l)
{
	int fd;

	ck_assert_ok(socket_accept(l->f, clock_deadline(TEST_PATIENCE), &fd, &error));
	return stream_new(fd);
}

static inline struct stream *listener_connect(struct listener *l)
{
	struct stream *s;

	ck_assert_ok(socket_connect_tcp("127.0.0.1", l->port, clock_deadline(TEST_PATIENCE), &s,
	                                &error));
	return s;
}

/* A connected pair. */
static inline void pair_open(struct stream **a, struct stream **b)
{
	struct listener l;

	listener_open(&l);
	*a = listener_connect(&l);
	*b = listener_accept(&l);
	rt_fd_close(&l.f);
}

/* http_conn_read_request(), waiting: ERR_TIMEOUT at the deadline. */
static inline enum err await_request(struct http_conn *c, int64_t deadline, struct arena *a,
                                     struct http_head *h, enum http1_result *result,
                                     const char **why)
{
	enum err rc;

	while (!(rc = http_conn_read_request(c, a, h, result, why, &error)) &&
	       *result == HTTP1_MORE) {
		int r = stream_wait_read(http_conn_stream(c), deadline);

		if (r < 0)
			return stream_error(&error, r, "waiting for a request");
	}
	return rc;
}

/* Bytes that repeat only after 251, so that lost or swapped pieces show. */
static inline void fill_pattern(unsigned char *p, size_t n, size_t offset)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)((offset + i) * 31 % 251);
}

static inline bool is_pattern(const unsigned char *p, size_t n, size_t offset)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != (unsigned char)((offset + i) * 31 % 251))
			return false;
	return true;
}

#endif
