/* SPDX-License-Identifier: MIT
 *
 * SigV4: the examples that AWS publishes, and everything that must not pass.
 * Where a request has to be signed first, a second implementation (one-shot
 * OpenSSL calls over a literal canonical request) does it.
 */
#include <check.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "s3proto/sigv4.h"
#include "post_policy_example.h"
#include "s3proto_request.h"
#include "t/unit/run.h"

#define KEY_ID "AKIAIOSFODNN7EXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define SCOPE  "20130524/us-east-1/s3/aws4_request"
#define EMPTY  SHA256_EMPTY_HEX
#define AUTH   "Authorization: AWS4-HMAC-SHA256 Credential=" KEY_ID "/" SCOPE
#define HOST   "Host: examplebucket.s3.amazonaws.com\n"
#define DATE   "x-amz-date: 20130524T000000Z\n"

static int64_t doc_time; /* 2013-05-24 00:00:00 UTC, the time of all AWS examples */

static void setup(void)
{
	ck_assert(clock_parse_amz(STR("20130524T000000Z"), &doc_time));
}

/* Parses and verifies; secret NULL: unknown key. */
static enum s3_error check_at(const char *text, const char *secret, int64_t now)
{
	struct request r;
	struct sigv4_request s;
	const char *why;
	struct str with = str_of(secret);
	request_make(&r, text);
	enum s3_error e = sigv4_parse(&r.head, r.path, &r.query, &s, &why);
	if (e == S3_OK) {
		ck_assert(s.scheme != SIGV4_NONE);
		e = sigv4_verify(&s, &r.head, secret != NULL ? &with : NULL, now, NULL, &why);
	}
	request_free(&r);
	return e;
}

static enum s3_error check(const char *text)
{
	return check_at(text, SECRET, doc_time);
}

/* --- a second, independent signer --- */

static void hmac(const void *key, size_t key_n, const char *text, uint8_t out[32])
{
	ck_assert(HMAC(EVP_sha256(), key, (int)key_n, (const uint8_t *)text, strlen(text), out,
	               NULL) != NULL);
}

static const char *sign(const char *canonical)
{
	static char hex[65];
	uint8_t k[32], next[32], hash[32];
	char to_sign[256];
	SHA256((const uint8_t *)canonical, strlen(canonical), hash);
	hex_encode(hash, 32, hex);
	snprintf(to_sign, sizeof(to_sign), "AWS4-HMAC-SHA256\n20130524T000000Z\n" SCOPE "\n%s",
	         hex);
	const char *parts[] = {"20130524", "us-east-1", "s3", "aws4_request", to_sign};
	hmac("AWS4" SECRET, strlen("AWS4" SECRET), parts[0], k);
	for (int i = 1; i < 5; i++) {
		hmac(k, 32, parts[i], next);
		memcpy(k, next, 32);
	}
	hex_encode(k, 32, hex);
	return hex;
}

/* The result for "<target>" with these header lines (all but x-amz-date, Host and
 * Authorization), when the canonical request is the given one. */
static enum s3_error check_signed(const char *target, const char *lines, const char *signed_headers,
                                  const char *canonical)
{
	char text[4096];
	snprintf(text, sizeof(text),
	         "GET %s HTTP/1.1\n" HOST DATE "%s" AUTH ", SignedHeaders=%s, Signature=%s\n",
	         target, lines, signed_headers, sign(canonical));
	return check(text);
}

/* The usual canonical request of a GET. */
static const char *canonical_get(const char *path, const char *query)
{
	static char text[4096];
	snprintf(text, sizeof(text),
	         "GET\n%s\n%s\nhost:examplebucket.s3.amazonaws.com\nx-amz-date:20130524T000000Z\n\n"
	         "host;x-amz-date\nUNSIGNED-PAYLOAD",
	         path, query);
	return text;
}

static enum s3_error check_get(const char *target, const char *path, const char *query)
{
	return check_signed(target, "", "host;x-amz-date", canonical_get(path, query));
}

/* --- published examples --- */

#define GET_OBJECT                                                                                 \
	"GET /test.txt HTTP/1.1\n" HOST AUTH                                                       \
	",SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"                               \
	"Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41\n"             \
	"Range: bytes=0-9\nx-amz-content-sha256: " EMPTY "\n" DATE

