/* SPDX-License-Identifier: MIT
 *
 * CORS rules: the document, which rule is meant, what is answered.
 */
#include "s3proto/cors.h"
#include "t/unit/document_fixture.h"
#include "t/unit/run.h"

static struct cors cors;

static void rules_are(const char *rules, enum s3_error expected, const char *text)
{
	const char *doc = arena_printf(arena, "<CORSConfiguration>%s</CORSConfiguration>", rules);
	assert_outcome(doc, cors_parse(str_of(doc), arena, &cors, &why), expected, text);
}

#define RULE(x)    "<CORSRule>" x "</CORSRule>"
#define ORIGIN(x)  "<AllowedOrigin>" x "</AllowedOrigin>"
#define METHOD(x)  "<AllowedMethod>" x "</AllowedMethod>"
#define HEADER(x)  "<AllowedHeader>" x "</AllowedHeader>"
#define EXPOSED(x) "<ExposeHeader>" x "</ExposeHeader>"
#define SIMPLE     ORIGIN("*") METHOD("GET")

START_TEST(reads_and_writes)
{
	const char *full =
		RULE("<ID>one &amp; only</ID>" ORIGIN("http://*.example.com") ORIGIN("https://a")
	                     METHOD("GET") METHOD("PUT") METHOD("HEAD") METHOD("POST")
	                             METHOD("DELETE") HEADER("x-*") HEADER("Range")
	                                     EXPOSED("ETag") "<MaxAgeSeconds>3000</MaxAgeSeconds>")
			RULE(SIMPLE);
	rules_are(full, S3_OK, NULL);
	ck_assert_uint_eq(cors.n, 2);
	ck_assert_uint_eq(cors.rules[0].methods.n, 5);
	ck_assert_int_eq(cors.rules[0].max_age, 3000);
	ck_assert_int_eq(cors.rules[1].max_age, CORS_NO_AGE);
	assert_text(cors.rules[0].id, "one & only");
	assert_text(cors.rules[0].exposed.v[0], "ETag");
	assert_text(cors.rules[1].id, "");

	BUF_AUTO b = {0};
	cors_write(&b, &cors);
	assert_text(buf_str(&b), arena_printf(arena,
	                                      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	                                      "<CORSConfiguration "
	                                      "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">%s"
	                                      "</CORSConfiguration>",
	                                      full));
}
END_TEST

START_TEST(refuses_documents)
{
	assert_outcome("<", cors_parse(STR("<"), arena, &cors, &why), S3_MALFORMED_XML, NULL);
	assert_outcome("<A/>", cors_parse(STR("<A/>"), arena, &cors, &why), S3_MALFORMED_XML,
	               "<CORSConfiguration>");
	rules_are("", S3_MALFORMED_XML, "<CORSRule>");
	rules_are("<Rule/>", S3_MALFORMED_XML, "<Rule>");
	rules_are(RULE(METHOD("GET")), S3_MALFORMED_XML, "<AllowedOrigin>");
	rules_are(RULE(ORIGIN("*")), S3_MALFORMED_XML, "<AllowedMethod>");
	rules_are(RULE(SIMPLE "<Max/>"), S3_MALFORMED_XML, "<Max>");
	rules_are(RULE(SIMPLE "<ID/><ID/>"), S3_MALFORMED_XML, "<ID>");
	rules_are(RULE(SIMPLE "<MaxAgeSeconds>x</MaxAgeSeconds>"), S3_MALFORMED_XML, "<MaxAge");
	rules_are(RULE(SIMPLE "<MaxAgeSeconds>-1</MaxAgeSeconds>"), S3_INVALID_ARGUMENT, "<MaxAge");
	rules_are(repeat("", RULE(SIMPLE), 100, "").p, S3_OK, NULL);
	rules_are(repeat("", RULE(SIMPLE), 101, "").p, S3_MALFORMED_XML, "100");
}
END_TEST

START_TEST(refuses_values)
{
	rules_are(RULE(ORIGIN("*") METHOD("PATCH")), S3_INVALID_REQUEST, "method is PATCH");
	rules_are(RULE(ORIGIN("*") METHOD("get")), S3_INVALID_REQUEST, "method is get");
	rules_are(RULE(ORIGIN("http://*.*") METHOD("GET")), S3_INVALID_REQUEST,
	          "AllowedOrigin \"http://*.*\"");
	rules_are(RULE(ORIGIN("") METHOD("GET")), S3_INVALID_REQUEST, "AllowedOrigin");
	rules_are(RULE(ORIGIN("a b") METHOD("GET")), S3_INVALID_REQUEST, "AllowedOrigin");
	rules_are(RULE(SIMPLE HEADER("**")), S3_INVALID_REQUEST, "AllowedHeader \"**\"");
	rules_are(RULE(SIMPLE EXPOSED("x-*")), S3_INVALID_REQUEST, "ExposeHeader \"x-*\"");
	/* Would become header fields of their own. */
	rules_are(RULE(SIMPLE EXPOSED("a&#xD;&#xA;b")), S3_INVALID_REQUEST, "ExposeHeader");
	rules_are(RULE(SIMPLE EXPOSED("a,b")), S3_INVALID_REQUEST, "ExposeHeader");
	rules_are(RULE(SIMPLE EXPOSED("")), S3_INVALID_REQUEST, "ExposeHeader");
	rules_are(repeat("<CORSRule><ID>", "\xc3\xbc", 255, "</ID>" SIMPLE "</CORSRule>").p, S3_OK,
	          NULL);
	rules_are(repeat("<CORSRule><ID>", "\xc3\xbc", 256, "</ID>" SIMPLE "</CORSRule>").p,
	          S3_INVALID_REQUEST, "255");
}
END_TEST

