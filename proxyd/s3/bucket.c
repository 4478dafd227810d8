/* SPDX-License-Identifier: MIT
 *
 * Buckets as a whole. Some come from the configuration, and are removed there; a
 * credential that may (create_buckets) creates others, which belong to its access key.
 */
#include "base/clock.h"
#include "config/config.h"
#include "proxyd/board.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/bucket_name.h"
#include "s3proto/document.h"
#include "s3proto/listing.h"
#include "s3proto/tagging.h"
#include "store/buckets.h"

#define MAX_BUCKETS  10000 /* of a page, as in S3 */
#define DOCUMENT_MAX (64 * 1024)

/* --- listing ------------------------------------------------------------------ */

struct page {
	struct str prefix;
	struct str after; /* the last bucket of the page before */
	uint64_t max;
	bool regions; /* are told, as in S3 when there is any parameter */
};

/* False: answered. */
static bool parse_page(struct s3_call *c, struct page *p)
{
	struct str max = s3_parameter(c, "max-buckets");
	struct str region = s3_parameter(c, "bucket-region");
	struct str token = s3_parameter(c, "continuation-token");
	struct str prefix = s3_parameter(c, "prefix");
	*p = (struct page){.prefix = prefix,
	                   .max = MAX_BUCKETS,
	                   .regions = max.n || region.n || token.n || prefix.n};
	if (max.n && (!str_to_u64(max, &p->max) || p->max < 1 || p->max > MAX_BUCKETS))
		s3_fail(c, S3_INVALID_ARGUMENT, "max-buckets must be between 1 and 10000");
	else if (token.n && !listing_token_decode(c->arena, token, &p->after))
		s3_fail(c, S3_INVALID_ARGUMENT, "The continuation token provided is incorrect");
	else if (region.n && !str_eq(region, STR(S3_REGION)))
		s3_fail(c, S3_INVALID_ARGUMENT, "all buckets are in " S3_REGION);
	else
		return true;
	return false;
}

/* What has been created while running may have become one of the configuration since:
 * then it belongs to that. */
static bool is_on_page(const struct s3_call *c, const struct page *p, struct str name)
{
	const struct config_bucket *configured = config_bucket(c->server->config, name);
	return (!configured || configured == c->allowed) && str_starts(name, p->prefix) &&
	       str_cmp(name, p->after) > 0;
}

static void add_bucket(struct buf *b, const struct store_bucket *bucket, bool region)
{
	char created[CLOCK_S3_SIZE];
	clock_format_s3(bucket->created, created);
	xml_open(b, "Bucket");
	xml_text(b, "Name", bucket->name);
	xml_text(b, "CreationDate", str_of(created));
	if (region)
		xml_text(b, "BucketRegion", STR(S3_REGION));
	xml_close(b, "Bucket");
}

static void reply_page(struct s3_call *c, const struct page *p, const struct store_bucket *list,
                       size_t n)
{
	const struct store_bucket *last = NULL;
	uint64_t count = 0;
	bool more = false;
	BUF_AUTO b = {0};
	xml_begin(&b, "ListAllMyBucketsResult");
	s3_xml_owner(&b, "Owner");
	xml_open(&b, "Buckets");
	for (size_t i = 0; i < n && !more; i++) {
		if (!is_on_page(c, p, list[i].name))
			continue;
		more = count == p->max;
		if (!more) {
			add_bucket(&b, &list[i], p->regions);
			last = &list[i];
			count++;
		}
	}
	xml_close(&b, "Buckets");
	if (p->prefix.n)
		xml_text(&b, "Prefix", p->prefix);
	if (more) {
		BUF_AUTO token = {0};
		listing_token_encode(&token, last->name);
		xml_text(&b, "ContinuationToken", buf_str(&token));
	}
	xml_close(&b, "ListAllMyBucketsResult");
	s3_reply_xml(c, buf_str(&b));
}

