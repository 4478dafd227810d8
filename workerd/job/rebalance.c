/* SPDX-License-Identifier: MIT
 *
 * Rebalancing: moves copies between backends, a batch at each interval, so that the first
 * backends are full (pack) or all are equally full (spread). What is to be moved is planned
 * at once (placement/plan.h) from the smallest copies; each move is one transaction that
 * looks whether the copy is still there.
 */
#include <stdio.h>
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
#include "placement/plan.h"
#include "workerd/job.h"
#include "workerd/rebalance.h"
#include "workerd/standing.h"
#include "workerd/worker.h"

#define COMPONENT "rebalance"

/* Advisory lock of this job. */
#define LOCK 1001

/* Copies of a backend that are looked at: those that cannot go where there is room must not
 * hide the others. */
#define CANDIDATES 10

static int64_t interval(const struct config *c)
{
	return c->rebalance.interval;
}

static bool gate(const struct config *c)
{
	return c->rebalance.enabled;
}

static int strategy(const struct config *c)
{
	return c->rebalance.strategy == STRATEGY_PACK ? METRIC_STRATEGY_PACK
	                                              : METRIC_STRATEGY_SPREAD;
}

static const char *strategy_name(const struct config *c)
{
	return c->rebalance.strategy == STRATEGY_PACK ? "pack" : "spread";
}

/* --- the plan ------------------------------------------------------------------- */

/* Copies on a backend that may be moved, and what else is known of their segments. */
struct candidates {
	struct plan_object *objects; /* by size */
	struct store_held *held;     /* by segment */
	size_t n, n_held;
};

struct planning {
	struct pass *pass;
	struct rebalance *r;
	struct candidates *of; /* each backend */
	struct error error;    /* ERR_OK: none */
};

static enum err load_candidates(struct planning *p, const char *backend, size_t n,
                                struct candidates *c, struct error *e)
{
	struct store *store = p->pass->setup->store;
	struct arena *a = p->pass->arena;
	struct store_located *found;
	int64_t *ids;
	enum err r =
		store_smallest_copies(store, backend, (int)n * CANDIDATES, a, &found, &c->n, e);

	if (r != ERR_OK)
		return r;
	c->objects = ARENA_ARRAY(a, struct plan_object, c->n);
	ids = ARENA_ARRAY(a, int64_t, c->n);
	for (size_t i = 0; i < c->n; i++) {
		c->objects[i] = (struct plan_object){found[i].segment, found[i].size};
		ids[i] = found[i].segment;
	}
	return store_held(store, ids, c->n, a, &c->held, &c->n_held, e);
}

static size_t objects(void *arg, int backend, size_t n, const struct plan_object **out)
{
	struct planning *p = arg;
	struct candidates *c = &p->of[backend];
	const char *name = p->r->standings.list[backend].backend->name;

	*out = NULL;
	if (p->error.code != ERR_OK || load_candidates(p, name, n, c, &p->error) != ERR_OK)
		return 0;
	*out = c->objects;
	return c->n;
}

static bool may_move(void *arg, const struct plan_object *o, int from, int to)
{
	struct planning *p = arg;
	const struct candidates *c = &p->of[from];
	const struct standing *all = p->r->standings.list;
	const struct store_held *h = store_held_find(c->held, c->n_held, o->segment);

	for (size_t i = 0; h && i < h->n_copies; i++) {
		const struct standing *s = standing_of(&p->r->standings, h->copies[i].backend);

		if (s == &all[to])
			return false;
		if (s && s != &all[from] && strcmp(s->domain, all[to].domain) == 0)
			return false;
	}
	return h != NULL;
}

static bool takes_part(const struct standing *s)
{
	return !s->draining && !s->ill && s->limit > 0;
}

enum err rebalance_plan(struct pass *p, struct rebalance *out, struct error *e)
{
	const struct config *c = p->setup->config;
	struct planning planning = {.pass = p, .r = out};
	struct plan_backend *b;
	size_t n = 0, max = (size_t)c->rebalance.batch_size;
	enum err r = standings_load(p, &out->standings, e);

	if (r != ERR_OK)
		return r;
	b = ARENA_ARRAY(p->arena, struct plan_backend, out->standings.n);
	for (size_t i = 0; i < out->standings.n; i++) {
		const struct standing *s = &out->standings.list[i];

		if (takes_part(s))
			b[n++] = (struct plan_backend){(int)i, s->limit, s->used, s->other};
	}
	out->worthwhile = plan_is_worthwhile(b, n, c->rebalance.threshold);
	out->n = 0;
	if (!out->worthwhile)
		return ERR_OK;
	planning.of = ARENA_ARRAY(p->arena, struct candidates, out->standings.n);
	out->moves = ARENA_ARRAY(p->arena, struct plan_move, max);
	out->n = plan_make(c->rebalance.strategy, b, n, max,
	                   &(struct plan_source){&planning, objects, may_move}, out->moves);
	if (planning.error.code != ERR_OK && e)
		*e = planning.error;
	return planning.error.code;
}

/* --- one move --------------------------------------------------------------------- */

struct batch {
	struct pass *pass;
	struct rebalance plan;
	uint64_t moved, done;
};

static const char *name_of(const struct batch *b, int i)
{
	return b->plan.standings.list[i].backend->name;
}

