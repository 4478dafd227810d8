/* SPDX-License-Identifier: MIT
 *
 * From an HTTP request to an S3 operation: request id, authentication, bucket
 * and key, the operation's function; afterwards log and metrics, in one place
 * for all of them.
 */
#include "proxyd/s3/s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "config/config.h"
#include "observe/audit.h"
#include "observe/metrics.h"
#include "proxyd/server.h"

/* given: what the client calls the request, or NULL. */
static void choose_request_id(struct s3_call *c, const struct str *given)
{
	bool good = given && given->n >= 1 && given->n <= S3_REQUEST_ID_MAX;
	for (size_t i = 0; good && i < given->n; i++)
		good = memchr("0123456789abcdefABCDEF", given->p[i], 22) != NULL;
	if (good) {
		memcpy(c->request_id, given->p, given->n);
	} else {
		const uint64_t id[2] = {random_u64(), random_u64()};
		hex_encode(id, sizeof(id), c->request_id);
	}
	http_reply_field(c->http, "x-amz-request-id", str_of(c->request_id));
	http_reply_field(c->http, "x-amz-id-2", str_of(c->server->host_id));
}

static enum path_result split_path(struct s3_call *c)
{
	c->bucket = s3_host_bucket(c->server->config, &c->http->head);
	if (c->bucket.n)
		return path_key(c->arena, c->http->path, &c->key);
	struct path path;
	enum path_result r = path_split(c->arena, c->http->path, &path);
	c->bucket = r == PATH_OK ? path.bucket : STR_NULL;
	c->key = r == PATH_OK ? path.key : STR_NULL;
	return r;
}

/* Whether there are bucket and key of a request. False: answered. */
static bool locate(struct s3_call *c, enum path_result path)
{
	c->event = "s3.InvalidPath";
	switch (path) {
	case PATH_OK:
		return true;
	case PATH_ROOT:
		if (str_eq(c->http->head.method, STR("GET")))
			return true;
		s3_fail(c, S3_INVALID_REQUEST, "Invalid path format");
		return false;
	case PATH_BAD_ESCAPE:
		s3_fail(c, S3_INVALID_URI, NULL);
		return false;
	case PATH_KEY_TOO_LONG:
		s3_fail(c, S3_KEY_TOO_LONG, NULL);
		return false;
	case PATH_BAD_TEXT:
		s3_fail(c, S3_INVALID_REQUEST, "The key is not valid UTF-8 text");
		return false;
	default:
		s3_fail(c, S3_INVALID_REQUEST, "Invalid path format");
		return false;
	}
}

static void fail_method(struct s3_call *c, const char *subresource)
{
	c->event = "s3.MethodNotAllowed";
	s3_fail_method(c, subresource, c->key.n ? NULL : "Method not supported for bucket");
}

static void perform(struct s3_call *c)
{
	const struct s3_operation *op = s3_find_operation(c);
	const char *foreign = s3_foreign_subresource(c, op);
	c->event = "s3.NotImplemented";
	if (foreign && s3_is_other_method(c, foreign)) {
		fail_method(c, foreign);
	} else if (foreign) {
		s3_failf(c, S3_NOT_IMPLEMENTED, "%s subresource \"%s\" is not supported",
		         c->key.n ? "object" : "bucket", foreign);
	} else if (!op) {
		fail_method(c, NULL);
	} else {
		c->operation = op;
		if (s3_refuse_fields(c))
			op->handle(c);
	}
}

static void process(struct s3_call *c)
{
	if (!uri_parse_query(c->arena, c->http->query, &c->query)) {
		c->event = "s3.InvalidPath";
		s3_fail(c, S3_INVALID_URI, NULL);
		return;
	}
	enum path_result path = split_path(c); /* what is wrong with it is told later */
	if (http_head_get(&c->http->head, STR("origin")) && path == PATH_OK)
		s3_reply_origin(c);
	if (str_eq(c->http->head.method, STR("OPTIONS")) && path == PATH_OK) {
		s3_preflight(c);
		return;
	}
	c->event = "s3.AuthFailure";
	bool known = s3_is_form(c)
	                     ? locate(c, path) && s3_begin_form(c)
	                     : s3_authenticate(c) && s3_adopt_parameters(c) && locate(c, path);
	if (known && s3_enter(c))
		perform(c);
}

