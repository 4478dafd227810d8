/* SPDX-License-Identifier: MIT
 *
 * Verifying and signing. Verification computes the signature whatever else may
 * be wrong, and compares in constant time: how long it takes tells nothing
 * about secrets.
 */
#include "s3proto/sigv4_private.h"

#include <string.h>
#include <strings.h>

#include "base/codec.h"

#define DUMMY_SECRET STR("dummy-secret-for-constant-time-auth")

void sigv4_sign_string(const uint8_t key[SHA256_SIZE], struct str string, char out[SHA256_HEX_SIZE])
{
	uint8_t mac[SHA256_SIZE];
	hmac_sha256(key, SHA256_SIZE, string.p, string.n, mac);
	hex_encode(mac, SHA256_SIZE, out);
}

static void add_line(struct buf *b, struct str s)
{
	buf_add_str(b, s);
	buf_add_char(b, '\n');
}

void sigv4_signature(const uint8_t key[SHA256_SIZE], struct str amz_date, struct str scope,
                     struct str canonical, char out[SHA256_HEX_SIZE])
{
	BUF_AUTO b = {0};
	buf_reserve(&b, sizeof(SIGV4_ALGORITHM) + amz_date.n + scope.n + SHA256_HEX_SIZE + 2);
	add_line(&b, STR(SIGV4_ALGORITHM));
	add_line(&b, amz_date);
	add_line(&b, scope);
	char hash[SHA256_HEX_SIZE];
	sha256_hex(canonical.p, canonical.n, hash);
	buf_add_cstr(&b, hash);
	sigv4_sign_string(key, buf_str(&b), out);
}

/* --- verifying --- */

/* "name:value LF"; repeated fields are joined with commas, absent ones empty. */
static void add_header(struct buf *b, const struct http_head *h, struct str name)
{
	sigv4_add_lower(b, name);
	buf_add_char(b, ':');
	bool first = true;
	for (size_t i = 0; i < h->n_fields; i++) {
		if (!str_eq_nocase(h->fields[i].name, name))
			continue;
		if (!first)
			buf_add_char(b, ',');
		sigv4_add_value(b, h->fields[i].value);
		first = false;
	}
	buf_add_char(b, '\n');
}

static void add_canonical(struct buf *b, const struct sigv4_request *r, const struct http_head *h)
{
	struct str except = r->scheme == SIGV4_PRESIGNED ? STR("X-Amz-Signature") : STR_NULL;
	add_line(b, h->method);
	sigv4_add_path(b, r->raw_path);
	buf_add_char(b, '\n');
	sigv4_add_query_except(b, r->query->params, r->query->n, except);
	buf_add_char(b, '\n');
	struct str list = r->signed_headers;
	while (list.n > 0)
		add_header(b, h, str_trim(str_cut(list, ';', &list)));
	buf_add_char(b, '\n');
	add_line(b, r->signed_headers);
	buf_add_str(b, r->payload_hash);
}

static bool signature_matches(const struct sigv4_request *r, const struct http_head *h,
                              const uint8_t key[SHA256_SIZE])
{
	BUF_AUTO canonical = {0};
	buf_reserve(&canonical, 1024); /* most requests fit */
	add_canonical(&canonical, r, h);
	char expected[SHA256_HEX_SIZE];
	sigv4_signature(key, r->amz_date, r->scope, buf_str(&canonical), expected);
	return str_eq_secret(str_n(expected, SHA256_HEX_SIZE - 1), r->signature);
}

static enum s3_error check_time(const struct sigv4_request *r, int64_t now, const char **why)
{
	if (r->scheme == SIGV4_HEADER) {
		bool ok = now - r->date <= SIGV4_SKEW && r->date - now <= SIGV4_SKEW;
		return ok ? S3_OK : S3_REQUEST_TIME_TOO_SKEWED;
	}
	if (r->date - now > SIGV4_SKEW) {
		*why = "Request is not yet valid";
		return S3_ACCESS_DENIED;
	}
	if (now - r->date > r->expires * CLOCK_SEC) {
		*why = "Request has expired";
		return S3_ACCESS_DENIED;
	}
	return S3_OK;
}

/* The signing key of a secret, or of the dummy for NULL. True when it was known. */
static bool key_of(const struct str *secret, struct str scope, uint8_t key[SHA256_SIZE])
{
	struct str with = secret != NULL ? *secret : DUMMY_SECRET;
	bool cached = secret != NULL && sigv4_key_find(with, scope, key);
	if (!cached)
		sigv4_key_derive(with, scope, key);
	return cached;
}

enum s3_error sigv4_verify_post(const struct sigv4_request *r, struct str policy,
                                const struct str *secret)
{
	uint8_t key[SHA256_SIZE];
	char expected[SHA256_HEX_SIZE];
	bool cached = key_of(secret, r->scope, key);
	sigv4_sign_string(key, policy, expected);
	bool matches = str_eq_secret(str_n(expected, SHA256_HEX_SIZE - 1), r->signature);
	if (secret == NULL)
		return S3_INVALID_ACCESS_KEY_ID;
	if (!matches)
		return S3_SIGNATURE_DOES_NOT_MATCH;
	if (!cached)
		sigv4_key_remember(*secret, r->scope, key);
	return S3_OK;
}

