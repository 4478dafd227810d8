/* SPDX-License-Identifier: MIT
 *
 * Lifecycle rules: what is read, given back, refused.
 */
#include "s3proto/lifecycle.h"
#include "t/unit/document_fixture.h"
#include "t/unit/run.h"

static struct lifecycle rules;

static void parse(struct str doc, enum s3_error expected, const char *text)
{
	assert_outcome(doc.p, lifecycle_parse(doc, arena, &rules, &why), expected, text);
}

static void rules_are(const char *text, enum s3_error expected, const char *reason)
{
	parse(str_of(arena_printf(arena, "<LifecycleConfiguration>%s</LifecycleConfiguration>",
	                          text)),
	      expected, reason);
}

#define ENABLED   "<Status>Enabled</Status>"
#define ALL       "<Filter></Filter>"
#define FILTER(x) "<Filter>" x "</Filter>"
#define AND(x)    "<Filter><And>" x "</And></Filter>"
#define PREFIX(x) "<Prefix>" x "</Prefix>"
#define TAG(k)    "<Tag><Key>" k "</Key><Value>v</Value></Tag>"
#define LARGER(n) "<ObjectSizeGreaterThan>" n "</ObjectSizeGreaterThan>"
#define SMALL(n)  "<ObjectSizeLessThan>" n "</ObjectSizeLessThan>"
#define EXPIRE(x) "<Expiration>" x "</Expiration>"
#define DAYS(n)   "<Days>" n "</Days>"
#define MARKER(x) EXPIRE("<ExpiredObjectDeleteMarker>" x "</ExpiredObjectDeleteMarker>")
#define OLD(x)    "<NoncurrentVersionExpiration>" x "</NoncurrentVersionExpiration>"
#define OLDDAYS   "<NoncurrentDays>3</NoncurrentDays>"
#define KEEP(n)   "<NewerNoncurrentVersions>" n "</NewerNoncurrentVersions>"
#define ABORT(n)                                                                                   \
	"<AbortIncompleteMultipartUpload><DaysAfterInitiation>" n                                  \
	"</DaysAfterInitiation></AbortIncompleteMultipartUpload>"

/* One rule of this scope and these actions. */
#define rule_is(scope, actions, expected, reason)                                                  \
	rules_are("<Rule><ID>r</ID>" scope ENABLED actions "</Rule>", expected, reason)