/* --- the record ------------------------------------------------------------ */

static void count_request(const struct s3_call *c, double seconds)
{
	const struct http_call *h = c->http;
	int method = metrics_method(h->head.method);
	metrics_inc(METRIC_REQUESTS, method, metrics_status(h->status), METRIC_NONE);
	metrics_observe(METRIC_REQUEST_DURATION, method, METRIC_NONE, seconds);
	if (c->received)
		metrics_observe(METRIC_REQUEST_SIZE, method, METRIC_NONE, (double)c->received);
	if (h->sent)
		metrics_observe(METRIC_RESPONSE_SIZE, method, METRIC_NONE, (double)h->sent);
}

static void record_request(const struct s3_call *c, int64_t duration)
{
	const struct http_call *h = c->http;
	char event[64];
	if (c->operation)
		snprintf(event, sizeof(event), "s3.%s", c->operation->name);
	else
		snprintf(event, sizeof(event), "%s", c->event);
	audit("s3_server", event,
	      LOG_FIELDS(LOG_STR("request_id", c->request_id),
	                 LOG_STR("operation", c->operation ? c->operation->name : NULL),
	                 LOG_S("method", h->head.method), LOG_S("path", h->path),
	                 LOG_STR("client_addr", h->peer), LOG_S("bucket", c->bucket),
	                 LOG_S("key", c->key), LOG_INT("status", h->status),
	                 LOG_INT("request_size", c->received), LOG_INT("response_size", h->sent),
	                 LOG_INT("duration", duration * 1000 /* nanoseconds */),
	                 LOG_INT("duration_ms", duration / CLOCK_MS),
	                 LOG_STR("authorized_bucket", c->trespassing ? c->allowed->name : NULL),
	                 LOG_S("requested_bucket", c->trespassing ? c->bucket : STR_NULL),
	                 LOG_STR("error", c->error[0] ? c->error : NULL)));
}

/* What the client did wrong, or asked for in vain, is its own business. */
static void record_failure(const struct s3_call *c)
{
	const struct http_call *h = c->http;
	if (!c->operation || ((h->status < 500 || h->status == 501) && !c->failed))
		return;
	log_warn("s3_server", "S3 request failed", LOG_STR("request_id", c->request_id),
	         LOG_STR("operation", c->operation->name), LOG_S("key", c->key),
	         LOG_INT("status", h->status), LOG_STR("client_addr", h->peer),
	         LOG_STR("error", c->error[0] ? c->error : NULL));
}

static void audit_upload(const struct s3_call *c, const struct backend *b)
{
	const struct log_field id = LOG_STR("request_id", c->request_id);
	const struct log_field bucket = LOG_S("bucket", c->bucket), key = LOG_S("key", c->key);
	const struct log_field upload = LOG_S("upload_id", c->upload.id);
	switch (c->operation->metric) {
	case METRIC_OPERATION_PART:
		audit("multipart", "storage.UploadPart",
		      LOG_FIELDS(id, bucket, key, LOG_STR("backend", b ? b->name : NULL), upload,
		                 LOG_INT("part_number", c->upload.part), LOG_INT("size", c->size)));
		break;
	case METRIC_OPERATION_COMPLETE:
		audit("multipart", "storage.CompleteMultipartUpload",
		      LOG_FIELDS(id, bucket, key, upload, LOG_INT("total_size", c->size),
		                 LOG_INT("parts_count", c->upload.parts)));
		break;
	case METRIC_OPERATION_ABORT:
		audit("multipart", "storage.AbortMultipartUpload",
		      LOG_FIELDS(id, bucket, key, upload,
		                 LOG_INT("parts_cleaned", c->copies_deleted)));
		break;
	default:
		audit("multipart", "storage.CreateMultipartUpload",
		      LOG_FIELDS(id, bucket, key, upload));
	}
}