enum s3_error sigv4_verify(const struct sigv4_request *r, const struct http_head *h,
                           const struct str *secret, int64_t now, struct sigv4_seed *seed,
                           const char **why)
{
	*why = NULL;
	uint8_t key[SHA256_SIZE];
	bool cached = key_of(secret, r->scope, key);
	bool matches = signature_matches(r, h, key);

	enum s3_error result = check_time(r, now, why);
	if (result == S3_OK && secret == NULL)
		result = S3_INVALID_ACCESS_KEY_ID;
	if (result == S3_OK && !matches)
		result = S3_SIGNATURE_DOES_NOT_MATCH;
	if (result != S3_OK)
		return result;
	if (!cached)
		sigv4_key_remember(*secret, r->scope, key);
	if (seed != NULL) {
		*seed = (struct sigv4_seed){
			.scope = r->scope, .amz_date = r->amz_date, .signature = r->signature};
		memcpy(seed->key, key, SHA256_SIZE);
	}
	return S3_OK;
}

/* --- signing --- */

static int compare_names(struct str a, struct str b)
{
	int c = strncasecmp(a.p, b.p, a.n < b.n ? a.n : b.n);
	return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

/* All fields to sign, sorted by name without case. Lists are short and often
 * sorted already. */
static struct http_field *sort_fields(const struct sigv4_outgoing *o, struct str amz_date,
                                      struct arena *a, size_t *n)
{
	const struct http_field own[] = {
		{STR("host"), o->host},
		{STR("x-amz-content-sha256"), o->payload_hash},
		{STR("x-amz-date"), amz_date},
	};
	size_t n_own = sizeof(own) / sizeof(own[0]);
	struct http_field *all = ARENA_ARRAY(a, struct http_field, n_own + o->n_fields);
	*n = 0;
	for (size_t i = 0; i < n_own + o->n_fields; i++) {
		struct http_field f = i < n_own ? own[i] : o->fields[i - n_own];
		size_t at = (*n)++;
		for (; at > 0 && compare_names(all[at - 1].name, f.name) > 0; at--)
			all[at] = all[at - 1];
		all[at] = f;
	}
	return all;
}

static void add_names(struct buf *b, const struct http_field *f, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_add_char(b, ';');
		sigv4_add_lower(b, f[i].name);
	}
}

static void add_own_canonical(struct buf *b, const struct sigv4_outgoing *o,
                              const struct http_field *f, size_t n)
{
	add_line(b, o->method);
	add_line(b, o->path);
	add_line(b, o->query);
	for (size_t i = 0; i < n; i++) {
		sigv4_add_lower(b, f[i].name);
		buf_add_char(b, ':');
		sigv4_add_value(b, f[i].value);
		buf_add_char(b, '\n');
	}
	buf_add_char(b, '\n');
	add_names(b, f, n);
	buf_add_char(b, '\n');
	buf_add_str(b, o->payload_hash);
}

static void signing_key(struct str secret, struct str scope, uint8_t key[SHA256_SIZE])
{
	if (sigv4_key_find(secret, scope, key))
		return;
	sigv4_key_derive(secret, scope, key);
	sigv4_key_remember(secret, scope, key);
}

static void add_scope(struct buf *b, const struct sigv4_credentials *c, const char *amz_date)
{
	buf_add(b, amz_date, 8);
	buf_add_char(b, '/');
	buf_add_str(b, c->region);
	buf_add_char(b, '/');
	buf_add_str(b, c->service);
	buf_add_cstr(b, "/aws4_request");
}

void sigv4_sign(const struct sigv4_credentials *c, const struct sigv4_outgoing *o, struct arena *a,
                struct http_field out[SIGV4_FIELDS])
{
	char *date = arena_alloc(a, CLOCK_AMZ_SIZE);
	clock_format_amz(o->now, date);
	struct str amz_date = str_n(date, CLOCK_AMZ_SIZE - 1);
	size_t n;
	struct http_field *signed_fields = sort_fields(o, amz_date, a, &n);

	BUF_AUTO scope = {0};
	BUF_AUTO text = {0};
	char signature[SHA256_HEX_SIZE];
	uint8_t key[SHA256_SIZE];
	add_scope(&scope, c, date);
	signing_key(c->secret, buf_str(&scope), key);
	buf_reserve(&text, 1024); /* most requests fit */
	add_own_canonical(&text, o, signed_fields, n);
	sigv4_signature(key, amz_date, buf_str(&scope), buf_str(&text), signature);

	text.n = 0;
	buf_add_cstr(&text, SIGV4_ALGORITHM " Credential=");
	buf_add_str(&text, c->access_key);
	buf_add_char(&text, '/');
	buf_add_str(&text, buf_str(&scope));
	buf_add_cstr(&text, ",SignedHeaders=");
	add_names(&text, signed_fields, n);
	buf_add_cstr(&text, ",Signature=");
	buf_add_cstr(&text, signature);

	out[0] = (struct http_field){STR("authorization"), arena_dup(a, buf_str(&text))};
	out[1] = (struct http_field){STR("x-amz-date"), amz_date};
	out[2] = (struct http_field){STR("x-amz-content-sha256"), o->payload_hash};
}
