/* SPDX-License-Identifier: MIT
 *
 * Spools in memory and in a file, read while they are being written, and the rule
 * that nobody gets the end of an upload that was not verified.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "object/spool.h"
#include "rt/sync.h"
#include "rt/task.h"
#include "run.h"

#define MIB (1024 * 1024)

static struct spool_budget budget;

static void setup(void)
{
	rt_init();
	budget = (struct spool_budget){.limit = 8 * MIB, .threshold = 4 * MIB, .dir = "/tmp"};
}

static void teardown(void)
{
	rt_deinit();
}

static unsigned char byte_at(uint64_t i)
{
	return (unsigned char)(i * 131 + (i >> 9));
}

static void write_bytes(struct spool *s, uint64_t from, uint64_t to)
{
	struct error e;
	while (from < to) {
		void *p;
		size_t n;
		ck_assert_int_eq(spool_space(s, &p, &n, &e), ERR_OK);
		if (n > to - from)
			n = to - from;
		for (size_t i = 0; i < n; i++)
			((unsigned char *)p)[i] = byte_at(from + i);
		ck_assert_int_eq(spool_commit(s, n, &e), ERR_OK);
		from += n;
	}
}

/* Reads until an end, an error or `most` bytes; returns how many were right. */
static uint64_t read_bytes(struct body *b, uint64_t most, ssize_t *last, struct error *e)
{
	unsigned char block[50000];
	uint64_t at = 0;
	*last = 1;
	while (at<most && * last> 0) {
		size_t want = most - at < sizeof block ? (size_t)(most - at) : sizeof block;
		*last = body_read(b, block, want, CLOCK_NEVER, e);
		bool same = true;
		for (ssize_t i = 0; i < *last; i++)
			same = same && block[i] == byte_at(at + (uint64_t)i);
		ck_assert(same);
		at += *last > 0 ? (uint64_t)*last : 0;
	}
	return at;
}

static void run_in_task(void (*fn)(void *), void *arg)
{
	ck_assert_ptr_nonnull(task_spawn("test", fn, arg));
	rt_stop();
	rt_run();
}

static void round_trip(void *arg)
{
	uint64_t size = *(uint64_t *)arg;
	struct spool *s = spool_new(&budget, size);
	struct error e;
	const void *p;
	ssize_t last;
	write_bytes(s, 0, size);
	spool_seal(s);
	ck_assert_int_eq(spool_in_memory(s, &p), size <= budget.threshold);
	for (int again = 0; again < 2; again++) {
		struct body *b = spool_body(s);
		ck_assert_uint_eq(b->size, size);
		ck_assert_uint_eq(read_bytes(b, UINT64_MAX, &last, &e), size);
		ck_assert_int_eq(last, 0);
		body_close(&b);
	}
	uint64_t turns = rt_turns();
	spool_free(&s);
	ck_assert(size < 16 * MIB || rt_turns() > turns); /* closed beside the loop */
	ck_assert_ptr_null(s);
	ck_assert_uint_eq(budget.used, 0);
}

START_TEST(what_is_written_is_read_as_often_as_wanted)
{
	uint64_t sizes[] = {0, 1, 4096, 300000, 4 * MIB, 4 * MIB + 1, 9 * MIB, 17 * MIB};
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		run_in_task(round_trip, &sizes[i]);
}
END_TEST

static void share_budget(void *arg)
{
	struct spool *s[4];
	const void *p;
	(void)arg;
	for (int i = 0; i < 4; i++)
		s[i] = spool_new(&budget, 3 * MIB);
	ck_assert(spool_in_memory(s[0], &p) && spool_in_memory(s[1], &p));
	ck_assert(!spool_in_memory(s[2], &p) && !spool_in_memory(s[3], &p));
	ck_assert_uint_lt(budget.used, budget.limit);
	for (int i = 0; i < 4; i++)
		spool_free(&s[i]);
	ck_assert_uint_eq(budget.used, 0);
}

