/* SPDX-License-Identifier: MIT
 *
 * Over-replication: removes copies that are too many, because the configuration wants fewer,
 * or a backend that was written off is back. Walks over all segments at every interval. A
 * segment with a copy on a backend that does not answer now is left alone: nobody knows
 * which copies will be left. Removal is one statement that counts under the lock of the
 * segment, so two daemons never remove one copy too many.
 */
#include <stdio.h>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"
#include "config/config.h"
#include "observe/audit.h"
#include "observe/metrics.h"
#include "placement/excess.h"
#include "workerd/job.h"
#include "workerd/standing.h"
#include "workerd/worker.h"

#define COMPONENT "over_replication_cleanup"

/* Advisory lock of this job. */
#define LOCK 1008

#define WINDOW  2000 /* segments of a step of the walk: 10 to 20 ms */
#define WINDOWS 50   /* of a pass, unless something is found before */

/* Where the walk is; it begins anew when the daemon does. */
static struct {
	bool active;
	int64_t at;
	uint64_t found;
} walk;

struct batch {
	struct pass *pass;
	struct standings standings;
	struct store_held *held;
	struct store_counted counted;
	uint64_t removed, failed;
};

static int64_t interval(const struct config *c)
{
	return c->replication.worker_interval;
}

/* --- one segment ---------------------------------------------------------------------- */

static bool all_answer(const struct batch *b, const struct store_held *h)
{
	for (size_t i = 0; i < h->n_copies; i++) {
		const struct standing *s = standing_of(&b->standings, h->copies[i].backend);

		if (s && s->ill)
			return false;
	}
	return true;
}

static struct placement_copy judge(const struct batch *b, const struct store_copy *copy)
{
	const struct standing *s = standing_of(&b->standings, copy->backend);

	if (!s)
		return (struct placement_copy){.leaving = true};
	return (struct placement_copy){
		.domain = s->domain, .leaving = s->draining, .limit = s->limit, .used = s->used};
}

static void removed(struct batch *b, const struct store_held *h, const struct store_copy *copy,
                    double score)
{
	char text[16];

	stop_point("excess-removed");
	b->removed++;
	b->pass->items++;
	b->pass->made++;
	metrics_inc(METRIC_OVER_REPLICATION_REMOVED, 0, 0, 0);
	snprintf(text, sizeof text, "%.2f", score);
	audit(COMPONENT, "over_replication.remove",
	      LOG_FIELDS(LOG_STR("request_id", b->pass->request_id), LOG_S("bucket", h->bucket),
	                 LOG_S("key", h->key), LOG_S("backend", copy->backend),
	                 LOG_INT("size", h->size), LOG_STR("score", text)));
}

/* False when there is nothing to be done about it any more. */
static bool remove_one(struct batch *b, struct arena *a, struct store_held *h, int factor)
{
	struct pass *p = b->pass;
	struct placement_copy *copies = ARENA_ARRAY(a, struct placement_copy, h->n_copies);
	struct error e;
	size_t i;
	enum err r;

	for (i = 0; i < h->n_copies; i++)
		copies[i] = judge(b, &h->copies[i]);
	i = placement_excess(copies, h->n_copies);
	r = store_copy_remove(p->setup->store, h->id, &h->copies[i], "over_replication", factor,
	                      &b->counted, &e);
	if (r == ERR_OK) {
		removed(b, h, &h->copies[i], placement_score(&copies[i]));
		h->copies[i] = h->copies[--h->n_copies];
		return true;
	}
	if (r == ERR_CONFLICT || r == ERR_NOT_FOUND) /* others have changed it */
		return false;
	b->failed++;
	metrics_inc(METRIC_OVER_REPLICATION_ERRORS, 0, 0, 0);
	log_warn(COMPONENT, "copy not removed", LOG_STR("request_id", p->request_id),
	         LOG_S("bucket", h->bucket), LOG_S("key", h->key), LOG_STR("error", e.text));
	return false;
}

static void process(void *arg, size_t i)
{
	struct batch *b = arg;
	struct store_held *h = &b->held[i];
	int factor = config_factor(b->pass->setup->config, h->bucket);
	struct arena *a = arena_new();

	while (h->n_copies > (size_t)factor && all_answer(b, h) && remove_one(b, a, h, factor))
		;
	arena_free(&a);
}

/* --- one pass ----------------------------------------------------------------------------- */

static enum err work_off(struct batch *b, const int64_t *ids, size_t n, struct error *e)
{
	struct pass *p = b->pass;
	int64_t began = clock_mono();
	size_t n_held;
	enum err r = store_held(p->setup->store, ids, n, p->arena, &b->held, &n_held, e);

	if (r != ERR_OK)
		return r;
	audit(COMPONENT, "over_replication.start",
	      LOG_FIELDS(LOG_STR("request_id", p->request_id),
	                 LOG_INT("factor", p->setup->config->replication.factor),
	                 LOG_INT("batch_size", n)));
	pass_each(p, p->setup->config->replication.concurrency, n_held, process, b);
	metrics_inc(METRIC_OVER_REPLICATION_RUNS,
	            b->failed ? METRIC_RESULT_ERROR : METRIC_RESULT_SUCCESS, 0, 0);
	metrics_observe(METRIC_OVER_REPLICATION_DURATION, 0, 0,
	                (double)(clock_mono() - began) / CLOCK_SEC);
	audit(COMPONENT, "over_replication.complete",
	      LOG_FIELDS(LOG_STR("request_id", p->request_id),
	                 LOG_INT("copies_removed", b->removed), LOG_INT("objects_checked", n_held),
	                 LOG_INT("duration", (clock_mono() - began) * 1000),
	                 LOG_INT("duration_ms", (clock_mono() - began) / CLOCK_MS)));
	return ERR_OK;
}

static enum err walk_on(struct batch *b, struct error *e)
{
	struct pass *p = b->pass;
	enum err r = ERR_OK;

	for (int i = 0; r == ERR_OK && walk.active && i < WINDOWS && !pass_must_stop(p); i++) {
		int64_t *ids, last;
		size_t n;

		r = store_excess_walk(p->setup->store, walk.at, WINDOW, p->arena, &ids, &n, &last,
		                      e);
		if (r == ERR_OK && n > 0)
			r = work_off(b, ids, n, e);
		if (r != ERR_OK)
			break;
		walk.at = last;
		walk.found += n;
		walk.active = last > 0;
		if (n > 0)
			break;
	}
	return r;
}

static enum err run(struct pass *p, struct error *e)
{
	struct batch b = {.pass = p};
	enum err r;

	if (p->whole) {
		walk.active = true;
		walk.at = 0;
		walk.found = 0;
	}
	if (!walk.active)
		return ERR_OK;
	r = standings_load(p, &b.standings, e);
	if (r != ERR_OK)
		return r;
	b.counted = standings_counting(p, &b.standings);
	r = walk_on(&b, e);
	p->again = walk.active;
	if (!walk.active)
		metrics_set(METRIC_OVER_REPLICATION_PENDING, 0, 0, 0, (int64_t)walk.found);
	return r;
}

const struct job job_overreplicate = {
	.slug = COMPONENT,
	.lock = LOCK,
	.service = METRIC_SERVICE_OVER_REPLICATION,
	.interval = interval,
	.run = run,
};
