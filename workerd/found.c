/* SPDX-License-Identifier: MIT
 *
 * See found.h. Nothing is imported, adopted or deleted that the catalogue explains, that is
 * new, or that the backend does not show to be what its name says. Each step is one
 * transaction that looks again whether the key is unexplained, so it does not matter what
 * others do meanwhile, nor when this process is killed.
 */
#include "workerd/found.h"

#include <string.h>

#include "backend/usage.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/stop.h"
#include "config/config.h"
#include "object/key.h"
#include "workerd/worker.h"

#define COMPONENT "reconcile"

/* Differences that are told one by one; the others are only counted. */
#define TOLD_MAX 1000

/* Keys looked at at the same time. */
#define CONCURRENCY 8

/* Parts of uploads of the reference system lie there: never objects. */
#define FOREIGN_PARTS STR("__multipart/")

/* S3's limit of a key. */
#define KEY_MAX 1024

/* A key, and what it would be as an object of others. */
struct found {
	const struct backend_info *item;
	struct store_name name;
	bool is_other_bucket; /* of a sync: it belongs to another one */
};

struct batch {
	struct comparison *c;
	struct found *list;
	const struct store_located *missing;
};

static struct store *store_of(const struct comparison *c)
{
	return c->pass->setup->store;
}

static bool is_over(const struct comparison *c)
{
	return c->fatal.code != ERR_OK || c->interrupted.code != ERR_OK;
}

/* One key; or, when the backend or the database is away, all that follow: they are left to
 * the repetition, instead of waiting for each. */
static void failed(struct comparison *c, const char *what, struct str key, const struct error *e)
{
	if (e->code == ERR_UNAVAILABLE || e->code == ERR_TIMEOUT || e->code == ERR_CANCELED ||
	    e->code == ERR_DB_BUSY || e->code == ERR_DB_REFUSED) {
		c->interrupted = *e;
		return;
	}
	c->counts.errors++;
	log_warn(COMPONENT, what, LOG_STR("request_id", c->pass->request_id),
	         LOG_STR("backend", c->backend->name), LOG_S("backend_key", key),
	         LOG_STR("outcome", err_name(e->code)), LOG_STR("error", e->text));
}

/* For whoever has asked what would be done. */
static void note(struct comparison *c, const char *what, struct str key, uint64_t size)
{
	if (c->dry_run && json_array_size(c->told) < TOLD_MAX)
		json_array_append_new(c->told, json_pack("{s:s, s:s%, s:I}", "what", what, "key",
		                                         key.p, key.n, "size", (json_int_t)size));
}

static void tell(struct comparison *c, const char *what, struct str key, uint64_t size)
{
	note(c, what, key, size);
	log_info(COMPONENT, what, LOG_STR("request_id", c->pass->request_id),
	         LOG_STR("backend", c->backend->name), LOG_S("backend_key", key),
	         LOG_INT("size", size), LOG_BOOL("dry_run", c->dry_run));
}

/* What the backend says about a key. False: it is not there, or it cannot be told. Limits of
 * the month hold for questions, too. */
static bool ask(struct comparison *c, struct arena *a, struct str key, struct backend_info *out,
                bool *is_absent)
{
	struct backend *b = c->backend;
	struct error e;
	enum err r;

	*is_absent = false;
	if (!usage_allows(b->usage, b->config, (struct usage_amounts){.api = 1})) {
		err_set(&c->fatal, ERR_USED_UP, "the limit of requests of this month is reached");
		return false;
	}
	r = backend_head(b, a, key, out, &e);
	*is_absent = r == ERR_NOT_FOUND;
	if (r != ERR_OK && !*is_absent)
		failed(c, "the backend does not tell about a key", key, &e);
	return r == ERR_OK;
}

/* Nothing is done any more when one outcome will be that of all. */
static void conclude(struct comparison *c, enum store_outcome o)
{
	if (o == STORE_DRAINING)
		err_set(&c->fatal, ERR_CONFLICT, "the backend drains, or is drained");
	else if (o == STORE_KNOWN)
		c->counts.skipped++;
	else if (o == STORE_NO_BUCKET)
		c->counts.foreign++;
}

/* --- of others ------------------------------------------------------------------------ */