void s3_list_buckets(struct s3_call *c)
{
	struct store_bucket *list;
	struct page p;
	struct error e;
	size_t n;
	if (!parse_page(c, &p))
		return;
	/* Few enough to be cut into pages here. */
	if (store_bucket_list(c->server->store, str_of(c->credential->access_key_id),
	                      str_of(c->allowed->name), c->arena, &list, &n, &e) != ERR_OK)
		s3_fail_err(c, &e, NULL);
	else
		reply_page(c, &p, list, n);
}

/* --- creating ------------------------------------------------------------------- */

/* A client need not send one. False: answered. */
static bool receive_configuration(struct s3_call *c, struct str *doc)
{
	*doc = STR_NULL;
	return (!http_head_get(&c->http->head, STR("content-length")) &&
	        !http_head_get(&c->http->head, STR("transfer-encoding"))) ||
	       s3_receive_document(c, DOCUMENT_MAX, doc);
}

/* What a bucket is to be like. */
struct wishes {
	struct str location;
	struct str_pair settings[3]; /* tags, ownership, ACL, as they are kept (setting.c) */
	size_t n;
};

static void add_wish(struct wishes *w, const char *name, struct str value)
{
	w->settings[w->n++] = (struct str_pair){str_of(name), value};
}

static bool read_tags(struct s3_call *c, struct document *d, struct wishes *w)
{
	const struct xml_node *tags = xml_child(d->root, "Tags");
	struct tagging t;
	BUF_AUTO b = {0};
	if (!tags)
		return true;
	if (!tagging_read_set(d, tags, TAGGING_BUCKET, &t))
		return false;
	if (t.n) {
		tagging_write(&b, &t);
		add_wish(w, "tagging", arena_dup(c->arena, buf_str(&b)));
	}
	return true;
}

/* False: answered. */
static bool parse_configuration(struct s3_call *c, struct str doc, struct wishes *w)
{
	static const char *const names[] = {"LocationConstraint", "Tags", NULL};
	static const char *const unsupported[] = {"Location", "Bucket", NULL};
	struct document d;
	if (!doc.n)
		return true;
	if (document_read(&d, doc, "CreateBucketConfiguration", c->arena) &&
	    document_allow(&d, d.root, names, NULL, unsupported) && read_tags(c, &d, w)) {
		w->location = xml_child_text(d.root, "LocationConstraint");
		return true;
	}
	s3_fail(c, d.error, d.why);
	return false;
}

/* Who may publish without having ACLs enabled would publish nothing. False: answered. */
static bool parse_fields(struct s3_call *c, struct wishes *w)
{
	struct str ownership = http_head_value(&c->http->head, STR("x-amz-object-ownership"));
	struct str acl = http_head_value(&c->http->head, STR("x-amz-acl"));
	bool is_public = str_eq_nocase(acl, STR("public-read"));
	if (ownership.n && !s3_is_ownership(ownership)) {
		s3_fail(c, S3_INVALID_ARGUMENT, "Invalid x-amz-object-ownership header");
		return false;
	}
	if (is_public && (!ownership.n || str_eq(ownership, STR("BucketOwnerEnforced")))) {
		s3_fail(c, S3_ACL_WITH_OWNERSHIP, NULL);
		return false;
	}
	if (ownership.n)
		add_wish(w, "ownershipControls", ownership);
	if (acl.n)
		add_wish(w, "acl", is_public ? STR("public-read") : STR("private"));
	return true;
}

static bool parse_wishes(struct s3_call *c, struct str doc, struct wishes *w)
{
	*w = (struct wishes){0};
	return parse_configuration(c, doc, w) && parse_fields(c, w);
}

/* Clients that are set up for another region sign for it, and ask for it here. False:
 * answered. */
