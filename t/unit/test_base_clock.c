/* SPDX-License-Identifier: MIT
 *
 * clock: text forms there and back, compared with the C library where it can.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "t/unit/run.h"

#define RFC_EXAMPLE (INT64_C(784111777) * CLOCK_SEC) /* Sun, 06 Nov 1994 08:49:37 GMT */

START_TEST(formats)
{
	char http[CLOCK_HTTP_SIZE], amz[CLOCK_AMZ_SIZE], rfc[CLOCK_RFC3339_SIZE], s3[CLOCK_S3_SIZE];
	int64_t t = RFC_EXAMPLE + 42;

	for (int again = 0; again < 2; again++) {
		clock_format_http(t, http);
		clock_format_amz(t, amz);
		clock_format_rfc3339(t, rfc);
		clock_format_s3(t, s3);
		ck_assert_str_eq(http, "Sun, 06 Nov 1994 08:49:37 GMT");
		ck_assert_str_eq(amz, "19941106T084937Z");
		ck_assert_str_eq(rfc, "1994-11-06T08:49:37.000042Z");
		ck_assert_str_eq(s3, "1994-11-06T08:49:37.000Z");
	}
	clock_format_rfc3339(-1, rfc);
	ck_assert_str_eq(rfc, "1969-12-31T23:59:59.999999Z");
	clock_format_s3(INT64_MAX, s3); /* what does not fit four digits is clamped */
	ck_assert_str_eq(s3, "9999-12-31T23:59:59.000Z");
	clock_format_s3(INT64_MIN, s3);
	ck_assert_str_eq(s3, "0000-01-01T00:00:00.000Z");
}
END_TEST

/* 400 years, one instant every 11 days and some hours. */
START_TEST(agrees_with_libc)
{
	for (int64_t sec = -8000000000; sec < 8000000000; sec += 987654) {
		time_t t = (time_t)sec;
		struct tm tm;
		char want[64], got[CLOCK_HTTP_SIZE];
		int64_t back;

		gmtime_r(&t, &tm);
		strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		clock_format_http(sec * CLOCK_SEC, got);
		ck_assert_str_eq(got, want);
		ck_assert(clock_parse_http(str_of(got), &back));
		ck_assert_int_eq(back, sec * CLOCK_SEC);
	}
}
END_TEST

START_TEST(parses_http)
{
	static const char *const good[] = {
		"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994",      " Sun, 06 Nov 1994 08:49:37 GMT ",
		"Mon, 06 Nov 1994 08:49:37 GMT", /* wrong weekday: does not matter */
	};
	static const char *const bad[] = {
		"",
		"Sun",
		"Sun,",
		"Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 94 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 06 Nov 1994 08:49:37 GMT x",
		"Sun, 31 Nov 1994 08:49:37 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, 29 Feb 1900 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:00:00 GMT",
		"Sun, 06 Nov 1994 08:60:00 GMT",
		"Sun, 06 Nov 1994 08:49:61 GMT",
		"Sun, 06 Nov 1994 -8:49:37 GMT",
		"Sunday, 06 Nov 1994 08:49:37 GMT",
		"Sunday Nov  6 08:49:37 1994",
		"Sun Nov 6 08:49:37 1994",
		"1994-11-06T08:49:37Z",
	};
	int64_t t = 1;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_msg(clock_parse_http(str_of(good[i]), &t), "%s", good[i]);
		ck_assert_int_eq(t, RFC_EXAMPLE);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!clock_parse_http(str_of(bad[i]), &t), "%s", bad[i]);
	ck_assert(clock_parse_http(STR("Thu, 31 Dec 1998 23:59:60 GMT"), &t)); /* leap second */
	ck_assert_int_eq(t, INT64_C(915148800) * CLOCK_SEC);
}
END_TEST

