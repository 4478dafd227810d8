/* SPDX-License-Identifier: MIT
 *
 * DeleteObject: one catalogue transaction; the bytes are removed by the clean-up
 * queue that the same transaction filled.
 */
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"

static void reply_deleted(struct s3_call *c, const struct store_deletion *d)
{
	c->copies_deleted = d->copies;
	if (d->is_marker)
		http_reply_field(c->http, "x-amz-delete-marker", STR("true"));
	s3_reply_version(c, d->version_id);
	http_reply(c->http, 204, STR_NULL);
}

void s3_delete_object(struct s3_call *c)
{
	struct store_deletion d = {.key = c->key};
	struct error e;
	if (!s3_version(c, &d.version) || !s3_if_match(c, &d.if_match))
		return;
	if (store_delete(c->server->store, c->bucket, &d, 1, &e) != ERR_OK)
		s3_fail_err(c, &e, "Failed to delete object");
	else if (d.result.code != ERR_OK)
		s3_fail_err(c, &d.result, "Failed to delete object");
	else
		reply_deleted(c, &d);
}
