/* SPDX-License-Identifier: MIT
 *
 * Lifecycle rules: reading and writing. A rule deletes without being asked again,
 * so one that leaves open what it means is refused, never read in the wider sense.
 */
#include "s3proto/lifecycle.h"

#include "base/clock.h"
#include "base/codec.h"
#include "s3proto/document.h"
#include "s3proto/path.h"
#include "s3proto/tagging.h"

#define DAY       (86400 * CLOCK_SEC)
#define SIZE_LAST (LIFECYCLE_NO_SIZE - 1)

static const char *const root_many[] = {"Rule", NULL};
static const char *const rule_once[] = {"ID",
                                        "Status",
                                        "Prefix",
                                        "Filter",
                                        "Expiration",
                                        "NoncurrentVersionExpiration",
                                        "AbortIncompleteMultipartUpload",
                                        NULL};
static const char *const rule_unsupported[] = {"Transition", "NoncurrentVersionTransition", NULL};

/* --- reading: what a rule is about --- */

static bool parse_prefix(struct document *d, const struct xml_node *n, struct lifecycle_filter *out)
{
	out->has_prefix = xml_child(n, "Prefix") != NULL;
	if (!document_text(d, n, "Prefix", &out->prefix))
		return false;
	if (out->prefix.n > PATH_KEY_MAX)
		return document_refuse(d, S3_INVALID_ARGUMENT,
		                       "The maximum size of a prefix is %d.", PATH_KEY_MAX);
	return true;
}

static bool parse_tags(struct document *d, const struct xml_node *n, struct lifecycle_filter *out)
{
	size_t count = document_count(n, "Tag");
	/* An object with more tags cannot exist. */
	if (count > TAGGING_OBJECT_MAX)
		return document_refuse(d, S3_INVALID_REQUEST,
		                       "A filter cannot have more than %d tags",
		                       TAGGING_OBJECT_MAX);
	out->tags = ARENA_ARRAY(d->arena, struct str_pair, count);
	for (const struct xml_node *t = xml_child(n, "Tag"); t != NULL; t = xml_next(t)) {
		struct str_pair *tag = &out->tags[out->n_tags];
		if (!tagging_read_tag(d, t, tag))
			return false;
		for (size_t i = 0; i < out->n_tags; i++)
			if (str_eq(out->tags[i].name, tag->name))
				return document_refuse(d, S3_INVALID_REQUEST,
				                       "Duplicate Tag Keys are not allowed.");
		out->n_tags++;
	}
	return true;
}

static bool parse_sizes(struct document *d, const struct xml_node *n, struct lifecycle_filter *out)
{
	if (!document_number(d, n, "ObjectSizeGreaterThan", 0, SIZE_LAST, &out->larger_than) ||
	    !document_number(d, n, "ObjectSizeLessThan", 1, SIZE_LAST, &out->smaller_than))
		return false;
	if (out->larger_than != LIFECYCLE_NO_SIZE && out->smaller_than <= out->larger_than)
		return document_refuse(d, S3_INVALID_REQUEST,
		                       "ObjectSizeLessThan must be greater than "
		                       "ObjectSizeGreaterThan");
	return true;
}

static bool parse_conditions(struct document *d, const struct xml_node *n,
                             struct lifecycle_filter *out)
{
	return parse_prefix(d, n, out) && parse_tags(d, n, out) && parse_sizes(d, n, out);
}

static size_t count_conditions(const struct lifecycle_filter *f)
{
	return f->has_prefix + f->n_tags + (f->larger_than != LIFECYCLE_NO_SIZE) +
	       (f->smaller_than != LIFECYCLE_NO_SIZE);
}

static bool parse_and(struct document *d, const struct xml_node *n, struct lifecycle_filter *out)
{
	static const char *const once[] = {"Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan",
	                                   NULL};
	static const char *const many[] = {"Tag", NULL};
	if (!document_allow(d, n, once, many, NULL) || !parse_conditions(d, n, out))
		return false;
	out->form = LIFECYCLE_AND;
	if (count_conditions(out) == 0)
		return document_refuse(d, S3_MALFORMED_XML, "<And> without conditions");
	return true;
}

