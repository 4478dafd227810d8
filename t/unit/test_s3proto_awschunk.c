/* SPDX-License-Identifier: MIT
 *
 * aws-chunked: the two examples that AWS publishes, every rejection, and every
 * way to cut the input in two.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "s3proto/awschunk.h"
#include "s3proto_request.h"
#include "t/unit/run.h"

#define SECRET       "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define SCOPE        "20130524/us-east-1/s3/aws4_request"
#define DATE         "20130524T000000Z"
#define SEED_SIGNED  "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
#define SEED_TRAILER "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
#define TRAILER_SIGNATURE                                                                          \
	"x-amz-trailer-signature:"                                                                 \
	"d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n"
#define CRC_TRAILER "x-amz-checksum-crc32c:sOO8/Q==\r\n"

/* The seed of the published PUT, got by verifying that request. */
static struct sigv4_seed seed_of(struct request *r, const char *text)
{
	struct sigv4_request s;
	struct sigv4_seed seed;
	const char *why;
	struct str secret = STR(SECRET);
	int64_t now;
	ck_assert(clock_parse_amz(STR(DATE), &now));
	request_make(r, text);
	ck_assert_int_eq(sigv4_parse(&r->head, r->path, &r->query, &s, &why), S3_OK);
	ck_assert_int_eq(sigv4_verify(&s, &r->head, &secret, now, &seed, &why), S3_OK);
	enum awschunk_variant v;
	ck_assert(awschunk_variant_of(s.payload, &v));
	return seed;
}

#define PUT_HEAD                                                                                   \
	"PUT /examplebucket/chunkObject.txt HTTP/1.1\nHost: s3.amazonaws.com\nx-amz-date: " DATE   \
	"\nx-amz-storage-class: REDUCED_REDUNDANCY\nContent-Encoding: aws-chunked\n"               \
	"x-amz-decoded-content-length: 66560\nContent-Length: 66824\n"
#define AUTH "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/" SCOPE ","

static struct request request;

static struct sigv4_seed seed_signed(void)
{
	return seed_of(&request,
	               PUT_HEAD "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\n" AUTH
	                        "SignedHeaders=content-encoding;content-length;host;"
	                        "x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
	                        "x-amz-storage-class,Signature=" SEED_SIGNED "\n");
}

static struct sigv4_seed seed_trailer(void)
{
	return seed_of(&request, PUT_HEAD
	               "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER\n"
	               "x-amz-trailer: x-amz-checksum-crc32c\n" AUTH
	               "SignedHeaders=content-encoding;host;x-amz-content-sha256;x-amz-date;"
	               "x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer,"
	               "Signature=" SEED_TRAILER "\n");
}

static void teardown(void)
{
	if (request.arena != NULL)
		request_free(&request);
}

/* The published body: 65,536 and 1,024 times 'a'. */
static void add_chunk(struct buf *b, const char *header, size_t n)
{
	buf_add_cstr(b, header);
	buf_add_cstr(b, "\r\n");
	for (size_t i = 0; i < n; i++)
		buf_add_char(b, 'a');
	if (n > 0)
		buf_add_cstr(b, "\r\n");
}

#define SIG ";chunk-signature="

static void body_signed(struct buf *b)
{
	add_chunk(b, "10000" SIG "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
	          65536);
	add_chunk(b, "400" SIG "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
	          1024);
	add_chunk(b, "0" SIG "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9", 0);
	buf_add_cstr(b, "\r\n");
}

static void body_trailer(struct buf *b, const char *trailers)
{
	add_chunk(b, "10000" SIG "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
	          65536);
	add_chunk(b, "400" SIG "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
	          1024);
	add_chunk(b, "0" SIG "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992", 0);
	buf_add_cstr(b, trailers);
	buf_add_cstr(b, "\r\n");
}

