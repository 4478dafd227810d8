/* SPDX-License-Identifier: MIT
 *
 * Policies of browser forms. They come from strangers: a signature proves who made
 * one, but it is verified over the text, and the text is read before anybody knows
 * that the rest is right. So depth and size are bounded before jansson sees it.
 */
#include "s3proto/post_policy.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/mem.h"

/* A policy needs three. The parser of jansson goes down the stack, which is small here. */
#define DEPTH_MAX 8

/* --- reading -------------------------------------------------------------------- */

/* Copies the document. Policies may write "\$" for a dollar sign, which is no JSON.
 * False: nested too deeply. */
static bool copy_document(struct buf *out, struct str text)
{
	bool quoted = false;
	int depth = 0;
	for (size_t i = 0; i < text.n; i++) {
		char ch = text.p[i];
		if (quoted && ch == '\\' && i + 1 < text.n) {
			if (text.p[i + 1] != '$')
				buf_add_char(out, ch);
			ch = text.p[++i];
		} else if (ch == '"') {
			quoted = !quoted;
		} else if (!quoted && (ch == '{' || ch == '[')) {
			if (++depth > DEPTH_MAX)
				return false;
		} else if (!quoted && (ch == '}' || ch == ']')) {
			depth--;
		}
		buf_add_char(out, ch);
	}
	return true;
}

static json_t *decode(struct str base64)
{
	BUF_AUTO json = {0};
	json_t *root = NULL;
	char *text = mem_alloc(base64.n + 1);
	ssize_t n = base64_decode(base64, text, base64.n);
	if (n > 0 && copy_document(&json, str_n(text, (size_t)n)))
		root = json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	return root;
}

static struct str text_of(struct arena *a, const json_t *v)
{
	return arena_dup(a, str_n(json_string_value(v), json_string_length(v)));
}

static bool is_text(const json_t *v, struct str text)
{
	return json_is_string(v) &&
	       str_eq_nocase(str_n(json_string_value(v), json_string_length(v)), text);
}

static void add(struct post_policy *p, bool starts_with, struct str field, struct str value)
{
	p->conditions[p->n++] = (struct post_condition){starts_with, field, value};
}

/* {"key": "value", ...} */
static bool read_object(struct arena *a, struct post_policy *p, json_t *condition)
{
	const char *name;
	json_t *value;
	json_object_foreach(condition, name, value)
	{
		if (!json_is_string(value))
			return false;
		add(p, false, str_of(arena_strdup(a, name)), text_of(a, value));
	}
	return true;
}

/* A number, or its digits as text. */
static bool read_size(const json_t *v, uint64_t *size)
{
	if (json_is_string(v))
		return str_to_u64(str_n(json_string_value(v), json_string_length(v)), size);
	*size = (uint64_t)json_integer_value(v);
	return json_is_integer(v) && json_integer_value(v) >= 0;
}

static bool read_range(struct post_policy *p, json_t *condition)
{
	uint64_t min, max;
	if (!read_size(json_array_get(condition, 1), &min) ||
	    !read_size(json_array_get(condition, 2), &max))
		return false;
	if (min > p->min_size)
		p->min_size = min;
	if (max < p->max_size)
		p->max_size = max;
	return true;
}

/* ["operator", "$field", "value"] */
static bool read_array(struct arena *a, struct post_policy *p, json_t *condition)
{
	json_t *op = json_array_get(condition, 0), *field = json_array_get(condition, 1),
	       *value = json_array_get(condition, 2);
	if (json_array_size(condition) != 3)
		return false;
	if (is_text(op, STR("content-length-range")))
		return read_range(p, condition);
	bool starts_with = is_text(op, STR("starts-with"));
	if ((!starts_with && !is_text(op, STR("eq"))) || !json_is_string(field) ||
	    !json_is_string(value))
		return false;
	struct str name = text_of(a, field);
	if (name.n < 2 || name.p[0] != '$')
		return false;
	add(p, starts_with, str_skip(name, 1), text_of(a, value));
	return true;
}

