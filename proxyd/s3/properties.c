/* SPDX-License-Identifier: MIT
 *
 * What can be changed of an object version: its tags, and its ACL. A change names the
 * generation that was found, and begins again when that is gone: a request without a
 * version id means the version that is current when it is done.
 */
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/acl.h"
#include "s3proto/tagging.h"
#include "store/versions.h"

/* Ten tags with 128 + 256 characters of four bytes, escaped; more than any ACL. */
#define DOCUMENT_MAX (UINT64_C(128) << 10)

/* A key that is replaced all the time is given up after so many look-ups. */
#define LOOKUPS_MAX 8

#define OWNER       STR("s3-orchestrator")
#define PUBLIC_READ STR("public-read")

/* --- looking up and changing --------------------------------------------------- */

/* False: answered. */
static bool find(struct s3_call *c, struct str version, struct store_version *v)
{
	struct error e;
	if (store_find(c->server->store, c->bucket, c->key, version, c->arena, v, &e) == ERR_OK)
		return true;
	s3_fail_find(c, v, version, &e, "Failed to look up the object");
	return false;
}

struct change {
	const struct tagging *tags; /* NULL: the ACL changes */
	bool public_read;
};

static enum err change_found(struct s3_call *c, const struct store_object *o,
                             const struct change *change, struct error *e)
{
	struct store *s = c->server->store;
	if (change->tags)
		return store_set_tags(s, o, change->tags->tags, change->tags->n, e);
	return store_set_acl(s, o, change->public_read ? PUBLIC_READ : STR_NULL, e);
}

static void change(struct s3_call *c, const struct change *change, int status)
{
	struct store_version v;
	struct str version;
	struct error e;
	enum err r = ERR_NOT_FOUND;
	if (!s3_version(c, &version))
		return;
	for (int i = 0; i < LOOKUPS_MAX && r == ERR_NOT_FOUND; i++) {
		if (!find(c, version, &v))
			return;
		r = change_found(c, &v.o, change, &e);
	}
	if (r == ERR_NOT_FOUND)
		r = err_set(&e, ERR_CONFLICT, "replaced again and again");
	if (r != ERR_OK) {
		s3_fail_err(c, &e, "Failed to change the object");
		return;
	}
	s3_reply_version(c, v.version_id);
	http_reply(c->http, status, STR_NULL);
}

/* --- tags ------------------------------------------------------------------------ */

void s3_get_object_tagging(struct s3_call *c)
{
	struct store_version v;
	struct str version;
	if (!s3_version(c, &version) || !find(c, version, &v))
		return;
	BUF_AUTO b = {0};
	tagging_write(&b, &(struct tagging){.n = v.o.n_tags, .tags = v.o.tags});
	s3_reply_version(c, v.version_id);
	s3_reply_xml(c, buf_str(&b));
}

void s3_put_object_tagging(struct s3_call *c)
{
	struct tagging t;
	struct str document;
	const char *why;
	if (!s3_receive_document(c, DOCUMENT_MAX, &document))
		return;
	enum s3_error error = tagging_parse_xml(document, TAGGING_OBJECT, c->arena, &t, &why);
	if (error != S3_OK)
		s3_fail(c, error, why);
	else
		change(c, &(struct change){.tags = &t}, 200);
}

void s3_delete_object_tagging(struct s3_call *c)
{
	static const struct tagging none;
	change(c, &(struct change){.tags = &none}, 204);
}

/* --- ACL -------------------------------------------------------------------------- */

void s3_get_object_acl(struct s3_call *c)
{
	struct store_version v;
	struct str version;
	if (!s3_version(c, &version) || !find(c, version, &v))
		return;
	BUF_AUTO b = {0};
	acl_write(&b, OWNER, str_eq(v.o.acl, PUBLIC_READ));
	s3_reply_version(c, v.version_id);
	s3_reply_xml(c, buf_str(&b));
}

/* The ACL of a request, in a header field or as a document. False: answered. */
static bool read_acl(struct s3_call *c, bool *public_read)
{
	struct str document, canned = http_head_value(&c->http->head, STR("x-amz-acl"));
	const char *why = NULL;
	enum s3_error error;
	if (!s3_receive_document(c, DOCUMENT_MAX, &document))
		return false;
	if (!canned.n)
		error = acl_parse_xml(document, OWNER, c->arena, public_read, &why);
	else if (!document.n) {
		error = acl_parse_canned(canned, public_read);
		why = "x-amz-acl is supported only as private or public-read";
	} else
		error = S3_MALFORMED_ACL;
	if (error != S3_OK)
		s3_fail(c, error, why);
	return error == S3_OK;
}

void s3_put_object_acl(struct s3_call *c)
{
	struct change acl = {0};
	if (read_acl(c, &acl.public_read) && (!acl.public_read || s3_may_publish(c)))
		change(c, &acl, 200);
}
