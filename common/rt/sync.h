/* SPDX-License-Identifier: MIT
 *
 * Waiting among tasks of one loop. No locking: tasks never run in parallel.
 */
#ifndef RT_SYNC_H
#define RT_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct task;
struct waiter; /* lives on the stack of the waiting task */

/* A condition that tasks wait for and others announce. Zero-initialised. */
struct notify {
	struct waiter *first, *last;
};
/* Waits for the next notify_all()/notify_one() after the call. 0, -ETIMEDOUT
 * or -ECANCELED. Check the condition in a loop around it. */
int notify_wait(struct notify *n, int64_t deadline);
void notify_one(struct notify *n); /* the one that waits longest */
void notify_all(struct notify *n);

/* A counting semaphore, first come, first served. */
struct semaphore {
	size_t free;
	struct notify queue;
};
void semaphore_init(struct semaphore *s, size_t n);
int semaphore_take(struct semaphore *s, size_t n, int64_t deadline); /* as notify_wait */
bool semaphore_try(struct semaphore *s, size_t n);
void semaphore_give(struct semaphore *s, size_t n);

/* Waits for a number of tasks to end. Zero-initialised; freed by nobody. */
struct wait_group {
	size_t running;
	struct notify changed;
};
/* Starts fn(arg) as a member. -EAGAIN when it cannot be started. */
int wait_group_spawn(struct wait_group *g, const char *name, void (*fn)(void *), void *arg,
                     struct task **out /* may be NULL */);
/* Parks until at most max members run; not ended by cancellation, because
 * members use the caller's memory. */
void wait_group_wait(struct wait_group *g, size_t max);

#endif
