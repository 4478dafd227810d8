/* SPDX-License-Identifier: MIT
 *
 * Heads and chunks. Every case is also fed cut at every position: what is
 * accepted must first be "more", what is refused may be refused early, but never
 * with another verdict, and never accepted.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "net/http1.h"
#include "t/unit/run.h"

struct request_case {
	const char *name;
	const char *in;
	enum http1_result want;
};

#define GET  "GET / HTTP/1.1\r\nHost: h\r\n"
#define POST "POST /b/k HTTP/1.1\r\nHost: h\r\n"

static const struct request_case requests[] = {
	{"plain", GET "\r\n", HTTP1_DONE},
	{"no fields, 1.0", "GET / HTTP/1.0\r\n\r\n", HTTP1_DONE},
	{"leading empty lines", "\r\n\r\n" GET "\r\n", HTTP1_DONE},
	{"empty value", GET "X-A:\r\n\r\n", HTTP1_DONE},
	{"blank value", GET "X-A: \t \r\n\r\n", HTTP1_DONE},
	{"tab and obs-text in a value", GET "X-A: a\tb \xc3\xa4\xff\r\n\r\n", HTTP1_DONE},
	{"UTF-8 in the target", "GET /b/\xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n", HTTP1_DONE},
	{"absolute target", "GET http://h/b HTTP/1.1\r\nHost: h\r\n\r\n", HTTP1_DONE},
	{"odd method", "M-SEARCH! * HTTP/1.1\r\nHost: h\r\n\r\n", HTTP1_DONE},
	{"method of 32", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.0\r\n\r\n", HTTP1_DONE},
	{"length", POST "Content-Length: 5\r\n\r\n", HTTP1_DONE},
	{"length, another case", POST "content-LENGTH:5\r\n\r\n", HTTP1_DONE},
	{"chunked", POST "Transfer-Encoding: Chunked\r\n\r\n", HTTP1_DONE},
	{"IPv6 host", "GET / HTTP/1.1\r\nHost: [::1]:9000\r\n\r\n", HTTP1_DONE},
	{"empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", HTTP1_DONE},

	{"empty line only", "\r\n", HTTP1_MORE},
	{"no empty line", GET, HTTP1_MORE},
	{"nothing", "", HTTP1_MORE},

	{"bare LF after the request line", "GET / HTTP/1.1\nHost: h\r\n\r\n", HTTP1_BAD},
	{"bare LF after a field", "GET / HTTP/1.1\r\nHost: h\n\r\n", HTTP1_BAD},
	{"bare LF at the end", GET "\n", HTTP1_BAD},
	{"leading bare LF", "\n" GET "\r\n", HTTP1_BAD},
	{"bare CR in a value", GET "X-A: a\rb\r\n\r\n", HTTP1_BAD},
	{"CR at the end of a line twice", GET "X-A: a\r\r\n\r\n", HTTP1_BAD},
	{"HTTP/0.9", "GET /\r\n\r\n", HTTP1_BAD},
	{"two spaces before the target", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", HTTP1_BAD},
	{"two spaces after the target", "GET /  HTTP/1.1\r\nHost: h\r\n\r\n", HTTP1_BAD},
	{"space in the target", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", HTTP1_BAD},
	{"tab in the target", "GET /a\tb HTTP/1.1\r\nHost: h\r\n\r\n", HTTP1_BAD},
	{"DEL in the target", "GET /a\x7f HTTP/1.1\r\nHost: h\r\n\r\n", HTTP1_BAD},
	{"space after the version", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", HTTP1_BAD},
	{"leading space", " GET / HTTP/1.1\r\nHost: h\r\n\r\n", HTTP1_BAD},
	{"empty method", "\x01 / HTTP/1.1\r\nHost: h\r\n\r\n", HTTP1_BAD},
	{"method with a colon", "GE:T / HTTP/1.1\r\nHost: h\r\n\r\n", HTTP1_BAD},
	{"method of 33", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.0\r\n\r\n", HTTP1_BAD},
	{"lower-case http", "GET / http/1.1\r\nHost: h\r\n\r\n", HTTP1_BAD},
	{"version without digits", "GET / HTTP/x.1\r\nHost: h\r\n\r\n", HTTP1_BAD},
	{"TLS on a plain port", "\x16\x03\x01\x02\x00\x01", HTTP1_BAD},
	{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HTTP1_BAD_VERSION},
	{"HTTP/1.2", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", HTTP1_BAD_VERSION},
	{"HTTP/0.1", "GET / HTTP/0.1\r\nHost: h\r\n\r\n", HTTP1_BAD_VERSION},

	{"space before the colon", GET "X-A : a\r\n\r\n", HTTP1_BAD},
	{"tab before the colon", GET "X-A\t: a\r\n\r\n", HTTP1_BAD},
	{"no colon", GET "X-A\r\n\r\n", HTTP1_BAD},
	{"empty name", GET ": a\r\n\r\n", HTTP1_BAD},
	{"folded line", GET "X-A: a\r\n b\r\n\r\n", HTTP1_BAD},
	{"folded first line", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", HTTP1_BAD},
	{"control character in a value", GET "X-A: a\x01z\r\n\r\n", HTTP1_BAD},
	{"DEL in a value", GET "X-A: a\x7f\r\n\r\n", HTTP1_BAD},
	{"obs-text in a name", GET "X-\xe4: a\r\n\r\n", HTTP1_BAD},
	{"brackets in a name", GET "X-[A]: a\r\n\r\n", HTTP1_BAD},

	{"no host", "GET / HTTP/1.1\r\n\r\n", HTTP1_BAD},
	{"two hosts", GET "Host: h\r\n\r\n", HTTP1_BAD},
	{"two hosts, 1.0", "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", HTTP1_BAD},
	{"list of hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", HTTP1_BAD},
	{"host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", HTTP1_BAD},
	{"host with user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", HTTP1_BAD},

	{"length twice", POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", HTTP1_BAD},
	{"list of lengths", POST "Content-Length: 5, 5\r\n\r\n", HTTP1_BAD},
	{"empty length", POST "Content-Length:\r\n\r\n", HTTP1_BAD},
	{"signed length", POST "Content-Length: +5\r\n\r\n", HTTP1_BAD},
	{"negative length", POST "Content-Length: -5\r\n\r\n", HTTP1_BAD},
	{"hex length", POST "Content-Length: 0x5\r\n\r\n", HTTP1_BAD},
	{"length 2^63", POST "Content-Length: 9223372036854775808\r\n\r\n", HTTP1_BAD},
	{"length 2^64", POST "Content-Length: 18446744073709551616\r\n\r\n", HTTP1_BAD},
	{"length and coding", POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
         HTTP1_BAD},
	{"coding and length", POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
         HTTP1_BAD},
	{"coding twice", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
         HTTP1_BAD},
	{"gzip then chunked", POST "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
         HTTP1_BAD},
	{"coding in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_BAD},
	{"identity", POST "Transfer-Encoding: identity\r\n\r\n", HTTP1_BAD_CODING},
	{"gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n", HTTP1_BAD_CODING},
	{"chunked, chunked", POST "Transfer-Encoding: chunked, chunked\r\n\r\n", HTTP1_BAD_CODING},
	{"quoted chunked", POST "Transfer-Encoding: \"chunked\"\r\n\r\n", HTTP1_BAD_CODING},
	{"vertical tab chunked", POST "Transfer-Encoding: \vchunked\r\n\r\n", HTTP1_BAD},
};

/* On a heap block of exactly that size, so that ASan sees a read beyond it. */
static enum http1_result parse_request(const char *in, size_t n, struct arena *a,
                                       struct http_head *h, size_t *used, const char **why)
{
	char *copy = malloc(n + 1), *exact = realloc(copy, n > 0 ? n : 1);
	enum http1_result r;

