/* SPDX-License-Identifier: MIT
 *
 * Percent-encoding, targets, queries, endpoints.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "net/uri.h"
#include "t/unit/run.h"

static struct arena *a;

static void setup(void)
{
	a = arena_new();
}

static void teardown(void)
{
	arena_free(&a);
}

static void assert_str(struct str got, const char *want)
{
	ck_assert_msg(str_eq(got, str_of(want)), "'%.*s' is not '%s'", STR_FMT(got), want);
}

START_TEST(test_decode)
{
	struct str out;

	ck_assert(uri_decode(a, STR("a%20b%2Fc%2f+%C3%A4"), false, &out));
	assert_str(out, "a b/c/+\xc3\xa4");
	ck_assert(uri_decode(a, STR("a+b%2B"), true, &out));
	assert_str(out, "a b+");
	ck_assert(uri_decode(a, STR("%2520"), false, &out));
	assert_str(out, "%20");
	ck_assert(uri_decode(a, STR_NULL, false, &out));
	ck_assert_uint_eq(out.n, 0);
	ck_assert(uri_decode(a, STR("%00"), false, &out));
	ck_assert_uint_eq(out.n, 1);
	ck_assert(!uri_decode(a, STR("%"), false, &out));
	ck_assert(!uri_decode(a, STR("a%2"), false, &out));
	ck_assert(!uri_decode(a, STR("%2x"), false, &out));
	ck_assert(!uri_decode(a, STR("%-1"), false, &out));
}
END_TEST

START_TEST(test_encode)
{
	BUF_AUTO b = {0};

	uri_encode(&b, STR("a/b c+~._-\xc3\xa4\0"), true);
	assert_str(buf_str(&b), "a/b%20c%2B~._-%C3%A4%00");
	uri_encode(&b, STR("/="), false);
	assert_str(buf_str(&b), "a/b%20c%2B~._-%C3%A4%00%2F%3D");
}
END_TEST

START_TEST(test_every_byte_survives)
{
	BUF_AUTO b = {0};
	char all[256];
	struct str out;

	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	uri_encode(&b, str_n(all, sizeof all), false);
	ck_assert(uri_decode(a, buf_str(&b), true, &out));
	ck_assert(str_eq(out, str_n(all, sizeof all)));
}
END_TEST

START_TEST(test_query)
{
	struct uri_query q;

	ck_assert(uri_parse_query(a, STR("list-type=2&&prefix=a%26b+c&uploads&x=&x=y=z&"), &q));
	ck_assert_uint_eq(q.n, 5);
	assert_str(uri_query_get(&q, STR("prefix"))->value, "a&b c");
	ck_assert(!uri_query_get(&q, STR("uploads"))->has_value);
	ck_assert(uri_query_get(&q, STR("x"))->has_value);
	assert_str(uri_query_get(&q, STR("x"))->value, "");
	assert_str(q.params[4].value, "y=z");
	ck_assert_ptr_null(uri_query_get(&q, STR("Prefix")));
	ck_assert(uri_parse_query(a, STR_NULL, &q) && q.n == 0);
	ck_assert(!uri_parse_query(a, STR("a=%zz"), &q));
	ck_assert(!uri_parse_query(a, STR("a%=1"), &q));
}
END_TEST

START_TEST(test_query_is_bounded)
{
	struct uri_query q;
	size_t n = 4000;
	char *many = malloc(n);

	for (size_t i = 0; i < n; i++)
		many[i] = i % 2 ? '&' : 'a';
	ck_assert(uri_parse_query(a, str_n(many, 2000), &q));
	ck_assert_uint_eq(q.n, 1000);
	ck_assert(!uri_parse_query(a, str_n(many, n), &q));
	free(many);
}
END_TEST

static const struct {
	const char *target, *path, *query; /* path NULL: refused */
} targets[] = {
	{"/", "/", ""},
	{"/b/k", "/b/k", ""},
	{"/b/k?x=y?z", "/b/k", "x=y?z"},
	{"/b/../k//", "/b/../k//", ""},
	{"//b", "//b", ""},
	{"/b#c", "/b#c", ""},
	{"http://host/b/k?x", "/b/k", "x"},
	{"HTTPS://host:1", "/", ""},
	{"http://host?x=1", "/", "x=1"},
	{"", NULL, NULL},
	{"*", NULL, NULL},
	{"b/k", NULL, NULL},
	{"host:443", NULL, NULL},
	{"http:///b", NULL, NULL},
	{"ftp://host/b", NULL, NULL},
	{"http://host#x", NULL, NULL},
};

