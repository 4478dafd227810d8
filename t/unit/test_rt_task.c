/* SPDX-License-Identifier: MIT
 *
 * Tasks: switching, parking, waking, deadlines, cancellation, stacks, fork().
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "rt/fd.h"
#include "rt/task.h"
#include "t/unit/run.h"

static char trace[256]; /* what happened, one letter each */

static void note(char c)
{
	size_t n = strlen(trace);

	ck_assert_uint_lt(n + 1, sizeof(trace));
	trace[n] = c;
}

static void setup(void)
{
	memset(trace, 0, sizeof(trace));
	rt_init();
}

static void teardown(void)
{
	rt_deinit();
}

static void run_all(void)
{
	rt_stop();
	rt_run();
	ck_assert_uint_eq(task_count(), 0);
	ck_assert_ptr_null(task_self());
}

static void yields_three_times(void *arg)
{
	for (int i = 0; i < 3; i++) {
		note(*(char *)arg);
		task_yield();
	}
}

START_TEST(switches_in_turn)
{
	char a = 'a', b = 'b';

	task_spawn("a", yields_three_times, &a);
	task_spawn("b", yields_three_times, &b);
	ck_assert_uint_eq(task_count(), 2);
	ck_assert_str_eq(trace, ""); /* not before the loop runs */
	run_all();
	ck_assert_str_eq(trace, "ababab");
}
END_TEST

/* Registers, floating point and stack contents survive the switch. */
static void keeps_locals(void *arg)
{
	int id = *(int *)arg;
	char text[2000];
	double x = id * 1.5;

	memset(text, id & 0x7F, sizeof(text));
	for (int i = 0; i < 20; i++) {
		task_yield();
		x += i * 0.25;
	}
	for (size_t i = 0; i < sizeof(text); i++) {
		if (text[i] != (id & 0x7F))
			return;
	}
	if (x == id * 1.5 + 47.5)
		(*(int *)arg)++;
}

START_TEST(ten_thousand_tasks)
{
	static int ids[10000];

	for (int i = 0; i < 10000; i++) {
		ids[i] = i;
		ck_assert_ptr_nonnull(task_spawn("locals", keeps_locals, &ids[i]));
	}
	run_all();
	for (int i = 0; i < 10000; i++)
		ck_assert_int_eq(ids[i], i + 1);
}
END_TEST

static void note_stack(void *arg)
{
	*(struct task **)arg = task_self();
}

START_TEST(stacks_are_used_again)
{
	struct task *first = NULL, *second = NULL;

	task_spawn("first", note_stack, &first);
	run_all();
	task_spawn("second", note_stack, &second);
	run_all();
	ck_assert_ptr_nonnull(first);
	ck_assert_ptr_eq(first, second);
}
END_TEST

static void cancel_self(void *arg)
{
	(void)arg;
	task_cancel(task_self());
	task_wake(task_self());
	task_shield();
}

static void expect_fresh(void *arg)
{
	(void)arg;
	ck_assert(!task_is_cancelled());
	ck_assert_int_eq(task_park(rt_now() + 1), -ETIMEDOUT);
	task_cancel(task_self());
	ck_assert_int_eq(task_park(CLOCK_NEVER), -ECANCELED);
	note('k');
}

START_TEST(used_stacks_forget_the_task_before)
{
	task_spawn("before", cancel_self, NULL);
	run_all();
	task_spawn("after", expect_fresh, NULL);
	run_all();
	ck_assert_str_eq(trace, "k");
}
END_TEST

static __attribute__((noinline)) int recurse(int depth)
{
	volatile char frame[1024];

	frame[0] = (char)depth;
	return depth == 0 ? frame[0] : recurse(depth - 1) + frame[0];
}

static void use_stack(void *arg)
{
	volatile int sum = recurse(*(int *)arg);

	(void)sum;
}

/* The page below the stack ends the process before other memory is damaged. */
START_TEST(guard_page)
{
	int depth = _i == 0 ? 100 : TASK_STACK_SIZE / 512; /* frames of at least 1 KiB */
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		close(STDERR_FILENO); /* ASan would report at length */
		rt_init_after_fork();
		task_spawn("stack", use_stack, &depth);
		rt_stop();
		rt_run();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (_i == 0)
		ck_assert_int_eq(status, 0);
	else /* a signal, or the exit code of ASan */
		ck_assert(WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) != 0));
}
END_TEST

