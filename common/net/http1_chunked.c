/* SPDX-License-Identifier: MIT
 *
 * Decoder of the chunked transfer coding (RFC 9112 7.1): a state machine over
 * single bytes, except for chunk data, which is handed out in one piece. As
 * strict as the head parser: lines end with CRLF, the size is followed by ';'
 * or CRLF at once, controls are refused.
 */
#include "base/codec.h"
#include "net/http1.h"

#define SIZE_LINE_MAX 1024        /* of a size with its extensions; nobody sends any */
#define TRAILER_MAX   (16 * 1024) /* of all trailer fields together */

enum {
	SIZE_FIRST = 0, /* the first digit; a zeroed decoder starts here */
	SIZE,
	EXTENSION,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER, /* at the start of a line */
	TRAILER_LINE,
	TRAILER_LF,
	LAST_LF,
	END,
	BROKEN,
};

static bool is_text(char c)
{
	return c == '\t' || ((unsigned char)c >= ' ' && c != 0x7f);
}

/* Up to 2^60: the next digit cannot overflow, and sums stay positive. */
static bool add_digit(struct http1_chunked *c, int digit)
{
	if (c->left >> 56)
		return false;
	c->left = c->left << 4 | (unsigned)digit;
	return true;
}

static uint8_t after_size(char ch)
{
	if (ch == ';')
		return EXTENSION;
	return ch == '\r' ? SIZE_LF : BROKEN;
}

static uint8_t after_size_line(struct http1_chunked *c)
{
	c->line = 0;
	return c->left > 0 ? DATA : TRAILER;
}

/* The state after one byte that is not data. */
static uint8_t step(struct http1_chunked *c, char ch)
{
	int digit;

	switch (c->state) {
	case SIZE_FIRST:
	case SIZE:
		digit = hex_digit(ch);
		if (digit >= 0)
			return add_digit(c, digit) ? SIZE : BROKEN;
		return c->state == SIZE ? after_size(ch) : BROKEN;
	case EXTENSION:
		return is_text(ch) ? EXTENSION : ch == '\r' ? SIZE_LF : BROKEN;
	case SIZE_LF:
		return ch == '\n' ? after_size_line(c) : BROKEN;
	case DATA_CR:
		return ch == '\r' ? DATA_LF : BROKEN;
	case DATA_LF:
		return ch == '\n' ? SIZE_FIRST : BROKEN;
	case TRAILER:
		if (ch == '\r')
			return LAST_LF;
		return is_text(ch) && ch != ' ' && ch != '\t' ? TRAILER_LINE : BROKEN;
	case TRAILER_LINE:
		return is_text(ch) ? TRAILER_LINE : ch == '\r' ? TRAILER_LF : BROKEN;
	case TRAILER_LF:
		return ch == '\n' ? TRAILER : BROKEN;
	case LAST_LF:
		return ch == '\n' ? END : BROKEN;
	}
	return BROKEN;
}

static bool is_line_too_long(const struct http1_chunked *c)
{
	return c->line > (c->state >= TRAILER ? TRAILER_MAX : SIZE_LINE_MAX);
}

static size_t take_data(struct http1_chunked *c, size_t n)
{
	size_t take = c->left < n ? (size_t)c->left : n;

	c->left -= take;
	if (c->left == 0)
		c->state = DATA_CR;
	return take;
}

enum http1_result http1_chunked_feed(struct http1_chunked *c, const char *p, size_t n, size_t *used,
                                     const char **data, size_t *data_n)
{
	size_t i = 0;

	*data = NULL;
	*data_n = 0;
	while (i < n && c->state < END) {
		if (c->state == DATA) {
			*data = p + i;
			*data_n = take_data(c, n - i);
			i += *data_n;
			break;
		}
		c->line++;
		c->state = step(c, p[i++]);
		if (is_line_too_long(c))
			c->state = BROKEN;
	}
	*used = i;
	if (c->state == BROKEN)
		return HTTP1_BAD;
	return c->state == END ? HTTP1_DONE : HTTP1_MORE;
}

bool http1_chunked_in_data(const struct http1_chunked *c)
{
	return c->state == DATA;
}
