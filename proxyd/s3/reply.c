/* SPDX-License-Identifier: MIT
 *
 * Answers that all operations share: errors as S3 XML, and plain documents.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "observe/metrics.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/xml.h"

/* Bytes of a path that an error repeats: a bucket and a key that is escaped as a whole.
 * Without a bound an answer could be six times as long as its request. */
#define RESOURCE_MAX (256 + 3 * PATH_KEY_MAX)

static void answer(struct s3_call *c, int status, struct str document)
{
	if (c->keepalive)
		s3_keepalive_answer(c->keepalive, status, document);
	else
		http_reply(c->http, status, document);
}

/* So clients find out where a bucket is that they may not use: they ask for it without
 * credentials and look at nothing else. */
static void reply_region(struct s3_call *c, int status)
{
	if ((status == 403 || status == 404) && c->bucket.n && !c->key.n)
		http_reply_field(c->http, "x-amz-bucket-region", STR(S3_REGION));
}

void s3_fail(struct s3_call *c, enum s3_error error, const char *message)
{
	struct str resource = c->http->path;
	if (!message)
		message = s3_error_message(error);
	if (!c->error[0])
		snprintf(c->error, sizeof(c->error), "%s: %s", s3_error_code(error), message);
	if (resource.n > RESOURCE_MAX)
		resource = STR_NULL;
	BUF_AUTO b = {0};
	s3_error_body(&b, error, str_of(message), resource, str_of(c->request_id),
	              str_of(c->server->host_id));
	http_reply_field(c->http, "Content-Type", STR("application/xml"));
	reply_region(c, s3_error_status(error));
	if (s3_error_status(error) == 503)
		http_reply_field(c->http, "Retry-After", STR("1"));
	answer(c, s3_error_status(error), buf_str(&b));
}

void s3_failf(struct s3_call *c, enum s3_error error, const char *fmt, ...)
{
	char message[400];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	s3_fail(c, error, message);
}

void s3_count_used_up(const struct s3_call *c, int limit)
{
	if (c->operation && c->operation->metric >= 0)
		metrics_inc(METRIC_USAGE_REJECTIONS, c->operation->metric, limit, METRIC_NONE);
}

/* Whether the database or the last backend is gone: what cannot be done now. */
static const char *outage_message(const struct s3_call *c)
{
	struct str method = c->http->head.method;
	if (!c->operation)
		return NULL;
	if (str_starts(str_of(c->operation->name), STR("List")))
		return "listing unavailable during database outage";
	if (str_eq(method, STR("GET")) || str_eq(method, STR("HEAD")))
		return NULL;
	return "database unavailable, writes are temporarily rejected";
}

void s3_fail_err(struct s3_call *c, const struct error *e, const char *fallback)
{
	snprintf(c->error, sizeof(c->error), "%s: %s", err_name(e->code), e->text);
	switch (e->code) {
	case ERR_NOT_FOUND:
		s3_fail(c, S3_NO_SUCH_KEY, NULL);
		break;
	case ERR_NO_BUCKET:
		s3_fail(c, S3_NO_SUCH_BUCKET, NULL);
		break;
	case ERR_NO_UPLOAD:
		s3_fail(c, S3_NO_SUCH_UPLOAD, NULL);
		break;
	case ERR_PRECONDITION:
		s3_fail(c, S3_PRECONDITION_FAILED, NULL);
		break;
	case ERR_NO_SPACE:
		s3_fail(c, S3_INSUFFICIENT_STORAGE, "no backend has sufficient quota");
		break;
	case ERR_USED_UP: /* by a write; for reads see lookup.c */
		s3_count_used_up(c, METRIC_LIMIT_WRITE);
		s3_fail(c, S3_INSUFFICIENT_STORAGE, NULL);
		break;
	case ERR_TOO_LARGE:
		s3_fail(c, S3_ENTITY_TOO_LARGE, NULL);
		break;
	case ERR_CONFLICT:
		s3_fail(c, S3_SERVICE_UNAVAILABLE, NULL);
		break;
	case ERR_BUSY:
		s3_fail(c, S3_BACKEND_BUSY, NULL);
		break;
	case ERR_CONGESTED:
		s3_fail(c, S3_SLOW_DOWN, NULL);
		break;
	case ERR_UNAVAILABLE:
	case ERR_DB_BUSY:
	case ERR_DB_REFUSED:
	case ERR_DB_UNCERTAIN:
		s3_fail(c, S3_SERVICE_UNAVAILABLE, outage_message(c));
		break;
	default:
		s3_fail(c, S3_BACKEND_FAILED, fallback);
	}
}

