/* SPDX-License-Identifier: MIT
 *
 * What main() of every test program ends with. How much is printed, and whether
 * tests run in processes of their own, says the environment (CK_VERBOSITY,
 * CK_FORK).
 */
#ifndef UNIT_RUN_H
#define UNIT_RUN_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Ends a test that cannot run here, and says so in a line of its own, so that it
 * can be counted: to Check it has passed. Written past stdio, whose buffer in the
 * process of a test also holds what the main program has printed. */
#define SKIP(reason)                                                                               \
	do {                                                                                       \
		dprintf(STDOUT_FILENO, "SKIPPED: %s:%d: %s\n", __FILE__, __LINE__, reason);        \
		return;                                                                            \
	} while (0)

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
