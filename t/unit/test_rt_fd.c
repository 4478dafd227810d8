/* SPDX-License-Identifier: MIT
 *
 * Descriptors: edges before and during the wait, both directions at once,
 * hang-ups, closing under a waiting task.
 */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "rt/fd.h"
#include "rt/sync.h"
#include "rt/task.h"
#include "t/unit/run.h"

static int ends[2]; /* of a socket pair; ends[0] becomes `f` */
static struct rt_fd *f;
static struct task *waiting;

static void setup(void)
{
	rt_init();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	f = rt_fd_new(ends[0]);
}

static void teardown(void)
{
	rt_fd_close(&f);
	rt_fd_close(&f); /* no-op */
	if (ends[1] >= 0)
		close(ends[1]);
	rt_deinit();
}

static void run_one(void (*fn)(void *))
{
	ck_assert_ptr_nonnull(task_spawn("test", fn, NULL));
	rt_stop();
	rt_run();
}

static int64_t soon(void)
{
	return clock_deadline(10 * CLOCK_SEC);
}

static void send_text(int fd, const char *text)
{
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void later_send(void *arg)
{
	(void)arg;
	task_yield();
	send_text(ends[1], "x");
}

static void expect_bytes(ssize_t want)
{
	char b[64];

	ck_assert_int_eq(read(rt_fd_get(f), b, sizeof(b)), want);
}

static void reads(void *arg)
{
	(void)arg;
	ck_assert_int_eq(rt_fd_wait_read(f, rt_now() + CLOCK_MS), -ETIMEDOUT);
	send_text(ends[1], "abc"); /* an edge before the wait */
	task_yield();
	task_yield();
	ck_assert_int_eq(rt_fd_wait_read(f, soon()), 0);
	expect_bytes(3);
	task_spawn("send", later_send, NULL); /* an edge during the wait */
	ck_assert_int_eq(rt_fd_wait_read(f, soon()), 0);
	expect_bytes(1);
	expect_bytes(-1);
	ck_assert_int_eq(rt_fd_wait_read(f, rt_now() + CLOCK_MS), -ETIMEDOUT);
	ck_assert(!rt_fd_peer_closed(f));
}

START_TEST(sees_read_edges)
{
	run_one(reads);
}
END_TEST

static int calls;

static void called(void *arg)
{
	ck_assert_ptr_eq(arg, &calls);
	ck_assert_ptr_null(task_self());
	calls++;
}

static void wait_for_calls(int n)
{
	for (int i = 0; i < 1000 && calls < n; i++)
		task_sleep(CLOCK_MS);
	ck_assert_int_eq(calls, n);
}

static void calls_on_read(void *arg)
{
	(void)arg;
	ck_assert_int_eq(rt_fd_call_on_read(f, called, &calls), 0);
	task_sleep(CLOCK_MS);
	ck_assert_int_eq(calls, 0);
	send_text(ends[1], "ab");
	wait_for_calls(1);
	expect_bytes(2);
	ck_assert_int_eq(rt_fd_wait_read(f, rt_now() + CLOCK_MS), -ETIMEDOUT); /* consumed */
	send_text(ends[1], "c"); /* an edge that nobody waits for */
	task_sleep(CLOCK_MS);
	ck_assert_int_eq(calls, 1);
	ck_assert_int_eq(rt_fd_call_on_read(f, called, &calls), -EAGAIN);
	expect_bytes(1);
	expect_bytes(-1);
	send_text(ends[1], "d"); /* in the gap before the loop turns */
	ck_assert_int_eq(rt_fd_call_on_read(f, called, &calls), 0);
	wait_for_calls(2);
	expect_bytes(1);
	ck_assert_int_eq(rt_fd_call_on_read(f, called, &calls), 0);
	shutdown(ends[1], SHUT_WR);
	wait_for_calls(3);
	ck_assert_int_eq(rt_fd_call_on_read(f, called, &calls), -EAGAIN); /* never again */
	rt_fd_close(&f);
}

START_TEST(calls_without_a_task)
{
	run_one(calls_on_read);
}
END_TEST

static size_t fill(int fd)
{
	static char block[65536];
	size_t total = 0;
	ssize_t n;

	while ((n = write(fd, block, sizeof(block))) > 0)
		total += (size_t)n;
	ck_assert_int_eq(errno, EAGAIN);
	return total;
}

static void drain(void *arg)
{
	static char block[65536];
	size_t left = *(size_t *)arg;

	while (left > 0) {
		ssize_t n = read(ends[1], block, left < sizeof(block) ? left : sizeof(block));

		ck_assert_int_gt(n, 0);
		left -= (size_t)n;
		task_yield();
	}
}

static void writes(void *arg)
{
	struct wait_group g = {0};
	size_t total;

	(void)arg;
	ck_assert_int_eq(rt_fd_wait_write(f, soon()), 0); /* a new socket is writable */
	total = fill(rt_fd_get(f));
	ck_assert_int_eq(rt_fd_wait_write(f, rt_now() + CLOCK_MS), -ETIMEDOUT);
	ck_assert_int_eq(wait_group_spawn(&g, "drain", drain, &total, NULL), 0);
	ck_assert_int_eq(rt_fd_wait_write(f, soon()), 0);
	ck_assert_int_eq(write(rt_fd_get(f), "x", 1), 1);
	wait_group_wait(&g, 0);
}

START_TEST(sees_write_edges)
{
	run_one(writes);
}
END_TEST

static int read_result, write_result;

static void wait_read(void *arg)
{
	(void)arg;
	waiting = task_self();
	read_result = rt_fd_wait_read(f, soon());
}

static void wait_write(void *arg)
{
	(void)arg;
	write_result = rt_fd_wait_write(f, soon());
}

static void both_directions(void *arg)
{
	struct wait_group g = {0};
	size_t total;

	(void)arg;
	rt_fd_wait_write(f, soon());
	total = fill(rt_fd_get(f));
	ck_assert_int_eq(wait_group_spawn(&g, "read", wait_read, NULL, NULL), 0);
	ck_assert_int_eq(wait_group_spawn(&g, "write", wait_write, NULL, NULL), 0);
	task_yield();
	ck_assert_uint_eq(g.running, 2);
	send_text(ends[1], "x");
	wait_group_wait(&g, 1); /* the reader only */
	ck_assert_int_eq(read_result, 0);
	drain(&total);
	wait_group_wait(&g, 0);
	ck_assert_int_eq(write_result, 0);
}

START_TEST(waits_in_both_directions)
{
	read_result = write_result = 1;
	run_one(both_directions);
}
END_TEST

static void closes_under_waiter(void *arg)
{
	struct wait_group g = {0};

	(void)arg;
	rt_fd_wait_write(f, soon());
	fill(rt_fd_get(f));
	wait_group_spawn(&g, "read", wait_read, NULL, NULL);
	wait_group_spawn(&g, "write", wait_write, NULL, NULL);
	task_yield();
	rt_fd_close(&f);
	ck_assert_ptr_null(f);
	wait_group_wait(&g, 0);
	ck_assert_int_eq(read_result, -ECANCELED);
	ck_assert_int_eq(write_result, -ECANCELED);
}

START_TEST(close_ends_waits)
{
	run_one(closes_under_waiter);
}
END_TEST

/* The edge and the close arrive in the same turn: the waiter, woken by the
 * edge, must not touch what has been freed. */
static void close_after_edge(void *arg)
{
	struct wait_group g = {0};

	(void)arg;
	wait_group_spawn(&g, "read", wait_read, NULL, NULL);
	task_yield();
	send_text(ends[1], "x");
	task_wake(waiting);
	rt_fd_close(&f);
	wait_group_wait(&g, 0);
	ck_assert_int_eq(read_result, -ECANCELED);
}

START_TEST(close_beats_edge)
{
	run_one(close_after_edge);
}
END_TEST

static void cancelled_wait(void *arg)
{
	struct wait_group g = {0};

	(void)arg;
	wait_group_spawn(&g, "read", wait_read, NULL, NULL);
	task_yield();
	task_cancel(waiting);
	wait_group_wait(&g, 0);
	ck_assert_int_eq(read_result, -ECANCELED);
	send_text(ends[1], "x"); /* the next waiter is served as usual */
	ck_assert_int_eq(rt_fd_wait_read(f, soon()), 0);
	task_cancel(task_self());
	ck_assert_int_eq(rt_fd_wait_write(f, soon()), -ECANCELED); /* although it is writable */
}

START_TEST(cancel_ends_a_wait)
{
	run_one(cancelled_wait);
}
END_TEST

static void sees_fin(void *arg)
{
	(void)arg;
	send_text(ends[1], "last");
	shutdown(ends[1], SHUT_WR);
	ck_assert_int_eq(rt_fd_wait_read(f, soon()), 0);
	expect_bytes(4); /* a short read; the FIN was part of the same edge */
	ck_assert(rt_fd_peer_closed(f));
	ck_assert_int_eq(rt_fd_wait_read(f, soon()), 0); /* so this does not hang */
	expect_bytes(0);
	ck_assert_int_eq(write(rt_fd_get(f), "x", 1), 1); /* only half-closed */
}

START_TEST(fin_is_not_missed)
{
	run_one(sees_fin);
}
END_TEST

/* A connected TCP pair, because only TCP has resets. */
static void tcp_pair(int pair[2])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&a, &n), 0);
	pair[1] = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(pair[1], (struct sockaddr *)&a, sizeof(a)), 0);
	pair[0] = accept(listener, NULL, NULL);
	ck_assert_int_ge(pair[0], 0);
	close(listener);
}

