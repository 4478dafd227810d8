/* SPDX-License-Identifier: MIT
 *
 * Outgoing connections, and accepting.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/resolve.h"
#include "net/socket.h"
#include "rt/fd.h"
#include "rt/task.h"

/* While the queue of a Unix listener is full connect() cannot wait: ask again. */
#define UNIX_RETRY_US (5 * CLOCK_MS)

/* 0 or -errno once the connection is made or refused. */
static int wait_connected(struct rt_fd *f, int64_t deadline)
{
	int error = 0;
	socklen_t n = sizeof error;
	int r = rt_fd_wait_write(f, deadline);

	if (r < 0)
		return r;
	getsockopt(rt_fd_get(f), SOL_SOCKET, SO_ERROR, &error, &n);
	return -error;
}

static int connect_address(const struct addrinfo *ai, int64_t deadline, struct stream **out)
{
	int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
	                ai->ai_protocol);
	struct rt_fd *f;
	int r = 0;

	if (fd < 0)
		return -errno;
	/* Registered after connect(): an unconnected socket reports a hang-up. */
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0)
		r = -errno;
	if (r == -EINPROGRESS) {
		f = rt_fd_new(fd);
		r = wait_connected(f, deadline);
		fd = rt_fd_release(&f);
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	*out = stream_new(fd);
	return 0;
}

/* An address that swallows packets must leave time for those after it: each gets
 * its share of what is left. */
static int64_t share_of(int64_t deadline, const struct addrinfo *ai)
{
	int64_t now = clock_mono(), left = 0;

	for (; ai; ai = ai->ai_next)
		left++;
	return deadline == CLOCK_NEVER || left == 1 ? deadline : now + (deadline - now) / left;
}

enum err socket_connect_tcp(const char *host, const char *port, int64_t deadline,
                            struct stream **out, struct error *e)
{
	const struct addrinfo *first;
	struct resolve *found;
	enum err rc = resolve(host, port, deadline, &found, &first, e);
	char doing[160];
	int r = -EADDRNOTAVAIL;

	if (rc)
		return rc;
	for (const struct addrinfo *ai = first; ai && r < 0 && r != -ECANCELED; ai = ai->ai_next)
		r = connect_address(ai, share_of(deadline, ai), out);
	resolve_release(&found);
	if (r == 0)
		return ERR_OK;
	snprintf(doing, sizeof doing, "connecting to %s port %s", host, port);
	return stream_error(e, r, doing);
}

enum err socket_connect_unix(const char *path, int64_t deadline, struct stream **out,
                             struct error *e)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	size_t n = strlen(path);
	int fd, r;

	if (n >= sizeof sun.sun_path)
		return err_set(e, ERR_INVALID, "%s: path too long for a socket", path);
	memcpy(sun.sun_path, path, n);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return stream_error(e, -errno, path);
	for (;;) {
		if (connect(fd, (struct sockaddr *)&sun, sizeof sun) == 0) {
			*out = stream_new(fd);
			return ERR_OK;
		}
		r = -errno;
		if (r == -EAGAIN)
			r = clock_mono() < deadline ? task_sleep(UNIX_RETRY_US) : -ETIMEDOUT;
		if (r < 0)
			break;
	}
	close(fd);
	return stream_error(e, r, path);
}

/* Errors that belong to the one connection that could not be had (accept(2)):
 * the next one may be fine. */
static bool is_transient(int error)
{
	switch (error) {
	case EINTR:
	case ECONNABORTED:
	case EPERM:
	case EPROTO:
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return true;
	default:
		return false;
	}
}

/* accept() takes a descriptor before it looks for a connection, so it may find none
 * of the first although nobody has come. */
static bool has_come(struct rt_fd *listener)
{
	struct pollfd p = {.fd = rt_fd_get(listener), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static bool is_exhausted(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

enum err socket_accept(struct rt_fd *listener, int64_t deadline, int *fd, struct error *e)
{
	for (;;) {
		int r, error;

		*fd = accept4(rt_fd_get(listener), NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (*fd >= 0)
			return ERR_OK;
		error = errno;
		if (is_transient(error))
			continue;
		if (is_exhausted(error) && has_come(listener))
			return err_set(e, ERR_BUSY, "accept: %s", strerrordesc_np(error));
		if (error != EAGAIN && !is_exhausted(error))
			return stream_error(e, -error, "accept");
		if ((r = rt_fd_wait_read(listener, deadline)) < 0)
			return stream_error(e, r, "accept");
	}
}
