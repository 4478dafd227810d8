/* SPDX-License-Identifier: MIT
 *
 * Reconciliation: compares what lies on a backend with the copies that the catalogue has
 * there, window by window in order of key (found.h says what becomes of the differences).
 * Each comparison is a row of the table jobs, asked for by an operator or at the interval;
 * where it is, and what it has counted, is written there after each window, so any workerd
 * goes on with it. A window that is gone over twice finds done what was done before.
 *
 * A sync is a comparison that only takes in what it finds: objects of others, all into one
 * bucket, and copies of ours that the catalogue has lost.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "backend/usage.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"
#include "config/config.h"
#include "observe/audit.h"
#include "observe/metrics.h"
#include "store/requests.h"
#include "workerd/found.h"
#include "workerd/job.h"
#include "workerd/worker.h"

#define COMPONENT "reconcile"

/* Advisory lock of this job. */
#define LOCK 1009

/* The interval of what is switched off: for the ticker as good as never. */
#define NEVER (INT64_C(10) * 365 * 24 * 3600 * CLOCK_SEC)

/* An owner that has given no sign for so long is taken for dead. A window may take long:
 * 1,000 questions to a slow backend, CONCURRENCY at a time. */
#define GRACE (10 * 60 * CLOCK_SEC)

/* Keys of a window; a page of a listing has no more. */
#define WINDOW 1000

/* Windows that fail because the backend does not answer are repeated. */
#define ATTEMPTS 3
#define PAUSE    (5 * CLOCK_SEC)

struct run {
	struct comparison c;
	struct store_request request;
	struct str prefix; /* of the keys on the backend */
	/* as of the last window */
	struct str after;
	int64_t attempts;
	bool is_done;
};

static int64_t interval(const struct config *c)
{
	return c->reconcile.enabled ? c->reconcile.interval : NEVER;
}

/* --- the row ----------------------------------------------------------------------------- */

static struct str member(struct arena *a, const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	return text ? arena_dup(a, str_of(text)) : STR_NULL;
}

static void read_request(struct run *r)
{
	struct arena *a = r->c.pass->arena;
	json_t *params = json_loadb(r->request.params.p, r->request.params.n, 0, NULL);
	json_t *progress = json_loadb(r->request.progress.p, r->request.progress.n, 0, NULL);

	r->c.dry_run = json_is_true(json_object_get(params, "dry_run"));
	r->c.bucket = member(a, params, "bucket").p;
	r->prefix = member(a, params, "prefix");
	r->after = member(a, progress, "after");
	r->attempts = json_integer_value(json_object_get(progress, "attempts"));
	r->c.began = r->request.started;
#define X(name) r->c.counts.name = (uint64_t)json_integer_value(json_object_get(progress, #name));
	FOUND_COUNTS(X)
#undef X
	json_decref(r->c.told);
	r->c.told = json_incref(json_object_get(progress, "differences"));
	if (!r->c.told)
		r->c.told = json_array();
	json_decref(params);
	json_decref(progress);
}

static json_t *counts_json(const struct run *r)
{
	json_t *o = json_pack("{s:b, s:O}", "dry_run", r->c.dry_run, "differences", r->c.told);

#define X(name) json_object_set_new(o, #name, json_integer((json_int_t)r->c.counts.name));
	FOUND_COUNTS(X)
#undef X
	return o;
}

/* Consumes the value. */
static const char *text_of(struct arena *a, json_t *v)
{
	char *text = json_dumps(v, JSON_COMPACT);
	const char *copy = arena_dup(a, str_of(text)).p;

	free(text);
	json_decref(v);
	return copy;
}

static enum err tell_progress(struct run *r, struct error *e)
{
	json_t *o = counts_json(r);

	json_object_set_new(o, "after", json_stringn(r->after.p ? r->after.p : "", r->after.n));
	json_object_set_new(o, "attempts", json_integer(r->attempts));
	return store_request_progress(r->c.pass->setup->store, r->request.id,
	                              text_of(r->c.pass->arena, o), e);
}

/* why: it has failed. */
static enum err finish(struct run *r, const struct error *why, struct error *e)
{
	struct pass *p = r->c.pass;
	const struct found_counts *n = &r->c.counts;
	json_t *o = counts_json(r);