START_TEST(test_target)
{
	struct str path, query;
	bool ok = uri_split_target(str_of(targets[_i].target), &path, &query);

	ck_assert_msg(ok == (targets[_i].path != NULL), "%s", targets[_i].target);
	if (ok) {
		assert_str(path, targets[_i].path);
		assert_str(query, targets[_i].query);
	}
}
END_TEST

static const struct {
	const char *url;
	bool tls;
	const char *host, *port, *authority, *path; /* host NULL: refused */
} endpoints[] = {
	{"http://host", false, "host", "80", "host", ""},
	{"https://S3.Example.com/", true, "s3.example.com", "443", "s3.example.com", ""},
	{"http://host:9000", false, "host", "9000", "host:9000", ""},
	{"https://host:443/a/b//", true, "host", "443", "host", "/a/b"},
	{"http://host:443", false, "host", "443", "host:443", ""},
	{"http://[2001:db8::1]:9000/x", false, "2001:db8::1", "9000", "[2001:db8::1]:9000", "/x"},
	{"https://[::1]", true, "::1", "443", "[::1]", ""},
	{"http://a_b", false, "a_b", "80", "a_b", ""},
	{"host:9000", false, NULL, NULL, NULL, NULL},
	{"ftp://host", false, NULL, NULL, NULL, NULL},
	{"http://", false, NULL, NULL, NULL, NULL},
	{"http://:80", false, NULL, NULL, NULL, NULL},
	{"http://host:", false, NULL, NULL, NULL, NULL},
	{"http://host:0", false, NULL, NULL, NULL, NULL},
	{"http://host:65536", false, NULL, NULL, NULL, NULL},
	{"http://host:80x", false, NULL, NULL, NULL, NULL},
	{"http://user@host", false, NULL, NULL, NULL, NULL},
	{"http://host?x", false, NULL, NULL, NULL, NULL},
	{"http://host/a?x", false, NULL, NULL, NULL, NULL},
	{"http://host/a b", false, NULL, NULL, NULL, NULL},
	{"http://host/#x", false, NULL, NULL, NULL, NULL},
	{"http://ho st", false, NULL, NULL, NULL, NULL},
	{"http://[::1", false, NULL, NULL, NULL, NULL},
	{"http://[::1]x", false, NULL, NULL, NULL, NULL},
	{"http://[host]", false, NULL, NULL, NULL, NULL},
	{"http://::1", false, NULL, NULL, NULL, NULL},
};

START_TEST(test_endpoint)
{
	struct uri_endpoint ep;
	struct error e;
	enum err rc = uri_parse_endpoint(a, str_of(endpoints[_i].url), &ep, &e);

	ck_assert_msg(rc == (endpoints[_i].host ? ERR_OK : ERR_INVALID), "%s", endpoints[_i].url);
	if (rc) {
		ck_assert(strstr(e.text, endpoints[_i].url));
		return;
	}
	ck_assert_int_eq(ep.tls, endpoints[_i].tls);
	ck_assert_str_eq(ep.host, endpoints[_i].host);
	ck_assert_str_eq(ep.port, endpoints[_i].port);
	ck_assert_str_eq(ep.authority, endpoints[_i].authority);
	ck_assert_str_eq(ep.path, endpoints[_i].path);
}
END_TEST

#define COUNT(x) (int)(sizeof(x) / sizeof *(x))

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_decode);
	tcase_add_test(t, test_encode);
	tcase_add_test(t, test_every_byte_survives);
	tcase_add_test(t, test_query);
	tcase_add_test(t, test_query_is_bounded);
	tcase_add_loop_test(t, test_target, 0, COUNT(targets));
	tcase_add_loop_test(t, test_endpoint, 0, COUNT(endpoints));
	return run_tests("net_uri", t);
}
