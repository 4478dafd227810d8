/* SPDX-License-Identifier: MIT
 *
 * User metadata and representation fields, taken from a request head.
 */
#include "s3proto/metadata.h"

#include "base/buf.h"

#define AWS_CHUNKED STR("aws-chunked")

static bool is_printable(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			return false;
	return true;
}

static struct str to_lower(struct arena *a, struct str s)
{
	char *p = arena_strndup(a, s.p, s.n);
	str_lower(p, s.n);
	return str_n(p, s.n);
}

static bool has_prefix(struct str name)
{
	return name.n > METADATA_PREFIX.n &&
	       str_eq_nocase(str_n(name.p, METADATA_PREFIX.n), METADATA_PREFIX);
}

static bool is_known(const struct metadata *m, struct str name)
{
	for (size_t i = 0; i < m->n; i++)
		if (str_eq_nocase(m->pairs[i].name, name))
			return true;
	return false;
}

enum metadata_result metadata_collect(const struct http_head *h, struct arena *a,
                                      struct metadata *out)
{
	*out = (struct metadata){.pairs = ARENA_ARRAY(a, struct str_pair, h->n_fields)};
	for (size_t i = 0; i < h->n_fields; i++) {
		const struct http_field *f = &h->fields[i];
		if (!has_prefix(f->name))
			continue;
		struct str name = str_skip(f->name, METADATA_PREFIX.n);
		/* Long names are compared each with each only while they may be kept. */
		if (out->size <= METADATA_MAX && is_known(out, name))
			continue;
		if (!is_printable(name) || !is_printable(f->value))
			return METADATA_BAD_CHARACTER;
		out->pairs[out->n++] = (struct str_pair){to_lower(a, name), f->value};
		out->size += name.n + f->value.n;
	}
	return out->size > METADATA_MAX ? METADATA_TOO_LARGE : METADATA_OK;
}

/* Appends the codings of one field but aws-chunked, which is about the message
 * and not about the object. */
static void add_codings(struct buf *b, struct str list)
{
	while (list.n > 0) {
		struct str coding = str_trim(str_cut(list, ',', &list));
		if (coding.n == 0 || str_eq_nocase(coding, AWS_CHUNKED))
			continue;
		if (b->n > 0)
			buf_add_char(b, ',');
		buf_add_str(b, coding);
	}
}

static struct str content_encoding(const struct http_head *h, struct arena *a)
{
	if (!metadata_is_aws_chunked(h))
		return http_head_value(h, STR("content-encoding"));
	BUF_AUTO b = {0};
	for (size_t i = 0; i < h->n_fields; i++)
		if (str_eq_nocase(h->fields[i].name, STR("content-encoding")))
			add_codings(&b, h->fields[i].value);
	return b.n > 0 ? arena_dup(a, buf_str(&b)) : STR_NULL;
}

enum metadata_result metadata_collect_representation(const struct http_head *h, struct arena *a,
                                                     struct metadata_representation *out)
{
	*out = (struct metadata_representation){
		.content_type = http_head_value(h, STR("content-type")),
		.cache_control = http_head_value(h, STR("cache-control")),
		.content_disposition = http_head_value(h, STR("content-disposition")),
		.content_encoding = content_encoding(h, a),
		.content_language = http_head_value(h, STR("content-language")),
		.expires = http_head_value(h, STR("expires")),
	};
	const struct str values[] = {out->content_type,        out->cache_control,
	                             out->content_disposition, out->content_encoding,
	                             out->content_language,    out->expires};
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (!str_is_utf8(values[i]))
			return METADATA_BAD_CHARACTER;
		out->size += values[i].n;
	}
	return out->size > METADATA_REPRESENTATION ? METADATA_TOO_LARGE : METADATA_OK;
}

bool metadata_is_aws_chunked(const struct http_head *h)
{
	for (size_t i = 0; i < h->n_fields; i++) {
		if (!str_eq_nocase(h->fields[i].name, STR("content-encoding")))
			continue;
		struct str list = h->fields[i].value;
		while (list.n > 0)
			if (str_eq_nocase(str_trim(str_cut(list, ',', &list)), AWS_CHUNKED))
				return true;
	}
	return false;
}
