/* SPDX-License-Identifier: MIT
 *
 * notify, semaphore, wait group: order, time-outs, and above all that nothing
 * gets lost when waits are cancelled.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "rt/sync.h"
#include "rt/task.h"
#include "t/unit/run.h"

static char trace[64];
static struct notify condition;
static struct semaphore sem;
static struct wait_group group;

static void note(const char *text)
{
	size_t n = strlen(trace);

	ck_assert_uint_lt(n + strlen(text), sizeof(trace));
	memcpy(trace + n, text, strlen(text) + 1);
}

static void setup(void)
{
	trace[0] = '\0';
	condition = (struct notify){0};
	group = (struct wait_group){0};
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
	ck_assert_ptr_null(condition.first);
	ck_assert_ptr_null(condition.last);
	ck_assert_uint_eq(group.running, 0);
}

static struct task *start(void (*fn)(void *), const char *name)
{
	struct task *t = NULL;

	ck_assert_int_eq(wait_group_spawn(&group, name, fn, (void *)(uintptr_t)name, &t), 0);
	ck_assert_ptr_nonnull(t);
	task_yield();
	return t;
}

static void note_result(const char *name, int r)
{
	note(name);
	note(r == 0 ? "+" : r == -ECANCELED ? "c" : "t");
}

/* --- notify ----------------------------------------------------------------- */

static void wait_condition(void *name)
{
	note_result(name, notify_wait(&condition, clock_deadline(10 * CLOCK_SEC)));
}

static void one_by_one(void *arg)
{
	(void)arg;
	notify_one(&condition); /* nobody waits: nothing is remembered */
	start(wait_condition, "a");
	start(wait_condition, "b");
	start(wait_condition, "c");
	notify_one(&condition);
	wait_group_wait(&group, 2);
	ck_assert_str_eq(trace, "a+");
	notify_all(&condition);
	ck_assert_ptr_null(condition.first);
	wait_group_wait(&group, 0);
	ck_assert_str_eq(trace, "a+b+c+");
	ck_assert_int_eq(notify_wait(&condition, rt_now() + CLOCK_MS), -ETIMEDOUT);
}

START_TEST(notifies)
{
	run_one(one_by_one);
}
END_TEST

static void leave_from_the_middle(void *arg)
{
	struct task *a, *b, *c;

	(void)arg;
	a = start(wait_condition, "a");
	b = start(wait_condition, "b");
	c = start(wait_condition, "c");
	task_cancel(b);
	wait_group_wait(&group, 2);
	task_cancel(c);
	wait_group_wait(&group, 1);
	task_cancel(a);
	wait_group_wait(&group, 0);
	ck_assert_str_eq(trace, "bccca"
	                        "c");
}

START_TEST(cancelled_waiters_leave_the_queue)
{
	run_one(leave_from_the_middle);
}
END_TEST

/* Both in the same turn, in either order: the notification was given. */
static void notify_and_cancel(void *arg)
{
	struct task *a;

	(void)arg;
	a = start(wait_condition, "a");
	notify_one(&condition);
	task_cancel(a);
	wait_group_wait(&group, 0);
	ck_assert_str_eq(trace, "a+");

	a = start(wait_condition, "b");
	start(wait_condition, "d");
	task_cancel(a);
	notify_one(&condition); /* still in the queue: gets it */
	wait_group_wait(&group, 1);
	ck_assert_str_eq(trace, "a+b+");
	notify_one(&condition);
	wait_group_wait(&group, 0);
}

START_TEST(notification_survives_cancel)
{
	run_one(notify_and_cancel);
}
END_TEST

static void ignores_stray_wake(void *arg)
{
	struct task *a;

	(void)arg;
	a = start(wait_condition, "a");
	task_wake(a);
	task_yield();
	task_yield();
	ck_assert_uint_eq(group.running, 1);
	notify_all(&condition);
	wait_group_wait(&group, 0);
	ck_assert_str_eq(trace, "a+");
}

START_TEST(stray_wakes_do_not_count)
{
	run_one(ignores_stray_wake);
}
END_TEST

static void freed_at_once(void *arg)
{
	struct notify *n = calloc(1, sizeof(*n));
	(void)arg;
	condition = *n;
	start(wait_condition, "a");
	*n = condition;
	notify_all(&condition);
	memset(&condition, 0, sizeof(condition)); /* the owner is done with it */
	free(n);
	wait_group_wait(&group, 0);
	ck_assert_str_eq(trace, "a+");
}

START_TEST(condition_may_go_after_notify_all)
{
	run_one(freed_at_once);
}
END_TEST

/* --- semaphore -------------------------------------------------------------- */

/* The first letter of the name is how many to take. */
static void take(void *name)
{
	size_t n = (size_t)(*(const char *)name - '0');

	note_result(name, semaphore_take(&sem, n, clock_deadline(10 * CLOCK_SEC)));
}