/* Also what waits for the file is memory: of hundreds of uploads little each. */
static void small_blocks(void *arg)
{
	enum { N = 200 };
	struct spool *s[N];
	struct body *b;
	struct error e;
	ssize_t last;
	(void)arg;
	budget.limit = MIB;
	for (int i = 0; i < N; i++) {
		s[i] = spool_new(&budget, i ? 300000 : 5 * MIB);
		write_bytes(s[i], 0, 255 * 1024);
	}
	ck_assert_uint_le(budget.used, MIB + N * 16 * 1024);
	write_bytes(s[N - 1], 255 * 1024, 300000);
	spool_seal(s[N - 1]);
	b = spool_body(s[N - 1]);
	ck_assert_uint_eq(read_bytes(b, UINT64_MAX, &last, &e), 300000);
	body_close(&b);
	for (int i = 0; i < N; i++)
		spool_free(&s[i]);
	ck_assert_uint_eq(budget.used, 0);
}

START_TEST(beyond_the_budget_a_file_is_used)
{
	run_in_task(share_budget, NULL);
	run_in_task(small_blocks, NULL);
}
END_TEST

struct follower {
	struct spool *s;
	uint64_t got;
	ssize_t last;
	struct error e;
};

static void follow(void *arg)
{
	struct follower *f = arg;
	struct body *b = spool_body(f->s);
	char block[1000];
	while ((f->last = body_read(b, block, sizeof block, CLOCK_NEVER, &f->e)) > 0)
		f->got += (uint64_t)f->last;
	body_close(&b);
}

static void follow_a_writer(struct follower *f, uint64_t size, enum err outcome)
{
	struct wait_group g = {0};
	f->s = spool_new(&budget, size);
	ck_assert_int_eq(wait_group_spawn(&g, "follower", follow, f, NULL), 0);
	write_bytes(f->s, 0, size / 2);
	while (f->got < size / 4)
		task_yield();
	write_bytes(f->s, size / 2, size);
	for (int turns = 0; turns < 100; turns++)
		task_yield();
	ck_assert_uint_lt(f->got, size); /* all is there, but nobody has verified it */
	if (outcome == ERR_OK)
		spool_seal(f->s);
	else
		spool_fail(f->s, outcome);
	wait_group_wait(&g, 0);
	spool_free(&f->s);
}

static void follow_to_the_end(void *arg)
{
	struct follower f = {0};
	uint64_t size = *(uint64_t *)arg;
	follow_a_writer(&f, size, ERR_OK);
	ck_assert_uint_eq(f.got, size);
	ck_assert_int_eq(f.last, 0);
}

static void follow_into_failure(void *arg)
{
	struct follower f = {0};
	follow_a_writer(&f, *(uint64_t *)arg, ERR_INVALID);
	ck_assert_int_eq(f.last, -1);
	ck_assert_int_eq(f.e.code, ERR_INVALID);
}

START_TEST(a_reader_may_follow_the_writer_but_not_to_the_end)
{
	uint64_t sizes[] = {400000, 5 * MIB};
	for (size_t i = 0; i < 2; i++) {
		budget.threshold = i ? MIB : 4 * MIB;
		run_in_task(follow_to_the_end, &sizes[i]);
		run_in_task(follow_into_failure, &sizes[i]);
	}
}
END_TEST

static void write_too_much(void *arg)
{
	struct spool *s = spool_new(&budget, 10);
	struct error e;
	void *p;
	size_t n;
	(void)arg;
	write_bytes(s, 0, 10);
	ck_assert_int_eq(spool_space(s, &p, &n, &e), ERR_TOO_LARGE);
	spool_free(&s);
}

START_TEST(more_than_announced_is_refused)
{
	run_in_task(write_too_much, NULL);
}
END_TEST

struct open_case {
	uint64_t size, max;
	bool in_memory;
};

