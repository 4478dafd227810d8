/* SPDX-License-Identifier: MIT
 *
 * What a client says about an object: user metadata (x-amz-meta-*) and the
 * representation fields that are kept with it and given back.
 */
#ifndef S3PROTO_METADATA_H
#define S3PROTO_METADATA_H

#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"
#include "net/http1.h"

#define METADATA_PREFIX         STR("x-amz-meta-")
#define METADATA_MAX            2048 /* bytes of all names and values, prefixes not counted; S3's limit */
#define METADATA_REPRESENTATION 8192 /* bytes of all representation values; S3's header limit */

enum metadata_result {
	METADATA_OK,
	METADATA_BAD_CHARACTER,
	METADATA_TOO_LARGE,
};

struct metadata {
	size_t n;
	struct str_pair *pairs; /* names lower case without prefix, unique, as they came */
	size_t size;            /* sum of the lengths of names and values */
};

/* Collects the x-amz-meta-* fields. Of several with one name the first counts; a
 * bare prefix is ignored. Every byte must be in 0x20..0x7E. out is complete in
 * the METADATA_TOO_LARGE case too (for the message). */
enum metadata_result metadata_collect(const struct http_head *h, struct arena *a,
                                      struct metadata *out);

/* Fields that go back to the reader as they came; empty when absent. */
struct metadata_representation {
	struct str content_type;
	struct str cache_control;
	struct str content_disposition;
	struct str content_encoding; /* without aws-chunked */
	struct str content_language;
	struct str expires; /* as text: S3 does not interpret it */
	size_t size;        /* of all values */
};

/* Values must be UTF-8. out is complete in the METADATA_TOO_LARGE case too. */
enum metadata_result metadata_collect_representation(const struct http_head *h, struct arena *a,
                                                     struct metadata_representation *out);

/* Whether a Content-Encoding field lists aws-chunked. */
bool metadata_is_aws_chunked(const struct http_head *h);

#endif