START_TEST(published_get_object)
{
	ck_assert_int_eq(check(GET_OBJECT), S3_OK);
	ck_assert_int_eq(check(GET_OBJECT), S3_OK); /* with the cached key */
}
END_TEST

START_TEST(published_put_object)
{
	ck_assert_int_eq(
		check("PUT /test%24file.text HTTP/1.1\n" HOST
	              "Date: Fri, 24 May 2013 00:00:00 GMT\n" AUTH
	              ",SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-"
	              "class,"
	              "Signature="
	              "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd\n" DATE
	              "x-amz-storage-class: REDUCED_REDUNDANCY\nx-amz-content-sha256: "
	              "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072\n"
	              "Content-Length: 21\n"),
		S3_OK);
}
END_TEST

START_TEST(published_lifecycle_and_list)
{
	ck_assert_int_eq(
		check("GET /?lifecycle HTTP/1.1\n" HOST AUTH
	              ",SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
	              "Signature="
	              "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543\n" DATE
	              "x-amz-content-sha256: " EMPTY "\n"),
		S3_OK);
	ck_assert_int_eq(
		check("GET /?max-keys=2&prefix=J HTTP/1.1\n" HOST AUTH
	              ",SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
	              "Signature="
	              "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7\n" DATE
	              "x-amz-content-sha256: " EMPTY "\n"),
		S3_OK);
}
END_TEST

#define PRESIGNED_WITH(expires, rest)                                                              \
	"GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" KEY_ID                  \
	"%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-"           \
	"Expires=" expires "&X-Amz-SignedHeaders=host&X-Amz-Signature="                            \
	"aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404" rest " HTTP/1.1\n" HOST
#define PRESIGNED PRESIGNED_WITH("86400", "")

START_TEST(published_presigned)
{
	int64_t day = 86400 * CLOCK_SEC;
	ck_assert_int_eq(check(PRESIGNED), S3_OK);
	ck_assert_int_eq(check_at(PRESIGNED, SECRET, doc_time + day), S3_OK);
	ck_assert_int_eq(check_at(PRESIGNED, SECRET, doc_time + day + 1), S3_ACCESS_DENIED);
	ck_assert_int_eq(check_at(PRESIGNED, SECRET, doc_time - SIGV4_SKEW), S3_OK);
	ck_assert_int_eq(check_at(PRESIGNED, SECRET, doc_time - SIGV4_SKEW - 1), S3_ACCESS_DENIED);
	ck_assert_int_eq(check_at(PRESIGNED, NULL, doc_time), S3_INVALID_ACCESS_KEY_ID);
	ck_assert_int_eq(check(PRESIGNED_WITH("86400", "&versionId=1")),
	                 S3_SIGNATURE_DOES_NOT_MATCH);
	/* What the header says does not count. */
	ck_assert_int_eq(check(PRESIGNED "x-amz-content-sha256: " EMPTY "\n"), S3_OK);
}
END_TEST

START_TEST(published_post)
{
	struct sigv4_post p = {
		.algorithm = STR("AWS4-HMAC-SHA256"),
		.credential = STR(KEY_ID "/20151229/us-east-1/s3/aws4_request"),
		.amz_date = STR("20151229T000000Z"),
		.signature =
			STR("8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"),
		.policy = STR(POST_POLICY_EXAMPLE),
	};
	struct sigv4_request r;
	const char *why;
	struct str right = STR(SECRET), wrong = STR("wrong");
	ck_assert_int_eq(sigv4_parse_post(&p, &r, &why), S3_OK);
	ck_assert(str_eq(r.access_key, STR(KEY_ID)));
	for (int again = 0; again < 2; again++)
		ck_assert_int_eq(sigv4_verify_post(&r, p.policy, &right), S3_OK);
	ck_assert_int_eq(sigv4_verify_post(&r, p.policy, &wrong), S3_SIGNATURE_DOES_NOT_MATCH);
	ck_assert_int_eq(sigv4_verify_post(&r, p.policy, NULL), S3_INVALID_ACCESS_KEY_ID);
	ck_assert_int_eq(sigv4_verify_post(&r, str_skip(p.policy, 4), &right),
	                 S3_SIGNATURE_DOES_NOT_MATCH);
	p.amz_date = STR("20151230T000000Z");
	ck_assert_int_eq(sigv4_parse_post(&p, &r, &why), S3_INVALID_ARGUMENT);
	p.algorithm = STR_NULL;
	ck_assert_int_eq(sigv4_parse_post(&p, &r, &why), S3_INVALID_REQUEST);
}
END_TEST

