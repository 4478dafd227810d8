/* SPDX-License-Identifier: MIT
 *
 * What an object's file says about itself, in the attribute user.s3o.meta:
 * lines of text, readable with getfattr(1).
 *
 *     content-type=image/jpeg
 *     meta.s3o-generation=01J...
 *     md5=d41d8cd9...
 *
 * Control characters, DEL and '%', and '=' in names, are written as %XX.
 */
#include "backend/dir_private.h"
#include "net/uri.h"
#include "s3proto/etag.h"

#define TYPE_NAME   "content-type"
#define META_PREFIX "meta."
#define MD5_NAME    "md5"

static void add_escaped(struct buf *out, struct str s, bool is_name)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c == 0x7f || c == '%' || (is_name && c == '='))
			buf_printf(out, "%%%02X", c);
		else
			buf_add_char(out, (char)c);
	}
}

static void add_line(struct buf *out, const char *prefix, struct str name, struct str value)
{
	buf_add_cstr(out, prefix);
	add_escaped(out, name, true);
	buf_add_char(out, '=');
	add_escaped(out, value, false);
	buf_add_char(out, '\n');
}

void dir_meta_write(struct buf *out, const struct backend_put *p)
{
	add_line(out, "", STR(TYPE_NAME), p->content_type);
	for (size_t i = 0; i < p->n_metadata; i++)
		add_line(out, META_PREFIX, p->metadata[i].name, p->metadata[i].value);
}

void dir_meta_add_md5(struct buf *out, const char *hex)
{
	add_line(out, "", STR(MD5_NAME), str_of(hex));
}

/* Of a file that somebody else has described, anything may stand there. */
static void take_md5(struct str value, struct backend_info *out)
{
	uint8_t md5[MD5_SIZE];

	if (!etag_to_md5(value, md5))
		return;
	hex_encode(md5, sizeof(md5), out->etag_md5);
	out->etag = value;
}

static size_t count_lines(struct str text)
{
	size_t n = 1;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\n';
	return n;
}

void dir_meta_read(struct arena *a, struct str text, struct backend_info *out)
{
	struct str name, value;

	out->metadata = ARENA_ARRAY(a, struct str_pair, count_lines(text));
	while (text.n > 0) {
		struct str line = str_cut(text, '\n', &text);
		struct str raw = str_cut(line, '=', &value);

		if (raw.n == line.n || !uri_decode(a, raw, false, &name) ||
		    !uri_decode(a, value, false, &value))
			continue;
		if (str_eq(name, STR(TYPE_NAME)))
			out->content_type = value;
		else if (str_eq(name, STR(MD5_NAME)))
			take_md5(value, out);
		else if (str_starts(name, STR(META_PREFIX)))
			out->metadata[out->n_metadata++] =
				(struct str_pair){str_skip(name, sizeof(META_PREFIX) - 1), value};
	}
}
