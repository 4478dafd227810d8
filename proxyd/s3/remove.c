/* SPDX-License-Identifier: MIT
 *
 * DeleteObject and DeleteObjects: the bytes are removed by the clean-up queue, which is
 * filled in the same transaction that deletes an object.
 */
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/delete_list.h"
#include "s3proto/xml.h"

/* 1,000 keys of 1,024 bytes with ids and tags have 1.2 MiB; the rest is for what is
 * escaped in them. */
#define DOCUMENT_MAX (UINT64_C(4) << 20)

/* --- one key ----------------------------------------------------------------- */

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
	if (store_delete(c->server->store, c->bucket, c->owner, &d, 1, &e) != ERR_OK)
		s3_fail_err(c, &e, "Failed to delete object");
	else if (d.result.code != ERR_OK)
		s3_fail_err(c, &d.result, "Failed to delete object");
	else
		reply_deleted(c, &d);
}

/* --- many keys ---------------------------------------------------------------- */

/* One key of the request. */
struct item {
	const struct delete_item *asked;
	enum s3_error error;           /* it was refused, or failed */
	struct store_deletion *result; /* NULL: refused */
};

/* Why a key is not even looked for; S3_OK: it is. */
static enum s3_error refusal(const struct delete_item *asked)
{
	if (!asked->key.n)
		return S3_KEY_REQUIRED;
	if (asked->key.n > PATH_KEY_MAX)
		return S3_KEY_TOO_LONG;
	return asked->version.n && !s3_is_version(asked->version) ? S3_NO_SUCH_VERSION : S3_OK;
}

static enum s3_error error_of(const struct error *e)
{
	switch (e->code) {
	case ERR_OK:
		return S3_OK;
	case ERR_NOT_FOUND:
		return S3_NO_SUCH_KEY;
	case ERR_PRECONDITION:
		return S3_PRECONDITION_FAILED;
	case ERR_CONFLICT:
	case ERR_UNAVAILABLE:
	case ERR_DB_BUSY:
	case ERR_DB_REFUSED:
		return S3_SERVICE_UNAVAILABLE;
	default:
		return S3_INTERNAL_ERROR;
	}
}

/* The deletions to be tried; *n of them. */
static struct store_deletion *begin_items(struct s3_call *c, const struct delete_list *list,
                                          struct item *items, size_t *n)
{
	struct store_deletion *d = ARENA_ARRAY(c->arena, struct store_deletion, list->n);
	*n = 0;
	for (size_t i = 0; i < list->n; i++) {
		const struct delete_item *asked = &list->items[i];
		items[i] = (struct item){.asked = asked, .error = refusal(asked)};
		if (items[i].error != S3_OK)
			continue;
		items[i].result = &d[(*n)++];
		*items[i].result = (struct store_deletion){
			.key = asked->key, .version = asked->version, .if_match = asked->etag};
	}
	return d;
}

static void add_deleted(struct buf *b, const struct item *i)
{
	xml_open(b, "Deleted");
	xml_text(b, "Key", i->asked->key);
	if (i->asked->version.n)
		xml_text(b, "VersionId", i->asked->version);
	if (i->result->is_marker) {
		xml_bool(b, "DeleteMarker", true);
		xml_text(b, "DeleteMarkerVersionId", str_of(i->result->version_id));
	}
	xml_close(b, "Deleted");
}

static void add_error(struct buf *b, const struct item *i)
{
	xml_open(b, "Error");
	xml_text(b, "Key", i->asked->key);
	if (i->asked->version.n)
		xml_text(b, "VersionId", i->asked->version);
	xml_text(b, "Code", str_of(s3_error_code(i->error)));
	xml_text(b, "Message", str_of(s3_error_message(i->error)));
	xml_close(b, "Error");
}

static void reply_items(struct s3_call *c, const struct delete_list *list, struct item *items)
{
	BUF_AUTO b = {0};
	xml_begin(&b, "DeleteResult");
	for (size_t i = 0; i < list->n; i++) {
		if (items[i].result)
			items[i].error = error_of(&items[i].result->result);
		if (items[i].error != S3_OK) {
			add_error(&b, &items[i]);
			c->batch.errors++;
			continue;
		}
		if (!list->quiet)
			add_deleted(&b, &items[i]);
		c->batch.deleted++;
	}
	xml_close(&b, "DeleteResult");
	s3_reply_xml(c, buf_str(&b));
}

static bool receive_list(struct s3_call *c, struct delete_list *list)
{
	struct str document;
	const char *why;
	if (!s3_receive_document(c, DOCUMENT_MAX, &document))
		return false;
	enum s3_error error = delete_list_parse(document, c->arena, list, &why);
	if (error != S3_OK)
		s3_fail(c, error, why);
	return error == S3_OK;
}

void s3_delete_objects(struct s3_call *c)
{
	struct delete_list list;
	struct error e;
	size_t n;
	if (!receive_list(c, &list))
		return;
	struct item *items = ARENA_ARRAY(c->arena, struct item, list.n);
	struct store_deletion *d = begin_items(c, &list, items, &n);
	c->batch.keys = list.n;
	enum err r = n ? store_delete(c->server->store, c->bucket, c->owner, d, n, &e) : ERR_OK;
	if (r == ERR_OK && n && d[0].result.code == ERR_NO_BUCKET) {
		e = d[0].result; /* of all of them */
		r = e.code;
	}
	if (r != ERR_OK)
		s3_fail_err(c, &e, "Failed to delete objects");
	else
		reply_items(c, &list, items);
}
