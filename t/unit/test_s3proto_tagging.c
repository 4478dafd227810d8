/* SPDX-License-Identifier: MIT
 *
 * Tag sets as documents and as a header field.
 */
#include "s3proto/tagging.h"
#include "t/unit/document_fixture.h"
#include "t/unit/run.h"

static struct tagging tags;

static void xml_is(enum tagging_owner owner, const char *set, enum s3_error expected,
                   const char *text)
{
	const char *doc = arena_printf(arena, "<Tagging><TagSet>%s</TagSet></Tagging>", set);
	assert_outcome(doc, tagging_parse_xml(str_of(doc), owner, arena, &tags, &why), expected,
	               text);
}

static void header_is(const char *value, enum s3_error expected, const char *text)
{
	assert_outcome(value, tagging_parse_header(str_of(value), arena, &tags, &why), expected,
	               text);
}

static void assert_tag(size_t i, const char *name, const char *value)
{
	assert_text(tags.tags[i].name, name);
	assert_text(tags.tags[i].value, value);
}

#define TAG(k, v) "<Tag><Key>" k "</Key><Value>" v "</Value></Tag>"

START_TEST(reads_xml)
{
	xml_is(TAGGING_OBJECT, TAG("b", "1") "\n" TAG("a", "") TAG("A", "x y+-=._:/@"), S3_OK,
	       NULL);
	ck_assert_uint_eq(tags.n, 3);
	assert_tag(0, "b", "1");
	assert_tag(1, "a", "");
	assert_tag(2, "A", "x y+-=._:/@");
	xml_is(TAGGING_OBJECT, "", S3_OK, NULL);
	ck_assert_uint_eq(tags.n, 0);
}
END_TEST

START_TEST(refuses_xml)
{
	static const char *const malformed[] = {"",
	                                        "<Tagging>",
	                                        "<Tags/>",
	                                        "<Tagging/>",
	                                        "<Tagging><TagSet/><TagSet/></Tagging>",
	                                        "<Tagging><TagSet><Key/></TagSet></Tagging>"};
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		assert_outcome(
			malformed[i],
			tagging_parse_xml(str_of(malformed[i]), TAGGING_BUCKET, arena, &tags, &why),
			S3_MALFORMED_XML, NULL);
	xml_is(TAGGING_OBJECT, "<Tag><Key>a</Key></Tag>", S3_MALFORMED_XML, "<Value>");
	xml_is(TAGGING_OBJECT, "<Tag><Value>a</Value></Tag>", S3_MALFORMED_XML, "<Key>");
	xml_is(TAGGING_OBJECT, TAG("a", "<b/>"), S3_MALFORMED_XML, "<b>");
}
END_TEST

START_TEST(reads_header)
{
	header_is("b=1&a&c=x+y%2B%3D&d=%C3%BC", S3_OK, NULL);
	ck_assert_uint_eq(tags.n, 4);
	assert_tag(0, "b", "1");
	assert_tag(1, "a", "");
	assert_tag(2, "c", "x y+=");
	assert_tag(3, "d", "\xc3\xbc");
	header_is("", S3_OK, NULL);
	ck_assert_uint_eq(tags.n, 0);
	header_is("a=%", S3_INVALID_ARGUMENT, "x-amz-tagging");
	header_is("a=%ff", S3_INVALID_TAG, "TagValue");
	header_is("a=%00", S3_INVALID_TAG, "TagValue");
	header_is("=1", S3_INVALID_TAG, "TagKey");
	header_is("a=1&a=2", S3_INVALID_TAG, "same key");
	header_is("a&b&c&d&e&f&g&h&i&j", S3_OK, NULL);
	header_is("a&b&c&d&e&f&g&h&i&j&k", S3_BAD_REQUEST, "Object tags cannot be greater than 10");
}
END_TEST

static void numbered(struct buf *b, int n)
{
	b->n = 0;
	for (int i = 0; i < n; i++)
		buf_printf(b, TAG("k%d", "v"), i);
	buf_add_char(b, '\0');
}

START_TEST(numbers)
{
	BUF_AUTO b = {0};
	numbered(&b, 10);
	xml_is(TAGGING_OBJECT, b.p, S3_OK, NULL);
	numbered(&b, 11);
	xml_is(TAGGING_OBJECT, b.p, S3_BAD_REQUEST, "Object tags cannot be greater than 10");
	numbered(&b, 50);
	xml_is(TAGGING_BUCKET, b.p, S3_OK, NULL);
	ck_assert_uint_eq(tags.n, 50);
	numbered(&b, 51);
	xml_is(TAGGING_BUCKET, b.p, S3_BAD_REQUEST, "Bucket tags cannot be greater than 50");
}
END_TEST

