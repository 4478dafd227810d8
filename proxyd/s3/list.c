/* SPDX-License-Identifier: MIT
 *
 * ListObjects V1 and V2: pages of keys in byte order. Grouping by delimiter is
 * decided in s3proto/listing.c; here keys are fetched for it, without most of those
 * inside groups, and the page is written.
 */
#include "base/clock.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/listing.h"
#include "s3proto/xml.h"

struct page {
	bool v2;
	bool url; /* encoding-type=url */
	bool fetch_owner;
	struct str prefix, delimiter;
	struct str marker; /* V1 marker, V2 start-after: as given */
	struct str token;  /* V2 continuation-token: as given */
	size_t max_keys;
	struct listing listing;
	struct buf contents; /* Contents elements */
	struct buf groups;   /* CommonPrefixes elements, which come after them */
};

/* False: answered. */
static bool parse(struct s3_call *c, struct page *p)
{
	struct str cursor = p->marker = s3_parameter(c, p->v2 ? "start-after" : "marker");
	bool is_cursor = !p->v2;
	p->prefix = s3_parameter(c, "prefix");
	p->delimiter = s3_parameter(c, "delimiter");
	p->fetch_owner = str_eq(s3_parameter(c, "fetch-owner"), STR("true"));
	if (!listing_parse_max_keys(uri_query_get(&c->query, STR("max-keys")), &p->max_keys)) {
		s3_fail(c, S3_INVALID_ARGUMENT, "max-keys is not a number");
		return false;
	}
	const struct uri_param *encoding = uri_query_get(&c->query, STR("encoding-type"));
	p->url = encoding && str_eq_nocase(encoding->value, STR("url"));
	if (encoding && encoding->value.n && !p->url) {
		s3_fail(c, S3_INVALID_ARGUMENT, "Invalid Encoding Method specified in Request");
		return false;
	}
	const struct uri_param *token =
		p->v2 ? uri_query_get(&c->query, STR("continuation-token")) : NULL;
	if (token) {
		p->token = token->value;
		is_cursor = true;
		if (!listing_token_decode(c->arena, token->value, &cursor)) {
			s3_fail(c, S3_INVALID_ARGUMENT,
			        "The continuation token provided is incorrect");
			return false;
		}
	}
	if (!str_is_utf8(p->prefix) || !str_is_utf8(p->delimiter) || !str_is_utf8(cursor) ||
	    str_chr(p->prefix, '\0') >= 0 || str_chr(cursor, '\0') >= 0) {
		s3_fail(c, S3_INVALID_ARGUMENT, "a parameter is not valid UTF-8");
		return false;
	}
	listing_init(&p->listing, c->arena, p->prefix, p->delimiter, cursor, is_cursor,
	             p->max_keys);
	return true;
}

static void add_owner(struct buf *b)
{
	xml_open(b, "Owner");
	xml_text(b, "ID", STR(S3_OWNER));
	xml_text(b, "DisplayName", STR(S3_OWNER));
	xml_close(b, "Owner");
}

static void add_key(struct page *p, const struct store_listed *row)
{
	struct buf *b = &p->contents;
	char modified[CLOCK_S3_SIZE];
	clock_format_s3(row->modified, modified);
	xml_open(b, "Contents");
	listing_text(b, "Key", row->key, p->url);
	xml_text(b, "LastModified", str_of(modified));
	xml_open(b, "ETag");
	buf_printf(b, "&quot;%.*s&quot;", STR_FMT(row->etag));
	xml_close(b, "ETag");
	xml_uint(b, "Size", row->size);
	if (!p->v2 || p->fetch_owner)
		add_owner(b);
	xml_text(b, "StorageClass", STR("STANDARD"));
	xml_close(b, "Contents");
}

static void add_group(struct page *p)
{
	xml_open(&p->groups, "CommonPrefixes");
	listing_text(&p->groups, "Prefix", p->listing.group, p->url);
	xml_close(&p->groups, "CommonPrefixes");
}

/* One query as a rule. When keys and groups alternate, keys of groups that were told
 * already may take the place of others: then another. */
static enum err fill(struct s3_call *c, struct page *p, struct error *e)
{
	struct listing *l = &p->listing;
	while (!l->done) {
		struct store_listed *rows;
		size_t n, want = listing_want(l);
		enum err r = store_list(c->server->store, c->bucket, p->prefix, p->delimiter,
		                        l->from, (int)want, c->arena, &rows, &n, e);
		if (r != ERR_OK)
			return r;
		for (size_t i = 0; i < n && !l->done; i++) {
			enum listing_step step = listing_feed(l, rows[i].key);
			if (step == LISTING_KEY)
				add_key(p, &rows[i]);
			if (step == LISTING_GROUP)
				add_group(p);
		}
		if (n < want)
			listing_end(l);
	}
	return ERR_OK;
}

static void add_head_v1(struct page *p, struct buf *b)
{
	listing_text(b, "Prefix", p->prefix, p->url);
	listing_text(b, "Marker", p->marker, p->url);
	if (p->listing.truncated)
		listing_text(b, "NextMarker", p->listing.last, p->url);
	if (p->delimiter.n)
		listing_text(b, "Delimiter", p->delimiter, p->url);
	xml_uint(b, "MaxKeys", p->max_keys);
	xml_bool(b, "IsTruncated", p->listing.truncated);
}

static void add_head_v2(struct page *p, struct buf *b)
{
	listing_text(b, "Prefix", p->prefix, p->url);
	if (p->delimiter.n)
		listing_text(b, "Delimiter", p->delimiter, p->url);
	xml_uint(b, "MaxKeys", p->max_keys);
	xml_uint(b, "KeyCount", p->listing.count);
	xml_bool(b, "IsTruncated", p->listing.truncated);
	if (p->token.n)
		xml_text(b, "ContinuationToken", p->token);
	if (p->listing.truncated) {
		BUF_AUTO token = {0};
		listing_token_encode(&token, p->listing.last);
		xml_text(b, "NextContinuationToken", buf_str(&token));
	}
	if (p->marker.n)
		listing_text(b, "StartAfter", p->marker, p->url);
}

static void list(struct s3_call *c, bool v2)
{
	struct page p = {.v2 = v2};
	struct error e;
	if (!parse(c, &p))
		return;
	if (fill(c, &p, &e) != ERR_OK) {
		s3_fail_err(c, &e, "Failed to list objects");
	} else {
		BUF_AUTO b = {0};
		c->listed.prefix = p.prefix;
		c->listed.keys = p.listing.count;
		c->listed.truncated = p.listing.truncated;
		xml_begin(&b, "ListBucketResult");
		xml_text(&b, "Name", c->bucket);
		(v2 ? add_head_v2 : add_head_v1)(&p, &b);
		if (p.url)
			xml_text(&b, "EncodingType", STR("url"));
		buf_add_str(&b, buf_str(&p.contents));
		buf_add_str(&b, buf_str(&p.groups));
		xml_close(&b, "ListBucketResult");
		s3_reply_xml(c, buf_str(&b));
	}
	buf_free(&p.contents);
	buf_free(&p.groups);
}

void s3_list_objects_v1(struct s3_call *c)
{
	list(c, false);
}

void s3_list_objects_v2(struct s3_call *c)
{
	list(c, true);
}