static struct task *sleeper;

static void wake_before_park(void *arg)
{
	(void)arg;
	task_wake(task_self());
	task_wake(task_self());
	ck_assert_int_eq(task_park(CLOCK_NEVER), 0);
	ck_assert_int_eq(task_park(rt_now() + 1), -ETIMEDOUT); /* both wakes were one */
	task_wake(task_self());
	ck_assert_int_eq(task_park(0), 0); /* a wake beats a deadline */
	ck_assert_int_eq(task_park(0), -ETIMEDOUT);
	note('k');
}

START_TEST(wakes_are_not_lost)
{
	task_spawn("wake", wake_before_park, NULL);
	run_all();
	ck_assert_str_eq(trace, "k");
}
END_TEST

static void park_forever(void *arg)
{
	sleeper = task_self();
	*(int *)arg = task_park(CLOCK_NEVER);
	note('w');
}

static void wake_sleeper(void *arg)
{
	(void)arg;
	task_wake(sleeper);
	note('b'); /* the woken task does not run inside task_wake() */
}

START_TEST(wakes_run_later)
{
	int r = 1;

	task_spawn("park", park_forever, &r);
	task_spawn("wake", wake_sleeper, NULL);
	run_all();
	ck_assert_int_eq(r, 0);
	ck_assert_str_eq(trace, "bw");
}
END_TEST

struct nap {
	char name;
	int64_t deadline;
};

static void nap(void *arg)
{
	struct nap *n = arg;

	ck_assert_int_eq(task_park(n->deadline), -ETIMEDOUT);
	ck_assert_int_ge(clock_mono(), n->deadline);
	note(n->name);
}

START_TEST(deadlines_come_in_order)
{
	struct nap naps[] = {{'d', 40}, {'a', 0}, {'c', 25}, {'b', 12}, {'e', 55}};
	int64_t start = clock_mono();

	for (size_t i = 0; i < 5; i++) {
		naps[i].deadline = start + naps[i].deadline * CLOCK_MS;
		task_spawn("nap", nap, &naps[i]);
	}
	run_all();
	ck_assert_str_eq(trace, "abcde");
}
END_TEST

/* Many deadlines, of which most are removed again from anywhere in the heap. */
static int woken, timed_out;

static void park_for_a_while(void *arg)
{
	int r = task_park(*(int64_t *)arg);

	if (r == 0)
		woken++;
	else
		timed_out++;
	ck_assert(r == 0 || (r == -ETIMEDOUT && rt_now() >= *(int64_t *)arg));
}

START_TEST(heap_of_deadlines)
{
	static int64_t deadlines[1000];
	static struct task *tasks[1000];
	uint32_t x = 1;

	woken = timed_out = 0;
	for (int i = 0; i < 1000; i++) {
		x = x * 1103515245 + 12345;
		deadlines[i] = clock_mono() + 20 * CLOCK_MS + (x >> 16) % 20000;
		tasks[i] = task_spawn("while", park_for_a_while, &deadlines[i]);
	}
	for (int i = 0; i < 1000; i += 3)
		task_wake(tasks[i]);
	run_all();
	ck_assert_int_ge(woken, 334);
	ck_assert_int_eq(woken + timed_out, 1000);
}
END_TEST

static void ignores_stray_wakes(void *arg)
{
	int64_t start = clock_mono();

	(void)arg;
	sleeper = task_self();
	ck_assert_int_eq(task_sleep(20 * CLOCK_MS), 0);
	ck_assert_int_ge(clock_mono() - start, 20 * CLOCK_MS);
	note('k');
}

START_TEST(sleep_is_not_cut_short)
{
	task_spawn("sleep", ignores_stray_wakes, NULL);
	task_spawn("wake", wake_sleeper, NULL);
	run_all();
	ck_assert_str_eq(trace, "bk");
}
END_TEST

/* --- cancellation ----------------------------------------------------------- */

