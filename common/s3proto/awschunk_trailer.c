/* SPDX-License-Identifier: MIT
 *
 * The trailers of an aws-chunked body. They are kept in one block that never
 * moves (it is reserved at its limit), so fields can point into it.
 */
#include "s3proto/awschunk_private.h"

#define SIGNATURE_FIELD STR("x-amz-trailer-signature")

static const struct http_field *find(const struct awschunk *c, struct str name)
{
	for (size_t i = 0; i < c->n_trailers; i++)
		if (str_eq_nocase(c->trailers[i].name, name))
			return &c->trailers[i];
	return NULL;
}

static bool is_declared(const struct awschunk *c, struct str name)
{
	struct str list = buf_str(&c->declared);
	while (list.n > 0)
		if (str_eq_nocase(str_trim(str_cut(list, ',', &list)), name))
			return true;
	return false;
}

static bool all_declared_came(const struct awschunk *c)
{
	struct str list = buf_str(&c->declared);
	while (list.n > 0) {
		struct str name = str_trim(str_cut(list, ',', &list));
		if (name.n > 0 && find(c, name) == NULL)
			return false;
	}
	return true;
}

/* Copies a field into the block and keeps the list sorted by name. */
static void insert(struct awschunk *c, struct str name, struct str value)
{
	char *p = c->block.p + c->block.n;
	buf_add_str(&c->block, name);
	str_lower(p, name.n);
	buf_add_str(&c->block, value);
	struct http_field f = {str_n(p, name.n), str_n(p + name.n, value.n)};
	size_t at = c->n_trailers++;
	for (; at > 0 && str_cmp(c->trailers[at - 1].name, f.name) > 0; at--)
		c->trailers[at] = c->trailers[at - 1];
	c->trailers[at] = f;
}

static void canonical_hash(const struct awschunk *c, char out[SHA256_HEX_SIZE])
{
	BUF_AUTO b = {0};
	for (size_t i = 0; i < c->n_trailers; i++) {
		buf_add_str(&b, c->trailers[i].name);
		buf_add_char(&b, ':');
		buf_add_str(&b, c->trailers[i].value);
		buf_add_char(&b, '\n');
	}
	sha256_hex(b.n > 0 ? b.p : "", b.n, out);
}

static enum awschunk_result verify(struct awschunk *c, struct str signature)
{
	if (signature.n != SIGNATURE_SIZE || !str_is_hex(signature))
		return AWSCHUNK_TRAILER_MALFORMED;
	if (!c->has_seed)
		return AWSCHUNK_TRAILER_SIGNATURE_MISMATCH;
	char hash[SHA256_HEX_SIZE], expected[SHA256_HEX_SIZE];
	canonical_hash(c, hash);
	awschunk_sign(c, "AWS4-HMAC-SHA256-TRAILER", "", hash, expected);
	if (!str_eq_secret(str_n(expected, SIGNATURE_SIZE), signature))
		return AWSCHUNK_TRAILER_SIGNATURE_MISMATCH;
	c->trailer_signed = true;
	return AWSCHUNK_MORE;
}

static enum awschunk_result end_of_trailers(struct awschunk *c)
{
	if (c->variant == AWSCHUNK_SIGNED_TRAILER && !c->trailer_signed)
		return AWSCHUNK_TRAILER_MALFORMED;
	if (c->variant != AWSCHUNK_SIGNED && !all_declared_came(c))
		return AWSCHUNK_TRAILER_MALFORMED;
	c->state = ST_END;
	return AWSCHUNK_MORE;
}

enum awschunk_result awschunk_trailer_line(struct awschunk *c, struct str line)
{
	if (line.n == 0)
		return end_of_trailers(c);
	if (c->variant == AWSCHUNK_SIGNED)
		return AWSCHUNK_CHUNK_MALFORMED;
	if (c->trailer_signed || str_chr(line, ':') < 0)
		return AWSCHUNK_TRAILER_MALFORMED;
	struct str value, name = str_cut(line, ':', &value);
	value = str_trim(value);
	if (!http1_is_token(name) || !http1_is_value(value))
		return AWSCHUNK_TRAILER_MALFORMED;
	if (str_eq_nocase(name, SIGNATURE_FIELD))
		return verify(c, value);
	if (c->n_trailers == AWSCHUNK_TRAILERS_MAX || !is_declared(c, name) ||
	    find(c, name) != NULL)
		return AWSCHUNK_TRAILER_MALFORMED;
	if (c->n_trailers == 0)
		buf_reserve(&c->block, AWSCHUNK_TRAILER_MAX);
	insert(c, name, value);
	return AWSCHUNK_MORE;
}

const struct http_field *awschunk_trailers(const struct awschunk *c, size_t *n)
{
	*n = c->n_trailers;
	return c->trailers;
}
