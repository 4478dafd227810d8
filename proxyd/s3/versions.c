/* SPDX-License-Identifier: MIT
 *
 * ListObjectVersions: pages of all versions, delete markers among them, in order of key,
 * the newest first. A page is one query; what it leaves out the database decides
 * (s3o_list_versions).
 */
#include "store/versions.h"

#include "base/clock.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/listing.h"
#include "s3proto/xml.h"

struct page {
	bool url; /* encoding-type=url */
	struct str prefix, delimiter;
	struct str key_marker, version_marker;
	size_t max_keys;
	struct store_listed_version *rows;
	size_t n;
	bool truncated;
};

/* False: answered. */
static bool check_markers(struct s3_call *c, const struct page *p)
{
	if (p->version_marker.n && !p->key_marker.n)
		s3_fail(c, S3_INVALID_ARGUMENT,
		        "A version-id marker cannot be specified without a key marker.");
	else if (p->version_marker.n && !s3_is_version(p->version_marker))
		s3_fail(c, S3_INVALID_ARGUMENT, "Invalid version id specified");
	else
		return true;
	return false;
}

/* False: answered. */
static bool parse(struct s3_call *c, struct page *p)
{
	*p = (struct page){
		.prefix = s3_parameter(c, "prefix"),
		.delimiter = s3_parameter(c, "delimiter"),
		.key_marker = s3_parameter(c, "key-marker"),
		.version_marker = s3_parameter(c, "version-id-marker"),
	};
	if (!listing_parse_max_keys(uri_query_get(&c->query, STR("max-keys")), &p->max_keys)) {
		s3_fail(c, S3_INVALID_ARGUMENT, "max-keys is not a number");
		return false;
	}
	return s3_encoding_type(c, &p->url) && s3_check_text(c, p->prefix) &&
	       s3_check_text(c, p->delimiter) && s3_check_text(c, p->key_marker) &&
	       check_markers(c, p);
}

/* Whether a key was told of as part of a group. */
static bool is_grouped(const struct page *p, struct str key)
{
	return p->delimiter.n && str_starts(key, p->prefix) &&
	       str_find(str_skip(key, p->prefix.n), p->delimiter) >= 0;
}

/* One row more than the page has, to see whether there is another page. */
static enum err read_page(struct s3_call *c, struct page *p, struct error *e)
{
	struct listing l;
	struct str version = STR_NULL;
	listing_init(&l, c->arena, p->prefix, p->delimiter, p->key_marker, true, p->max_keys);
	if (l.done)
		return ERR_OK;
	if (p->version_marker.n && !is_grouped(p, p->key_marker)) {
		l.from = p->key_marker;
		version = p->version_marker;
	}
	enum err r =
		store_list_versions(c->server->store, c->bucket, p->prefix, p->delimiter, l.from,
	                            version, (int)p->max_keys + 1, c->arena, &p->rows, &p->n, e);
	if (r == ERR_OK && p->n > p->max_keys) {
		p->truncated = true;
		p->n = p->max_keys;
	}
	return r;
}

static void add_version(struct buf *b, const struct page *p, const struct store_listed_version *v)
{
	const char *element = v->is_marker ? "DeleteMarker" : "Version";
	char modified[CLOCK_S3_SIZE];
	clock_format_s3(v->modified, modified);
	xml_open(b, element);
	listing_text(b, "Key", v->key, p->url);
	xml_text(b, "VersionId", str_of(v->version_id));
	xml_bool(b, "IsLatest", v->is_latest);
	xml_text(b, "LastModified", str_of(modified));
	if (!v->is_marker) {
		s3_xml_etag(b, v->etag);
		xml_uint(b, "Size", v->size);
		xml_text(b, "StorageClass", STR("STANDARD"));
	}
	s3_xml_owner(b, "Owner");
	xml_close(b, element);
}

static void add_group(struct buf *b, const struct page *p, struct str group)
{
	xml_open(b, "CommonPrefixes");
	listing_text(b, "Prefix", group, p->url);
	xml_close(b, "CommonPrefixes");
}

static void add_head(struct buf *b, const struct page *p)
{
	listing_text(b, "Prefix", p->prefix, p->url);
	listing_text(b, "KeyMarker", p->key_marker, p->url);
	xml_text(b, "VersionIdMarker", p->version_marker);
	if (p->truncated) {
		const struct store_listed_version *last = &p->rows[p->n - 1];
		listing_text(b, "NextKeyMarker", last->key, p->url);
		if (!last->is_group)
			xml_text(b, "NextVersionIdMarker", str_of(last->version_id));
	}
	xml_uint(b, "MaxKeys", p->max_keys);
	if (p->delimiter.n)
		listing_text(b, "Delimiter", p->delimiter, p->url);
	if (p->url)
		xml_text(b, "EncodingType", STR("url"));
	xml_bool(b, "IsTruncated", p->truncated);
}

static void reply_page(struct s3_call *c, const struct page *p)
{
	BUF_AUTO b = {0};
	xml_begin(&b, "ListVersionsResult");
	xml_text(&b, "Name", c->bucket);
	add_head(&b, p);
	for (size_t i = 0; i < p->n; i++)
		if (!p->rows[i].is_group)
			add_version(&b, p, &p->rows[i]);
	for (size_t i = 0; i < p->n; i++)
		if (p->rows[i].is_group)
			add_group(&b, p, p->rows[i].key);
	xml_close(&b, "ListVersionsResult");
	s3_reply_xml(c, buf_str(&b));
}

void s3_list_object_versions(struct s3_call *c)
{
	struct page p;
	struct error e;
	if (!parse(c, &p))
		return;
	if (read_page(c, &p, &e) != ERR_OK) {
		s3_fail_err(c, &e, "Failed to list object versions");
		return;
	}
	c->listed.prefix = p.prefix;
	c->listed.keys = p.n;
	c->listed.truncated = p.truncated;
	reply_page(c, &p);
}