static void audit_storage(const struct s3_call *c, const struct backend *b)
{
	const struct log_field id = LOG_STR("request_id", c->request_id);
	const struct log_field bucket = LOG_S("bucket", c->bucket), key = LOG_S("key", c->key);
	switch (c->operation->metric) {
	case METRIC_OPERATION_LIST:
		audit("object", "storage.ListObjects",
		      LOG_FIELDS(id, bucket, LOG_S("prefix", c->listed.prefix),
		                 LOG_INT("key_count", c->listed.keys),
		                 LOG_BOOL("truncated", c->listed.truncated)));
		break;
	case METRIC_OPERATION_DELETE:
		audit("object", "storage.DeleteObject",
		      LOG_FIELDS(id, bucket, key, LOG_INT("copies_deleted", c->copies_deleted)));
		break;
	case METRIC_OPERATION_CREATE_UPLOAD:
	case METRIC_OPERATION_PART:
	case METRIC_OPERATION_COMPLETE:
	case METRIC_OPERATION_ABORT:
		audit_upload(c, b);
		break;
	case METRIC_OPERATION_COPY:
		audit("object", "storage.CopyObject",
		      LOG_FIELDS(id, bucket, key, LOG_S("src_bucket", c->source.bucket),
		                 LOG_S("src_key", c->source.key),
		                 LOG_STR("src_backend", c->source.backend),
		                 LOG_STR("dst_backend", b ? b->name : NULL),
		                 LOG_INT("size", c->size)));
		break;
	case METRIC_OPERATION_DELETE_MANY:
		audit("object", "storage.DeleteObjects",
		      LOG_FIELDS(id, bucket, LOG_INT("total_keys", c->batch.keys),
		                 LOG_INT("deleted", c->batch.deleted),
		                 LOG_INT("errors", c->batch.errors)));
		break;
	default:
		audit("object", arena_printf(c->arena, "storage.%s", c->operation->name),
		      LOG_FIELDS(id, bucket, key, LOG_STR("backend", b ? b->name : NULL),
		                 LOG_INT("size", c->size)));
	}
}

/* The storage operation behind the request: counted always, an event when it
 * succeeded. */
static void record_storage(const struct s3_call *c, double seconds)
{
	if (!c->operation || c->operation->metric < 0)
		return;
	/* A form that was stored may be answered with a way back. */
	bool ok =
		(c->http->status < 300 || c->http->status == 303) && !c->http->failed && !c->failed;
	struct backend *b =
		c->backend ? backend_by_name(&c->server->backends, str_of(c->backend)) : NULL;
	int backend = METRIC_BACKEND_OR_NONE(b ? b->index : -1);
	metrics_inc(METRIC_MANAGER_REQUESTS, c->operation->metric, backend,
	            ok ? METRIC_RESULT_SUCCESS : METRIC_RESULT_ERROR);
	metrics_observe(METRIC_MANAGER_DURATION, c->operation->metric, backend, seconds);
	if (ok)
		audit_storage(c, b);
}

static void record(const struct s3_call *c)
{
	int64_t duration = clock_mono() - c->http->started;
	double seconds = (double)duration / CLOCK_SEC;
	count_request(c, seconds);
	log_hold();
	record_storage(c, seconds);
	record_failure(c);
	record_request(c, duration);
	log_release();
}

void s3_handle(struct http_call *h)
{
	struct s3_call c = {
		.http = h,
		.server = h->server,
		.arena = h->arena,
	};
	int method = metrics_method(h->head.method);
	metrics_gauge_add(METRIC_INFLIGHT, method, METRIC_NONE, METRIC_NONE, 1);
	choose_request_id(&c, http_head_get(&h->head, STR("x-request-id")));
	process(&c);
	metrics_gauge_add(METRIC_INFLIGHT, method, METRIC_NONE, METRIC_NONE, -1);
	record(&c);
}

void s3_handle_malformed(struct http_call *h, int status, const char *why)
{
	struct s3_call c = {
		.http = h,
		.server = h->server,
		.arena = h->arena,
	};
	enum s3_error error = S3_INVALID_REQUEST;
	if (status == 431)
		error = S3_HEADERS_TOO_LARGE;
	else if (status == 501)
		error = S3_NOT_IMPLEMENTED;
	choose_request_id(&c, NULL);
	BUF_AUTO b = {0};
	s3_error_body(&b, error, str_of(why), STR_NULL, str_of(c.request_id),
	              str_of(c.server->host_id));
	http_reply_field(h, "Content-Type", STR("application/xml"));
	http_reply(h, status, buf_str(&b));
	metrics_inc(METRIC_REQUESTS, metrics_method(STR_NULL), metrics_status(status), METRIC_NONE);
}
