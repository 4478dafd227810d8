/* SPDX-License-Identifier: MIT
 *
 * Which of too many copies goes.
 */
#include <check.h>

#include "placement/excess.h"
#include "t/unit/run.h"

#define IN(domain_, used_)                                                                         \
	{                                                                                          \
		.domain = domain_, .limit = 100, .used = used_                                     \
	}

START_TEST(scores)
{
	const struct placement_copy half = IN("x", 50), full = IN("x", 100), over = IN("x", 200);
	const struct placement_copy unlimited = {.domain = "x"};
	const struct placement_copy leaving = {.domain = "x", .leaving = true, .limit = 100};

	ck_assert_double_eq(placement_score(&half), 2.5);
	ck_assert_double_eq(placement_score(&full), 2);
	ck_assert_double_eq(placement_score(&over), 2);
	ck_assert_double_eq(placement_score(&unlimited), 2.5);
	ck_assert_double_eq(placement_score(&leaving), 0);
}
END_TEST

START_TEST(the_fullest_goes)
{
	const struct placement_copy copies[] = {IN("x", 10), IN("y", 90), IN("z", 50)};

	ck_assert_uint_eq(placement_excess(copies, 3), 1);
}
END_TEST

START_TEST(of_equals_the_newest_goes)
{
	const struct placement_copy copies[] = {IN("x", 10), IN("y", 10), IN("z", 10)};

	ck_assert_uint_eq(placement_excess(copies, 3), 2);
}
END_TEST

START_TEST(domains_are_kept_apart)
{
	const struct placement_copy copies[] = {IN("x", 20), IN("y", 90), IN("x", 10)};

	ck_assert_uint_eq(placement_excess(copies, 3), 0);
}
END_TEST

START_TEST(what_leaves_anyway_goes_first)
{
	const struct placement_copy copies[] = {
		IN("x", 10), {.leaving = true}, IN("y", 90), IN("x", 99)};

	ck_assert_uint_eq(placement_excess(copies, 4), 1);
	/* and its domain counts for nobody */
	const struct placement_copy two[] = {
		IN("x", 10), {.domain = "x", .leaving = true, .limit = 100}, IN("y", 99)};
	ck_assert_uint_eq(placement_excess(two, 3), 1);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("excess");

	tcase_add_test(t, scores);
	tcase_add_test(t, the_fullest_goes);
	tcase_add_test(t, of_equals_the_newest_goes);
	tcase_add_test(t, domains_are_kept_apart);
	tcase_add_test(t, what_leaves_anyway_goes_first);
	return run_tests("placement_excess", t);
}
