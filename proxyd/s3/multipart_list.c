/* SPDX-License-Identifier: MIT
 *
 * ListParts, and ListMultipartUploads: pages of open uploads by key and age. Several
 * uploads may have the same key, so a page can end between them.
 */
#include <string.h>

#include "base/clock.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/listing.h"
#include "s3proto/xml.h"

static void add_time(struct buf *b, const char *element, int64_t when)
{
	char text[CLOCK_S3_SIZE];
	clock_format_s3(when, text);
	xml_text(b, element, str_of(text));
}

/* What both listings tell about an upload. */
static void add_upload(struct buf *b, const struct store_upload *u)
{
	s3_xml_owner(b, "Initiator");
	s3_xml_owner(b, "Owner");
	xml_text(b, "StorageClass", STR("STANDARD"));
	if (u->algorithm.n) {
		xml_text(b, "ChecksumAlgorithm", u->algorithm);
		xml_text(b, "ChecksumType", u->type);
	}
}

/* The size of a page; absent: the greatest. False: answered. */
static bool parse_max(struct s3_call *c, const char *name, size_t *out)
{
	if (listing_parse_max_keys(uri_query_get(&c->query, str_of(name)), out))
		return true;
	s3_failf(c, S3_INVALID_ARGUMENT, "%s is not a number", name);
	return false;
}

/* --- parts ---------------------------------------------------------------------- */

struct parts_page {
	uint64_t marker; /* numbers behind it are wanted */
	size_t max;
	bool url;
	struct store_upload upload;
	struct store_part *parts;
	size_t n; /* max + 1 when there are more */
};

static bool parse_parts_page(struct s3_call *c, struct parts_page *p)
{
	struct str marker = s3_parameter(c, "part-number-marker");
	if (marker.n && (!str_to_u64(marker, &p->marker) || p->marker > INT32_MAX)) {
		s3_fail(c, S3_INVALID_ARGUMENT,
		        "part-number-marker must be an integer between 0 and 2147483647");
		return false;
	}
	return parse_max(c, "max-parts", &p->max) && s3_encoding_type(c, &p->url);
}

static void add_part(struct buf *b, const struct store_part *part)
{
	xml_open(b, "Part");
	xml_uint(b, "PartNumber", (uint64_t)part->number);
	add_time(b, "LastModified", part->modified);
	s3_xml_etag(b, part->etag);
	xml_uint(b, "Size", part->size);
	s3_xml_checksums(b, part->checksums, part->n_checksums);
	xml_close(b, "Part");
}

static void reply_parts(struct s3_call *c, const struct parts_page *p)
{
	size_t shown = p->n < p->max ? p->n : p->max;
	BUF_AUTO b = {0};
	xml_begin(&b, "ListPartsResult");
	xml_text(&b, "Bucket", c->bucket);
	listing_text(&b, "Key", c->key, p->url);
	xml_text(&b, "UploadId", str_of(p->upload.id));
	add_upload(&b, &p->upload);
	xml_uint(&b, "PartNumberMarker", p->marker);
	xml_uint(&b, "NextPartNumberMarker",
	         shown ? (uint64_t)p->parts[shown - 1].number : p->marker);
	xml_uint(&b, "MaxParts", p->max);
	xml_bool(&b, "IsTruncated", shown && p->n > shown);
	if (p->url)
		xml_text(&b, "EncodingType", STR("url"));
	for (size_t i = 0; i < shown; i++)
		add_part(&b, &p->parts[i]);
	xml_close(&b, "ListPartsResult");
	s3_reply_xml(c, buf_str(&b));
}

void s3_list_parts(struct s3_call *c)
{
	struct store *store = c->server->store;
	struct parts_page p = {0};
	struct error e;
	c->upload.id = s3_parameter(c, "uploadId");
	if (!parse_parts_page(c, &p))
		return;
	enum err r =
		store_upload_find(store, c->bucket, c->key, c->upload.id, c->arena, &p.upload, &e);
	if (r == ERR_OK)
		r = store_parts(store, &p.upload, (int)p.marker, (int)p.max + 1, c->arena, &p.parts,
		                &p.n, &e);
	if (r == ERR_OK)
		reply_parts(c, &p);
	else
		s3_fail_err(c, &e, "Failed to list parts");
}

/* --- uploads -------------------------------------------------------------------- */

struct uploads_page {
	bool url;
	struct str prefix, delimiter, key_marker, id_marker;
	size_t max;
	struct listing listing;
	struct str key, id; /* uploads behind this pair come next */
	struct str entry;   /* the key of the last entry, that others may share */
	struct str last_id; /* of the last entry; empty after a group */
	struct buf uploads; /* Upload elements */
	struct buf groups;  /* CommonPrefixes elements, which come after them */
};

