/* SPDX-License-Identifier: MIT
 *
 * CORS rules: reading, writing, matching. Names of rules go out as header fields,
 * so what is no token of HTTP is refused when it is configured.
 */
#include "s3proto/cors.h"

#include <stdbool.h>
#include <string.h>

#include "s3proto/document.h"

#define AGE_MAX INT32_MAX /* seconds */

static const char *const methods[] = {"GET", "PUT", "HEAD", "POST", "DELETE"};

static const char *const root_many[] = {"CORSRule", NULL};
static const char *const rule_once[] = {"ID", "MaxAgeSeconds", NULL};
static const char *const rule_many[] = {"AllowedOrigin", "AllowedMethod", "AllowedHeader",
                                        "ExposeHeader", NULL};

/* --- reading --- */

static bool check_method(struct document *d, struct str s)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (str_eq(s, str_of(methods[i])))
			return true;
	return document_refuse(d, S3_INVALID_REQUEST,
	                       "Found unsupported HTTP method in CORS config. Unsupported method "
	                       "is %.*s",
	                       STR_FMT(s));
}

/* Printable ASCII: an origin and a field name have nothing else. */
static bool check_pattern(struct document *d, const char *name, struct str s)
{
	size_t stars = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
			return document_refuse(d, S3_INVALID_REQUEST,
			                       "%s \"%.*s\" has a character that is not allowed",
			                       name, STR_FMT(s));
		stars += s.p[i] == '*';
	}
	if (stars > 1)
		return document_refuse(d, S3_INVALID_REQUEST,
		                       "%s \"%.*s\" can not have more than one wildcard.", name,
		                       STR_FMT(s));
	return s.n > 0 || document_refuse(d, S3_INVALID_REQUEST, "%s is empty", name);
}

static bool check_origin(struct document *d, struct str s)
{
	return check_pattern(d, "AllowedOrigin", s);
}

static bool check_header(struct document *d, struct str s)
{
	return check_pattern(d, "AllowedHeader", s);
}

/* A field name (RFC 9110 5.6.2), but without the '*' that a token may have. */
static bool check_exposed(struct document *d, struct str s)
{
	if (str_chr(s, '*') >= 0)
		return document_refuse(
			d, S3_INVALID_REQUEST,
			"ExposeHeader \"%.*s\" contains wildcard. We currently do not "
			"support wildcard for ExposeHeader.",
			STR_FMT(s));
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", s.p[i]))
			return document_refuse(d, S3_INVALID_REQUEST,
			                       "ExposeHeader \"%.*s\" is not a header name",
			                       STR_FMT(s));
	return s.n > 0 || document_refuse(d, S3_INVALID_REQUEST, "ExposeHeader is empty");
}

static bool parse_list(struct document *d, const struct xml_node *rule, const char *name,
                       bool (*check)(struct document *d, struct str s), struct cors_list *out)
{
	out->v = ARENA_ARRAY(d->arena, struct str, document_count(rule, name));
	for (const struct xml_node *n = xml_child(rule, name); n != NULL; n = xml_next(n)) {
		struct str text;
		if (!document_leaf(d, n, &text))
			return false;
		text = str_trim(text);
		if (!check(d, text))
			return false;
		out->v[out->n++] = text;
	}
	return true;
}

static bool parse_rule(struct document *d, const struct xml_node *n, struct cors_rule *out)
{
	uint64_t age = UINT64_MAX;
	if (!document_allow(d, n, rule_once, rule_many, NULL) ||
	    !document_text(d, n, "ID", &out->id) ||
	    !document_number(d, n, "MaxAgeSeconds", 0, AGE_MAX, &age) ||
	    !parse_list(d, n, "AllowedOrigin", check_origin, &out->origins) ||
	    !parse_list(d, n, "AllowedMethod", check_method, &out->methods) ||
	    !parse_list(d, n, "AllowedHeader", check_header, &out->headers) ||
	    !parse_list(d, n, "ExposeHeader", check_exposed, &out->exposed))
		return false;
	out->max_age = age == UINT64_MAX ? CORS_NO_AGE : (int64_t)age;
	if (out->origins.n == 0 || out->methods.n == 0)
		return document_refuse(d, S3_MALFORMED_XML, "<CORSRule> without <%s>",
		                       out->origins.n == 0 ? "AllowedOrigin" : "AllowedMethod");
	if (document_characters(out->id) > CORS_ID_MAX)
		return document_refuse(d, S3_INVALID_REQUEST,
		                       "The ID of a rule is longer than %d characters",
		                       CORS_ID_MAX);
	return true;
}

static bool parse_rules(struct document *d, struct cors *out)
{
	size_t n = document_count(d->root, "CORSRule");
	if (!document_allow(d, d->root, NULL, root_many, NULL))
		return false;
	if (n == 0)
		return document_refuse(d, S3_MALFORMED_XML, "There is no <CORSRule>");
	if (n > CORS_RULES_MAX)
		return document_refuse(d, S3_MALFORMED_XML, "There are more than %d rules",
		                       CORS_RULES_MAX);
	out->rules = ARENA_ARRAY(d->arena, struct cors_rule, n);
	for (const struct xml_node *r = xml_child(d->root, "CORSRule"); r != NULL; r = xml_next(r))
		if (!parse_rule(d, r, &out->rules[out->n++]))
			return false;
	return true;
}

