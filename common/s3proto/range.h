/* SPDX-License-Identifier: MIT
 *
 * Byte ranges (RFC 9110 section 14): one range per request.
 */
#ifndef S3PROTO_RANGE_H
#define S3PROTO_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum range_result {
	RANGE_WHOLE,         /* no range, or one to be ignored: the whole object */
	RANGE_PART,          /* first..last */
	RANGE_UNSATISFIABLE, /* 416 */
};

struct range {
	uint64_t first, last; /* inclusive, last < size */
};

/* The value of a Range field (NULL: there is none) against an object of size
 * bytes. Other units, several ranges, inverted and malformed ones are ignored,
 * as RFC 9110 14.2 allows. */
enum range_result range_parse(const struct str *value, uint64_t size, struct range *out);

/* Which bytes a Range field can mean before the size is known: from *first, or the last
 * -*first when that is negative, to *last at most. False: any. */
bool range_bounds(const struct str *value, int64_t *first, int64_t *last);

/* x-amz-copy-source-range knows only "bytes=first-last", and last must exist.
 * RANGE_WHOLE means malformed here; S3 answers InvalidArgument to that and to
 * RANGE_UNSATISFIABLE. */
enum range_result range_parse_copy(struct str value, uint64_t size, struct range *out);

#define RANGE_CONTENT_SIZE 69 /* "bytes ", three numbers of 20 digits, "-", "/", NUL */
void range_format(struct range r, uint64_t size, char out[RANGE_CONTENT_SIZE]);
void range_format_unsatisfiable(uint64_t size,
                                char out[RANGE_CONTENT_SIZE]); /* with a star for the range */

#endif
