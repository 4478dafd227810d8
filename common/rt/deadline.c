/* SPDX-License-Identifier: MIT
 *
 * Parked tasks in a binary heap, the earliest deadline first. A request parks
 * several times with a deadline that nearly never comes: adding one that is
 * later than the others and removing it again costs about 10 ns here, 80 ns
 * with a libevent timer per task; and a task needs no event of its own.
 */
#include "rt/rt_private.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

#define FIRST_CAPACITY 64

static struct {
	struct task **at; /* from 1: the children of i are 2i and 2i+1 */
	size_t n, capacity;
} heap;

static void place(struct task *t, size_t i)
{
	heap.at[i] = t;
	t->heap_index = i;
}

static void sift_up(struct task *t, size_t i)
{
	for (; i > 1 && heap.at[i / 2]->deadline > t->deadline; i /= 2)
		place(heap.at[i / 2], i);
	place(t, i);
}

static void sift_down(struct task *t, size_t i)
{
	for (size_t child = 2 * i; child <= heap.n; child = 2 * i) {
		if (child < heap.n && heap.at[child + 1]->deadline < heap.at[child]->deadline)
			child++;
		if (heap.at[child]->deadline >= t->deadline)
			break;
		place(heap.at[child], i);
		i = child;
	}
	place(t, i);
}

void deadline_reserve(size_t tasks)
{
	if (tasks < heap.capacity)
		return;
	heap.capacity = heap.capacity ? heap.capacity * 2 : FIRST_CAPACITY;
	if (heap.capacity <= tasks)
		heap.capacity = tasks + 1;
	heap.at = mem_resize(heap.at, heap.capacity * sizeof(struct task *));
}

void deadline_add(struct task *t)
{
	assert(t->heap_index == 0 && heap.n + 1 < heap.capacity);
	sift_up(t, ++heap.n);
}

void deadline_remove(struct task *t)
{
	size_t i = t->heap_index;
	struct task *last;

	if (i == 0)
		return;
	t->heap_index = 0;
	last = heap.at[heap.n--];
	if (last == t)
		return;
	if (i > 1 && heap.at[i / 2]->deadline > last->deadline)
		sift_up(last, i);
	else
		sift_down(last, i);
}

int64_t deadline_next(void)
{
	return heap.n ? heap.at[1]->deadline : CLOCK_NEVER;
}

void deadline_expire(int64_t now)
{
	while (heap.n && heap.at[1]->deadline <= now)
		ready_add(heap.at[1]);
}

void deadline_deinit(void)
{
	free(heap.at);
	heap.at = NULL;
	heap.n = heap.capacity = 0;
}