static void expect_canceled(void *arg)
{
	(void)arg;
	sleeper = task_self();
	ck_assert_int_eq(task_park(clock_deadline(60 * CLOCK_SEC)), -ECANCELED);
	ck_assert(task_is_cancelled());
	ck_assert_int_eq(task_park(CLOCK_NEVER), -ECANCELED); /* from every wait from then on */
	ck_assert_int_eq(task_sleep(CLOCK_SEC), -ECANCELED);
	task_yield(); /* is no wait */
	ck_assert_int_eq(task_park_uncancellable(rt_now() + 1), -ETIMEDOUT);
	note('k');
}

static void cancel_sleeper(void *arg)
{
	(void)arg;
	task_cancel(sleeper);
	task_cancel(sleeper);
	note('c');
}

START_TEST(cancel_ends_a_park)
{
	task_spawn("park", expect_canceled, NULL);
	task_spawn("cancel", cancel_sleeper, NULL);
	run_all();
	ck_assert_str_eq(trace, "ck");
}
END_TEST

START_TEST(cancel_before_the_first_run)
{
	task_cancel(task_spawn("park", expect_canceled, NULL));
	run_all();
	ck_assert_str_eq(trace, "k");
}
END_TEST

static void cancel_and_wake(void *arg)
{
	(void)arg;
	task_wake(sleeper);
	task_cancel(sleeper);
	task_wake(sleeper);
}

START_TEST(cancel_beats_wake)
{
	int r = 1;

	task_spawn("park", park_forever, &r);
	task_spawn("both", cancel_and_wake, NULL);
	run_all();
	ck_assert_int_eq(r, -ECANCELED);
}
END_TEST

static void shielded(void *arg)
{
	(void)arg;
	sleeper = task_self();
	task_shield();
	task_shield();
	ck_assert_int_eq(task_park(rt_now() + 20 * CLOCK_MS), -ETIMEDOUT); /* cancelled meanwhile */
	task_unshield();
	ck_assert(!task_is_cancelled());
	ck_assert_int_eq(task_sleep(1), 0);
	task_unshield();
	ck_assert(task_is_cancelled());
	ck_assert_int_eq(task_park(CLOCK_NEVER), -ECANCELED);
	note('k');
}

START_TEST(shield_delays_cancellation)
{
	task_spawn("shielded", shielded, NULL);
	task_spawn("cancel", cancel_sleeper, NULL);
	run_all();
	ck_assert_str_eq(trace, "ck");
}
END_TEST

static void uncancellable(void *arg)
{
	(void)arg;
	sleeper = task_self();
	ck_assert_int_eq(task_park_uncancellable(CLOCK_NEVER), 0);
	note('w');
}

static void cancel_then_wake(void *arg)
{
	(void)arg;
	task_cancel(sleeper);
	task_yield();
	task_yield();
	note('c');
	task_wake(sleeper);
}

START_TEST(uncancellable_waits_on)
{
	task_spawn("park", uncancellable, NULL);
	task_spawn("cancel", cancel_then_wake, NULL);
	run_all();
	ck_assert_str_eq(trace, "cw");
}
END_TEST

/* --- the loop --------------------------------------------------------------- */

static void stop_later(void *arg)
{
	(void)arg;
	task_sleep(5 * CLOCK_MS);
	rt_stop();
	task_sleep(5 * CLOCK_MS);
	note('e');
}

START_TEST(stop_waits_for_tasks)
{
	task_spawn("stop", stop_later, NULL);
	rt_run();
	ck_assert_str_eq(trace, "e");
}
END_TEST

/* arg: the time before the loop slept for 30 ms. */
static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	const int64_t *before = arg;

	(void)fd;
	(void)what;
	ck_assert_int_gt(rt_now() - *before, 15 * CLOCK_MS);
	note('t');
	rt_stop();
}

/* Without tasks and stop the loop goes on waiting for events. */
START_TEST(loop_waits_without_tasks)
{
	struct timeval tv = {.tv_usec = 30000};
	int64_t start = clock_mono();
	struct event *e = evtimer_new(rt_base(), on_timeout, &start);
	uint64_t before = rt_turns();

	evtimer_add(e, &tv);
	rt_run();
	ck_assert_str_eq(trace, "t");
	ck_assert_uint_gt(rt_turns(), before);
	ck_assert_uint_lt(rt_turns() - before, 20); /* and does not spin */
	event_free(e);
}
END_TEST

static bool over;
static struct task *players[2];

static void play(void *arg)
{
	struct task **other = arg;

	while (!over) {
		task_wake(*other);
		task_park(CLOCK_NEVER);
	}
}

