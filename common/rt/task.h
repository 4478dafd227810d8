/* SPDX-License-Identifier: MIT
 *
 * Tasks: stackful coroutines on one thread around one libevent loop. A call
 * that waits looks like an ordinary call: it parks the task and the loop runs
 * others. One loop per process, made by rt_init().
 *
 * Laws:
 * - Only a task may call a function that waits. Event callbacks and signal
 *   handlers only task_wake() or task_spawn().
 * - A task started or woken runs later, from the ready queue at the top of the
 *   loop, never inside the call that made it ready.
 * - A cancelled task gets -ECANCELED from every wait from then on, and leaves
 *   through its ordinary exit. Memory on a task's stack may therefore be
 *   referenced by anybody whom the task waits for, as long as the wait always
 *   ends by the other side letting go.
 *
 * Switching: makecontext() once per stack, then _setjmp/_longjmp, 40 ns a pair
 * against 530 ns for swapcontext(), which makes a system call.
 */
#ifndef RT_TASK_H
#define RT_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct task;

/* Reserved stack of a task; only touched pages are paid for. A guard page lies
 * below it. */
#define TASK_STACK_SIZE (256 * 1024)

/* Creates the loop of this process. In a forked process call
 * rt_init_after_fork() instead: it forgets the parent's loop, tasks and
 * threads without touching shared kernel state. */
void rt_init(void);
void rt_init_after_fork(void);
struct event_base *rt_base(void);

/* Runs until rt_stop() and then until no task is left. */
void rt_run(void);
void rt_stop(void);
/* Frees loop, pooled stacks and threads; no task may be left. For leak checks. */
void rt_deinit(void);

/* Time (clock_mono) at the start of this turn of the loop: cheap, good enough
 * for deadlines. */
int64_t rt_now(void);
/* Turns of the loop since rt_init(): a heartbeat can tell that it moves. */
uint64_t rt_turns(void);

/* Starts fn(arg). The returned pointer is valid until fn has returned; who
 * keeps it must arrange for that (see wait_group). name is constant text for
 * debugging. Returns NULL when no stack can be had. */
struct task *task_spawn(const char *name, void (*fn)(void *arg), void *arg);

struct task *task_self(void); /* NULL outside tasks */
size_t task_count(void);

/* Parks until task_wake(), the deadline (monotonic, CLOCK_NEVER) or
 * cancellation. A wake that came before counts: task_park() then returns at
 * once. So always: while (!condition) { if ((r = task_park(d)) < 0) ...; }
 * Returns 0, -ETIMEDOUT or -ECANCELED. */
int task_park(int64_t deadline);
/* As task_park(), but not ended by cancellation: for waits whose other side
 * still uses this task's memory. Returns 0 or -ETIMEDOUT. */
int task_park_uncancellable(int64_t deadline);
void task_wake(struct task *t);

/* Sleeps; 0 or -ECANCELED. */
int task_sleep(int64_t us);
/* Gives others a turn. */
void task_yield(void);

void task_cancel(struct task *t);
bool task_is_cancelled(void); /* of the calling task */

/* Shields the calling task from cancellation between the two calls (may be
 * nested): for the short steps that must not be left half-done, e.g. handing
 * bytes already written over to the clean-up queue. */
void task_shield(void);
void task_unshield(void);

/* Runs fn(arg) on a thread of a small pool and parks until it has returned;
 * not ended by cancellation. For work that blocks: files, getaddrinfo. fn must
 * not call anything of rt, nor log. Returns 0, or -EAGAIN when no thread can be
 * started. */
int task_offload(void (*fn)(void *arg), void *arg);
/* Threads of the pool, before the first task_offload(); default 4. */
void task_offload_threads(int n);

#endif