static void moved(struct batch *b, const struct store_held *h, const struct plan_move *m)
{
	int s = strategy(b->pass->setup->config);

	stop_point("rebalance-moved");
	b->moved++;
	b->pass->items++;
	b->pass->made++;
	metrics_inc(METRIC_REBALANCE_MOVED, s, METRIC_RESULT_SUCCESS, 0);
	metrics_add(METRIC_REBALANCE_BYTES, s, 0, 0, h->size);
	audit(COMPONENT, "rebalance.move",
	      LOG_FIELDS(LOG_STR("request_id", b->pass->request_id), LOG_S("bucket", h->bucket),
	                 LOG_S("key", h->key), LOG_STR("src_backend", name_of(b, m->from)),
	                 LOG_STR("dst_backend", name_of(b, m->to)), LOG_INT("size", h->size)));
}

/* ERR_PRECONDITION: it has been overwritten, deleted or moved since it was planned. */
static enum err move(struct batch *b, struct arena *a, const struct plan_move *m,
                     const struct store_held **h, struct error *e)
{
	struct store *store = b->pass->setup->store;
	struct store_held *found;
	size_t n;
	enum err r = store_held(store, &m->object.segment, 1, a, &found, &n, e);

	if (r == ERR_OK && n == 0)
		r = err_set(e, ERR_PRECONDITION, "the segment is gone");
	if (r != ERR_OK)
		return r;
	*h = found;
	return engine_replicate(b->pass->setup->engine, a,
	                        &(struct engine_replica){
					.segment = found,
					.from = name_of(b, m->from),
					.to = name_of(b, m->to),
					.reason = "rebalance_source_delete",
					.orphan = "rebalance_orphan",
					.request_id = b->pass->request_id,
				},
	                        e);
}

static void process(void *arg, size_t i)
{
	struct batch *b = arg;
	const struct plan_move *m = &b->plan.moves[i];
	const struct store_held *h = NULL;
	struct arena *a = arena_new();
	struct error e;
	enum err r = move(b, a, m, &h, &e);

	if (r == ERR_OK) {
		moved(b, h, m);
	} else if (r != ERR_PRECONDITION && r != ERR_CANCELED) {
		metrics_inc(METRIC_REBALANCE_MOVED, strategy(b->pass->setup->config),
		            METRIC_RESULT_ERROR, 0);
		log_warn(COMPONENT, "copy not moved", LOG_STR("request_id", b->pass->request_id),
		         LOG_INT("segment", m->object.segment),
		         LOG_STR("src_backend", name_of(b, m->from)),
		         LOG_STR("dst_backend", name_of(b, m->to)), LOG_STR("outcome", err_name(r)),
		         LOG_STR("error", e.text));
	}
	metrics_set(METRIC_REBALANCE_PENDING, 0, 0, 0, (int64_t)(b->plan.n - ++b->done));
	arena_free(&a);
}

/* --- one pass ----------------------------------------------------------------------- */

static void count_run(const struct pass *p, bool ok, int64_t began)
{
	int s = strategy(p->setup->config);

	metrics_inc(METRIC_REBALANCE_RUNS, s, ok ? METRIC_RESULT_SUCCESS : METRIC_RESULT_ERROR, 0);
	metrics_observe(METRIC_REBALANCE_DURATION, s, 0,
	                (double)(clock_mono() - began) / CLOCK_SEC);
}

static void carry_out(struct batch *b, int64_t began)
{
	struct pass *p = b->pass;
	const struct config *c = p->setup->config;

	metrics_set(METRIC_REBALANCE_PENDING, 0, 0, 0, (int64_t)b->plan.n);
	pass_each(p, c->rebalance.concurrency, b->plan.n, process, b);
	metrics_set(METRIC_REBALANCE_PENDING, 0, 0, 0, 0);
	audit(COMPONENT, "rebalance.complete",
	      LOG_FIELDS(LOG_STR("request_id", p->request_id),
	                 LOG_STR("strategy", strategy_name(c)), LOG_INT("objects_moved", b->moved),
	                 LOG_INT("planned", b->plan.n),
	                 LOG_INT("duration", (clock_mono() - began) * 1000),
	                 LOG_INT("duration_ms", (clock_mono() - began) / CLOCK_MS)));
}

static void announce(const struct pass *p)
{
	const struct config *c = p->setup->config;
	char threshold[16];

	snprintf(threshold, sizeof threshold, "%g", c->rebalance.threshold);
	audit(COMPONENT, "rebalance.start",
	      LOG_FIELDS(LOG_STR("request_id", p->request_id),
	                 LOG_STR("strategy", strategy_name(c)),
	                 LOG_INT("batch_size", c->rebalance.batch_size),
	                 LOG_STR("threshold", threshold)));
}

static enum err run(struct pass *p, struct error *e)
{
	struct batch b = {.pass = p};
	int64_t began = clock_mono();
	enum err r;

	announce(p);
	r = rebalance_plan(p, &b.plan, e);
	if (r == ERR_OK && b.plan.n > 0)
		carry_out(&b, began);
	else if (r == ERR_OK)
		metrics_inc(METRIC_REBALANCE_SKIPPED,
		            b.plan.worthwhile ? METRIC_SKIPPED_EMPTY_PLAN
		                              : METRIC_SKIPPED_THRESHOLD,
		            0, 0);
	if (r != ERR_OK || b.plan.n > 0)
		count_run(p, r == ERR_OK, began);
	return r;
}

const struct job job_rebalance = {
	.slug = COMPONENT,
	.lock = LOCK,
	.service = METRIC_SERVICE_REBALANCE,
	.interval = interval,
	.gate = gate,
	.run = run,
};