/* Feeds everything, and the end if nothing was wrong before. */
static enum awschunk_result feed(struct awschunk *c, struct str s, struct buf *out)
{
	enum awschunk_result r = AWSCHUNK_MORE;
	while (s.n > 0) {
		size_t used, n;
		const char *data;
		r = awschunk_feed(c, s.p, s.n, &used, &data, &n);
		if (n > 0)
			buf_add(out, data, n);
		if (r != AWSCHUNK_MORE && r != AWSCHUNK_DONE)
			break;
		ck_assert_uint_gt(used, 0);
		s = str_skip(s, used);
	}
	return r;
}

/* Cut at `cut`. */
static enum awschunk_result decode(const struct awschunk_options *o, struct str body, size_t cut,
                                   struct buf *out)
{
	struct awschunk *c = awschunk_new(o);
	enum awschunk_result r = AWSCHUNK_MORE;
	if (cut > 0)
		r = feed(c, str_n(body.p, cut), out);
	if (cut < body.n && (r == AWSCHUNK_MORE || r == AWSCHUNK_DONE))
		r = feed(c, str_skip(body, cut), out);
	enum awschunk_result end = awschunk_end(c);
	ck_assert(r == AWSCHUNK_MORE || r == end);
	/* what was rejected stays rejected */
	if (end != AWSCHUNK_DONE) {
		size_t used, n;
		const char *data;
		ck_assert_int_eq(awschunk_feed(c, "0\r\n\r\n", 5, &used, &data, &n), end);
		ck_assert_uint_eq(n, 0);
	}
	awschunk_free(&c);
	return end;
}

static enum awschunk_result decode_whole(const struct awschunk_options *o, struct str body)
{
	BUF_AUTO out = {0};
	return decode(o, body, body.n, &out);
}

static bool all_a(const struct buf *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->p[i] != 'a')
			return false;
	return true;
}

START_TEST(published_signed)
{
	struct sigv4_seed seed = seed_signed();
	struct awschunk_options o = {AWSCHUNK_SIGNED, 66560, &seed, STR_NULL};
	BUF_AUTO body = {0};
	body_signed(&body);
	ck_assert_uint_eq(body.n, 66824);
	for (size_t cut = 0; cut <= body.n; cut += cut < 200 || cut > 65500 ? 1 : 911) {
		BUF_AUTO out = {0};
		ck_assert_int_eq(decode(&o, buf_str(&body), cut, &out), AWSCHUNK_DONE);
		ck_assert_uint_eq(out.n, 66560);
		ck_assert(all_a(&out));
	}
}
END_TEST

START_TEST(published_trailer)
{
	struct sigv4_seed seed = seed_trailer();
	struct awschunk_options o = {AWSCHUNK_SIGNED_TRAILER, 66560, &seed,
	                             STR("x-amz-checksum-crc32c")};
	BUF_AUTO body = {0};
	body_trailer(&body, CRC_TRAILER TRAILER_SIGNATURE);
	ck_assert_int_eq(decode_whole(&o, buf_str(&body)), AWSCHUNK_DONE);
	for (size_t cut = 65530; cut <= body.n; cut++) {
		BUF_AUTO out = {0};
		ck_assert_int_eq(decode(&o, buf_str(&body), cut, &out), AWSCHUNK_DONE);
		ck_assert_uint_eq(out.n, 66560);
	}

	struct awschunk *c = awschunk_new(&o);
	BUF_AUTO out = {0};
	size_t n;
	ck_assert_int_eq(feed(c, buf_str(&body), &out), AWSCHUNK_DONE);
	const struct http_field *f = awschunk_trailers(c, &n);
	ck_assert_uint_eq(n, 1);
	ck_assert(str_eq(f[0].name, STR("x-amz-checksum-crc32c")));
	ck_assert(str_eq(f[0].value, STR("sOO8/Q==")));
	awschunk_free(&c);
}
END_TEST

