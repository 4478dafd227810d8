/* SPDX-License-Identifier: MIT
 *
 * Stacks and the switch between them. makecontext() gives a new stack its first
 * frame; from then on _setjmp() and _longjmp() switch, which unlike
 * swapcontext() make no system call. Switches go from the loop to a task and
 * back, never from task to task. A stack whose task has ended stays in the
 * trampoline, where it can be started again with another function.
 *
 * This file is compiled without _FORTIFY_SOURCE: its longjmp() takes a jump to
 * another stack for an attack.
 */
#include "rt/task.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "rt/rt_private.h"

#if defined(__has_include) && __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(low, high) 0
#define VALGRIND_STACK_DEREGISTER(id)      ((void)(id))
#endif

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

/* Stacks kept for the next tasks: the tasks of a busy moment of one process.
 * More would only hold on to touched pages. */
#define POOL_MAX 64

static struct {
	struct task *running; /* NULL: the loop */
	size_t count;         /* tasks that have not ended */
	struct task *pool;
	size_t pooled;
	jmp_buf loop_env;
	const void *loop_stack; /* for ASan; learnt when a task is entered */
	size_t loop_stack_size;
	void *loop_fake_stack;
} tasks;

/* --- switching -------------------------------------------------------------- */

/* ASan must be told where each stack lies, before leaving and after arriving. */
static void before_switch(void **fake_stack, const void *stack, size_t size)
{
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_start_switch_fiber(fake_stack, stack, size);
#else
	(void)fake_stack;
	(void)stack;
	(void)size;
#endif
}

static void after_switch_to_loop(void)
{
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_finish_switch_fiber(tasks.loop_fake_stack, NULL, NULL);
#endif
}

static void after_switch_to_task(void *fake_stack)
{
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_finish_switch_fiber(fake_stack, &tasks.loop_stack, &tasks.loop_stack_size);
#else
	(void)fake_stack;
#endif
}

/* `ends` lets ASan release the fake stack, the task will not come back to it. */
static __attribute__((noinline)) void leave(struct task *t, bool ends)
{
	before_switch(ends ? NULL : &t->fake_stack, tasks.loop_stack, tasks.loop_stack_size);
	if (ends)
		t->fake_stack = NULL;
	if (_setjmp(t->env) == 0)
		_longjmp(tasks.loop_env, 1);
	after_switch_to_task(tasks.running->fake_stack);
}

void task_switch_out(void)
{
	leave(tasks.running, false);
}

/* The bottom frame of every stack: runs one function after the other. */
static void trampoline(void)
{
	after_switch_to_task(NULL);
	for (;;) {
		tasks.running->fn(tasks.running->arg);
		tasks.running->state = TASK_IDLE;
		leave(tasks.running, true);
	}
}

/* The context is static because ASan would take what a frame that is never
 * returned from leaves on the loop's stack for an overflow. */
static _Noreturn void enter_first(struct task *t)
{
	static ucontext_t first;

	getcontext(&first);
	first.uc_stack.ss_sp = t->stack;
	first.uc_stack.ss_size = t->stack_size;
	first.uc_link = NULL;
	makecontext(&first, trampoline, 0);
	t->entered = true;
	setcontext(&first);
	abort();
}

static __attribute__((noinline)) void enter(struct task *t)
{
	tasks.running = t;
	before_switch(&tasks.loop_fake_stack, t->stack, t->stack_size);
	if (_setjmp(tasks.loop_env) == 0) {
		if (t->entered)
			_longjmp(t->env, 1);
		enter_first(t);
	}
	after_switch_to_loop();
	tasks.running = NULL;
}

/* --- stacks ----------------------------------------------------------------- */

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* The guard page, the stack, and the struct task at its upper end. */
static struct task *map_stack(void)
{
	size_t guard = page_size(), size = guard + TASK_STACK_SIZE;
	size_t reserved = (sizeof(struct task) + 63) & ~(size_t)63; /* keeps the stack aligned */
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	struct task *t;

	if (p == MAP_FAILED)
		return NULL;
	if (mprotect(p, guard, PROT_NONE) < 0) {
		munmap(p, size);
		return NULL;
	}
	t = (struct task *)(p + size - reserved);
	t->stack = p + guard;
	t->stack_size = TASK_STACK_SIZE - reserved;
	t->valgrind_id = VALGRIND_STACK_REGISTER(t->stack, (char *)t->stack + t->stack_size);
	return t;
}

static void unmap_stack(struct task *t)
{
	char *p = (char *)t->stack - page_size();
	size_t size = page_size() + TASK_STACK_SIZE;

	VALGRIND_STACK_DEREGISTER(t->valgrind_id);
#ifdef __SANITIZE_ADDRESS__
	/* the next mapping at this address must not inherit what frames left behind */
	ASAN_UNPOISON_MEMORY_REGION(t->stack, t->stack_size);
#endif
	munmap(p, size);
}

static void pool_put(struct task *t)
{
	if (tasks.pooled >= POOL_MAX) {
		unmap_stack(t);
		return;
	}
	t->next = tasks.pool;
	tasks.pool = t;
	tasks.pooled++;
}

static struct task *pool_get(void)
{
	struct task *t = tasks.pool;

	if (t) {
		tasks.pool = t->next;
		tasks.pooled--;
	}
	return t;
}

void task_free_pool(void)
{
	struct task *t;

	while ((t = pool_get()))
		unmap_stack(t);
}

/* --- tasks ------------------------------------------------------------------ */

struct task *task_spawn(const char *name, void (*fn)(void *arg), void *arg)
{
	struct task *t = pool_get();

	if (!t)
		t = map_stack();
	if (!t)
		return NULL;
	t->fn = fn;
	t->arg = arg;
	t->name = name;
	t->shield = 0;
	t->woken = t->cancelled = t->cancellable = false;
	deadline_reserve(++tasks.count);
	ready_add(t);
	return t;
}

void task_run(struct task *t)
{
	t->state = TASK_RUNNING;
	enter(t);
	if (t->state == TASK_IDLE) {
		tasks.count--;
		pool_put(t);
	}
}

struct task *task_self(void)
{
	return tasks.running;
}

size_t task_count(void)
{
	return tasks.count;
}

/* The stacks stay mapped: one of them may be the one we are on. Those in the
 * pool are as good here as in the parent. */
void task_forget_all(void)
{
	tasks.running = NULL;
	tasks.count = 0;
}