/* What we tell about ourselves is not the object's. */
static void take_metadata(struct arena *a, const struct backend_info *info, struct store_object *o)
{
	o->metadata = ARENA_ARRAY(a, struct str_pair, info->n_metadata);
	for (size_t i = 0; i < info->n_metadata; i++)
		if (!str_starts(info->metadata[i].name, STR("s3o-")))
			o->metadata[o->n_metadata++] = info->metadata[i];
}

/* Where the backend has none, as for a file that was put into a folder, one that looks like
 * that of an upload in parts: nobody takes it for an MD5. */
static struct str etag_of(struct arena *a, struct str key, const struct backend_info *info)
{
	char hex[SHA256_HEX_SIZE];
	char *text;

	if (info->etag.n > 0)
		return info->etag;
	text = arena_printf(a, "%.*s %llu %lld", STR_FMT(key), (unsigned long long)info->size,
	                    (long long)info->modified);
	sha256_hex(text, strlen(text), hex);
	return str_of(arena_printf(a, "%.32s-1", hex));
}

static void import(struct comparison *c, struct arena *a, const struct found *f,
                   struct backend_info *info)
{
	struct str key = f->item->key;
	struct store_found found = {c->backend->name, key, info->size, str_of(info->etag_md5),
	                            STR_NULL};
	struct store_object o = {
		.bucket = f->name.bucket,
		.key = f->name.key,
		.size = info->size,
		.etag = etag_of(a, key, info),
		.content_type = info->content_type,
		.headers = info->headers,
		.n_headers = info->n_headers,
	};
	enum store_outcome outcome;
	struct error e;

	take_metadata(a, info, &o);
	ulid_new(o.generation);
	if (store_import(store_of(c), &found, &o, info->modified, &outcome, &e) != ERR_OK) {
		failed(c, "object not imported", key, &e);
		return;
	}
	conclude(c, outcome);
	if (outcome != STORE_DONE)
		return;
	stop_point("found-imported");
	c->counts.imported++;
	c->counts.bytes_imported += info->size;
	c->pass->items++;
	tell(c, "object imported", key, info->size);
}

static bool can_be_object(const struct found *f)
{
	return f->name.is_bucket && f->name.key.n > 0 && f->name.key.n <= KEY_MAX &&
	       !str_starts(f->item->key, FOREIGN_PARTS);
}

/* Without a question to the backend. */
static bool is_out_of_question(struct comparison *c, const struct found *f)
{
	if (f->is_other_bucket)
		c->counts.skipped++;
	else if (!can_be_object(f))
		c->counts.foreign++;
	else if (f->name.has_version)
		c->counts.skipped++;
	else
		return false;
	return true;
}

static void consider_import(struct comparison *c, struct arena *a, const struct found *f)
{
	struct backend_info info;
	bool is_absent;

	if (is_out_of_question(c, f))
		return;
	if (c->dry_run) {
		c->counts.imported++;
		c->counts.bytes_imported += f->item->size;
		tell(c, "object of others", f->item->key, f->item->size);
	} else if (ask(c, a, f->item->key, &info, &is_absent)) {
		import(c, a, f, &info);
	}
}

/* --- of ours -------------------------------------------------------------------------- */

static struct str metadata_of(const struct backend_info *info, const char *name)
{
	for (size_t i = 0; i < info->n_metadata; i++)
		if (str_eq(info->metadata[i].name, str_of(name)))
			return info->metadata[i].value;
	return STR_NULL;
}

/* Only what the catalogue could have told for long, and what is ours beyond doubt, is
 * deleted: with a bucket that we do not have it may be another installation's. */
static bool may_be_deleted(const struct comparison *c, const struct found *f, int64_t modified)
{
	const struct config *config = c->pass->setup->config;

	return !c->bucket && f->name.is_bucket && config->reconcile.remove &&
	       modified <= c->began - config->reconcile.orphan_age;
}

static void orphan(struct comparison *c, const struct store_found *f, bool may_go)
{
	bool queued = true;
	struct error e;

	if (!may_go) {
		c->counts.orphans_kept++;
		tell(c, "object of ours that nobody needs is kept", f->backend_key, f->size);
		return;
	}
	if (!c->dry_run &&
	    store_queue_found(store_of(c), f, "reconcile_orphan", &queued, &e) != ERR_OK) {
		failed(c, "object of ours that nobody needs not deleted", f->backend_key, &e);
		return;
	}
	if (!queued)
		return;
	stop_point("found-queued");
	c->counts.orphans++;
	c->pass->items++;
	tell(c,
	     c->dry_run ? "object of ours that nobody needs"
	                : "object of ours that nobody needs is deleted",
	     f->backend_key, f->size);
}