START_TEST(signed_trailer_faults)
{
	struct sigv4_seed seed = seed_trailer();
	struct awschunk_options o = {AWSCHUNK_SIGNED_TRAILER, 66560, &seed,
	                             STR("x-amz-checksum-crc32c")};
	static const struct {
		const char *trailers;
		enum awschunk_result result;
	} cases[] = {
		{"X-Amz-Checksum-Crc32c:  sOO8/Q== \r\n" TRAILER_SIGNATURE, AWSCHUNK_DONE},
		/* as minio-go writes it */
		{"x-amz-checksum-crc32c:sOO8/Q==\n\r\n" TRAILER_SIGNATURE, AWSCHUNK_DONE},
		{"x-amz-checksum-crc32c:sOO8/Q==\n\n\r\n" TRAILER_SIGNATURE,
	         AWSCHUNK_TRAILER_MALFORMED},
		{"x-amz-checksum-crc32c:sOO8/Q==\r\n\n\r\n" TRAILER_SIGNATURE,
	         AWSCHUNK_TRAILER_MALFORMED},
		{CRC_TRAILER, AWSCHUNK_TRAILER_MALFORMED}, /* no signature */
		{"", AWSCHUNK_TRAILER_MALFORMED},
		{"x-amz-checksum-crc32c:sOO8/A==\r\n" TRAILER_SIGNATURE,
	         AWSCHUNK_TRAILER_SIGNATURE_MISMATCH},
		{CRC_TRAILER "x-amz-trailer-signature:00\r\n", AWSCHUNK_TRAILER_MALFORMED},
		{CRC_TRAILER TRAILER_SIGNATURE "x-amz-meta-a:1\r\n", AWSCHUNK_TRAILER_MALFORMED},
		{CRC_TRAILER "x-amz-meta-a:1\r\n" TRAILER_SIGNATURE, AWSCHUNK_TRAILER_MALFORMED},
		{CRC_TRAILER CRC_TRAILER TRAILER_SIGNATURE, AWSCHUNK_TRAILER_MALFORMED},
		{"x-amz-checksum-crc32c\r\n" TRAILER_SIGNATURE, AWSCHUNK_TRAILER_MALFORMED},
		{"x-amz-checksum-crc32c:sOO8/Q==\n" TRAILER_SIGNATURE, AWSCHUNK_TRAILER_MALFORMED},
		{":sOO8/Q==\r\n" TRAILER_SIGNATURE, AWSCHUNK_TRAILER_MALFORMED},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		BUF_AUTO body = {0};
		body_trailer(&body, cases[i].trailers);
		ck_assert_msg(decode_whole(&o, buf_str(&body)) == cases[i].result, "%s",
		              cases[i].trailers);
	}
}
END_TEST

START_TEST(tampering_with_chunks)
{
	struct sigv4_seed seed = seed_signed();
	struct awschunk_options o = {AWSCHUNK_SIGNED, 66560, &seed, STR_NULL};
	BUF_AUTO body = {0};
	body_signed(&body);
	/* first, middle and last byte of the first chunk (its header has 88 bytes) and
	 * of the second (86 more, and a CRLF) */
	static const size_t data_at[] = {88, 30000, 65623, 65712, 66735};
	for (size_t i = 0; i < sizeof(data_at) / sizeof(data_at[0]); i++) {
		ck_assert_int_eq(body.p[data_at[i]], 'a');
		body.p[data_at[i]] ^= 1;
		ck_assert_int_eq(decode_whole(&o, buf_str(&body)),
		                 AWSCHUNK_CHUNK_SIGNATURE_MISMATCH);
		body.p[data_at[i]] ^= 1;
	}
	ck_assert_int_eq(decode_whole(&o, buf_str(&body)), AWSCHUNK_DONE);

	/* another seed, as if the body had been moved to another request */
	struct sigv4_seed other = seed;
	other.signature = STR(SEED_TRAILER);
	o.seed = &other;
	ck_assert_int_eq(decode_whole(&o, buf_str(&body)), AWSCHUNK_CHUNK_SIGNATURE_MISMATCH);

	/* chunks in another order */
	o.seed = &seed;
	BUF_AUTO swapped = {0};
	add_chunk(&swapped,
	          "400" SIG "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
	          1024);
	buf_add(&swapped, body.p, body.n);
	ck_assert_int_eq(decode_whole(&o, buf_str(&swapped)), AWSCHUNK_CHUNK_SIGNATURE_MISMATCH);
}
END_TEST

