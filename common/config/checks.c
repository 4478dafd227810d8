/* SPDX-License-Identifier: MIT
 *
 * Rules for the text of single values, see checks.h.
 */
#include "config/checks.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include "config/value.h"

#define BACKEND_NAME_MAX 64 /* bytes; it is a label of every metric */
#define CIDR_TEXT_MAX    64 /* an IPv6 network is at most 49 characters long */

static bool complain(struct buf *message, const char *text)
{
	buf_add_cstr(message, text);
	return false;
}

bool check_driver(struct str v, struct buf *message)
{
	if (!str_eq_nocase(v, STR("sqlite")))
		return true;
	return complain(message, "sqlite is not supported: proxyd and workerd need PostgreSQL; "
	                         "use driver: embedded for a private one");
}

bool check_backend_name(struct str v, struct buf *message)
{
	bool ok = v.n <= BACKEND_NAME_MAX;

	for (size_t i = 0; ok && i < v.n; i++)
		ok = isalnum((unsigned char)v.p[i]) || memchr("._-", v.p[i], 3);
	return ok || complain(message, "must be 1 to 64 of the characters A-Z a-z 0-9 . _ -");
}

bool check_endpoint(struct str v, struct buf *message)
{
	if (str_chr(v, '?') < 0 && str_chr(v, '#') < 0)
		return true;
	return complain(message, "must not have a query or fragment");
}

bool check_url_path(struct str v, struct buf *message)
{
	bool ok = v.n > 1 && v.p[0] == '/' && v.p[v.n - 1] != '/';

	for (size_t i = 0; ok && i < v.n; i++)
		ok = isgraph((unsigned char)v.p[i]) && !memchr("?#%\\", v.p[i], 4);
	return ok || complain(message, "must start with '/' and not end with one");
}

/* A name as it stands in Host, without the port: labels of letters, digits, '-', '_'. */
static bool is_domain(struct str v)
{
	if (!v.n)
		return false;
	while (v.n > 0) {
		struct str rest, label = str_cut(v, '.', &rest);

		if (!label.n || label.n + 1 == v.n)
			return false;
		for (size_t i = 0; i < label.n; i++)
			if (!isalnum((unsigned char)label.p[i]) && !memchr("-_", label.p[i], 2))
				return false;
		v = rest;
	}
	return true;
}

bool check_domains(struct str v, struct buf *message)
{
	while (v.n > 0) {
		struct str domain = str_trim(str_cut(v, ',', &v));

		if (is_domain(domain))
			continue;
		buf_printf(message, "\"%.*s\" is not a domain name like s3.example.com",
		           STR_FMT(domain));
		return false;
	}
	return true;
}

static bool is_cidr(struct str v)
{
	unsigned char address[sizeof(struct in6_addr)];
	char host[CIDR_TEXT_MAX];
	struct str length, text = str_cut(v, '/', &length);
	uint64_t bits;
	bool v6 = str_chr(text, ':') >= 0;

	if (text.n >= sizeof host || length.n > 3 || !str_to_u64(length, &bits))
		return false;
	memcpy(host, text.p, text.n);
	host[text.n] = '\0';
	return inet_pton(v6 ? AF_INET6 : AF_INET, host, address) == 1 && bits <= (v6 ? 128 : 32);
}

bool check_cidr(struct str v, struct buf *message)
{
	if (is_cidr(v))
		return true;
	/* No more than can be a network: a finding stays a line that can be read. */
	struct str shown = str_n(v.p, v.n < CIDR_TEXT_MAX ? v.n : CIDR_TEXT_MAX);

	buf_printf(message, "invalid CIDR \"%.*s\"", STR_FMT(shown));
	return false;
}

bool check_collector(struct str v, struct buf *message)
{
	if (!value_address(v) || !value_url(v))
		return true;
	return complain(message, "must be host:port or an http:// or https:// URL");
}
