/* SPDX-License-Identifier: MIT
 *
 * The aws-chunked state machine. Lines are gathered in a small buffer, data is
 * passed through by reference. Each signature covers the one before it, so a
 * chunk can be neither changed nor moved; only the chain is kept, not the data.
 */
#include "s3proto/awschunk_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"

#define SIGNATURE_EXT STR(";chunk-signature=")

static bool is_signed(const struct awschunk *c)
{
	return c->variant != AWSCHUNK_UNSIGNED_TRAILER;
}

struct awschunk *awschunk_new(const struct awschunk_options *o)
{
	assert(o->variant == AWSCHUNK_UNSIGNED_TRAILER || o->seed != NULL);
	struct awschunk *c = MEM_NEW(struct awschunk);
	c->variant = o->variant;
	c->left = o->decoded_length;
	buf_add_str(&c->declared, o->trailer_names);
	if (o->seed != NULL) {
		c->has_seed = true;
		memcpy(c->key, o->seed->key, sizeof(c->key));
		buf_add_str(&c->amz_date, o->seed->amz_date);
		buf_add_str(&c->scope, o->seed->scope);
		memcpy(c->previous, o->seed->signature.p, SIGNATURE_SIZE);
	}
	if (is_signed(c))
		c->sha256 = digest_new(DIGEST_SHA256);
	return c;
}

void awschunk_free(struct awschunk **c)
{
	if (*c == NULL)
		return;
	if ((*c)->sha256 != NULL)
		digest_free(&(*c)->sha256);
	explicit_bzero((*c)->key, sizeof((*c)->key));
	buf_free(&(*c)->declared);
	buf_free(&(*c)->amz_date);
	buf_free(&(*c)->scope);
	buf_free(&(*c)->block);
	free(*c);
	*c = NULL;
}

/* --- signatures --- */

void awschunk_sign(struct awschunk *c, const char *algorithm, const char *middle,
                   const char *hash_hex, char out[SHA256_HEX_SIZE])
{
	BUF_AUTO b = {0};
	buf_add_cstr(&b, algorithm);
	buf_add_char(&b, '\n');
	buf_add_str(&b, buf_str(&c->amz_date));
	buf_add_char(&b, '\n');
	buf_add_str(&b, buf_str(&c->scope));
	buf_add_char(&b, '\n');
	buf_add(&b, c->previous, SIGNATURE_SIZE);
	buf_add_char(&b, '\n');
	buf_add_cstr(&b, middle);
	buf_add_cstr(&b, hash_hex);
	sigv4_sign_string(c->key, buf_str(&b), out);
}

/* At the end of a chunk: its signature becomes the previous one. */
static enum awschunk_result verify_chunk(struct awschunk *c)
{
	if (!is_signed(c))
		return AWSCHUNK_MORE;
	uint8_t hash[SHA256_SIZE];
	char hex[SHA256_HEX_SIZE], expected[SHA256_HEX_SIZE];
	digest_final(c->sha256, hash);
	hex_encode(hash, sizeof(hash), hex);
	awschunk_sign(c, "AWS4-HMAC-SHA256-PAYLOAD", SHA256_EMPTY_HEX "\n", hex, expected);
	if (!str_eq_secret(str_n(expected, SIGNATURE_SIZE), str_n(c->claimed, SIGNATURE_SIZE)))
		return AWSCHUNK_CHUNK_SIGNATURE_MISMATCH;
	memcpy(c->previous, expected, SIGNATURE_SIZE);
	return AWSCHUNK_MORE;
}

/* --- chunk header --- */

static bool parse_size(struct str s, uint64_t *size)
{
	if (!str_is_hex(s))
		return false;
	uint64_t v = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (v >> 60 != 0)
			return false;
		v = v << 4 | (unsigned)hex_digit(s.p[i]);
	}
	*size = v;
	return true;
}

/* Exactly the extension that the variant asks for. */
static bool parse_extension(struct awschunk *c, struct str ext)
{
	if (!is_signed(c))
		return ext.n == 0;
	if (!str_starts(ext, SIGNATURE_EXT))
		return false;
	struct str signature = str_skip(ext, SIGNATURE_EXT.n);
	if (signature.n != SIGNATURE_SIZE || !str_is_hex(signature))
		return false;
	memcpy(c->claimed, signature.p, SIGNATURE_SIZE);
	return true;
}

static enum awschunk_result begin_last_chunk(struct awschunk *c)
{
	if (c->left != 0)
		return AWSCHUNK_DECODED_LENGTH_MISMATCH;
	c->state = ST_TRAILER;
	return verify_chunk(c);
}

