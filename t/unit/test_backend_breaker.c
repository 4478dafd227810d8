/* SPDX-License-Identifier: MIT
 *
 * The circuit breaker: every transition by hand, then several processes at
 * once on one breaker in shared memory.
 */
#include <check.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/breaker.h"
#include "base/clock.h"
#include "base/codec.h"
#include "t/unit/run.h"

#define LONG_TIMEOUT (INT64_C(3600) * CLOCK_SEC)

static struct breaker breaker;

static uint64_t take(struct breaker *b)
{
	uint64_t ticket = 0;

	ck_assert(breaker_allow(b, &ticket));
	return ticket;
}

static void refuse(struct breaker *b)
{
	uint64_t ticket;

	ck_assert(!breaker_allow(b, &ticket));
}

static void start(int threshold, int64_t timeout)
{
	breaker = (struct breaker){0};
	breaker_init(&breaker, threshold, timeout);
}

static void fail_until_open(void)
{
	for (int i = 1; i < breaker.threshold; i++)
		ck_assert(!breaker_report(&breaker, take(&breaker), false, true));
	ck_assert(breaker_report(&breaker, take(&breaker), false, true));
	ck_assert_int_eq(breaker_state(&breaker), BREAKER_OPEN);
}

/* As if the waiting time were over. */
static void let_time_pass(void)
{
	atomic_store(&breaker.since, clock_mono() - breaker.open_timeout * 2);
}

START_TEST(zeroed_memory_is_disabled)
{
	start(0, 0);
	for (int i = 0; i < 100; i++)
		ck_assert(!breaker_report(&breaker, take(&breaker), false, true));
	ck_assert(breaker_is_eligible(&breaker));
	ck_assert_int_eq(breaker_state(&breaker), BREAKER_CLOSED);
	ck_assert_int_eq(breaker_open_for(&breaker), 0);
}
END_TEST

START_TEST(opens_after_consecutive_failures_only)
{
	start(3, LONG_TIMEOUT);
	for (int i = 0; i < 10; i++) {
		breaker_report(&breaker, take(&breaker), false, true);
		breaker_report(&breaker, take(&breaker), false, true);
		ck_assert_int_eq(breaker_failures(&breaker), 2);
		breaker_report(&breaker, take(&breaker), true, true);
	}
	breaker_report(&breaker, take(&breaker), false, true);
	breaker_report(&breaker, take(&breaker), false, true);
	/* says nothing: neither resets nor counts */
	ck_assert(!breaker_report(&breaker, take(&breaker), false, false));
	ck_assert(!breaker_report(&breaker, take(&breaker), true, false));
	ck_assert(breaker_report(&breaker, take(&breaker), false, true));
	ck_assert_int_eq(breaker_failures(&breaker), 3);
	refuse(&breaker);
	ck_assert(!breaker_is_eligible(&breaker));
	ck_assert_int_ge(breaker_open_for(&breaker), 0);
}
END_TEST

START_TEST(one_probe_closes_it)
{
	uint64_t probe;

	start(2, LONG_TIMEOUT);
	fail_until_open();
	let_time_pass();
	ck_assert(breaker_is_eligible(&breaker));
	probe = take(&breaker);
	ck_assert(breaker_is_probe(probe));
	ck_assert_int_eq(breaker_state(&breaker), BREAKER_HALF_OPEN);
	ck_assert(!breaker_is_eligible(&breaker));
	refuse(&breaker);
	ck_assert(breaker_report(&breaker, probe, true, true));
	ck_assert_int_eq(breaker_state(&breaker), BREAKER_CLOSED);
	ck_assert_int_eq(breaker_failures(&breaker), 0);
	ck_assert(!breaker_is_probe(take(&breaker)));
}
END_TEST

START_TEST(failed_probe_keeps_the_start_of_the_outage)
{
	int64_t opened;

	start(1, LONG_TIMEOUT);
	fail_until_open();
	opened = atomic_load(&breaker.opened);
	let_time_pass();
	ck_assert(breaker_report(&breaker, take(&breaker), false, true));
	ck_assert_int_eq(breaker_state(&breaker), BREAKER_OPEN);
	refuse(&breaker);
	ck_assert_int_eq(atomic_load(&breaker.opened), opened);
}
END_TEST

START_TEST(cancelled_probe_is_given_back)
{
	start(1, LONG_TIMEOUT);
	fail_until_open();
	let_time_pass();
	ck_assert(breaker_report(&breaker, take(&breaker), true, false));
	ck_assert_int_eq(breaker_state(&breaker), BREAKER_OPEN);
	ck_assert(breaker_is_probe(take(&breaker)));
}
END_TEST