START_TEST(decoded_length)
{
	struct sigv4_seed seed = seed_signed();
	struct awschunk_options o = {AWSCHUNK_SIGNED, 66559, &seed, STR_NULL};
	BUF_AUTO body = {0};
	body_signed(&body);
	ck_assert_int_eq(decode_whole(&o, buf_str(&body)), AWSCHUNK_DECODED_LENGTH_MISMATCH);
	o.decoded_length = 66561;
	ck_assert_int_eq(decode_whole(&o, buf_str(&body)), AWSCHUNK_DECODED_LENGTH_MISMATCH);
}
END_TEST

START_TEST(signed_framing)
{
	struct sigv4_seed seed = seed_signed();
	struct awschunk_options o = {AWSCHUNK_SIGNED, UINT64_MAX, &seed, STR_NULL};
	static const struct {
		const char *body;
		enum awschunk_result result;
	} cases[] = {
		{"5\r\nhello\r\n", AWSCHUNK_CHUNK_MALFORMED}, /* no signature */
		{"5;chunk-signature=00\r\n", AWSCHUNK_CHUNK_MALFORMED},
		{"5;chunk-signature=" SEED_SIGNED "0\r\n", AWSCHUNK_CHUNK_MALFORMED},
		{"5;chunk-sig=" SEED_SIGNED "\r\n", AWSCHUNK_CHUNK_MALFORMED},
		{"5;chunk-signature="
	         "g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0\r\n",
	         AWSCHUNK_CHUNK_MALFORMED},
		{"1000001;chunk-signature=" SEED_SIGNED "\r\n", AWSCHUNK_CHUNK_TOO_LARGE},
		{"1000000;chunk-signature=" SEED_SIGNED "\r\n", AWSCHUNK_DECODED_LENGTH_MISMATCH},
		{"5;chunk-signature=" SEED_SIGNED "\r\nhelloXY", AWSCHUNK_CHUNK_MALFORMED},
		{"5;chunk-signature=" SEED_SIGNED "\r\nhello\r\n",
	         AWSCHUNK_CHUNK_SIGNATURE_MISMATCH},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(decode_whole(&o, str_of(cases[i].body)) == cases[i].result, "%s",
		              cases[i].body);
}
END_TEST

#define TWO "x-amz-checksum-crc32,x-amz-meta-b"

START_TEST(unsigned_framing)
{
	static const struct {
		const char *body;
		uint64_t length;
		const char *declared;
		enum awschunk_result result;
	} cases[] = {
		{"5\r\nhello\r\n0\r\n\r\n", 5, "", AWSCHUNK_DONE},
		{"0\r\n\r\n", 0, "", AWSCHUNK_DONE},
		{"000\r\n\r\n", 0, "", AWSCHUNK_DONE},
		{"0005\r\nhello\r\n00\r\n\r\n", 5, "", AWSCHUNK_DONE},
		{"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", 20, "", AWSCHUNK_DONE},
		{"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", 5,
	         "x-amz-checksum-crc32", AWSCHUNK_DONE},
		{"0\r\nX-Amz-Meta-B: 2\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", 0, TWO,
	         AWSCHUNK_DONE},
		{"0\r\nX-Amz-Meta-B: 2\r\n\r\n", 0, TWO, AWSCHUNK_TRAILER_MALFORMED},
		/* an LF before the end of a trailer line, as minio-go writes it, and nowhere
	         * else */
		{"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\n\r\n\r\n", 5,
	         "x-amz-checksum-crc32", AWSCHUNK_DONE},
		{"0\r\na:1\n\r\n\n\r\n", 0, "a", AWSCHUNK_TRAILER_MALFORMED},
		{"0\r\na:1\n\n", 0, "a", AWSCHUNK_TRAILER_MALFORMED},
		{"0\r\na:1\n2\r\n\r\n", 0, "a", AWSCHUNK_TRAILER_MALFORMED},
		{"0\n\r\na:1\r\n\r\n", 0, "a", AWSCHUNK_CHUNK_MALFORMED},
		{"5\r\nhello\n\r\n0\r\n\r\n", 5, "", AWSCHUNK_CHUNK_MALFORMED},
		{"0\r\n\r\n", 0, TWO, AWSCHUNK_TRAILER_MALFORMED},
		{"0\r\na:1\r\n\r\n", 0, "", AWSCHUNK_TRAILER_MALFORMED}, /* undeclared */
		{"0\r\n" TRAILER_SIGNATURE "\r\n", 0, "", AWSCHUNK_TRAILER_SIGNATURE_MISMATCH},
		/* length */
		{"5\r\nhello\r\n0\r\n\r\n", 4, "", AWSCHUNK_DECODED_LENGTH_MISMATCH},
		{"5\r\nhello\r\n0\r\n\r\n", 6, "", AWSCHUNK_DECODED_LENGTH_MISMATCH},
		{"ffffffffffffffff\r\n", 5, "", AWSCHUNK_DECODED_LENGTH_MISMATCH},
		{"10000000000000000\r\n", 5, "", AWSCHUNK_CHUNK_MALFORMED},
		/* framing */
		{"5\nhello\n0\n\n", 5, "", AWSCHUNK_CHUNK_MALFORMED},
		{"5\r\nhello0\r\n\r\n", 5, "", AWSCHUNK_CHUNK_MALFORMED},
		{"5\r\nhello\r\n\r\n", 5, "", AWSCHUNK_CHUNK_MALFORMED},
		{"\r\n", 0, "", AWSCHUNK_CHUNK_MALFORMED},
		{"0x5\r\nhello\r\n", 5, "", AWSCHUNK_CHUNK_MALFORMED},
		{"+5\r\nhello\r\n", 5, "", AWSCHUNK_CHUNK_MALFORMED},
		{" 5\r\nhello\r\n", 5, "", AWSCHUNK_CHUNK_MALFORMED},
		{"5 \r\nhello\r\n", 5, "", AWSCHUNK_CHUNK_MALFORMED},
		{"g\r\n", 5, "", AWSCHUNK_CHUNK_MALFORMED},
		{"5;\r\nhello\r\n", 5, "", AWSCHUNK_CHUNK_MALFORMED},
		{"5;chunk-signature=" SEED_SIGNED "\r\nhello\r\n", 5, "", AWSCHUNK_CHUNK_MALFORMED},
		{"5\r\r\nhello\r\n", 5, "", AWSCHUNK_CHUNK_MALFORMED},
		{"0\r\n\r\nx", 0, "", AWSCHUNK_CHUNK_MALFORMED}, /* bytes after the end */
		{"0\r\n\r\n\r\n", 0, "", AWSCHUNK_CHUNK_MALFORMED},
		/* the input ends early */
		{"", 5, "", AWSCHUNK_DECODED_LENGTH_MISMATCH},
		{"5\r", 5, "", AWSCHUNK_CHUNK_MALFORMED},
		{"5\r\nhel", 5, "", AWSCHUNK_DECODED_LENGTH_MISMATCH},
		{"5\r\nhello\r", 5, "", AWSCHUNK_CHUNK_MALFORMED},
		{"5\r\nhello\r\n", 5, "", AWSCHUNK_DECODED_LENGTH_MISMATCH},
		{"0\r\n", 0, "", AWSCHUNK_TRAILER_MALFORMED},
		{"0\r\n\r", 0, "", AWSCHUNK_TRAILER_MALFORMED},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct awschunk_options o = {AWSCHUNK_UNSIGNED_TRAILER, cases[i].length, NULL,
		                             str_of(cases[i].declared)};
		struct str body = str_of(cases[i].body);
		for (size_t cut = 0; cut <= body.n; cut++) {
			BUF_AUTO out = {0};
			ck_assert_msg(decode(&o, body, cut, &out) == cases[i].result,
			              "case %zu cut %zu: %s", i, cut, cases[i].body);
		}
	}
}
END_TEST

/* Unsigned, but the client signed the trailer: then the signature counts. */
START_TEST(unsigned_with_trailer_signature)
{
	struct sigv4_seed seed = seed_trailer();
	struct awschunk_options o = {AWSCHUNK_UNSIGNED_TRAILER, 0, &seed,
	                             STR("x-amz-checksum-crc32c")};
	/* the chain continues from the seed; computed here from the definition */
	char hash[SHA256_HEX_SIZE], signature[SHA256_HEX_SIZE];
	sha256_hex("x-amz-checksum-crc32c:AAAAAA==\n", 31, hash);
	BUF_AUTO to_sign = {0};
	buf_printf(&to_sign, "AWS4-HMAC-SHA256-TRAILER\n" DATE "\n" SCOPE "\n" SEED_TRAILER "\n%s",
	           hash);
	sigv4_sign_string(seed.key, buf_str(&to_sign), signature);
	BUF_AUTO body = {0};
	buf_printf(&body,
	           "0\r\nx-amz-checksum-crc32c:AAAAAA==\r\nx-amz-trailer-signature:%s\r\n\r\n",
	           signature);
	ck_assert_int_eq(decode_whole(&o, buf_str(&body)), AWSCHUNK_DONE);
	body.p[body.n - 5] ^= 1;
	ck_assert_int_eq(decode_whole(&o, buf_str(&body)), AWSCHUNK_TRAILER_SIGNATURE_MISMATCH);
}
END_TEST

static void add_many(struct buf *b, char c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_add_char(b, c);
}

START_TEST(limits)
{
	/* a header line of exactly 1,024 bytes, and one more */
	for (size_t more = 0; more < 2; more++) {
		struct awschunk_options o = {AWSCHUNK_UNSIGNED_TRAILER, 0, NULL, STR_NULL};
		BUF_AUTO b = {0};
		add_many(&b, '0', AWSCHUNK_LINE_MAX - 2 + more);
		buf_add_cstr(&b, "\r\n\r\n");
		ck_assert_int_eq(decode_whole(&o, buf_str(&b)),
		                 more ? AWSCHUNK_CHUNK_MALFORMED : AWSCHUNK_DONE);
	}
	/* a trailer block of exactly 8,192 bytes with its end line, and one more */
	for (size_t more = 0; more < 2; more++) {
		struct awschunk_options o = {AWSCHUNK_UNSIGNED_TRAILER, 0, NULL, STR("a")};
		BUF_AUTO b = {0};
		buf_add_cstr(&b, "0\r\na:");
		add_many(&b, 'x', AWSCHUNK_TRAILER_MAX - 6 + more);
		buf_add_cstr(&b, "\r\n\r\n");
		ck_assert_int_eq(decode_whole(&o, buf_str(&b)),
		                 more ? AWSCHUNK_TRAILER_MALFORMED : AWSCHUNK_DONE);
	}
	/* 16 trailers, and one more */
	for (int more = 0; more < 2; more++) {
		BUF_AUTO names = {0};
		BUF_AUTO b = {0};
		buf_add_cstr(&b, "0\r\n");
		for (int i = AWSCHUNK_TRAILERS_MAX + more; i > 0; i--) {
			buf_printf(&names, "%sN%02d", names.n > 0 ? " , " : "", i);
			buf_printf(&b, "n%02d: %d\r\n", i, i);
		}
		buf_add_cstr(&b, "\r\n");
		struct awschunk_options o = {AWSCHUNK_UNSIGNED_TRAILER, 0, NULL, buf_str(&names)};
		ck_assert_int_eq(decode_whole(&o, buf_str(&b)),
		                 more ? AWSCHUNK_TRAILER_MALFORMED : AWSCHUNK_DONE);
	}
	/* an unsigned chunk may be as large as the object */
	struct awschunk_options o = {AWSCHUNK_UNSIGNED_TRAILER, UINT64_C(5) << 30, NULL, STR_NULL};
	struct awschunk *c = awschunk_new(&o);
	BUF_AUTO out = {0};
	ck_assert_int_eq(feed(c, STR("140000000\r\nabc"), &out), AWSCHUNK_MORE);
	ck_assert(str_eq(buf_str(&out), STR("abc")));
	awschunk_free(&c);
}
END_TEST

START_TEST(trailers_are_sorted)
{
	struct awschunk_options o = {AWSCHUNK_UNSIGNED_TRAILER, 0, NULL, STR("c,a,b")};
	struct awschunk *c = awschunk_new(&o);
	BUF_AUTO out = {0};
	size_t n;
	ck_assert_int_eq(feed(c, STR("0\r\nC:3\r\nA: 1\t\r\nb:\r\n\r\n"), &out), AWSCHUNK_DONE);
	const struct http_field *f = awschunk_trailers(c, &n);
	ck_assert_uint_eq(n, 3);
	ck_assert(str_eq(f[0].name, STR("a")) && str_eq(f[0].value, STR("1")));
	ck_assert(str_eq(f[1].name, STR("b")) && f[1].value.n == 0);
	ck_assert(str_eq(f[2].name, STR("c")) && str_eq(f[2].value, STR("3")));
	awschunk_free(&c);
}
END_TEST

START_TEST(names)
{
	ck_assert_str_eq(awschunk_variant_name(AWSCHUNK_SIGNED), "signed");
	ck_assert_str_eq(awschunk_variant_name(AWSCHUNK_SIGNED_TRAILER), "signed_trailer");
	ck_assert_str_eq(awschunk_variant_name(AWSCHUNK_UNSIGNED_TRAILER), "unsigned_trailer");
	ck_assert_str_eq(awschunk_reason(AWSCHUNK_CHUNK_TOO_LARGE), "chunk_too_large");
	ck_assert_int_eq(awschunk_error(AWSCHUNK_CHUNK_SIGNATURE_MISMATCH),
	                 S3_SIGNATURE_DOES_NOT_MATCH);
	ck_assert_int_eq(awschunk_error(AWSCHUNK_DECODED_LENGTH_MISMATCH), S3_INCOMPLETE_BODY);
	ck_assert_str_eq(awschunk_message(AWSCHUNK_TRAILER_MALFORMED),
	                 "Streaming trailer block is malformed.");
	enum awschunk_variant v;
	ck_assert(!awschunk_variant_of(SIGV4_PAYLOAD_SHA256, &v));
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 120); /* sanitizers on a busy machine */
	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_add_test(t, published_signed);
	tcase_add_test(t, published_trailer);
	tcase_add_test(t, signed_trailer_faults);
	tcase_add_test(t, tampering_with_chunks);
	tcase_add_test(t, decoded_length);
	tcase_add_test(t, signed_framing);
	tcase_add_test(t, unsigned_framing);
	tcase_add_test(t, unsigned_with_trailer_signature);
	tcase_add_test(t, limits);
	tcase_add_test(t, trailers_are_sorted);
	tcase_add_test(t, names);
	return run_tests("s3proto_awschunk", t);
}