/* Without the id of an upload a marker stands for all uploads of its key. */
static void begin(struct uploads_page *p)
{
	const struct listing *l = &p->listing;
	bool in_group = !str_starts(l->from, p->key_marker) || l->from.n != p->key_marker.n + 1;
	p->key = l->from;
	if (!p->key_marker.n || !p->id_marker.n || in_group)
		return;
	p->key = p->entry = p->key_marker;
	p->id = p->id_marker;
}

static bool parse_uploads_page(struct s3_call *c, struct uploads_page *p)
{
	p->prefix = s3_parameter(c, "prefix");
	p->delimiter = s3_parameter(c, "delimiter");
	p->key_marker = s3_parameter(c, "key-marker");
	p->id_marker = s3_parameter(c, "upload-id-marker");
	if (!parse_max(c, "max-uploads", &p->max) || !s3_encoding_type(c, &p->url) ||
	    !s3_check_text(c, p->prefix) || !s3_check_text(c, p->delimiter) ||
	    !s3_check_text(c, p->key_marker) || !s3_check_text(c, p->id_marker))
		return false;
	listing_init(&p->listing, c->arena, p->prefix, p->delimiter, p->key_marker, true, p->max);
	begin(p);
	return true;
}

static void take_upload(struct uploads_page *p, const struct store_upload *u)
{
	struct buf *b = &p->uploads;
	xml_open(b, "Upload");
	listing_text(b, "Key", u->o.key, p->url);
	xml_text(b, "UploadId", str_of(u->id));
	add_upload(b, u);
	add_time(b, "Initiated", u->created);
	xml_close(b, "Upload");
	p->key = p->entry = u->o.key;
	p->id = p->last_id = str_of(u->id);
}

static void take_group(struct uploads_page *p)
{
	xml_open(&p->groups, "CommonPrefixes");
	listing_text(&p->groups, "Prefix", p->listing.group, p->url);
	xml_close(&p->groups, "CommonPrefixes");
	p->key = p->listing.from;
	p->id = p->last_id = STR_NULL;
}

static void take(struct uploads_page *p, const struct store_upload *u)
{
	enum listing_step step = p->entry.n && str_eq(u->o.key, p->entry)
	                                 ? listing_repeat(&p->listing, u->o.key)
	                                 : listing_feed(&p->listing, u->o.key);
	if (step == LISTING_KEY)
		take_upload(p, u);
	if (step == LISTING_GROUP)
		take_group(p);
}

static enum err fill(struct s3_call *c, struct uploads_page *p, struct error *e)
{
	struct listing *l = &p->listing;
	while (!l->done) {
		struct store_upload *rows;
		size_t n, want = listing_want(l);
		enum err r = store_upload_list(c->server->store, c->bucket, p->prefix, p->key,
		                               p->id, (int)want, c->arena, &rows, &n, e);
		if (r != ERR_OK)
			return r;
		for (size_t i = 0; i < n && !l->done; i++)
			take(p, &rows[i]);
		if (n < want)
			listing_end(l);
	}
	return ERR_OK;
}

static void add_head(const struct uploads_page *p, struct buf *b)
{
	listing_text(b, "KeyMarker", p->key_marker, p->url);
	xml_text(b, "UploadIdMarker", p->id_marker);
	if (p->listing.truncated) {
		listing_text(b, "NextKeyMarker", p->listing.last, p->url);
		xml_text(b, "NextUploadIdMarker", p->last_id);
	}
	listing_text(b, "Prefix", p->prefix, p->url);
	if (p->delimiter.n)
		listing_text(b, "Delimiter", p->delimiter, p->url);
	xml_uint(b, "MaxUploads", p->max);
	xml_bool(b, "IsTruncated", p->listing.truncated);
	if (p->url)
		xml_text(b, "EncodingType", STR("url"));
}

static void reply_uploads(struct s3_call *c, const struct uploads_page *p)
{
	BUF_AUTO b = {0};
	xml_begin(&b, "ListMultipartUploadsResult");
	xml_text(&b, "Bucket", c->bucket);
	add_head(p, &b);
	buf_add_str(&b, buf_str(&p->uploads));
	buf_add_str(&b, buf_str(&p->groups));
	xml_close(&b, "ListMultipartUploadsResult");
	s3_reply_xml(c, buf_str(&b));
}

void s3_list_uploads(struct s3_call *c)
{
	struct uploads_page p = {0};
	struct error e;
	if (!parse_uploads_page(c, &p))
		return;
	if (fill(c, &p, &e) == ERR_OK)
		reply_uploads(c, &p);
	else
		s3_fail_err(c, &e, "Failed to list multipart uploads");
	buf_free(&p.uploads);
	buf_free(&p.groups);
}