static bool parse_filter(struct document *d, const struct xml_node *n, struct lifecycle_filter *out)
{
	static const char *const once[] = {
		"Prefix", "Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan", "And", NULL};
	if (!document_allow(d, n, once, NULL, NULL))
		return false;
	if (n->child != NULL && n->child->next != NULL)
		return document_refuse(d, S3_MALFORMED_XML,
		                       "<Filter> with several conditions outside of <And>");
	out->form = n->child != NULL ? LIFECYCLE_ONE : LIFECYCLE_ALL;
	const struct xml_node *and = xml_child(n, "And");
	return and != NULL ? parse_and(d, and, out) : parse_conditions(d, n, out);
}

static bool parse_scope(struct document *d, const struct xml_node *n, struct lifecycle_filter *out)
{
	const struct xml_node *filter = xml_child(n, "Filter");
	bool has_prefix = xml_child(n, "Prefix") != NULL;
	out->larger_than = out->smaller_than = LIFECYCLE_NO_SIZE;
	if ((filter != NULL) == has_prefix)
		return document_refuse(d, S3_MALFORMED_XML,
		                       "<Rule> must have either <Filter> or <Prefix>");
	out->form = LIFECYCLE_TOP_PREFIX;
	return filter != NULL ? parse_filter(d, filter, out) : parse_prefix(d, n, out);
}

/* --- reading: what a rule does --- */

static bool parse_days(struct document *d, const struct xml_node *n, const char *name,
                       uint32_t *days)
{
	uint64_t v = 0;
	if (!document_number(d, n, name, 1, LIFECYCLE_DAYS_MAX, &v))
		return false;
	*days = (uint32_t)v;
	return true;
}

static bool parse_date(struct document *d, const struct xml_node *n, struct lifecycle_rule *out)
{
	struct str text = STR_NULL;
	out->has_expire_date = xml_child(n, "Date") != NULL;
	if (!out->has_expire_date)
		return true;
	if (!document_text(d, n, "Date", &text))
		return false;
	if (!clock_parse_rfc3339(str_trim(text), &out->expire_date))
		return document_refuse(d, S3_MALFORMED_XML, "<Date> must be a time of ISO 8601");
	if (out->expire_date % DAY != 0)
		return document_refuse(d, S3_INVALID_ARGUMENT, "'Date' must be at midnight GMT");
	return true;
}

static bool parse_expiration(struct document *d, const struct xml_node *n,
                             struct lifecycle_rule *out)
{
	static const char *const once[] = {"Days", "Date", "ExpiredObjectDeleteMarker", NULL};
	if (n == NULL)
		return true;
	if (!document_allow(d, n, once, NULL, NULL) ||
	    !parse_days(d, n, "Days", &out->expire_days) || !parse_date(d, n, out) ||
	    !document_bool(d, n, "ExpiredObjectDeleteMarker", &out->expire_marker))
		return false;
	if ((out->expire_days > 0) + out->has_expire_date + out->expire_marker != 1)
		return document_refuse(d, S3_MALFORMED_XML,
		                       "<Expiration> must have one of <Days>, <Date> and "
		                       "<ExpiredObjectDeleteMarker>");
	return true;
}

static bool parse_noncurrent(struct document *d, const struct xml_node *n,
                             struct lifecycle_rule *out)
{
	static const char *const once[] = {"NoncurrentDays", "NewerNoncurrentVersions", NULL};
	uint64_t keep = 0;
	if (n == NULL)
		return true;
	if (!document_allow(d, n, once, NULL, NULL) ||
	    !parse_days(d, n, "NoncurrentDays", &out->noncurrent_days) ||
	    !document_number(d, n, "NewerNoncurrentVersions", 1, LIFECYCLE_NEWER_MAX, &keep))
		return false;
	out->noncurrent_keep = (uint32_t)keep;
	if (out->noncurrent_days == 0)
		return document_refuse(d, S3_MALFORMED_XML,
		                       "<NoncurrentVersionExpiration> without <NoncurrentDays>");
	return true;
}

static bool parse_abort(struct document *d, const struct xml_node *n, struct lifecycle_rule *out)
{
	static const char *const once[] = {"DaysAfterInitiation", NULL};
	if (n == NULL)
		return true;
	if (!document_allow(d, n, once, NULL, NULL) ||
	    !parse_days(d, n, "DaysAfterInitiation", &out->abort_days))
		return false;
	if (out->abort_days == 0)
		return document_refuse(
			d, S3_MALFORMED_XML,
			"<AbortIncompleteMultipartUpload> without <DaysAfterInitiation>");
	return true;
}

