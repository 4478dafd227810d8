/* SPDX-License-Identifier: MIT
 *
 * See confirm.h.
 */
#include "ctl/confirm.h"

#include <string.h>
#include "base/codec.h"
#include "base/digest.h"

/* Of a payload that is worth looking at: a name has 64 bytes at most. */
#define PAYLOAD_MAX 128

static char *encode(struct arena *a, const void *p, size_t n)
{
	char *text = arena_alloc(a, BASE64_SIZE(n));

	base64_encode(p, n, text);
	for (char *c = text; *c; c++)
		*c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
	text[strcspn(text, "=")] = '\0';
	return text;
}

/* STR_NULL when it is none, or too long. */
static struct str decode(struct arena *a, struct str text)
{
	char *padded = arena_alloc(a, text.n + 4);
	char *out = arena_alloc(a, PAYLOAD_MAX);
	size_t n = text.n;
	ssize_t got;

	for (size_t i = 0; i < n; i++)
		padded[i] = (char)(text.p[i] == '-' ? '+' : text.p[i] == '_' ? '/' : text.p[i]);
	while (n % 4)
		padded[n++] = '=';
	got = base64_decode(str_n(padded, n), out, PAYLOAD_MAX);
	return got < 0 ? STR_NULL : str_n(out, (size_t)got);
}

static char *sign(struct arena *a, struct str key, struct str payload)
{
	uint8_t mac[SHA256_SIZE];

	hmac_sha256(key.p, key.n, payload.p, payload.n, mac);
	return arena_printf(a, "%s.%s", encode(a, payload.p, payload.n),
	                    encode(a, mac, sizeof mac));
}

static char *payload_of(struct arena *a, const char *action, struct str name, int64_t expiry)
{
	return arena_printf(a, "%s|%.*s|%lld", action, STR_FMT(name), (long long)expiry);
}

char *confirm_token(struct arena *a, struct str key, const char *action, struct str name,
                    int64_t now)
{
	return sign(a, key, str_of(payload_of(a, action, name, now + CONFIRM_SECONDS)));
}

bool confirm_is_valid(struct arena *a, struct str key, const char *action, struct str name,
                      int64_t now, struct str token)
{
	struct str rest, payload = decode(a, str_cut(token, '.', &rest)), expiry;
	char *wanted = sign(a, key, payload);
	uint64_t until;
	bool is_ours = str_eq_secret(str_of(wanted), token);

	str_cut(payload, '|', &expiry);
	str_cut(expiry, '|', &expiry);
	return is_ours && str_to_u64(expiry, &until) &&
	       str_eq(payload, str_of(payload_of(a, action, name, (int64_t)until))) &&
	       now < (int64_t)until;
}
