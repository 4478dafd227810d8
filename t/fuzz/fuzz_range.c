/* SPDX-License-Identifier: MIT
 *
 * Everything small that takes a field or a path apart: ranges, entity tags,
 * paths, tokens. Results must be in bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "s3proto/etag.h"
#include "s3proto/listing.h"
#include "s3proto/path.h"
#include "s3proto/range.h"

static void check_range(struct str s, uint64_t size)
{
	struct range r;
	if (range_parse(&s, size, &r) == RANGE_PART && (r.first > r.last || r.last >= size))
		abort();
	if (range_parse_copy(s, size, &r) == RANGE_PART && (r.first > r.last || r.last >= size))
		abort();
}

static void check_path(struct str s, struct arena *a)
{
	struct path path;
	if (path_split(a, s, &path) == PATH_OK &&
	    (path.bucket.n == 0 || path.key.n > PATH_KEY_MAX || !str_is_utf8(path.key) ||
	     str_chr(path.bucket, '/') >= 0))
		abort();
	if (path_split_copy_source(a, s, &path) == PATH_OK &&
	    (path.bucket.n == 0 || path.key.n == 0 || !str_is_utf8(path.version)))
		abort();
}

static void check_token(struct str s, struct arena *a)
{
	struct str cursor;
	BUF_AUTO again = {0};
	if (!listing_token_decode(a, s, &cursor))
		return;
	listing_token_encode(&again, cursor);
	if (!str_eq(buf_str(&again), s))
		abort();
}

/* The successor is greater than everything with that prefix. */
static void check_successor(struct str s, struct arena *a)
{
	if (s.n == 0 || !str_is_utf8(s))
		return;
	struct str next = listing_successor(a, s);
	if (next.n > 0 && (str_cmp(next, s) <= 0 || str_starts(next, s) || !str_is_utf8(next)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n < 8)
		return 0;
	uint64_t size;
	memcpy(&size, p, sizeof(size));
	struct str s = str_n((const char *)p + 8, n - 8);
	struct arena *a = arena_new();
	check_range(s, size);
	check_range(s, size % 100);
	check_path(s, a);
	check_token(s, a);
	check_successor(s, a);
	etag_list_matches(s, STR("abc"));
	arena_free(&a);
	return 0;
}