START_TEST(dead_probe_is_replaced_and_its_result_ignored)
{
	uint64_t dead, alive;

	start(1, LONG_TIMEOUT);
	fail_until_open();
	let_time_pass();
	dead = take(&breaker);
	refuse(&breaker);
	atomic_store(&breaker.since, clock_mono() - BREAKER_PROBE_STALE);
	ck_assert(breaker_is_eligible(&breaker));
	alive = take(&breaker);
	refuse(&breaker);
	ck_assert(!breaker_report(&breaker, dead, true, true));
	ck_assert_int_eq(breaker_state(&breaker), BREAKER_HALF_OPEN);
	ck_assert(breaker_report(&breaker, alive, true, true));
}
END_TEST

START_TEST(late_results_decide_nothing)
{
	uint64_t early, early2, probe;

	start(1, LONG_TIMEOUT);
	early = take(&breaker);
	early2 = take(&breaker);
	fail_until_open();
	ck_assert(!breaker_report(&breaker, early, true, true));
	ck_assert_int_eq(breaker_state(&breaker), BREAKER_OPEN);
	let_time_pass();
	ck_assert(!breaker_report(&breaker, early2, false, true)); /* starts the wait anew */
	refuse(&breaker);
	let_time_pass();
	probe = take(&breaker);
	ck_assert(!breaker_report(&breaker, early2, true, true));
	ck_assert(!breaker_report(&breaker, early2, false, true));
	ck_assert_int_eq(breaker_state(&breaker), BREAKER_HALF_OPEN);
	ck_assert(breaker_report(&breaker, probe, true, true));
	ck_assert(!breaker_report(&breaker, early2, false, true)); /* of the last outage */
	ck_assert_int_eq(breaker_state(&breaker), BREAKER_CLOSED);
}
END_TEST

struct shared {
	struct breaker breaker;
	_Atomic int probing;     /* probes in flight */
	_Atomic int overlap;     /* times there were two */
	_Atomic int64_t changes; /* reported by breaker_report() and probes */
	_Atomic int64_t probes;
};

#define HAMMER_PROCESSES 6
#define HAMMER_CALLS     60000
#define HAMMER_TIMEOUT   300 /* us: often over while others hammer */

static void hammer_call(struct shared *s, uint64_t random)
{
	uint64_t ticket;

	if (!breaker_allow(&s->breaker, &ticket))
		return;
	if (breaker_is_probe(ticket)) {
		if (atomic_fetch_add(&s->probing, 1) != 0)
			atomic_fetch_add(&s->overlap, 1);
		atomic_fetch_add(&s->changes, 1);
		atomic_fetch_add(&s->probes, 1);
		atomic_fetch_sub(&s->probing, 1);
	}
	if (breaker_report(&s->breaker, ticket, random % 5 < 2, random % 16 != 0))
		atomic_fetch_add(&s->changes, 1);
}

START_TEST(many_processes_see_one_state)
{
	struct shared *s =
		mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[HAMMER_PROCESSES];

	ck_assert_ptr_ne(s, MAP_FAILED);
	breaker_init(&s->breaker, 3, HAMMER_TIMEOUT);
	for (int i = 0; i < HAMMER_PROCESSES; i++) {
		pids[i] = fork();
		ck_assert_int_ge(pids[i], 0);
		if (pids[i] != 0)
			continue;
		for (int n = 0; n < HAMMER_CALLS; n++)
			hammer_call(s, random_u64());
		_exit(0);
	}
	for (int i = 0; i < HAMMER_PROCESSES; i++) {
		int status;

		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_int_gt(atomic_load(&s->probes), 10);
	ck_assert_int_eq(atomic_load(&s->overlap), 0);
	/* one generation for every change that somebody was told of */
	ck_assert_int_eq((int64_t)(atomic_load(&s->breaker.word) >> 24), atomic_load(&s->changes));
	munmap(s, sizeof(*s));
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("breaker");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, zeroed_memory_is_disabled);
	tcase_add_test(t, opens_after_consecutive_failures_only);
	tcase_add_test(t, one_probe_closes_it);
	tcase_add_test(t, failed_probe_keeps_the_start_of_the_outage);
	tcase_add_test(t, cancelled_probe_is_given_back);
	tcase_add_test(t, dead_probe_is_replaced_and_its_result_ignored);
	tcase_add_test(t, late_results_decide_nothing);
	tcase_add_test(t, many_processes_see_one_state);
	return run_tests("breaker", t);
}
