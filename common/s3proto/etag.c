/* SPDX-License-Identifier: MIT
 *
 * Entity tags: making, reading, comparing.
 */
#include "s3proto/etag.h"

#include <assert.h>
#include <stdio.h>

#include "base/codec.h"

#define PARTS_MAX 10000 /* of one multipart upload, as in S3 */

void etag_of_md5(const uint8_t md5[MD5_SIZE], char out[ETAG_SIZE])
{
	hex_encode(md5, MD5_SIZE, out);
}

void etag_of_parts(const uint8_t (*md5s)[MD5_SIZE], size_t n, char out[ETAG_SIZE])
{
	assert(n >= 1 && n <= PARTS_MAX);
	uint8_t md5[MD5_SIZE];
	struct digest *d = digest_new(DIGEST_MD5);
	digest_update(d, md5s, n * MD5_SIZE);
	digest_final(d, md5);
	digest_free(&d);
	hex_encode(md5, MD5_SIZE, out);
	snprintf(out + 2 * MD5_SIZE, ETAG_SIZE - 2 * MD5_SIZE, "-%u", (unsigned)n);
}

bool etag_to_md5(struct str etag, uint8_t md5[MD5_SIZE])
{
	return hex_decode(etag, md5, MD5_SIZE);
}

struct str etag_strip(struct str s)
{
	s = str_trim(s);
	if (str_starts(s, STR("W/")))
		s = str_skip(s, 2);
	if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
		s = str_n(s.p + 1, s.n - 2);
	return s;
}

void etag_add_quoted(struct buf *b, struct str etag)
{
	buf_add_char(b, '"');
	buf_add_str(b, etag);
	buf_add_char(b, '"');
}

/* Our tags contain no comma, so a plain cut cannot split one that matches. */
bool etag_list_matches(struct str list, struct str etag)
{
	while (list.n > 0) {
		struct str item = str_trim(str_cut(list, ',', &list));
		if (str_eq(item, STR("*")))
			return true;
		if (etag.n > 0 && str_eq(etag_strip(item), etag))
			return true;
	}
	return false;
}