static void length_is(const char *character, size_t key, size_t value, enum s3_error expected)
{
	struct str k = repeat("", character, key, ""), v = repeat("", character, value, "");
	xml_is(TAGGING_OBJECT, arena_printf(arena, TAG("%s", "%s"), k.p, v.p), expected, NULL);
}

START_TEST(lengths)
{
	static const char *const characters[] = {"a", "\xc3\xbc", "\xe4\xb8\xad",
	                                         "\xf0\xa0\x80\x80"};
	for (size_t i = 0; i < sizeof(characters) / sizeof(characters[0]); i++) {
		length_is(characters[i], 1, 0, S3_OK);
		length_is(characters[i], 128, 256, S3_OK);
		length_is(characters[i], 129, 0, S3_INVALID_TAG);
		length_is(characters[i], 1, 257, S3_INVALID_TAG);
		length_is(characters[i], 0, 1, S3_INVALID_TAG);
	}
}
END_TEST

START_TEST(characters)
{
	/* German, Greek, Cyrillic, Hebrew, Arabic digits, Hindi, Thai, Chinese, Japanese,
	 * Korean, mathematical letters, a no-break space, superscript and circled digits */
	static const char *const good[] = {"ß",  "Ω", "Ж",      "א", "٣", "ह", "ไ", "中",     "あ",
	                                   "한", "𝐀", "\u00a0", "²", "①", "é", "ª", "\u3000", "々"};
	/* ASCII, Latin-1, punctuation, currency, arrows, emoji, private use */
	static const char *const bad[] = {
		"!", "#", "$",  "%",  "*",  ",", ";", "?",  "(",      "[",      "\\",     "^",
		"`", "{", "|",  "~",  "\"", "'", "§", "©",  "×",      "÷",      "–",      "…",
		"€", "→", "\t", "\n", "■",  "☃", "😀", "、", "\u200b", "\u2028", "\ue000", "\x7f"};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct str_pair *pair = ARENA_NEW(arena, struct str_pair);
		*pair = (struct str_pair){str_of(good[i]), str_of(good[i])};
		BUF_AUTO b = {0};
		tagging_write_tag(&b, pair);
		buf_add_char(&b, '\0');
		xml_is(TAGGING_OBJECT, b.p, S3_OK, NULL);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		BUF_AUTO b = {0};
		buf_add_cstr(&b, "<Tag><Key>a</Key>");
		xml_text(&b, "Value", str_of(bad[i]));
		buf_add_cstr(&b, "</Tag>");
		buf_add_char(&b, '\0');
		xml_is(TAGGING_OBJECT, b.p, S3_INVALID_TAG, "TagValue");
	}
}
END_TEST

START_TEST(names)
{
	xml_is(TAGGING_BUCKET, TAG("aws:x", "1"), S3_INVALID_TAG, "aws:");
	xml_is(TAGGING_BUCKET, TAG("aws", "aws:1"), S3_OK, NULL);
	xml_is(TAGGING_BUCKET, TAG("a", "1") TAG("b", "1") TAG("a", "2"), S3_INVALID_TAG,
	       "same key");
	xml_is(TAGGING_BUCKET, TAG("", "1"), S3_INVALID_TAG, "TagKey");
}
END_TEST

START_TEST(writes)
{
	BUF_AUTO b = {0};
	struct str_pair two[] = {{STR("a"), STR("x y")}, {STR("b"), STR_NULL}};
	struct tagging set = {.n = 2, .tags = two};
	tagging_write(&b, &set);
	assert_text(buf_str(&b), "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	                         "<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
	                         "<TagSet><Tag><Key>a</Key><Value>x y</Value></Tag>"
	                         "<Tag><Key>b</Key><Value></Value></Tag></TagSet></Tagging>");
	ck_assert_int_eq(tagging_parse_xml(buf_str(&b), TAGGING_OBJECT, arena, &tags, &why), S3_OK);
	assert_tag(0, "a", "x y");
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, reads_xml);
	tcase_add_test(t, refuses_xml);
	tcase_add_test(t, reads_header);
	tcase_add_test(t, numbers);
	tcase_add_test(t, lengths);
	tcase_add_test(t, characters);
	tcase_add_test(t, names);
	tcase_add_test(t, writes);
	return run_tests("s3proto_tagging", t);
}