static void sees_reset(void *arg)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	struct rt_fd *t;
	int pair[2];

	(void)arg;
	tcp_pair(pair);
	t = rt_fd_new(pair[0]);
	ck_assert_int_eq(rt_fd_wait_write(t, soon()), 0);
	ck_assert(!rt_fd_peer_closed(t));
	setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(pair[1]);
	ck_assert_int_eq(rt_fd_wait_read(t, soon()), 0);
	ck_assert(rt_fd_peer_closed(t));
	ck_assert_int_eq(read(rt_fd_get(t), &reset, sizeof(reset)), -1);
	ck_assert_int_eq(errno, ECONNRESET);
	rt_fd_close(&t);
}

START_TEST(reset_is_seen)
{
	run_one(sees_reset);
}
END_TEST

START_TEST(release_keeps_it_open)
{
	int fd = rt_fd_release(&f);

	ck_assert_ptr_null(f);
	ck_assert_int_eq(fd, ends[0]);
	send_text(fd, "x");
	f = rt_fd_new(fd); /* and it can be registered again */
}
END_TEST

/* Two tasks pass 20 MB through the pair, each reading and writing until EAGAIN. */
#define TRAFFIC (20 * 1024 * 1024)

static void pump_out(void *arg)
{
	static char block[50000];
	size_t left = TRAFFIC;

	while (left > 0) {
		ssize_t n =
			write(rt_fd_get(arg), block, left < sizeof(block) ? left : sizeof(block));

		if (n < 0) {
			ck_assert_int_eq(errno, EAGAIN);
			ck_assert_int_eq(rt_fd_wait_write(arg, soon()), 0);
		} else {
			left -= (size_t)n;
		}
	}
}