static void first_come_first_served(void *arg)
{
	(void)arg;
	semaphore_init(&sem, 3);
	ck_assert(semaphore_try(&sem, 2));
	ck_assert(!semaphore_try(&sem, 2));
	start(take, "2a");
	start(take, "1b"); /* one is free, but 2a was first */
	ck_assert(!semaphore_try(&sem, 1));
	ck_assert_str_eq(trace, "");
	semaphore_give(&sem, 1);
	wait_group_wait(&group, 1);
	ck_assert_str_eq(trace, "2a+");
	semaphore_give(&sem, 2);
	wait_group_wait(&group, 0);
	ck_assert_str_eq(trace, "2a+1b+");
	ck_assert_uint_eq(sem.free, 1);
}

START_TEST(semaphore_order)
{
	run_one(first_come_first_served);
}
END_TEST

/* A large wish at the head is withdrawn: the small one behind it can go. */
static void withdraw_head(void *arg)
{
	struct task *a;

	(void)arg;
	semaphore_init(&sem, 2);
	a = start(take, "3a");
	start(take, "2b");
	task_cancel(a);
	wait_group_wait(&group, 0);
	ck_assert_str_eq(trace, "3ac2b+");
	ck_assert_uint_eq(sem.free, 0);
	ck_assert_int_eq(semaphore_take(&sem, 1, rt_now() + CLOCK_MS), -ETIMEDOUT);
	ck_assert_uint_eq(sem.free, 0);
}

START_TEST(semaphore_goes_on_behind_a_cancelled_head)
{
	run_one(withdraw_head);
}
END_TEST

static void give_and_cancel(void *arg)
{
	struct task *a;

	(void)arg;
	semaphore_init(&sem, 0);
	a = start(take, "1a");
	start(take, "1b");
	semaphore_give(&sem, 1);
	task_cancel(a); /* has it already */
	wait_group_wait(&group, 1);
	ck_assert_str_eq(trace, "1a+");
	semaphore_give(&sem, 1);
	wait_group_wait(&group, 0);
	ck_assert_str_eq(trace, "1a+1b+");
	ck_assert_uint_eq(sem.free, 0);
	semaphore_give(&sem, 1);
	task_cancel(task_self());
	ck_assert_int_eq(semaphore_take(&sem, 1, CLOCK_NEVER), -ECANCELED);
	ck_assert_uint_eq(sem.free, 1);
}

START_TEST(semaphore_units_survive_cancel)
{
	run_one(give_and_cancel);
}
END_TEST

/* 200 tasks take, hold and give in every way, some are cancelled: in the end
 * all units are there again and there were never too many out. */
static size_t out;

static void use_units(void *arg)
{
	size_t n = 1 + (size_t)(uintptr_t)arg % 3;

	for (int i = 0; i < 20; i++) {
		if (semaphore_take(&sem, n, rt_now() + (int64_t)(uintptr_t)arg * 50) < 0)
			continue;
		out += n;
		ck_assert_uint_le(out, 5);
		task_yield();
		out -= n;
		semaphore_give(&sem, n);
	}
}

static void crowd(void *arg)
{
	struct task *t[200];

	(void)arg;
	semaphore_init(&sem, 5);
	for (uintptr_t i = 0; i < 200; i++) {
		wait_group_spawn(&group, "use", use_units, (void *)i, &t[i]);
		if (i % 5 == 0)
			task_cancel(t[i]);
	}
	wait_group_wait(&group, 0);
	ck_assert_uint_eq(out, 0);
	ck_assert_uint_eq(sem.free, 5);
	ck_assert_ptr_null(sem.queue.first);
}

START_TEST(semaphore_crowd)
{
	run_one(crowd);
}
END_TEST

/* --- wait group ------------------------------------------------------------- */

static size_t most;

static void brief(void *arg)
{
	(void)arg;
	if (group.running > most)
		most = group.running;
	task_yield();
}

static void bounded(void *arg)
{
	(void)arg;
	most = 0;
	for (int i = 0; i < 50; i++) {
		wait_group_wait(&group, 3);
		ck_assert_int_eq(wait_group_spawn(&group, "brief", brief, NULL, NULL), 0);
	}
	wait_group_wait(&group, 0);
	ck_assert_uint_eq(most, 4);
}

START_TEST(wait_group_bounds)
{
	run_one(bounded);
}
END_TEST

static void waits_although_cancelled(void *arg)
{
	(void)arg;
	start(wait_condition, "a");
	task_cancel(task_self());
	ck_assert_int_eq(wait_group_spawn(&group, "brief", brief, NULL, NULL), 0);
	wait_group_wait(&group, 1);
	notify_all(&condition);
	wait_group_wait(&group, 0);
	ck_assert_str_eq(trace, "a+");
}

START_TEST(wait_group_is_uncancellable)
{
	run_one(waits_although_cancelled);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, notifies);
	tcase_add_test(t, cancelled_waiters_leave_the_queue);
	tcase_add_test(t, notification_survives_cancel);
	tcase_add_test(t, stray_wakes_do_not_count);
	tcase_add_test(t, condition_may_go_after_notify_all);
	tcase_add_test(t, semaphore_order);
	tcase_add_test(t, semaphore_goes_on_behind_a_cancelled_head);
	tcase_add_test(t, semaphore_units_survive_cancel);
	tcase_add_test(t, semaphore_crowd);
	tcase_add_test(t, wait_group_bounds);
	tcase_add_test(t, wait_group_is_uncancellable);
	return run_tests("rt_sync", t);
}