	if (why)
		json_object_set_new(o, "error", json_string(why->text));
	if (why)
		log_error(COMPONENT, "comparison failed", LOG_STR("request_id", p->request_id),
		          LOG_S("backend", r->request.target), LOG_STR("error", why->text));
	audit(COMPONENT, "storage.ReconcileComplete",
	      LOG_FIELDS(LOG_STR("request_id", p->request_id), LOG_S("backend", r->request.target),
	                 LOG_STR("status", why ? "error" : "success"),
	                 LOG_BOOL("dry_run", r->c.dry_run), LOG_INT("imported", n->imported),
	                 LOG_INT("adopted", n->adopted), LOG_INT("skipped", n->skipped),
	                 LOG_INT("removed", n->removed), LOG_INT("orphans", n->orphans),
	                 LOG_INT("lost", n->lost),
	                 LOG_INT("duration", (clock_wall() - r->c.began) * 1000)));
	p->again = true; /* there may be another one */
	return store_request_end(p->setup->store, r->request.id, !why, text_of(p->arena, o), e);
}

/* --- a window ---------------------------------------------------------------------------- */

/* The database takes texts only; S3 has no other keys, a folder may. */
static bool is_text(struct str key)
{
	return str_is_utf8(key) && !memchr(key.p, '\0', key.n);
}

/* False: a whole page of others, behind which nobody could go on. */
static bool leave_out_others(struct run *r, struct backend_list *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n_items; i++)
		if (is_text(l->items[i].key))
			l->items[n++] = l->items[i];
	r->c.counts.foreign += l->n_items - n;
	l->n_items = n;
	return n > 0 || !l->more;
}

static enum err list_keys(struct run *r, struct backend_list *l, struct error *e)
{
	struct backend *b = r->c.backend;
	enum err err;

	*l = (struct backend_list){.prefix = r->prefix, .after = r->after, .max = WINDOW};
	if (!usage_allows(b->usage, b->config, (struct usage_amounts){.api = 1}))
		return err_set(&r->c.fatal, ERR_USED_UP,
		               "the limit of requests of this month is reached");
	err = backend_list(b, r->c.pass->arena, l, e);
	if (err == ERR_OK && !leave_out_others(r, l))
		err = err_set(&r->c.fatal, ERR_INVALID, "too many keys that are no UTF-8");
	return err;
}

/* Both in order of key: `keys` without copies, `missing` without keys. */
struct difference {
	struct backend_info *keys;
	size_t n_keys;
	struct store_located *missing;
	size_t n_missing;
};

static void merge(struct run *r, const struct backend_list *l, const struct store_located *rows,
                  size_t n, struct difference *d)
{
	size_t i = 0, j = 0;

	while (i < l->n_items || j < n) {
		int order = i == l->n_items ? 1
		            : j == n        ? -1
		                            : str_cmp(l->items[i].key, rows[j].backend_key);

		if (order < 0) {
			d->keys[d->n_keys++] = l->items[i++];
		} else if (order > 0) {
			d->missing[d->n_missing++] = rows[j++];
		} else {
			if (l->items[i].size != rows[j].size)
				found_resized(&r->c, &rows[j], l->items[i].size);
			i++;
			j++;
		}
	}
}

/* The part of a window for which both sides are known: of a side that has more the rest is
 * for the next one. */
static void bound(struct backend_list *l, const struct store_located *rows, size_t n)
{
	struct str last;

	if (n < WINDOW)
		return;
	last = rows[n - 1].backend_key;
	while (l->n_items > 0 && str_cmp(l->items[l->n_items - 1].key, last) > 0) {
		l->n_items--;
		l->more = true;
	}
}

/* A sync only takes in what is not explained. */
static enum err load_rows(struct run *r, const struct backend_list *l, struct store_located **rows,
                          size_t *n, struct error *e)
{
	struct str until = l->more ? l->items[l->n_items - 1].key : STR_NULL;

	*n = 0;
	if (r->c.bucket)
		return ERR_OK;
	return store_copies_on(r->c.pass->setup->store, r->c.backend->name, r->after, until, WINDOW,
	                       r->c.pass->arena, rows, n, e);
}

static struct str end_of(const struct backend_list *l, const struct store_located *rows, size_t n)
{
	if (n == WINDOW)
		return rows[n - 1].backend_key;
	return l->n_items > 0 ? l->items[l->n_items - 1].key : STR_NULL;
}

/* A backend that lists nothing at all, although it should have something, is not believed. */
static bool is_suspiciously_empty(const struct run *r, const struct backend_list *l, size_t n)
{
	return r->after.n == 0 && l->n_items == 0 && n > 0;
}

static enum err compare(struct run *r, struct backend_list *l, struct error *e)
{
	struct arena *a = r->c.pass->arena;
	struct difference d = {0};
	struct store_located *rows;
	size_t n;
	enum err err = load_rows(r, l, &rows, &n, e);

