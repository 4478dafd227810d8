/* SPDX-License-Identifier: MIT
 *
 * Keys as paths and names as parts of keys; see dir_path.h.
 */
#include "backend/dir_path.h"

#include <string.h>

#include "base/codec.h"

#define OBJECT_MARK    '='
#define CONTINUED_MARK '+'
#define EMPTY_NAME     "%-"

struct path {
	char *p;
	size_t n;
	size_t name; /* where the current name begins */
	bool overflow;
};

static void add(struct path *o, char c)
{
	if (o->n + 1 >= DIR_PATH_SIZE)
		o->overflow = true;
	else
		o->p[o->n++] = c;
}

static void add_mark(struct path *o, char mark)
{
	add(o, '%');
	add(o, mark);
}

static void next_name(struct path *o)
{
	add(o, '/');
	o->name = o->n;
}

static bool must_escape(unsigned char c, bool first)
{
	return c < 0x20 || c == 0x7f || c == '%' || (c == '.' && first);
}

static void add_byte(struct path *o, unsigned char c)
{
	static const char digits[] = "0123456789ABCDEF";

	if (!must_escape(c, o->n == o->name)) {
		add(o, (char)c);
		return;
	}
	add(o, '%');
	add(o, digits[c >> 4]);
	add(o, digits[c & 15]);
}

static void add_component(struct path *o, struct str c)
{
	for (size_t i = 0; i < c.n; i++) {
		add_byte(o, (unsigned char)c.p[i]);
		if (o->n - o->name >= DIR_CUT) {
			add_mark(o, CONTINUED_MARK);
			next_name(o);
		}
	}
}

bool dir_path_of_key(struct str key, char path[DIR_PATH_SIZE])
{
	struct path o = {.p = path};
	ssize_t slash;

	while ((slash = str_chr(key, '/')) >= 0) {
		add_component(&o, str_n(key.p, (size_t)slash));
		if (o.n == o.name)
			add_mark(&o, EMPTY_NAME[1]);
		next_name(&o);
		key = str_skip(key, (size_t)slash + 1);
	}
	add_component(&o, key);
	add_mark(&o, OBJECT_MARK);
	path[o.n] = '\0';
	return !o.overflow;
}

/* Lower case is not what add_byte() writes. */
static int upper_hex_digit(char c)
{
	return c >= 'a' ? -1 : hex_digit(c);
}

/* False for what add_byte() would have written in another way. */
static bool decode(struct str s, char *out, size_t *n)
{
	*n = 0;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '%') {
			int high = i + 2 < s.n ? upper_hex_digit(s.p[i + 1]) : -1;
			int low = i + 2 < s.n ? upper_hex_digit(s.p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (unsigned char)(high << 4 | low);
			if (!must_escape(c, i == 0))
				return false;
			i += 2;
		} else if (must_escape(c, i == 0)) {
			return false;
		}
		out[(*n)++] = (char)c;
	}
	return true;
}

enum dir_name_kind dir_name_parse(const char *name, char text[DIR_TEXT_SIZE], size_t *n)
{
	struct str s = str_of(name);
	enum dir_name_kind kind = DIR_NAME_DIRECTORY;

	*n = 0;
	if (s.n > DIR_TEXT_SIZE - 1)
		return DIR_NAME_FOREIGN;
	if (s.n >= 2 && s.p[s.n - 2] == '%') {
		char mark = s.p[s.n - 1];

		s.n -= 2;
		if (mark == OBJECT_MARK)
			kind = DIR_NAME_OBJECT;
		else if (mark == CONTINUED_MARK)
			kind = DIR_NAME_CONTINUED;
		else if (mark != EMPTY_NAME[1] || s.n > 0)
			return DIR_NAME_FOREIGN;
	} else if (s.n == 0) {
		return DIR_NAME_FOREIGN;
	}
	if ((kind == DIR_NAME_CONTINUED) != (s.n >= DIR_CUT) || !decode(s, text, n))
		return DIR_NAME_FOREIGN;
	if (kind == DIR_NAME_DIRECTORY)
		text[(*n)++] = '/';
	return kind;
}