static bool parse_actions(struct document *d, const struct xml_node *n, struct lifecycle_rule *out)
{
	return parse_expiration(d, xml_child(n, "Expiration"), out) &&
	       parse_noncurrent(d, xml_child(n, "NoncurrentVersionExpiration"), out) &&
	       parse_abort(d, xml_child(n, "AbortIncompleteMultipartUpload"), out);
}

/* Delete markers and incomplete uploads have neither tags nor a size. */
static bool check_actions(struct document *d, const struct lifecycle_rule *r)
{
	const struct lifecycle_filter *f = &r->filter;
	bool by_size = f->larger_than != LIFECYCLE_NO_SIZE || f->smaller_than != LIFECYCLE_NO_SIZE;
	const char *what = r->abort_days > 0  ? "AbortIncompleteMultipartUpload"
	                   : r->expire_marker ? "ExpiredObjectDeleteMarker"
	                                      : NULL;
	if (what != NULL && f->n_tags > 0)
		return document_refuse(d, S3_INVALID_REQUEST, "%s cannot be specified with Tags.",
		                       what);
	if (what != NULL && by_size)
		return document_refuse(d, S3_INVALID_REQUEST,
		                       "%s cannot be specified with Object Size.", what);
	if (r->noncurrent_keep > 0 && f->form == LIFECYCLE_TOP_PREFIX)
		return document_refuse(d, S3_INVALID_REQUEST,
		                       "NewerNoncurrentVersions needs a Filter");
	if (r->expire_days == 0 && !r->has_expire_date && !r->expire_marker &&
	    r->noncurrent_days == 0 && r->abort_days == 0)
		return document_refuse(d, S3_INVALID_REQUEST,
		                       "At least one action needs to be specified in a rule.");
	return true;
}

/* --- reading: the rest --- */

static bool parse_id(struct document *d, const struct xml_node *n, struct lifecycle_rule *out)
{
	if (!document_text(d, n, "ID", &out->id))
		return false;
	if (document_characters(out->id) > LIFECYCLE_ID_MAX)
		return document_refuse(d, S3_INVALID_ARGUMENT,
		                       "ID length should not exceed allowed limit of %d",
		                       LIFECYCLE_ID_MAX);
	if (out->id.n == 0) {
		char id[ULID_SIZE];
		ulid_new(id);
		out->id = arena_dup(d->arena, str_of(id));
	}
	return true;
}

static bool parse_status(struct document *d, const struct xml_node *n, struct lifecycle_rule *out)
{
	struct str text = STR_NULL;
	if (!document_text(d, n, "Status", &text))
		return false;
	out->enabled = str_eq(text, STR("Enabled"));
	if (!out->enabled && !str_eq(text, STR("Disabled")))
		return document_refuse(d, S3_MALFORMED_XML,
		                       "<Status> of a rule must be Enabled or Disabled");
	return true;
}

static bool parse_rule(struct document *d, const struct xml_node *n, struct lifecycle_rule *out)
{
	return document_allow(d, n, rule_once, NULL, rule_unsupported) && parse_id(d, n, out) &&
	       parse_status(d, n, out) && parse_scope(d, n, &out->filter) &&
	       parse_actions(d, n, out) && check_actions(d, out);
}

static bool is_new_id(const struct lifecycle *l, struct str id)
{
	for (size_t i = 0; i < l->n; i++)
		if (str_eq(l->rules[i].id, id))
			return false;
	return true;
}

