/* SPDX-License-Identifier: MIT
 *
 * Quoting, see quote.h: double-quoted scalars of YAML 1.1 (chapter 5.6, escape sequences).
 */
#include "config/quote.h"

#include <string.h>

/* Of a well-formed character of n bytes. */
static unsigned long code_point(struct str s, size_t n)
{
	static const unsigned char first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	unsigned long c = (unsigned char)s.p[0] & first_bits[n];

	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)s.p[i] & 0x3f);
	return c;
}

/* What YAML does not allow in a text, or takes for a line break or a byte order mark. */
static bool needs_escape(unsigned long c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
	       (c & 0xfffe) == 0xfffe;
}

static void add_character(struct buf *out, struct str c)
{
	unsigned long code = code_point(c, c.n);

	if (code == '"' || code == '\\')
		buf_printf(out, "\\%c", (char)code);
	else if (code == '\n')
		buf_add_cstr(out, "\\n");
	else if (code == '\t')
		buf_add_cstr(out, "\\t");
	else if (needs_escape(code))
		buf_printf(out, code > 0xffff ? "\\U%08lx" : "\\u%04lx", code);
	else
		buf_add_str(out, c);
}

static bool quote(struct buf *out, struct str text, bool expanded)
{
	if (!str_is_utf8(text) || (text.n && memchr(text.p, '\0', text.n)))
		return false;
	buf_add_char(out, '"');
	while (text.n) {
		size_t n = str_utf8_len(text);

		/* a literal ${ is written $${, see expand.h */
		if (expanded && str_starts(text, STR("${")))
			buf_add_char(out, '$');
		add_character(out, str_n(text.p, n));
		text = str_skip(text, n);
	}
	buf_add_char(out, '"');
	return true;
}

bool config_quote(struct buf *out, struct str text)
{
	return quote(out, text, true);
}

bool config_quote_name(struct buf *out, struct str text)
{
	return quote(out, text, false);
}