static bool read_conditions(struct arena *a, struct post_policy *p, json_t *list)
{
	size_t i, n = 0;
	json_t *condition;
	json_array_foreach(list, i, condition) n +=
		json_is_object(condition) ? json_object_size(condition) : 1;
	p->conditions = ARENA_ARRAY(a, struct post_condition, n);
	json_array_foreach(list, i, condition)
	{
		bool ok = json_is_object(condition) ? read_object(a, p, condition)
		                                    : read_array(a, p, condition);
		if (!ok)
			return false;
	}
	return true;
}

/* "2030-01-02T03:04:05.000Z" */
static bool read_expiration(const json_t *v, int64_t *out)
{
	struct str text = str_n(json_string_value(v), json_string_length(v));
	return json_is_string(v) && text.n > 10 && text.p[10] == 'T' && str_ends(text, STR("Z")) &&
	       clock_parse_rfc3339(text, out);
}

static const char *read_policy(struct arena *a, struct post_policy *p, const json_t *root)
{
	const json_t *expiration = json_object_get(root, "expiration");
	json_t *conditions = json_object_get(root, "conditions");
	if (!json_is_object(root))
		return "Invalid Policy: Invalid JSON.";
	if (!expiration)
		return "Invalid Policy: Policy missing expiration.";
	if (!read_expiration(expiration, &p->expiration))
		return "Invalid Policy: Invalid 'expiration' value.";
	if (!json_is_array(conditions))
		return "Invalid Policy: Policy missing conditions.";
	if (!read_conditions(a, p, conditions))
		return "Invalid Policy: Invalid condition.";
	return NULL;
}

bool post_policy_parse(struct arena *a, struct str base64, struct post_policy *out,
                       const char **why)
{
	*out = (struct post_policy){.max_size = UINT64_MAX};
	json_t *root = decode(base64);
	*why = read_policy(a, out, root);
	json_decref(root);
	return *why == NULL;
}

/* --- checking -------------------------------------------------------------------- */

static struct str value_of(const struct str_pair *fields, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq_nocase(fields[i].name, name))
			return fields[i].value;
	return STR_NULL;
}

static bool holds(const struct post_condition *c, struct str value)
{
	if (!c->starts_with)
		return str_eq(value, c->value);
	if (!str_eq_nocase(c->field, STR("content-type")))
		return str_starts(value, c->value);
	/* A list of types: each of them. */
	do {
		if (!str_starts(str_trim(str_cut(value, ',', &value)), c->value))
			return false;
	} while (value.n > 0);
	return true;
}

static bool needs_no_condition(struct str name)
{
	static const char *const names[] = {"x-amz-signature", "file", "policy", "signature",
	                                    "awsaccesskeyid"};
	const struct str ignored = STR("x-ignore-");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq_nocase(name, str_of(names[i])))
			return true;
	return name.n >= ignored.n && str_eq_nocase(str_n(name.p, ignored.n), ignored);
}

static bool is_covered(const struct post_policy *p, struct str name)
{
	for (size_t i = 0; i < p->n; i++)
		if (str_eq_nocase(p->conditions[i].field, name))
			return true;
	return needs_no_condition(name);
}

bool post_policy_allows(const struct post_policy *p, const struct str_pair *fields, size_t n,
                        int64_t now, struct buf *why)
{
	buf_add_cstr(why, "Invalid according to Policy: ");
	if (now >= p->expiration) {
		buf_add_cstr(why, "Policy expired.");
		return false;
	}
	for (size_t i = 0; i < p->n; i++) {
		const struct post_condition *c = &p->conditions[i];
		if (holds(c, value_of(fields, n, c->field)))
			continue;
		buf_printf(why, "Policy Condition failed: [\"%s\", \"$%.*s\", \"%.*s\"]",
		           c->starts_with ? "starts-with" : "eq", STR_FMT(c->field),
		           STR_FMT(c->value));
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (is_covered(p, fields[i].name))
			continue;
		buf_printf(why, "Extra input fields: %.*s", STR_FMT(fields[i].name));
		return false;
	}
	return true;
}
