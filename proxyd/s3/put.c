/* SPDX-License-Identifier: MIT
 *
 * PutObject. Everything that can be refused is refused before the body is asked
 * for; the body is received and verified as a whole; then the engine stores it.
 */
#include "config/config.h"
#include "observe/metrics.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"

bool s3_admit(struct s3_call *c, uint64_t size)
{
	struct error e;
	if (engine_admit(c->server->engine, size, &e) == ERR_OK)
		return true;
	metrics_inc(METRIC_EARLY_REJECTIONS, METRIC_NONE, METRIC_NONE, METRIC_NONE);
	s3_fail(c, S3_INSUFFICIENT_STORAGE, e.text);
	return false;
}

static void store(struct s3_call *c, struct engine_put *put, const struct s3_upload *u)
{
	struct error e;
	put->object.etag = str_of(u->md5_hex);
	put->object.sha256 = str_of(u->sha256_hex);
	put->object.checksums = u->checksums;
	put->object.n_checksums = u->n_checksums;
	if (engine_put(c->server->engine, c->arena, put, &e) != ERR_OK) {
		s3_fail_err(c, &e, "Failed to store object");
		return;
	}
	c->backend = put->backend;
	c->size = put->object.size;
	s3_reply_etag(c, put->object.etag);
	s3_reply_version(c, put->written.version_id);
	s3_reply_checksums(c, &put->object);
	http_reply(c->http, 200, STR_NULL);
}

void s3_put_object(struct s3_call *c)
{
	struct engine_put put = {.object = {.bucket = c->bucket, .key = c->key},
	                         .request_id = c->request_id};
	struct s3_upload upload = {0};
	if (!s3_upload_parse(c, c->server->config->server.max_object_size,
	                     "Object size exceeds the maximum allowed size", &upload) ||
	    !s3_metadata(c, &put.object) || !s3_conditions(c, &put.conditions) ||
	    !s3_conditions_hold(c, &put.conditions) || !s3_admit(c, upload.size))
		return;
	put.object.size = upload.size;
	put.spool = spool_new(engine_spool_budget(c->server->engine), upload.size);
	if (s3_upload_receive(c, &upload, put.spool))
		store(c, &put, &upload);
	spool_free(&put.spool);
}
