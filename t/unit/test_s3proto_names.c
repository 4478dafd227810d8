/* SPDX-License-Identifier: MIT
 *
 * Request paths, copy sources, user metadata and representation fields.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "s3proto/metadata.h"
#include "s3proto/path.h"
#include "s3proto_request.h"
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

START_TEST(paths)
{
	static const struct {
		const char *raw;
		enum path_result result;
		const char *bucket, *key;
	} cases[] = {
		{"/", PATH_ROOT, "", ""},
		{"/b", PATH_OK, "b", ""},
		{"/b/", PATH_OK, "b", ""},
		{"/b/k", PATH_OK, "b", "k"},
		{"/b/k/l/", PATH_OK, "b", "k/l/"},
		{"/b//k", PATH_OK, "b", "/k"},
		{"/b//", PATH_OK, "b", "/"},
		{"/b/./../k", PATH_OK, "b", "./../k"},
		{"/b/a%2Fb", PATH_OK, "b", "a/b"},
		{"/b%2Fk", PATH_OK, "b", "k"},
		{"/b/%252F", PATH_OK, "b", "%2F"}, /* decoded once */
		{"/b/a+b", PATH_OK, "b", "a+b"},
		{"/b/%C3%BC", PATH_OK, "b", "\xc3\xbc"},
		{"//k", PATH_NO_BUCKET, "", ""},
		{"//", PATH_NO_BUCKET, "", ""},
		{"/%2Fk", PATH_NO_BUCKET, "", ""},
		{"/b/%", PATH_BAD_ESCAPE, "", ""},
		{"/b/%g0", PATH_BAD_ESCAPE, "", ""},
		{"/b/%4", PATH_BAD_ESCAPE, "", ""},
		{"/b/%ff", PATH_BAD_TEXT, "", ""},
		{"/%ff/k", PATH_BAD_TEXT, "", ""},
		{"/b/%ed%a0%80", PATH_BAD_TEXT, "", ""},
		{"/b/a%00b", PATH_BAD_TEXT, "", ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct path p;
		ck_assert_msg(path_split(arena, str_of(cases[i].raw), &p) == cases[i].result, "%s",
		              cases[i].raw);
		if (cases[i].result != PATH_OK)
			continue;
		ck_assert_msg(str_eq(p.bucket, str_of(cases[i].bucket)), "%s", cases[i].raw);
		ck_assert_msg(str_eq(p.key, str_of(cases[i].key)), "%s", cases[i].raw);
	}
}
END_TEST

START_TEST(key_length)
{
	BUF_AUTO b = {0};
	struct path p;
	buf_add_cstr(&b, "/b/%41");
	for (int i = 1; i < PATH_KEY_MAX; i++)
		buf_add_char(&b, 'k');
	ck_assert_int_eq(path_split(arena, buf_str(&b), &p), PATH_OK);
	ck_assert_uint_eq(p.key.n, PATH_KEY_MAX);
	buf_add_char(&b, 'k');
	ck_assert_int_eq(path_split(arena, buf_str(&b), &p), PATH_KEY_TOO_LONG);
}
END_TEST

