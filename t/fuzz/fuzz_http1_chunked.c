/* SPDX-License-Identifier: MIT
 *
 * The chunked decoder: fed whole and in small pieces, whose size is the first
 * byte, it must come to the same verdict, data and end.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct outcome {
	enum http1_result result;
	size_t consumed, n;
	char *data;
};

static struct outcome decode(const char *p, size_t n, size_t piece)
{
	struct outcome o = {.result = HTTP1_MORE, .data = malloc(n + 1)};
	struct http1_chunked c = {0};

	while (o.consumed < n && o.result == HTTP1_MORE) {
		size_t left = n - o.consumed, used, data_n;
		size_t feed = left < piece ? left : piece;
		const char *data;

		o.result = http1_chunked_feed(&c, p + o.consumed, feed, &used, &data, &data_n);
		assert(used <= feed && used > 0);
		assert(data_n == 0 ||
		       (data >= p + o.consumed && data + data_n <= p + o.consumed + used));
		if (data_n > 0)
			memcpy(o.data + o.n, data, data_n);
		o.n += data_n;
		o.consumed += used;
	}
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct outcome whole, pieces;

	if (n == 0)
		return 0;
	whole = decode((const char *)data + 1, n - 1, SIZE_MAX);
	pieces = decode((const char *)data + 1, n - 1, (size_t)data[0] + 1);
	assert(whole.result == pieces.result && whole.consumed == pieces.consumed);
	assert(whole.n == pieces.n && memcmp(whole.data, pieces.data, whole.n) == 0);
	free(whole.data);
	free(pieces.data);
	return 0;
}
