/* SPDX-License-Identifier: MIT
 *
 * The text forms of values, see value.h. Durations follow Go's
 * time.ParseDuration (https://pkg.go.dev/time#ParseDuration), the form that
 * operators of such services know; numbers follow YAML 1.2 with YAML 1.1's
 * underscores.
 */
#include "config/value.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"

#define NUMBER_MAX 80 /* characters; 64 binary digits with a prefix and sign fit */

static const char not_bool[] = "must be true or false";
static const char not_int[] = "must be an integer";
static const char not_float[] = "must be a number";
static const char not_size[] = "must be a size such as 512MB";
static const char not_duration[] = "must be a duration such as 30s or 1h30m";
static const char not_address[] = "must be host:port with a port of 1 to 65535";
static const char not_url[] = "must be an http:// or https:// URL";
static const char too_large[] = "is too large";

/* Written in lower, Title or UPPER case: tRUE is no YAML boolean. */
static bool is_cased(struct str s)
{
	size_t upper = 0;

	for (size_t i = 0; i < s.n; i++)
		upper += isupper((unsigned char)s.p[i]) != 0;
	return upper == 0 || upper == s.n || (upper == 1 && isupper((unsigned char)s.p[0]));
}

const char *value_bool(struct str s, bool *out)
{
	static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "y", "n"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (str_eq_nocase(s, str_of(words[i])) && is_cased(s)) {
			*out = i % 2 == 0;
			return NULL;
		}
	}
	return not_bool;
}

/* Copies s without underscores; false if it cannot be a number. */
static bool strip_underscores(struct str s, char out[NUMBER_MAX])
{
	size_t n = 0;

	if (!s.n || s.n >= NUMBER_MAX || s.p[0] == '_' || s.p[s.n - 1] == '_')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '_')
			continue;
		if (!isalnum((unsigned char)s.p[i]) && !memchr("+-.", s.p[i], 3))
			return false;
		out[n++] = s.p[i];
	}
	out[n] = '\0';
	return true;
}

const char *value_float(struct str s, double *out)
{
	char text[NUMBER_MAX], *end;

	/* strtod also knows inf, nan and hexadecimal fractions. */
	if (!strip_underscores(s, text) || strspn(text, "+-.0123456789eE") != strlen(text) ||
	    !strpbrk(text, "0123456789"))
		return not_float;
	*out = strtod(text, &end);
	return *end || !isfinite(*out) ? not_float : NULL;
}

/* digits are all digits of the base; the sign has been cut off. */
static const char *parse_digits(const char *digits, unsigned base, bool negative, int64_t *out)
{
	uint64_t v = 0, limit = (uint64_t)INT64_MAX + negative;

	if (!*digits)
		return not_int;
	for (; *digits; digits++) {
		unsigned c = (unsigned char)*digits;
		unsigned d = isdigit((int)c) ? c - '0' : (unsigned)(c | 0x20) - 'a' + 10;

		if (!isxdigit((int)c) || d >= base)
			return not_int;
		if (v > (limit - d) / base)
			return too_large;
		v = v * base + d;
	}
	*out = negative ? (int64_t)(0 - v) : (int64_t)v;
	return NULL;
}

static const char *parse_integral_float(struct str s, int64_t *out)
{
	double v;

	if (value_float(s, &v) || trunc(v) != v)
		return not_int;
	if (fabs(v) >= 0x1p63)
		return too_large;
	*out = (int64_t)v;
	return NULL;
}

const char *value_int(struct str s, int64_t *out)
{
	char text[NUMBER_MAX];
	const char *p = text;

	if (!strip_underscores(s, text))
		return not_int;
	bool negative = *p == '-';

	p += *p == '-' || *p == '+';
	if (!strncmp(p, "0x", 2))
		return parse_digits(p + 2, 16, negative, out);
	if (!strncmp(p, "0o", 2))
		return parse_digits(p + 2, 8, negative, out);
	if (!strncmp(p, "0b", 2))
		return parse_digits(p + 2, 2, negative, out);
	if (strpbrk(p, ".eE"))
		return parse_integral_float(s, out);
	if (p[0] == '0' && p[1])
		return "must not have leading zeros";
	return parse_digits(p, 10, negative, out);
}

/* The power of 1024 that a unit stands for, or -1. */
static int size_unit(struct str unit)
{
	static const char letters[] = "KMGT";

	if (str_eq_nocase(unit, STR("B")))
		return 0;
	for (int i = 0; letters[i] && unit.n; i++) {
		struct str rest = str_skip(unit, 1);

		if (toupper((unsigned char)unit.p[0]) == letters[i] &&
		    (!rest.n || str_eq_nocase(rest, STR("B")) || str_eq_nocase(rest, STR("iB"))))
			return i + 1;
	}
	return -1;
}

const char *value_size(struct str s, uint64_t *out)
{
	size_t digits = 0;
	int64_t v = 0;
	const char *wrong;

	if (!value_int(s, &v)) {
		*out = (uint64_t)v;
		return v < 0 ? "must not be negative" : NULL;
	}
	if (s.n && s.p[0] == '-')
		return "must not be negative";
	while (digits < s.n && (isdigit((unsigned char)s.p[digits]) || s.p[digits] == '_'))
		digits++;
	if (!digits)
		return not_size;
	wrong = value_int(str_n(s.p, digits), &v);
	if (wrong)
		return wrong == not_int ? not_size : wrong;

	struct str unit = str_trim(str_skip(s, digits));
	int power = unit.n ? size_unit(unit) : -1;

	if (power < 0)
		return not_size;
	if (v > INT64_MAX >> (10 * power))
		return too_large;
	*out = (uint64_t)v << (10 * power);
	return NULL;
}