	memcpy(exact, in, n);
	r = http1_parse_request(exact, n, a, h, used, why);
	free(exact);
	return r;
}

START_TEST(test_request_table)
{
	const struct request_case *t = &requests[_i];
	struct arena *a = arena_new();
	struct http_head h;
	size_t n = strlen(t->in), used;
	const char *why = NULL;

	enum http1_result got = parse_request(t->in, n, a, &h, &used, &why);
	ck_assert_msg(got == t->want, "%s: %d (%s)", t->name, got, why ? why : "-");
	ck_assert_uint_eq(used, got == HTTP1_DONE ? n : 0);
	ck_assert((why != NULL) == (got > HTTP1_MORE));
	for (size_t cut = 0; cut < n; cut++) {
		got = parse_request(t->in, cut, a, &h, &used, NULL);
		ck_assert_msg(got == HTTP1_MORE || got == t->want, "%s cut at %zu: %d", t->name,
		              cut, got);
		ck_assert_msg(got != HTTP1_DONE, "%s: complete at %zu", t->name, cut);
	}
	arena_free(&a);
}
END_TEST

static void parse_ok(struct arena *a, const char *in, struct http_head *h)
{
	size_t used;
	const char *why = NULL;

	ck_assert_msg(!http1_parse_request(in, strlen(in), a, h, &used, &why), "%s", why);
}

