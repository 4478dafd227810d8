/* SPDX-License-Identifier: MIT
 *
 * Objects and buckets in the admin API. What is asked of the database is bounded: a page of
 * an object's segments or a bucket's keys, and of each bucket only so many keys are counted.
 */
#include "base/clock.h"
#include "config/config.h"
#include "ctl/catalogue_private.h"
#include "net/http_server.h"
#include "s3proto/listing.h"
#include "store/inspect.h"

/* Keys of a page unless a limit is given. Each costs some look-ups. */
#define PAGE_KEYS 200
/* Segments of an object in one answer unless a limit is given. */
#define PAGE_SEGMENTS 500

/* For all buckets together; when it is over, further ones are not counted. */
#define COUNTING_TIME (2 * CLOCK_SEC)
/* Buckets that are asked for in one statement. */
#define BUCKETS_BATCH 500

/* --- one object -------------------------------------------------------------- */

static json_t *location_json(struct str key, const struct store_location *l)
{
	json_t *o = json_pack("{s:s%}", "ObjectKey", key.p, key.n);
	bool there = l->copy.backend.n > 0;

	json_object_set_new(o, "Part", json_integer(l->number));
	json_object_set_new(o, "BackendName", admin_text(l->copy.backend));
	json_object_set_new(o, "BackendKey", admin_text(l->copy.backend_key));
	json_object_set_new(o, "SizeBytes",
	                    there ? json_integer((json_int_t)l->copy.size) : json_null());
	json_object_set_new(o, "CreatedAt", admin_time(l->created));
	json_object_set_new(o, "Encrypted", json_boolean(l->encrypted));
	json_object_set_new(o, "KeyID", admin_text(l->key_id));
	catalogue_set_number(o, "PlaintextSize", l->plaintext);
	json_object_set_new(o, "ContentHash", admin_text(l->sha256));
	return o;
}

/* next: where to go on, 0: that was all. */
static json_t *inspected_json(struct str key, const struct store_inspected *v, int64_t next)
{
	json_t *o = json_pack("{s:s%}", "key", key.p, key.n), *list = json_array();

	catalogue_set_number(o, "size", v->size);
	json_object_set_new(o, "etag", admin_text(v->etag));
	json_object_set_new(o, "parts", json_integer(v->parts));
	json_object_set_new(o, "version_id", admin_text(v->version_id));
	json_object_set_new(o, "modified", admin_time(v->modified));
	for (size_t i = 0; i < v->n; i++)
		json_array_append_new(list, location_json(key, &v->locations[i]));
	json_object_set_new(o, "locations", list);
	json_object_set_new(o, "next", next ? json_integer(next) : json_null());
	return o;
}

void admin_get_locations(struct http_call *c, struct store *s, const struct config *config)
{
	struct admin_param p[] = {
		{.name = "key"}, {.name = "version"}, {.name = "after"}, {.name = "limit"}};
	int64_t after = 0, limit = PAGE_SEGMENTS;
	struct store_inspected v;
	struct str key, bucket;
	struct error e;

	(void)config;
	if (!admin_read_params(c, p, CATALOGUE_COUNT(p)) ||
	    !admin_read_number(c, &p[2], 0, INT32_MAX / 2, &after) ||
	    !admin_read_number(c, &p[3], 1, CATALOGUE_ROWS_MAX, &limit))
		return;
	bucket = str_cut(p[0].value, '/', &key);
	if (p[0].value.n == 0) {
		admin_error(c, 400, "key parameter is required");
	} else if (key.n == 0 || bucket.n == 0) {
		admin_refuse(c, &p[0], "not BUCKET/KEY");
	} else if (store_inspect(s, bucket, key, p[1].value, (int)after, (int)limit, c->arena, &v,
	                         &e) == ERR_OK) {
		int segments = v.parts > 0 ? v.parts : 1;

		admin_reply(c, 200,
		            inspected_json(p[0].value, &v,
		                           after + limit < segments ? after + limit : 0));
	} else if (e.code == ERR_NOT_FOUND) {
		admin_error(c, 404, "object not found");
	} else {
		catalogue_fail(c, "failed to fetch locations", &e);
	}
}

/* --- the objects of a bucket --------------------------------------------------- */

