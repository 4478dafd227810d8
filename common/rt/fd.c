/* SPDX-License-Identifier: MIT
 *
 * Descriptors in the loop. One edge-triggered event per descriptor lives as
 * long as it does; its callback remembers the edge and wakes who waits. A
 * waiting task may find its rt_fd freed when it runs again, so what it needs to
 * know then is on its own stack (struct fd_wait).
 *
 * Freeing needs no delay: the callback calls nobody else's code, and event_del()
 * withdraws an event that libevent has collected but not delivered.
 */
#include "rt/fd.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "rt/rt_private.h"
#include "rt/task.h"

struct fd_wait {
	struct task *task;
	bool closed; /* the rt_fd is gone */
};

struct direction {
	bool ready; /* an edge since the last wait */
	struct fd_wait *waiting;
};

struct rt_fd {
	int fd;
	bool registered;
	bool peer_closed;
	bool doubtful; /* an error may have hidden EPOLLRDHUP, see on_event() */
	struct direction in, out;
	void (*on_read)(void *arg); /* instead of a waiting reader; NULL: none */
	void *on_read_arg;
	struct event event;
};

static void announce(struct direction *d)
{
	d->ready = true;
	if (d->waiting)
		task_wake(d->waiting->task);
}

/* The call consumes the edge, as the end of a wait does. */
static void announce_input(struct rt_fd *f)
{
	void (*fn)(void *arg) = f->on_read;

	if (!fn) {
		announce(&f->in);
		return;
	}
	f->on_read = NULL;
	fn(f->on_read_arg);
}

/* libevent reports EPOLLERR, and EPOLLHUP alone, as EV_READ|EV_WRITE and drops
 * everything else that came with it. */
static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct rt_fd *f = arg;

	(void)fd;
	if (what & EV_CLOSED)
		f->peer_closed = true;
	else if ((what & (EV_READ | EV_WRITE)) == (EV_READ | EV_WRITE))
		f->doubtful = true;
	if (what & (EV_READ | EV_CLOSED))
		announce_input(f);
	if (what & EV_WRITE)
		announce(&f->out);
}

struct rt_fd *rt_fd_new(int fd)
{
	struct rt_fd *f = MEM_NEW(struct rt_fd);
	int flags = fcntl(fd, F_GETFL);

	assert(flags >= 0);
	if (!(flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	f->fd = fd;
	event_assign(&f->event, rt_base(), fd, EV_ET | EV_PERSIST | EV_READ | EV_WRITE | EV_CLOSED,
	             on_event, f);
	/* Fails when the kernel has no memory for it: every wait will then fail. */
	f->registered = event_add(&f->event, NULL) == 0;
	return f;
}

static void dismiss(struct direction *d)
{
	if (!d->waiting)
		return;
	d->waiting->closed = true;
	task_wake(d->waiting->task);
}

int rt_fd_release(struct rt_fd **f)
{
	struct rt_fd *gone = *f;
	int fd;

	if (!gone)
		return -1;
	fd = gone->fd;
	event_del(&gone->event);
	dismiss(&gone->in);
	dismiss(&gone->out);
	free(gone);
	*f = NULL;
	return fd;
}

void rt_fd_close(struct rt_fd **f)
{
	int fd = rt_fd_release(f);

	if (fd >= 0)
		close(fd);
}

int rt_fd_get(const struct rt_fd *f)
{
	return f->fd;
}

/* `always` is true where waiting would be in vain. */
static int wait_for(struct rt_fd *f, struct direction *d, const bool *always, int64_t deadline)
{
	struct fd_wait w = {.task = task_self()};
	int r = 0;

	assert(!d->waiting && (d != &f->in || !f->on_read)); /* one task per direction */
	if (task_must_leave() || !f->registered)
		return -ECANCELED;
	d->waiting = &w;
	while (r == 0 && !d->ready && !(always && *always)) {
		r = task_park(deadline);
		if (w.closed)
			return -ECANCELED;
	}
	d->waiting = NULL;
	if (r == 0)
		d->ready = false;
	return r;
}

/* After a FIN a read never meets EAGAIN, so there may be no further edge. */
int rt_fd_wait_read(struct rt_fd *f, int64_t deadline)
{
	return wait_for(f, &f->in, &f->peer_closed, deadline);
}

int rt_fd_wait_write(struct rt_fd *f, int64_t deadline)
{
	return wait_for(f, &f->out, NULL, deadline);
}

int rt_fd_call_on_read(struct rt_fd *f, void (*fn)(void *arg), void *arg)
{
	assert(!f->in.waiting && !f->on_read);
	if (!f->registered)
		return -ECANCELED;
	if (f->in.ready || f->peer_closed) {
		f->in.ready = false;
		return -EAGAIN;
	}
	f->on_read = fn;
	f->on_read_arg = arg;
	return 0;
}

void rt_fd_is_sound(struct rt_fd *f)
{
	f->doubtful = false;
}

/* One look after each doubtful event is enough: whatever comes later is an event
 * again. */
bool rt_fd_peer_closed(struct rt_fd *f)
{
	struct pollfd p = {.fd = f->fd, .events = POLLRDHUP};

	if (!f->peer_closed && f->doubtful) {
		f->doubtful = false;
		f->peer_closed = poll(&p, 1, 0) == 1;
	}
	return f->peer_closed;
}
