/* SPDX-License-Identifier: MIT
 *
 * What the head of a request says about an object to come: user metadata and the fields
 * that are given back to readers.
 */
#include "s3proto/metadata.h"

#include "proxyd/s3/s3.h"
#include "s3proto/tagging.h"

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

bool s3_tags(struct s3_call *c, struct store_object *o)
{
	struct tagging t;
	const char *why;
	enum s3_error error = tagging_parse_header(
		http_head_value(&c->http->head, STR("x-amz-tagging")), c->arena, &t, &why);
	if (error != S3_OK) {
		s3_fail(c, error, why);
		return false;
	}
	o->tags = t.tags;
	o->n_tags = t.n;
	return true;
}

/* Those that are refused do not come this far. */
bool s3_canned_acl(struct s3_call *c, struct store_object *o)
{
	if (!str_eq_nocase(http_head_value(&c->http->head, STR("x-amz-acl")), STR("public-read")))
		return true;
	o->acl = STR("public-read");
	return s3_may_publish(c);
}

bool s3_metadata(struct s3_call *c, struct store_object *o)
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
	return s3_tags(c, o) && s3_canned_acl(c, o);
}