struct page {
	struct store *store;
	struct arena *arena;
	struct str bucket, prefix, delimiter;
	struct listing listing;
	struct store_listed *keys; /* entries, in order */
	size_t n_keys;
	json_t *groups;
};

static void feed(struct page *p, const struct store_listed *row)
{
	struct listing *l = &p->listing;
	enum listing_step step = listing_feed(l, row->key);

	if (step == LISTING_KEY)
		p->keys[p->n_keys++] = *row;
	if (step == LISTING_GROUP)
		json_array_append_new(p->groups, json_stringn(l->group.p, l->group.n));
}

static enum err fill(struct page *p, struct error *e)
{
	struct listing *l = &p->listing;

	while (!l->done) {
		struct store_listed *rows;
		size_t n, want = listing_want(l);
		enum err r = store_list(p->store, p->bucket, p->prefix, p->delimiter, l->from,
		                        (int)want, p->arena, &rows, &n, e);

		if (r != ERR_OK)
			return r;
		for (size_t i = 0; i < n && !l->done; i++)
			feed(p, &rows[i]);
		if (n < want)
			listing_end(l);
	}
	return ERR_OK;
}

static json_t *names_json(struct str names)
{
	json_t *list = json_array();

	while (names.n > 0) {
		struct str name = str_cut(names, ',', &names);

		json_array_append_new(list, json_stringn(name.p, name.n));
	}
	return list;
}

/* copied: NULL, if the object has been deleted since it was listed. */
static json_t *listed_json(const struct store_listed *row, const struct store_copied *copied,
                           int wanted)
{
	char modified[CLOCK_RFC3339_SIZE];
	json_t *o = json_pack("{s:s%}", "key", row->key.p, row->key.n);

	clock_format_rfc3339(row->modified, modified);
	catalogue_set_number(o, "size", row->size);
	json_object_set_new(o, "etag", admin_text(row->etag));
	json_object_set_new(o, "modified", json_string(modified));
	json_object_set_new(o, "copies", json_integer(copied ? copied->copies : 0));
	json_object_set_new(o, "copies_wanted", json_integer(wanted));
	json_object_set_new(o, "backends", names_json(copied ? copied->backends : STR_NULL));
	return o;
}

/* NULL: the database does not tell. Both lists are in order of key. */
static json_t *objects_json(const struct page *p, int wanted, struct error *e)
{
	const char **keys = ARENA_ARRAY(p->arena, const char *, p->n_keys);
	struct store_copied *copied = NULL;
	size_t n = 0, k = 0;
	json_t *list;

	for (size_t i = 0; i < p->n_keys; i++)
		keys[i] = p->keys[i].key.p; /* terminated, as all texts of the store */
	if (p->n_keys > 0 && store_inspect_copies(p->store, p->bucket, keys, p->n_keys, p->arena,
	                                          &copied, &n, e) != ERR_OK)
		return NULL;
	list = json_array();
	for (size_t i = 0; i < p->n_keys; i++) {
		bool there = k < n && str_eq(copied[k].key, p->keys[i].key);

		json_array_append_new(list,
		                      listed_json(&p->keys[i], there ? &copied[k] : NULL, wanted));
		k += there;
	}
	return list;
}

static void reply_page(struct http_call *c, struct page *p, const struct config *config)
{
	struct listing *l = &p->listing;
	struct store_bucket ignored;
	struct error e;
	json_t *objects = NULL, *o;
	enum err r = store_bucket_find(p->store, p->bucket, NULL, 0, p->arena, &ignored, &e);

	if (r == ERR_OK)
		r = fill(p, &e);
	if (r == ERR_OK)
		objects = objects_json(p, config_factor(config, p->bucket), &e);
	if (r == ERR_NO_BUCKET) {
		admin_error(c, 404, "bucket not found");
	} else if (!objects) {
		catalogue_fail(c, "failed to fetch objects", &e);
	} else {
		o = json_pack("{s:s%, s:o, s:O}", "bucket", p->bucket.p, p->bucket.n, "objects",
		              objects, "prefixes", p->groups);
		json_object_set_new(o, "next", l->truncated ? admin_text(l->last) : json_null());
		admin_reply(c, 200, o);
	}
}

