/* SPDX-License-Identifier: MIT
 *
 * aws-chunked: whatever comes in, cut anywhere, the decoder stays within its
 * limits, never emits more than was declared, and gives the same result as
 * without the cut. Arbitrary input ends at the first signature; so it is taken apart
 * as well and sent as a client would, signed: that must pass, and must not when one
 * bit of it has changed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "s3proto/awschunk.h"

#define DECLARED_MAX 64 /* decoded bytes; small, so that it is often met */
#define PIECE_MAX    32 /* bytes of a signed chunk; small, so that there are several */
#define VALUE_MAX    64 /* bytes of a signed trailer */

struct outcome {
	enum awschunk_result result;
	uint64_t data; /* bytes */
	uint64_t sum;  /* of the data, order counts */
};

static void feed(struct awschunk *c, const char *p, size_t n, struct outcome *o)
{
	while (n > 0) {
		size_t used, data_n;
		const char *data;
		o->result = awschunk_feed(c, p, n, &used, &data, &data_n);
		for (size_t i = 0; i < data_n; i++)
			o->sum = o->sum * 31 + (unsigned char)data[i];
		o->data += data_n;
		if (o->result != AWSCHUNK_MORE && o->result != AWSCHUNK_DONE)
			return;
		if (used == 0 || used > n)
			abort();
		p += used;
		n -= used;
	}
}

static struct outcome run(const struct awschunk_options *o, const char *p, size_t n, size_t cut)
{
	struct awschunk *c = awschunk_new(o);
	struct outcome out = {.result = AWSCHUNK_MORE};
	feed(c, p, cut, &out);
	if (out.result == AWSCHUNK_MORE || out.result == AWSCHUNK_DONE)
		feed(c, p + cut, n - cut, &out);
	out.result = awschunk_end(c);
	size_t trailers;
	awschunk_trailers(c, &trailers);
	if (trailers > AWSCHUNK_TRAILERS_MAX || out.data > o->decoded_length)
		abort();
	if (out.result == AWSCHUNK_DONE && out.data != o->decoded_length)
		abort();
	awschunk_free(&c);
	return out;
}

/* --- signed as a client would --- */

struct signer {
	const struct sigv4_seed *seed;
	char previous[SHA256_HEX_SIZE];
	struct buf text;      /* what is sent */
	struct buf canonical; /* of the trailers */
};

/* The next link of the chain, into previous. */
static void sign(struct signer *s, const char *algorithm, const char *middle, const char *hash)
{
	BUF_AUTO b = {0};
	buf_printf(&b, "%s\n%.*s\n%.*s\n%.*s\n%s%s", algorithm, STR_FMT(s->seed->amz_date),
	           STR_FMT(s->seed->scope), SHA256_HEX_SIZE - 1, s->previous, middle, hash);
	sigv4_sign_string(s->seed->key, buf_str(&b), s->previous);
}

static void add_chunk(struct signer *s, struct str data)
{
	char hash[SHA256_HEX_SIZE];
	sha256_hex(data.n > 0 ? data.p : "", data.n, hash);
	sign(s, "AWS4-HMAC-SHA256-PAYLOAD", SHA256_EMPTY_HEX "\n", hash);
	buf_printf(&s->text, "%zx;chunk-signature=%s\r\n", data.n, s->previous);
	buf_add_str(&s->text, data);
	if (data.n > 0)
		buf_add_cstr(&s->text, "\r\n");
}

/* In both ways of ending a line. */
static void add_trailer(struct signer *s, const char *name, struct str value)
{
	char clean[VALUE_MAX];
	value = str_n(value.p, value.n < sizeof(clean) ? value.n : sizeof(clean));
	for (size_t i = 0; i < value.n; i++)
		clean[i] = value.p[i] >= ' ' && value.p[i] <= '~' ? value.p[i] : '.';
	struct str trimmed = str_trim(str_n(clean, value.n));
	buf_printf(&s->text, "%s:%.*s%s\r\n", name, (int)value.n, clean, value.n % 2 ? "\n" : "");
	buf_printf(&s->canonical, "%s:%.*s\n", name, STR_FMT(trimmed));
}

/* Each chunk is a length and as many bytes, up to a length of 0; then trailers a and
 * b. Returns the decoded length. */
static uint64_t build(struct signer *s, enum awschunk_variant variant, struct str in)
{
	uint64_t decoded = 0;
	memcpy(s->previous, s->seed->signature.p, SHA256_HEX_SIZE - 1);
	while (in.n > 1 && in.p[0] % PIECE_MAX != 0) {
		size_t size = (unsigned char)in.p[0] % PIECE_MAX;
		in = str_skip(in, 1);
		struct str data = str_n(in.p, size < in.n ? size : in.n);
		add_chunk(s, data);
		decoded += data.n;
		in = str_skip(in, data.n);
	}
	add_chunk(s, STR_NULL);
	if (variant == AWSCHUNK_SIGNED_TRAILER) {
		char hash[SHA256_HEX_SIZE];
		add_trailer(s, "a", str_n(in.p, in.n / 2));
		add_trailer(s, "b", str_skip(in, in.n / 2));
		sha256_hex(s->canonical.p, s->canonical.n, hash);
		sign(s, "AWS4-HMAC-SHA256-TRAILER", "", hash);
		buf_printf(&s->text, "x-amz-trailer-signature:%s\r\n", s->previous);
	}
	buf_add_cstr(&s->text, "\r\n");
	return decoded;
}

static void run_signed(const struct sigv4_seed *seed, const uint8_t *p, size_t n)
{
	struct signer s = {.seed = seed};
	struct awschunk_options o = {
		.variant = p[0] % 2 ? AWSCHUNK_SIGNED_TRAILER : AWSCHUNK_SIGNED,
		.seed = seed,
		.trailer_names = p[0] % 2 ? STR("b, a") : STR_NULL,
	};
	o.decoded_length = build(&s, o.variant, str_n((const char *)p + 3, n - 3));
	size_t cut = (size_t)(p[1] << 8 | p[2]) % s.text.n;
	if (run(&o, s.text.p, s.text.n, cut).result != AWSCHUNK_DONE)
		abort();
	s.text.p[cut] ^= 1; /* no other bit: it would change the case of a letter */
	if (run(&o, s.text.p, s.text.n, cut).result == AWSCHUNK_DONE)
		abort();
	buf_free(&s.text);
	buf_free(&s.canonical);
}

/* --- as it is --- */

static void run_raw(const struct sigv4_seed *seed, const uint8_t *p, size_t n)
{
	struct awschunk_options o = {
		.variant = (enum awschunk_variant)(p[0] % 3),
		.decoded_length = p[1] % DECLARED_MAX,
		.seed = seed,
		.trailer_names = p[0] & 0x80 ? STR("a, x-amz-checksum-crc32") : STR_NULL,
	};
	const char *body = (const char *)p + 3;
	size_t body_n = n - 3;
	struct outcome whole = run(&o, body, body_n, body_n);
	struct outcome pieces = run(&o, body, body_n, body_n > 0 ? p[2] % body_n : 0);
	if (whole.result != pieces.result)
		abort();
	if (whole.result == AWSCHUNK_DONE && whole.sum != pieces.sum)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct sigv4_seed seed = {
		.scope = {"20130524/us-east-1/s3/aws4_request", 34},
		.amz_date = {"20130524T000000Z", 16},
		.signature = {"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
	                      64},
	};
	if (n < 3)
		return 0;
	run_raw(&seed, p, n);
	run_signed(&seed, p, n);
	return 0;
}
