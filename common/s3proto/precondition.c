/* SPDX-License-Identifier: MIT
 *
 * The order of evaluation is that of RFC 9110 13.2.2: a tag condition makes the
 * date condition of the same direction void, whatever the outcome.
 */
#include "s3proto/precondition.h"

#include "base/clock.h"
#include "s3proto/etag.h"

/* Whether name is prefix + rest, without case. */
static bool field_is(struct str name, struct str prefix, struct str rest)
{
	return name.n == prefix.n + rest.n && str_eq_nocase(str_n(name.p, prefix.n), prefix) &&
	       str_eq_nocase(str_skip(name, prefix.n), rest);
}

struct tag_condition {
	bool present, matches;
};

/* Several fields of one name are one list. */
static struct tag_condition check_tags(const struct http_head *h, struct str prefix,
                                       struct str name, struct str etag)
{
	struct tag_condition c = {0};
	for (size_t i = 0; i < h->n_fields; i++) {
		if (!field_is(h->fields[i].name, prefix, name))
			continue;
		c.present = true;
		c.matches = c.matches || etag_list_matches(h->fields[i].value, etag);
	}
	return c;
}

/* The date in a field, in whole seconds. */
static bool get_date(const struct http_head *h, struct str prefix, struct str name, int64_t *sec)
{
	for (size_t i = 0; i < h->n_fields; i++) {
		int64_t wall;
		if (!field_is(h->fields[i].name, prefix, name))
			continue;
		if (!clock_parse_http(h->fields[i].value, &wall))
			return false;
		*sec = wall / CLOCK_SEC;
		return true;
	}
	return false;
}

enum precondition_result precondition_check(const struct http_head *h, struct str prefix,
                                            struct str etag, int64_t last_modified)
{
	int64_t modified = last_modified / CLOCK_SEC, date;

	struct tag_condition match = check_tags(h, prefix, STR("if-match"), etag);
	if (match.present && !match.matches && etag.n > 0)
		return PRECONDITION_FAILED;
	if (!match.present && get_date(h, prefix, STR("if-unmodified-since"), &date) &&
	    modified > date)
		return PRECONDITION_FAILED;

	struct tag_condition none = check_tags(h, prefix, STR("if-none-match"), etag);
	if (none.present && none.matches)
		return PRECONDITION_NOT_MODIFIED;
	if (!none.present && get_date(h, prefix, STR("if-modified-since"), &date) &&
	    modified <= date)
		return PRECONDITION_NOT_MODIFIED;
	return PRECONDITION_PROCEED;
}

enum precondition_match precondition_write_match(const struct http_head *h, struct str *tag)
{
	const struct str *value = NULL;
	for (size_t i = 0; i < h->n_fields; i++) {
		if (!str_eq_nocase(h->fields[i].name, STR("if-match")))
			continue;
		if (value)
			return PRECONDITION_MATCH_NEVER;
		value = &h->fields[i].value;
	}
	if (!value)
		return PRECONDITION_MATCH_ABSENT;
	if (str_eq(*value, STR("*")))
		return PRECONDITION_MATCH_ANY;
	*tag = etag_strip(*value);
	if (tag->n == 0 || str_eq(*tag, STR("*")) || str_starts(*value, STR("W/")) ||
	    str_chr(*value, ',') >= 0 || !str_is_utf8(*value))
		return PRECONDITION_MATCH_NEVER;
	return PRECONDITION_MATCH_TAG;
}

bool precondition_range_holds(const struct http_head *h, struct str etag, int64_t last_modified)
{
	const struct str *v = http_head_get(h, STR("if-range"));
	int64_t date;
	if (v == NULL)
		return true;
	if (str_starts(*v, STR("W/")))
		return false;
	if (clock_parse_http(*v, &date))
		return date / CLOCK_SEC == last_modified / CLOCK_SEC;
	return etag.n > 0 && str_eq(etag_strip(*v), etag);
}
