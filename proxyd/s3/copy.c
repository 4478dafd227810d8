/* SPDX-License-Identifier: MIT
 *
 * CopyObject and UploadPartCopy. A copy may take long, so both answer slowly (see
 * s3_answer_slowly()): all that follows runs in the task of that.
 */
#include "base/clock.h"
#include "config/config.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/precondition.h"
#include "s3proto/range.h"
#include "s3proto/xml.h"

static struct str field(const struct s3_call *c, const char *name)
{
	return http_head_value(&c->http->head, str_of(name));
}

/* --- the source --------------------------------------------------------------- */

static bool fail_source(struct s3_call *c, enum path_result r)
{
	switch (r) {
	case PATH_KEY_TOO_LONG:
		s3_fail(c, S3_KEY_TOO_LONG, NULL);
		break;
	case PATH_BAD_ESCAPE:
	case PATH_BAD_TEXT:
		s3_fail(c, S3_INVALID_ARGUMENT, "Invalid x-amz-copy-source encoding");
		break;
	case PATH_BAD_VERSION:
		s3_fail(c, S3_INVALID_ARGUMENT, "Invalid version id specified");
		break;
	default:
		s3_fail(c, S3_INVALID_ARGUMENT, "Invalid x-amz-copy-source");
	}
	return false;
}

/* Which version is to be copied. False: answered. */
static bool parse_source(struct s3_call *c, struct s3_lookup *l)
{
	struct path path;
	enum path_result r = path_split_copy_source(c->arena, field(c, "x-amz-copy-source"), &path);
	if (r != PATH_OK)
		return fail_source(c, r);
	if (!s3_check_version(c, path.version) || !s3_may_read_bucket(c, path.bucket))
		return false;
	*l = (struct s3_lookup){.bucket = path.bucket, .key = path.key, .version = path.version};
	c->source.bucket = path.bucket;
	c->source.key = path.key;
	return true;
}

/* Whose bucket it is is asked again: since then it may have become somebody else's, with
 * what was found. False: answered. */
static bool source_holds(struct s3_call *c, const struct s3_lookup *l)
{
	const struct store_version *v = &l->found;
	if (!s3_may_read_bucket(c, l->bucket))
		return false;
	if (precondition_check(&c->http->head, PRECONDITION_COPY_SOURCE, v->o.etag, v->modified) ==
	    PRECONDITION_PROCEED)
		return true;
	s3_fail(c, S3_PRECONDITION_FAILED, NULL);
	return false;
}

/* --- the answer ---------------------------------------------------------------- */

static void begin_result(struct buf *b, const char *root, int64_t modified, struct str etag)
{
	char time[CLOCK_S3_SIZE];
	clock_format_s3(modified, time);
	xml_begin(b, root);
	xml_text(b, "LastModified", str_of(time));
	s3_xml_etag(b, etag);
}

static void reply_source_version(struct s3_call *c, const struct store_version *v)
{
	if (v->version_id[0])
		http_reply_field(c->http, "x-amz-copy-source-version-id", str_of(v->version_id));
}

/* --- CopyObject ------------------------------------------------------------------ */

/* What the request wants to be as in the source, and what not. */
struct directives {
	bool metadata, tags;      /* are replaced, by those of: */
	struct store_object told; /* headers, type, metadata and tags of the request */
	int checksum;             /* enum checksum_kind that is asked for, or -1 */
};

/* *replaced: REPLACE instead of COPY. False: answered. */
static bool parse_directive(struct s3_call *c, const char *name, const char *unknown,
                            bool *replaced)
{
	struct str value = field(c, name);
	*replaced = str_eq(value, STR("REPLACE"));
	if (*replaced || !value.n || str_eq(value, STR("COPY")))
		return true;
	s3_fail(c, S3_INVALID_ARGUMENT, unknown);
	return false;
}

static bool parse_checksum(struct s3_call *c, int *out)
{
	struct str name = field(c, "x-amz-checksum-algorithm");
	enum checksum_kind k;
	*out = -1;
	if (!name.n)
		return true;
	if (!checksum_of_name(name, &k)) {
		s3_failf(c, S3_INVALID_REQUEST, "Checksum algorithm %.*s is not supported",
		         (int)(name.n < 50 ? name.n : 50), name.p);
		return false;
	}
	*out = (int)k;
	return true;
}

