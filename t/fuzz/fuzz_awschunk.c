/* SPDX-License-Identifier: MIT
 *
 * aws-chunked: whatever comes in, cut anywhere, the decoder stays within its
 * limits, never emits more than was declared, and gives the same result as
 * without the cut.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "s3proto/awschunk.h"

#define DECLARED_MAX 64 /* decoded bytes; small, so that it is often met */

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

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n < 3)
		return 0;
	struct sigv4_seed seed = {
		.scope = STR("20130524/us-east-1/s3/aws4_request"),
		.amz_date = STR("20130524T000000Z"),
		.signature =
			STR("4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"),
	};
	struct awschunk_options o = {
		.variant = (enum awschunk_variant)(p[0] % 3),
		.decoded_length = p[1] % DECLARED_MAX,
		.seed = &seed,
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
	return 0;
}
