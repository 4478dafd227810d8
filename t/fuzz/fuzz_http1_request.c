/* SPDX-License-Identifier: MIT
 *
 * Request heads. Besides not crashing: the verdict on a complete head does not
 * depend on what follows it, and no shorter input is taken for complete.
 */
#include <assert.h>
#include <string.h>

#include "net/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_head(const char *p, size_t used, const struct http_head *h)
{
	assert(used >= 4 && memcmp(p + used - 4, "\r\n\r\n", 4) == 0);
	assert(http1_is_token(h->method) && http1_is_target(h->target));
	for (size_t i = 0; i < h->n_fields; i++) {
		assert(http1_is_token(h->fields[i].name));
		assert(http1_is_value(h->fields[i].value));
	}
	assert(h->framing != HTTP_BODY_CLOSE);
	assert(h->has_length == (h->framing == HTTP_BODY_LENGTH));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *p = (const char *)data, *why = NULL;
	struct arena *a = arena_new();
	struct http_head h;
	size_t used, used2;

	if (http1_parse_request(p, n, a, &h, &used, &why) == HTTP1_DONE) {
		check_head(p, used, &h);
		assert(http1_parse_request(p, used, a, &h, &used2, NULL) == HTTP1_DONE);
		assert(used2 == used);
		assert(http1_parse_request(p, used - 1, a, &h, &used2, NULL) == HTTP1_MORE);
	}
	arena_free(&a);
	return 0;
}
