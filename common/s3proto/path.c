/* SPDX-License-Identifier: MIT
 *
 * From the bytes of a request path and a host to bucket and key.
 */
#include "s3proto/path.h"

#include "net/uri.h"

/* Decodes and checks what holds for the whole path. */
static enum path_result decode(struct arena *a, struct str raw, bool plus_is_space, struct str *out)
{
	if (!uri_decode(a, raw, plus_is_space, out))
		return PATH_BAD_ESCAPE;
	if (!str_is_utf8(*out) || str_chr(*out, '\0') >= 0)
		return PATH_BAD_TEXT;
	return PATH_OK;
}

/* decoded is without the leading slash. */
static enum path_result split(struct str decoded, struct path *out)
{
	out->bucket = str_cut(decoded, '/', &out->key);
	if (out->bucket.n == 0)
		return PATH_NO_BUCKET;
	if (out->key.n > PATH_KEY_MAX)
		return PATH_KEY_TOO_LONG;
	return PATH_OK;
}

enum path_result path_split(struct arena *a, struct str raw, struct path *out)
{
	*out = (struct path){0};
	if (str_eq(raw, STR("/")))
		return PATH_ROOT;
	struct str decoded;
	enum path_result r = decode(a, raw, false, &decoded);
	if (r != PATH_OK)
		return r;
	if (!str_starts(decoded, STR("/")))
		return PATH_NO_BUCKET;
	return split(str_skip(decoded, 1), out);
}

enum path_result path_key(struct arena *a, struct str raw, struct str *key)
{
	enum path_result r = decode(a, str_skip(raw, 1), false, key);
	return r == PATH_OK && key->n > PATH_KEY_MAX ? PATH_KEY_TOO_LONG : r;
}

/* An IPv6 address has colons before its port, but is no bucket of a domain anyway. */
static struct str without_port(struct str host)
{
	ssize_t colon = str_chr(host, ':');
	return colon < 0 ? host : str_n(host.p, (size_t)colon);
}

/* "x.DOMAIN" with at least one byte before the dot. */
static bool is_below(struct str host, struct str domain)
{
	return domain.n > 0 && host.n > domain.n + 1 && host.p[host.n - domain.n - 1] == '.' &&
	       str_eq_nocase(str_skip(host, host.n - domain.n), domain);
}

struct str path_host_bucket(struct str host, struct str domains)
{
	struct str best = STR_NULL;
	host = without_port(host);
	while (domains.n > 0) {
		struct str domain = str_trim(str_cut(domains, ',', &domains));
		if (str_eq_nocase(host, domain))
			return STR_NULL;
		if (domain.n > best.n && is_below(host, domain))
			best = domain;
	}
	return best.n ? str_n(host.p, host.n - best.n - 1) : STR_NULL;
}

#define VERSION STR("?versionId=")

/* A '?' in the key itself has to be sent as %3F, so the raw one ends it. *version
 * is left alone when there is none. */
static enum path_result cut_version(struct arena *a, struct str *value, struct str *version)
{
	ssize_t at = str_find(*value, VERSION);
	if (at < 0)
		return PATH_OK;
	struct str raw = str_skip(*value, (size_t)at + VERSION.n);
	*value = str_n(value->p, (size_t)at);
	/* Taken as "no version", it would copy another one than was asked for. */
	return raw.n == 0 ? PATH_BAD_VERSION : decode(a, raw, false, version);
}

enum path_result path_split_copy_source(struct arena *a, struct str value, struct path *out)
{
	*out = (struct path){0};
	struct str decoded;
	enum path_result r = cut_version(a, &value, &out->version);
	if (r == PATH_OK)
		r = decode(a, value, true, &decoded);
	if (r != PATH_OK)
		return r;
	if (str_starts(decoded, STR("/")))
		decoded = str_skip(decoded, 1);
	r = split(decoded, out);
	return r == PATH_OK && out->key.n == 0 ? PATH_NO_BUCKET : r;
}