START_TEST(presigned_parameters)
{
	ck_assert_int_eq(check(PRESIGNED_WITH("86401", "")), S3_SIGNATURE_DOES_NOT_MATCH);
	static const char *const bad[] = {
		PRESIGNED_WITH("0", ""),
		PRESIGNED_WITH("-1", ""),
		PRESIGNED_WITH("604801", ""),
		PRESIGNED_WITH("abc", ""),
		PRESIGNED_WITH("", ""),
		PRESIGNED_WITH("9223372036854775807", ""),
		PRESIGNED_WITH("99999999999999999999999", ""),
		"GET /?X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256 HTTP/1.1\n" HOST,
		"GET /?X-Amz-Algorithm=AWS4-HMAC-SHA256 HTTP/1.1\n" HOST,
		/* no date */
		"GET "
		"/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/20130524/r/s3/aws4_request"
		"&X-Amz-Date=2013-05-24&X-Amz-Expires=1&X-Amz-SignedHeaders=host"
		"&X-Amz-Signature=0 HTTP/1.1\n" HOST,
		/* scope date differs */
		"GET "
		"/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/20130525/r/s3/aws4_request"
		"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=1&X-Amz-SignedHeaders=host"
		"&X-Amz-Signature=0 HTTP/1.1\n" HOST,
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(check(bad[i]), S3_AUTH_QUERY_PARAMETERS);
}
END_TEST

START_TEST(presigned_messages)
{
	struct request r;
	struct sigv4_request s;
	const char *why;
	struct str secret = STR(SECRET);
	request_make(&r, PRESIGNED);
	ck_assert_int_eq(sigv4_parse(&r.head, r.path, &r.query, &s, &why), S3_OK);
	ck_assert_int_eq(s.scheme, SIGV4_PRESIGNED);
	ck_assert_int_eq(
		sigv4_verify(&s, &r.head, &secret, doc_time + 86401 * CLOCK_SEC, NULL, &why),
		S3_ACCESS_DENIED);
	ck_assert_str_eq(why, "Request has expired");
	request_free(&r);
}
END_TEST

/* --- the canonical path and query --- */

START_TEST(path_in_wire_form)
{
	ck_assert_int_eq(check_get("/b/a%2Fb", "/b/a%2Fb", ""), S3_OK);
	ck_assert_int_eq(check_get("/b/a/b", "/b/a%2Fb", ""), S3_SIGNATURE_DOES_NOT_MATCH);
	ck_assert_int_eq(check_get("/b/%e4", "/b/%e4", ""), S3_OK);
	ck_assert_int_eq(check_get("/b/%e4", "/b/%E4", ""), S3_SIGNATURE_DOES_NOT_MATCH);
	ck_assert_int_eq(check_get("/b/a%2Bb%20c", "/b/a%2Bb%20c", ""), S3_OK);
	/* raw bytes that are not unreserved are encoded */
	ck_assert_int_eq(check_get("/b/a+b", "/b/a%2Bb", ""), S3_OK);
	ck_assert_int_eq(check_get("/b/a~b*(c)", "/b/a~b%2A%28c%29", ""), S3_OK);
	ck_assert_int_eq(check_get("/b/%25", "/b/%25", ""), S3_OK);
	/* nothing is normalised */
	ck_assert_int_eq(check_get("/b//./../x/", "/b//./../x/", ""), S3_OK);
	ck_assert_int_eq(check_get("http://h/b/k", "/b/k", ""), S3_OK);
}
END_TEST

START_TEST(query_is_sorted_and_encoded)
{
	ck_assert_int_eq(check_get("/?b=2&a=1", "/", "a=1&b=2"), S3_OK);
	ck_assert_int_eq(check_get("/?a=2&a=1&a", "/", "a=&a=1&a=2"), S3_OK);
	/* by name, then value: "a" before "a-b", although '-' < '=' */
	ck_assert_int_eq(check_get("/?a-b=1&a=2", "/", "a=2&a-b=1"), S3_OK);
	ck_assert_int_eq(check_get("/?p=a+b%2fc~&q=%c3%bc", "/", "p=a%20b%2Fc~&q=%C3%BC"), S3_OK);
	ck_assert_int_eq(check_get("/?uploads", "/", "uploads="), S3_OK);
	ck_assert_int_eq(check_get("/?a=b=c", "/", "a=b%3Dc"), S3_OK);
}
END_TEST

START_TEST(header_values)
{
	const char *names = "host;x-a;x-amz-date;x-b";
	char canonical[512];
	snprintf(canonical, sizeof(canonical),
	         "GET\n/\n\nhost:examplebucket.s3.amazonaws.com\nx-a:1 2,3\n"
	         "x-amz-date:20130524T000000Z\nx-b:\n\n%s\nUNSIGNED-PAYLOAD",
	         names);
	/* runs of space become one; repeated fields are joined; absent ones are empty */
	ck_assert_int_eq(check_signed("/", "X-A:   1 \t  2  \nx-a: 3\n", names, canonical), S3_OK);
	ck_assert_int_eq(check_signed("/", "X-A: 1 2\nx-a: 3\nx-b: 4\n", names, canonical),
	                 S3_SIGNATURE_DOES_NOT_MATCH);
	/* the listed order is kept */
	ck_assert_int_eq(check_signed("/", "", "x-amz-date;host",
	                              "GET\n/\n\nx-amz-date:20130524T000000Z\n"
	                              "host:examplebucket.s3.amazonaws.com\n\nx-amz-date;host\n"
	                              "UNSIGNED-PAYLOAD"),
	                 S3_OK);
}
END_TEST

/* --- refusals --- */

START_TEST(time_skew)
{
	int64_t minute = 60 * CLOCK_SEC;
	ck_assert_int_eq(check_at(GET_OBJECT, SECRET, doc_time + 15 * minute), S3_OK);
	ck_assert_int_eq(check_at(GET_OBJECT, SECRET, doc_time - 15 * minute), S3_OK);
	ck_assert_int_eq(check_at(GET_OBJECT, SECRET, doc_time + 15 * minute + CLOCK_SEC),
	                 S3_REQUEST_TIME_TOO_SKEWED);
	ck_assert_int_eq(check_at(GET_OBJECT, SECRET, doc_time - 15 * minute - CLOCK_SEC),
	                 S3_REQUEST_TIME_TOO_SKEWED);
}
END_TEST

START_TEST(wrong_secret_and_unknown_key)
{
	ck_assert_int_eq(check_at(GET_OBJECT, SECRET "x", doc_time), S3_SIGNATURE_DOES_NOT_MATCH);
	ck_assert_int_eq(check_at(GET_OBJECT, "", doc_time), S3_SIGNATURE_DOES_NOT_MATCH);
	ck_assert_int_eq(check_at(GET_OBJECT, NULL, doc_time), S3_INVALID_ACCESS_KEY_ID);
	/* a good key in the cache does not help another secret */
	ck_assert_int_eq(check(GET_OBJECT), S3_OK);
	ck_assert_int_eq(check_at(GET_OBJECT, SECRET "x", doc_time), S3_SIGNATURE_DOES_NOT_MATCH);
}
END_TEST

/* The dummy secret opens nothing even to those who know it. */
START_TEST(dummy_secret_is_no_secret)
{
	struct arena *a = arena_new();
	struct sigv4_credentials c = {STR("nobody"), STR("dummy-secret-for-constant-time-auth"),
	                              STR("r"), STR("s3")};
	struct sigv4_outgoing o = {.method = STR("GET"),
	                           .host = STR("h"),
	                           .path = STR("/"),
	                           .payload_hash = SIGV4_UNSIGNED_PAYLOAD,
	                           .now = doc_time};
	struct http_field f[SIGV4_FIELDS];
	sigv4_sign(&c, &o, a, f);
	char text[1024];
	snprintf(text, sizeof(text),
	         "GET / HTTP/1.1\nHost: h\nauthorization: %.*s\nx-amz-date: %.*s\n"
	         "x-amz-content-sha256: UNSIGNED-PAYLOAD\n",
	         STR_FMT(f[0].value), STR_FMT(f[1].value));
	ck_assert_int_eq(check_at(text, "dummy-secret-for-constant-time-auth", doc_time), S3_OK);
	ck_assert_int_eq(check_at(text, NULL, doc_time), S3_INVALID_ACCESS_KEY_ID);
	arena_free(&a);
}
END_TEST

START_TEST(tampered_requests)
{
	char text[2048];
	size_t n = strlen(GET_OBJECT);
	/* upper-case hex is another signature */
	memcpy(text, GET_OBJECT, n + 1);
	*strstr(text, "f0e8") = 'F';
	ck_assert_int_eq(check(text), S3_SIGNATURE_DOES_NOT_MATCH);
	memcpy(text, GET_OBJECT, n + 1);
	memcpy(strstr(text, "0-9\n"), "1-9\n", 4);
	ck_assert_int_eq(check(text), S3_SIGNATURE_DOES_NOT_MATCH);
	memcpy(text, GET_OBJECT, n + 1);
	memcpy(text, "PUT", 3);
	ck_assert_int_eq(check(text), S3_SIGNATURE_DOES_NOT_MATCH);
	memcpy(text, GET_OBJECT, n + 1);
	memcpy(strstr(text, "us-east-1"), "us-east-2", 9);
	ck_assert_int_eq(check(text), S3_SIGNATURE_DOES_NOT_MATCH);
}
END_TEST

#define GET_WITH(authorization) "GET / HTTP/1.1\n" HOST DATE "Authorization: " authorization "\n"
#define A4                      "AWS4-HMAC-SHA256 "

START_TEST(malformed_headers)
{
	static const struct {
		const char *text;
		enum s3_error error;
	} cases[] = {
		{GET_WITH(A4 "Credential=k/20130524/r/s3/aws4_request,Signature=0"),
	         S3_AUTH_HEADER_MALFORMED},
		{GET_WITH(A4 "Credential=k/20130524/r/s3/aws4_request,SignedHeaders=host"),
	         S3_AUTH_HEADER_MALFORMED},
		{GET_WITH(A4 "SignedHeaders=host,Signature=0"), S3_AUTH_HEADER_MALFORMED},
		{GET_WITH(A4 "Credential=k/20130524/r/s3,SignedHeaders=host,Signature=0"),
	         S3_AUTH_HEADER_MALFORMED},
		{GET_WITH(A4 "Credential=k/20130524/r/s3/aws4,SignedHeaders=host,Signature=0"),
	         S3_AUTH_HEADER_MALFORMED},
		{GET_WITH(A4 "Credential=k/20130524/r/s3/aws4_request/"
	                     "x,SignedHeaders=host,Signature=0"),
	         S3_AUTH_HEADER_MALFORMED},
		{GET_WITH(A4
	                  "Credential=k/20130524/r//aws4_request,SignedHeaders=host,Signature=0"),
	         S3_AUTH_HEADER_MALFORMED},
		{GET_WITH(A4
	                  "Credential=/20130524/r/s3/aws4_request,SignedHeaders=host,Signature=0"),
	         S3_AUTH_HEADER_MALFORMED},
		{GET_WITH(A4
	                  "Credential=k/20130525/r/s3/aws4_request,SignedHeaders=host,Signature=0"),
	         S3_AUTH_HEADER_MALFORMED}, /* another day than x-amz-date */
		{GET_WITH(
			 A4
			 "Credential=k/20130524/r/s3/aws4_request,SignedHeaders=range,Signature=0"),
	         S3_ACCESS_DENIED},
		{GET_WITH(A4
	                  "Credential=k/20130524/r/s3/aws4_request,SignedHeaders=Host,Signature=0"),
	         S3_ACCESS_DENIED},
		{GET_WITH(A4 "Credential=k/20130524/r/s3/"
	                     "aws4_request,SignedHeaders=a;host;A,Signature=0"),
	         S3_ACCESS_DENIED},
		/* any order, any spaces */
		{GET_WITH(A4 " Signature=0 ,  SignedHeaders=host "
	                     ",Credential=k/20130524/r/s3/aws4_request"),
	         S3_SIGNATURE_DOES_NOT_MATCH},
		{"GET / HTTP/1.1\n" HOST "Date: Fri, 24 May 2013 00:00:00 GMT\nAuthorization: " A4
	         "Credential=k/20130524/r/s3/aws4_request,SignedHeaders=host,Signature=0\n",
	         S3_ACCESS_DENIED},
		{"GET / HTTP/1.1\n" HOST "x-amz-date: 2013-05-24T00:00:00Z\nAuthorization: " A4
	         "Credential=k/20130524/r/s3/aws4_request,SignedHeaders=host,Signature=0\n",
	         S3_ACCESS_DENIED},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(check(cases[i].text) == cases[i].error, "%s", cases[i].text);
}
END_TEST

START_TEST(schemes)
{
	static const char *const none[] = {
		"GET / HTTP/1.1\nHost: h\nAuthorization: AWS k:sig\n",
		"GET /?AWSAccessKeyId=k&Expires=1&Signature=x HTTP/1.1\nHost: h\n",
		"GET / HTTP/1.1\nHost: h\n",
		"GET / HTTP/1.1\nHost: h\nAuthorization: Bearer x\n",
		"GET / HTTP/1.1\nHost: h\nAuthorization: aws4-hmac-sha256 Credential=x\n",
		"GET / HTTP/1.1\nHost: h\nAuthorization: AWS4-ECDSA-P256-SHA256 Credential=x\n",
		"GET /?X-Amz-Algorithm= HTTP/1.1\nHost: h\n",
	};
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		struct request r;
		struct sigv4_request s;
		const char *why;
		request_make(&r, none[i]);
		ck_assert_int_eq(sigv4_parse(&r.head, r.path, &r.query, &s, &why), S3_OK);
		ck_assert_int_eq(s.scheme, SIGV4_NONE);
		ck_assert_int_eq(sigv4_is_version_2(&r.head, &r.query), i < 2);
		request_free(&r);
	}
	/* the header wins over the query, also when it is wrong */
	ck_assert_int_eq(check(PRESIGNED "Authorization: AWS4-HMAC-SHA256 x\n"),
	                 S3_AUTH_HEADER_MALFORMED);
}
END_TEST

/* The answer to a request with so many fields, when so many names of the given
 * length are listed as signed, beside host. */
static enum s3_error check_many(int fields, int names, int length)
{
	BUF_AUTO b = {0};
	buf_add_cstr(&b, "GET / HTTP/1.1\n" HOST DATE);
	for (int i = 3; i < fields; i++)
		buf_printf(&b, "x%d: 1\n", i);
	buf_add_cstr(&b, AUTH ",Signature=0,SignedHeaders=host");
	for (int i = 1; i < names; i++)
		buf_printf(&b, ";%0*d", length, i);
	buf_add(&b, "\n", 2);
	return check(b.p);
}

/* Names are compared each with each before anybody is known: there are not many of
 * them, and not many more than fields. */
START_TEST(many_signed_headers)
{
	ck_assert_int_eq(check_many(100, 100, 3), S3_SIGNATURE_DOES_NOT_MATCH);
	ck_assert_int_eq(check_many(500, 101, 3), S3_ACCESS_DENIED);
	ck_assert_int_eq(check_many(3, 11, 3), S3_SIGNATURE_DOES_NOT_MATCH);
	ck_assert_int_eq(check_many(3, 12, 3), S3_ACCESS_DENIED);
	ck_assert_int_eq(check_many(10, 2, 4096 - 5), S3_SIGNATURE_DOES_NOT_MATCH);
	ck_assert_int_eq(check_many(10, 2, 4096 - 4), S3_ACCESS_DENIED);
}
END_TEST

START_TEST(payloads)
{
	static const struct {
		const char *text;
		enum sigv4_payload payload;
	} cases[] = {
		{"UNSIGNED-PAYLOAD", SIGV4_PAYLOAD_UNSIGNED},
		{EMPTY, SIGV4_PAYLOAD_SHA256},
		{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", SIGV4_PAYLOAD_STREAM_SIGNED},
		{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER},
		{"STREAMING-UNSIGNED-PAYLOAD-TRAILER", SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER},
		{"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", SIGV4_PAYLOAD_UNSUPPORTED},
		{"STREAMING-AWS4-HMAC-SHA256-EVENTS", SIGV4_PAYLOAD_UNSUPPORTED},
		{"", SIGV4_PAYLOAD_INVALID},
		{"e3b0c4", SIGV4_PAYLOAD_INVALID},
		{"unsigned-payload", SIGV4_PAYLOAD_INVALID},
		{EMPTY "0", SIGV4_PAYLOAD_INVALID},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str s = str_of(cases[i].text);
		ck_assert_int_eq(sigv4_payload_of(&s), cases[i].payload);
	}
	ck_assert_int_eq(sigv4_payload_of(NULL), SIGV4_PAYLOAD_UNSIGNED);
}
END_TEST

/* --- signing --- */

START_TEST(signs_like_the_published_example)
{
	struct arena *a = arena_new();
	struct sigv4_credentials c = {STR(KEY_ID), STR(SECRET), STR("us-east-1"), STR("s3")};
	struct http_field extra[] = {{STR("x-amz-storage-class"), STR("REDUCED_REDUNDANCY")},
	                             {STR("Date"), STR("Fri, 24 May 2013 00:00:00 GMT")}};
	struct sigv4_outgoing o = {
		.method = STR("PUT"),
		.host = STR("examplebucket.s3.amazonaws.com"),
		.path = STR("/test%24file.text"),
		.payload_hash =
			STR("44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
		.fields = extra,
		.n_fields = 2,
		.now = doc_time,
	};
	struct http_field f[SIGV4_FIELDS];
	sigv4_sign(&c, &o, a, f);
	ck_assert(str_eq(f[0].name, STR("authorization")));
	ck_assert(str_eq(
		f[0].value,
		STR("AWS4-HMAC-SHA256 Credential=" KEY_ID "/" SCOPE
	            ",SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
	            "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")));
	ck_assert(str_eq(f[1].value, STR("20130524T000000Z")));
	ck_assert(str_eq(f[2].value, o.payload_hash));
	arena_free(&a);
}
END_TEST

START_TEST(signs_a_query)
{
	struct arena *a = arena_new();
	BUF_AUTO query = {0};
	struct uri_param params[] = {{STR("prefix"), STR("J"), true},
	                             {STR("max-keys"), STR("2"), true}};
	sigv4_add_query(&query, params, 2);
	ck_assert(str_eq(buf_str(&query), STR("max-keys=2&prefix=J")));
	struct sigv4_credentials c = {STR(KEY_ID), STR(SECRET), STR("us-east-1"), STR("s3")};
	struct sigv4_outgoing o = {.method = STR("GET"),
	                           .host = STR("examplebucket.s3.amazonaws.com"),
	                           .path = STR("/"),
	                           .query = buf_str(&query),
	                           .payload_hash = STR(EMPTY),
	                           .now = doc_time};
	struct http_field f[SIGV4_FIELDS];
	sigv4_sign(&c, &o, a, f);
	ck_assert(
		str_ends(f[0].value,
	                 STR("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")));
	arena_free(&a);
}
END_TEST

/* More keys than the cache holds; each signs as it would alone. */
START_TEST(key_cache_overflows)
{
	struct arena *a = arena_new();
	struct str first[600];
	struct sigv4_outgoing o = {.method = STR("GET"),
	                           .host = STR("h"),
	                           .path = STR("/"),
	                           .payload_hash = SIGV4_UNSIGNED_PAYLOAD,
	                           .now = doc_time};
	for (int i = 0; i < 1200; i++) {
		struct http_field f[SIGV4_FIELDS];
		struct str secret = str_of(arena_printf(a, "secret%d", i % 600));
		sigv4_sign(&(struct sigv4_credentials){STR("k"), secret, STR("r"), STR("s3")}, &o,
		           a, f);
		if (i < 600)
			first[i] = f[0].value;
		else
			ck_assert(str_eq(first[i - 600], f[0].value));
	}
	ck_assert(!str_eq(first[0], first[1]));
	arena_free(&a);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, published_get_object);
	tcase_add_test(t, published_put_object);
	tcase_add_test(t, published_lifecycle_and_list);
	tcase_add_test(t, published_presigned);
	tcase_add_test(t, published_post);
	tcase_add_test(t, presigned_parameters);
	tcase_add_test(t, presigned_messages);
	tcase_add_test(t, path_in_wire_form);
	tcase_add_test(t, query_is_sorted_and_encoded);
	tcase_add_test(t, header_values);
	tcase_add_test(t, time_skew);
	tcase_add_test(t, wrong_secret_and_unknown_key);
	tcase_add_test(t, dummy_secret_is_no_secret);
	tcase_add_test(t, tampered_requests);
	tcase_add_test(t, malformed_headers);
	tcase_add_test(t, schemes);
	tcase_add_test(t, many_signed_headers);
	tcase_add_test(t, payloads);
	tcase_add_test(t, signs_like_the_published_example);
	tcase_add_test(t, signs_a_query);
	tcase_add_test(t, key_cache_overflows);
	return run_tests("s3proto_sigv4", t);
}
