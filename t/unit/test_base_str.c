/* SPDX-License-Identifier: MIT
 *
 * str, err: slices, numbers, UTF-8, cutting at character boundaries.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "t/unit/run.h"

START_TEST(compares)
{
	ck_assert(str_eq(STR_NULL, STR("")));
	ck_assert(str_eq(STR("a\0b"), STR("a\0b")));
	ck_assert(!str_eq(STR("a\0b"), STR("a\0c")));
	ck_assert(!str_eq(STR("a"), STR("ab")));
	ck_assert(str_eq_nocase(STR("Content-Length"), STR("cONTENT-lENGTH")));
	ck_assert(!str_eq_nocase(STR("@"), STR("`"))); /* differ by 0x20 but are no letters */
	char text[] = "@AZ[az\xc3\x84";
	str_lower(text, sizeof(text) - 1);
	ck_assert_str_eq(text, "@az[az\xc3\x84");
	ck_assert_int_lt(str_cmp(STR("a"), STR("b")), 0);
	ck_assert_int_lt(str_cmp(STR("a"), STR("aa")), 0);
	ck_assert_int_gt(str_cmp(STR("\xff"), STR("\x01")), 0); /* bytes are unsigned */
	ck_assert_int_eq(str_cmp(STR_NULL, STR("")), 0);
	ck_assert(str_eq_secret(STR("key"), STR("key")));
	ck_assert(!str_eq_secret(STR("key"), STR("kez")));
	ck_assert(!str_eq_secret(STR("key"), STR("ke")));
	ck_assert(str_eq_secret(STR_NULL, STR("")));
	ck_assert(str_eq(str_of(NULL), STR_NULL));
}
END_TEST

START_TEST(finds)
{
	ck_assert(str_starts(STR("abc"), STR("ab")));
	ck_assert(str_starts(STR("abc"), STR_NULL));
	ck_assert(!str_starts(STR("ab"), STR("abc")));
	ck_assert(str_ends(STR("abc"), STR("bc")));
	ck_assert(str_ends(STR_NULL, STR_NULL));
	ck_assert(!str_ends(STR("c"), STR("bc")));
	ck_assert_int_eq(str_chr(STR("abcb"), 'b'), 1);
	ck_assert_int_eq(str_chr(STR_NULL, 'b'), -1);
	ck_assert_int_eq(str_chr(STR("a\0b"), '\0'), 1);
	ck_assert_int_eq(str_find(STR("hayneedle"), STR("needle")), 3);
	ck_assert_int_eq(str_find(STR("need"), STR("needle")), -1);
	ck_assert_int_eq(str_find(STR_NULL, STR("")), 0);
}
END_TEST

START_TEST(slices)
{
	struct str rest, s = STR("a=b=c");

	ck_assert(str_eq(str_skip(s, 2), STR("b=c")));
	ck_assert_uint_eq(str_skip(s, 99).n, 0);
	ck_assert_uint_eq(str_skip(STR_NULL, 3).n, 0);
	ck_assert(str_eq(str_trim(STR(" \t a b\t ")), STR("a b")));
	ck_assert_uint_eq(str_trim(STR(" \t ")).n, 0);
	ck_assert(str_eq(str_trim(STR("\r")), STR("\r")));

	ck_assert(str_eq(str_cut(s, '=', &rest), STR("a")));
	ck_assert(str_eq(rest, STR("b=c")));
	ck_assert(str_eq(str_cut(STR("a="), '=', &rest), STR("a")));
	ck_assert(rest.p != NULL && rest.n == 0); /* tells "a=" from "a" */
	ck_assert(str_eq(str_cut(STR("a"), '=', &rest), STR("a")));
	ck_assert(rest.p == NULL);
	s = STR("x,y");
	ck_assert(str_eq(str_cut(s, ',', &s), STR("x"))); /* rest may be s itself */
	ck_assert(str_eq(s, STR("y")));
}
END_TEST

START_TEST(reads_numbers)
{
	uint64_t v = 7;

	ck_assert(str_to_u64(STR("0"), &v) && v == 0);
	ck_assert(str_to_u64(STR("00012"), &v) && v == 12);
	ck_assert(str_to_u64(STR("18446744073709551615"), &v) && v == UINT64_MAX);
	v = 7;
	ck_assert(!str_to_u64(STR("18446744073709551616"), &v));
	ck_assert(!str_to_u64(STR("99999999999999999999999"), &v));
	ck_assert(!str_to_u64(STR(""), &v));
	ck_assert(!str_to_u64(STR("+1"), &v));
	ck_assert(!str_to_u64(STR("-1"), &v));
	ck_assert(!str_to_u64(STR(" 1"), &v));
	ck_assert(!str_to_u64(STR("1 "), &v));
	ck_assert(!str_to_u64(STR("0x1"), &v));
	ck_assert(!str_to_u64(STR("1\0"), &v));
	ck_assert(str_is_hex(STR("0123456789abcdefABCDEF")));
	ck_assert(!str_is_hex(STR("0g")) && !str_is_hex(STR("0\0")) && !str_is_hex(STR_NULL));
	ck_assert_uint_eq(v, 7);
}
END_TEST

