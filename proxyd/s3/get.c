/* SPDX-License-Identifier: MIT
 *
 * GetObject and HeadObject. The catalogue knows everything about an object but
 * its bytes, so HEAD, conditions and ranges cost no call to a backend.
 */
#include <stdio.h>

#include "base/clock.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/precondition.h"
#include "s3proto/range.h"

/* Query parameters that replace a header of the answer, the type first. */
static const struct {
	const char *parameter, *field;
	bool with_304; /* RFC 9110 15.4.5 */
} overrides[] = {
	{"response-content-type", "Content-Type", false},
	{"response-content-language", "Content-Language", false},
	{"response-expires", "Expires", true},
	{"response-cache-control", "Cache-Control", true},
	{"response-content-disposition", "Content-Disposition", false},
	{"response-content-encoding", "Content-Encoding", false},
};

#define N_OVERRIDES (sizeof(overrides) / sizeof(overrides[0]))

/* Whoever makes a link for others has to sign what it changes. False: answered. */
static bool may_override(struct s3_call *c)
{
	for (size_t i = 0; i < N_OVERRIDES; i++) {
		struct str value = s3_parameter(c, overrides[i].parameter);
		if (!value.n)
			continue;
		if (c->auth.scheme == SIGV4_NONE)
			s3_failf(c, S3_INVALID_REQUEST, "%s needs a signed request",
			         overrides[i].parameter);
		else if (!http1_is_value(value))
			s3_failf(c, S3_INVALID_ARGUMENT, "%s cannot be the value of a header field",
			         overrides[i].parameter);
		else
			continue;
		return false;
	}
	return true;
}

static struct str overridden(const struct s3_call *c, size_t i, struct str value)
{
	struct str override = s3_parameter(c, overrides[i].parameter);
	return override.n ? override : value;
}

static struct str stored_header(const struct store_object *o, const char *field)
{
	for (size_t i = 0; i < o->n_headers; i++)
		if (str_eq_nocase(o->headers[i].name, str_of(field)))
			return o->headers[i].value;
	return STR_NULL;
}

static void reply_stored(struct s3_call *c, const struct store_object *o, size_t i)
{
	struct str value = overridden(c, i, stored_header(o, overrides[i].field));
	if (value.n)
		http_reply_field(c->http, overrides[i].field, value);
}

static void reply_representation(struct s3_call *c, const struct store_object *o)
{
	struct str type = o->content_type.n ? o->content_type : STR("application/octet-stream");
	http_reply_field(c->http, "Content-Type", overridden(c, 0, type));
	for (size_t i = 1; i < N_OVERRIDES; i++)
		reply_stored(c, o, i);
	for (size_t i = 0; i < o->n_metadata; i++) {
		char *name =
			arena_printf(c->arena, "x-amz-meta-%.*s", STR_FMT(o->metadata[i].name));
		http_reply_field(c->http, name, o->metadata[i].value);
	}
}

void s3_reply_modified(struct s3_call *c, const struct store_version *v)
{
	char modified[CLOCK_HTTP_SIZE];
	clock_format_http(v->modified, modified);
	http_reply_field(c->http, "Last-Modified", str_of(modified));
	s3_reply_version(c, v->version_id[0] || !s3_parameter(c, "versionId").n ? v->version_id
	                                                                        : "null");
}

static void reply_validators(struct s3_call *c, const struct store_version *v)
{
	s3_reply_etag(c, v->o.etag);
	s3_reply_modified(c, v);
}

static void reply_not_modified(struct s3_call *c, const struct store_version *v)
{
	reply_validators(c, v);
	for (size_t i = 0; i < N_OVERRIDES; i++)
		if (overrides[i].with_304)
			reply_stored(c, &v->o, i);
	http_reply(c->http, 304, STR_NULL);
}

/* True when the conditions of the request let it proceed, else answered. */
static bool conditions_hold(struct s3_call *c, const struct store_version *v)
{
	switch (precondition_check(&c->http->head, PRECONDITION_READ, v->o.etag, v->modified)) {
	case PRECONDITION_NOT_MODIFIED:
		reply_not_modified(c, v);
		return false;
	case PRECONDITION_FAILED:
		reply_validators(c, v);
		s3_fail(c, S3_PRECONDITION_FAILED, NULL);
		return false;
	default:
		return true;
	}
}

/* Which bytes are asked for: a part, a range, or all. */
struct selection {
	int part; /* number, 0: none */
	struct store_wanted wanted;
	bool narrow; /* wanted counts */
	struct range bytes;
	bool partial;
	char content_range[RANGE_CONTENT_SIZE];
};

/* What can be told before the object is looked up. False: answered. */
static bool parse_selection(struct s3_call *c, struct selection *s)
{
	const struct http_head *h = &c->http->head;
	const struct uri_param *part = uri_query_get(&c->query, STR("partNumber"));
	const struct str *range = http_head_get(h, STR("range"));
	*s = (struct selection){0};
	if (!part) {
		s->narrow = !http_head_get(h, STR("if-range")) &&
		            range_bounds(range, &s->wanted.first, &s->wanted.last);
		return true;
	}
	if (!s3_part_number(c, &s->part))
		return false;
	if (range) {
		s3_fail(c, S3_INVALID_REQUEST,
		        "Cannot specify both Range header and partNumber query parameter");
		return false;
	}
	s->wanted.part = s->part;
	s->narrow = true;
	return true;
}

