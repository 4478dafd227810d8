/* SPDX-License-Identifier: MIT
 *
 * Offloading: results, parallelism and its bound, cancellation, signals, fork(),
 * and lanes whose calls do not return.
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
#include "rt/offload.h"
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

#define PLACES   3
#define PATIENCE (100 * CLOCK_MS)

static struct offload_lane *lane;
static atomic_int released;

static void release(void *arg)
{
	sem_t *memory = arg;

	sem_destroy(memory);
	free(memory);
	atomic_fetch_add(&released, 1);
}

/* Its memory is its own: the task that waited for it may have left. */
static void hang(void *arg)
{
	sem_t *memory = arg;

	ck_assert_int_eq(sem_init(memory, 0, 7), 0);
	atomic_fetch_add(&inside, 1);
	sem_wait(&may_go);
	ck_assert_int_eq(sem_trywait(memory), 0);
	atomic_fetch_sub(&inside, 1);
}

static void run_and_give_up(void *arg)
{
	sem_t *memory = malloc(sizeof(*memory));
	int64_t start = clock_mono();
	int r = offload_run(lane, hang, memory, release);

	ck_assert_int_eq(r, (int)(intptr_t)arg);
	ck_assert_int_ge(clock_mono() - start, PATIENCE - 20 * CLOCK_MS);
	ck_assert_int_lt(clock_mono() - start, 20 * PATIENCE);
	if (r == -EBUSY) /* never begun */
		free(memory);
}

static void run_later(void *arg)
{
	atomic_store((atomic_int *)arg, 1);
}

static void hanging(void *arg)
{
	struct wait_group g = {0};
	atomic_int later = 0;
	int v = 9;

	(void)arg;
	lane = offload_lane_new(PLACES, PATIENCE);
	for (intptr_t i = 0; i < PLACES; i++)
		wait_group_spawn(&g, "hang", run_and_give_up, (void *)(intptr_t)-ETIMEDOUT, NULL);
	task_yield();
	for (int i = 0; i < 10; i++)
		wait_group_spawn(&g, "hang", run_and_give_up, (void *)(intptr_t)-EBUSY, NULL);
	wait_group_wait(&g, 0);
	ck_assert_int_eq(atomic_load(&inside), PLACES);
	for (int i = 0; i < 50; i++) /* others have threads left */
		wait_group_spawn(&g, "square", offload_square, (void *)7, NULL);
	wait_group_wait(&g, 0);
	offload_later(lane, run_later, &later);
	task_sleep(10 * CLOCK_MS);
	ck_assert_int_eq(atomic_load(&later), 0);

	for (int i = 0; i < PLACES; i++)
		sem_post(&may_go);
	while (atomic_load(&later) == 0 || atomic_load(&released) < PLACES)
		task_sleep(CLOCK_MS);
	ck_assert_int_eq(offload_run(lane, square, &v, NULL), 0);
	ck_assert_int_eq(v, 81);
	offload_lane_free(&lane);
}

START_TEST(a_lane_that_hangs)
{
	task_offload_threads(1);
	sem_init(&may_go, 0, 0);
	run_one(hanging);
	ck_assert_int_eq(atomic_load(&inside), 0);
}
END_TEST

static void hang_at_the_end(void *arg)
{
	(void)arg;
	lane = offload_lane_new(1, PATIENCE);
	run_and_give_up((void *)(intptr_t)-ETIMEDOUT);
	offload_lane_free(&lane);
}

/* Who hangs keeps nobody from leaving, and lets go when it comes back. */
START_TEST(the_end_does_not_wait_for_what_hangs)
{
	sem_init(&may_go, 0, 0);
	run_one(hang_at_the_end);
	rt_deinit();
	sem_post(&may_go);
	while (atomic_load(&released) < 1)
		usleep(1000);
	exit(0); /* without a loop that teardown could end */
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
	tcase_add_test(t, a_lane_that_hangs);
	tcase_add_exit_test(t, the_end_does_not_wait_for_what_hangs, 0);
	tcase_add_test(t, threads_block_signals);
	tcase_add_test(t, works_after_fork);
	tcase_add_test(t, works_after_deinit);
	return run_tests("rt_offload", t);
}
