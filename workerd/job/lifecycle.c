/* SPDX-License-Identifier: MIT
 *
 * Lifecycle: removes what a rule says is old enough. Rules of the configuration and
 * those that were set on a bucket are carried out by the same code. A walk goes through
 * all buckets and, where there are rules, through all keys that they may concern, a
 * window of keys after another; a pass does some windows, and the next one goes on where
 * it ended. What fails while the database answers is left to the next walk, or one locked
 * key would stop the job for all buckets. Only the generation that was seen is removed, so
 * what has been written again meanwhile stays.
 */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"
#include "config/config.h"
#include "observe/audit.h"
#include "observe/metrics.h"
#include "s3proto/lifecycle.h"
#include "store/expiry.h"
#include "store/uploads.h"
#include "workerd/job.h"
#include "workerd/worker.h"

#define COMPONENT "lifecycle"

/* Advisory lock of this job. */
#define LOCK 1005

#define INTERVAL (3600 * CLOCK_SEC)
#define DAY      (24 * 3600 * CLOCK_SEC)

#define BUCKETS  100  /* that are read at a time */
#define KEYS     1000 /* of a window: some milliseconds */
#define VERSIONS 1000 /* of a window that may have to go; the rest is in the next one */
#define UPLOADS  1000 /* of a page */
#define WINDOWS  50   /* and pages of a pass */

/* A bucket is left after so many failures in a row: each may have waited for a lock. */
#define FAILURES_MAX 3

/* Where the walk is; it begins anew when the daemon does. */
static struct {
	struct buf done;    /* the last bucket that is finished */
	struct buf current; /* the one that is not, if any, */
	struct buf from;    /* and the key at which it goes on, */
	int64_t after;      /* behind the version created then; 0: with the first one */
	bool uploads;       /* it goes on with its uploads, which come first, */
	struct buf upload;  /* behind this one of that key; empty: none */
	uint64_t failed;    /* since the walk began */
	struct error error; /* the first one that left something out; ERR_OK: none */
} walk;

struct bucket {
	struct pass *pass;
	const struct store_rules *set; /* that were set on it */
	struct str name;
	struct lifecycle rules;
	int64_t now, midnight; /* the last one, UTC */
	int failures;          /* of statements, in a row */
	bool changed;          /* it is another one by now, or has other rules */
};

static void keep(struct buf *b, struct str s)
{
	b->n = 0;
	buf_add_str(b, s);
}

static int64_t interval(const struct config *c)
{
	(void)c;
	return INTERVAL;
}

/* --- when ---------------------------------------------------------------------- */

/* What happened `days` ago or earlier is over: its time is rounded up to the next
 * midnight. The first time that is not, 0 if there is none. */
static int64_t days_ago(const struct bucket *b, uint32_t days)
{
	return days < b->midnight / DAY ? b->midnight - days * DAY + 1 : 0;
}

/* The same for creation, by days or by date. */
static int64_t expired_before(const struct bucket *b, const struct lifecycle_rule *r)
{
	if (r->has_expire_date && r->expire_date <= b->now)
		return INT64_MAX;
	return r->expire_days ? days_ago(b, r->expire_days) : 0;
}

static bool has_tag(const struct store_aged *v, const struct str_pair *tag)
{
	for (size_t i = 0; i < v->n_tags; i++)
		if (str_eq(v->tags[i].name, tag->name))
			return str_eq(v->tags[i].value, tag->value);
	return false;
}

static bool is_meant(const struct lifecycle_filter *f, const struct store_aged *v)
{
	if (!str_starts(v->key, f->prefix) ||
	    (f->larger_than != LIFECYCLE_NO_SIZE && v->size <= f->larger_than) ||
	    (f->smaller_than != LIFECYCLE_NO_SIZE && v->size >= f->smaller_than))
		return false;
	for (size_t i = 0; i < f->n_tags; i++)
		if (!has_tag(v, &f->tags[i]))
			return false;
	return true;
}

static bool is_over(const struct bucket *b, const struct lifecycle_rule *r,
                    const struct store_aged *v)
{
	if (!v->is_latest)
		return r->noncurrent_days && v->since < days_ago(b, r->noncurrent_days) &&
		       v->newer >= r->noncurrent_keep;
	return v->created < expired_before(b, r) || (v->is_marker && r->expire_marker);
}

