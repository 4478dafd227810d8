/* SPDX-License-Identifier: MIT
 *
 * The reaper: intents that nobody renews any more belong to writes that will
 * never be committed. Their reservation becomes a queued deletion, because nobody
 * knows whether bytes arrived. An intent never becomes an object: what was not
 * acknowledged must not appear later. Always on: every write has an intent.
 */
#include "base/stop.h"
#include "config/config.h"
#include "observe/metrics.h"
#include "store/store.h"
#include "workerd/job.h"
#include "workerd/worker.h"

/* Advisory lock of this job. */
#define LOCK 1011

static int64_t interval(const struct config *c)
{
	return c->write_path.reaper_tick;
}

static enum err run(struct pass *p, struct error *e)
{
	const struct config *c = p->setup->config;
	struct store *store = p->setup->store;
	struct store_depths depths;
	enum err r;

	r = store_reap(store, c->write_path.min_age, c->write_path.batch_size, &p->items, e);
	if (r != ERR_OK)
		return r;
	if (p->items > 0)
		stop_point("reaped");
	p->again = p->items >= (uint64_t)c->write_path.batch_size && !pass_must_stop(p);
	if (p->again)
		return ERR_OK;
	r = store_depths(store, &depths, e);
	if (r == ERR_OK)
		metrics_set(METRIC_INTENTS_DEPTH, 0, 0, 0, (int64_t)depths.intents);
	return r;
}

const struct job job_reap = {
	.slug = "pending_reaper",
	.lock = LOCK,
	.service = METRIC_SERVICE_PENDING_REAPER,
	.interval = interval,
	.run = run,
};
