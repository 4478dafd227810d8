/* SPDX-License-Identifier: MIT
 *
 * An arena per test and what the tests of request documents say with it.
 */
#ifndef UNIT_DOCUMENT_FIXTURE_H
#define UNIT_DOCUMENT_FIXTURE_H

#include <check.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "s3proto/s3err.h"

static struct arena *arena;
static const char *why; /* of the last refusal */

static void setup(void)
{
	arena = arena_new();
}

static void teardown(void)
{
	arena_free(&arena);
}

static inline void assert_text(struct str got, const char *expected)
{
	ck_assert_msg(str_eq(got, str_of(expected)), "got '%.*s' instead of '%s'", STR_FMT(got),
	              expected);
}

/* That the outcome is this one and, if there is a text, that it has this in it. */
static inline void assert_outcome(const char *doc, enum s3_error got, enum s3_error expected,
                                  const char *text)
{
	ck_assert_msg(got == expected, "%s: %s (%s)", doc,
	              got == S3_OK ? "accepted" : s3_error_code(got), why != NULL ? why : "");
	if (text != NULL)
		ck_assert_msg(why != NULL && strstr(why, text) != NULL, "%s: %s", doc,
		              why != NULL ? why : "(no text)");
}

/* head, n times item, tail. */
static inline struct str repeat(const char *head, const char *item, size_t n, const char *tail)
{
	BUF_AUTO b = {0};
	buf_add_cstr(&b, head);
	for (size_t i = 0; i < n; i++)
		buf_add_cstr(&b, item);
	buf_add_cstr(&b, tail);
	return arena_dup(arena, buf_str(&b));
}

#endif
