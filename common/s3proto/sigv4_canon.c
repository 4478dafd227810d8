/* SPDX-License-Identifier: MIT
 *
 * The canonical request. The path is taken as it stood on the wire: decoding and
 * encoding it again would not give back what the client signed (%2F, lower-case
 * hex, raw '+'). The query is decoded and encoded again, as AWS does.
 */
#include "s3proto/sigv4_private.h"

#include <stdlib.h>

static bool is_escape(struct str s, size_t i)
{
	return s.p[i] == '%' && s.n - i >= 3 && str_is_hex(str_n(s.p + i + 1, 2));
}

void sigv4_add_path(struct buf *b, struct str raw)
{
	if (raw.n == 0) {
		buf_add_char(b, '/');
		return;
	}
	size_t start = 0; /* of the run that uri_encode can take at once */
	for (size_t i = 0; i < raw.n; i++) {
		if (!is_escape(raw, i))
			continue;
		uri_encode(b, str_n(raw.p + start, i - start), true);
		buf_add(b, raw.p + i, 3);
		i += 2;
		start = i + 1;
	}
	uri_encode(b, str_skip(raw, start), true);
}

/* Byte-wise work is done in the buffer itself: a call per byte would be half of
 * the cost of a signature. */
void sigv4_add_value(struct buf *b, struct str value)
{
	value = str_trim(value);
	buf_reserve(b, value.n);
	bool in_space = false;
	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];
		bool space = c == ' ' || c == '\t' || c == '\r' || c == '\n';
		if (!space || !in_space)
			b->p[b->n++] = space ? ' ' : c;
		in_space = space;
	}
}

void sigv4_add_lower(struct buf *b, struct str name)
{
	buf_add_str(b, name);
	str_lower(b->p + b->n - name.n, name.n);
}

/* An encoded parameter: offsets into one buffer, which moves while it grows. */
struct encoded {
	const struct buf *in;
	size_t name, value, end;
};

static int compare_encoded(const void *pa, const void *pb)
{
	const struct encoded *a = pa, *b = pb;
	int c = str_cmp(str_n(a->in->p + a->name, a->value - a->name),
	                str_n(b->in->p + b->name, b->value - b->name));
	if (c != 0)
		return c;
	return str_cmp(str_n(a->in->p + a->value, a->end - a->value),
	               str_n(b->in->p + b->value, b->end - b->value));
}

static struct encoded encode_param(struct buf *text, const struct uri_param *p)
{
	struct encoded e = {.in = text, .name = text->n};
	uri_encode(text, p->name, false);
	e.value = text->n;
	uri_encode(text, p->value, false);
	e.end = text->n;
	return e;
}

void sigv4_add_query_except(struct buf *b, const struct uri_param *params, size_t n,
                            struct str except)
{
	if (n == 0)
		return;
	BUF_AUTO text = {0};
	BUF_AUTO sorted = {0};
	buf_reserve(&sorted, n * sizeof(struct encoded)); /* malloc'd, hence aligned */
	buf_reserve(&text, 16 * n);                       /* a usual parameter; never NULL */
	struct encoded *e = (struct encoded *)(void *)sorted.p;
	size_t kept = 0;
	for (size_t i = 0; i < n; i++)
		if (except.n == 0 || !str_eq(params[i].name, except))
			e[kept++] = encode_param(&text, &params[i]);
	qsort(e, kept, sizeof(*e), compare_encoded);
	for (size_t i = 0; i < kept; i++) {
		if (i > 0)
			buf_add_char(b, '&');
		buf_add(b, text.p + e[i].name, e[i].value - e[i].name);
		buf_add_char(b, '=');
		buf_add(b, text.p + e[i].value, e[i].end - e[i].value);
	}
}

void sigv4_add_query(struct buf *b, const struct uri_param *params, size_t n)
{
	sigv4_add_query_except(b, params, n, STR_NULL);
}
