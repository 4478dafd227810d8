/* SPDX-License-Identifier: MIT
 *
 * Response heads, for a GET and for a HEAD.
 */
#include <assert.h>

#include "net/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void parse(const char *p, size_t n, struct str method)
{
	struct arena *a = arena_new();
	struct http_head h;
	const char *why = NULL;
	size_t used, used2;

	if (http1_parse_response(p, n, method, a, &h, &used, &why) == HTTP1_DONE) {
		assert(h.status >= 100 && h.status <= 999);
		assert(used <= n && used <= HTTP1_HEAD_MAX);
		assert(h.framing != HTTP_BODY_CLOSE || !h.keep_alive);
		assert(http1_is_value(h.reason));
		assert(http1_parse_response(p, used - 1, method, a, &h, &used2, NULL) ==
		       HTTP1_MORE);
	}
	arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	parse((const char *)data, n, STR("GET"));
	parse((const char *)data, n, STR("HEAD"));
	return 0;
}
