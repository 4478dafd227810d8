/* SPDX-License-Identifier: MIT
 *
 * GetObject and HeadObject. The catalogue knows everything about an object but
 * its bytes, so HEAD, conditions and ranges cost no call to a backend.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "observe/metrics.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/precondition.h"
#include "s3proto/range.h"

/* A version that is replaced between look-up and opening has its bytes removed: then
 * the new one is looked up, and may be replaced as well. With 64 writers of one key
 * a tenth of the attempts were late, more when the machine is busy. */
#define LOOKUPS_MAX 32

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

static void reply_validators(struct s3_call *c, const struct store_version *v)
{
	char modified[CLOCK_HTTP_SIZE];
	clock_format_http(v->modified, modified);
	s3_reply_etag(c, v->o.etag);
	http_reply_field(c->http, "Last-Modified", str_of(modified));
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

struct selection {
	struct range bytes;
	bool partial;
	char content_range[RANGE_CONTENT_SIZE];
};

/* The bytes that are asked for. False: answered with 416. */
static bool select_bytes(struct s3_call *c, const struct store_version *v, struct selection *s)
{
	const struct str *field = http_head_get(&c->http->head, STR("range"));
	enum range_result r = RANGE_WHOLE;
	if (field && precondition_range_holds(&c->http->head, v->o.etag, v->modified))
		r = range_parse(field, v->o.size, &s->bytes);
	s->partial = r == RANGE_PART;
	if (r == RANGE_PART) {
		range_format(s->bytes, v->o.size, s->content_range);
	} else if (r == RANGE_UNSATISFIABLE) {
		range_format_unsatisfiable(v->o.size, s->content_range);
		http_reply_field(c->http, "Content-Range", str_of(s->content_range));
		s3_fail(c, S3_INVALID_RANGE, NULL);
		return false;
	} else {
		s->bytes = (struct range){0, v->o.size ? v->o.size - 1 : 0};
	}
	return true;
}

static void send_object(struct s3_call *c, const struct store_version *v, const struct selection *s,
                        struct body *body)
{
	struct error e;
	bool client_left = false;
	c->size = body->size;
	reply_validators(c, v);
	reply_representation(c, &v->o);
	http_reply_field(c->http, "Accept-Ranges", STR("bytes"));
	if (s->partial)
		http_reply_field(c->http, "Content-Range", str_of(s->content_range));
	if (http_reply_body(c->http, s->partial ? 206 : 200, body, &client_left, &e) != ERR_OK)
		snprintf(c->error, sizeof(c->error), "%s%s", client_left ? "client left: " : "",
		         e.text);
}

/* The catalogue has the object, and every backend says for certain that it has not:
 * repeating will not help the client, but somebody should know. */
static void missing_everywhere(const struct s3_call *c)
{
	metrics_inc(METRIC_INTEGRITY_ERRORS, METRIC_INTEGRITY_READ, METRIC_NONE, METRIC_NONE);
	log_warn("readpath", "every copy is missing", LOG_STR("request_id", c->request_id),
	         LOG_S("bucket", c->bucket), LOG_S("key", c->key));
}

/* Whether a look-up found what the one before it had found. */
static bool same_copies(const struct store_version *v, const struct store_version *w)
{
	if (v->n_segments != w->n_segments)
		return false;
	for (size_t i = 0; i < v->n_segments; i++) {
		const struct store_segment *s = &v->segments[i], *t = &w->segments[i];
		if (s->n_copies != t->n_copies)
			return false;
		for (size_t k = 0; k < s->n_copies; k++)
			if (!str_eq(s->copies[k].backend, t->copies[k].backend) ||
			    !str_eq(s->copies[k].backend_key, t->copies[k].backend_key))
				return false;
	}
	return true;
}

/* The failure to open the object stands. */
static void fail_open(struct s3_call *c, const struct error *e)
{
	if (e->code == ERR_NOT_FOUND)
		missing_everywhere(c);
	s3_fail_err(c, e, "Failed to retrieve object");
}

void s3_get_object(struct s3_call *c)
{
	struct server *server = c->server;
	struct store_version v, before;
	struct error e, failure;
	if (!may_override(c))
		return;
	for (int lookups = 0; lookups < LOOKUPS_MAX; lookups++) {
		if (store_find(server->store, c->bucket, c->key, true, c->arena, &v, &e) !=
		    ERR_OK) {
			s3_fail_err(c, &e, "Failed to retrieve object");
			return;
		}
		if (lookups > 0 && same_copies(&v, &before)) {
			fail_open(c, &failure);
			return;
		}
		struct selection s;
		if (!conditions_hold(c, &v) || !select_bytes(c, &v, &s))
			return;
		struct body *body;
		if (engine_read(server->engine, c->arena, &v, s.bytes.first, s.bytes.last, &body,
		                &c->backend, &failure) == ERR_OK) {
			send_object(c, &v, &s, body);
			body_close(&body);
			return;
		}
		before = v;
	}
	err_set(&e, ERR_CONFLICT, "replaced faster than it can be read: %s", failure.text);
	s3_fail_err(c, &e, NULL);
}

void s3_head_object(struct s3_call *c)
{
	struct error e;
	struct store_version v;
	if (!may_override(c))
		return;
	if (store_find(c->server->store, c->bucket, c->key, false, c->arena, &v, &e) != ERR_OK) {
		s3_fail_err(c, &e, "Failed to retrieve object metadata");
		return;
	}
	if (!conditions_hold(c, &v))
		return;
	c->size = v.o.size;
	reply_validators(c, &v);
	reply_representation(c, &v.o);
	http_reply_field(c->http, "Accept-Ranges", STR("bytes"));
	http_reply_head(c->http, 200, v.o.size);
}
