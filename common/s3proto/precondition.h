/* SPDX-License-Identifier: MIT
 *
 * Conditional requests (RFC 9110 section 13): If-Match, If-None-Match,
 * If-Modified-Since, If-Unmodified-Since and If-Range against an object that
 * exists.
 */
#ifndef S3PROTO_PRECONDITION_H
#define S3PROTO_PRECONDITION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "net/http1.h"

enum precondition_result {
	PRECONDITION_PROCEED,
	PRECONDITION_NOT_MODIFIED, /* 304; 412 for a copy source */
	PRECONDITION_FAILED,       /* 412 */
};

/* The field names are prefix + "if-match" and so on. */
#define PRECONDITION_READ        STR("")
#define PRECONDITION_COPY_SOURCE STR("x-amz-copy-source-")

/* etag is without quotes, empty when the object has none (If-Match is skipped
 * then). last_modified in microseconds since 1970; seconds are compared. Dates
 * that cannot be parsed are ignored. */
enum precondition_result precondition_check(const struct http_head *h, struct str prefix,
                                            struct str etag, int64_t last_modified);

/* If-Match of a write. */
enum precondition_match {
	PRECONDITION_MATCH_ABSENT,
	PRECONDITION_MATCH_ANY,   /* "*": there is an object */
	PRECONDITION_MATCH_TAG,   /* there is one with that tag */
	PRECONDITION_MATCH_NEVER, /* no object can be meant */
};

/* Stricter than for reads, because a condition that is misunderstood destroys what it
 * was to protect: one field with "*" or with one strong tag, quoted or bare. What is
 * empty, weak, a list, not UTF-8 or comes twice never matches. *tag, without quotes, is
 * set for PRECONDITION_MATCH_TAG: neither empty nor "*". */
enum precondition_match precondition_write_match(const struct http_head *h, struct str *tag);

/* Whether a Range field still counts in view of If-Range: true without one. A
 * weak tag never matches, a date only exactly (RFC 9110 13.1.5). */
bool precondition_range_holds(const struct http_head *h, struct str etag, int64_t last_modified);

#endif