START_TEST(knows_utf8)
{
	static const struct {
		struct str s;
		bool ok;
	} cases[] = {
		{STR(""), true},
		{STR("plain ascii, longer than eight bytes"), true},
		{STR("\0"), true},
		{STR("\x7f"), true},
		{STR("\xc2\x80"), true},
		{STR("\xdf\xbf"), true},
		{STR("\xe0\xa0\x80"), true},
		{STR("\xed\x9f\xbf"), true},
		{STR("\xee\x80\x80"), true},
		{STR("\xef\xbf\xbf"), true},
		{STR("\xf0\x90\x80\x80"), true},
		{STR("\xf4\x8f\xbf\xbf"), true},
		{STR("12345678\xc3\xa9"), true},
		{STR("\x80"), false},
		{STR("\xc0\x80"), false},         /* overlong NUL */
		{STR("\xc1\xbf"), false},         /* overlong */
		{STR("\xe0\x9f\xbf"), false},     /* overlong */
		{STR("\xed\xa0\x80"), false},     /* surrogate */
		{STR("\xf0\x8f\xbf\xbf"), false}, /* overlong */
		{STR("\xf4\x90\x80\x80"), false}, /* above U+10FFFF */
		{STR("\xf5\x80\x80\x80"), false},
		{STR("\xff"), false},
		{STR("\xc3"), false}, /* cut */
		{STR("\xe2\x82"), false},
		{STR("\xf0\x9f\x98"), false},
		{STR("\xe2\x28\xa1"), false},
		{STR("\xf0\x9f\x28\x80"), false},
		{STR("12345678\xff"), false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(str_is_utf8(cases[i].s) == cases[i].ok, "case %zu", i);
	ck_assert_uint_eq(str_utf8_len(STR("\xf0\x9f\x98\x80z")), 4);
	ck_assert_uint_eq(str_utf8_len(STR_NULL), 0);

	char mixed[] = "a\xff\xc3\xa9\xc3";
	str_make_utf8(mixed, strlen(mixed));
	ck_assert_str_eq(mixed, "a?\xc3\xa9?");
}
END_TEST

START_TEST(error_text)
{
	struct error e;
	char text[400];

	ck_assert_int_eq(err_set(&e, ERR_NO_SPACE, "backend %s: %d", "b2", 7), ERR_NO_SPACE);
	ck_assert_int_eq(e.code, ERR_NO_SPACE);
	ck_assert_str_eq(e.text, "backend b2: 7");
	ck_assert_int_eq(err_at(&e, "write"), ERR_NO_SPACE);
	ck_assert_str_eq(e.text, "write: backend b2: 7");
	ck_assert_int_eq(err_set(NULL, ERR_IO, "nobody listens"), ERR_IO);
	err_set(&e, ERR_IO, "%s",
	        "a\xff"
	        "b\xc3");
	ck_assert_str_eq(e.text, "a?b?");

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_set(&e, ERR_IO, "%s", text);
	ck_assert_uint_eq(strlen(e.text), sizeof(e.text) - 1);
}
END_TEST

/* Wherever the cut falls in a character of 2, 3 or 4 bytes, the text stays UTF-8. */
START_TEST(error_text_cut)
{
	static const char *const chars[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
	struct error e;
	char text[400];

	for (size_t c = 0; c < 3; c++) {
		size_t width = strlen(chars[c]);

		for (size_t shift = 0; shift < width; shift++) {
			memset(text, 'x', shift);
			for (size_t at = shift; at + width < sizeof(text); at += width)
				memcpy(text + at, chars[c], width + 1);
			err_set(&e, ERR_IO, "%s", text);
			ck_assert(str_is_utf8(str_of(e.text)));
			ck_assert_uint_gt(strlen(e.text), sizeof(e.text) - 1 - width);
		}
	}
}
END_TEST

START_TEST(error_names)
{
	for (int i = ERR_OK; i <= ERR_DB_UNCERTAIN; i++) {
		ck_assert_str_ne(err_name((enum err)i), "unknown");
		for (int j = ERR_OK; j < i; j++)
			ck_assert_str_ne(err_name((enum err)i), err_name((enum err)j));
	}
	ck_assert_str_eq(err_name(ERR_NO_SPACE), "no_space");
	ck_assert_str_eq(err_name((enum err)999), "unknown");
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_add_test(t, compares);
	tcase_add_test(t, finds);
	tcase_add_test(t, slices);
	tcase_add_test(t, reads_numbers);
	tcase_add_test(t, knows_utf8);
	tcase_add_test(t, error_text);
	tcase_add_test(t, error_text_cut);
	tcase_add_test(t, error_names);
	return run_tests("base_str", t);
}
