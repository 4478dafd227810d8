/* SPDX-License-Identifier: MIT
 *
 * Listing pages. The one complication is the seek past a group: the next start
 * must be text that a database accepts, so not the last byte is incremented but
 * the last code point. In UTF-8 both orders are the same.
 */
#include "s3proto/listing.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/codec.h"
#include "s3proto/path.h"
#include "s3proto/xml.h"

#define TOKEN_VERSION 1
#define TOKEN_MAX     (BASE64_SIZE(1 + PATH_KEY_MAX)) /* characters of the longest token */

/* --- the order of keys --- */

static size_t encode_utf8(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)((0xf00 >> n) | c); /* n ones, a zero, the rest of c */
	return n;
}

/* The last code point of well-formed, non-empty UTF-8; *at is where it begins. */
static uint32_t last_code_point(struct str s, size_t *at)
{
	size_t i = s.n - 1;
	while (i > 0 && ((unsigned char)s.p[i] & 0xc0) == 0x80)
		i--;
	*at = i;
	unsigned char lead = (unsigned char)s.p[i];
	uint32_t c = lead < 0x80   ? lead
	             : lead < 0xe0 ? lead & 0x1f
	             : lead < 0xf0 ? lead & 0x0f
	                           : lead & 0x07;
	for (i++; i < s.n; i++)
		c = c << 6 | ((unsigned char)s.p[i] & 0x3f);
	return c;
}

struct str listing_successor(struct arena *a, struct str s)
{
	while (s.n > 0) {
		size_t at;
		uint32_t c = last_code_point(s, &at) + 1;
		if (c == 0xd800)
			c = 0xe000; /* behind the surrogates, which UTF-8 excludes */
		if (c <= 0x10ffff) {
			char *p = arena_alloc(a, at + 4);
			memcpy(p, s.p, at);
			return str_n(p, at + encode_utf8(c, p + at));
		}
		s.n = at; /* U+10FFFF has no successor: the character before it has */
	}
	return STR_NULL;
}

struct str listing_behind(struct arena *a, struct str s)
{
	static const char last[] = "\xf4\x8f\xbf\xbf"; /* U+10FFFF */
	struct str next = listing_successor(a, s);
	if (next.n > 0)
		return next;
	const size_t n = sizeof(last) - 1, times = PATH_KEY_MAX / n + 1;
	char *p = arena_alloc(a, s.n + times * n);
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	for (size_t i = 0; i < times; i++)
		memcpy(p + s.n + i * n, last, n);
	return str_n(p, s.n + times * n);
}

/* The least string greater than s: no key holds a NUL. */
static struct str next_string(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);
	memcpy(p, s.p, s.n);
	p[s.n] = '\x01';
	return str_n(p, s.n + 1);
}

/* --- the page --- */

/* The common prefix a key belongs to; false when it stands for itself. */
static bool group_of(const struct listing *l, struct str key, struct str *group)
{
	if (l->delimiter.n == 0 || !str_starts(key, l->prefix))
		return false;
	ssize_t at = str_find(str_skip(key, l->prefix.n), l->delimiter);
	if (at < 0)
		return false;
	*group = str_n(key.p, l->prefix.n + (size_t)at + l->delimiter.n);
	return true;
}

static void finish(struct listing *l, bool truncated)
{
	l->done = true;
	l->truncated = truncated;
}

/* Nothing below `from` is of interest any more. An empty one means that no key
 * can come after. */
static void seek(struct listing *l, struct str from)
{
	if (str_cmp(from, l->from) > 0)
		l->from = from;
	if (from.n == 0 || (l->until.n > 0 && str_cmp(l->from, l->until) >= 0))
		finish(l, false);
}

void listing_init(struct listing *l, struct arena *a, struct str prefix, struct str delimiter,
                  struct str after, bool after_is_cursor, size_t limit)
{
	struct str group;
	*l = (struct listing){
		.arena = a,
		.prefix = prefix,
		.delimiter = delimiter,
		.limit = limit,
		.from = prefix,
		.until = listing_successor(a, prefix),
	};
	if (limit == 0)
		finish(l, false);
	else if (after_is_cursor && group_of(l, after, &group))
		seek(l, listing_successor(a, group));
	else if (after.n > 0)
		seek(l, next_string(a, after));
}

