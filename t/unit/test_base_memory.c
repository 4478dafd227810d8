/* SPDX-License-Identifier: MIT
 *
 * arena, buf, mem: growth, alignment, and the end of the process when memory
 * cannot be had.
 */
#include <check.h>
#include <signal.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "t/unit/run.h"

START_TEST(arena_aligns_and_clears)
{
	struct arena *a = arena_new();

	for (size_t n = 0; n < 3000; n += 7) {
		unsigned char *p = arena_alloc(a, n);

		ck_assert_uint_eq((uintptr_t)p % alignof(max_align_t), 0);
		for (size_t i = 0; i < n; i++) {
			if (p[i] != 0)
				ck_abort();
		}
		memset(p, 0xAA, n);
	}
	arena_free(&a);
	ck_assert_ptr_null(a);
	arena_free(&a);
}
END_TEST

START_TEST(arena_keeps_what_it_gave)
{
	struct arena *a = arena_new();
	char *small[1000];
	char *large = arena_alloc(a, 1000000);

	memset(large, 'L', 1000000);
	for (int i = 0; i < 1000; i++)
		small[i] = arena_printf(a, "number %d", i);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(strtol(small[i] + 7, NULL, 10), i);
	for (int i = 0; i < 1000000; i++) {
		if (large[i] != 'L')
			ck_abort();
	}
	arena_free(&a);
}
END_TEST

START_TEST(arena_copies)
{
	struct arena *a = arena_new();
	struct str s = arena_dup(a, STR("a\0b"));
	int *numbers = ARENA_ARRAY(a, int, 10);

	ck_assert(str_eq(s, STR("a\0b")));
	ck_assert_int_eq(s.p[3], '\0');
	ck_assert_str_eq(arena_strdup(a, "x"), "x");
	ck_assert_str_eq(arena_strndup(a, "xyz", 2), "xy");
	ck_assert_str_eq(arena_dup(a, STR_NULL).p, "");
	ck_assert_int_eq(numbers[9], 0);
	arena_free(&a);
}
END_TEST

START_TEST(arena_refuses_absurd_size)
{
	struct arena *a = arena_new();

	arena_alloc(a, SIZE_MAX - 3);
	arena_free(&a);
}
END_TEST

START_TEST(buf_grows)
{
	BUF_AUTO b = {0};

	ck_assert_uint_eq(buf_str(&b).n, 0);
	buf_add(&b, NULL, 0);
	buf_add_str(&b, STR_NULL);
	ck_assert_ptr_null(b.p);
	for (int i = 0; i < 10000; i++)
		buf_add_char(&b, (char)('a' + i % 26));
	ck_assert_uint_eq(b.n, 10000);
	ck_assert_int_eq(b.p[9999], 'a' + 9999 % 26);
	buf_free(&b);
	ck_assert_uint_eq(b.cap, 0);
	buf_add_cstr(&b, "again");
	ck_assert(str_eq(buf_str(&b), STR("again")));
}
END_TEST

START_TEST(buf_prints)
{
	BUF_AUTO b = {0};
	char text[300];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	buf_printf(&b, "%d,", 1);
	buf_printf(&b, "%s,", text); /* longer than the room that is tried first */
	buf_printf(&b, "%s", "");
	ck_assert_uint_eq(b.n, 2 + 299 + 1);
	ck_assert_int_eq(b.p[b.n - 1], ',');
}
END_TEST

START_TEST(buf_consumes)
{
	BUF_AUTO b = {0};

	buf_consume(&b, 0);
	buf_add_str(&b, STR("abcdef"));
	buf_consume(&b, 2);
	ck_assert(str_eq(buf_str(&b), STR("cdef")));
	buf_consume(&b, 4);
	ck_assert_uint_eq(b.n, 0);
	buf_add_char(&b, 'z');
	ck_assert(str_eq(buf_str(&b), STR("z")));
}
END_TEST

START_TEST(buf_refuses_absurd_size)
{
	BUF_AUTO b = {0};

	buf_add_char(&b, 'x');
	buf_reserve(&b, SIZE_MAX - 1);
}
END_TEST

START_TEST(mem_clears)
{
	char *p = mem_alloc(100);

	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(p[i], 0);
	p = mem_resize(p, 1000);
	p[999] = 1;
	free(p);
	free(mem_alloc(0));
}
END_TEST

/* ASan would report the request itself instead of returning NULL. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_add_test(t, arena_aligns_and_clears);
	tcase_add_test(t, arena_keeps_what_it_gave);
	tcase_add_test(t, arena_copies);
	tcase_add_test_raise_signal(t, arena_refuses_absurd_size, SIGABRT);
	tcase_add_test(t, buf_grows);
	tcase_add_test(t, buf_prints);
	tcase_add_test(t, buf_consumes);
	tcase_add_test_raise_signal(t, buf_refuses_absurd_size, SIGABRT);
	tcase_add_test(t, mem_clears);
	return run_tests("base_memory", t);
}
