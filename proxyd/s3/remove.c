/* SPDX-License-Identifier: MIT
 *
 * DeleteObject: one catalogue transaction; the bytes are removed by the clean-up
 * queue that the same transaction filled.
 */
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"

void s3_delete_object(struct s3_call *c)
{
	struct store_conditions cond = {0};
	struct error e;
	if (!s3_if_match(c, &cond.if_match))
		return;
	if (store_delete(c->server->store, c->bucket, c->key, &cond, &c->copies_deleted, &e) !=
	    ERR_OK) {
		s3_fail_err(c, &e, "Failed to delete object");
		return;
	}
	http_reply(c->http, 204, STR_NULL);
}
