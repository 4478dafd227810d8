/* SPDX-License-Identifier: MIT
 *
 * XML: what is written, what is read, what is refused; and the error body.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "s3proto/s3err.h"
#include "s3proto/xml.h"
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

static void assert_buf(const struct buf *b, const char *expected)
{
	ck_assert_msg(str_eq(buf_str(b), str_of(expected)), "got: %.*s", STR_FMT(buf_str(b)));
}

static void assert_escaped(struct str in, const char *expected)
{
	BUF_AUTO b = {0};
	xml_escape(&b, in);
	assert_buf(&b, expected);
}

START_TEST(writes)
{
	BUF_AUTO b = {0};
	xml_begin(&b, "R");
	xml_open(&b, "A");
	xml_text(&b, "Key", STR("a&b"));
	xml_uint(&b, "N", UINT64_MAX);
	xml_bool(&b, "T", true);
	xml_bool(&b, "F", false);
	xml_text(&b, "E", STR_NULL);
	xml_close(&b, "A");
	xml_close(&b, "R");
	assert_buf(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	               "<R xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><A><Key>a&amp;b</Key>"
	               "<N>18446744073709551615</N><T>true</T><F>false</F><E></E></A></R>");
}
END_TEST

START_TEST(escapes)
{
	assert_escaped(STR("plain"), "plain");
	assert_escaped(STR_NULL, "");
	assert_escaped(STR("<&>\"'"), "&lt;&amp;&gt;&quot;&apos;");
	assert_escaped(STR("a\tb\nc\rd"), "a&#x9;b&#xA;c&#xD;d");
	assert_escaped(STR("a\x01z\0y\x1f"), "a\xef\xbf\xbdz\xef\xbf\xbdy\xef\xbf\xbd");
	assert_escaped(STR("\x7f"), "\x7f");
	assert_escaped(STR("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"),
	               "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
	/* U+FFFE, U+FFFF; U+FFFD is itself */
	assert_escaped(STR("\xef\xbf\xbe|\xef\xbf\xbf|\xef\xbf\xbd"),
	               "\xef\xbf\xbd|\xef\xbf\xbd|\xef\xbf\xbd");
	/* not UTF-8: a lone continuation byte, a cut character, a surrogate, overlong */
	assert_escaped(STR("\x80|\xc3"), "\xef\xbf\xbd|\xef\xbf\xbd");
	assert_escaped(STR("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	assert_escaped(STR("\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd");
	assert_escaped(STR("\xff\xc3\xbc"), "\xef\xbf\xbd\xc3\xbc");
}
END_TEST

static const struct xml_node *parse(const char *doc)
{
	struct xml_node *root = NULL;
	struct error e;
	ck_assert_msg(xml_parse(str_of(doc), arena, &root, &e) == ERR_OK, "%s", doc);
	return root;
}

static void refuse(const char *doc, enum err code)
{
	struct xml_node *root = NULL;
	struct error e;
	ck_assert_msg(xml_parse(str_of(doc), arena, &root, &e) == code, "%s", doc);
}

START_TEST(reads)
{
	const struct xml_node *root =
		parse("<?xml version=\"1.0\"?>\n<Delete "
	              "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n"
	              " <Quiet>true</Quiet>\n <Object><Key> a&amp;b&#x20;</Key></Object>\n"
	              " <Object><Key>c</Key><VersionId>null</VersionId></Object>\n <!-- end -->\n"
	              "</Delete>");
	ck_assert(str_eq(root->name, STR("Delete")));
	ck_assert_uint_eq(root->text.n, 0);
	ck_assert(str_eq(xml_child_text(root, "Quiet"), STR("true")));
	const struct xml_node *o = xml_child(root, "Object");
	ck_assert(str_eq(xml_child_text(o, "Key"), STR(" a&b ")));
	ck_assert_ptr_null(xml_child(o, "VersionId"));
	o = xml_next(o);
	ck_assert(str_eq(xml_child_text(o, "Key"), STR("c")));
	ck_assert(str_eq(xml_child_text(o, "VersionId"), STR("null")));
	ck_assert_ptr_null(xml_next(o));
	ck_assert_ptr_null(xml_child(NULL, "Key"));
	ck_assert_uint_eq(xml_child_text(root, "Nothing").n, 0);
}
END_TEST

START_TEST(reads_variants)
{
	ck_assert(str_eq(parse("<a/>")->name, STR("a")));
	ck_assert(str_eq(parse("<a><![CDATA[<x>]]>y</a>")->text, STR("<x>y")));
	ck_assert(str_eq(parse("<s:a xmlns:s='http://x/y'><s:b>1</s:b></s:a>")->child->name,
	                 STR("b")));
	ck_assert(str_eq(parse("<a>&lt;&gt;&quot;&apos;&amp;</a>")->text, STR("<>\"'&")));
	ck_assert(str_eq(parse("\xef\xbb\xbf<a>\xc3\xbc</a>")->text, STR("\xc3\xbc")));
}
END_TEST

START_TEST(refuses)
{
	refuse("", ERR_INVALID);
	refuse("   ", ERR_INVALID);
	refuse("text", ERR_INVALID);
	refuse("<a>", ERR_INVALID);
	refuse("<a></b>", ERR_INVALID);
	refuse("<a/><b/>", ERR_INVALID);
	refuse("<a>&nbsp;</a>", ERR_INVALID);
	refuse("<a>\xff</a>", ERR_INVALID);
	refuse("<!DOCTYPE a><a/>", ERR_INVALID);
	refuse("<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", ERR_INVALID);
	refuse("<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>", ERR_INVALID);
	refuse("<x:a/>", ERR_INVALID); /* undeclared prefix */
}
END_TEST

static void nested(struct buf *b, int depth)
{
	for (int i = 0; i < depth; i++)
		buf_add_cstr(b, "<a>");
	for (int i = 0; i < depth; i++)
		buf_add_cstr(b, "</a>");
	buf_add_char(b, '\0');
}

START_TEST(bounded)
{
	BUF_AUTO deep = {0};
	nested(&deep, XML_DEPTH_MAX);
	parse(deep.p);
	deep.n = 0;
	nested(&deep, XML_DEPTH_MAX + 1);
	refuse(deep.p, ERR_INVALID);

	BUF_AUTO wide = {0};
	buf_add_cstr(&wide, "<a>");
	for (int i = 0; i < XML_NODES_MAX; i++)
		buf_add_cstr(&wide, "<b/>");
	buf_add(&wide, "</a>", 5);
	refuse(wide.p, ERR_TOO_LARGE);
}
END_TEST

START_TEST(error_body)
{
	BUF_AUTO b = {0};
	s3_error_body(&b, S3_NO_SUCH_KEY, STR_NULL, STR("/b/<k>"), STR("0a1b"), STR("h"));
	assert_buf(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\n"
	               "  <Code>NoSuchKey</Code>\n  <Message>object not found</Message>\n"
	               "  <Resource>/b/&lt;k&gt;</Resource>\n  <RequestId>0a1b</RequestId>\n"
	               "  <HostId>h</HostId>\n</Error>");
	b.n = 0;
	s3_error_body(&b, S3_INVALID_ARGUMENT, STR("it's"), STR_NULL, STR_NULL, STR_NULL);
	assert_buf(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\n"
	               "  <Code>InvalidArgument</Code>\n  <Message>it&apos;s</Message>\n</Error>");
}
END_TEST

START_TEST(error_table)
{
	for (int e = S3_OK + 1; e <= S3_INSUFFICIENT_STORAGE; e++) {
		int status = s3_error_status((enum s3_error)e);
		ck_assert_int_ge(status, 400);
		ck_assert_int_le(status, 507);
		ck_assert_uint_gt(strlen(s3_error_code((enum s3_error)e)), 0);
		ck_assert_uint_gt(strlen(s3_error_message((enum s3_error)e)), 0);
	}
	ck_assert_str_eq(s3_error_code(S3_RATE_LIMITED), "SlowDown");
	ck_assert_int_eq(s3_error_status(S3_RATE_LIMITED), 429);
	ck_assert_int_eq(s3_error_status(S3_SLOW_DOWN), 503);
	ck_assert_int_eq(s3_error_status(S3_INVALID_RANGE), 416);
	ck_assert_str_eq(s3_error_message(S3_ACCESS_DENIED), "Access denied");
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, writes);
	tcase_add_test(t, escapes);
	tcase_add_test(t, reads);
	tcase_add_test(t, reads_variants);
	tcase_add_test(t, refuses);
	tcase_add_test(t, bounded);
	tcase_add_test(t, error_body);
	tcase_add_test(t, error_table);
	return run_tests("s3proto_xml", t);
}
