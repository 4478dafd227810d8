/* SPDX-License-Identifier: MIT
 *
 * PutObject, and what form uploads have in common with it. Everything that can be
 * refused is refused before the body is asked for; the body is received and verified
 * as a whole; then the engine stores it.
 */
#include "config/config.h"
#include "observe/metrics.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"

bool s3_admit(struct s3_call *c, uint64_t size)
{
	struct error e;
	if (engine_admit(c->server->engine, c->bucket, size, &e) == ERR_OK)
		return true;
	metrics_inc(METRIC_EARLY_REJECTIONS, METRIC_NONE, METRIC_NONE, METRIC_NONE);
	if (e.code == ERR_USED_UP)
		s3_count_used_up(c, METRIC_LIMIT_WRITE);
	s3_fail(c, S3_INSUFFICIENT_STORAGE, e.text);
	return false;
}

static bool store(struct s3_call *c, struct engine_put *put, const struct s3_upload *u)
{
	struct error e;
	put->object.size = u->size;
	put->object.etag = str_of(u->md5_hex);
	put->object.sha256 = str_of(u->sha256_hex);
	put->object.checksums = u->checksums;
	put->object.n_checksums = u->n_checksums;
	if (engine_put(c->server->engine, c->arena, put, &e) != ERR_OK) {
		s3_fail_err(c, &e, "Failed to store object");
		return false;
	}
	c->backend = put->backend;
	c->size = put->object.size;
	s3_reply_etag(c, put->object.etag);
	s3_reply_version(c, put->written.version_id);
	s3_reply_checksums(c, &put->object);
	return true;
}

bool s3_put_upload(struct s3_call *c, struct s3_upload *u, uint64_t max_size, struct str *etag)
{
	struct engine_put put = {
		.object = {.bucket = c->bucket, .bucket_owner = c->owner, .key = c->key},
		.request_id = c->request_id};
	if (!s3_upload_parse(c, max_size, "Object size exceeds the maximum allowed size", u) ||
	    !s3_metadata(c, &put.object) || !s3_conditions(c, &put.conditions) ||
	    !s3_conditions_hold(c, &put.conditions) || (!u->open && !s3_admit(c, u->size)))
		return false;
	put.spool = s3_upload_spool(c, u);
	bool stored = s3_upload_receive(c, u, put.spool) && (!u->open || s3_admit(c, u->size)) &&
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
	http_reply(c->http, 200, STR_NULL);
}