static bool fail_range(struct s3_call *c, const struct store_version *v, struct selection *s,
                       enum s3_error error)
{
	range_format_unsatisfiable(v->o.size, s->content_range);
	http_reply_field(c->http, "Content-Range", str_of(s->content_range));
	s3_fail(c, error, NULL);
	return false;
}

static bool select_part(struct s3_call *c, const struct store_version *v, struct selection *s)
{
	const struct store_segment *segment = v->segments;
	/* Of an object that has bytes an empty part is no range. */
	if (!v->n_segments || (!segment->size && v->o.size))
		return fail_range(c, v, s, S3_INVALID_PART_NUMBER);
	s->partial = segment->size > 0;
	if (s->partial)
		s->bytes = (struct range){segment->start, segment->start + segment->size - 1};
	return true;
}

static bool select_range(struct s3_call *c, const struct store_version *v, struct selection *s)
{
	const struct str *field = http_head_get(&c->http->head, STR("range"));
	enum range_result r = RANGE_WHOLE;
	if (field && precondition_range_holds(&c->http->head, v->o.etag, v->modified))
		r = range_parse(field, v->o.size, &s->bytes);
	if (r == RANGE_UNSATISFIABLE)
		return fail_range(c, v, s, S3_INVALID_RANGE);
	s->partial = r == RANGE_PART;
	if (!s->partial)
		s->bytes = (struct range){0, v->o.size ? v->o.size - 1 : 0};
	return true;
}

/* The bytes that are asked for. False: answered with 416. */
static bool select_bytes(struct s3_call *c, const struct store_version *v, struct selection *s)
{
	if (s->part ? !select_part(c, v, s) : !select_range(c, v, s))
		return false;
	if (s->partial)
		range_format(s->bytes, v->o.size, s->content_range);
	return true;
}

/* Those of the bytes that are asked for, if they are known: of a range they are not. */
static void reply_checksums(struct s3_call *c, const struct store_version *v,
                            const struct selection *s)
{
	struct str mode = http_head_value(&c->http->head, STR("x-amz-checksum-mode"));
	if (!str_eq_nocase(mode, STR("ENABLED")))
		return;
	if (s->part && v->o.parts) {
		s3_reply_sums(c, v->segments->checksums, v->segments->n_checksums);
		s3_reply_checksum_type(c, &v->o);
	} else if (s->part || !s->partial) {
		s3_reply_checksums(c, &v->o);
	}
}

/* Head fields of a selection. */
static void reply_selection(struct s3_call *c, const struct store_version *v,
                            const struct selection *s)
{
	reply_validators(c, v);
	reply_representation(c, &v->o);
	reply_checksums(c, v, s);
	if (v->o.n_tags)
		http_reply_fieldf(c->http, "x-amz-tagging-count", "%zu", v->o.n_tags);
	http_reply_field(c->http, "Accept-Ranges", STR("bytes"));
	if (s->partial)
		http_reply_field(c->http, "Content-Range", str_of(s->content_range));
	if (s->part && v->o.parts)
		http_reply_fieldf(c->http, "x-amz-mp-parts-count", "%d", v->o.parts);
}

static void send_object(struct s3_call *c, const struct store_version *v, const struct selection *s,
                        struct body *body)
{
	struct error e;
	bool client_left = false;
	c->size = body->size;
	reply_selection(c, v, s);
	if (http_reply_body(c->http, s->partial ? 206 : 200, body, &client_left, &e) != ERR_OK)
		snprintf(c->error, sizeof(c->error), "%s%s", client_left ? "client left: " : "",
		         e.text);
}

void s3_get_object(struct s3_call *c)
{
	struct s3_lookup l = {.bucket = c->bucket, .key = c->key};
	struct error failure;
	struct selection s;
	struct body *body;
	if (!may_override(c) || !s3_version(c, &l.version) || !parse_selection(c, &s))
		return;
	l.wanted = s.narrow ? &s.wanted : NULL;
	while (s3_look_up(c, &l, &failure, "Failed to retrieve object")) {
		if (!s3_may_read(c, &l.found.o) || !conditions_hold(c, &l.found) ||
		    !select_bytes(c, &l.found, &s))
			return;
		if (engine_read(c->server->engine, c->arena, &l.found, s.bytes.first, s.bytes.last,
		                &body, &c->backend, &failure) != ERR_OK)
			continue;
		send_object(c, &l.found, &s, body);
		body_close(&body);
		return;
	}
}

/* Only the bounds of a part need more than the catalogue's head. */
static enum err find_head(struct s3_call *c, struct str version, const struct selection *s,
                          struct store_version *v, struct error *e)
{
	struct store *store = c->server->store;
	return s->part ? store_find_copies(store, c->bucket, c->key, version, &s->wanted, c->arena,
	                                   v, e)
	               : store_find(store, c->bucket, c->key, version, c->arena, v, e);
}

void s3_head_object(struct s3_call *c)
{
	struct error e;
	struct store_version v;
	struct selection s;
	struct str version;
	if (!may_override(c) || !s3_version(c, &version) || !parse_selection(c, &s))
		return;
	if (find_head(c, version, &s, &v, &e) != ERR_OK) {
		s3_fail_find(c, &v, version, &e, "Failed to retrieve object metadata");
		return;
	}
	if (!s3_may_read(c, &v.o) || !conditions_hold(c, &v) || !select_bytes(c, &v, &s))
		return;
	c->size = s.partial ? s.bytes.last - s.bytes.first + 1 : v.o.size;
	reply_selection(c, &v, &s);
	http_reply_head(c->http, s.partial ? 206 : 200, c->size);
}
