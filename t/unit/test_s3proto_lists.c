/* SPDX-License-Identifier: MIT
 *
 * The documents of DeleteObjects and CompleteMultipartUpload.
 */
#include "s3proto/complete_list.h"
#include "s3proto/delete_list.h"
#include "t/unit/document_fixture.h"
#include "t/unit/run.h"

/* --- DeleteObjects --- */

static struct delete_list deletes;

static void delete_is(const char *doc, enum s3_error expected, const char *text)
{
	assert_outcome(doc, delete_list_parse(str_of(doc), arena, &deletes, &why), expected, text);
}

START_TEST(delete_reads)
{
	delete_is("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>"
	          "<Object><Key> a&amp;b</Key></Object>\n"
	          "<Object><VersionId>v</VersionId><Key>c</Key><ETag>\"abc\"</ETag></Object>"
	          "<Object><Key/><ETag>*</ETag></Object></Delete>",
	          S3_OK, NULL);
	ck_assert(deletes.quiet);
	ck_assert_uint_eq(deletes.n, 3);
	assert_text(deletes.items[0].key, " a&b");
	assert_text(deletes.items[0].version, "");
	assert_text(deletes.items[0].etag, "");
	assert_text(deletes.items[1].key, "c");
	assert_text(deletes.items[1].version, "v");
	assert_text(deletes.items[1].etag, "abc");
	assert_text(deletes.items[2].key, "");
	assert_text(deletes.items[2].etag, "*");

	delete_is("<Delete><Object><Key>a</Key></Object><Quiet>false</Quiet></Delete>", S3_OK,
	          NULL);
	ck_assert(!deletes.quiet);
	delete_is("<Delete><Object><Key>a</Key></Object></Delete>", S3_OK, NULL);
	ck_assert(!deletes.quiet);
}
END_TEST

START_TEST(delete_refuses)
{
	delete_is("", S3_MALFORMED_XML, NULL);
	ck_assert_ptr_null(why); /* the default text */
	delete_is("<Delete><Object>", S3_MALFORMED_XML, NULL);
	delete_is("<Remove/>", S3_MALFORMED_XML, "<Delete>");
	delete_is("<Delete/>", S3_MALFORMED_XML, "No objects specified for deletion");
	delete_is("<Delete>key</Delete>", S3_MALFORMED_XML, "<Delete>");
	delete_is("<Delete><Object/></Delete>", S3_MALFORMED_XML, "<Key>");
	delete_is("<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>", S3_MALFORMED_XML,
	          "<Key>");
	delete_is("<Delete><Object><Key>a</Key><Age/></Object></Delete>", S3_MALFORMED_XML,
	          "<Age>");
	delete_is("<Delete><Object><Key>a</Key></Object><Quiet>yes</Quiet></Delete>",
	          S3_MALFORMED_XML, "<Quiet>");
	/* Read as empty, it would delete another version. */
	delete_is("<Delete><Object><Key>a</Key><VersionId><b/></VersionId></Object></Delete>",
	          S3_MALFORMED_XML, "<VersionId>");
}
END_TEST

START_TEST(delete_conditions)
{
	static const char *const impossible[] = {"", "\"\"", "W/\"a\"", "\"*\"", "  "};
	for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++)
		delete_is(arena_printf(arena,
		                       "<Delete><Object><Key>a</Key><ETag>%s</ETag></Object>"
		                       "</Delete>",
		                       impossible[i]),
		          S3_INVALID_ARGUMENT, "ETag");
	delete_is("<Delete><Object><Key>a</Key><Size>1</Size></Object></Delete>",
	          S3_NOT_IMPLEMENTED, "<Size>");
	delete_is("<Delete><Object><Key>a</Key><LastModifiedTime/></Object></Delete>",
	          S3_NOT_IMPLEMENTED, "<LastModifiedTime>");
}
END_TEST

START_TEST(delete_number)
{
	const char *object = "<Object><Key>a</Key></Object>";
	delete_is(repeat("<Delete>", object, 1000, "</Delete>").p, S3_OK, NULL);
	ck_assert_uint_eq(deletes.n, 1000);
	delete_is(repeat("<Delete>", object, 1001, "</Delete>").p, S3_MALFORMED_XML,
	          "DeleteObjects request may contain a maximum of 1000 objects");
}
END_TEST

/* --- CompleteMultipartUpload --- */

static struct complete_list parts;