/* RFC 9110: a year that looks more than 50 years ahead is in the past. */
START_TEST(two_digit_years)
{
	time_t now = time(NULL);
	struct tm tm, got;
	char text[64];
	int64_t t;
	int this_year;

	gmtime_r(&now, &tm);
	this_year = tm.tm_year + 1900;
	for (int ahead = 49; ahead <= 52; ahead++) {
		snprintf(text, sizeof(text), "Sunday, 06-Nov-%02d 08:49:37 GMT",
		         (this_year + ahead) % 100);
		ck_assert(clock_parse_http(str_of(text), &t));
		now = (time_t)(t / CLOCK_SEC);
		gmtime_r(&now, &got);
		if (ahead > 50)
			ck_assert_int_le(got.tm_year + 1900, this_year);
		else if (this_year / 100 == (this_year + ahead) / 100)
			ck_assert_int_eq(got.tm_year + 1900, this_year + ahead);
	}
}
END_TEST

START_TEST(parses_amz)
{
	int64_t t;

	ck_assert(clock_parse_amz(STR("20150830T123600Z"), &t));
	ck_assert_int_eq(t, INT64_C(1440938160) * CLOCK_SEC);
	ck_assert(!clock_parse_amz(STR("20150830T123600"), &t));
	ck_assert(!clock_parse_amz(STR("20150830T123600Zx"), &t));
	ck_assert(!clock_parse_amz(STR("2015-08-30T12:36:00Z"), &t));
	ck_assert(!clock_parse_amz(STR("20151330T123600Z"), &t));
	ck_assert(!clock_parse_amz(STR_NULL, &t));
}
END_TEST

START_TEST(parses_rfc3339)
{
	static const struct {
		const char *text;
		int64_t micros; /* after 2026-04-01T10:00:00Z */
	} good[] = {
		{"2026-04-01T10:00:00Z", 0},
		{"2026-04-01t10:00:00z", 0},
		{"2026-04-01T10:00:00.5Z", 500000},
		{"2026-04-01T10:00:00.123456789Z", 123456},
		{"2026-04-01T12:00:00+02:00", 0},
		{"2026-04-01T04:30:00-05:30", 0},
		{"2026-04-01 10:00:00.123456+00", 123456},
		{"2026-04-01 12:00:00+02", 0},
		{"2026-04-01 10:53:28+00:53:28", 0},
	};
	static const char *const bad[] = {
		"",
		"2026-04-01",
		"2026-04-01T10:00:00",
		"2026-04-01T10:00:00.Z",
		"2026-04-01T10:00:00.1234567890Z",
		"2026-04-01T10:00Z",
		"2026-04-31T10:00:00Z",
		"2026-4-01T10:00:00Z",
		"2026-04-01T10:00:00+2:00",
		"2026-04-01T10:00:00+24:00",
		"2026-04-01T10:00:00+02:60",
		"2026-04-01T10:00:00Z ",
		"infinity",
		"12026-04-01 10:00:00+00",
		"0044-03-15 10:00:00+00 BC",
	};
	int64_t t, base = INT64_C(1775037600) * CLOCK_SEC;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_msg(clock_parse_rfc3339(str_of(good[i].text), &t), "%s", good[i].text);
		ck_assert_int_eq(t, base + good[i].micros);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!clock_parse_rfc3339(str_of(bad[i]), &t), "%s", bad[i]);
}
END_TEST

START_TEST(deadlines)
{
	int64_t before = clock_mono();

	ck_assert_int_eq(clock_deadline(CLOCK_NEVER), CLOCK_NEVER);
	ck_assert_int_ge(clock_deadline(CLOCK_SEC), before + CLOCK_SEC);
	ck_assert_int_gt(clock_wall(), INT64_C(1700000000) * CLOCK_SEC);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_add_test(t, formats);
	tcase_add_test(t, agrees_with_libc);
	tcase_add_test(t, parses_http);
	tcase_add_test(t, two_digit_years);
	tcase_add_test(t, parses_amz);
	tcase_add_test(t, parses_rfc3339);
	tcase_add_test(t, deadlines);
	return run_tests("base_clock", t);
}
