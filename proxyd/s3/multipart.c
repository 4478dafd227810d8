/* SPDX-License-Identifier: MIT
 *
 * CreateMultipartUpload and AbortMultipartUpload. An upload is a row of the catalogue
 * that says what the object will be; its parts find their backends one by one.
 */
#include "config/config.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/xml.h"

/* --- checksums --------------------------------------------------------------- */

/* The type where none is asked for, as in S3. */
static struct str default_type(enum checksum_kind k)
{
	return k == CHECKSUM_CRC64NVME ? STR("FULL_OBJECT") : STR("COMPOSITE");
}

/* Only CRCs of parts give that of the whole; S3 defines no composite CRC64NVME. */
static bool check_type(struct s3_call *c, enum checksum_kind k, struct str type)
{
	bool full = str_eq(type, STR("FULL_OBJECT"));
	if (!full && !str_eq(type, STR("COMPOSITE"))) {
		s3_fail(c, S3_INVALID_REQUEST, "Value for x-amz-checksum-type header is invalid.");
		return false;
	}
	if (full ? checksum_is_crc(k) : k != CHECKSUM_CRC64NVME)
		return true;
	s3_failf(c, S3_INVALID_REQUEST,
	         "The %.*s checksum type cannot be used with the %s checksum algorithm.",
	         STR_FMT(type), checksum_name(k));
	return false;
}

/* What the object's checksum will be. False: answered. */
static bool parse_checksum(struct s3_call *c, struct store_upload *u)
{
	struct str algorithm = http_head_value(&c->http->head, STR("x-amz-checksum-algorithm"));
	struct str type = http_head_value(&c->http->head, STR("x-amz-checksum-type"));
	enum checksum_kind k;
	if (!algorithm.n) {
		if (!type.n)
			return true;
		s3_fail(c, S3_INVALID_REQUEST,
		        "The x-amz-checksum-type header can only be used with the "
		        "x-amz-checksum-algorithm header.");
		return false;
	}
	if (!checksum_of_name(algorithm, &k)) {
		s3_fail(c, S3_INVALID_REQUEST,
		        "Checksum algorithm provided is unsupported. Please try again with any of "
		        "the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
		return false;
	}
	u->algorithm = str_of(checksum_name(k));
	u->type = type.n ? type : default_type(k);
	return check_type(c, k, u->type);
}

/* --- begin -------------------------------------------------------------------- */

static void reply_created(struct s3_call *c, const struct store_upload *u)
{
	BUF_AUTO b = {0};
	if (u->algorithm.n) {
		http_reply_field(c->http, "x-amz-checksum-algorithm", u->algorithm);
		http_reply_field(c->http, "x-amz-checksum-type", u->type);
	}
	xml_begin(&b, "InitiateMultipartUploadResult");
	xml_text(&b, "Bucket", c->bucket);
	xml_text(&b, "Key", c->key);
	xml_text(&b, "UploadId", str_of(u->id));
	xml_close(&b, "InitiateMultipartUploadResult");
	s3_reply_xml(c, buf_str(&b));
}

void s3_create_upload(struct s3_call *c)
{
	struct store_upload u = {
		.o = {.bucket = c->bucket, .bucket_owner = c->owner, .key = c->key},
		.owner = c->auth.access_key};
	struct error e;
	if (!s3_metadata(c, &u.o) || !parse_checksum(c, &u))
		return;
	enum err r =
		store_upload_create(c->server->store, &u, c->allowed->max_multipart_uploads, &e);
	if (r == ERR_BUSY) {
		s3_fail(c, S3_SLOW_DOWN, e.text);
	} else if (r != ERR_OK) {
		s3_fail_err(c, &e, "Failed to create multipart upload");
	} else {
		c->upload.id = arena_dup(c->arena, str_of(u.id));
		reply_created(c, &u);
	}
}

/* --- give up ------------------------------------------------------------------- */

void s3_abort_upload(struct s3_call *c)
{
	struct error e;
	c->upload.id = s3_parameter(c, "uploadId");
	if (store_upload_abort(c->server->store, c->bucket, c->key, c->upload.id,
	                       &c->copies_deleted, &e) != ERR_OK)
		s3_fail_err(c, &e, "Failed to abort multipart upload");
	else
		http_reply(c->http, 204, STR_NULL);
}
