/* SPDX-License-Identifier: MIT
 *
 * Streams: waiting reads and writes on non-blocking sockets. The complication is
 * the edge-triggered loop: an event is told once, so a wait may only begin when
 * the last call has emptied (or filled) the socket. A short read proves that it
 * is empty, unless the peer has closed: that event may have been told already
 * together with the data, so the end is looked for at once.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/socket.h"
#include "net/stream_private.h"
#include "rt/fd.h"
#include "rt/task.h"

/* Bytes after which a task that never has to wait lets others run: about
 * 0.2 ms of copying. */
#define BURST_MAX (1024 * 1024)

/* A peer that vanished without a word is noticed after 30 s + 3 * 10 s. */
#define KEEPALIVE_IDLE_S     30
#define KEEPALIVE_INTERVAL_S 10
#define KEEPALIVE_PROBES     3

static void set_tcp_options(int fd)
{
	const struct {
		int level, name, value;
	} options[] = {
		{IPPROTO_TCP, TCP_NODELAY, 1},
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
		{IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
		{IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
	};

	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		if (setsockopt(fd, options[i].level, options[i].name, &options[i].value,
		               sizeof options[i].value) < 0)
			return; /* a Unix socket */
}

struct stream *stream_new(int fd)
{
	struct stream *s = MEM_NEW(struct stream);

	set_tcp_options(fd);
	s->f = rt_fd_new(fd);
	return s;
}

void stream_close(struct stream **s)
{
	if (!*s)
		return;
	if ((*s)->ssl)
		stream_ssl_free(*s);
	rt_fd_close(&(*s)->f);
	free(*s);
	*s = NULL;
}

bool stream_is_plain(const struct stream *s)
{
	return !s->ssl;
}

int stream_fd(const struct stream *s)
{
	return rt_fd_get(s->f);
}

void stream_moved(struct stream *s, size_t n)
{
	if (s->burst >= BURST_MAX) {
		s->burst = 0;
		task_yield();
	}
	s->burst += n;
}

int stream_wait_read(struct stream *s, int64_t deadline)
{
	s->burst = 0;
	s->drained = false;
	if (!s->read_wants_write)
		return rt_fd_wait_read(s->f, deadline);
	s->read_wants_write = false;
	/* Rare (TLS 1.3 key update while the socket is full), and the edge is
	 * another task's: ask again soon. */
	if (s->writer_waits)
		return task_sleep(CLOCK_MS);
	return rt_fd_wait_write(s->f, deadline);
}

/* What TLS may still want to write goes with the next bytes of either side. */
int stream_call_on_read(struct stream *s, void (*fn)(void *arg), void *arg)
{
	s->burst = 0;
	s->drained = false;
	s->read_wants_write = false;
	return rt_fd_call_on_read(s->f, fn, arg);
}

int stream_wait_write(struct stream *s, int64_t deadline)
{
	int r;

	s->burst = 0;
	if (s->write_wants_read) {
		s->write_wants_read = false;
		s->drained = false;
		return rt_fd_wait_read(s->f, deadline);
	}
	s->writer_waits = true;
	r = rt_fd_wait_write(s->f, deadline);
	s->writer_waits = false;
	return r;
}

/* recv() or send(), repeated when a signal came; -errno. */
static ssize_t plain_recv(struct stream *s, void *buf, size_t n, int flags)
{
	ssize_t r;

	do
		r = recv(stream_fd(s), buf, n, flags);
	while (r < 0 && errno == EINTR);
	if (r < 0 && errno == EAGAIN)
		rt_fd_is_sound(s->f);
	return r < 0 ? -errno : r;
}

ssize_t stream_try_read(struct stream *s, void *buf, size_t n)
{
	ssize_t r;

	assert(n > 0);
	if (s->torn)
		return -EIO;
	if (s->ssl) {
		r = stream_ssl_read(s, buf, n, false);
	} else {
		if (s->drained && !rt_fd_peer_closed(s->f))
			return -EAGAIN;
		r = plain_recv(s, buf, n, 0);
		s->drained = r == -EAGAIN || (r > 0 && (size_t)r < n);
	}
	if (r > 0)
		stream_moved(s, (size_t)r);
	return r;
}

ssize_t stream_read(struct stream *s, void *buf, size_t n, int64_t deadline)
{
	ssize_t r;
	int waited;

	while ((r = stream_try_read(s, buf, n)) == -EAGAIN)
		if ((waited = stream_wait_read(s, deadline)) < 0)
			return waited;
	return r;
}

static ssize_t try_peek(struct stream *s, void *buf, size_t n)
{
	ssize_t r;

	if (s->ssl)
		return stream_ssl_read(s, buf, n, true);
	r = plain_recv(s, buf, n, MSG_PEEK);
	s->drained = r == -EAGAIN;
	return r;
}

ssize_t stream_peek(struct stream *s, void *buf, size_t n, int64_t deadline)
{
	ssize_t r;
	int waited;

	while ((r = try_peek(s, buf, n)) == -EAGAIN)
		if ((waited = stream_wait_read(s, deadline)) < 0)
			return waited;
	return r;
}

bool stream_is_stale(struct stream *s)
{
	char c;

	return try_peek(s, &c, 1) != -EAGAIN;
}

bool stream_peer_closed(const struct stream *s)
{
	return rt_fd_peer_closed(s->f);
}

static ssize_t plain_write(struct stream *s, struct iovec *iov, int n, int flags)
{
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = (size_t)(n < IOV_MAX ? n : IOV_MAX)};
	ssize_t r;

	do
		r = sendmsg(stream_fd(s), &m, MSG_NOSIGNAL | flags);
	while (r < 0 && errno == EINTR);
	if (r > 0)
		rt_fd_is_sound(s->f);
	return r < 0 ? -errno : r;
}

/* Cuts n written bytes off the front; what is written has length 0. */
static void advance(struct iovec **iov, int *count, size_t n)
{
	while (*count > 0 && n >= (*iov)->iov_len) {
		n -= (*iov)->iov_len;
		(*iov)->iov_len = 0;
		(*iov)++;
		(*count)--;
	}
	if (n > 0) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + n;
		(*iov)->iov_len -= n;
	}
}

