/* SPDX-License-Identifier: MIT
 *
 * Replication: makes the copies that are missing. Writers enter in a queue what they have
 * written with too few copies, readers what they could not read, and a walk over all
 * segments, at every interval, what else lacks one: because the configuration wants more,
 * or a backend drains or has been ill for long. A pass works off a batch of the queue, or
 * walks on when nothing in it is due. A copy is added only to a segment that is there and
 * whose new backend has none, so it is safe that a claim is taken over while its former
 * owner is still at it: one of the two copies is queued for deletion.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"
#include "config/config.h"
#include "object/replica.h"
#include "observe/audit.h"
#include "observe/metrics.h"
#include "rt/task.h"
#include "workerd/job.h"
#include "workerd/standing.h"
#include "workerd/worker.h"

#define COMPONENT "replication"

/* Advisory lock of this job. */
#define LOCK 1002

#define WINDOW  2000 /* segments of a step of the walk: 10 to 20 ms */
#define WINDOWS 50   /* of a pass, unless something is found before */

/* Where the walk is; it begins anew when the daemon does. */
static struct {
	bool active;
	int64_t at;                       /* the last segment that was looked at */
	uint64_t hopeless, hopeless_last; /* of this walk so far, and of the last whole one */
	uint64_t written_off;             /* backends when it began, a bit for each */
} walk;

struct batch {
	struct pass *pass;
	struct standings standings;
	struct presence possible;
	struct store_replication *rows;
	size_t n;
	struct store_held *held;
	size_t n_held;
	int64_t *done; /* segments */
	size_t n_done;
	uint64_t copies;
};

static int64_t interval(const struct config *c)
{
	return c->replication.worker_interval;
}

/* --- copies that are said to be missing ------------------------------------------ */

enum finding { NOT_ASKED, SOUND, MISSING, OF_ANOTHER_SIZE };

static enum finding look_at(const struct batch *b, struct arena *a, const struct store_copy *copy)
{
	struct backend *backend = backend_by_name(&b->pass->setup->backends, copy->backend);
	struct backend_info info;
	enum err r;

	if (!backend)
		return NOT_ASKED;
	r = backend_head(backend, a, copy->backend_key, &info, NULL);
	if (r == ERR_NOT_FOUND)
		return MISSING;
	if (r != ERR_OK)
		return NOT_ASKED;
	return info.size == copy->size ? SOUND : OF_ANOTHER_SIZE;
}

/* Never the last one; and bytes only if there are others that are sound. */
static void remove_bad(const struct batch *b, const struct store_held *h,
                       const struct store_copy *copy, enum finding f, bool others)
{
	struct pass *p = b->pass;
	struct error e;
	enum err r =
		f == OF_ANOTHER_SIZE && !others
			? err_set(&e, ERR_CONFLICT, "no other copy is sound")
			: store_copy_remove(p->setup->store, h->id, copy,
	                                    f == MISSING ? "" : "integrity_failed", 1, NULL, &e);

	log_error(COMPONENT,
	          f == MISSING ? "copy is missing" : "copy has another size than recorded",
	          LOG_STR("request_id", p->request_id), LOG_S("backend", copy->backend),
	          LOG_S("bucket", h->bucket), LOG_S("key", h->key),
	          LOG_S("backend_key", copy->backend_key),
	          LOG_STR("outcome", r == ERR_OK ? "removed from the catalogue" : e.text));
}

/* Asks each backend about its copy. */
static void examine(const struct batch *b, struct arena *a, const struct store_held *h)
{
	enum finding *found = ARENA_ARRAY(a, enum finding, h->n_copies);
	bool sound = false;

	for (size_t i = 0; i < h->n_copies; i++) {
		found[i] = look_at(b, a, &h->copies[i]);
		sound = sound || found[i] == SOUND;
	}
	for (size_t i = 0; i < h->n_copies; i++)
		if (found[i] == MISSING || found[i] == OF_ANOTHER_SIZE)
			remove_bad(b, h, &h->copies[i], found[i], sound);
}

/* --- one segment ------------------------------------------------------------------ */

/* As it is now; NULL: gone. */
static enum err look_again(struct batch *b, struct arena *a, const struct store_held **h,
                           struct error *e)
{
	struct store_held *now;
	size_t n;
	enum err r = store_held(b->pass->setup->store, &(*h)->id, 1, a, &now, &n, e);

	if (r == ERR_OK)
		*h = n > 0 ? now : NULL;
	return r;
}