static const struct lifecycle_rule *rule_for(const struct bucket *b, const struct store_aged *v)
{
	for (size_t i = 0; i < b->rules.n; i++) {
		const struct lifecycle_rule *r = &b->rules.rules[i];
		if (r->enabled && is_meant(&r->filter, v) && is_over(b, r, v))
			return r;
	}
	return NULL;
}

/* --- rules of a bucket ---------------------------------------------------------- */

/* A rule of the configuration names the beginning of bucket/key: false when that is
 * never in this bucket. */
static bool rule_of_config(struct arena *a, const struct config_lifecycle_rule *c,
                           struct str bucket, struct lifecycle_rule *out)
{
	char *path = arena_printf(a, "%.*s/", STR_FMT(bucket));
	struct str prefix = str_of(c->prefix), all = str_of(path);
	if (!str_starts(prefix, all) && !str_starts(all, prefix))
		return false;
	*out = (struct lifecycle_rule){
		.id = prefix,
		.enabled = true,
		.filter = {.form = LIFECYCLE_ONE,
	                   .larger_than = LIFECYCLE_NO_SIZE,
	                   .smaller_than = LIFECYCLE_NO_SIZE},
		.expire_days = (uint32_t)c->expiration_days,
	};
	if (prefix.n > all.n)
		out->filter.prefix = str_skip(prefix, all.n);
	return true;
}

static void read_rules(struct bucket *b, struct str document)
{
	const struct config *c = b->pass->setup->config;
	struct arena *a = b->pass->arena;
	struct lifecycle set = {0};
	const char *why = NULL;
	if (document.n && lifecycle_parse(document, a, &set, &why) != S3_OK) {
		log_warn(COMPONENT, "rules of a bucket cannot be read",
		         LOG_STR("request_id", b->pass->request_id), LOG_S("bucket", b->name),
		         LOG_STR("error", why));
		set.n = 0;
		walk.failed++;
	}
	b->rules.rules = ARENA_ARRAY(a, struct lifecycle_rule, c->lifecycle.n_rules + set.n);
	for (size_t i = 0; i < c->lifecycle.n_rules; i++)
		if (rule_of_config(a, &c->lifecycle.rules[i], b->name, &b->rules.rules[b->rules.n]))
			b->rules.n++;
	for (size_t i = 0; i < set.n; i++)
		b->rules.rules[b->rules.n++] = set.rules[i];
}

