/* SPDX-License-Identifier: MIT
 *
 * Offloading: results, parallelism and its bound, cancellation, signals, fork().
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "rt/sync.h"
#include "rt/task.h"
#include "t/unit/run.h"

static pthread_t loop_thread;

static void setup(void)
{
	loop_thread = pthread_self();
	rt_init();
}

static void teardown(void)
{
	rt_deinit();
}

static void run_one(void (*fn)(void *))
{
	ck_assert_ptr_nonnull(task_spawn("test", fn, NULL));
	rt_stop();
	rt_run();
}

static void square(void *arg)
{
	int *v = arg;

	ck_assert(!pthread_equal(pthread_self(), loop_thread));
	*v *= *v;
}

static void offload_square(void *arg)
{
	int v = (int)(intptr_t)arg;

	ck_assert_int_eq(task_offload(square, &v), 0);
	ck_assert_int_eq(v, (int)(intptr_t)arg * (int)(intptr_t)arg);
}

static void hundreds(void *arg)
{
	struct wait_group g = {0};

	(void)arg;
	for (intptr_t i = 0; i < 500; i++)
		ck_assert_int_eq(wait_group_spawn(&g, "square", offload_square, (void *)i, NULL),
		                 0);
	wait_group_wait(&g, 0);
}

START_TEST(returns_results)
{
	run_one(hundreds);
}
END_TEST

static sem_t may_go;
static atomic_int inside, most_inside;

static void blocks(void *arg)
{
	int n = atomic_fetch_add(&inside, 1) + 1;

	(void)arg;
	if (n > atomic_load(&most_inside))
		atomic_store(&most_inside, n);
	sem_wait(&may_go);
	atomic_fetch_sub(&inside, 1);
}

static void offload_blocks(void *arg)
{
	(void)arg;
	ck_assert_int_eq(task_offload(blocks, NULL), 0);
}

/* The loop goes on while threads block, three of them at most. */
static void parallel(void *arg)
{
	struct wait_group g = {0};

	(void)arg;
	for (int i = 0; i < 10; i++)
		wait_group_spawn(&g, "block", offload_blocks, NULL, NULL);
	while (atomic_load(&inside) < 3)
		ck_assert_int_eq(task_sleep(CLOCK_MS), 0);
	for (int i = 0; i < 10; i++)
		sem_post(&may_go);
	wait_group_wait(&g, 0);
	ck_assert_int_eq(atomic_load(&most_inside), 3);
}

START_TEST(runs_in_parallel)
{
	task_offload_threads(3);
	sem_init(&may_go, 0, 0);
	run_one(parallel);
}
END_TEST

static void cancelled(void *arg)
{
	struct wait_group g = {0};
	struct task *t;

	(void)arg;
	wait_group_spawn(&g, "block", offload_blocks, NULL, &t);
	while (atomic_load(&inside) < 1)
		task_sleep(CLOCK_MS);
	task_cancel(t);
	task_wake(t);
	task_yield();
	task_yield();
	ck_assert_uint_eq(g.running, 1); /* the thread still has its memory */
	sem_post(&may_go);
	wait_group_wait(&g, 0);
}

START_TEST(cancellation_waits_for_the_thread)
{
	sem_init(&may_go, 0, 0);
	run_one(cancelled);
}
END_TEST

static void check_mask(void *arg)
{
	sigset_t mask;

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	*(bool *)arg = sigismember(&mask, SIGTERM) && sigismember(&mask, SIGHUP) &&
	               sigismember(&mask, SIGCHLD);
}

static void masks(void *arg)
{
	bool blocked = false;
	sigset_t mask;

	(void)arg;
	ck_assert_int_eq(task_offload(check_mask, &blocked), 0);
	ck_assert(blocked);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	ck_assert(!sigismember(&mask, SIGTERM));
}

START_TEST(threads_block_signals)
{
	run_one(masks);
}
END_TEST

static void child_square(void *arg)
{
	int v = 7;

	task_offload(square, &v);
	*(int *)arg = v;
}

/* The parent's threads do not exist in the child, which gets its own. */
static void fork_with_threads(void *arg)
{
	int v = 3, status;
	pid_t pid;

	(void)arg;
	ck_assert_int_eq(task_offload(square, &v), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		rt_init_after_fork();
		task_spawn("child", child_square, &v);
		rt_stop();
		rt_run();
		rt_deinit();
		_exit(v == 49 ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(task_offload(square, &v), 0);
	ck_assert_int_eq(v, 81);
}

START_TEST(works_after_fork)
{
	run_one(fork_with_threads);
}
END_TEST

START_TEST(works_after_deinit)
{
	run_one(hundreds);
	rt_deinit();
	rt_init();
	run_one(hundreds);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, returns_results);
	tcase_add_test(t, runs_in_parallel);
	tcase_add_test(t, cancellation_waits_for_the_thread);
	tcase_add_test(t, threads_block_signals);
	tcase_add_test(t, works_after_fork);
	tcase_add_test(t, works_after_deinit);
	return run_tests("rt_offload", t);
}
