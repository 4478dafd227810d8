/* SPDX-License-Identifier: MIT
 *
 * UploadPart: like PutObject, but what is stored is a part of an upload.
 */
#include "config/config.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"

/* The checksum that the upload was begun with is computed also when the client does not
 * send it; another one would be of no use when the upload is completed. False: answered. */
static bool choose_checksum(struct s3_call *c, const struct store_upload *u, struct s3_upload *body)
{
	enum checksum_kind k;
	if (!checksum_of_name(u->algorithm, &k))
		return true; /* begun without: what comes is stored with the part */
	if (body->sent && !(body->sent & CHECKSUM_BIT(k))) {
		s3_failf(c, S3_INVALID_REQUEST,
		         "Checksum Type mismatch occurred, expected checksum Type: %s, actual "
		         "checksum Type: %s",
		         checksum_name(k), checksum_name(body->keep));
		return false;
	}
	body->keep = k;
	body->kinds |= CHECKSUM_BIT(k);
	return true;
}

static bool find_upload(struct s3_call *c, struct store_upload *u)
{
	struct error e;
	if (store_upload_find(c->server->store, c->bucket, c->key, c->upload.id, c->arena, u, &e) ==
	    ERR_OK)
		return true;
	s3_fail_err(c, &e, "Failed to upload part");
	return false;
}

static void store(struct s3_call *c, struct engine_part *p, const struct s3_upload *body)
{
	struct error e;
	p->part.etag = str_of(body->md5_hex);
	p->part.sha256 = str_of(body->sha256_hex);
	p->part.checksums = body->checksums;
	p->part.n_checksums = body->n_checksums;
	if (engine_put_part(c->server->engine, c->arena, p, &e) != ERR_OK) {
		s3_fail_err(c, &e, "Failed to upload part");
		return;
	}
	c->backend = p->backend;
	c->size = p->part.size;
	s3_reply_etag(c, p->part.etag);
	s3_reply_sums(c, p->part.checksums, p->part.n_checksums);
	http_reply(c->http, 200, STR_NULL);
}

void s3_upload_part(struct s3_call *c)
{
	struct store_upload upload;
	struct s3_upload body = {0};
	c->upload.id = s3_parameter(c, "uploadId");
	if (!s3_part_number(c, &c->upload.part) ||
	    !s3_upload_parse(c, c->server->config->server.max_object_size,
	                     "Part size exceeds the maximum allowed size", &body) ||
	    !find_upload(c, &upload) || !choose_checksum(c, &upload, &body) ||
	    !s3_admit(c, body.size))
		return;
	struct engine_part p = {
		.upload = &upload,
		.part = {.number = c->upload.part, .size = body.size},
		.spool = spool_new(engine_spool_budget(c->server->engine), body.size),
		.request_id = c->request_id,
	};
	if (s3_upload_receive(c, &body, p.spool))
		store(c, &p, &body);
	spool_free(&p.spool);
}