static int write_iov(struct stream *s, struct iovec *iov, int n, int64_t idle_us, int flags)
{
	advance(&iov, &n, 0);
	while (n > 0) {
		ssize_t r = s->ssl ? stream_ssl_write(s, iov, n) : plain_write(s, iov, n, flags);

		if (r == -EAGAIN)
			r = stream_wait_write(s, clock_deadline(idle_us));
		if (r < 0)
			return (int)r;
		advance(&iov, &n, (size_t)r);
		stream_moved(s, (size_t)r);
	}
	return 0;
}

int stream_write(struct stream *s, struct iovec *iov, int n, int64_t idle_us)
{
	return write_iov(s, iov, n, idle_us, 0);
}

int stream_write_all(struct stream *s, const void *p, size_t n, int64_t idle_us)
{
	struct iovec iov = {.iov_base = (void *)p, .iov_len = n};

	return write_iov(s, &iov, 1, idle_us, 0);
}

int stream_write_more(struct stream *s, const void *p, size_t n, int64_t idle_us)
{
	struct iovec iov = {.iov_base = (void *)p, .iov_len = n};

	return write_iov(s, &iov, 1, idle_us, MSG_MORE);
}

void stream_shutdown_write(struct stream *s)
{
	s->ssl_broken = true;
	shutdown(stream_fd(s), SHUT_WR);
}

void stream_drop_unsent(struct stream *s)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	s->ssl_broken = true;
	setsockopt(stream_fd(s), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

void stream_finish_write(struct stream *s)
{
	if (s->ssl)
		stream_ssl_notify_close(s);
	stream_shutdown_write(s);
}

enum err stream_error(struct error *e, ssize_t r, const char *doing)
{
	switch (-r) {
	case ETIMEDOUT:
		return err_set(e, ERR_TIMEOUT, "%s: timed out", doing);
	case ECANCELED:
		return err_set(e, ERR_CANCELED, "%s: cancelled", doing);
	default:
		return err_set(e, ERR_IO, "%s: %s", doing, strerrordesc_np((int)-r));
	}
}

static void format_unix_peer(struct stream *s)
{
	uid_t uid;

	if (socket_peer_uid(stream_fd(s), &uid))
		snprintf(s->peer, sizeof s->peer, "unix:%u", (unsigned)uid);
	else
		snprintf(s->peer, sizeof s->peer, "unix");
}

static void format_peer(struct stream *s)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	char host[INET6_ADDRSTRLEN + 16], port[8]; /* 16: a scope such as "%eth0" */

	if (getpeername(stream_fd(s), (struct sockaddr *)&ss, &len) < 0)
		snprintf(s->peer, sizeof s->peer, "unknown");
	else if (ss.ss_family == AF_UNIX)
		format_unix_peer(s);
	else if (getnameinfo((struct sockaddr *)&ss, len, host, sizeof host, port, sizeof port,
	                     NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		snprintf(s->peer, sizeof s->peer, "unknown");
	else if (strncmp(host, "::ffff:", 7) == 0) /* IPv4 on a socket that serves both */
		snprintf(s->peer, sizeof s->peer, "%s:%s", host + 7, port);
	else
		snprintf(s->peer, sizeof s->peer, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host,
		         port);
}

const char *stream_peer(const struct stream *s)
{
	if (s->peer[0] == '\0')
		format_peer((struct stream *)s);
	return s->peer;
}
