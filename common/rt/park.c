/* SPDX-License-Identifier: MIT
 *
 * Parking and waking. A task is parked, or it is in the ready queue exactly
 * once. Waking leaves a mark (`woken`) that the next park consumes, so a wake-up
 * between checking a condition and parking is not lost. Why a park ended is
 * decided when the task runs again: cancellation, then wake-up, then deadline.
 */
#include "rt/task.h"

#include <assert.h>
#include <errno.h>

#include "base/clock.h"
#include "rt/rt_private.h"

/* Switches per turn of the loop, so that tasks that keep waking each other
 * cannot starve descriptors and timers: a few milliseconds of ordinary work. */
#define SWITCHES_PER_TURN 512

struct queue {
	struct task *first, *last;
};

static struct queue ready;
static struct queue yielded; /* ready, but not before the next turn */

static void queue_add(struct queue *q, struct task *t)
{
	t->state = TASK_READY;
	t->next = NULL;
	if (q->last)
		q->last->next = t;
	else
		q->first = t;
	q->last = t;
}

static struct task *queue_take(struct queue *q)
{
	struct task *t = q->first;

	if (t) {
		q->first = t->next;
		if (!q->first)
			q->last = NULL;
	}
	return t;
}

void ready_add(struct task *t)
{
	deadline_remove(t);
	queue_add(&ready, t);
}

bool ready_is_empty(void)
{
	return !ready.first && !yielded.first;
}

void ready_run(void)
{
	struct task *t;

	while ((t = queue_take(&yielded)))
		queue_add(&ready, t);
	for (int i = 0; i < SWITCHES_PER_TURN && (t = queue_take(&ready)); i++)
		task_run(t);
}

void ready_forget(void)
{
	ready = yielded = (struct queue){0};
}

bool task_must_leave(void)
{
	const struct task *t = task_self();

	assert(t);
	return t->cancelled && !t->shield;
}

static int park(int64_t deadline, bool cancellable)
{
	struct task *t = task_self();

	assert(t); /* only a task may wait */
	cancellable = cancellable && !t->shield;
	if (!(cancellable && t->cancelled) && !t->woken && deadline > rt_now()) {
		t->cancellable = cancellable;
		t->deadline = deadline;
		t->state = TASK_PARKED;
		if (deadline != CLOCK_NEVER)
			deadline_add(t);
		task_switch_out();
	}
	if (cancellable && t->cancelled)
		return -ECANCELED;
	if (!t->woken)
		return -ETIMEDOUT;
	t->woken = false;
	return 0;
}

int task_park(int64_t deadline)
{
	return park(deadline, true);
}

int task_park_uncancellable(int64_t deadline)
{
	return park(deadline, false);
}

void task_wake(struct task *t)
{
	assert(t->state != TASK_IDLE);
	t->woken = true;
	if (t->state == TASK_PARKED)
		ready_add(t);
}

void task_cancel(struct task *t)
{
	assert(t->state != TASK_IDLE);
	t->cancelled = true;
	if (t->state == TASK_PARKED && t->cancellable)
		ready_add(t);
}

bool task_is_cancelled(void)
{
	return task_self() && task_must_leave();
}

void task_shield(void)
{
	assert(task_self());
	task_self()->shield++;
}

void task_unshield(void)
{
	assert(task_self() && task_self()->shield > 0);
	task_self()->shield--;
}

int task_sleep(int64_t us)
{
	int64_t deadline = clock_deadline(us);
	int r;

	do
		r = task_park(deadline);
	while (r == 0);
	return r == -ETIMEDOUT ? 0 : r;
}

void task_yield(void)
{
	assert(task_self());
	queue_add(&yielded, task_self());
	task_switch_out();
}