static bool parse_rules(struct document *d, struct lifecycle *out)
{
	size_t n = document_count(d->root, "Rule");
	if (!document_allow(d, d->root, NULL, root_many, NULL))
		return false;
	if (n == 0)
		return document_refuse(d, S3_MALFORMED_XML, "There is no <Rule>");
	if (n > LIFECYCLE_RULES_MAX)
		return document_refuse(d, S3_MALFORMED_XML, "There are more than %d rules",
		                       LIFECYCLE_RULES_MAX);
	out->rules = ARENA_ARRAY(d->arena, struct lifecycle_rule, n);
	for (const struct xml_node *r = xml_child(d->root, "Rule"); r != NULL; r = xml_next(r)) {
		struct lifecycle_rule *rule = &out->rules[out->n];
		if (!parse_rule(d, r, rule))
			return false;
		if (!is_new_id(out, rule->id))
			return document_refuse(d, S3_INVALID_ARGUMENT,
			                       "Rule ID must be unique. Found same ID for more "
			                       "than one rule: %.*s",
			                       STR_FMT(rule->id));
		out->n++;
	}
	return true;
}

enum s3_error lifecycle_parse(struct str doc, struct arena *a, struct lifecycle *out,
                              const char **why)
{
	struct document d;
	*out = (struct lifecycle){0};
	if (document_read(&d, doc, "LifecycleConfiguration", a))
		parse_rules(&d, out);
	*why = d.why;
	return d.error;
}

/* --- writing --- */

static void write_conditions(struct buf *b, const struct lifecycle_filter *f)
{
	if (f->has_prefix)
		xml_text(b, "Prefix", f->prefix);
	for (size_t i = 0; i < f->n_tags; i++)
		tagging_write_tag(b, &f->tags[i]);
	if (f->larger_than != LIFECYCLE_NO_SIZE)
		xml_uint(b, "ObjectSizeGreaterThan", f->larger_than);
	if (f->smaller_than != LIFECYCLE_NO_SIZE)
		xml_uint(b, "ObjectSizeLessThan", f->smaller_than);
}

static void write_filter(struct buf *b, const struct lifecycle_filter *f)
{
	if (f->form == LIFECYCLE_TOP_PREFIX) {
		write_conditions(b, f);
		return;
	}
	xml_open(b, "Filter");
	if (f->form == LIFECYCLE_AND)
		xml_open(b, "And");
	write_conditions(b, f);
	if (f->form == LIFECYCLE_AND)
		xml_close(b, "And");
	xml_close(b, "Filter");
}

static void write_date(struct buf *b, int64_t wall)
{
	char text[CLOCK_S3_SIZE];
	clock_format_s3(wall, text);
	xml_text(b, "Date", str_of(text));
}

static void write_expiration(struct buf *b, const struct lifecycle_rule *r)
{
	if (r->expire_days == 0 && !r->has_expire_date && !r->expire_marker)
		return;
	xml_open(b, "Expiration");
	if (r->expire_days > 0)
		xml_uint(b, "Days", r->expire_days);
	else if (r->has_expire_date)
		write_date(b, r->expire_date);
	else
		xml_bool(b, "ExpiredObjectDeleteMarker", true);
	xml_close(b, "Expiration");
}

static void write_noncurrent(struct buf *b, const struct lifecycle_rule *r)
{
	if (r->noncurrent_days == 0)
		return;
	xml_open(b, "NoncurrentVersionExpiration");
	xml_uint(b, "NoncurrentDays", r->noncurrent_days);
	if (r->noncurrent_keep > 0)
		xml_uint(b, "NewerNoncurrentVersions", r->noncurrent_keep);
	xml_close(b, "NoncurrentVersionExpiration");
}

static void write_abort(struct buf *b, const struct lifecycle_rule *r)
{
	if (r->abort_days == 0)
		return;
	xml_open(b, "AbortIncompleteMultipartUpload");
	xml_uint(b, "DaysAfterInitiation", r->abort_days);
	xml_close(b, "AbortIncompleteMultipartUpload");
}

static void write_rule(struct buf *b, const struct lifecycle_rule *r)
{
	xml_open(b, "Rule");
	xml_text(b, "ID", r->id);
	write_filter(b, &r->filter);
	xml_text(b, "Status", r->enabled ? STR("Enabled") : STR("Disabled"));
	write_expiration(b, r);
	write_noncurrent(b, r);
	write_abort(b, r);
	xml_close(b, "Rule");
}

void lifecycle_write(struct buf *b, const struct lifecycle *l)
{
	xml_begin(b, "LifecycleConfiguration");
	for (size_t i = 0; i < l->n; i++)
		write_rule(b, &l->rules[i]);
	xml_close(b, "LifecycleConfiguration");
}