static int least(int a, int b)
{
	return a < b ? a : b;
}

/* *spread: there are enough copies, but in too few failure domains. */
static bool needs_copy(const struct batch *b, const struct store_held *h, bool *spread)
{
	int factor = config_factor(b->pass->setup->config, h->bucket);
	struct presence there = presence_of(&b->standings, h);

	*spread = there.copies >= least(factor, b->possible.copies);
	return !*spread || there.domains < least(factor, b->possible.domains);
}

static void copied(struct batch *b, const struct store_held *h, const struct engine_replica *r)
{
	b->copies++;
	b->pass->made++;
	metrics_inc(METRIC_REPLICATION_COPIES, 0, 0, 0);
	if (walk.written_off)
		metrics_inc(METRIC_REPLICATION_HEALTH_COPIES, 0, 0, 0);
	audit(COMPONENT, "replication.copy",
	      LOG_FIELDS(LOG_STR("request_id", b->pass->request_id), LOG_S("bucket", h->bucket),
	                 LOG_S("key", h->key), LOG_STR("src_backend", r->source),
	                 LOG_STR("target_backend", r->target), LOG_INT("size", h->size)));
}

static enum err add_copies(struct batch *b, struct arena *a, const struct store_held *h,
                           struct error *e)
{
	bool spread;
	enum err r = ERR_OK;

	while (r == ERR_OK && h && !h->is_upload && needs_copy(b, h, &spread)) {
		struct engine_replica replica = {
			.segment = h,
			.orphan = "replication_orphan",
			.new_domain = spread,
			.request_id = b->pass->request_id,
		};

		r = engine_replicate(b->pass->setup->engine, a, &replica, e);
		if (r == ERR_OK)
			copied(b, h, &replica);
		if (r == ERR_OK || r == ERR_PRECONDITION)
			r = look_again(b, a, &h, e);
	}
	return r;
}

static void failed(struct batch *b, const struct store_replication *row, const struct error *why)
{
	struct pass *p = b->pass;
	struct error e;

	metrics_inc(METRIC_REPLICATION_ERRORS, 0, 0, 0);
	log_warn(COMPONENT, "copy not made, to be repeated", LOG_STR("request_id", p->request_id),
	         LOG_INT("segment", row->segment), LOG_INT("attempts", row->attempts + 1),
	         LOG_STR("outcome", err_name(why->code)), LOG_STR("error", why->text));
	if (store_replication_failed(p->setup->store, row->segment, why->text, &e) != ERR_OK)
		log_warn(COMPONENT, "outcome of a copy not stored",
		         LOG_STR("request_id", p->request_id), LOG_STR("error", e.text));
}

static void process(void *arg, size_t i)
{
	struct batch *b = arg;
	const struct store_replication *row = &b->rows[i];
	const struct store_held *h = store_held_find(b->held, b->n_held, row->segment);
	struct arena *a = arena_new();
	struct error e;
	enum err r = ERR_OK;

	if (row->reclaimed)
		log_warn(COMPONENT, "stale claim recovered",
		         LOG_STR("request_id", b->pass->request_id),
		         LOG_INT("segment", row->segment));
	if (h && row->suspect) {
		examine(b, a, h);
		r = look_again(b, a, &h, &e);
	}
	if (r == ERR_OK)
		r = add_copies(b, a, h, &e);
	if (r == ERR_OK)
		b->done[b->n_done++] = row->segment;
	else if (r == ERR_CANCELED || r == ERR_UNAVAILABLE)
		store_replication_postpone(b->pass->setup->store, &row->segment, 1, NULL);
	else
		failed(b, row, &e);
	arena_free(&a);
}

/* --- one pass ---------------------------------------------------------------------- */

static enum err claim(struct batch *b, struct error *e)
{
	struct pass *p = b->pass;
	const struct config *c = p->setup->config;
	enum err r = store_replication_claim(p->setup->store, c->replication.batch_size,
	                                     c->cleanup_queue.claim_grace_period, p->arena,
	                                     &b->rows, &b->n, e);
	int64_t *ids;

	if (r != ERR_OK || b->n == 0)
		return r;
	ids = ARENA_ARRAY(p->arena, int64_t, b->n);
	for (size_t i = 0; i < b->n; i++)
		ids[i] = b->rows[i].segment;
	b->done = ARENA_ARRAY(p->arena, int64_t, b->n);
	return store_held(p->setup->store, ids, b->n, p->arena, &b->held, &b->n_held, e);
}