	/* What came between the two looks is there at another one. */
	if (err == ERR_OK && is_suspiciously_empty(r, l, n)) {
		if (list_keys(r, l, &r->c.interrupted) != ERR_OK || r->c.fatal.code != ERR_OK)
			return ERR_OK;
		if (is_suspiciously_empty(r, l, n)) {
			err_set(&r->c.fatal, ERR_PROTOCOL,
			        "the backend lists nothing, the catalogue has copies there");
			return ERR_OK;
		}
		err = load_rows(r, l, &rows, &n, e);
	}
	if (err != ERR_OK)
		return err;
	bound(l, rows, n);
	d.keys = ARENA_ARRAY(a, struct backend_info, l->n_items);
	d.missing = ARENA_ARRAY(a, struct store_located, n);
	merge(r, l, rows, n, &d);
	r->c.counts.listed += l->n_items;
	err = found_keys(&r->c, d.keys, d.n_keys, e);
	if (err == ERR_OK)
		found_missing(&r->c, d.missing, d.n_missing);
	r->is_done = !l->more && n < WINDOW;
	r->after = end_of(l, rows, n);
	return err;
}

/* --- one pass ------------------------------------------------------------------------------ */

/* For all backends; those that are being compared already are passed over. */
static enum err ask_for_all(const struct pass *p, struct error *e)
{
	const struct config *c = p->setup->config;
	enum err r = ERR_OK;
	int64_t id;

	for (size_t i = 0; i < c->n_backends && (r == ERR_OK || r == ERR_CONFLICT); i++)
		r = store_request_add(p->setup->store, COMPONENT, c->backends[i].name, "{}", &id,
		                      e);
	return r == ERR_CONFLICT ? ERR_OK : r;
}

static enum err claim(struct run *r, struct error *e)
{
	struct pass *p = r->c.pass;
	enum err err =
		store_request_claim(p->setup->store, COMPONENT, GRACE, p->arena, &r->request, e);

	if (err == ERR_NOT_FOUND)
		err = store_request_claim(p->setup->store, "sync", GRACE, p->arena, &r->request, e);
	return err;
}

/* The backend has not answered. */
static enum err try_later(struct run *r, const struct error *why, struct error *e)
{
	struct pass *p = r->c.pass;

	read_request(r); /* what this window has counted does not count */
	if (++r->attempts >= ATTEMPTS)
		return finish(r, why, e);
	log_warn(COMPONENT, "comparison interrupted, to be continued",
	         LOG_STR("request_id", p->request_id), LOG_S("backend", r->request.target),
	         LOG_STR("error", why->text));
	p->due = clock_wall() + PAUSE;
	return tell_progress(r, e);
}

static enum err go_on(struct run *r, struct error *e)
{
	struct backend_list l;
	struct error why;
	enum err err = list_keys(r, &l, &why);

	if (r->c.fatal.code == ERR_OK && err == ERR_OK) {
		err = compare(r, &l, e);
		if (err != ERR_OK)
			return err;
		why = r->c.interrupted;
	}
	stop_point("window-compared");
	if (r->c.fatal.code != ERR_OK)
		return finish(r, &r->c.fatal, e);
	if (why.code != ERR_OK)
		return try_later(r, &why, e);
	r->attempts = 0;
	if (r->is_done)
		return finish(r, NULL, e);
	r->c.pass->again = true;
	return tell_progress(r, e);
}

static enum err run(struct pass *p, struct error *e)
{
	struct run r = {.c.pass = p};
	struct error unknown;
	enum err err = p->whole ? ask_for_all(p, e) : ERR_OK;

	if (err == ERR_OK)
		err = claim(&r, e);
	if (err == ERR_NOT_FOUND)
		return ERR_OK;
	if (err != ERR_OK)
		return err;
	read_request(&r);
	r.c.backend = backend_by_name(&p->setup->backends, r.request.target);
	if (r.c.backend) {
		err = go_on(&r, e);
	} else {
		err_set(&unknown, ERR_INVALID, "no such backend is configured any more");
		err = finish(&r, &unknown, e);
	}
	json_decref(r.c.told);
	return err == ERR_NOT_FOUND ? ERR_OK : err; /* it was cancelled, or taken over */
}

const struct job job_reconcile = {
	.slug = COMPONENT,
	.lock = LOCK,
	.service = METRIC_SERVICE_RECONCILE,
	.interval = interval,
	.run = run,
};
