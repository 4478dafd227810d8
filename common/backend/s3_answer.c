/* SPDX-License-Identifier: MIT
 *
 * What the answers of S3 servers mean. They agree on status codes more than on
 * error codes; where they do not, the server that differs is named.
 */
#include <stdio.h>
#include <string.h>

#include "backend/s3_private.h"
#include "base/clock.h"
#include "net/uri.h"
#include "s3proto/xml.h"

#define ERROR_MAX ((size_t)64 * 1024) /* bytes of an error document that we read */
#define READ_STEP ((size_t)16 * 1024)

enum err s3_read_body(struct body *b, int64_t idle_us, size_t max, struct buf *out, struct error *e)
{
	while (out->n <= max) {
		ssize_t n;

		buf_reserve(out, READ_STEP);
		n = body_read(b, out->p + out->n, READ_STEP, idle_us, e);
		if (n < 0)
			return e->code;
		if (n == 0)
			return ERR_OK;
		out->n += (size_t)n;
	}
	return err_set(e, ERR_PROTOCOL, "an answer of more than %zu bytes", max);
}

/* --- errors --------------------------------------------------------------- */

struct refusal {
	int status;
	struct str code, message; /* empty without an S3 error document */
	bool is_head;             /* answers to HEAD have no document */
	uint64_t size;
};

static bool is_full(const struct refusal *r)
{
	return r->status == 507 || str_eq(r->code, STR("QuotaExceeded")) ||
	       str_eq(r->code, STR("InsufficientStorage")) ||
	       str_eq(r->code, STR("XMinioStorageFull")) ||
	       str_eq(r->code, STR("InsufficientCapacity")) ||
	       /* Swift, when the container's quota is reached */
	       (str_eq(r->code, STR("EntityTooLarge")) && r->size > 0 && r->size < S3_PUT_MAX);
}

/* "Not there" only from who says so: Ceph and Swift send NoSuchKey for GET, as AWS
 * does. Without a readable document it may be a gateway's, or a NoSuchBucket. */
static enum err meaning_of_404(const struct refusal *r)
{
	if (r->is_head || str_eq(r->code, STR("NoSuchKey")) || str_eq(r->code, STR("NotFound")))
		return ERR_NOT_FOUND;
	return r->code.n > 0 ? ERR_IO : ERR_PROTOCOL; /* NoSuchBucket above all */
}

static enum err meaning_of(const struct refusal *r)
{
	if (is_full(r))
		return ERR_NO_SPACE;
	if (str_eq(r->code, STR("EntityTooLarge")))
		return ERR_TOO_LARGE;
	if (str_eq(r->code, STR("SlowDown")))
		return ERR_BUSY;
	if (str_eq(r->code, STR("RequestTimeout")))
		return ERR_TIMEOUT;
	switch (r->status) {
	case 401:
	case 403:
		return ERR_DENIED;
	case 404:
		return meaning_of_404(r);
	case 405:
	case 501:
		return ERR_UNSUPPORTED;
	case 408:
	case 504:
		return ERR_TIMEOUT;
	case 409:
		return ERR_CONFLICT;
	case 412:
		return ERR_PRECONDITION;
	case 413:
		return ERR_TOO_LARGE;
	case 416:
		return ERR_RANGE;
	case 429:
	case 503:
		return ERR_BUSY;
	default:
		return r->status >= 500 ? ERR_IO : ERR_PROTOCOL;
	}
}

static void keep(char *out, size_t size, struct str s)
{
	snprintf(out, size, "%.*s", STR_FMT(s));
}

static void keep_refusal(struct backend_refusal *out, const struct refusal *r,
                         const struct xml_node *root, const struct http_head *head)
{
	const struct str *region = http_head_get(head, STR("x-amz-bucket-region"));
	const struct str *date = http_head_get(head, STR("date"));

	*out = (struct backend_refusal){.status = r->status};
	keep(out->code, sizeof(out->code), r->code);
	keep(out->region, sizeof(out->region),
	     region != NULL ? *region : xml_child_text(root, "Region"));
	if (date == NULL || !clock_parse_http(*date, &out->clock))
		out->clock = 0;
}

enum err s3_refusal(struct s3 *s, struct arena *a, struct http_exchange *x, uint64_t size,
                    struct error *e)
{
	struct refusal r = {
		.status = x->head.status,
		.is_head = str_eq(x->method, STR("HEAD")),
		.size = size,
	};
	const struct xml_node *root = NULL;
	BUF_AUTO doc = {0};
	struct xml_node *tree;
	struct error unreadable;

