/* SPDX-License-Identifier: MIT
 *
 * Ranges, entity tags and preconditions.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "s3proto/etag.h"
#include "s3proto/precondition.h"
#include "s3proto/range.h"
#include "s3proto_request.h"
#include "t/unit/run.h"

/* --- ranges --- */

START_TEST(ranges)
{
	static const struct {
		const char *value;
		uint64_t size;
		enum range_result result;
		uint64_t first, last;
	} cases[] = {
		{"bytes=0-9", 100, RANGE_PART, 0, 9},
		{"bytes=0-0", 1, RANGE_PART, 0, 0},
		{"bytes=10-", 100, RANGE_PART, 10, 99},
		{"bytes=-10", 100, RANGE_PART, 90, 99},
		{"bytes=-100", 100, RANGE_PART, 0, 99},
		{"bytes=-1000", 100, RANGE_PART, 0, 99},
		{"bytes=50-1000", 100, RANGE_PART, 50, 99},
		{"bytes=99-99", 100, RANGE_PART, 99, 99},
		{"Bytes=0-9", 100, RANGE_PART, 0, 9},
		{" bytes= 0-9 ", 100, RANGE_PART, 0, 9},
		{"bytes=5-99999999999999999999999", 100, RANGE_PART, 5, 99},
		{"bytes=-99999999999999999999999", 100, RANGE_PART, 0, 99},
		{"bytes=0-18446744073709551615", UINT64_MAX, RANGE_PART, 0, UINT64_MAX - 1},
		{"bytes=100-", 100, RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=100-200", 100, RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=99999999999999999999999-", 100, RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=-0", 100, RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=0-", 0, RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=0-0", 0, RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=-5", 0, RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=5-2", 100, RANGE_WHOLE, 0, 0},
		{"bytes=0-1,3-4", 100, RANGE_WHOLE, 0, 0},
		{"bytes=0-1,", 100, RANGE_WHOLE, 0, 0},
		{"bytes=", 100, RANGE_WHOLE, 0, 0},
		{"bytes=-", 100, RANGE_WHOLE, 0, 0},
		{"bytes=5", 100, RANGE_WHOLE, 0, 0},
		{"bytes", 100, RANGE_WHOLE, 0, 0},
		{"bytes=a-b", 100, RANGE_WHOLE, 0, 0},
		{"bytes=1-2-3", 100, RANGE_WHOLE, 0, 0},
		{"bytes=--1", 100, RANGE_WHOLE, 0, 0},
		{"bytes=+1-2", 100, RANGE_WHOLE, 0, 0},
		{"bytes=1 - 2", 100, RANGE_WHOLE, 0, 0},
		{"lines=0-9", 100, RANGE_WHOLE, 0, 0},
		{"", 100, RANGE_WHOLE, 0, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct range r = {0};
		struct str v = str_of(cases[i].value);
		ck_assert_msg(range_parse(&v, cases[i].size, &r) == cases[i].result, "%s",
		              cases[i].value);
		ck_assert_msg(r.first == cases[i].first && r.last == cases[i].last, "%s",
		              cases[i].value);
	}
	struct range r;
	ck_assert_int_eq(range_parse(NULL, 5, &r), RANGE_WHOLE);
}
END_TEST

START_TEST(copy_ranges)
{
	struct range r;
	ck_assert_int_eq(range_parse_copy(STR("bytes=1-4"), 5, &r), RANGE_PART);
	ck_assert(r.first == 1 && r.last == 4);
	ck_assert_int_eq(range_parse_copy(STR("bytes=1-5"), 5, &r), RANGE_UNSATISFIABLE);
	ck_assert_int_eq(range_parse_copy(STR("bytes=1-"), 5, &r), RANGE_WHOLE);
	ck_assert_int_eq(range_parse_copy(STR("bytes=-1"), 5, &r), RANGE_WHOLE);
	ck_assert_int_eq(range_parse_copy(STR("1-2"), 5, &r), RANGE_WHOLE);
	ck_assert_int_eq(range_parse_copy(STR("bytes=1"), 5, &r), RANGE_WHOLE);
	ck_assert_int_eq(range_parse_copy(STR("bytes=a-b"), 5, &r), RANGE_WHOLE);
	ck_assert_int_eq(range_parse_copy(STR("bytes=2-1"), 5, &r), RANGE_WHOLE);
	ck_assert_int_eq(range_parse_copy(STR("bytes=0-2,3-4"), 5, &r), RANGE_WHOLE);
	ck_assert_int_eq(range_parse_copy(STR("bytes=0-99999999999999999999"), 5, &r),
	                 RANGE_UNSATISFIABLE);
	ck_assert_int_eq(range_parse_copy(STR("bytes=0-0"), 0, &r), RANGE_UNSATISFIABLE);
}
END_TEST

START_TEST(content_range)
{
	char text[RANGE_CONTENT_SIZE];
	range_format((struct range){UINT64_MAX, UINT64_MAX}, UINT64_MAX, text);
	ck_assert_str_eq(text, "bytes 18446744073709551615-18446744073709551615/"
	                       "18446744073709551615");
	range_format_unsatisfiable(0, text);
	ck_assert_str_eq(text, "bytes */0");
}
END_TEST

/* --- entity tags --- */

START_TEST(etags)
{
	uint8_t md5s[2][MD5_SIZE], back[MD5_SIZE];
	char tag[ETAG_SIZE];
	ck_assert(hex_decode(STR("5d41402abc4b2a76b9719d911017c592"), md5s[0], MD5_SIZE));
	ck_assert(hex_decode(STR("7d793037a0760186574b0282f2f435e7"), md5s[1], MD5_SIZE));
	etag_of_md5(md5s[0], tag);
	ck_assert_str_eq(tag, "5d41402abc4b2a76b9719d911017c592");
	/* md5(unhex("5d41...c592" "7d79...35e7")), from coreutils */
	etag_of_parts((const uint8_t(*)[MD5_SIZE])md5s, 2, tag);
	ck_assert_str_eq(tag, "065947336a2f2a95ba8899f3675c3be6-2");
	ck_assert(etag_to_md5(STR("5D41402abc4b2a76b9719d911017c592"), back));
	ck_assert_mem_eq(back, md5s[0], MD5_SIZE);
	ck_assert(!etag_to_md5(str_of(tag), back));
	ck_assert(str_eq(etag_strip(STR(" W/\"x\" ")), STR("x")));
	ck_assert(str_eq(etag_strip(STR("x")), STR("x")));
	ck_assert(str_eq(etag_strip(STR("\"")), STR("\"")));
	BUF_AUTO b = {0};
	etag_add_quoted(&b, STR("x"));
	ck_assert(str_eq(buf_str(&b), STR("\"x\"")));
}
END_TEST

START_TEST(etag_of_ten_thousand_parts)
{
	uint8_t(*md5s)[MD5_SIZE] = calloc(10000, MD5_SIZE);
	char tag[ETAG_SIZE];
	etag_of_parts((const uint8_t(*)[MD5_SIZE])md5s, 10000, tag);
	ck_assert_uint_eq(strlen(tag), ETAG_SIZE - 1);
	ck_assert(str_ends(str_of(tag), STR("-10000")));
	free(md5s);
}
END_TEST

/* --- preconditions --- */

/* The object of all cases: tag "abc", modified Sun, 06 Nov 1994 08:49:37.5 */
#define MODIFIED (INT64_C(784111777) * CLOCK_SEC + CLOCK_SEC / 2)
#define SAME     "Sun, 06 Nov 1994 08:49:37 GMT"
#define EARLIER  "Sun, 06 Nov 1994 08:49:36 GMT"
#define LATER    "Sun, 06 Nov 1994 08:49:38 GMT"

static enum precondition_result check(const char *fields, const char *etag, struct str prefix)
{
	struct request r;
	BUF_AUTO text = {0};
	buf_printf(&text, "GET /b/k HTTP/1.1\nHost: h\n%s", fields);
	buf_add_char(&text, '\0');
	request_make(&r, text.p);
	enum precondition_result result =
		precondition_check(&r.head, prefix, str_of(etag), MODIFIED);
	request_free(&r);
	return result;
}

START_TEST(preconditions)
{
	static const struct {
		const char *fields;
		enum precondition_result result;
	} cases[] = {
		{"", PRECONDITION_PROCEED},
		{"If-Match: \"abc\"\n", PRECONDITION_PROCEED},
		{"If-Match: abc\n", PRECONDITION_PROCEED},
		{"If-Match: *\n", PRECONDITION_PROCEED},
		{"If-Match: \"x\", W/\"abc\"\n", PRECONDITION_PROCEED},
		{"If-Match: \"x\"\nIf-Match: \"abc\"\n", PRECONDITION_PROCEED},
		{"If-Match: \"x\"\n", PRECONDITION_FAILED},
		{"If-Match: \"ABC\"\n", PRECONDITION_FAILED},
		{"If-None-Match: \"abc\"\n", PRECONDITION_NOT_MODIFIED},
		{"If-None-Match: W/\"abc\"\n", PRECONDITION_NOT_MODIFIED},
		{"If-None-Match: abc\n", PRECONDITION_NOT_MODIFIED},
		{"If-None-Match: \"x\" ,\"abc\"\n", PRECONDITION_NOT_MODIFIED},
		{"If-None-Match: *\n", PRECONDITION_NOT_MODIFIED},
		{"If-None-Match: \"x\"\n", PRECONDITION_PROCEED},
		{"If-None-Match: \n", PRECONDITION_PROCEED},
		{"If-Unmodified-Since: " SAME "\n", PRECONDITION_PROCEED},
		{"If-Unmodified-Since: " EARLIER "\n", PRECONDITION_FAILED},
		{"If-Unmodified-Since: " LATER "\n", PRECONDITION_PROCEED},
		{"If-Unmodified-Since: yesterday\n", PRECONDITION_PROCEED},
		{"If-Modified-Since: " SAME "\n", PRECONDITION_NOT_MODIFIED},
		{"If-Modified-Since: " LATER "\n", PRECONDITION_NOT_MODIFIED},
		{"If-Modified-Since: " EARLIER "\n", PRECONDITION_PROCEED},
		{"If-Modified-Since: yesterday\n", PRECONDITION_PROCEED},
		/* a tag makes the date void */
		{"If-Match: \"abc\"\nIf-Unmodified-Since: " EARLIER "\n", PRECONDITION_PROCEED},
		{"If-None-Match: \"x\"\nIf-Modified-Since: " LATER "\n", PRECONDITION_PROCEED},
		/* both directions */
		{"If-Match: \"abc\"\nIf-None-Match: \"abc\"\n", PRECONDITION_NOT_MODIFIED},
		{"If-Match: \"x\"\nIf-None-Match: \"abc\"\n", PRECONDITION_FAILED},
		{"If-Unmodified-Since: " SAME "\nIf-Modified-Since: " SAME "\n",
	         PRECONDITION_NOT_MODIFIED},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(check(cases[i].fields, "abc", PRECONDITION_READ) == cases[i].result,
		              "%s", cases[i].fields);
}
END_TEST

START_TEST(preconditions_without_etag)
{
	ck_assert_int_eq(check("If-Match: \"x\"\n", "", PRECONDITION_READ), PRECONDITION_PROCEED);
	ck_assert_int_eq(check("If-None-Match: \"\"\n", "", PRECONDITION_READ),
	                 PRECONDITION_PROCEED);
	ck_assert_int_eq(check("If-None-Match: *\n", "", PRECONDITION_READ),
	                 PRECONDITION_NOT_MODIFIED);
}
END_TEST

START_TEST(copy_source_preconditions)
{
	struct str prefix = PRECONDITION_COPY_SOURCE;
	ck_assert_int_eq(check("X-Amz-Copy-Source-If-Match: \"x\"\n", "abc", prefix),
	                 PRECONDITION_FAILED);
	ck_assert_int_eq(check("x-amz-copy-source-if-none-match: abc\n", "abc", prefix),
	                 PRECONDITION_NOT_MODIFIED);
	ck_assert_int_eq(check("x-amz-copy-source-if-modified-since: " SAME "\n", "abc", prefix),
	                 PRECONDITION_NOT_MODIFIED);
	ck_assert_int_eq(
		check("x-amz-copy-source-if-unmodified-since: " EARLIER "\n", "abc", prefix),
		PRECONDITION_FAILED);
	/* the two families do not mix */
	ck_assert_int_eq(check("If-Match: \"x\"\n", "abc", prefix), PRECONDITION_PROCEED);
	ck_assert_int_eq(check("X-Amz-Copy-Source-If-Match: \"x\"\n", "abc", PRECONDITION_READ),
	                 PRECONDITION_PROCEED);
}
END_TEST

START_TEST(write_matches)
{
	static const struct {
		const char *fields;
		enum precondition_match match;
	} cases[] = {
		{"", PRECONDITION_MATCH_ABSENT},
		{"X-If-Match: *\n", PRECONDITION_MATCH_ABSENT},
		{"If-Match: *\n", PRECONDITION_MATCH_ANY},
		{"if-match: \"abc\"\n", PRECONDITION_MATCH_TAG},
		{"If-Match: abc\n", PRECONDITION_MATCH_TAG},
		{"If-Match:\n", PRECONDITION_MATCH_NEVER},
		{"If-Match: \"\"\n", PRECONDITION_MATCH_NEVER},
		{"If-Match: W/\"\"\n", PRECONDITION_MATCH_NEVER},
		{"If-Match: W/\"abc\"\n", PRECONDITION_MATCH_NEVER},
		{"If-Match: \"*\"\n", PRECONDITION_MATCH_NEVER},
		{"If-Match: W/*\n", PRECONDITION_MATCH_NEVER},
		{"If-Match: \"abc\", \"x\"\n", PRECONDITION_MATCH_NEVER},
		{"If-Match: *, \"abc\"\n", PRECONDITION_MATCH_NEVER},
		{"If-Match: \"abc\"\nIf-Match: \"x\"\n", PRECONDITION_MATCH_NEVER},
		{"If-Match: *\nIF-MATCH:\n", PRECONDITION_MATCH_NEVER},
		{"If-Match: \"\xff\"\n", PRECONDITION_MATCH_NEVER},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct request r;
		struct str tag = STR_NULL;
		BUF_AUTO text = {0};
		buf_printf(&text, "PUT /b/k HTTP/1.1\nHost: h\n%s", cases[i].fields);
		buf_add_char(&text, '\0');
		request_make(&r, text.p);
		ck_assert_msg(precondition_write_match(&r.head, &tag) == cases[i].match, "%s",
		              cases[i].fields);
		if (cases[i].match == PRECONDITION_MATCH_TAG)
			ck_assert(str_eq(tag, STR("abc")));
		request_free(&r);
	}
}
END_TEST

static bool if_range(const char *field)
{
	struct request r;
	BUF_AUTO text = {0};
	buf_printf(&text, "GET /b/k HTTP/1.1\nHost: h\n%s", field);
	buf_add_char(&text, '\0');
	request_make(&r, text.p);
	bool holds = precondition_range_holds(&r.head, STR("abc"), MODIFIED);
	request_free(&r);
	return holds;
}

START_TEST(if_ranges)
{
	ck_assert(if_range(""));
	ck_assert(if_range("If-Range: \"abc\"\n"));
	ck_assert(if_range("If-Range: abc\n"));
	ck_assert(!if_range("If-Range: \"x\"\n"));
	ck_assert(!if_range("If-Range: W/\"abc\"\n"));
	ck_assert(if_range("If-Range: " SAME "\n"));
	ck_assert(!if_range("If-Range: " EARLIER "\n"));
	ck_assert(!if_range("If-Range: " LATER "\n"));
	ck_assert(!if_range("If-Range: yesterday\n"));
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");
	tcase_add_test(t, ranges);
	tcase_add_test(t, copy_ranges);
	tcase_add_test(t, content_range);
	tcase_add_test(t, etags);
	tcase_add_test(t, etag_of_ten_thousand_parts);
	tcase_add_test(t, preconditions);
	tcase_add_test(t, preconditions_without_etag);
	tcase_add_test(t, copy_source_preconditions);
	tcase_add_test(t, write_matches);
	tcase_add_test(t, if_ranges);
	return run_tests("s3proto_conditions", t);
}
