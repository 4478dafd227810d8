/* SPDX-License-Identifier: MIT
 *
 * Percent-encoding, request targets, queries, endpoints. Nothing is normalised
 * (no dot segments, no slash folding): object keys are arbitrary bytes and must
 * come out as they went in.
 */
#include <string.h>

#include "base/codec.h"
#include "net/uri.h"

#define PARAMS_MAX 1000 /* S3 knows fewer than 30; bounds the memory of a long target */
#define HOST_MAX   255  /* RFC 1035 2.3.4 */

static const bool is_unreserved[256] = {
	['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['0' ... '9'] = true, ['-'] = true,
	['.'] = true,         ['_'] = true,         ['~'] = true,
};

/* The byte that %XX at s[i] stands for, or -1. */
static int escape_value(struct str s, size_t i)
{
	uint8_t byte;

	return s.n - i >= 3 && hex_decode(str_n(s.p + i + 1, 2), &byte, 1) ? byte : -1;
}

bool uri_decode(struct arena *a, struct str s, bool plus_is_space, struct str *out)
{
	char *to = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		int c = (unsigned char)s.p[i];

		if (c == '%') {
			if ((c = escape_value(s, i)) < 0)
				return false;
			i += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		to[n++] = (char)c;
	}
	*out = str_n(to, n);
	return true;
}

void uri_encode(struct buf *out, struct str s, bool keep_slash)
{
	static const char digits[] = "0123456789ABCDEF";
	char *to;

	if (s.n == 0)
		return;
	buf_reserve(out, 3 * s.n);
	to = out->p + out->n;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (is_unreserved[c] || (c == '/' && keep_slash)) {
			*to++ = (char)c;
		} else {
			*to++ = '%';
			*to++ = digits[c >> 4];
			*to++ = digits[c & 15];
		}
	}
	out->n = (size_t)(to - out->p);
}

/* Empty parts, as in "a&&b", are not parameters. */
static size_t count_params(struct str query)
{
	size_t n = 0;

	while (query.n > 0)
		n += str_cut(query, '&', &query).n > 0;
	return n;
}

static bool parse_param(struct arena *a, struct str part, struct uri_param *out)
{
	struct str value = STR_NULL;
	struct str name;

	out->has_value = str_chr(part, '=') >= 0;
	name = str_cut(part, '=', &value);
	return uri_decode(a, name, true, &out->name) && uri_decode(a, value, true, &out->value);
}

bool uri_parse_query(struct arena *a, struct str query, struct uri_query *out)
{
	size_t n = count_params(query);

	*out = (struct uri_query){0};
	if (n > PARAMS_MAX)
		return false;
	out->params = ARENA_ARRAY(a, struct uri_param, n);
	while (query.n > 0) {
		struct str part = str_cut(query, '&', &query);

		if (part.n > 0 && !parse_param(a, part, &out->params[out->n++]))
			return false;
	}
	return true;
}

const struct uri_param *uri_query_get(const struct uri_query *q, struct str name)
{
	for (size_t i = 0; i < q->n; i++)
		if (str_eq(q->params[i].name, name))
			return &q->params[i];
	return NULL;
}

/* Cuts "http://" or "https://" off. */
static bool skip_scheme(struct str *s, bool *tls)
{
	static const struct str http = {"http://", 7}, https = {"https://", 8};

	if (str_eq_nocase(str_n(s->p, s->n < http.n ? s->n : http.n), http)) {
		*s = str_skip(*s, http.n);
		*tls = false;
		return true;
	}
	if (str_eq_nocase(str_n(s->p, s->n < https.n ? s->n : https.n), https)) {
		*s = str_skip(*s, https.n);
		*tls = true;
		return true;
	}
	return false;
}

/* Length of the authority at the start of s. */
static size_t authority_length(struct str s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] != '/' && s.p[n] != '?' && s.p[n] != '#')
		n++;
	return n;
}