static void adopt(struct comparison *c, const struct found *f, const struct object_name *name,
                  const struct backend_info *info)
{
	struct store_found found = {c->backend->name, f->item->key, info->size,
	                            str_of(info->etag_md5), metadata_of(info, "s3o-sha256")};
	struct store_origin of = {name->bucket, name->key, name->is_cut, name->generation,
	                          name->part};
	enum store_outcome outcome;
	struct error e;

	if (store_adopt_copy(store_of(c), &found, &of, c->dry_run, &outcome, &e) != ERR_OK) {
		failed(c, "copy not taken into the catalogue", f->item->key, &e);
		return;
	}
	conclude(c, outcome);
	if (outcome == STORE_ORPHAN) {
		orphan(c, &found, may_be_deleted(c, f, info->modified));
	} else if (outcome == STORE_UNPROVEN) {
		c->counts.unproven++;
		tell(c, "part that may be one without a copy", f->item->key, info->size);
	} else if (outcome == STORE_DONE) {
		stop_point("found-adopted");
		c->counts.adopted++;
		c->pass->items++;
		tell(c,
		     c->dry_run ? "copy that the catalogue has lost"
		                : "copy is in the catalogue again",
		     f->item->key, info->size);
	}
}

/* It has a name of ours. Is it what it says? */
static void consider_adoption(struct comparison *c, struct arena *a, const struct found *f,
                              const struct object_name *name)
{
	struct backend_info info;
	bool is_absent;

	if (!ask(c, a, f->item->key, &info, &is_absent))
		return;
	if (str_eq(metadata_of(&info, "s3o-generation"), str_of(name->generation)))
		adopt(c, f, name, &info);
	else
		consider_import(c, a, f);
}

/* --- all of them ------------------------------------------------------------------------- */

static void process(void *arg, size_t i)
{
	struct batch *b = arg;
	struct found *f = &b->list[i];
	struct object_name name;
	struct arena *a;

	if (is_over(b->c))
		return;
	a = arena_new();
	if (object_key_parse(f->item->key, &name))
		consider_adoption(b->c, a, f, &name);
	else
		consider_import(b->c, a, f);
	arena_free(&a);
}

static enum err look_up(struct comparison *c, struct found *f, size_t n, struct error *e)
{
	struct store_name *names = ARENA_ARRAY(c->pass->arena, struct store_name, n);
	enum err r;

	for (size_t i = 0; i < n; i++)
		names[i] = f[i].name;
	r = store_names(store_of(c), names, n, e);
	for (size_t i = 0; r == ERR_OK && i < n; i++)
		f[i].name = names[i];
	return r;
}

/* A sync takes keys as they are into its bucket, but those that begin with the name of a
 * bucket belong to that one. */
static void rename_for_sync(struct comparison *c, struct found *f)
{
	if (str_eq(f->name.bucket, str_of(c->bucket)))
		return;
	f->is_other_bucket = f->name.is_bucket;
	f->name = (struct store_name){.bucket = str_of(c->bucket), .key = f->item->key};
}

static enum err name_all(struct comparison *c, struct found *f, size_t n, struct error *e)
{
	enum err r;

	for (size_t i = 0; i < n; i++)
		f[i].name.bucket = str_cut(f[i].item->key, '/', &f[i].name.key);
	r = look_up(c, f, n, e);
	if (r != ERR_OK || !c->bucket)
		return r;
	for (size_t i = 0; i < n; i++)
		rename_for_sync(c, &f[i]);
	return look_up(c, f, n, e);
}

/* Without those that the catalogue explains, and those that are too new. */
static enum err choose(struct comparison *c, const struct backend_info *list, size_t n,
                       struct found *out, size_t *n_out, struct error *e)
{
	struct arena *a = c->pass->arena;
	int64_t newest = c->began - c->pass->setup->config->reconcile.min_age;
	const char **keys = ARENA_ARRAY(a, const char *, n);
	bool *explained = ARENA_ARRAY(a, bool, n);
	enum err r;

