/* SPDX-License-Identifier: MIT
 *
 * Expansion of ${NAME}, see expand.h. What a variable contains is never
 * looked at again, so it cannot name further variables.
 */
#include "config/expand.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Longer names are no variables; getenv needs a terminated copy. */
#define NAME_MAX_LENGTH 255

static size_t name_length(struct str s)
{
	size_t n = 0;

	while (n < s.n && (isalpha((unsigned char)s.p[n]) || s.p[n] == '_' ||
	                   (n && isdigit((unsigned char)s.p[n]))))
		n++;
	return n;
}

static void add(struct expansion *x, size_t limit, struct str s)
{
	if (s.n > limit - x->value.n) {
		s.n = limit - x->value.n;
		x->too_long = true;
	}
	buf_add_str(&x->value, s);
}

static void add_variable(struct expansion *x, size_t limit, struct str name, bool has_default,
                         struct str fallback)
{
	char text[NAME_MAX_LENGTH + 1];
	const char *value;

	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	value = getenv(text);
	if (has_default) {
		add(x, limit, value && *value ? str_of(value) : fallback);
	} else if (value) {
		add(x, limit, str_of(value));
	} else {
		if (x->unset.n)
			buf_add_cstr(&x->unset, ", ");
		buf_add_str(&x->unset, name);
	}
}

/* s begins behind "${". Returns how much of it was a variable; 0: none. */
static size_t expand_one(struct expansion *x, size_t limit, struct str s)
{
	struct str name = str_n(s.p, name_length(s)), rest = str_skip(s, name.n);
	bool has_default = str_starts(rest, STR(":-"));
	ssize_t end = str_chr(rest, '}');

	if (!name.n || name.n > NAME_MAX_LENGTH || end < 0 || (end > 0 && !has_default))
		return 0;
	struct str fallback = has_default ? str_n(rest.p + 2, (size_t)end - 2) : STR_NULL;

	add_variable(x, limit, name, has_default, fallback);
	return name.n + (size_t)end + 1;
}

void expand(struct str s, size_t limit, struct expansion *out)
{
	*out = (struct expansion){0};
	while (s.n && !out->too_long) {
		size_t used;

		if (str_starts(s, STR("$${"))) {
			add(out, limit, STR("${"));
			s = str_skip(s, 3);
			continue;
		}
		if (!str_starts(s, STR("${"))) {
			add(out, limit, str_n(s.p, 1));
			s = str_skip(s, 1);
			continue;
		}
		s = str_skip(s, 2);
		used = expand_one(out, limit, s);
		if (!used) {
			add(out, limit, STR("${"));
			out->malformed = true;
		}
		s = str_skip(s, used);
	}
}

void expansion_free(struct expansion *x)
{
	buf_free(&x->value);
	buf_free(&x->unset);
}