static void pump_in(void *arg)
{
	static char block[70000];
	size_t got = 0;

	while (got < TRAFFIC) {
		ssize_t n = read(rt_fd_get(arg), block, sizeof(block));

		if (n < 0) {
			ck_assert_int_eq(errno, EAGAIN);
			ck_assert_int_eq(rt_fd_wait_read(arg, soon()), 0);
		} else {
			ck_assert_int_gt(n, 0);
			got += (size_t)n;
		}
	}
}

START_TEST(traffic)
{
	struct rt_fd *other = rt_fd_new(ends[1]);

	ends[1] = -1;
	task_spawn("out", pump_out, f);
	task_spawn("in", pump_in, other);
	rt_stop();
	rt_run();
	rt_fd_close(&other);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, sees_read_edges);
	tcase_add_test(t, calls_without_a_task);
	tcase_add_test(t, sees_write_edges);
	tcase_add_test(t, waits_in_both_directions);
	tcase_add_test(t, close_ends_waits);
	tcase_add_test(t, close_beats_edge);
	tcase_add_test(t, cancel_ends_a_wait);
	tcase_add_test(t, fin_is_not_missed);
	tcase_add_test(t, reset_is_seen);
	tcase_add_test(t, release_keeps_it_open);
	tcase_add_test(t, traffic);
	return run_tests("rt_fd", t);
}