enum s3_error cors_parse(struct str doc, struct arena *a, struct cors *out, const char **why)
{
	struct document d;
	*out = (struct cors){0};
	if (document_read(&d, doc, "CORSConfiguration", a))
		parse_rules(&d, out);
	*why = d.why;
	return d.error;
}

/* --- writing --- */

static void write_list(struct buf *b, const char *name, const struct cors_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		xml_text(b, name, l->v[i]);
}

static void write_rule(struct buf *b, const struct cors_rule *r)
{
	xml_open(b, "CORSRule");
	if (r->id.n > 0)
		xml_text(b, "ID", r->id);
	write_list(b, "AllowedOrigin", &r->origins);
	write_list(b, "AllowedMethod", &r->methods);
	write_list(b, "AllowedHeader", &r->headers);
	write_list(b, "ExposeHeader", &r->exposed);
	if (r->max_age != CORS_NO_AGE)
		xml_uint(b, "MaxAgeSeconds", (uint64_t)r->max_age);
	xml_close(b, "CORSRule");
}

void cors_write(struct buf *b, const struct cors *c)
{
	xml_begin(b, "CORSConfiguration");
	for (size_t i = 0; i < c->n; i++)
		write_rule(b, &c->rules[i]);
	xml_close(b, "CORSConfiguration");
}

/* --- matching --- */

static bool same(struct str a, struct str b, bool nocase)
{
	return nocase ? str_eq_nocase(a, b) : str_eq(a, b);
}

/* One '*' at most stands for any text, also for none. */
static bool pattern_matches(struct str pattern, struct str s, bool nocase)
{
	struct str after, before = str_cut(pattern, '*', &after);
	if (before.n == pattern.n)
		return same(pattern, s, nocase);
	return s.n >= before.n + after.n && same(str_n(s.p, before.n), before, nocase) &&
	       same(str_skip(s, s.n - after.n), after, nocase);
}

/* The first pattern that matches, or NULL. */
static const struct str *find_pattern(const struct cors_list *l, struct str s, bool nocase)
{
	for (size_t i = 0; i < l->n; i++)
		if (pattern_matches(l->v[i], s, nocase))
			return &l->v[i];
	return NULL;
}

static bool has_method(const struct cors_rule *r, struct str method)
{
	for (size_t i = 0; i < r->methods.n; i++)
		if (str_eq(r->methods.v[i], method))
			return true;
	return false;
}

static bool allows_headers(const struct cors_rule *r, struct str headers)
{
	while (headers.n > 0) {
		struct str name = str_trim(str_cut(headers, ',', &headers));
		if (name.n > 0 && find_pattern(&r->headers, name, true) == NULL)
			return false;
	}
	return true;
}

const struct cors_rule *cors_match(const struct cors *c, struct str origin, struct str method,
                                   struct str headers)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct cors_rule *r = &c->rules[i];
		if (find_pattern(&r->origins, origin, false) != NULL && has_method(r, method) &&
		    allows_headers(r, headers))
			return r;
	}
	return NULL;
}

static void answer_field(struct cors_answer *out, struct str name, struct str value)
{
	out->fields[out->n++] = (struct str_pair){name, value};
}

static void add_to_list(struct buf *b, struct str s)
{
	if (b->n > 0)
		buf_add_cstr(b, ", ");
	buf_add_str(b, s);
}

static struct str join(const struct cors_list *l, struct arena *a)
{
	BUF_AUTO b = {0};
	for (size_t i = 0; i < l->n; i++)
		add_to_list(&b, l->v[i]);
	return arena_dup(a, buf_str(&b));
}

/* The asked names, in lower case as S3 has them. */
static struct str tidy(struct str headers, struct arena *a)
{
	BUF_AUTO b = {0};
	while (headers.n > 0) {
		struct str name = str_trim(str_cut(headers, ',', &headers));
		if (name.n > 0)
			add_to_list(&b, name);
	}
	if (b.n > 0)
		str_lower(b.p, b.n);
	return arena_dup(a, buf_str(&b));
}

void cors_answer(const struct cors_rule *rule, struct str origin, struct str headers,
                 struct arena *a, struct cors_answer *out)
{
	const struct str *pattern = find_pattern(&rule->origins, origin, false);
	bool any = pattern != NULL && str_eq(*pattern, STR("*"));
	struct str asked = tidy(headers, a);

	*out = (struct cors_answer){0};
	answer_field(out, STR("access-control-allow-origin"), any ? STR("*") : origin);
	answer_field(out, STR("access-control-allow-methods"), join(&rule->methods, a));
	if (asked.n > 0)
		answer_field(out, STR("access-control-allow-headers"), asked);
	if (rule->exposed.n > 0)
		answer_field(out, STR("access-control-expose-headers"), join(&rule->exposed, a));
	if (rule->max_age != CORS_NO_AGE)
		answer_field(out, STR("access-control-max-age"),
		             str_of(arena_printf(a, "%lld", (long long)rule->max_age)));
	if (!any) /* "*" with credentials is refused by every browser */
		answer_field(out, STR("access-control-allow-credentials"), STR("true"));
	answer_field(out, STR("vary"),
	             STR("Origin, Access-Control-Request-Headers, Access-Control-Request-Method"));
}