void admin_get_objects(struct http_call *c, struct store *s, const struct config *config)
{
	struct admin_param p[] = {{.name = "bucket"},
	                          {.name = "prefix"},
	                          {.name = "delimiter"},
	                          {.name = "after"},
	                          {.name = "limit"}};
	int64_t limit = PAGE_KEYS;
	struct page page = {.store = s, .arena = c->arena};

	if (!admin_read_params(c, p, CATALOGUE_COUNT(p)) ||
	    !admin_read_number(c, &p[4], 1, CATALOGUE_ROWS_MAX, &limit))
		return;
	if (p[0].value.n == 0) {
		admin_error(c, 400, "bucket parameter is required");
		return;
	}
	page.bucket = p[0].value;
	page.prefix = p[1].value;
	page.delimiter = p[2].value;
	page.keys = ARENA_ARRAY(c->arena, struct store_listed, limit);
	page.groups = json_array();
	listing_init(&page.listing, c->arena, page.prefix, page.delimiter, p[3].value, true,
	             (size_t)limit);
	reply_page(c, &page, config);
	json_decref(page.groups);
}

/* --- buckets ------------------------------------------------------------------- */

static json_t *bucket_json(const struct store_bucket *b, const struct store_bucket_size *size,
                           const struct config *config)
{
	json_t *o = json_pack("{s:s%}", "name", b->name.p, b->name.n);

	json_object_set_new(o, "owner", admin_text(b->owner));
	json_object_set_new(o, "versioning", admin_text(b->versioning));
	json_object_set_new(o, "created", admin_time(b->created));
	json_object_set_new(o, "objects", json_null());
	json_object_set_new(o, "bytes", json_null());
	if (size->known) {
		catalogue_set_number(o, "objects", size->objects);
		catalogue_set_number(o, "bytes", size->bytes);
	}
	json_object_set_new(o, "factor", json_integer(config_factor(config, b->name)));
	json_object_set_new(o, "ack", json_integer(config_ack(config, b->name)));
	return o;
}

static void add_buckets(json_t *list, struct store *s, const struct config *config,
                        const struct store_bucket *b, size_t n, int64_t deadline)
{
	for (size_t i = 0; i < n; i++) {
		struct store_bucket_size size = {.known = false};
		struct error ignored;

		if (clock_mono() < deadline)
			store_inspect_size(s, b[i].name, &size, &ignored);
		json_array_append_new(list, bucket_json(&b[i], &size, config));
	}
}

static enum err list_buckets(struct store *s, const struct config *config, struct arena *a,
                             json_t *list, struct error *e)
{
	int64_t deadline = clock_deadline(COUNTING_TIME);
	struct str after = STR_NULL;
	size_t n = BUCKETS_BATCH;

	while (n == BUCKETS_BATCH) {
		struct store_bucket *b;
		enum err r = store_inspect_buckets(s, after, BUCKETS_BATCH, a, &b, &n, e);

		if (r != ERR_OK)
			return r;
		add_buckets(list, s, config, b, n, deadline);
		if (n > 0)
			after = b[n - 1].name;
	}
	return ERR_OK;
}

void admin_get_buckets(struct http_call *c, struct store *s, const struct config *config)
{
	json_t *list;
	struct error e;

	if (!admin_read_params(c, NULL, 0))
		return;
	list = json_array();
	if (list_buckets(s, config, c->arena, list, &e) == ERR_OK)
		admin_reply(c, 200, json_pack("{s:O}", "buckets", list));
	else
		catalogue_fail(c, "failed to fetch buckets", &e);
	json_decref(list);
}

/* --- the catalogue as a whole -------------------------------------------------- */

void admin_get_check(struct http_call *c, struct store *s, const struct config *config)
{
	json_t *problems;
	struct str *list;
	struct error e;
	size_t n;
	enum err r;

	(void)config;
	if (!admin_read_params(c, NULL, 0))
		return;
	r = store_check(s, CATALOGUE_ROWS_MAX, c->arena, &list, &n, &e);
	if (r == ERR_DB_BUSY)
		admin_error(c, 503,
		            "it takes too long here: SELECT * FROM s3o_check() with psql(1)");
	else if (r != ERR_OK)
		catalogue_fail(c, "failed to check the catalogue", &e);
	if (r != ERR_OK)
		return;
	problems = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(problems, admin_text(list[i]));
	admin_reply(c, 200, json_pack("{s:o}", "problems", problems));
}