	/* An answer that cannot be read to its end still has its status. */
	s3_read_body(x->body, s->base.timeout_us, ERROR_MAX, &doc, &unreadable);
	body_close(&x->body);
	if (doc.n > 0 && xml_parse(buf_str(&doc), a, &tree, &unreadable) == ERR_OK &&
	    str_eq(tree->name, STR("Error")))
		root = tree;
	r.code = xml_child_text(root, "Code");
	r.message = xml_child_text(root, "Message");
	if (s->base.refusal != NULL)
		keep_refusal(s->base.refusal, &r, root, &x->head);
	return err_set(e, meaning_of(&r), "%.*s: answer %d %.*s%s%.*s", STR_FMT(x->method),
	               r.status, STR_FMT(r.code), r.message.n > 0 ? ": " : "", STR_FMT(r.message));
}

/* --- copies --------------------------------------------------------------- */

/* The white space that was sent while the server worked may stand before the
 * declaration, where XML does not allow it. */
static struct str skip_space(struct str s)
{
	while (s.n > 0 && strchr(" \t\r\n", *s.p) != NULL && *s.p != '\0')
		s = str_skip(s, 1);
	return s;
}

/* The status went out before the error was known; no code is as good as its name. */
static enum err late_refusal(const struct xml_node *root, struct error *e)
{
	struct refusal r = {
		.status = 500,
		.code = xml_child_text(root, "Code"),
		.message = xml_child_text(root, "Message"),
	};

	if (str_eq(r.code, STR("NoSuchKey")))
		r.status = 404;
	return err_set(e, meaning_of(&r), "COPY: %.*s%s%.*s", STR_FMT(r.code),
	               r.message.n > 0 ? ": " : "", STR_FMT(r.message));
}

enum err s3_parse_copy(struct arena *a, struct str doc, struct str *etag, struct error *e)
{
	struct xml_node *root;

	if (xml_parse(skip_space(doc), a, &root, e) != ERR_OK)
		return err_set(e, ERR_PROTOCOL, "COPY: an answer that is no document");
	if (str_eq(root->name, STR("Error")))
		return late_refusal(root, e);
	if (!str_eq(root->name, STR("CopyObjectResult")))
		return err_set(e, ERR_PROTOCOL, "COPY: not a CopyObjectResult");
	*etag = xml_child_text(root, "ETag");
	return ERR_OK;
}

/* --- listings ------------------------------------------------------------- */

static bool parse_item(struct arena *a, const struct xml_node *n, bool encoded,
                       struct backend_info *out)
{
	struct str key = xml_child_text(n, "Key");

	*out = (struct backend_info){.key = key};
	if (encoded && !uri_decode(a, key, true, &out->key))
		return false;
	if (!clock_parse_rfc3339(xml_child_text(n, "LastModified"), &out->modified))
		out->modified = 0;
	return str_to_u64(xml_child_text(n, "Size"), &out->size);
}

/* Callers rely on the order, the prefix and the start. */
static bool is_next(const struct backend_list *l, struct str last, struct str key)
{
	return str_cmp(key, last) > 0 && str_starts(key, l->prefix);
}

enum err s3_parse_list(struct arena *a, struct str doc, struct backend_list *l, struct error *e)
{
	struct xml_node *root;
	const struct xml_node *first, *n;
	enum err r = xml_parse(doc, a, &root, e);
	struct str last = l->after;
	size_t count = 0;
	bool encoded;

	if (r != ERR_OK || !str_eq(root->name, STR("ListBucketResult")))
		return err_set(e, ERR_PROTOCOL, "LIST: not a ListBucketResult");
	encoded = str_eq(xml_child_text(root, "EncodingType"), STR("url"));
	first = xml_child(root, "Contents");
	for (n = first; n != NULL; n = xml_next(n))
		count++;
	l->items = ARENA_ARRAY(a, struct backend_info, count);
	l->n_items = 0;
	for (n = first; n != NULL; n = xml_next(n)) {
		struct backend_info *item = &l->items[l->n_items++];

		if (!parse_item(a, n, encoded, item) || !is_next(l, last, item->key))
			return err_set(e, ERR_PROTOCOL, "LIST: a malformed or misplaced entry");
		last = item->key;
	}
	l->more = str_eq(xml_child_text(root, "IsTruncated"), STR("true"));
	if (l->more && l->n_items == 0)
		return err_set(e, ERR_PROTOCOL, "LIST: an empty page that is not the last");
	return ERR_OK;
}