static void assert_str(struct str got, const char *want)
{
	ck_assert_msg(str_eq(got, str_of(want)), "'%.*s' is not '%s'", STR_FMT(got), want);
}

START_TEST(test_request_parts)
{
	static const char in[] = "PUT /b/k?x=%20 HTTP/1.1\r\nHost: h:1\r\n"
				 "x-amz-meta-a: \t two words \t\r\nExpect: 100-Continue\r\n"
				 "Content-Length: 0012\r\n\r\nGET next";
	struct arena *a = arena_new();
	struct http_head h;
	size_t used;

	ck_assert_int_eq(http1_parse_request(in, sizeof in - 1, a, &h, &used, NULL), HTTP1_DONE);
	ck_assert_uint_eq(used, sizeof in - 1 - 8);
	assert_str(h.method, "PUT");
	assert_str(h.target, "/b/k?x=%20");
	ck_assert_int_eq(h.minor, 1);
	ck_assert_uint_eq(h.n_fields, 4);
	assert_str(h.fields[1].name, "x-amz-meta-a");
	assert_str(h.fields[1].value, "two words");
	assert_str(*http_head_get(&h, STR("X-Amz-Meta-A")), "two words");
	ck_assert_ptr_null(http_head_get(&h, STR("x-amz-meta-b")));
	assert_str(http_head_value(&h, STR("X-Amz-Meta-A")), "two words");
	ck_assert_uint_eq(http_head_value(&h, STR("x-amz-meta-b")).n, 0);
	ck_assert_int_eq(h.framing, HTTP_BODY_LENGTH);
	ck_assert_uint_eq(h.content_length, 12);
	ck_assert(h.has_length && h.expect_continue && h.keep_alive);
	arena_free(&a);
}
END_TEST

static const struct {
	const char *in;
	bool keep_alive;
} connections[] = {
	{GET "\r\n", true},
	{GET "Connection: close\r\n\r\n", false},
	{GET "Connection: Keep-Alive\r\n\r\n", true},
	{GET "Connection: te , CLOSE\r\n\r\n", false},
	{GET "Connection: te\r\nConnection: close\r\n\r\n", false},
	{GET "Connection: close, keep-alive\r\n\r\n", false},
	{GET "Connection: closed\r\n\r\n", true},
	{"GET / HTTP/1.0\r\n\r\n", false},
	{"GET / HTTP/1.0\r\nConnection: x,keep-alive\r\n\r\n", true},
};