static void give_back(struct batch *b, size_t begun)
{
	int64_t *ids = ARENA_ARRAY(b->pass->arena, int64_t, b->n);
	size_t n = 0;

	while (begun < b->n)
		ids[n++] = b->rows[begun++].segment;
	if (n > 0)
		store_replication_postpone(b->pass->setup->store, ids, n, NULL);
}

static enum err work_off(struct batch *b, struct error *e)
{
	struct pass *p = b->pass;
	const struct config *c = p->setup->config;
	int64_t began = clock_mono();
	size_t begun;
	enum err r = ERR_OK;

	audit(COMPONENT, "replication.start",
	      LOG_FIELDS(LOG_STR("request_id", p->request_id),
	                 LOG_INT("factor", c->replication.factor),
	                 LOG_INT("batch_size", c->replication.batch_size)));
	stop_point("replication-claimed");
	begun = pass_each(p, c->replication.concurrency, b->n, process, b);
	stop_point("replication-copied");
	give_back(b, begun);
	if (b->n_done > 0)
		r = store_replication_done(p->setup->store, b->done, b->n_done, e);
	p->items += b->n_done;
	metrics_inc(METRIC_REPLICATION_RUNS,
	            r == ERR_OK ? METRIC_RESULT_SUCCESS : METRIC_RESULT_ERROR, 0, 0);
	metrics_observe(METRIC_REPLICATION_DURATION, 0, 0,
	                (double)(clock_mono() - began) / CLOCK_SEC);
	audit(COMPONENT, "replication.complete",
	      LOG_FIELDS(LOG_STR("request_id", p->request_id), LOG_INT("copies_created", b->copies),
	                 LOG_INT("objects_checked", begun),
	                 LOG_INT("duration", (clock_mono() - began) * 1000),
	                 LOG_INT("duration_ms", (clock_mono() - began) / CLOCK_MS)));
	return r;
}

/* A walk begins at each interval, and when other backends are written off than before. */
static void consider_walk(const struct batch *b)
{
	uint64_t written_off = 0;

	for (size_t i = 0; i < b->standings.n && i < 64; i++)
		if (b->standings.list[i].written_off)
			written_off |= UINT64_C(1) << i;
	if (config_max_factor(b->pass->setup->config) > 1 &&
	    (b->pass->whole || written_off != walk.written_off)) {
		walk.active = true;
		walk.at = 0;
		walk.hopeless = 0;
	}
	walk.written_off = written_off;
}

static enum err walk_on(struct batch *b, struct error *e)
{
	struct pass *p = b->pass;
	struct store_wanted_copies wanted = standings_wanted(p, &b->standings);
	struct store_walked found = {0};
	enum err r = ERR_OK;

	for (int i = 0; walk.active && i < WINDOWS && found.entered == 0 && !pass_must_stop(p);
	     i++) {
		r = store_replication_walk(p->setup->store, walk.at, WINDOW, &wanted, &found, e);
		if (r != ERR_OK)
			break;
		walk.at = found.last;
		walk.hopeless += found.hopeless;
		walk.active = found.last > 0;
		if (!walk.active)
			walk.hopeless_last = walk.hopeless;
	}
	p->again = walk.active || found.entered > 0;
	return r;
}

static void plan(struct batch *b)
{
	struct pass *p = b->pass;
	uint64_t depth;
	int64_t next;

	if (store_replication_depth(p->setup->store, &depth, &next, NULL) != ERR_OK)
		return;
	metrics_set(METRIC_REPLICATION_PENDING, 0, 0, 0, (int64_t)(depth + walk.hopeless_last));
	p->due = b->standings.due;
	if (next > 0 && (p->due == 0 || next < p->due))
		p->due = next;
}

static enum err run(struct pass *p, struct error *e)
{
	struct batch b = {.pass = p};
	enum err r = standings_load(p, &b.standings, e);

	if (r == ERR_OK)
		r = claim(&b, e);
	if (r != ERR_OK)
		return r;
	b.possible = presence_possible(&b.standings);
	consider_walk(&b);
	if (b.n > 0) {
		r = work_off(&b, e);
		p->again = true;
	} else {
		r = walk_on(&b, e);
	}
	if (r == ERR_OK && !p->again)
		plan(&b);
	return r;
}

const struct job job_replicate = {
	.slug = COMPONENT,
	.lock = LOCK,
	.service = METRIC_SERVICE_REPLICATION,
	.at_start = true,
	.interval = interval,
	.run = run,
};