/* The number of the rule that matches, or -1. */
static int matched(const char *origin, const char *method, const char *headers)
{
	const struct cors_rule *r =
		cors_match(&cors, str_of(origin), str_of(method), str_of(headers));
	return r == NULL ? -1 : (int)(r - cors.rules);
}

START_TEST(matches_origins)
{
	rules_are(RULE(ORIGIN("http://a.example") ORIGIN("https://*.example") METHOD("GET"))
	                  RULE(ORIGIN("http*") METHOD("PUT")) RULE(ORIGIN("*") METHOD("HEAD")),
	          S3_OK, NULL);
	ck_assert_int_eq(matched("http://a.example", "GET", ""), 0);
	ck_assert_int_eq(matched("https://b.c.example", "GET", ""), 0);
	ck_assert_int_eq(matched("https://.example", "GET", ""), 0); /* '*' is also nothing */
	ck_assert_int_eq(matched("https://example", "GET", ""), -1);
	ck_assert_int_eq(matched("https://b.example.org", "GET", ""), -1);
	ck_assert_int_eq(matched("http://A.example", "GET", ""), -1);
	ck_assert_int_eq(matched("http://a.example.org", "GET", ""), -1);
	ck_assert_int_eq(matched("http://x", "PUT", ""), 1);
	ck_assert_int_eq(matched("null", "PUT", ""), -1);
	ck_assert_int_eq(matched("null", "HEAD", ""), 2);
	ck_assert_int_eq(matched("null", "DELETE", ""), -1);
	ck_assert_int_eq(matched("null", "head", ""), -1);
}
END_TEST

START_TEST(pattern_does_not_overlap)
{
	rules_are(RULE(ORIGIN("ab*ba") METHOD("GET")), S3_OK, NULL);
	ck_assert_int_eq(matched("aba", "GET", ""), -1);
	ck_assert_int_eq(matched("abba", "GET", ""), 0);
	ck_assert_int_eq(matched("ab-ba", "GET", ""), 0);
}
END_TEST

START_TEST(matches_headers)
{
	rules_are(RULE(SIMPLE) RULE(SIMPLE HEADER("x-amz-*") HEADER("Range"))
	                  RULE(SIMPLE HEADER("*")),
	          S3_OK, NULL);
	ck_assert_int_eq(matched("o", "GET", ""), 0);
	ck_assert_int_eq(matched("o", "GET", " , "), 0);
	ck_assert_int_eq(matched("o", "GET", "range"), 1);
	ck_assert_int_eq(matched("o", "GET", "X-AMZ-Date , RANGE,x-amz-"), 1);
	ck_assert_int_eq(matched("o", "GET", "x-amz-date, authorization"), 2);
	ck_assert_int_eq(matched("o", "GET", "ranges"), 2);
}
END_TEST

static const char *answered(const char *origin, const char *headers)
{
	struct cors_answer answer;
	BUF_AUTO b = {0};
	const struct cors_rule *r = cors_match(&cors, str_of(origin), STR("GET"), str_of(headers));
	ck_assert_ptr_nonnull(r);
	cors_answer(r, str_of(origin), str_of(headers), arena, &answer);
	for (size_t i = 0; i < answer.n; i++)
		buf_printf(&b, "%.*s: %.*s\n", STR_FMT(answer.fields[i].name),
		           STR_FMT(answer.fields[i].value));
	return arena_dup(arena, buf_str(&b)).p;
}

#define VARY "vary: Origin, Access-Control-Request-Headers, Access-Control-Request-Method\n"

START_TEST(answers)
{
	rules_are(
		RULE(ORIGIN("http://a") ORIGIN("*") METHOD("GET") METHOD("PUT") HEADER("*") EXPOSED(
			"ETag") EXPOSED("x-amz-version-id") "<MaxAgeSeconds>0</MaxAgeSeconds>"),
		S3_OK, NULL);
	ck_assert_str_eq(answered("http://a", "X-A,,Range "),
	                 "access-control-allow-origin: http://a\n"
	                 "access-control-allow-methods: GET, PUT\n"
	                 "access-control-allow-headers: x-a, range\n"
	                 "access-control-expose-headers: ETag, x-amz-version-id\n"
	                 "access-control-max-age: 0\n"
	                 "access-control-allow-credentials: true\n" VARY);
	ck_assert_str_eq(answered("http://b", ""),
	                 "access-control-allow-origin: *\n"
	                 "access-control-allow-methods: GET, PUT\n"
	                 "access-control-expose-headers: ETag, x-amz-version-id\n"
	                 "access-control-max-age: 0\n" VARY);
	rules_are(RULE(ORIGIN("http*") METHOD("GET")), S3_OK, NULL);
	ck_assert_str_eq(answered("http://b", ""), "access-control-allow-origin: http://b\n"
	                                           "access-control-allow-methods: GET\n"
	                                           "access-control-allow-credentials: true\n" VARY);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, reads_and_writes);
	tcase_add_test(t, refuses_documents);
	tcase_add_test(t, refuses_values);
	tcase_add_test(t, matches_origins);
	tcase_add_test(t, pattern_does_not_overlap);
	tcase_add_test(t, matches_headers);
	tcase_add_test(t, answers);
	return run_tests("s3proto_cors", t);
}
