/* SPDX-License-Identifier: MIT
 *
 * Objects as the functions of the database take them, and pairs as JSON objects of
 * strings.
 */
#include "store/expiry.h"
#include "store/store_private.h"

#include <jansson.h>
#include <stdlib.h>
#include "base/buf.h"

static bool set_text(json_t *object, const char *name, struct str value)
{
	return json_object_set_new(object, name, json_stringn(value.p ? value.p : "", value.n)) ==
	       0;
}

/* Absent when empty: then the column is NULL. */
static bool set_optional(json_t *object, const char *name, struct str value)
{
	return !value.n || set_text(object, name, value);
}

static bool set_number(json_t *object, const char *name, uint64_t value)
{
	return json_object_set_new(object, name, json_integer((json_int_t)value)) == 0;
}

static bool add_pair(json_t *object, const struct str_pair *p)
{
	json_t *value = json_stringn(p->value.p ? p->value.p : "", p->value.n);
	return value && json_object_setn_new(object, p->name.p, p->name.n, value) == 0;
}

static bool add_pairs(json_t *object, const struct str_pair *pairs, size_t n)
{
	bool ok = true;
	for (size_t i = 0; i < n && ok; i++)
		ok = add_pair(object, &pairs[i]);
	return ok;
}

static bool set_pairs(json_t *object, const char *name, const struct str_pair *pairs, size_t n)
{
	json_t *inner = json_object();
	bool ok = add_pairs(inner, pairs, n);
	if (n && ok)
		return json_object_set_new(object, name, inner) == 0;
	json_decref(inner);
	return ok;
}

/* Consumes the value. */
static enum err dump(json_t *value, bool ok, struct buf *out, struct error *e)
{
	char *text = ok ? json_dumps(value, JSON_COMPACT) : NULL;
	if (text)
		buf_add_cstr(out, text);
	free(text);
	json_decref(value);
	return text ? ERR_OK : err_set(e, ERR_INVALID, "a metadata value is not UTF-8");
}

enum err json_of_object(const struct store_object *o, struct buf *out, struct error *e)
{
	json_t *j = json_object();
	bool ok = set_number(j, "size_bytes", o->size) && set_text(j, "etag", o->etag) &&
	          set_text(j, "content_type", o->content_type) &&
	          set_pairs(j, "headers", o->headers, o->n_headers) &&
	          set_pairs(j, "metadata", o->metadata, o->n_metadata) &&
	          set_pairs(j, "tags", o->tags, o->n_tags) &&
	          set_pairs(j, "checksums", o->checksums, o->n_checksums) &&
	          set_optional(j, "content_hash", o->sha256) && set_optional(j, "acl", o->acl) &&
	          (!o->parts || set_number(j, "parts", (uint64_t)o->parts));
	return dump(j, ok, out, e);
}

enum err json_of_upload(const struct store_upload *u, struct buf *out, struct error *e)
{
	const struct store_object *o = &u->o;
	json_t *j = json_object();
	bool ok = set_text(j, "content_type", o->content_type) &&
	          set_pairs(j, "headers", o->headers, o->n_headers) &&
	          set_pairs(j, "metadata", o->metadata, o->n_metadata) &&
	          set_pairs(j, "tags", o->tags, o->n_tags) && set_optional(j, "acl", o->acl) &&
	          set_optional(j, "checksum_algorithm", u->algorithm) &&
	          set_optional(j, "checksum_type", u->type) && set_optional(j, "owner", u->owner);
	return dump(j, ok, out, e);
}

/* NULL when something is not UTF-8. */
static json_t *segment(const struct store_new_segment *s)
{
	json_t *j = json_object(), *intents = json_array();
	for (size_t i = 0; i < s->n_intents; i++)
		json_array_append_new(intents, json_string(s->intents[i].id));
	bool ok = json_object_set_new(j, "intents", intents) == 0 &&
	          set_number(j, "size_bytes", s->size) && set_text(j, "etag", s->etag) &&
	          set_optional(j, "content_hash", s->sha256) &&
	          set_pairs(j, "checksums", s->checksums, s->n_checksums) &&
	          (!s->part || set_number(j, "part_number", (uint64_t)s->part));
	if (!ok)
		json_decref(j);
	return ok ? j : NULL;
}

enum err json_of_segments(const struct store_new_segment *s, size_t n, struct buf *out,
                          struct error *e)
{
	json_t *array = json_array();
	bool ok = true;
	for (size_t i = 0; i < n && ok; i++)
		ok = json_array_append_new(array, segment(&s[i])) == 0;
	return dump(array, ok, out, e);
}

enum err json_of_segment(const struct store_new_segment *s, struct buf *out, struct error *e)
{
	json_t *j = segment(s);
	return dump(j, j != NULL, out, e);
}

enum err json_of_deletions(const struct store_deletion *items, const size_t *which, size_t n,
                           struct buf *out, struct error *e)
{
	json_t *array = json_array();
	bool ok = true;
	for (size_t i = 0; i < n && ok; i++) {
		const struct store_deletion *d = &items[which[i]];
		json_t *j = json_object();
		ok = set_text(j, "name", d->key) && set_text(j, "version", d->version) &&
		     set_text(j, "generation", str_of(d->generation)) &&
		     set_text(j, "if_match", d->if_match) &&
		     set_text(j, "marker", str_of(d->marker));
		if (ok && d->seen) {
			json_t *tags = json_object();
			ok = add_pairs(tags, d->seen->tags, d->seen->n_tags) &&
			     json_object_set(j, "tags", tags) == 0;
			json_decref(tags);
		}
		json_array_append_new(array, j);
	}
	return dump(array, ok, out, e);
}

enum err json_of_pairs(const struct str_pair *pairs, size_t n, struct buf *out, struct error *e)
{
	json_t *object = json_object();
	return dump(object, add_pairs(object, pairs, n), out, e);
}

void json_to_pairs(struct arena *a, struct str json, struct str_pair **out, size_t *n)
{
	json_t *object = json_loadb(json.p, json.n, 0, NULL);
	const char *name;
	json_t *value;
	*out = ARENA_ARRAY(a, struct str_pair, json_object_size(object));
	*n = 0;
	json_object_foreach(object, name, value) if (json_is_string(value))(*out)[(*n)++] =
		(struct str_pair){
			arena_dup(a, str_of(name)),
			arena_dup(a, str_n(json_string_value(value), json_string_length(value)))};
	json_decref(object);
}
