/* SPDX-License-Identifier: MIT
 *
 * What main() of every test program ends with. How much is printed, and whether
 * tests run in processes of their own, says the environment (CK_VERBOSITY,
 * CK_FORK).
 */
#ifndef UNIT_RUN_H
#define UNIT_RUN_H

#include <check.h>
#include <stdlib.h>

/* Runs and frees a suite; the exit status. */
static inline int run_suite(Suite *s)
{
	SRunner *r = srunner_create(s);
	int failed;

	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The same for a suite of one test case. */
static inline int run_tests(const char *name, TCase *t)
{
	Suite *s = suite_create(name);

	suite_add_tcase(s, t);
	return run_suite(s);
}

#endif