START_TEST(test_connection)
{
	struct arena *a = arena_new();
	struct http_head h;

	parse_ok(a, connections[_i].in, &h);
	ck_assert_msg(h.keep_alive == connections[_i].keep_alive, "%s", connections[_i].in);
	arena_free(&a);
}
END_TEST

START_TEST(test_expect_needs_1_1)
{
	struct arena *a = arena_new();
	struct http_head h;

	parse_ok(a, "PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", &h);
	ck_assert(!h.expect_continue);
	parse_ok(a, GET "Expect: something\r\n\r\n", &h);
	ck_assert(!h.expect_continue);
	arena_free(&a);
}
END_TEST

/* A NUL cannot be in the table of C strings. */
START_TEST(test_nul)
{
	static const char places[] = "GET /x HTTP/1.1\r\nHost: h\r\nX-A: abc\r\n\r\n";
	struct arena *a = arena_new();
	struct http_head h;
	char in[sizeof places];
	size_t used;

	for (size_t i = 0; i < sizeof places - 1; i++) {
		memcpy(in, places, sizeof in);
		in[i] = '\0';
		ck_assert_msg(http1_parse_request(in, sizeof in - 1, a, &h, &used, NULL) ==
		                      HTTP1_BAD,
		              "NUL at %zu", i);
	}
	arena_free(&a);
}
END_TEST

START_TEST(test_field_limit)
{
	struct arena *a = arena_new();
	struct http_head h;
	size_t used;

	for (int extra = 0; extra <= 1; extra++) {
		BUF_AUTO in = {0};

		buf_add_cstr(&in, GET);
		for (int i = 1; i < HTTP1_FIELDS_MAX + extra; i++)
			buf_add_cstr(&in, "X: y\r\n");
		buf_add_cstr(&in, "\r\n");
		ck_assert_int_eq(http1_parse_request(in.p, in.n, a, &h, &used, NULL),
		                 extra ? HTTP1_TOO_LARGE : HTTP1_DONE);
	}
	arena_free(&a);
}
END_TEST

START_TEST(test_head_limit)
{
	struct arena *a = arena_new();
	struct http_head h;
	size_t used, n = HTTP1_HEAD_MAX + 100;
	char *in = malloc(n);

	memset(in, 'v', n);
	memcpy(in, GET "X: ", strlen(GET "X: "));
	ck_assert_int_eq(http1_parse_request(in, HTTP1_HEAD_MAX - 1, a, &h, &used, NULL),
	                 HTTP1_MORE);
	ck_assert_int_eq(http1_parse_request(in, HTTP1_HEAD_MAX, a, &h, &used, NULL),
	                 HTTP1_TOO_LARGE);
	memcpy(in + HTTP1_HEAD_MAX - 4, "\r\n\r\n", 4);
	ck_assert_int_eq(http1_parse_request(in, n, a, &h, &used, NULL), HTTP1_DONE);
	ck_assert_uint_eq(used, HTTP1_HEAD_MAX);
	memcpy(in + HTTP1_HEAD_MAX - 4, "v\r\n\r\n", 5);
	ck_assert_int_eq(http1_parse_request(in, n, a, &h, &used, NULL), HTTP1_TOO_LARGE);
	free(in);
	arena_free(&a);
}
END_TEST

/* The word-wise scan must find a bad byte wherever it stands in a word. */
START_TEST(test_bad_byte_anywhere)
{
	struct arena *a = arena_new();
	struct http_head h;
	char in[128];
	size_t used;

	for (int c = 1; c < 256; c++) {
		bool fine = c == '\t' || (c >= ' ' && c != 0x7f);

		for (size_t at = 0; at < 24; at++) {
			size_t n = (size_t)snprintf(in, sizeof in, GET "X: %-24s\r\n\r\n",
			                            "aaaaaaaaaaaaaaaaaaaaaaaa");

			in[n - 28 + at] = (char)c;
			ck_assert_msg((http1_parse_request(in, n, a, &h, &used, NULL) ==
			               HTTP1_DONE) == fine,
			              "0x%02x at %zu", c, at);
		}
	}
	arena_free(&a);
}
END_TEST

