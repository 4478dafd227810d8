/* SPDX-License-Identifier: MIT
 *
 * Policies of browser forms: what is one, and what it allows.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "post_policy_example.h"
#include "s3proto/post_policy.h"
#include "t/unit/run.h"

static struct arena *arena;

static void setup(void)
{
	arena = arena_new();
}

static void teardown(void)
{
	arena_free(&arena);
}

static bool parse(const char *json, struct post_policy *p)
{
	const char *why;
	size_t n = strlen(json);
	char *text = arena_alloc(arena, BASE64_SIZE(n));
	base64_encode(json, n, text);
	bool ok = post_policy_parse(arena, str_of(text), p, &why);
	ck_assert(ok == (why == NULL));
	return ok;
}

START_TEST(published_example)
{
	struct post_policy p;
	const char *why;
	int64_t date;
	struct str_pair fields[] = {
		{STR("bucket"), STR("sigv4examplebucket")},
		{STR("key"), STR("user/user1/x.png")},
		{STR("acl"), STR("public-read")},
		{STR("success_action_redirect"),
	         STR("http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html")},
		{STR("Content-Type"), STR("image/jpeg")},
		{STR("x-amz-meta-uuid"), STR("14365123651274")},
		{STR("x-amz-server-side-encryption"), STR("AES256")},
		{STR("X-Amz-Credential"),
	         STR("AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request")},
		{STR("X-Amz-Algorithm"), STR("AWS4-HMAC-SHA256")},
		{STR("X-Amz-Date"), STR("20151229T000000Z")},
		{STR("x-amz-meta-tag"), STR("")},
		{STR("Policy"), STR(POST_POLICY_EXAMPLE)},
		{STR("X-Amz-Signature"), STR("8afd")},
		{STR("X-Ignore-Me"), STR("x")},
	};
	const size_t n = sizeof fields / sizeof *fields;
	ck_assert(post_policy_parse(arena, STR(POST_POLICY_EXAMPLE), &p, &why));
	ck_assert(clock_parse_amz(STR("20151230T120000Z"), &date));
	ck_assert_int_eq(p.expiration, date);
	ck_assert_uint_eq(p.n, 11);
	ck_assert_uint_eq(p.min_size, 0);
	ck_assert(p.max_size == UINT64_MAX);
	BUF_AUTO text = {0};
	ck_assert(post_policy_allows(&p, fields, n, date - 1, &text));
	ck_assert(!post_policy_allows(&p, fields, n, date, &text));
	for (size_t i = 0; i < 10; i++) { /* each of these fields matters */
		struct str was = fields[i].value;
		fields[i].value = STR("other");
		ck_assert_msg(!post_policy_allows(&p, fields, n, date - 1, &text), "%zu", i);
		fields[i].value = was;
	}
	fields[n - 1].name = STR("extra");
	ck_assert(!post_policy_allows(&p, fields, n, date - 1, &text));
}
END_TEST

#define POLICY(conditions)                                                                         \
	"{\"expiration\": \"2030-01-01T00:00:00Z\", \"conditions\": [" conditions "]}"

START_TEST(what_is_no_policy)
{
	static const char *const cases[] = {
		"",
		"x",
		"[]",
		"{}",
		"{\"expiration\": \"2030-01-01T00:00:00Z\"}",
		"{\"expiration\": \"2030-01-01\", \"conditions\": []}",
		"{\"expiration\": \"2030-01-01T00:00:00+01:00\", \"conditions\": []}",
		"{\"expiration\": 1, \"conditions\": []}",
		"{\"Expiration\": \"2030-01-01T00:00:00Z\", \"conditions\": []}",
		"{\"expiration\": \"2030-01-01T00:00:00Z\", \"expiration\": "
		"\"2031-01-01T00:00:00Z\", \"conditions\": []}",
		POLICY("5"),
		POLICY("[]"),
		POLICY("[\"eq\", \"$key\"]"),
		POLICY("[\"eq\", \"$key\", \"a\", \"b\"]"),
		POLICY("[\"eq\", \"key\", \"a\"]"),
		POLICY("[\"eq\", \"$\", \"a\"]"),
		POLICY("[\"eq\", 5, \"a\"]"),
		POLICY("[\"eq\", \"$key\", 5]"),
		POLICY("[\"ends-with\", \"$key\", \"a\"]"),
		POLICY("{\"key\": [\"a\"]}"),
		POLICY("[\"content-length-range\", 1]"),
		POLICY("[\"content-length-range\", -1, 5]"),
		POLICY("[\"content-length-range\", 1, \"x\"]"),
		POLICY("[\"content-length-range\", 1, 2.5]"),
		"{\"expiration\": \"2030-01-01T00:00:00Z\", \"conditions\": [], \"x\": "
		"[[[[[[[[[]]]]]]]]]}",
	};
	struct post_policy p;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		ck_assert_msg(!parse(cases[i], &p), "%s", cases[i]);
	const char *why;
	ck_assert(!post_policy_parse(arena, STR("no base64!"), &p, &why));
	/* Deeper than any stack. */
	BUF_AUTO deep = {0};
	for (int i = 0; i < 100000; i++)
		buf_add_char(&deep, '[');
	buf_add_char(&deep, '\0');
	ck_assert(!parse(deep.p, &p));
}
END_TEST

static bool allows(const char *policy, const char *key)
{
	struct post_policy p;
	struct str_pair field = {STR("key"), str_of(key)};
	BUF_AUTO why = {0};
	ck_assert_msg(parse(policy, &p), "%s", policy);
	return post_policy_allows(&p, &field, 1, 0, &why);
}

START_TEST(conditions)
{
	ck_assert(allows(POLICY("[\"eq\", \"$key\", \"a\"]"), "a"));
	ck_assert(!allows(POLICY("[\"eq\", \"$key\", \"a\"]"), "ab"));
	ck_assert(allows(POLICY("[\"Starts-With\", \"$KEY\", \"a\"]"), "ab"));
	ck_assert(!allows(POLICY("[\"starts-with\", \"$key\", \"a\"]"), "ba"));
	ck_assert(allows(POLICY("[\"starts-with\", \"$key\", \"\"]"), ""));
	ck_assert(allows(POLICY("{\"Key\": \"a\"}"), "a"));
	ck_assert(!allows(POLICY("{\"Key\": \"a\"}, {\"key\": \"b\"}"), "a"));
	ck_assert(!allows(POLICY("{\"key\": \"a\", \"acl\": \"private\"}"), "a"));
	ck_assert(!allows(POLICY(""), "a"));
	/* A dollar sign may be escaped, which is no JSON; a backslash is one. */
	ck_assert(allows(POLICY("{\"key\": \"\\$a\"}"), "$a"));
	ck_assert(allows(POLICY("{\"key\": \"\\\\$a\"}"), "\\$a"));
	ck_assert(allows(POLICY("{\"key\": \"\\\"[[[[[[[[[[\"}"), "\"[[[[[[[[[["));
}
END_TEST

START_TEST(all_ranges_hold_at_once)
{
	struct post_policy p;
	ck_assert(parse(POLICY("[\"content-length-range\", 5, 100],"
	                       "[\"content-length-range\", \"1\", \"50\"]"),
	                &p));
	ck_assert_uint_eq(p.min_size, 5);
	ck_assert_uint_eq(p.max_size, 50);
	ck_assert_uint_eq(p.n, 0);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("post_policy");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, published_example);
	tcase_add_test(t, what_is_no_policy);
	tcase_add_test(t, conditions);
	tcase_add_test(t, all_ranges_hold_at_once);
	return run_tests("s3proto_post_policy", t);
}
