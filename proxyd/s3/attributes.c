/* SPDX-License-Identifier: MIT
 *
 * GetObjectAttributes: what the catalogue knows about an object, as one document; the
 * client names what it wants in x-amz-object-attributes.
 */
#include <string.h>

#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/listing.h"
#include "s3proto/xml.h"

enum attribute { ETAG, CHECKSUM, OBJECT_PARTS, STORAGE_CLASS, OBJECT_SIZE, ATTRIBUTES };

static const char *const names[] = {
	[ETAG] = "ETag",
	[CHECKSUM] = "Checksum",
	[OBJECT_PARTS] = "ObjectParts",
	[STORAGE_CLASS] = "StorageClass",
	[OBJECT_SIZE] = "ObjectSize",
};

struct wanted {
	bool attributes[ATTRIBUTES];
	uint64_t marker; /* parts with greater numbers are wanted */
	size_t max;
	struct store_part *parts;
	size_t n; /* max + 1 when there are more */
};

static bool add_names(struct wanted *w, struct str list)
{
	while (list.n) {
		struct str name = str_trim(str_cut(list, ',', &list));
		int i = 0;
		while (i < ATTRIBUTES && !str_eq(name, str_of(names[i])))
			i++;
		if (i == ATTRIBUTES)
			return false;
		w->attributes[i] = true;
	}
	return true;
}

/* SDKs send one field for each name, or one with all. False: answered. */
static bool parse_names(struct s3_call *c, struct wanted *w)
{
	const struct http_head *h = &c->http->head;
	bool any = false, known = true;
	for (size_t i = 0; i < h->n_fields; i++) {
		if (!str_eq_nocase(h->fields[i].name, STR("x-amz-object-attributes")))
			continue;
		any = any || h->fields[i].value.n > 0;
		known = known && add_names(w, h->fields[i].value);
	}
	if (any && known)
		return true;
	s3_fail(c, S3_INVALID_ARGUMENT,
	        "x-amz-object-attributes must name some of ETag, Checksum, ObjectParts, "
	        "StorageClass, ObjectSize");
	return false;
}

static bool parse(struct s3_call *c, struct wanted *w)
{
	const struct http_head *h = &c->http->head;
	struct str marker = http_head_value(h, STR("x-amz-part-number-marker"));
	struct str max = http_head_value(h, STR("x-amz-max-parts"));
	const struct uri_param page = {.value = max};
	if (marker.n && (!str_to_u64(marker, &w->marker) || w->marker > INT32_MAX))
		s3_fail(c, S3_INVALID_ARGUMENT, "x-amz-part-number-marker is not a number");
	else if (!listing_parse_max_keys(&page, &w->max))
		s3_fail(c, S3_INVALID_ARGUMENT, "x-amz-max-parts is not a number");
	else
		return parse_names(c, w);
	return false;
}

/* S3 leaves out the number of parts behind a composite value, in this operation only. */
static void add_checksum(struct buf *b, const struct store_object *o)
{
	if (!o->n_checksums)
		return;
	xml_open(b, "Checksum");
	for (size_t i = 0; i < o->n_checksums; i++) {
		struct str n_parts, value = str_cut(o->checksums[i].value, '-', &n_parts);
		s3_xml_checksums(b, &(struct str_pair){o->checksums[i].name, value}, 1);
	}
	xml_text(b, "ChecksumType", str_of(s3_checksum_type(o->checksums, o->n_checksums)));
	xml_close(b, "Checksum");
}

static void add_part(struct buf *b, const struct store_part *part)
{
	xml_open(b, "Part");
	s3_xml_checksums(b, part->checksums, part->n_checksums);
	xml_uint(b, "PartNumber", (uint64_t)part->number);
	xml_uint(b, "Size", part->size);
	xml_close(b, "Part");
}

static void add_parts(struct buf *b, const struct wanted *w, const struct store_object *o)
{
	size_t shown = w->n < w->max ? w->n : w->max;
	xml_open(b, "ObjectParts");
	xml_bool(b, "IsTruncated", shown && w->n > shown);
	xml_uint(b, "MaxParts", w->max);
	xml_uint(b, "NextPartNumberMarker",
	         shown ? (uint64_t)w->parts[shown - 1].number : w->marker);
	xml_uint(b, "PartNumberMarker", w->marker);
	for (size_t i = 0; i < shown; i++)
		add_part(b, &w->parts[i]);
	xml_uint(b, "PartsCount", (uint64_t)o->parts);
	xml_close(b, "ObjectParts");
}

static void reply(struct s3_call *c, const struct wanted *w, const struct store_version *v)
{
	BUF_AUTO b = {0};
	xml_begin(&b, "GetObjectAttributesResponse");
	if (w->attributes[ETAG])
		xml_text(&b, "ETag", v->o.etag); /* without quotes, as in S3 */
	if (w->attributes[CHECKSUM])
		add_checksum(&b, &v->o);
	if (w->attributes[OBJECT_PARTS] && v->o.parts)
		add_parts(&b, w, &v->o);
	if (w->attributes[STORAGE_CLASS])
		xml_text(&b, "StorageClass", STR("STANDARD"));
	if (w->attributes[OBJECT_SIZE])
		xml_uint(&b, "ObjectSize", v->o.size);
	xml_close(&b, "GetObjectAttributesResponse");
	s3_reply_modified(c, v);
	s3_reply_xml(c, buf_str(&b));
}

void s3_get_object_attributes(struct s3_call *c)
{
	struct store *store = c->server->store;
	struct wanted w = {0};
	struct store_version v;
	struct str version;
	struct error e;
	if (!s3_version(c, &version) || !parse(c, &w))
		return;
	if (store_find(store, c->bucket, c->key, version, c->arena, &v, &e) != ERR_OK)
		s3_fail_find(c, &v, version, &e, "Failed to retrieve object metadata");
	else if (w.attributes[OBJECT_PARTS] && v.o.parts &&
	         store_segments(store, &v.o, (int)w.marker, (int)w.max + 1, c->arena, &w.parts,
	                        &w.n, &e) != ERR_OK)
		s3_fail_err(c, &e, "Failed to retrieve object metadata");
	else
		reply(c, &w, &v);
}
