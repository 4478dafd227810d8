/* SPDX-License-Identifier: MIT
 *
 * Which backend comes first, and which are left out.
 */
#include <check.h>
#include <stdlib.h>

#include "placement/placement.h"
#include "t/unit/run.h"

#define GB (UINT64_C(1) << 30)

static struct placement_candidate candidate(int index, uint64_t limit, uint64_t taken)
{
	return (struct placement_candidate){
		.index = index, .limit = limit, .taken = taken, .reachable = true};
}

static void expect(const struct placement_candidate *c, size_t n, const int *want, size_t want_n)
{
	ck_assert_uint_eq(n, want_n);
	for (size_t i = 0; i < want_n; i++)
		ck_assert_int_eq(c[i].index, want[i]);
}
#define EXPECT(c, n, ...)                                                                          \
	expect(c, n, (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

START_TEST(pack_keeps_configuration_order)
{
	struct placement_candidate c[] = {candidate(2, 10, 0), candidate(0, 10, 9),
	                                  candidate(1, 0, 50)};

	EXPECT(c, placement_order(STRATEGY_PACK, 1, c, 3), 0, 1, 2);
}
END_TEST

START_TEST(copies_keep_apart)
{
	struct placement_candidate c[] = {candidate(0, 10, 0), candidate(1, 10, 9),
	                                  candidate(2, 10, 5), candidate(3, 10, 10)};

	c[0].same_domain = true;
	c[2].holds = true;
	/* another domain first, but not one that is full; never where a copy is */
	EXPECT(c, placement_order(STRATEGY_PACK, 1, c, 4), 1, 0, 3);
}
END_TEST

START_TEST(spread_takes_the_emptiest)
{
	struct placement_candidate c[] = {candidate(0, 10 * GB, 5 * GB), candidate(1, GB, GB / 4),
	                                  candidate(2, 0, 900 * GB), candidate(3, 4 * GB, GB)};

	/* unlimited counts as 0; 1 and 3 are both a quarter full */
	EXPECT(c, placement_order(STRATEGY_SPREAD, 1, c, 4), 2, 1, 3, 0);
}
END_TEST

START_TEST(spread_is_exact_for_large_numbers)
{
	uint64_t big = UINT64_MAX / 2;
	struct placement_candidate c[] = {candidate(0, big, big - 1), candidate(1, big, big - 2)};

	EXPECT(c, placement_order(STRATEGY_SPREAD, 0, c, 2), 1, 0);
}
END_TEST

START_TEST(full_ones_come_last_but_stay)
{
	struct placement_candidate c[] = {candidate(0, 100, 91), candidate(1, 100, 90),
	                                  candidate(2, 100, 200)};

	EXPECT(c, placement_order(STRATEGY_PACK, 10, c, 3), 1, 0, 2);
	EXPECT(c, placement_order(STRATEGY_PACK, 9, c, 3), 0, 1, 2);
	EXPECT(c, placement_order(STRATEGY_PACK, UINT64_MAX, c, 3), 0, 1, 2);
	EXPECT(c, placement_order(STRATEGY_SPREAD, 10, c, 3), 1, 0, 2);
}
END_TEST

START_TEST(ineligible_ones_are_left_out)
{
	struct placement_candidate c[] = {candidate(0, 0, 0), candidate(1, 0, 0),
	                                  candidate(2, 0, 0), candidate(3, 0, 0)};

	c[0].draining = true;
	c[1].reachable = false;
	c[2].max_object = 10;
	EXPECT(c, placement_order(STRATEGY_PACK, 10, c, 4), 2, 3);
	EXPECT(c, placement_order(STRATEGY_PACK, 11, c, 4), 3);
	c[0].draining = true; /* position 0 holds index 3 now */
	ck_assert_uint_eq(placement_order(STRATEGY_SPREAD, 11, c, 4), 0);
	ck_assert_uint_eq(placement_order(STRATEGY_PACK, 1, NULL, 0), 0);
}
END_TEST

START_TEST(used_up_ones_are_left_out)
{
	struct placement_candidate c[] = {candidate(0, 0, 0), candidate(1, 0, 0),
	                                  candidate(2, 0, 0)};

	c[0].used_up = true;
	c[1].max_object = 10;
	c[2].used_up = true;
	EXPECT(c, placement_order(STRATEGY_PACK, 10, c, 3), 1);
	ck_assert_uint_eq(placement_order(STRATEGY_PACK, 11, c, 3), 0);
}
END_TEST

START_TEST(used_up_is_told_from_other_reasons)
{
	struct placement_candidate c = candidate(0, 0, 0);

	ck_assert(!placement_is_used_up(&c, 10));
	c.max_object = 9;
	ck_assert(!placement_is_used_up(&c, 10));
	c.used_up = true;
	ck_assert(placement_is_used_up(&c, 9));
	ck_assert(!placement_is_used_up(&c, 10)); /* it would not take that anyway */
	c.draining = true;
	ck_assert(!placement_is_used_up(&c, 9));
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("order");

	tcase_add_test(t, pack_keeps_configuration_order);
	tcase_add_test(t, copies_keep_apart);
	tcase_add_test(t, spread_takes_the_emptiest);
	tcase_add_test(t, spread_is_exact_for_large_numbers);
	tcase_add_test(t, full_ones_come_last_but_stay);
	tcase_add_test(t, ineligible_ones_are_left_out);
	tcase_add_test(t, used_up_ones_are_left_out);
	tcase_add_test(t, used_up_is_told_from_other_reasons);
	return run_tests("placement", t);
}