/* That this is read, and written as it was. */
#define comes_back(scope, actions)                                                                 \
	do {                                                                                       \
		BUF_AUTO b = {0};                                                                  \
		rule_is(scope, actions, S3_OK, NULL);                                              \
		lifecycle_write(&b, &rules);                                                       \
		assert_text(                                                                       \
			buf_str(&b),                                                               \
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LifecycleConfiguration "     \
			"xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Rule><ID>r</ID>" scope \
				ENABLED actions "</Rule></LifecycleConfiguration>");               \
	} while (0)

START_TEST(reads)
{
	rules_are("<Rule><ID>a</ID>" AND(PREFIX("logs/") TAG("x") TAG("y") LARGER("0") SMALL(
			  "100")) "<Status>Disabled</Status>" EXPIRE(DAYS("30"))
	                  OLD(OLDDAYS KEEP("5")) "</Rule><Rule>" PREFIX("")
	                          ENABLED ABORT("7") "</Rule>",
	          S3_OK, NULL);
	ck_assert_uint_eq(rules.n, 2);
	const struct lifecycle_rule *r = &rules.rules[0];
	assert_text(r->id, "a");
	ck_assert(!r->enabled);
	ck_assert_int_eq(r->filter.form, LIFECYCLE_AND);
	assert_text(r->filter.prefix, "logs/");
	ck_assert_uint_eq(r->filter.n_tags, 2);
	assert_text(r->filter.tags[1].name, "y");
	ck_assert_uint_eq(r->filter.larger_than, 0);
	ck_assert_uint_eq(r->filter.smaller_than, 100);
	ck_assert_uint_eq(r->expire_days, 30);
	ck_assert(!r->has_expire_date && !r->expire_marker);
	ck_assert_uint_eq(r->noncurrent_days, 3);
	ck_assert_uint_eq(r->noncurrent_keep, 5);
	ck_assert_uint_eq(r->abort_days, 0);
	r = &rules.rules[1];
	ck_assert_uint_gt(r->id.n, 0); /* made up */
	ck_assert(r->enabled);
	ck_assert_int_eq(r->filter.form, LIFECYCLE_TOP_PREFIX);
	ck_assert_uint_eq(r->filter.larger_than, LIFECYCLE_NO_SIZE);
	ck_assert_uint_eq(r->filter.smaller_than, LIFECYCLE_NO_SIZE);
	ck_assert_uint_eq(r->expire_days, 0);
	ck_assert_uint_eq(r->abort_days, 7);
}
END_TEST

START_TEST(gives_back)
{
	comes_back(ALL, EXPIRE(DAYS("1")));
	comes_back(PREFIX("a&amp;b"), EXPIRE(DAYS("2147483647")));
	comes_back(FILTER(PREFIX("")), MARKER("true"));
	comes_back(FILTER(PREFIX("p")), OLD(OLDDAYS));
	comes_back(FILTER(TAG("k")), OLD(OLDDAYS KEEP("100")));
	comes_back(FILTER(LARGER("0")), EXPIRE("<Date>2027-01-01T00:00:00.000Z</Date>"));
	comes_back(FILTER(SMALL("1")), EXPIRE(DAYS("1")));
	comes_back(AND(PREFIX("p") TAG("k") TAG("l") LARGER("1") SMALL("2")),
	           EXPIRE(DAYS("1")) OLD(OLDDAYS));
	comes_back(AND(PREFIX("p")), EXPIRE(DAYS("1")) OLD(OLDDAYS) ABORT("2"));
}
END_TEST

START_TEST(dates)
{
	rule_is(ALL, EXPIRE("<Date>1970-01-02T00:00:00.000Z</Date>"), S3_OK, NULL);
	ck_assert(rules.rules[0].has_expire_date);
	ck_assert_int_eq(rules.rules[0].expire_date, INT64_C(86400000000));
	rule_is(ALL, EXPIRE("<Date>2027-01-01T02:00:00+02:00</Date>"), S3_OK, NULL);
	rule_is(ALL, EXPIRE("<Date>2027-01-01T00:00:01Z</Date>"), S3_INVALID_ARGUMENT, "midnight");
	rule_is(ALL, EXPIRE("<Date>2027-01-01T00:00:00+02:00</Date>"), S3_INVALID_ARGUMENT,
	        "midnight");
	rule_is(ALL, EXPIRE("<Date>soon</Date>"), S3_MALFORMED_XML, "<Date>");
	rule_is(ALL, EXPIRE("<Date/>"), S3_MALFORMED_XML, "<Date>");
}
END_TEST

START_TEST(refuses_documents)
{
	parse(STR("<"), S3_MALFORMED_XML, NULL);
	parse(STR("<Rule/>"), S3_MALFORMED_XML, "<LifecycleConfiguration>");
	rules_are("", S3_MALFORMED_XML, "<Rule>");
	rules_are("<Rules/>", S3_MALFORMED_XML, "<Rules>");
	rules_are("<Rule>" ALL EXPIRE(DAYS("1")) "</Rule>", S3_MALFORMED_XML, "<Status>");
	rules_are("<Rule><Status>enabled</Status>" ALL EXPIRE(DAYS("1")) "</Rule>",
	          S3_MALFORMED_XML, "<Status>");
	rule_is(ALL, "<Transition/>", S3_NOT_IMPLEMENTED, "<Transition>");
	rule_is(ALL, "<NoncurrentVersionTransition/>", S3_NOT_IMPLEMENTED,
	        "<NoncurrentVersionTransition>");
	rule_is(ALL, EXPIRE(DAYS("1")) "<Other/>", S3_MALFORMED_XML, "<Other>");
}
END_TEST

START_TEST(refuses_filters)
{
	/* None of these may be read as "everything". */
	rule_is("", EXPIRE(DAYS("1")), S3_MALFORMED_XML, "<Filter>");
	rule_is("<Filter>logs/</Filter>", EXPIRE(DAYS("1")), S3_MALFORMED_XML, "<Filter>");
	rule_is(FILTER("<Other/>"), EXPIRE(DAYS("1")), S3_MALFORMED_XML, "<Other>");
	rule_is(FILTER(PREFIX("<a/>")), EXPIRE(DAYS("1")), S3_MALFORMED_XML, "<Prefix>");
	rule_is(FILTER("<And></And>"), EXPIRE(DAYS("1")), S3_MALFORMED_XML, "<And>");

	rule_is(PREFIX("") ALL, EXPIRE(DAYS("1")), S3_MALFORMED_XML, "<Filter>");
	rule_is(FILTER(PREFIX("a") TAG("b")), EXPIRE(DAYS("1")), S3_MALFORMED_XML, "<And>");
	rule_is(FILTER(TAG("a") TAG("b")), EXPIRE(DAYS("1")), S3_MALFORMED_XML, "<Tag>");
	rule_is(AND(PREFIX("a") PREFIX("b")), EXPIRE(DAYS("1")), S3_MALFORMED_XML, "<Prefix>");
	rule_is(AND(TAG("a") TAG("a")), EXPIRE(DAYS("1")), S3_INVALID_REQUEST, "Duplicate");
	rule_is(FILTER(TAG("!")), EXPIRE(DAYS("1")), S3_INVALID_TAG, "TagKey");
	rule_is(AND(LARGER("5") SMALL("5")), EXPIRE(DAYS("1")), S3_INVALID_REQUEST,
	        "ObjectSizeLessThan");
	rule_is(FILTER(SMALL("0")), EXPIRE(DAYS("1")), S3_INVALID_ARGUMENT, "ObjectSizeLessThan");
	rule_is(FILTER(LARGER("18446744073709551615")), EXPIRE(DAYS("1")), S3_INVALID_ARGUMENT,
	        "ObjectSizeGreaterThan");
	rule_is(FILTER(LARGER("x")), EXPIRE(DAYS("1")), S3_MALFORMED_XML, "ObjectSizeGreaterThan");
	rules_are(
		repeat("<Rule>" ENABLED EXPIRE(DAYS("1")) "<Prefix>", "p", 1025, "</Prefix></Rule>")
			.p,
		S3_INVALID_ARGUMENT, "1024");
	rules_are(repeat("<Rule>" ENABLED EXPIRE(DAYS("1")) "<Filter><And>", TAG("t"), 11,
	                 "</And></Filter></Rule>")
	                  .p,
	          S3_INVALID_REQUEST, "10 tags");
}
END_TEST

START_TEST(refuses_actions)
{
	rule_is(ALL, "", S3_INVALID_REQUEST, "one action");
	rule_is(ALL, EXPIRE(""), S3_MALFORMED_XML, "<Expiration>");
	rule_is(ALL, MARKER("false"), S3_MALFORMED_XML, "<Expiration>");
	rule_is(ALL, EXPIRE(DAYS("0")), S3_INVALID_ARGUMENT, "<Days>");
	rule_is(ALL, EXPIRE(DAYS("-1")), S3_INVALID_ARGUMENT, "<Days>");
	rule_is(ALL, EXPIRE(DAYS("2147483648")), S3_INVALID_ARGUMENT, "<Days>");
	rule_is(ALL, EXPIRE(DAYS("99999999999999999999")), S3_INVALID_ARGUMENT, "<Days>");
	rule_is(ALL, EXPIRE(DAYS("1.5")), S3_MALFORMED_XML, "<Days>");
	rule_is(ALL, EXPIRE(DAYS("")), S3_MALFORMED_XML, "<Days>");
	rule_is(ALL, EXPIRE(DAYS("-")), S3_MALFORMED_XML, "<Days>");
	rule_is(ALL, EXPIRE(DAYS("1") "<Date>2027-01-01T00:00:00Z</Date>"), S3_MALFORMED_XML,
	        "<Expiration>");
	rule_is(ALL,
	        EXPIRE(DAYS("1") "<ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>"),
	        S3_MALFORMED_XML, "<Expiration>");
	rule_is(ALL, OLD(KEEP("1")), S3_MALFORMED_XML, "<NoncurrentDays>");
	rule_is(ALL, OLD(OLDDAYS KEEP("0")), S3_INVALID_ARGUMENT, "NewerNoncurrentVersions");
	rule_is(ALL, OLD(OLDDAYS KEEP("101")), S3_INVALID_ARGUMENT, "NewerNoncurrentVersions");
	rule_is(PREFIX("a"), OLD(OLDDAYS KEEP("1")), S3_INVALID_REQUEST, "Filter");
	rule_is(ALL, ABORT("0"), S3_INVALID_ARGUMENT, "<DaysAfterInitiation>");
	rule_is(ALL, "<AbortIncompleteMultipartUpload/>", S3_MALFORMED_XML,
	        "<DaysAfterInitiation>");
	rule_is(FILTER(TAG("a")), ABORT("1"), S3_INVALID_REQUEST, "Abort");
	rule_is(FILTER(LARGER("1")), ABORT("1") EXPIRE(DAYS("1")), S3_INVALID_REQUEST, "Abort");
	rule_is(FILTER(TAG("a")), MARKER("true"), S3_INVALID_REQUEST, "ExpiredObjectDeleteMarker");
	rule_is(AND(PREFIX("a") SMALL("9")), MARKER("true"), S3_INVALID_REQUEST,
	        "ExpiredObjectDeleteMarker");
}
END_TEST

START_TEST(ids)
{
	const char *same = "<Rule><ID>a</ID>" ALL ENABLED EXPIRE(DAYS("1")) "</Rule>";
	rules_are(repeat("", same, 2, "").p, S3_INVALID_ARGUMENT, "unique");
	rules_are(repeat("<Rule><ID>", "\xc3\xbc", 255,
	                 "</ID>" ALL ENABLED EXPIRE(DAYS("1")) "</Rule>")
	                  .p,
	          S3_OK, NULL);
	rules_are(repeat("<Rule><ID>", "\xc3\xbc", 256,
	                 "</ID>" ALL ENABLED EXPIRE(DAYS("1")) "</Rule>")
	                  .p,
	          S3_INVALID_ARGUMENT, "255");
}
END_TEST

START_TEST(number)
{
	const char *rule = "<Rule>" ALL ENABLED EXPIRE(DAYS("1")) "</Rule>";
	rules_are(repeat("", rule, 1000, "").p, S3_OK, NULL);
	ck_assert_uint_eq(rules.n, 1000);
	rules_are(repeat("", rule, 1001, "").p, S3_MALFORMED_XML, "1000");
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, reads);
	tcase_add_test(t, gives_back);
	tcase_add_test(t, dates);
	tcase_add_test(t, refuses_documents);
	tcase_add_test(t, refuses_filters);
	tcase_add_test(t, refuses_actions);
	tcase_add_test(t, ids);
	tcase_add_test(t, number);
	return run_tests("s3proto_lifecycle", t);
}
