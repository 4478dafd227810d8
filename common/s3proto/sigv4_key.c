/* SPDX-License-Identifier: MIT
 *
 * Signing keys: four HMACs per secret and scope, so they are remembered in a
 * small fixed table. The secret is part of the key of an entry: a secret that is
 * changed by a reload is void at once. Only keys that were proven right get in
 * (see sigv4.c), so strangers cannot push out those in use.
 */
#include "s3proto/sigv4_private.h"

#include <string.h>

/* 256 entries of about 300 bytes: enough for the credentials of a day and the
 * backends of one process. */
#define SETS      64
#define WAYS      4
#define ENTRY_MAX 240 /* bytes of secret and scope; longer ones are not cached */

static struct entry {
	uint16_t secret_n, scope_n; /* scope_n == 0: free */
	char text[ENTRY_MAX];       /* secret, then scope */
	uint8_t key[SHA256_SIZE];
} table[SETS][WAYS];

static uint8_t victim[SETS]; /* the way to replace next */

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint32_t fnv1a(uint32_t h, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 16777619U;
	return h;
}

static unsigned set_of(struct str secret, struct str scope)
{
	uint32_t h = fnv1a(fnv1a(2166136261U, secret), scope);
	return (h ^ h >> 16) % SETS;
}

static bool is_entry(const struct entry *e, struct str secret, struct str scope)
{
	return e->scope_n == scope.n && e->secret_n == secret.n &&
	       memcmp(e->text + secret.n, scope.p, scope.n) == 0 &&
	       str_eq_secret(str_n(e->text, secret.n), secret);
}

bool sigv4_key_find(struct str secret, struct str scope, uint8_t key[SHA256_SIZE])
{
	const struct entry *set = table[set_of(secret, scope)];
	for (int i = 0; i < WAYS; i++) {
		if (is_entry(&set[i], secret, scope)) {
			memcpy(key, set[i].key, SHA256_SIZE);
			return true;
		}
	}
	return false;
}

void sigv4_key_remember(struct str secret, struct str scope, const uint8_t key[SHA256_SIZE])
{
	if (secret.n == 0 || secret.n + scope.n > ENTRY_MAX)
		return;
	unsigned set = set_of(secret, scope);
	struct entry *e = &table[set][victim[set]++ % WAYS];
	e->secret_n = (uint16_t)secret.n;
	e->scope_n = (uint16_t)scope.n;
	memcpy(e->text, secret.p, secret.n);
	memcpy(e->text + secret.n, scope.p, scope.n);
	memcpy(e->key, key, SHA256_SIZE);
}

void sigv4_key_derive(struct str secret, struct str scope, uint8_t key[SHA256_SIZE])
{
	BUF_AUTO first = {0};
	buf_reserve(&first, 4 + secret.n);
	buf_add_cstr(&first, "AWS4");
	buf_add_str(&first, secret);
	struct str part = str_cut(scope, '/', &scope);
	hmac_sha256(first.p, first.n, part.p, part.n, key);
	for (int i = 0; i < 3; i++) { /* region, service, "aws4_request" */
		uint8_t next[SHA256_SIZE];
		part = str_cut(scope, '/', &scope);
		hmac_sha256(key, SHA256_SIZE, part.n > 0 ? part.p : "", part.n, next);
		memcpy(key, next, SHA256_SIZE);
	}
	explicit_bzero(first.p, first.n);
}