/* False: answered. */
static bool parse_directives(struct s3_call *c, struct directives *d)
{
	*d = (struct directives){0};
	return parse_directive(c, "x-amz-metadata-directive", "Unknown metadata directive.",
	                       &d->metadata) &&
	       parse_directive(c, "x-amz-tagging-directive", "Unknown tagging directive.",
	                       &d->tags) &&
	       (!d->metadata || s3_metadata(c, &d->told)) && (!d->tags || s3_tags(c, &d->told)) &&
	       s3_canned_acl(c, &d->told) && parse_checksum(c, &d->checksum);
}

/* An object in the place of itself must differ in something. False: answered. */
static bool changes_something(struct s3_call *c, const struct s3_lookup *l,
                              const struct directives *d)
{
	if (!str_eq(l->bucket, c->bucket) || !str_eq(l->key, c->key) || l->version.n ||
	    d->metadata || d->checksum >= 0 || field(c, "x-amz-storage-class").n ||
	    field(c, "x-amz-server-side-encryption").n)
		return true;
	s3_fail(c, S3_INVALID_REQUEST,
	        "This copy request is illegal because it is trying to copy an object to itself "
	        "without changing the object's metadata, storage class, website redirect "
	        "location or encryption attributes.");
	return false;
}

static void describe(const struct directives *d, const struct store_object *from,
                     struct store_object *to)
{
	const struct store_object *o = d->metadata ? &d->told : from;
	to->content_type = o->content_type;
	to->headers = o->headers;
	to->n_headers = o->n_headers;
	to->metadata = o->metadata;
	to->n_metadata = o->n_metadata;
	o = d->tags ? &d->told : from;
	to->tags = o->tags;
	to->n_tags = o->n_tags;
	to->acl = d->told.acl;
}

/* The checksum that has to be made: none if it is there. One that is made of those of
 * parts is not that of the object. */
static int missing_checksum(const struct directives *d, const struct store_object *from)
{
	if (d->checksum < 0)
		return -1;
	enum checksum_kind k = (enum checksum_kind)d->checksum;
	for (size_t i = 0; i < from->n_checksums; i++)
		if (str_eq(from->checksums[i].name, str_of(checksum_name(k))) &&
		    str_chr(from->checksums[i].value, '-') < 0)
			return -1;
	return d->checksum;
}

static void reply_copy(struct s3_call *c, const struct engine_copy *copy)
{
	const struct store_object *o = &copy->object;
	BUF_AUTO b = {0};
	begin_result(&b, "CopyObjectResult", copy->written.modified, o->etag);
	s3_xml_checksums(&b, o->checksums, o->n_checksums);
	if (o->n_checksums)
		xml_text(&b, "ChecksumType",
		         str_of(s3_checksum_type(o->checksums, o->n_checksums)));
	xml_close(&b, "CopyObjectResult");
	c->backend = copy->backend;
	c->source.backend = copy->source_backend;
	c->size = o->size;
	s3_reply_version(c, copy->written.version_id);
	s3_reply_xml(c, buf_str(&b));
}

/* True when the source could not be read: `e` says why. Else answered. */
static bool try_copy(struct s3_call *c, const struct s3_lookup *l, const struct directives *d,
                     const struct store_conditions *cond, struct error *e)
{
	struct engine_copy copy = {
		.source = &l->found,
		.object = {.bucket = c->bucket, .bucket_owner = c->owner, .key = c->key},
		.conditions = *cond,
		.checksum = missing_checksum(d, &l->found.o),
		.request_id = c->request_id,
	};
	describe(d, &l->found.o, &copy.object);
	enum err r = engine_copy(c->server->engine, c->arena, &copy, e);
	if (r == ERR_OK) {
		reply_source_version(c, &l->found);
		reply_copy(c, &copy);
	} else if (copy.source_failed && r != ERR_CANCELED) {
		return true;
	} else {
		s3_fail_err(c, e, "Failed to copy object");
	}
	return false;
}

static void copy_object(struct s3_call *c)
{
	struct store_conditions cond = {0};
	struct directives d;
	struct s3_lookup l;
	struct error failure;
	if (!parse_source(c, &l) || !parse_directives(c, &d) || !changes_something(c, &l, &d) ||
	    !s3_conditions(c, &cond) || !s3_conditions_hold(c, &cond))
		return;
	while (s3_look_up(c, &l, &failure, "Failed to copy object"))
		if (!source_holds(c, &l) || !try_copy(c, &l, &d, &cond, &failure))
			return;
}