static void complete_is(const char *children, enum s3_error expected, const char *text)
{
	const char *doc = arena_printf(
		arena, "<CompleteMultipartUpload>%s</CompleteMultipartUpload>", children);
	assert_outcome(doc, complete_list_parse(str_of(doc), arena, &parts, &why), expected, text);
}

START_TEST(complete_reads)
{
	complete_is("<Part><PartNumber>1</PartNumber><ETag>&quot;abc&quot;</ETag></Part>"
	            "<Part><ChecksumSHA256>x=</ChecksumSHA256><PartNumber> 10000 </PartNumber>"
	            "<ChecksumCRC32>y=</ChecksumCRC32></Part>",
	            S3_OK, NULL);
	ck_assert_uint_eq(parts.n, 2);
	ck_assert_uint_eq(parts.parts[0].number, 1);
	assert_text(parts.parts[0].etag, "abc");
	for (int k = 0; k < CHECKSUM_KINDS; k++)
		assert_text(parts.parts[0].checksum[k], "");
	ck_assert_uint_eq(parts.parts[1].number, 10000);
	assert_text(parts.parts[1].etag, "");
	assert_text(parts.parts[1].checksum[CHECKSUM_SHA256], "x=");
	assert_text(parts.parts[1].checksum[CHECKSUM_CRC32], "y=");
	assert_text(parts.parts[1].checksum[CHECKSUM_CRC32C], "");
}
END_TEST

#define PART(n) "<Part><PartNumber>" n "</PartNumber></Part>"

START_TEST(complete_refuses)
{
	complete_is("<", S3_MALFORMED_XML, NULL);
	complete_is("", S3_MALFORMED_XML, "at least one part");
	complete_is("<Part/>", S3_MALFORMED_XML, "<PartNumber>");
	complete_is("<Part>1</Part>", S3_MALFORMED_XML, "<PartNumber>");
	complete_is(PART("1") "<Piece/>", S3_MALFORMED_XML, "<Piece>");
	complete_is(PART("1</PartNumber><PartNumber>2"), S3_MALFORMED_XML, "<PartNumber>");
	complete_is(PART("1</PartNumber><Size>2</Size><PartNumber>"), S3_MALFORMED_XML, NULL);
	complete_is("<Part><PartNumber>1</PartNumber><Size>2</Size></Part>", S3_MALFORMED_XML,
	            "<Size>");
	complete_is("<Part><PartNumber>1</PartNumber><ChecksumMD5>2</ChecksumMD5></Part>",
	            S3_NOT_IMPLEMENTED, "<ChecksumMD5>");
	complete_is("<Part><PartNumber>1</PartNumber><ETag><a/></ETag></Part>", S3_MALFORMED_XML,
	            "<ETag>");
}
END_TEST

START_TEST(complete_numbers)
{
	static const char *const bad[] = {PART("0"),
	                                  PART("10001"),
	                                  PART("-1"),
	                                  PART("x"),
	                                  PART(""),
	                                  PART("1.5"),
	                                  PART("99999999999999999999")};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		complete_is(bad[i], S3_INVALID_ARGUMENT, "PartNumber");
	complete_is(PART("2") PART("9") PART("10"), S3_OK, NULL);
	complete_is(PART("2") PART("1"), S3_INVALID_PART_ORDER, NULL);
	complete_is(PART("2") PART("2"), S3_INVALID_PART_ORDER, NULL);
}
END_TEST

START_TEST(complete_ten_thousand)
{
	BUF_AUTO b = {0};
	for (int i = 1; i <= COMPLETE_LIST_MAX; i++)
		buf_printf(&b, PART("%d"), i);
	buf_add_char(&b, '\0');
	complete_is(b.p, S3_OK, NULL);
	ck_assert_uint_eq(parts.n, COMPLETE_LIST_MAX);
	complete_is(repeat("", PART("1"), COMPLETE_LIST_MAX + 1, "").p, S3_MALFORMED_XML, "10000");
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, delete_reads);
	tcase_add_test(t, delete_refuses);
	tcase_add_test(t, delete_conditions);
	tcase_add_test(t, delete_number);
	tcase_add_test(t, complete_reads);
	tcase_add_test(t, complete_refuses);
	tcase_add_test(t, complete_numbers);
	tcase_add_test(t, complete_ten_thousand);
	return run_tests("s3proto_lists", t);
}