static void end_play(void *arg)
{
	(void)arg;
	ck_assert_int_eq(task_sleep(10 * CLOCK_MS), 0);
	over = true;
	task_wake(players[0]);
	task_wake(players[1]);
}

/* Tasks that wake each other for ever do not keep deadlines from coming. */
START_TEST(busy_tasks_starve_nobody)
{
	over = false;
	players[0] = task_spawn("ping", play, &players[1]);
	players[1] = task_spawn("pong", play, &players[0]);
	task_spawn("end", end_play, NULL);
	run_all();
	ck_assert(over);
}
END_TEST

static void wake_on_read(void *arg)
{
	char c;
	struct rt_fd *f = rt_fd_new(*(int *)arg);

	ck_assert_int_eq(rt_fd_wait_read(f, clock_deadline(10 * CLOCK_SEC)), 0);
	ck_assert_int_eq(read(rt_fd_get(f), &c, 1), 1);
	note(c);
	rt_fd_close(&f);
}

static void fork_and_go_on(void *arg)
{
	int *fds = arg, status, own[2];
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		/* on the stack of the parent's task, with a loop of our own */
		rt_init_after_fork();
		if (task_self() || task_count() || pipe(own) < 0 || write(own[1], "c", 1) != 1)
			_exit(1);
		task_spawn("child", wake_on_read, own);
		rt_stop();
		rt_run();
		_exit(strcmp(trace, "c") != 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(write(fds[1], "p", 1), 1);
}

/* The child's loop leaves the parent's registrations alone. */
START_TEST(fork_separates_loops)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	task_spawn("read", wake_on_read, fds);
	task_spawn("fork", fork_and_go_on, fds);
	run_all();
	ck_assert_str_eq(trace, "p");
	close(fds[1]);
}
END_TEST

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	note('s');
}

static void note_after_sleep(void *arg)
{
	ck_assert_int_eq(task_sleep(CLOCK_MS), 0);
	note(*(char *)arg);
}

static void fork_in_callback(evutil_socket_t fd, short what, void *arg)
{
	char name = 'c';
	int status;
	pid_t pid = fork();

	(void)fd;
	(void)what;
	(void)arg;
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		rt_init_after_fork();
		task_spawn("child", note_after_sleep, &name);
		rt_stop();
		rt_run();
		rt_deinit();
		_exit(strcmp(trace, "c") != 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	raise(SIGUSR1);
	rt_stop();
}

/* As a supervisor does: fork inside a callback, with signal events of its own. */
START_TEST(fork_inside_a_callback)
{
	struct timeval tv = {0};
	struct event *timer = evtimer_new(rt_base(), fork_in_callback, NULL);
	struct event *sig = evsignal_new(rt_base(), SIGUSR1, on_signal, NULL);
	char name = 'p';

	evtimer_add(timer, &tv);
	evsignal_add(sig, NULL);
	rt_run();
	task_spawn("parent", note_after_sleep, &name);
	run_all();
	ck_assert_str_eq(trace, "sp");
	event_free(timer);
	event_free(sig);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, switches_in_turn);
	tcase_add_test(t, ten_thousand_tasks);
	tcase_add_test(t, stacks_are_used_again);
	tcase_add_test(t, used_stacks_forget_the_task_before);
	tcase_add_loop_test(t, guard_page, 0, 2);
	tcase_add_test(t, wakes_are_not_lost);
	tcase_add_test(t, wakes_run_later);
	tcase_add_test(t, deadlines_come_in_order);
	tcase_add_test(t, heap_of_deadlines);
	tcase_add_test(t, sleep_is_not_cut_short);
	tcase_add_test(t, cancel_ends_a_park);
	tcase_add_test(t, cancel_before_the_first_run);
	tcase_add_test(t, cancel_beats_wake);
	tcase_add_test(t, shield_delays_cancellation);
	tcase_add_test(t, uncancellable_waits_on);
	tcase_add_test(t, stop_waits_for_tasks);
	tcase_add_test(t, loop_waits_without_tasks);
	tcase_add_test(t, busy_tasks_starve_nobody);
	tcase_add_test(t, fork_separates_loops);
	tcase_add_test(t, fork_inside_a_callback);
	return run_tests("rt_task", t);
}
