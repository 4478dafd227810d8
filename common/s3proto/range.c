/* SPDX-License-Identifier: MIT
 *
 * Range and Content-Range. The one complication: positions may have any number
 * of digits, so what does not fit 64 bits counts as the largest number.
 */
#include "s3proto/range.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

/* One or more digits and nothing else. */
static bool parse_position(struct str s, uint64_t *v)
{
	if (s.n == 0)
		return false;
	uint64_t x = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		unsigned digit = (unsigned)(s.p[i] - '0');
		if (x > (UINT64_MAX - digit) / 10)
			x = UINT64_MAX;
		else
			x = x * 10 + digit;
	}
	*v = x;
	return true;
}

/* Cuts "bytes=a-b" into a and b, which may be empty. */
static bool split(struct str value, struct str *first, struct str *last)
{
	struct str spec, unit = str_cut(str_trim(value), '=', &spec);
	if (!str_eq_nocase(unit, STR("bytes")))
		return false;
	spec = str_trim(spec);
	if (str_chr(spec, '-') < 0)
		return false;
	*first = str_cut(spec, '-', last);
	return true;
}

static enum range_result parse_suffix(struct str count, uint64_t size, struct range *out)
{
	uint64_t n;
	if (!parse_position(count, &n))
		return RANGE_WHOLE;
	if (n == 0 || size == 0)
		return RANGE_UNSATISFIABLE;
	out->first = n < size ? size - n : 0;
	out->last = size - 1;
	return RANGE_PART;
}

enum range_result range_parse(const struct str *value, uint64_t size, struct range *out)
{
	struct str first, last;
	if (value == NULL || !split(*value, &first, &last))
		return RANGE_WHOLE;
	if (first.n == 0)
		return parse_suffix(last, size, out);
	uint64_t a, b = UINT64_MAX;
	if (!parse_position(first, &a) || (last.n > 0 && !parse_position(last, &b)) || b < a)
		return RANGE_WHOLE;
	if (a >= size)
		return RANGE_UNSATISFIABLE;
	out->first = a;
	out->last = b < size ? b : size - 1;
	return RANGE_PART;
}

static int64_t clamped(uint64_t v)
{
	return v < INT64_MAX ? (int64_t)v : INT64_MAX;
}

bool range_bounds(const struct str *value, int64_t *first, int64_t *last)
{
	struct str a, b;
	uint64_t x, y = INT64_MAX;
	if (value == NULL || !split(*value, &a, &b))
		return false;
	if (!parse_position(a.n ? a : b, &x) || (a.n && b.n && !parse_position(b, &y)))
		return false;
	*first = a.n ? clamped(x) : -clamped(x);
	*last = clamped(y);
	return true;
}

enum range_result range_parse_copy(struct str value, uint64_t size, struct range *out)
{
	struct str first, last;
	uint64_t a, b;
	if (!split(value, &first, &last) || !parse_position(first, &a) ||
	    !parse_position(last, &b) || b < a)
		return RANGE_WHOLE;
	if (b >= size)
		return RANGE_UNSATISFIABLE;
	*out = (struct range){.first = a, .last = b};
	return RANGE_PART;
}

void range_format(struct range r, uint64_t size, char out[RANGE_CONTENT_SIZE])
{
	snprintf(out, RANGE_CONTENT_SIZE, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, r.first, r.last,
	         size);
}

void range_format_unsatisfiable(uint64_t size, char out[RANGE_CONTENT_SIZE])
{
	snprintf(out, RANGE_CONTENT_SIZE, "bytes */%" PRIu64, size);
}