bool uri_split_target(struct str target, struct str *path, struct str *query)
{
	bool tls;

	if (target.n == 0)
		return false;
	if (target.p[0] != '/') {
		size_t n;

		if (!skip_scheme(&target, &tls) || (n = authority_length(target)) == 0)
			return false;
		target = str_skip(target, n);
		if (target.n > 0 && target.p[0] == '#')
			return false;
	}
	*path = str_cut(target, '?', query);
	if (path->n == 0)
		*path = STR("/");
	return true;
}

static bool is_host_name(struct str s)
{
	if (s.n == 0 || s.n > HOST_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_unreserved[(unsigned char)s.p[i]] || s.p[i] == '~')
			return false;
	return true;
}

static bool is_ip6(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (hex_digit(s.p[i]) < 0 && s.p[i] != ':' && s.p[i] != '.')
			return false;
	return str_chr(s, ':') >= 0;
}

static bool is_port(struct str s)
{
	uint64_t v;

	return str_to_u64(s, &v) && v >= 1 && v <= 65535;
}

/* Splits "host", "host:port", "[v6]" or "[v6]:port"; *port empty when absent. */
static bool split_authority(struct str s, struct str *host, struct str *port)
{
	struct str rest;

	if (s.n > 0 && s.p[0] == '[') {
		ssize_t end = str_chr(s, ']');

		if (end < 0)
			return false;
		*host = str_n(s.p + 1, (size_t)end - 1);
		rest = str_skip(s, (size_t)end + 1);
		if (!is_ip6(*host) || (rest.n > 0 && rest.p[0] != ':'))
			return false;
	} else {
		ssize_t colon = str_chr(s, ':');

		*host = str_n(s.p, colon < 0 ? s.n : (size_t)colon);
		rest = str_skip(s, host->n);
		if (!is_host_name(*host))
			return false;
	}
	*port = str_skip(rest, 1);
	return rest.n == 0 || is_port(*port);
}

static struct str strip_slashes(struct str path)
{
	while (path.n > 0 && path.p[path.n - 1] == '/')
		path.n--;
	return path;
}

/* No queries or fragments, and nothing that could not stand in a request line. */
static bool is_endpoint_path(struct str path)
{
	for (size_t i = 0; i < path.n; i++)
		if (!is_unreserved[(unsigned char)path.p[i]] &&
		    !memchr("/%!$&'()*+,;=:@", path.p[i], 15))
			return false;
	return true;
}

enum err uri_parse_endpoint(struct arena *a, struct str url, struct uri_endpoint *out,
                            struct error *e)
{
	struct str rest = url, host, port, path;
	const char *default_port;
	bool ip6;

	*out = (struct uri_endpoint){0};
	if (!skip_scheme(&rest, &out->tls))
		return err_set(e, ERR_INVALID, "%.*s: must start with http:// or https://",
		               STR_FMT(url));
	path = str_skip(rest, authority_length(rest));
	if (!split_authority(str_n(rest.p, authority_length(rest)), &host, &port))
		return err_set(e, ERR_INVALID, "%.*s: malformed host or port", STR_FMT(url));
	path = strip_slashes(path);
	if (!is_endpoint_path(path))
		return err_set(e, ERR_INVALID, "%.*s: malformed path", STR_FMT(url));

	default_port = out->tls ? "443" : "80";
	ip6 = str_chr(host, ':') >= 0;
	out->host = arena_strndup(a, host.p, host.n);
	str_lower(out->host, host.n);
	out->port = port.n > 0 ? arena_strndup(a, port.p, port.n) : arena_strdup(a, default_port);
	out->authority = arena_printf(a, "%s%s%s", ip6 ? "[" : "", out->host, ip6 ? "]" : "");
	if (strcmp(out->port, default_port) != 0)
		out->authority = arena_printf(a, "%s:%s", out->authority, out->port);
	out->path = arena_strndup(a, path.p, path.n);
	return ERR_OK;
}