/* Nanoseconds of the unit that *s begins with, which is cut off; 0: none. */
static int64_t duration_unit(struct str *s)
{
	/* Longer names first: "ms" begins with "m". Both Unicode signs for micro. */
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {{"ns", 1},
	             {"us", 1000},
	             {"\xc2\xb5s", 1000},
	             {"\xce\xbcs", 1000},
	             {"ms", INT64_C(1000000)},
	             {"s", INT64_C(1000000000)},
	             {"m", INT64_C(60000000000)},
	             {"h", INT64_C(3600000000000)}};

	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		struct str name = str_of(units[i].name);

		if (str_starts(*s, name)) {
			*s = str_skip(*s, name.n);
			return units[i].ns;
		}
	}
	return 0;
}

/* Cuts one "<number><unit>" off *s and adds it to *ns. The sum stays below
 * 2^64, so that two 64-bit products cannot leave 128 bits. */
static const char *add_term(struct str *s, unsigned __int128 *ns)
{
	uint64_t whole = 0, fraction = 0, scale = 1;
	size_t i = 0, digits = 0;

	for (; i < s->n && isdigit((unsigned char)s->p[i]); i++, digits++) {
		if (whole > (uint64_t)INT64_MAX / 10 - 1)
			return too_large;
		whole = whole * 10 + (uint64_t)(s->p[i] - '0');
	}
	if (i < s->n && s->p[i] == '.')
		for (i++; i < s->n && isdigit((unsigned char)s->p[i]); i++, digits++) {
			/* More than 15 digits are below a nanosecond even of an hour. */
			if (scale >= UINT64_C(1000000000000000))
				continue;
			fraction = fraction * 10 + (uint64_t)(s->p[i] - '0');
			scale *= 10;
		}
	if (!digits)
		return not_duration;
	*s = str_skip(*s, i);
	if (!s->n)
		return "must have a unit, as in 30s";

	uint64_t unit = (uint64_t)duration_unit(s);

	if (!unit)
		return not_duration;
	*ns += (unsigned __int128)whole * unit + (unsigned __int128)fraction * unit / scale;
	return *ns > INT64_MAX ? too_large : NULL;
}

const char *value_duration(struct str s, int64_t *out)
{
	unsigned __int128 ns = 0;
	int64_t zero;
	bool negative = s.n && s.p[0] == '-';

	if (!value_int(s, &zero) && zero == 0) {
		*out = 0;
		return NULL;
	}
	if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
		s = str_skip(s, 1);
	if (!s.n)
		return not_duration;
	while (s.n) {
		const char *wrong = add_term(&s, &ns);

		if (wrong)
			return wrong;
	}
	int64_t us = (int64_t)((ns + 999) / 1000);

	*out = negative ? -us : us;
	return NULL;
}

void value_address_split(struct str s, struct str *host, struct str *port)
{
	size_t i = s.n;

	while (i > 0 && s.p[i - 1] != ':')
		i--;
	*host = str_n(s.p, i ? i - 1 : 0);
	*port = i ? str_skip(s, i) : STR_NULL;
}

static bool is_port(struct str s)
{
	uint64_t v;

	return s.n <= 5 && str_to_u64(s, &v) && v >= 1 && v <= 65535;
}

/* Letters, digits, '-', '.', '_'; inside brackets hexadecimal digits, ':', '.'
 * and a zone. Names are resolved later; this keeps out what cannot be one. */
static bool is_host(struct str s)
{
	bool v6 = s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']';
	struct str inner = v6 ? str_n(s.p + 1, s.n - 2) : s;

	for (size_t i = 0; i < inner.n; i++) {
		char c = inner.p[i];

		if (!isalnum((unsigned char)c) && !memchr("-._", c, 3) &&
		    !(v6 && (c == ':' || c == '%')))
			return false;
	}
	return !v6 || str_chr(inner, ':') >= 0;
}

const char *value_address(struct str s)
{
	struct str host, port;

	value_address_split(s, &host, &port);
	return is_host(host) && is_port(port) ? NULL : not_address;
}

const char *value_url(struct str s)
{
	struct str path, authority;

	if (str_starts(s, STR("https://")))
		s = str_skip(s, 8);
	else if (str_starts(s, STR("http://")))
		s = str_skip(s, 7);
	else
		return not_url;
	for (size_t i = 0; i < s.n; i++)
		if (!isgraph((unsigned char)s.p[i]))
			return not_url;
	authority = str_cut(s, '/', &path);
	if (str_chr(authority, '?') >= 0 || str_chr(authority, '#') >= 0)
		return not_url;
	if (str_chr(authority, '@') >= 0)
		return "must not contain a user name or password";

	struct str host, port;

	if (authority.n && authority.p[authority.n - 1] != ']' && str_chr(authority, ':') >= 0) {
		value_address_split(authority, &host, &port);
		return host.n && is_host(host) && is_port(port) ? NULL : not_url;
	}
	return authority.n && is_host(authority) ? NULL : not_url;
}