static struct str common_prefix(struct str a, struct str b)
{
	size_t n = 0;
	while (n < a.n && n < b.n && a.p[n] == b.p[n])
		n++;
	while (n < a.n && n > 0 && (a.p[n] & 0xC0) == 0x80) /* not within a character */
		n--;
	return str_n(a.p, n);
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* What some rule may concern. False: nothing in the whole bucket. */
static bool plan_window(const struct bucket *b, struct store_window *w)
{
	bool any = false;
	*w = (struct store_window){.bucket = b->name, .keys = KEYS, .versions = VERSIONS};
	for (size_t i = 0; i < b->rules.n; i++) {
		const struct lifecycle_rule *r = &b->rules.rules[i];
		if (!r->enabled || !(r->expire_days || r->has_expire_date || r->expire_marker ||
		                     r->noncurrent_days))
			continue;
		w->prefix = any ? common_prefix(w->prefix, r->filter.prefix) : r->filter.prefix;
		w->current_before = later(w->current_before, expired_before(b, r));
		if (r->noncurrent_days) {
			w->noncurrent_before =
				later(w->noncurrent_before, days_ago(b, r->noncurrent_days));
			w->newer = (uint32_t)later(w->newer, r->noncurrent_keep);
		}
		w->markers |= r->expire_marker;
		any = true;
	}
	return any && (w->current_before || w->noncurrent_before || w->markers);
}

/* --- failures ------------------------------------------------------------------- */

static void failed(const struct bucket *b, struct str key, const char *what, const struct error *e)
{
	walk.failed++;
	metrics_inc(METRIC_LIFECYCLE_FAILED, 0, 0, 0);
	log_warn(COMPONENT, what, LOG_STR("request_id", b->pass->request_id),
	         LOG_S("bucket", b->name), LOG_S("key", key), LOG_STR("error", e->text));
}

/* Until the next walk. */
static bool is_given_up(const struct bucket *b)
{
	return b->changed || b->failures >= FAILURES_MAX;
}

/* What a statement about a key, or about what begins there, ended with. Left to be dealt
 * with: the database is away, or the daemon stops. Else the walk goes on behind it. */
static enum err go_on_after(struct bucket *b, enum err r, struct str key, const char *what,
                            const struct error *e)
{
	b->failures = r == ERR_OK ? 0 : b->failures + 1;
	if (r == ERR_OK || r == ERR_UNAVAILABLE || r == ERR_CANCELED)
		return r;
	failed(b, key, what, e);
	if (walk.error.code == ERR_OK)
		err_set(&walk.error, r, "bucket %.*s: %s", STR_FMT(b->name), e->text);
	return ERR_OK;
}

/* --- versions --------------------------------------------------------------------- */

static void deleted(struct bucket *b, const struct store_aged *v, const struct lifecycle_rule *r)
{
	uint32_t days = v->is_latest ? r->expire_days : r->noncurrent_days;
	b->pass->items++;
	metrics_inc(METRIC_LIFECYCLE_DELETED, 0, 0, 0);
	audit(COMPONENT, "lifecycle.delete",
	      LOG_FIELDS(LOG_STR("request_id", b->pass->request_id), LOG_S("bucket", b->name),
	                 LOG_S("key", v->key), LOG_S("version_id", v->version),
	                 LOG_S("rule", r->id), LOG_S("prefix", r->filter.prefix),
	                 LOG_INT("expiration_days", days)));
}

static enum err delete_batch(struct bucket *b, const struct store_aged *const *versions, size_t n,
                             struct error *e)
{
	struct store_deletion *d = ARENA_ARRAY(b->pass->arena, struct store_deletion, n);
	for (size_t i = 0; i < n; i++) {
		const struct store_aged *v = versions[i];
		d[i].key = v->key;
		d[i].seen = v;
		if (!v->is_latest || v->is_marker)
			d[i].version = v->version;
	}
	enum err r = store_expire(b->pass->setup->store, b->set, d, n, e);
	stop_point("lifecycle-expired");
	for (size_t i = 0; i < n; i++) {
		if (d[i].result.code == ERR_OK)
			deleted(b, versions[i], rule_for(b, versions[i]));
		else if (d[i].result.code == ERR_NO_BUCKET)
			b->changed = true;
		else if (r == ERR_OK && d[i].result.code != ERR_CONFLICT)
			failed(b, d[i].key, "version not deleted", &d[i].result);
	}
	return r;
}

static enum err delete_or_leave(struct bucket *b, const struct store_aged *const *versions,
                                size_t n, struct error *e)
{
	return n ? go_on_after(b, delete_batch(b, versions, n, e), versions[0]->key,
	                       "versions not deleted", e)
	         : ERR_OK;
}

/* Those of the versions that a rule is for. */
static enum err delete_aged(struct bucket *b, const struct store_aged *v, size_t n, struct error *e)
{
	size_t most = (size_t)b->pass->setup->config->lifecycle.batch_size, count = 0;
	if (most > VERSIONS)
		most = VERSIONS;
	const struct store_aged **batch =
		ARENA_ARRAY(b->pass->arena, const struct store_aged *, most);
	enum err r = ERR_OK;
	for (size_t i = 0; i < n && r == ERR_OK; i++) {
		if (is_given_up(b) || pass_must_stop(b->pass))
			return ERR_OK;
		if (rule_for(b, &v[i]))
			batch[count++] = &v[i];
		if (count == most) {
			r = delete_or_leave(b, batch, count, e);
			count = 0;
		}
	}
	return r == ERR_OK ? delete_or_leave(b, batch, count, e) : r;
}

/* The next window begins behind the last version that was told, whether it had to go or
 * not, or behind the last key. */
static void go_on(const struct bucket *b, struct store_window *w, const struct store_aged *v,
                  size_t n, int keys, struct str last)
{
	w->from = STR_NULL;
	w->after = 0;
	if (n == VERSIONS) {
		w->from = v[n - 1].key;
		w->after = v[n - 1].created;
	} else if (keys == KEYS)
		w->from = str_of(arena_printf(b->pass->arena, "%.*s\x01", STR_FMT(last)));
}

/* w->from becomes where to go on, STR_NULL at the end. */
static enum err do_window(struct bucket *b, struct store_window *w, struct error *e)
{
	struct store_aged *versions;
	struct str last;
	size_t n;
	int keys;
	enum err r = store_aged(b->pass->setup->store, w, b->pass->arena, &versions, &n, &keys,
	                        &last, e);
	if (r == ERR_OK)
		r = delete_aged(b, versions, n, e);
	else if ((r = go_on_after(b, r, w->from, "versions not found", e)) == ERR_OK)
		b->failures = FAILURES_MAX; /* where the next window begins is not known */
	if (r == ERR_OK && is_given_up(b))
		w->from = STR_NULL;
	else if (r == ERR_OK && !pass_must_stop(b->pass))
		go_on(b, w, versions, n, keys, last);
	return r;
}

/* --- uploads ------------------------------------------------------------------------ */

static const struct lifecycle_rule *rule_for_upload(const struct bucket *b,
                                                    const struct store_upload *u)
{
	for (size_t i = 0; i < b->rules.n; i++) {
		const struct lifecycle_rule *r = &b->rules.rules[i];
		if (r->enabled && r->abort_days && u->created < days_ago(b, r->abort_days) &&
		    str_starts(u->o.key, r->filter.prefix))
			return r;
	}
	return NULL;
}

static enum err abort_upload(struct bucket *b, const struct store_upload *u,
                             const struct lifecycle_rule *rule, struct error *e)
{
	uint64_t copies;
	enum err r = store_upload_abort(b->pass->setup->store, b->name, u->o.key, str_of(u->id),
	                                &copies, e);
	if (r == ERR_NO_UPLOAD)
		return ERR_OK;
	if (r != ERR_OK)
		return r;
	b->pass->items++;
	metrics_inc(METRIC_LIFECYCLE_DELETED, 0, 0, 0);
	audit(COMPONENT, "lifecycle.abort_upload",
	      LOG_FIELDS(LOG_STR("request_id", b->pass->request_id), LOG_S("bucket", b->name),
	                 LOG_S("key", u->o.key), LOG_STR("upload_id", u->id),
	                 LOG_S("rule", rule->id), LOG_S("prefix", rule->filter.prefix),
	                 LOG_INT("expiration_days", rule->abort_days)));
	return ERR_OK;
}

static bool aborts_uploads(const struct bucket *b)
{
	for (size_t i = 0; i < b->rules.n; i++)
		if (b->rules.rules[i].enabled && b->rules.rules[i].abort_days)
			return true;
	return false;
}

/* Uploads of a page up to the one that is not dealt with. */
static enum err abort_old(struct bucket *b, const struct store_upload *u, size_t n, size_t *done,
                          struct error *e)
{
	enum err r = ERR_OK;
	for (*done = 0; *done < n && !is_given_up(b) && !pass_must_stop(b->pass); ++*done) {
		const struct store_upload *one = &u[*done];
		const struct lifecycle_rule *rule = rule_for_upload(b, one);
		if (rule)
			r = go_on_after(b, abort_upload(b, one, rule, e), one->o.key,
			                "upload not aborted", e);
		if (r != ERR_OK)
			break;
	}
	return r;
}

/* One arena per page: there may be any number of them. */
static enum err do_page(struct bucket *b, struct error *e)
{
	struct arena *a = arena_new();
	struct store_upload *uploads;
	size_t n, done = 0;
	enum err r =
		store_upload_list(b->pass->setup->store, b->name, STR_NULL, buf_str(&walk.from),
	                          buf_str(&walk.upload), UPLOADS, a, &uploads, &n, e);
	if (r == ERR_OK)
		r = abort_old(b, uploads, n, &done, e);
	else
		r = go_on_after(b, r, buf_str(&walk.from), "uploads not found", e);
	if (done > 0) {
		keep(&walk.from, uploads[done - 1].o.key);
		keep(&walk.upload, str_of(uploads[done - 1].id));
	}
	if (r == ERR_OK && (is_given_up(b) || (done == n && n < UPLOADS))) {
		walk.uploads = false;
		keep(&walk.from, STR_NULL);
	}
	arena_free(&a);
	return r;
}

/* --- the walk ------------------------------------------------------------------------ */

static void begin(const struct bucket *b)
{
	keep(&walk.current, b->name);
	keep(&walk.from, STR_NULL);
	walk.after = 0;
	walk.uploads = aborts_uploads(b);
	keep(&walk.upload, STR_NULL);
}

/* False in *more: there is no window behind these. */
static enum err do_windows(struct bucket *b, int *windows, bool *more, struct error *e)
{
	struct store_window w;
	enum err r = ERR_OK;
	*more = plan_window(b, &w) && !is_given_up(b);
	w.from = arena_dup(b->pass->arena, buf_str(&walk.from));
	w.after = walk.after;
	for (; *more && r == ERR_OK && *windows > 0 && !pass_must_stop(b->pass); (*windows)--) {
		r = do_window(b, &w, e);
		*more = w.from.n > 0;
	}
	keep(&walk.from, w.from);
	walk.after = w.after;
	return r;
}

/* Goes on with a bucket, or begins it. *windows are left to this pass; *finished: there
 * is nothing more to do in it. */
static enum err do_bucket(struct pass *p, const struct store_rules *rules, int *windows,
                          bool *finished, struct error *e)
{
	struct bucket b = {.pass = p, .set = rules, .name = rules->bucket, .now = clock_wall()};
	enum err r = ERR_OK;
	bool more = true;
	b.midnight = b.now - b.now % DAY;
	read_rules(&b, rules->document);
	if (!str_eq(buf_str(&walk.current), b.name))
		begin(&b);
	for (; walk.uploads && r == ERR_OK && *windows > 0 && !pass_must_stop(p); (*windows)--)
		r = do_page(&b, e);
	if (r == ERR_OK && !walk.uploads)
		r = do_windows(&b, windows, &more, e);
	/* A pass that must stop may have left anything undone. */
	*finished = r == ERR_OK && !more && !pass_must_stop(p);
	if (*finished)
		keep(&walk.current, STR_NULL);
	return r;
}

/* The end of a walk, which failed if it left something out. That has time until the next
 * one, whatever the reason. */
static enum err finish(struct pass *p, struct error *e)
{
	metrics_inc(METRIC_LIFECYCLE_RUNS,
	            walk.failed ? METRIC_LIFECYCLE_PARTIAL : METRIC_LIFECYCLE_SUCCESS, 0, 0);
	keep(&walk.done, STR_NULL);
	walk.failed = 0;
	p->again = false;
	if (walk.error.code == ERR_OK)
		return ERR_OK;
	walk.error.code = ERR_OK;
	return err_set(e, ERR_CONFLICT, "%s", walk.error.text);
}

static enum err do_buckets(struct pass *p, struct error *e)
{
	struct store_rules *rules;
	size_t n;
	int windows = WINDOWS;
	enum err r = store_rules_list(p->setup->store, buf_str(&walk.done), BUCKETS, p->arena,
	                              &rules, &n, e);
	p->again = true;
	for (size_t i = 0; r == ERR_OK && i < n; i++) {
		bool finished;
		r = do_bucket(p, &rules[i], &windows, &finished, e);
		if (!finished)
			return r;
		keep(&walk.done, rules[i].bucket);
		if (pass_must_stop(p))
			return r;
	}
	if (r == ERR_OK && n < BUCKETS)
		return finish(p, e);
	return r;
}

static enum err run(struct pass *p, struct error *e)
{
	enum err r = do_buckets(p, e);
	if (p->again && r != ERR_OK && r != ERR_UNAVAILABLE && r != ERR_CANCELED)
		metrics_inc(METRIC_LIFECYCLE_RUNS, METRIC_LIFECYCLE_ERROR, 0, 0);
	return r;
}

const struct job job_lifecycle = {
	.slug = COMPONENT,
	.lock = LOCK,
	.service = METRIC_SERVICE_LIFECYCLE,
	.interval = interval,
	.run = run,
};