size_t listing_want(const struct listing *l)
{
	return l->limit - l->count + 1;
}

static enum listing_step take(struct listing *l, struct str entry, enum listing_step step)
{
	if (l->count == l->limit) {
		finish(l, true);
		return LISTING_FULL;
	}
	l->count++;
	l->last = entry;
	return step;
}

static enum listing_step take_group(struct listing *l, struct str group)
{
	enum listing_step step = take(l, group, LISTING_GROUP);
	if (step == LISTING_GROUP) {
		l->group = group;
		seek(l, listing_successor(l->arena, group));
	}
	return step;
}

enum listing_step listing_feed(struct listing *l, struct str key)
{
	assert(!l->done);
	struct str group;
	if (str_cmp(key, l->from) < 0)
		return LISTING_SKIP;
	if (!str_starts(key, l->prefix)) {
		finish(l, false);
		return LISTING_SKIP;
	}
	if (group_of(l, key, &group))
		return take_group(l, group);
	enum listing_step step = take(l, key, LISTING_KEY);
	if (step == LISTING_KEY)
		l->from = next_string(l->arena, key);
	return step;
}

enum listing_step listing_repeat(struct listing *l, struct str key)
{
	assert(!l->done);
	return take(l, key, LISTING_KEY);
}

void listing_end(struct listing *l)
{
	if (!l->done)
		finish(l, false);
}

/* --- tokens and parameters --- */

static void swap_chars(char *p, size_t n, char from1, char to1, char from2, char to2)
{
	for (size_t i = 0; i < n; i++)
		p[i] = p[i] == from1 ? to1 : p[i] == from2 ? to2 : p[i];
}

void listing_token_encode(struct buf *b, struct str cursor)
{
	assert(cursor.n <= PATH_KEY_MAX);
	char plain[1 + PATH_KEY_MAX], text[TOKEN_MAX];
	plain[0] = TOKEN_VERSION;
	if (cursor.n > 0)
		memcpy(plain + 1, cursor.p, cursor.n);
	base64_encode(plain, 1 + cursor.n, text);
	size_t n = strcspn(text, "=");
	swap_chars(text, n, '+', '-', '/', '_');
	buf_add(b, text, n);
}

bool listing_token_decode(struct arena *a, struct str token, struct str *cursor)
{
	char text[TOKEN_MAX + 3], plain[1 + PATH_KEY_MAX];
	if (token.n == 0 || token.n >= TOKEN_MAX)
		return false;
	memcpy(text, token.p, token.n);
	swap_chars(text, token.n, '-', '+', '_', '/');
	size_t n = token.n;
	while (n % 4 != 0)
		text[n++] = '=';
	ssize_t got = base64_decode(str_n(text, n), plain, sizeof(plain));
	if (got < 2 || plain[0] != TOKEN_VERSION)
		return false;

	/* One cursor has one token: what encodes differently was not made here. */
	struct str s = str_n(plain + 1, (size_t)got - 1);
	BUF_AUTO again = {0};
	listing_token_encode(&again, s);
	if (!str_eq(buf_str(&again), token) || !str_is_utf8(s) || str_chr(s, '\0') >= 0)
		return false;
	*cursor = arena_dup(a, s);
	return true;
}

bool listing_parse_max_keys(const struct uri_param *p, size_t *out)
{
	*out = LISTING_MAX_KEYS;
	if (p == NULL || p->value.n == 0)
		return true;
	for (size_t i = 0; i < p->value.n; i++)
		if (p->value.p[i] < '0' || p->value.p[i] > '9')
			return false;
	uint64_t v;
	if (str_to_u64(p->value, &v) && v < LISTING_MAX_KEYS)
		*out = (size_t)v;
	return true;
}

void listing_text(struct buf *b, const char *element, struct str text, bool url)
{
	xml_open(b, element);
	if (url)
		uri_encode(b, text, true);
	else
		xml_escape(b, text);
	xml_close(b, element);
}
