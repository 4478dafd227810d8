/* SPDX-License-Identifier: MIT
 *
 * The XML writer. Object keys are arbitrary UTF-8 and may hold code points
 * that XML cannot express at all; these become U+FFFD.
 */
#include "s3proto/xml.h"

#include <inttypes.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD in UTF-8 */

void xml_begin(struct buf *b, const char *root)
{
	buf_add_cstr(b, XML_DECLARATION "<");
	buf_add_cstr(b, root);
	buf_add_cstr(b, " xmlns=\"" XML_S3_NS "\">");
}

void xml_open(struct buf *b, const char *name)
{
	buf_add_char(b, '<');
	buf_add_cstr(b, name);
	buf_add_char(b, '>');
}

void xml_close(struct buf *b, const char *name)
{
	buf_add_cstr(b, "</");
	buf_add_cstr(b, name);
	buf_add_char(b, '>');
}

void xml_text(struct buf *b, const char *name, struct str text)
{
	xml_open(b, name);
	xml_escape(b, text);
	xml_close(b, name);
}

void xml_uint(struct buf *b, const char *name, uint64_t v)
{
	xml_open(b, name);
	buf_printf(b, "%" PRIu64, v);
	xml_close(b, name);
}

void xml_bool(struct buf *b, const char *name, bool v)
{
	xml_text(b, name, v ? STR("true") : STR("false"));
}

/* What stands for an ASCII character in text, or NULL for itself. */
static const char *ascii_escape(unsigned char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&apos;";
	case '\t':
		return "&#x9;";
	case '\n':
		return "&#xA;";
	case '\r':
		return "&#xD;";
	default:
		return c < 0x20 ? REPLACEMENT : NULL;
	}
}

/* The length of the multi-byte character at p (the first byte is >= 0x80), 0 when
 * it is not well-formed. */
static size_t multibyte_length(const char *p, size_t n)
{
	unsigned char c = (unsigned char)p[0];
	size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	return len <= n && str_is_utf8(str_n(p, len)) ? len : 0;
}

/* U+FFFE and U+FFFF are characters of UTF-8 but not of XML. */
static bool is_noncharacter(const char *p, size_t len)
{
	return len == 3 && (memcmp(p, "\xef\xbf\xbe", 3) == 0 || memcmp(p, "\xef\xbf\xbf", 3) == 0);
}

/* What replaces the input at p, or NULL when *len bytes stay as they are. */
static const char *escape_at(const char *p, size_t n, size_t *len)
{
	*len = 1;
	if ((unsigned char)p[0] < 0x80)
		return ascii_escape((unsigned char)p[0]);
	*len = multibyte_length(p, n);
	if (*len > 0)
		return is_noncharacter(p, *len) ? REPLACEMENT : NULL;
	*len = 1;
	return REPLACEMENT;
}

void xml_escape(struct buf *b, struct str text)
{
	size_t clean = 0; /* start of the run that needs no escape */
	size_t i = 0;
	while (i < text.n) {
		size_t len;
		const char *with = escape_at(text.p + i, text.n - i, &len);
		if (with != NULL) {
			buf_add(b, text.p + clean, i - clean);
			buf_add_cstr(b, with);
			clean = i + len;
		}
		i += len;
	}
	if (i > clean)
		buf_add(b, text.p + clean, i - clean);
}