static const struct {
	const char *in, *method;
	enum http1_result want;
	int status;
	enum http_framing framing;
	bool keep_alive;
} responses[] = {
	{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "GET", HTTP1_DONE, 200, HTTP_BODY_LENGTH,
         true},
	{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "HEAD", HTTP1_DONE, 200, HTTP_BODY_NONE,
         true},
	{"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "GET", HTTP1_DONE, 200, HTTP_BODY_LENGTH,
         true},
	{"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "GET", HTTP1_DONE, 200, HTTP_BODY_LENGTH,
         true},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", HTTP1_DONE, 200,
         HTTP_BODY_CHUNKED, true},
	{"HTTP/1.1 200 OK\r\n\r\n", "GET", HTTP1_DONE, 200, HTTP_BODY_CLOSE, false},
	{"HTTP/1.0 200 OK\r\n\r\n", "GET", HTTP1_DONE, 200, HTTP_BODY_CLOSE, false},
	{"HTTP/1.0 404 Not Found\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n", "GET",
         HTTP1_DONE, 404, HTTP_BODY_LENGTH, true},
	{"HTTP/1.1 204 No Content\r\n\r\n", "DELETE", HTTP1_DONE, 204, HTTP_BODY_NONE, true},
	{"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "GET", HTTP1_DONE, 304,
         HTTP_BODY_NONE, true},
	{"HTTP/1.1 100 Continue\r\n\r\n", "PUT", HTTP1_DONE, 100, HTTP_BODY_NONE, true},
	{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\n", "GET", HTTP1_DONE,
         200, HTTP_BODY_LENGTH, false},
	{"HTTP/1.1 503 Sp\xc3\xa4ter\r\nContent-Length: 3\r\n\r\n", "GET", HTTP1_DONE, 503,
         HTTP_BODY_LENGTH, true},
	{"\r\nHTTP/1.1 200 OK\r\n\r\n", "GET", HTTP1_BAD, 0, 0, false},
	{"HTTP/1.1 20 OK\r\n\r\n", "GET", HTTP1_BAD, 0, 0, false},
	{"HTTP/1.1 2000 OK\r\n\r\n", "GET", HTTP1_BAD, 0, 0, false},
	{"HTTP/1.1 099 OK\r\n\r\n", "GET", HTTP1_BAD, 0, 0, false},
	{"HTTP/1.1  200 OK\r\n\r\n", "GET", HTTP1_BAD, 0, 0, false},
	{"HTTP/2.0 200 OK\r\n\r\n", "GET", HTTP1_BAD_VERSION, 0, 0, false},
	{"ICY 200 OK\r\n\r\n", "GET", HTTP1_BAD, 0, 0, false},
	{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", "GET", HTTP1_BAD, 0,
         0, false},
	{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "GET",
         HTTP1_BAD, 0, 0, false},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "GET", HTTP1_BAD_CODING, 0, 0,
         false},
	{"HTTP/1.1 200 OK\nContent-Length: 3\r\n\r\n", "GET", HTTP1_BAD, 0, 0, false},
};

