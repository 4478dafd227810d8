/* SPDX-License-Identifier: MIT
 *
 * Targets, queries, endpoints; what has been decoded survives being encoded and
 * decoded again.
 */
#include <assert.h>

#include "net/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void round_trip(struct arena *a, struct str s)
{
	BUF_AUTO b = {0};
	struct str again;

	uri_encode(&b, s, false);
	assert(uri_decode(a, buf_str(&b), true, &again));
	assert(str_eq(s, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str in = str_n((const char *)data, n), path, query, out;
	struct arena *a = arena_new();
	struct uri_endpoint ep;
	struct uri_query q;

	if (uri_split_target(in, &path, &query)) {
		assert(path.n > 0 && path.p[0] == '/');
		if (uri_decode(a, path, false, &out))
			round_trip(a, out);
		if (uri_parse_query(a, query, &q))
			for (size_t i = 0; i < q.n; i++) {
				round_trip(a, q.params[i].name);
				assert(uri_query_get(&q, q.params[i].name));
			}
	}
	if (uri_parse_endpoint(a, in, &ep, NULL) == ERR_OK)
		assert(ep.host[0] && ep.port[0] && ep.authority[0]);
	arena_free(&a);
	return 0;
}
