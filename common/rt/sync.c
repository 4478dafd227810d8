/* SPDX-License-Identifier: MIT
 *
 * Waiting among tasks. A waiter lies on the stack of its task and in the queue
 * of what it waits for. It is taken out by whoever serves it, or by itself when
 * its wait ends otherwise. A wait that was served and cancelled in the same turn
 * counts as served: what was given to it is then in its hands, not lost.
 */
#include "rt/sync.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "rt/rt_private.h"
#include "rt/task.h"

struct waiter {
	struct waiter *next, *prev;
	struct task *task;
	size_t need; /* of a semaphore */
	bool served;
};

static void enqueue(struct notify *n, struct waiter *w)
{
	w->next = NULL;
	w->prev = n->last;
	if (n->last)
		n->last->next = w;
	else
		n->first = w;
	n->last = w;
}

static void unlink_waiter(struct notify *n, struct waiter *w)
{
	if (w->prev)
		w->prev->next = w->next;
	else
		n->first = w->next;
	if (w->next)
		w->next->prev = w->prev;
	else
		n->last = w->prev;
}

/* After 0 neither the waiter nor *n is touched any more: *n may be gone. */
static int wait_in(struct notify *n, struct waiter *w, int64_t deadline, int (*park)(int64_t))
{
	int r = 0;

	w->task = task_self();
	enqueue(n, w);
	while (!w->served && r == 0)
		r = park(deadline);
	if (w->served)
		return 0;
	unlink_waiter(n, w);
	return r;
}

int notify_wait(struct notify *n, int64_t deadline)
{
	struct waiter w = {0};

	return wait_in(n, &w, deadline, task_park);
}

void notify_one(struct notify *n)
{
	struct waiter *w = n->first;

	if (!w)
		return;
	unlink_waiter(n, w);
	w->served = true;
	task_wake(w->task);
}

void notify_all(struct notify *n)
{
	while (n->first)
		notify_one(n);
}

/* --- semaphore -------------------------------------------------------------- */

void semaphore_init(struct semaphore *s, size_t n)
{
	*s = (struct semaphore){.free = n};
}

/* Who waits first is served first, even if a later one would need less. */
bool semaphore_try(struct semaphore *s, size_t n)
{
	if (s->queue.first || n > s->free)
		return false;
	s->free -= n;
	return true;
}

static void serve(struct semaphore *s)
{
	while (s->queue.first && s->queue.first->need <= s->free) {
		s->free -= s->queue.first->need;
		notify_one(&s->queue);
	}
}

int semaphore_take(struct semaphore *s, size_t n, int64_t deadline)
{
	struct waiter w = {.need = n};
	int r;

	if (task_must_leave())
		return -ECANCELED;
	if (semaphore_try(s, n))
		return 0;
	r = wait_in(&s->queue, &w, deadline, task_park);
	if (r < 0)
		serve(s); /* those behind may need less than this one did */
	return r;
}

void semaphore_give(struct semaphore *s, size_t n)
{
	s->free += n;
	serve(s);
}

/* --- wait group ------------------------------------------------------------- */

struct member {
	struct wait_group *group;
	void (*fn)(void *);
	void *arg;
};

static void run_member(void *arg)
{
	struct member m = *(struct member *)arg;

	free(arg);
	m.fn(m.arg);
	m.group->running--;
	notify_all(&m.group->changed);
}

int wait_group_spawn(struct wait_group *g, const char *name, void (*fn)(void *), void *arg,
                     struct task **out)
{
	struct member *m = MEM_NEW(struct member);
	struct task *t;

	*m = (struct member){.group = g, .fn = fn, .arg = arg};
	t = task_spawn(name, run_member, m);
	if (!t) {
		free(m);
		return -EAGAIN;
	}
	g->running++;
	if (out)
		*out = t;
	return 0;
}

void wait_group_wait(struct wait_group *g, size_t max)
{
	while (g->running > max) {
		struct waiter w = {0};

		wait_in(&g->changed, &w, CLOCK_NEVER, task_park_uncancellable);
	}
}