START_TEST(test_response_table)
{
	struct arena *a = arena_new();
	const char *in = responses[_i].in;
	struct str method = str_of(responses[_i].method);
	size_t n = strlen(in), used;
	struct http_head h;
	enum http1_result got = http1_parse_response(in, n, method, a, &h, &used, NULL);

	ck_assert_msg(got == responses[_i].want, "%s: %d", in, got);
	if (got == HTTP1_DONE) {
		ck_assert_uint_eq(used, n);
		ck_assert_int_eq(h.status, responses[_i].status);
		ck_assert_msg(h.framing == responses[_i].framing, "%s", in);
		ck_assert_msg(h.keep_alive == responses[_i].keep_alive, "%s", in);
	}
	for (size_t cut = 0; cut < n; cut++) {
		got = http1_parse_response(in, cut, method, a, &h, &used, NULL);
		ck_assert_msg(got == HTTP1_MORE || (got == responses[_i].want && got != HTTP1_DONE),
		              "%s cut at %zu: %d", in, cut, got);
	}
	arena_free(&a);
}
END_TEST

static const struct {
	const char *in;
	enum http1_result want;
	const char *data;
} chunks[] = {
	{"0\r\n\r\n", HTTP1_DONE, ""},
	{"5\r\nhello\r\n0\r\n\r\n", HTTP1_DONE, "hello"},
	{"5\r\nhello\r\n06\r\n world\r\n0\r\n\r\n", HTTP1_DONE, "hello world"},
	{"A;x=\"y\"\r\n0123456789\r\n000\r\n\r\n", HTTP1_DONE, "0123456789"},
	{"a\r\n\r\n0\r\n\r\n\r\nx\r\n0\r\n\r\n", HTTP1_DONE, "\r\n0\r\n\r\n\r\nx"},
	{"1\r\nx\r\n0\r\nx-amz-checksum-crc32: AAAAAA==\r\nB: c\r\n\r\n", HTTP1_DONE, "x"},
	{"5\r\nhel", HTTP1_MORE, "hel"},
	{"5\r\nhello\r\n", HTTP1_MORE, "hello"},
	{"0\r\n", HTTP1_MORE, ""},
	{"\r\n", HTTP1_BAD, ""},
	{"-1\r\n", HTTP1_BAD, ""},
	{"0x5\r\nhello\r\n", HTTP1_BAD, ""},
	{" 5\r\nhello\r\n", HTTP1_BAD, ""},
	{"5 \r\nhello\r\n", HTTP1_BAD, ""},
	{"5\nhello\r\n0\r\n\r\n", HTTP1_BAD, ""},
	{"5\r\rhello\r\n", HTTP1_BAD, ""},
	{"5\r\nhello0\r\n\r\n", HTTP1_BAD, "hello"},
	{"5\r\nhello\n0\r\n\r\n", HTTP1_BAD, "hello"},
	{"5;a\nb\r\nhello\r\n0\r\n\r\n", HTTP1_BAD, ""},
	{"1ffffffffffffffff\r\n", HTTP1_BAD, ""},
	{"0\r\nA: b\n\r\n", HTTP1_BAD, ""},
	{"0\r\n folded\r\n\r\n", HTTP1_BAD, ""},
	{"0\r\n\rx", HTTP1_BAD, ""},
};

/* Decodes pieces cut at two places; returns the last verdict. */
static enum http1_result decode(const char *in, size_t n, size_t cut1, size_t cut2, char *out,
                                size_t *out_n, size_t *consumed)
{
	const size_t ends[] = {cut1, cut2, n};
	struct http1_chunked c = {0};
	enum http1_result r = HTTP1_MORE;
	size_t at = 0;

	*out_n = 0;
	for (int i = 0; i < 3; i++) {
		while (at < ends[i] && r == HTTP1_MORE) {
			const char *data;
			size_t used, data_n;

			r = http1_chunked_feed(&c, in + at, ends[i] - at, &used, &data, &data_n);
			ck_assert(used <= ends[i] - at && (used > 0 || r != HTTP1_MORE));
			if (data_n > 0)
				memcpy(out + *out_n, data, data_n);
			*out_n += data_n;
			at += used;
		}
	}
	*consumed = at;
	return r;
}