	for (size_t i = 0; i < n; i++)
		keys[i] = arena_dup(a, list[i].key).p;
	r = store_explained(store_of(c), c->backend->name, keys, n, explained, e);
	*n_out = 0;
	for (size_t i = 0; r == ERR_OK && i < n; i++) {
		if (explained[i])
			continue;
		if (list[i].modified > newest)
			c->counts.skipped++;
		else
			out[(*n_out)++].item = &list[i];
	}
	return r;
}

enum err found_keys(struct comparison *c, const struct backend_info *list, size_t n,
                    struct error *e)
{
	struct batch b = {.c = c, .list = ARENA_ARRAY(c->pass->arena, struct found, n)};
	size_t left;
	enum err r;

	if (n == 0)
		return ERR_OK;
	r = choose(c, list, n, b.list, &left, e);
	if (r == ERR_OK && left > 0)
		r = name_all(c, b.list, left, e);
	if (r == ERR_OK && pass_each(c->pass, CONCURRENCY, left, process, &b) < left)
		r = err_set(e, ERR_CANCELED, "the daemon stops, or the lock is lost");
	return r;
}

/* --- copies that are not listed --------------------------------------------------------- */

/* Others may have none, and then the only trace of the object stays. */
static void forget(struct comparison *c, struct arena *a, const struct store_located *l)
{
	const struct store_copy copy = {str_of(c->backend->name), l->backend_key, l->size};
	struct store_held *held;
	struct error e;
	size_t n;
	enum err r = store_held(store_of(c), &l->segment, 1, a, &held, &n, &e);

	if (r == ERR_OK && n == 0)
		return;
	if (r == ERR_OK && held->n_copies < 2)
		r = err_set(&e, ERR_CONFLICT, "there is no other");
	else if (r == ERR_OK && !c->dry_run && c->pass->setup->config->reconcile.remove)
		r = store_copy_remove(store_of(c), l->segment, &copy, "", 1, NULL, &e);
	if (r == ERR_OK) {
		c->counts.removed++;
		c->pass->items++;
		tell(c, "copy is missing", l->backend_key, l->size);
	} else if (r == ERR_CONFLICT) {
		c->counts.lost++;
		log_error(COMPONENT, "the only copy is missing on the backend",
		          LOG_STR("request_id", c->pass->request_id),
		          LOG_STR("backend", c->backend->name), LOG_S("bucket", held->bucket),
		          LOG_S("key", held->key), LOG_S("backend_key", l->backend_key));
		note(c, "the only copy is missing", l->backend_key, l->size);
	} else if (r != ERR_NOT_FOUND) { /* it has gone in the meantime */
		failed(c, "missing copy not taken out of the catalogue", l->backend_key, &e);
	}
}

static void process_missing(void *arg, size_t i)
{
	struct batch *b = arg;
	struct comparison *c = b->c;
	const struct store_located *l = &b->missing[i];
	struct backend_info info;
	bool is_absent;
	struct arena *a;

	if (is_over(c) || l->created > c->began - c->pass->setup->config->reconcile.min_age)
		return;
	a = arena_new();
	if (!ask(c, a, l->backend_key, &info, &is_absent) && is_absent)
		forget(c, a, l);
	arena_free(&a);
}

void found_missing(struct comparison *c, const struct store_located *list, size_t n)
{
	struct batch b = {.c = c, .missing = list};

	pass_each(c->pass, CONCURRENCY, n, process_missing, &b);
}

void found_resized(struct comparison *c, const struct store_located *copy, uint64_t size)
{
	const struct store_copy suspect = {str_of(c->backend->name), copy->backend_key, copy->size};

	c->counts.size_differs++;
	note(c, "copy has another size than recorded", copy->backend_key, size);
	log_error(COMPONENT, "copy has another size than recorded",
	          LOG_STR("request_id", c->pass->request_id), LOG_STR("backend", c->backend->name),
	          LOG_S("backend_key", copy->backend_key), LOG_INT("size", size),
	          LOG_INT("recorded", copy->size));
	if (!c->dry_run)
		store_copy_suspect(store_of(c), copy->segment, &suspect);
}