START_TEST(keys_of_host_buckets)
{
	static const struct {
		const char *raw;
		enum path_result result;
		const char *key;
	} cases[] = {
		{"/", PATH_OK, ""},
		{"/k", PATH_OK, "k"},
		{"/k/l/", PATH_OK, "k/l/"},
		{"//k", PATH_OK, "/k"},
		{"/a//b/../%2Fc", PATH_OK, "a//b/..//c"},
		{"/%", PATH_BAD_ESCAPE, ""},
		{"/%ff", PATH_BAD_TEXT, ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str key;
		ck_assert_msg(path_key(arena, str_of(cases[i].raw), &key) == cases[i].result, "%s",
		              cases[i].raw);
		ck_assert(cases[i].result != PATH_OK || str_eq(key, str_of(cases[i].key)));
	}
}
END_TEST

START_TEST(buckets_of_hosts)
{
	static const struct {
		const char *host, *domains, *bucket;
	} cases[] = {
		{"photos.s3.example.com", "s3.example.com", "photos"},
		{"photos.s3.example.com:9000", "s3.example.com", "photos"},
		{"Photos.S3.Example.COM", "s3.example.com", "Photos"},
		{"my.photos.s3.example.com", "s3.example.com", "my.photos"},
		{"s3.example.com", "s3.example.com", ""},
		{"s3.example.com:9000", "s3.example.com", ""},
		{".s3.example.com", "s3.example.com", ""},
		{"photoss3.example.com", "s3.example.com", ""},
		{"photos.example.com", "s3.example.com", ""},
		{"photos.s3.example.com", "", ""},
		{"[::1]:9000", "s3.example.com", ""},
		{"", "s3.example.com", ""},
		{"photos.other.org", "s3.example.com, other.org", "photos"},
		/* The longest domain counts, whatever the order. */
		{"photos.s3.example.com", "example.com,s3.example.com", "photos"},
		{"photos.s3.example.com", "s3.example.com,example.com", "photos"},
		{"s3.example.com", "example.com,s3.example.com", ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(
			str_eq(path_host_bucket(str_of(cases[i].host), str_of(cases[i].domains)),
		               str_of(cases[i].bucket)),
			"%s of %s", cases[i].host, cases[i].domains);
}
END_TEST

START_TEST(copy_sources)
{
	static const struct {
		const char *value;
		enum path_result result;
		const char *bucket, *key, *version;
	} cases[] = {
		{"b/k", PATH_OK, "b", "k", ""},
		{"/b/k/l", PATH_OK, "b", "k/l", ""},
		{"b/k?versionId=null", PATH_OK, "b", "k", "null"},
		{"b/k?versionId=a%2Bb+c%252F", PATH_OK, "b", "k", "a+b+c%2F"},
		{"b/k?versionId=", PATH_BAD_VERSION, "", "", ""},
		{"b/k?versionId=%", PATH_BAD_ESCAPE, "", "", ""},
		{"b/k?versionId=%ff", PATH_BAD_TEXT, "", "", ""},
		{"b/%252F", PATH_OK, "b", "%2F", ""},
		{"%2Fb/k", PATH_OK, "b", "k", ""},
		{"b//k", PATH_OK, "b", "/k", ""},
		{"?versionId=1", PATH_NO_BUCKET, "", "", ""},
		{"b%2Fk%3FversionId=1", PATH_OK, "b", "k?versionId=1", ""},
		{"/b/k%20l+m%2Bn", PATH_OK, "b", "k l m+n", ""},
		{"b", PATH_NO_BUCKET, "", "", ""},
		{"b/", PATH_NO_BUCKET, "", "", ""},
		{"/", PATH_NO_BUCKET, "", "", ""},
		{"", PATH_NO_BUCKET, "", "", ""},
		{"//k", PATH_NO_BUCKET, "", "", ""},
		{"b/%zz", PATH_BAD_ESCAPE, "", "", ""},
		{"b/%ff", PATH_BAD_TEXT, "", "", ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct path p;
		ck_assert_msg(path_split_copy_source(arena, str_of(cases[i].value), &p) ==
		                      cases[i].result,
		              "%s", cases[i].value);
		if (cases[i].result != PATH_OK)
			continue;
		ck_assert(str_eq(p.bucket, str_of(cases[i].bucket)));
		ck_assert(str_eq(p.key, str_of(cases[i].key)));
		ck_assert(str_eq(p.version, str_of(cases[i].version)));
	}
}
END_TEST

static void make(struct request *r, const char *fields)
{
	BUF_AUTO text = {0};
	buf_printf(&text, "PUT /b/k HTTP/1.1\nHost: h\n%s", fields);
	buf_add_char(&text, '\0');
	request_make(r, text.p);
}

START_TEST(user_metadata)
{
	struct request r;
	struct metadata m;
	make(&r, "X-Amz-Meta-Color: Red\nx-amz-meta-: ignored\nx-amz-meta-color: blue\n"
	         "x-amz-metadata-directive: COPY\nx-amz-meta-empty:\n");
	ck_assert_int_eq(metadata_collect(&r.head, r.arena, &m), METADATA_OK);
	ck_assert_uint_eq(m.n, 2);
	ck_assert(str_eq(m.pairs[0].name, STR("color")));
	ck_assert(str_eq(m.pairs[0].value, STR("Red")));
	ck_assert(str_eq(m.pairs[1].name, STR("empty")));
	ck_assert_uint_eq(m.pairs[1].value.n, 0);
	ck_assert_uint_eq(m.size, 5 + 3 + 5);
	request_free(&r);
}
END_TEST

START_TEST(user_metadata_size)
{
	for (size_t more = 0; more < 2; more++) {
		struct request r;
		struct metadata m;
		BUF_AUTO b = {0};
		buf_add_cstr(&b, "x-amz-meta-a: ");
		for (size_t i = 0; i < METADATA_MAX - 3 + more; i++)
			buf_add_char(&b, 'x');
		buf_add_cstr(&b, "\nx-amz-meta-b: 1\n");
		buf_add_char(&b, '\0');
		make(&r, b.p);
		ck_assert_int_eq(metadata_collect(&r.head, r.arena, &m),
		                 more ? METADATA_TOO_LARGE : METADATA_OK);
		ck_assert_uint_eq(m.size, METADATA_MAX + more);
		request_free(&r);
	}
}
END_TEST

START_TEST(user_metadata_characters)
{
	static const char *const bad[] = {"x-amz-meta-a: gr\xc3\xbcn\n", "x-amz-meta-a: a\tb\n"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct request r;
		struct metadata m;
		make(&r, bad[i]);
		ck_assert_int_eq(metadata_collect(&r.head, r.arena, &m), METADATA_BAD_CHARACTER);
		request_free(&r);
	}
}
END_TEST

START_TEST(representation)
{
	struct request r;
	struct metadata_representation m;
	make(&r, "Content-Type: text/plain\nCache-Control: no-cache\nExpires: soon\n"
	         "Content-Disposition: attachment; filename=\"\xc3\xbc\"\nContent-Language: de\n"
	         "Content-Encoding: gzip, AWS-chunked , br\n");
	ck_assert_int_eq(metadata_collect_representation(&r.head, r.arena, &m), METADATA_OK);
	ck_assert(str_eq(m.content_type, STR("text/plain")));
	ck_assert(str_eq(m.cache_control, STR("no-cache")));
	ck_assert(str_eq(m.expires, STR("soon")));
	ck_assert(str_eq(m.content_disposition, STR("attachment; filename=\"\xc3\xbc\"")));
	ck_assert(str_eq(m.content_language, STR("de")));
	ck_assert(str_eq(m.content_encoding, STR("gzip,br")));
	ck_assert(metadata_is_aws_chunked(&r.head));
	request_free(&r);

	make(&r, "Content-Encoding: aws-chunked\n");
	ck_assert_int_eq(metadata_collect_representation(&r.head, r.arena, &m), METADATA_OK);
	ck_assert_uint_eq(m.content_encoding.n, 0);
	ck_assert_uint_eq(m.content_type.n, 0);
	request_free(&r);

	make(&r, "Content-Encoding: gzip, br\n");
	ck_assert_int_eq(metadata_collect_representation(&r.head, r.arena, &m), METADATA_OK);
	ck_assert(str_eq(m.content_encoding, STR("gzip, br")));
	ck_assert(!metadata_is_aws_chunked(&r.head));
	request_free(&r);

	make(&r, "Cache-Control: \xff\n");
	ck_assert_int_eq(metadata_collect_representation(&r.head, r.arena, &m),
	                 METADATA_BAD_CHARACTER);
	request_free(&r);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, paths);
	tcase_add_test(t, key_length);
	tcase_add_test(t, keys_of_host_buckets);
	tcase_add_test(t, buckets_of_hosts);
	tcase_add_test(t, copy_sources);
	tcase_add_test(t, user_metadata);
	tcase_add_test(t, user_metadata_size);
	tcase_add_test(t, user_metadata_characters);
	tcase_add_test(t, representation);
	return run_tests("s3proto_names", t);
}