/* Nobody knows the size before the end. */
static void open_round_trip(void *arg)
{
	struct open_case *c = arg;
	struct spool *s = spool_new_open(&budget, c->max);
	struct error e;
	const void *p;
	ssize_t last;
	ck_assert_uint_le(budget.used, 256 * 1024);
	write_bytes(s, 0, c->size);
	ck_assert_uint_le(budget.used, budget.limit);
	ck_assert_int_eq(spool_end(s, &e), ERR_OK);
	ck_assert_uint_eq(spool_size(s), c->size);
	spool_seal(s);
	ck_assert_int_eq(spool_in_memory(s, &p), c->in_memory);
	struct body *b = spool_body(s);
	ck_assert_uint_eq(b->size, c->size);
	ck_assert_uint_eq(read_bytes(b, UINT64_MAX, &last, &e), c->size);
	ck_assert_int_eq(last, 0);
	body_close(&b);
	spool_free(&s);
	ck_assert_uint_eq(budget.used, 0);
}

START_TEST(a_size_may_become_known_at_the_end)
{
	struct open_case cases[] = {
		{0, 9 * MIB, true},
		{1, 9 * MIB, true},
		{16 * 1024, 16 * 1024, true},
		{16 * 1024 + 1, 9 * MIB, true},
		{3 * MIB + 17, 9 * MIB, true},
		{4 * MIB, 9 * MIB, true},
		{4 * MIB + 1, 9 * MIB, false},
		{9 * MIB, 9 * MIB, false},
		{8 * MIB + 12345, 1024ULL * MIB, false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		run_in_task(open_round_trip, &cases[i]);
}
END_TEST

static void fill_the_budget_openly(void *arg)
{
	struct spool *s[4];
	struct error e;
	const void *p;
	(void)arg;
	budget.limit = 6 * MIB + MIB / 2;
	for (int i = 0; i < 4; i++) {
		s[i] = spool_new_open(&budget, 9 * MIB);
		write_bytes(s[i], 0, 3 * MIB);
		ck_assert_int_eq(spool_end(s[i], &e), ERR_OK);
		spool_seal(s[i]);
	}
	/* Doubling asks for 4 MiB each; the others get as far as 2 and give them back. */
	ck_assert(spool_in_memory(s[0], &p));
	for (int i = 1; i < 4; i++)
		ck_assert(!spool_in_memory(s[i], &p));
	ck_assert_uint_lt(budget.used, 5 * MIB);
	for (int i = 0; i < 4; i++)
		spool_free(&s[i]);
	ck_assert_uint_eq(budget.used, 0);
}

START_TEST(a_growing_body_stays_within_the_budget)
{
	run_in_task(fill_the_budget_openly, NULL);
}
END_TEST

static void write_more_than_max(void *arg)
{
	struct spool *s = spool_new_open(&budget, 5 * MIB);
	struct error e;
	void *p;
	size_t n;
	(void)arg;
	write_bytes(s, 0, 5 * MIB);
	ck_assert_int_eq(spool_space(s, &p, &n, &e), ERR_TOO_LARGE);
	spool_free(&s);
	ck_assert_uint_eq(budget.used, 0);
}

START_TEST(more_than_the_most_is_refused)
{
	run_in_task(write_more_than_max, NULL);
}
END_TEST

static void write_nowhere(void *arg)
{
	struct spool *s = spool_new(&budget, 5 * MIB);
	struct error e = {0};
	enum err r = ERR_OK;
	void *p;
	size_t n;
	(void)arg;
	while (r == ERR_OK && (r = spool_space(s, &p, &n, &e)) == ERR_OK)
		r = spool_commit(s, n, &e);
	ck_assert_int_eq(r, ERR_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "/nonexistent"));
	spool_free(&s);
}

START_TEST(a_folder_that_is_not_there_is_an_error)
{
	budget.dir = "/nonexistent";
	run_in_task(write_nowhere, NULL);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("spool");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, what_is_written_is_read_as_often_as_wanted);
	tcase_add_test(t, beyond_the_budget_a_file_is_used);
	tcase_add_test(t, a_reader_may_follow_the_writer_but_not_to_the_end);
	tcase_add_test(t, more_than_announced_is_refused);
	tcase_add_test(t, a_size_may_become_known_at_the_end);
	tcase_add_test(t, a_growing_body_stays_within_the_budget);
	tcase_add_test(t, more_than_the_most_is_refused);
	tcase_add_test(t, a_folder_that_is_not_there_is_an_error);
	return run_tests("object_spool", t);
}
