/* SPDX-License-Identifier: MIT
 *
 * What the files of rt share: the task itself, and how they pass tasks around.
 *
 *     loop.c      turns of the event loop
 *     task.c      stacks and switching between them
 *     park.c      ready queue, parking, waking, cancelling
 *     deadline.c  parked tasks by deadline
 *     offload.c   threads
 *     fd.c        descriptors        sync.c  waiting for each other
 */
#ifndef RT_PRIVATE_H
#define RT_PRIVATE_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum task_state {
	TASK_IDLE,    /* in the pool, no function */
	TASK_READY,   /* in the ready queue */
	TASK_RUNNING, /* the one that task_self() returns */
	TASK_PARKED,
};

/* Lies at the upper end of its own stack mapping. */
struct task {
	jmp_buf env;
	void (*fn)(void *arg);
	void *arg;
	const char *name;
	struct task *next; /* in the ready queue or the pool */
	int64_t deadline;  /* while parked */
	size_t heap_index; /* in the heap of deadlines, from 1; 0: not in it */
	enum task_state state;
	unsigned shield; /* depth of task_shield() */
	bool woken;      /* a wake-up that no park has consumed yet */
	bool cancelled;
	bool cancellable; /* while parked: cancellation ends the park */
	bool entered;     /* the stack has its bottom frame; env is valid */
	void *stack;      /* lowest usable address */
	size_t stack_size;
	void *fake_stack; /* of ASan, while not running */
	unsigned valgrind_id;
};

/* task.c */
void task_run(struct task *t); /* until it parks or ends; called by the loop only */
void task_switch_out(void);    /* back to the loop; called by the running task */
void task_forget_all(void);    /* in a forked child: the parent's tasks are not ours */
void task_free_pool(void);

/* park.c */
void ready_add(struct task *t);
bool ready_is_empty(void);
void ready_run(void); /* runs what is ready, including what becomes ready meanwhile */
void ready_forget(void);
/* True when a wait must end at once because the calling task is cancelled. */
bool task_must_leave(void);

/* deadline.c */
void deadline_reserve(size_t tasks); /* so that deadline_add() never allocates */
void deadline_add(struct task *t);
void deadline_remove(struct task *t); /* no-op if it is not in there */
int64_t deadline_next(void);          /* CLOCK_NEVER if there is none */
void deadline_expire(int64_t now);    /* makes ready whose deadline has come */
void deadline_deinit(void);

/* offload.c */
void offload_forget(void); /* in a forked child */
void offload_deinit(void);

#endif