START_TEST(test_chunked_table)
{
	const char *in = chunks[_i].in;
	size_t n = strlen(in);

	for (size_t cut1 = 0; cut1 <= n; cut1++)
		for (size_t cut2 = cut1; cut2 <= n; cut2++) {
			char out[128];
			size_t out_n, consumed;
			enum http1_result r = decode(in, n, cut1, cut2, out, &out_n, &consumed);

			ck_assert_msg(r == chunks[_i].want, "%s cut at %zu, %zu: %d", in, cut1,
			              cut2, r);
			ck_assert_msg(str_eq(str_n(out, out_n), str_of(chunks[_i].data)),
			              "%s cut at %zu, %zu: '%.*s'", in, cut1, cut2, (int)out_n,
			              out);
			ck_assert(r == HTTP1_BAD || consumed == n);
		}
}
END_TEST

START_TEST(test_chunked_stops_at_the_end)
{
	static const char in[] = "1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n";
	char out[8];
	size_t out_n, consumed;

	ck_assert_int_eq(decode(in, sizeof in - 1, 0, 0, out, &out_n, &consumed), HTTP1_DONE);
	ck_assert_uint_eq(consumed, 11);
}
END_TEST

static enum http1_result feed_endless(const char *start, char c, size_t n)
{
	struct http1_chunked d = {0};
	const char *data;
	size_t used, data_n;
	enum http1_result r = http1_chunked_feed(&d, start, strlen(start), &used, &data, &data_n);

	while (r == HTTP1_MORE && n-- > 0)
		r = http1_chunked_feed(&d, &c, 1, &used, &data, &data_n);
	return r;
}

START_TEST(test_chunked_limits)
{
	ck_assert_int_eq(feed_endless("", '0', 2000), HTTP1_BAD);
	ck_assert_int_eq(feed_endless("1;", 'x', 2000), HTTP1_BAD);
	ck_assert_int_eq(feed_endless("1;", 'x', 900), HTTP1_MORE);
	ck_assert_int_eq(feed_endless("0\r\nA: ", 'x', 20000), HTTP1_BAD);
	ck_assert_int_eq(feed_endless("0\r\nA: ", 'x', 16000), HTTP1_MORE);
}
END_TEST

START_TEST(test_writable)
{
	ck_assert(http1_is_token(STR("x-amz-date")));
	ck_assert(!http1_is_token(STR("")));
	ck_assert(!http1_is_token(STR("a b")));
	ck_assert(http1_is_target(STR("/b/k?x")));
	ck_assert(!http1_is_target(STR("")));
	ck_assert(!http1_is_target(STR("/a b")));
	ck_assert(!http1_is_target(STR("/a\r\nX: y")));
	ck_assert(http1_is_value(STR("")));
	ck_assert(http1_is_value(STR("a\tb \xc3\xa4")));
	ck_assert(!http1_is_value(STR("a\r\nb")));
	ck_assert(!http1_is_value(STR("a\0b")));
}
END_TEST

START_TEST(test_reasons)
{
	ck_assert_str_eq(http_status_reason(404), "Not Found");
	ck_assert_str_eq(http_status_reason(599), "Status");
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_add_loop_test(t, test_request_table, 0, COUNT(requests));
	tcase_add_loop_test(t, test_connection, 0, COUNT(connections));
	tcase_add_loop_test(t, test_response_table, 0, COUNT(responses));
	tcase_add_loop_test(t, test_chunked_table, 0, COUNT(chunks));
	tcase_add_test(t, test_request_parts);
	tcase_add_test(t, test_expect_needs_1_1);
	tcase_add_test(t, test_nul);
	tcase_add_test(t, test_field_limit);
	tcase_add_test(t, test_head_limit);
	tcase_add_test(t, test_bad_byte_anywhere);
	tcase_add_test(t, test_chunked_stops_at_the_end);
	tcase_add_test(t, test_chunked_limits);
	tcase_add_test(t, test_writable);
	tcase_add_test(t, test_reasons);
	return run_tests("net_http1", t);
}