static enum awschunk_result chunk_header(struct awschunk *c, struct str line)
{
	ssize_t semicolon = str_chr(line, ';');
	size_t digits = semicolon < 0 ? line.n : (size_t)semicolon;
	uint64_t size;
	if (!parse_size(str_n(line.p, digits), &size) ||
	    !parse_extension(c, str_skip(line, digits)))
		return AWSCHUNK_CHUNK_MALFORMED;
	if (is_signed(c) && size > AWSCHUNK_SIZE_MAX)
		return AWSCHUNK_CHUNK_TOO_LARGE;
	if (size > c->left)
		return AWSCHUNK_DECODED_LENGTH_MISMATCH;
	if (size == 0)
		return begin_last_chunk(c);
	c->chunk_left = size;
	c->left -= size;
	c->state = ST_DATA;
	return AWSCHUNK_MORE;
}

/* --- lines --- */

/* What a line means where it stands; without its CRLF. */
static enum awschunk_result end_of_line(struct awschunk *c)
{
	struct str line = str_n(c->line, c->line_n - 2);
	c->line_n = 0;
	switch (c->state) {
	case ST_HEADER:
		return chunk_header(c, line);
	case ST_DATA_END:
		if (line.n != 0)
			return AWSCHUNK_CHUNK_MALFORMED;
		c->state = ST_HEADER;
		return verify_chunk(c);
	default:
		c->trailer_n += line.n + 2;
		if (str_ends(line, STR("\n")))
			line.n--;
		return awschunk_trailer_line(c, line);
	}
}

static size_t line_limit(const struct awschunk *c)
{
	switch (c->state) {
	case ST_HEADER:
		return AWSCHUNK_LINE_MAX;
	case ST_DATA_END:
		return 2;
	default:
		return AWSCHUNK_TRAILER_MAX - c->trailer_n;
	}
}

/* A fault of the framing, named after the part it is in. */
static enum awschunk_result malformed(const struct awschunk *c)
{
	return c->state == ST_TRAILER && c->variant != AWSCHUNK_SIGNED ? AWSCHUNK_TRAILER_MALFORMED
	                                                               : AWSCHUNK_CHUNK_MALFORMED;
}

/* CR and LF stand only as a pair at the end of a line. minio-go puts an LF before
 * that of a trailer: it sends the canonical text, in which LF ends each line. */
static bool may_follow(const struct awschunk *c, char last, char byte)
{
	if (last == '\r' || last == '\n')
		return byte == (last == '\r' ? '\n' : '\r');
	return byte != '\n' || (c->state == ST_TRAILER && c->line_n > 0);
}

static enum awschunk_result line_byte(struct awschunk *c, char byte)
{
	char last = c->line_n > 0 ? c->line[c->line_n - 1] : '\0';
	if (c->line_n >= line_limit(c) || !may_follow(c, last, byte))
		return malformed(c);
	c->line[c->line_n++] = byte;
	return last == '\r' ? end_of_line(c) : AWSCHUNK_MORE;
}

static void take_data(struct awschunk *c, const char *p, size_t n, size_t *used, const char **data,
                      size_t *data_n)
{
	size_t take = n < c->chunk_left ? n : (size_t)c->chunk_left;
	if (c->sha256 != NULL)
		digest_update(c->sha256, p, take);
	c->chunk_left -= take;
	if (c->chunk_left == 0)
		c->state = ST_DATA_END;
	*data = p;
	*data_n = take;
	*used += take;
}

enum awschunk_result awschunk_feed(struct awschunk *c, const char *p, size_t n, size_t *used,
                                   const char **data, size_t *data_n)
{
	*used = 0;
	*data_n = 0;
	enum awschunk_result r = c->result != 0 ? c->result : AWSCHUNK_MORE;
	while (r == AWSCHUNK_MORE && *used < n) {
		if (c->state == ST_DATA) {
			take_data(c, p + *used, n - *used, used, data, data_n);
			break;
		}
		if (c->state == ST_END)
			r = AWSCHUNK_CHUNK_MALFORMED;
		else
			r = line_byte(c, p[(*used)++]);
	}
	if (r == AWSCHUNK_MORE)
		return c->state == ST_END ? AWSCHUNK_DONE : AWSCHUNK_MORE;
	c->result = r;
	return r;
}

enum awschunk_result awschunk_end(struct awschunk *c)
{
	if (c->result != 0)
		return c->result;
	if (c->state == ST_END)
		return AWSCHUNK_DONE;
	/* Between two lines the framing was fine and only bytes are missing. */
	if (c->state == ST_DATA || (c->state == ST_HEADER && c->line_n == 0))
		c->result = AWSCHUNK_DECODED_LENGTH_MISMATCH;
	else
		c->result = malformed(c);
	return c->result;
}