void s3_reply_xml(struct s3_call *c, struct str document)
{
	http_reply_field(c->http, "Content-Type", STR("application/xml"));
	answer(c, 200, document);
}

void s3_reply_etag(struct s3_call *c, struct str etag)
{
	http_reply_fieldf(c->http, "ETag", "\"%.*s\"", STR_FMT(etag));
}

void s3_reply_version(struct s3_call *c, const char *id)
{
	if (*id)
		http_reply_field(c->http, "x-amz-version-id", str_of(id));
}

void s3_reply_sums(struct s3_call *c, const struct str_pair *sums, size_t n)
{
	enum checksum_kind k;
	for (size_t i = 0; i < n; i++)
		if (checksum_of_name(sums[i].name, &k))
			http_reply_field(c->http, checksum_field(k), sums[i].value);
}

/* Only a composite value has the number of parts behind it. */
const char *s3_checksum_type(const struct str_pair *sums, size_t n)
{
	return n && str_chr(sums[0].value, '-') >= 0 ? "COMPOSITE" : "FULL_OBJECT";
}

void s3_reply_checksum_type(struct s3_call *c, const struct store_object *o)
{
	if (o->n_checksums)
		http_reply_field(c->http, "x-amz-checksum-type",
		                 str_of(s3_checksum_type(o->checksums, o->n_checksums)));
}

void s3_reply_checksums(struct s3_call *c, const struct store_object *o)
{
	s3_reply_sums(c, o->checksums, o->n_checksums);
	s3_reply_checksum_type(c, o);
}

void s3_xml_owner(struct buf *b, const char *element)
{
	xml_open(b, element);
	xml_text(b, "ID", STR(S3_OWNER));
	xml_text(b, "DisplayName", STR(S3_OWNER));
	xml_close(b, element);
}

void s3_xml_etag(struct buf *b, struct str etag)
{
	xml_open(b, "ETag");
	buf_printf(b, "&quot;%.*s&quot;", STR_FMT(etag));
	xml_close(b, "ETag");
}

void s3_xml_checksums(struct buf *b, const struct str_pair *sums, size_t n)
{
	enum checksum_kind k;
	for (size_t i = 0; i < n; i++)
		if (checksum_of_name(sums[i].name, &k))
			xml_text(b, checksum_element(k), sums[i].value);
}

void s3_fail_find(struct s3_call *c, const struct store_version *v, struct str version,
                  const struct error *e, const char *fallback)
{
	if (e->code != ERR_NOT_FOUND) {
		s3_fail_err(c, e, fallback);
	} else if (!s3_may_read(c, NULL)) {
		return;
	} else if (v->is_marker && version.n && c->operation->copies) {
		s3_fail(c, S3_INVALID_REQUEST,
		        "The source of a copy request may not specifically refer to a delete "
		        "marker by version id.");
	} else if (!v->is_marker || c->operation->copies) {
		s3_fail(c, version.n ? S3_NO_SUCH_VERSION : S3_NO_SUCH_KEY, NULL);
	} else {
		char modified[CLOCK_HTTP_SIZE];
		clock_format_http(v->modified, modified);
		http_reply_field(c->http, "x-amz-delete-marker", STR("true"));
		s3_reply_version(c, v->version_id);
		if (version.n) {
			http_reply_field(c->http, "Allow", STR("DELETE"));
			http_reply_field(c->http, "Last-Modified", str_of(modified));
		}
		s3_fail(c, version.n ? S3_METHOD_NOT_ALLOWED : S3_NO_SUCH_KEY, NULL);
	}
}
