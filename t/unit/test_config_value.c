/* SPDX-License-Identifier: MIT
 *
 * The text forms of values, and the expansion of variables.
 */
#include <check.h>
#include <stdlib.h>
#include "base/clock.h"
#include "config/checks.h"
#include "config/expand.h"
#include "config/value.h"
#include "config_text.h"
#include "t/unit/run.h"

START_TEST(booleans)
{
	static const char *const yes[] = {"true", "True", "TRUE", "yes", "Yes", "YES",
	                                  "on",   "On",   "ON",   "y",   "Y"};
	static const char *const no[] = {"false", "False", "FALSE", "no", "No", "NO",
	                                 "off",   "Off",   "OFF",   "n",  "N"};
	static const char *const bad[] = {"", "tRUE", "TRue", "1", "0", "t", "yess", " yes"};
	bool v;

	for (size_t i = 0; i < 11; i++) {
		v = false;
		ck_assert_ptr_null(value_bool(str_of(yes[i]), &v));
		ck_assert(v);
		ck_assert_ptr_null(value_bool(str_of(no[i]), &v));
		ck_assert(!v);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_ptr_nonnull(value_bool(str_of(bad[i]), &v));
}
END_TEST

START_TEST(integers)
{
	static const struct {
		const char *text;
		int64_t v;
	} good[] = {{"0", 0},
	            {"-0", 0},
	            {"42", 42},
	            {"+42", 42},
	            {"-42", -42},
	            {"1_000_000", 1000000},
	            {"0x1F", 31},
	            {"0o17", 15},
	            {"0b101", 5},
	            {"-0x10", -16},
	            {"1e9", 1000000000},
	            {"2.0", 2},
	            {"9223372036854775807", INT64_MAX},
	            {"-9223372036854775808", INT64_MIN}};
	static const char *const bad[] = {"",
	                                  "-",
	                                  "010",
	                                  "00",
	                                  "1.5",
	                                  "1e400",
	                                  "9223372036854775808",
	                                  "-9223372036854775809",
	                                  "0x",
	                                  "0xg",
	                                  "0o8",
	                                  "0b2",
	                                  "_1",
	                                  "1_",
	                                  "1 ",
	                                  "1k",
	                                  "1e19",
	                                  ".inf",
	                                  ".nan",
	                                  "inf",
	                                  "0x1.8p1",
	                                  "1-2",
	                                  "--1"};
	int64_t v;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		ck_assert_msg(!value_int(str_of(good[i].text), &v), "%s", good[i].text);
		ck_assert_int_eq(v, good[i].v);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(value_int(str_of(bad[i]), &v) != NULL, "%s", bad[i]);
}
END_TEST

START_TEST(floats)
{
	static const char *const bad[] = {"",    ".inf",  "-.inf", ".nan", "nan",  "inf",
	                                  "0x1", "1e999", "e",     ".",    "1..2", "1 "};
	double v;

	ck_assert_ptr_null(value_float(STR("0.5"), &v));
	ck_assert(v == 0.5);
	ck_assert_ptr_null(value_float(STR("-1_0.5e1"), &v));
	ck_assert(v == -105);
	ck_assert_ptr_null(value_float(STR("3"), &v));
	ck_assert(v == 3);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(value_float(str_of(bad[i]), &v) != NULL, "%s", bad[i]);
}
END_TEST

START_TEST(sizes)
{
	static const struct {
		const char *text;
		uint64_t v;
	} good[] = {{"0", 0},
	            {"1024", 1024},
	            {"1e3", 1000},
	            {"7B", 7},
	            {"1K", 1024},
	            {"1kb", 1024},
	            {"1KiB", 1024},
	            {"32 MB", 32 << 20},
	            {"32mib", 32 << 20},
	            {"2G", UINT64_C(2) << 30},
	            {"2 GiB", UINT64_C(2) << 30},
	            {"3TB", UINT64_C(3) << 40},
	            {"1_0KB", 10240},
	            {"8388607TiB", UINT64_C(8388607) << 40}};
	static const char *const bad[] = {"",
	                                  "MB",
	                                  "-1",
	                                  "-1MB",
	                                  "1.5GB",
	                                  "1PB",
	                                  "1 M B",
	                                  "1KBB",
	                                  "1i",
	                                  "1KiBs",
	                                  "010K",
	                                  "8388608TiB",
	                                  "9223372036854775808",
	                                  "9223372036854775808K"};
	uint64_t v;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		ck_assert_msg(!value_size(str_of(good[i].text), &v), "%s", good[i].text);
		ck_assert_uint_eq(v, good[i].v);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(value_size(str_of(bad[i]), &v) != NULL, "%s", bad[i]);
	ck_assert_str_eq(value_size(STR("-5"), &v), "must not be negative");
	ck_assert_str_eq(value_size(STR("-5MB"), &v), "must not be negative");
}
END_TEST

START_TEST(durations)
{
	static const struct {
		const char *text;
		int64_t us;
	} good[] = {{"0", 0},
	            {"0s", 0},
	            {"1ns", 1}, /* rounded up: not nothing */
	            {"999ns", 1},
	            {"1001ns", 2},
	            {"5us", 5},
	            {"5\xc2\xb5s", 5},
	            {"5\xce\xbcs", 5},
	            {"500ms", 500 * CLOCK_MS},
	            {"30s", 30 * CLOCK_SEC},
	            {"+30s", 30 * CLOCK_SEC},
	            {"-30s", -30 * CLOCK_SEC},
	            {"5m", 300 * CLOCK_SEC},
	            {"1h30m", 5400 * CLOCK_SEC},
	            {"1.5h", 5400 * CLOCK_SEC},
	            {".5s", CLOCK_SEC / 2},
	            {"1.s", CLOCK_SEC},
	            {"0.0000000000000000000000001s", 0},
	            {"2562047h", 2562047 * INT64_C(3600) * CLOCK_SEC}};
	static const char *const bad[] = {"",
	                                  "s",
	                                  "30",
	                                  "1.5",
	                                  "1d",
	                                  "1h 30m",
	                                  "1h30",
	                                  "-",
	                                  "+",
	                                  ".s",
	                                  "1S",
	                                  " 1s",
	                                  "1s ",
	                                  "--1s",
	                                  "2562048h",
	                                  "99999999999999999999999h",
	                                  "1s9223372036854775807h"};
	int64_t v;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		ck_assert_msg(!value_duration(str_of(good[i].text), &v), "%s", good[i].text);
		ck_assert_int_eq(v, good[i].us);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(value_duration(str_of(bad[i]), &v) != NULL, "%s", bad[i]);
	ck_assert_str_eq(value_duration(STR("30"), &v), "must have a unit, as in 30s");
}
END_TEST

START_TEST(addresses)
{
	static const char *const good[] = {":9000",    "localhost:1",       "127.0.0.1:65535",
	                                   "[::1]:80", "[fe80::1%eth0]:80", "a-b.example.com:443"};
	static const char *const bad[] = {"",        "9000",   "host",        "host:", ":0",
	                                  ":65536",  "::1:80", "[::1]",       "[]:80", "a b:80",
	                                  "host:8o", "a/b:80", "host:000080", "[1]:80"};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		ck_assert_msg(!value_address(str_of(good[i])), "%s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(value_address(str_of(bad[i])) != NULL, "%s", bad[i]);
}
END_TEST

START_TEST(urls)
{
	static const char *const good[] = {"http://a",          "https://a.b:9000",
	                                   "https://a/b/c",     "http://[::1]",
	                                   "http://[::1]:80/x", "https://h/x?token=1"};
	static const char *const bad[] = {"",           "a",          "ftp://a",      "http://",
	                                  "https:///x", "http://a b", "http://u:p@h", "http://a:0",
	                                  "http://:80", "HTTP://a",   "http://?x",    "http://a\n"};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		ck_assert_msg(!value_url(str_of(good[i])), "%s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(value_url(str_of(bad[i])) != NULL, "%s", bad[i]);
}
END_TEST

START_TEST(networks)
{
	static const char *const good[] = {"10.0.0.0/8", "0.0.0.0/0", "::/0", "fd00::/128",
	                                   "1.2.3.4/32"};
	static const char *const bad[] = {"10.0.0.0", "10.0.0.0/33",  "::/129",
	                                  "10.0/8",   "x/8",          "10.0.0.0/",
	                                  "/8",       "10.0.0.0/8/8", "10.0.0.0/-1"};
	BUF_AUTO message = {0};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		ck_assert_msg(check_cidr(str_of(good[i]), &message), "%s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(!check_cidr(str_of(bad[i]), &message), "%s", bad[i]);
}
END_TEST

static void expect_expansion(const char *text, const char *value, const char *unset, bool malformed)
{
	struct expansion x;

	expand(str_of(text), 1000, &x);
	ck_assert_msg(str_eq(buf_str(&x.value), str_of(value)), "%s gave %.*s", text,
	              STR_FMT(buf_str(&x.value)));
	ck_assert_msg(str_eq(buf_str(&x.unset), str_of(unset)), "%s", text);
	ck_assert_int_eq(x.malformed, malformed);
	ck_assert(!x.too_long);
	expansion_free(&x);
}

START_TEST(variables)
{
	setenv("T_ONE", "1", 1);
	setenv("T_EMPTY", "", 1);
	setenv("T_NESTED", "${T_ONE}", 1);
	unsetenv("T_UNSET");
	expect_expansion("a${T_ONE}b${T_ONE}", "a1b1", "", false);
	expect_expansion("${T_EMPTY}", "", "", false);
	expect_expansion("${T_NESTED}", "${T_ONE}", "", false);
	expect_expansion("${T_UNSET}${T_UNSET2}", "", "T_UNSET, T_UNSET2", false);
	expect_expansion("${T_UNSET:-x y}", "x y", "", false);
	expect_expansion("${T_EMPTY:-x}", "x", "", false);
	expect_expansion("${T_ONE:-x}", "1", "", false);
	expect_expansion("${T_UNSET:-}", "", "", false);
	expect_expansion("$${T_ONE}", "${T_ONE}", "", false);
	expect_expansion("$T_ONE $2y$10$abc $ $$", "$T_ONE $2y$10$abc $ $$", "", false);
	expect_expansion("${}", "${}", "", true);
	expect_expansion("${1A}", "${1A}", "", true);
	expect_expansion("${T_ONE", "${T_ONE", "", true);
	expect_expansion("${T_ONE-x}", "${T_ONE-x}", "", true);
	expect_expansion("${a b}${T_ONE}", "${a b}1", "", true);
}
END_TEST

START_TEST(expansion_is_bounded)
{
	struct expansion x;

	setenv("T_LONG", "0123456789", 1);
	expand(STR("${T_LONG}${T_LONG}${T_LONG}"), 25, &x);
	ck_assert(x.too_long);
	ck_assert_uint_eq(x.value.n, 25);
	expansion_free(&x);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_add_test(t, booleans);
	tcase_add_test(t, integers);
	tcase_add_test(t, floats);
	tcase_add_test(t, sizes);
	tcase_add_test(t, durations);
	tcase_add_test(t, addresses);
	tcase_add_test(t, urls);
	tcase_add_test(t, networks);
	tcase_add_test(t, variables);
	tcase_add_test(t, expansion_is_bounded);
	return run_tests("config_value", t);
}
