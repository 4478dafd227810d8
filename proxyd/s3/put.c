/* SPDX-License-Identifier: MIT
 *
 * PutObject, and what form uploads have in common with it. Everything that can be
 * refused is refused before the body is asked for; the body is received and verified
 * as a whole; then the engine stores it.
 */
#include "base/log.h"
#include "config/config.h"
#include "observe/metrics.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/metadata.h"

static bool parse_conditions(struct s3_call *c, struct store_conditions *cond)
{
	cond->if_none_match_any = http_head_get(&c->http->head, STR("if-none-match")) != NULL;
	return s3_if_match(c, &cond->if_match);
}

static bool has_tag(const struct store_conditions *cond, const struct store_version *v)
{
	return str_eq(cond->if_match, STR("*")) || str_eq(cond->if_match, v->o.etag);
}

/* Whether the conditions hold now: a client need not send a body for nothing. They are
 * checked again with the commit, and that decides. False: answered. */
static bool conditions_hold(struct s3_call *c, const struct store_conditions *cond)
{
	struct store_version v;
	struct error e;
	if (!cond->if_none_match_any && !cond->if_match.n)
		return true;
	enum err r = store_find(c->server->store, c->bucket, c->key, false, c->arena, &v, &e);
	if (r == ERR_NOT_FOUND && !cond->if_match.n)
		return true;
	if (r == ERR_OK && (cond->if_none_match_any || !has_tag(cond, &v)))
		r = err_set(&e, ERR_PRECONDITION, "a condition does not hold");
	if (r != ERR_OK)
		s3_fail_err(c, &e, "Failed to evaluate conditional write");
	return r == ERR_OK;
}

static bool fail_metadata(struct s3_call *c, enum metadata_result r, size_t size)
{
	if (r == METADATA_TOO_LARGE)
		s3_failf(c, S3_METADATA_TOO_LARGE, "metadata size %zu exceeds limit %d", size,
		         METADATA_MAX);
	else
		s3_fail(c, S3_METADATA_TOO_LARGE, "metadata contains invalid characters");
	return false;
}

static bool fail_representation(struct s3_call *c, enum metadata_result r, size_t size)
{
	if (r == METADATA_TOO_LARGE)
		s3_failf(
			c, S3_METADATA_TOO_LARGE,
			"the size %zu of Content-Type, Cache-Control and the like exceeds limit %d",
			size, METADATA_REPRESENTATION);
	else
		s3_fail(c, S3_INVALID_ARGUMENT,
		        "Content-Type, Cache-Control or the like is not valid UTF-8");
	return false;
}

static void add_header(struct store_object *o, const char *name, struct str value)
{
	if (value.n)
		o->headers[o->n_headers++] = (struct str_pair){str_of(name), value};
}

/* What the client says about the object. False: answered. */
static bool parse_metadata(struct s3_call *c, struct store_object *o)
{
	struct metadata m;
	struct metadata_representation r;
	enum metadata_result result = metadata_collect(&c->http->head, c->arena, &m);
	if (result != METADATA_OK)
		return fail_metadata(c, result, m.size);
	result = metadata_collect_representation(&c->http->head, c->arena, &r);
	if (result != METADATA_OK)
		return fail_representation(c, result, r.size);
	o->metadata = m.pairs;
	o->n_metadata = m.n;
	o->content_type = r.content_type.n ? r.content_type : STR("application/octet-stream");
	o->headers = ARENA_ARRAY(c->arena, struct str_pair, 5);
	add_header(o, "cache-control", r.cache_control);
	add_header(o, "content-disposition", r.content_disposition);
	add_header(o, "content-encoding", r.content_encoding);
	add_header(o, "content-language", r.content_language);
	add_header(o, "expires", r.expires);
	return true;
}

/* True when some backend might take the object. False: answered. */
static bool admit(struct s3_call *c, uint64_t size)
{
	struct error e;
	if (engine_admit(c->server->engine, size, &e) == ERR_OK)
		return true;
	metrics_inc(METRIC_EARLY_REJECTIONS, METRIC_NONE, METRIC_NONE, METRIC_NONE);
	s3_fail(c, S3_INSUFFICIENT_STORAGE, e.text);
	return false;
}

static bool store(struct s3_call *c, struct engine_put *put, const struct s3_upload *u)
{
	struct error e;
	put->object.size = u->size;
	put->object.etag = str_of(u->md5_hex);
	put->object.sha256 = str_of(u->sha256_hex);
	if (engine_put(c->server->engine, c->arena, put, &e) != ERR_OK) {
		s3_fail_err(c, &e, "Failed to store object");
		return false;
	}
	c->backend = put->backend;
	c->size = put->object.size;
	return true;
}

bool s3_put_upload(struct s3_call *c, struct s3_upload *u, uint64_t max_size, struct str *etag)
{
	struct engine_put put = {.object = {.bucket = c->bucket, .key = c->key},
	                         .request_id = c->request_id};
	if (!s3_upload_parse(c, max_size, "Object size exceeds the maximum allowed size", u) ||
	    !parse_metadata(c, &put.object) || !parse_conditions(c, &put.conditions) ||
	    !conditions_hold(c, &put.conditions) || (!u->open && !admit(c, u->size)))
		return false;
	put.spool = s3_upload_spool(c, u);
	bool stored = s3_upload_receive(c, u, put.spool) && (!u->open || admit(c, u->size)) &&
	              store(c, &put, u);
	spool_free(&put.spool);
	*etag = put.object.etag;
	return stored;
}

void s3_put_object(struct s3_call *c)
{
	struct s3_upload upload = {.takes_open = true};
	struct str etag;
	if (!s3_put_upload(c, &upload, c->server->config->server.max_object_size, &etag))
		return;
	s3_reply_etag(c, etag);
	http_reply(c->http, 200, STR_NULL);
}