void s3_copy_object(struct s3_call *c)
{
	s3_answer_slowly(c, copy_object);
}

/* --- UploadPartCopy ----------------------------------------------------------------- */

/* Which bytes become which part of which upload. */
struct part_request {
	struct store_upload upload;
	const struct str *range; /* NULL: all */
	struct store_wanted wanted;
	struct s3_lookup source;
};

/* Only the segments of the range are looked up. */
static void parse_wanted(struct s3_call *c, struct part_request *p)
{
	p->range = http_head_get(&c->http->head, STR("x-amz-copy-source-range"));
	if (p->range && range_bounds(p->range, &p->wanted.first, &p->wanted.last))
		p->source.wanted = &p->wanted;
}

static bool find_upload(struct s3_call *c, struct part_request *p)
{
	struct error e;
	if (store_upload_find(c->server->store, c->bucket, c->key, c->upload.id, c->arena,
	                      &p->upload, &e) == ERR_OK)
		return true;
	s3_fail_err(c, &e, "Failed to upload part");
	return false;
}

/* False: answered. */
static bool select_bytes(struct s3_call *c, const struct part_request *p, uint64_t size,
                         struct engine_part_copy *copy)
{
	struct range r;
	copy->first = 0;
	copy->size = size;
	switch (p->range ? range_parse_copy(*p->range, size, &r) : RANGE_PART) {
	case RANGE_WHOLE:
		s3_fail(c, S3_INVALID_ARGUMENT,
		        "The x-amz-copy-source-range value must be of the form bytes=first-last "
		        "where first and last are the zero-based offsets of the first and last "
		        "bytes to copy");
		return false;
	case RANGE_UNSATISFIABLE:
		s3_failf(c, S3_INVALID_ARGUMENT,
		         "Range specified is not valid for source object of size: %llu",
		         (unsigned long long)size);
		return false;
	default:
		if (p->range) {
			copy->first = r.first;
			copy->size = r.last - r.first + 1;
		}
	}
	if (copy->size <= c->server->config->server.max_object_size)
		return true;
	s3_fail(c, S3_ENTITY_TOO_LARGE, "Part size exceeds the maximum allowed size");
	return false;
}

static int upload_checksum(const struct store_upload *u)
{
	enum checksum_kind k;
	return checksum_of_name(u->algorithm, &k) ? (int)k : -1;
}

static void reply_part(struct s3_call *c, const struct engine_part_copy *copy)
{
	const struct store_part *part = &copy->part.part;
	BUF_AUTO b = {0};
	begin_result(&b, "CopyPartResult", copy->part.modified, part->etag);
	s3_xml_checksums(&b, part->checksums, part->n_checksums);
	xml_close(&b, "CopyPartResult");
	c->backend = copy->part.backend;
	c->source.backend = copy->source_backend;
	c->size = copy->size;
	s3_reply_xml(c, buf_str(&b));
}

/* As try_copy(). */
static bool try_part(struct s3_call *c, const struct part_request *p, struct error *e)
{
	const struct store_version *v = &p->source.found;
	struct engine_part_copy copy = {
		.part = {.upload = &p->upload,
	                 .part = {.number = c->upload.part},
	                 .request_id = c->request_id},
		.source = v,
		.checksum = upload_checksum(&p->upload),
	};
	if (!select_bytes(c, p, v->o.size, &copy))
		return false;
	enum err r = engine_copy_part(c->server->engine, c->arena, &copy, e);
	if (r == ERR_OK) {
		reply_source_version(c, v);
		reply_part(c, &copy);
	} else if (copy.source_failed && r != ERR_CANCELED) {
		return true;
	} else {
		s3_fail_err(c, e, "Failed to upload part");
	}
	return false;
}

static void upload_part_copy(struct s3_call *c)
{
	struct part_request p = {0};
	struct error failure;
	c->upload.id = s3_parameter(c, "uploadId");
	if (!s3_part_number(c, &c->upload.part) || !parse_source(c, &p.source) ||
	    !find_upload(c, &p))
		return;
	parse_wanted(c, &p);
	while (s3_look_up(c, &p.source, &failure, "Failed to upload part"))
		if (!source_holds(c, &p.source) || !try_part(c, &p, &failure))
			return;
}

void s3_upload_part_copy(struct s3_call *c)
{
	s3_answer_slowly(c, upload_part_copy);
}