static bool check_location(struct s3_call *c, struct str location)
{
	if (!location.n || str_eq(location, STR(S3_REGION)) || str_eq(location, c->auth.region))
		return true;
	s3_failf(c, S3_ILLEGAL_LOCATION,
	         "The %.*s location constraint is incompatible with this endpoint, which is "
	         "in " S3_REGION,
	         STR_FMT(location));
	return false;
}

static void reply_created(struct s3_call *c)
{
	http_reply_fieldf(c->http, "Location", "/%.*s", STR_FMT(c->bucket));
	http_reply(c->http, 200, STR_NULL);
}

static void create(struct s3_call *c, struct str owner, const struct wishes *w)
{
	struct error e;
	switch (store_bucket_create(c->server->store, c->bucket, owner, w->settings, w->n, &e)) {
	case ERR_OK:
		reply_created(c);
		break;
	case ERR_CONFLICT:
		s3_fail(c, S3_BUCKET_ALREADY_EXISTS, NULL);
		break;
	case ERR_PRECONDITION:
		s3_fail(c, S3_BUCKET_ALREADY_OWNED, NULL);
		break;
	case ERR_BUSY:
		s3_failf(c, S3_TOO_MANY_BUCKETS, "An access key may have %d buckets",
		         STORE_BUCKETS_MAX);
		break;
	default:
		s3_fail_err(c, &e, NULL);
	}
}

/* A bucket of the configuration is there already. */
static void make_sure(struct s3_call *c, struct str doc)
{
	struct wishes w;
	if (!parse_wishes(c, doc, &w))
		return;
	if (w.n)
		create(c, STR(""), &w);
	else
		reply_created(c);
}

/* Clients make sure of their bucket before they write: for one's own this is no error, if
 * it is what they ask for. */
void s3_create_bucket(struct s3_call *c)
{
	const struct config_bucket *configured = config_bucket(c->server->config, c->bucket);
	const char *fault = bucket_name_fault(c->bucket);
	struct wishes w;
	struct str doc;
	if (!receive_configuration(c, &doc))
		return;
	if (configured == c->allowed)
		make_sure(c, doc);
	else if (!c->credential->create_buckets)
		s3_fail(c, S3_ACCESS_DENIED,
		        "This credential may not create buckets: create_buckets is not set for it "
		        "in the configuration");
	else if (configured)
		s3_fail(c, S3_BUCKET_ALREADY_EXISTS, NULL);
	else if (fault)
		s3_fail(c, S3_INVALID_BUCKET_NAME, fault);
	else if (config_is_reserved(c->server->config, c->bucket))
		s3_fail(c, S3_INVALID_BUCKET_NAME, "This name is reserved");
	else if (parse_wishes(c, doc, &w) && check_location(c, w.location))
		create(c, str_of(c->credential->access_key_id), &w);
}

/* --- the others ------------------------------------------------------------------ */

void s3_delete_bucket(struct s3_call *c)
{
	struct error e;
	if (config_bucket(c->server->config, c->bucket)) {
		s3_fail_method(c, NULL, "buckets of the configuration are removed there");
		return;
	}
	switch (store_bucket_delete(c->server->store, c->bucket,
	                            str_of(c->credential->access_key_id), &e)) {
	case ERR_OK:
		http_reply(c->http, 204, STR_NULL);
		break;
	case ERR_CONFLICT:
		s3_fail(c, S3_BUCKET_NOT_EMPTY, NULL);
		break;
	default:
		s3_fail_err(c, &e, NULL);
	}
}

void s3_head_bucket(struct s3_call *c)
{
	http_reply_field(c->http, "Content-Type", STR("application/xml"));
	http_reply_field(c->http, "x-amz-bucket-region", STR(S3_REGION));
	http_reply(c->http, 200, STR_NULL);
}

/* An empty constraint means us-east-1. */
void s3_get_bucket_location(struct s3_call *c)
{
	BUF_AUTO b = {0};
	xml_begin(&b, "LocationConstraint");
	xml_close(&b, "LocationConstraint");
	s3_reply_xml(c, buf_str(&b));
}
