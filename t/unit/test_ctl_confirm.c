/* SPDX-License-Identifier: MIT
 *
 * Tokens that confirm one action, for a minute.
 */
#include "ctl/confirm.h"

#include <check.h>
#include <string.h>
#include "t/unit/run.h"

#define KEY  STR("key")
#define NAME STR("disk-1")
#define NOW  INT64_C(1800000000)

/* With openssl dgst -sha256 -hmac, and basenc --base64url. */
#define KNOWN                                                                                      \
	"cHVyZ2V8ZGlzay0xfDE4MDAwMDAwNjA."                                                         \
	"-CATaBHNw_l2LYEAcnFAPZyAo_8AA0F_PKOfc9M1-nI"

static bool valid(struct arena *a, const char *token)
{
	return confirm_is_valid(a, KEY, "purge", NAME, NOW, str_of(token));
}

START_TEST(good_for_a_minute)
{
	struct arena *a = arena_new();
	struct str t = str_of(confirm_token(a, KEY, "purge", NAME, NOW));

	ck_assert(confirm_is_valid(a, KEY, "purge", NAME, NOW, t));
	ck_assert(confirm_is_valid(a, KEY, "purge", NAME, NOW + 59, t));
	ck_assert(!confirm_is_valid(a, KEY, "purge", NAME, NOW + 60, t));
	ck_assert_ptr_null(strpbrk(t.p, "+/="));
	arena_free(&a);
}
END_TEST

START_TEST(for_nothing_else)
{
	struct arena *a = arena_new();
	struct str t = str_of(confirm_token(a, KEY, "purge", NAME, NOW));

	ck_assert(!confirm_is_valid(a, STR("other"), "purge", NAME, NOW, t));
	ck_assert(!confirm_is_valid(a, KEY, "remove", NAME, NOW, t));
	ck_assert(!confirm_is_valid(a, KEY, "purge", STR("disk-2"), NOW, t));
	arena_free(&a);
}
END_TEST

START_TEST(as_documented)
{
	struct arena *a = arena_new();

	ck_assert_str_eq(confirm_token(a, KEY, "purge", NAME, NOW), KNOWN);
	arena_free(&a);
}
END_TEST

START_TEST(nonsense)
{
	static const char *const tokens[] = {"", ".", "a", "a.b", "cHVyZ2V8", "..", "====.===="};
	struct arena *a = arena_new();
	char *t = confirm_token(a, KEY, "purge", NAME, NOW);

	for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
		ck_assert(!valid(a, tokens[i]));
	for (char *p = t; *p; p++) { /* a character is another one */
		char was = *p;

		*p = was == 'A' ? 'B' : 'A';
		ck_assert_msg(!valid(a, t), "%s", t);
		*p = was;
	}
	ck_assert(valid(a, t));
	ck_assert(!valid(a, arena_printf(a, "%s=", t)));
	ck_assert(!valid(a, arena_printf(a, "%300s", t)));
	arena_free(&a);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("confirm");

	tcase_add_test(t, good_for_a_minute);
	tcase_add_test(t, for_nothing_else);
	tcase_add_test(t, as_documented);
	tcase_add_test(t, nonsense);
	return run_tests("ctl_confirm", t);
}
