/* SPDX-License-Identifier: MIT
 *
 * The clean-up queue: deletes bytes that no object needs any more. A backend key
 * is written once and never again, so a queued deletion can be repeated, and can
 * come late, without ever hitting live data. A row whose bytes are gone but which
 * could not be closed stays claimed, and is closed by whoever takes it over.
 */
#include "backend/backend.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"
#include "config/config.h"
#include "observe/audit.h"
#include "observe/metrics.h"
#include "rt/task.h"
#include "store/store.h"
#include "workerd/brake.h"
#include "workerd/job.h"
#include "workerd/worker.h"

#define BATCH    50
#define INTERVAL (60 * CLOCK_SEC)

/* The queue is counted no more often: with a million rows that takes a moment. */
#define DEPTHS_INTERVAL CLOCK_SEC

/* Advisory lock of this job. */
#define LOCK 1003

/* How long a row waits for a backend whose circuit breaker is open: no longer
 * than the breaker does, within bounds that keep a long queue from being moved
 * round and round, and from being forgotten. */
#define POSTPONE_MIN CLOCK_SEC
#define POSTPONE_MAX (60 * CLOCK_SEC)

/* How long a backend is left alone that let a deletion time out, in time-outs: a
 * pass lasts as long as its slowest row, and the rows of others wait for it. */
#define SILENCE 2

#define COMPONENT "cleanup_queue"

static struct brake brake;

struct batch {
	struct pass *pass;
	struct store_cleanup *rows;
	size_t n;
};

static int64_t interval(const struct config *c)
{
	(void)c;
	return INTERVAL;
}

static void count(int status)
{
	metrics_inc(METRIC_CLEANUP_PROCESSED, status, 0, 0);
}

static void not_stored(const struct pass *p, const struct store_cleanup *row, const struct error *e)
{
	if (e->code == ERR_CANCELED)
		return;
	log_warn(COMPONENT, "outcome of a clean-up not stored",
	         LOG_STR("request_id", p->request_id), LOG_INT("cleanup_id", row->id),
	         LOG_STR("error", e->text));
}

/* --- one row ------------------------------------------------------------- */

static void audit_done(const struct pass *p, const struct store_cleanup *row, bool absent)
{
	audit(COMPONENT, absent ? "cleanup_queue.already_absent" : "cleanup_queue.processed",
	      LOG_FIELDS(LOG_STR("request_id", p->request_id), LOG_S("key", row->backend_key),
	                 LOG_S("backend", row->backend), LOG_S("reason", row->reason),
	                 LOG_INT("attempt", row->attempts + 1)));
}

/* The bytes are gone, now or before. */
static void done(struct pass *p, const struct store_cleanup *row, bool absent)
{
	struct error e;

	if (store_cleanup_done(p->setup->store, row->id, &e) != ERR_OK) {
		not_stored(p, row, &e);
		return;
	}
	p->items++;
	count(absent ? METRIC_CLEANUP_SUCCESS_ABSENT : METRIC_CLEANUP_SUCCESS);
	audit_done(p, row, absent);
}

/* b is NULL when the backend is not configured. */
static void exhausted(struct pass *p, const struct backend *b, const struct store_cleanup *row,
                      const char *error)
{
	count(METRIC_CLEANUP_EXHAUSTED);
	if (b)
		metrics_inc(METRIC_CLEANUP_DLQ_ENQUEUED, b->index, 0, 0);
	audit(COMPONENT, "cleanup_queue.exhausted_to_dlq",
	      LOG_FIELDS(LOG_STR("request_id", p->request_id), LOG_S("key", row->backend_key),
	                 LOG_S("backend", row->backend), LOG_S("reason", row->reason),
	                 LOG_INT("attempts", row->attempts + 1), LOG_INT("size_bytes", row->size),
	                 LOG_STR("last_error", error)));
}

static void retry(struct pass *p, const struct backend *b, const struct store_cleanup *row,
                  const char *error)
{
	struct error e;
	bool dead;

	if (store_cleanup_failed(p->setup->store, row, error, &dead, &e) != ERR_OK) {
		not_stored(p, row, &e);
		return;
	}
	p->items++;
	if (dead) {
		exhausted(p, b, row, error);
		return;
	}
	count(METRIC_CLEANUP_RETRY);
	log_warn(COMPONENT, "deletion failed, to be repeated", LOG_STR("request_id", p->request_id),
	         LOG_S("backend", row->backend), LOG_S("key", row->backend_key),
	         LOG_INT("attempts", row->attempts + 1), LOG_STR("error", error));
}

static void postpone(const struct pass *p, const struct store_cleanup *row, int64_t delay)
{
	struct error e;

	if (store_cleanup_postpone(p->setup->store, row->id, delay, &e) != ERR_OK)
		not_stored(p, row, &e);
}

static bool is_silent(const struct pass *p, const struct backend *b)
{
	return rt_now() < p->setup->silent_until[b->index];
}

/* Nothing was sent, so nothing was tried. */
static void wait_for_breaker(const struct pass *p, const struct store_cleanup *row)
{
	int64_t delay = p->setup->config->backend_circuit_breaker.open_timeout;

	if (delay > POSTPONE_MAX)
		delay = POSTPONE_MAX;
	postpone(p, row, delay > POSTPONE_MIN ? delay : POSTPONE_MIN);
}

static void recovered(const struct pass *p, const struct backend *b,
                      const struct store_cleanup *row)
{
	metrics_inc(METRIC_CLEANUP_STALE_CLAIMS, b->index, 0, 0);
	log_warn(COMPONENT, "stale claim recovered", LOG_STR("request_id", p->request_id),
	         LOG_INT("cleanup_id", row->id), LOG_S("backend", row->backend),
	         LOG_S("key", row->backend_key));
	audit(COMPONENT, "cleanup_queue.claim_recovered",
	      LOG_FIELDS(LOG_STR("request_id", p->request_id), LOG_INT("cleanup_id", row->id),
	                 LOG_S("backend", row->backend), LOG_S("key", row->backend_key),
	                 LOG_STR("reclaimed_by", store_instance(p->setup->store))));
}

static void process(void *arg, size_t i)
{
	const struct batch *batch = arg;
	const struct store_cleanup *row = &batch->rows[i];
	struct pass *p = batch->pass;
	struct backend *b = backend_by_name(&p->setup->backends, row->backend);
	struct arena *arena;
	struct error e;
	enum err r;

	if (!b) {
		/* Perhaps only here and now: this daemon may not have reloaded yet. */
		retry(p, NULL, row, "the backend is not configured");
		return;
	}
	if (row->reclaimed)
		recovered(p, b, row);
	if (is_silent(p, b)) { /* since this pass has begun */
		postpone(p, row, p->setup->silent_until[b->index] - rt_now());
		return;
	}
	brake_use(&brake);
	arena = arena_new(); /* one per row: a batch's answers need not add up */
	r = backend_remove(b, arena, row->backend_key, &e);
	stop_point("cleanup-deleted");
	task_shield(); /* what has been found out is written down even when stopping */
	if (r == ERR_OK || r == ERR_NOT_FOUND)
		done(p, row, r == ERR_NOT_FOUND);
	else if (r == ERR_CANCELED)
		postpone(p, row, 0);
	else if (r == ERR_UNAVAILABLE || r == ERR_CONGESTED)
		wait_for_breaker(p, row);
	else {
		if (r == ERR_TIMEOUT)
			p->setup->silent_until[b->index] = rt_now() + SILENCE * b->timeout_us;
		retry(p, b, row, e.text);
	}
	task_unshield();
	arena_free(&arena);
}

/* --- one pass ------------------------------------------------------------ */

/* Sets the gauges, and when the next row will be due. */
static enum err look_ahead(struct pass *p, struct error *e)
{
	static int64_t looked; /* monotonic, 0: never */
	struct store_depths d;
	int64_t now = rt_now();
	enum err r;

	if (looked > 0 && now < looked + DEPTHS_INTERVAL) {
		p->due = clock_wall() + (looked + DEPTHS_INTERVAL - now);
		return ERR_OK;
	}
	looked = now;
	r = store_depths(p->setup->store, &d, e);
	if (r != ERR_OK)
		return r;
	metrics_set(METRIC_CLEANUP_DEPTH, 0, 0, 0, (int64_t)d.cleanup_queue);
	metrics_set(METRIC_CLEANUP_DLQ_DEPTH, 0, 0, 0, (int64_t)d.cleanup_dlq);
	metrics_set(METRIC_INTENTS_DEPTH, 0, 0, 0, (int64_t)d.intents);
	metrics_set(METRIC_ACTIVE_UPLOADS, 0, 0, 0, (int64_t)d.uploads);
	/* Not at once even if it is due by now: the database's clock may differ. */
	if (d.next_cleanup > 0 && d.next_cleanup < clock_wall() + DEPTHS_INTERVAL)
		p->due = clock_wall() + DEPTHS_INTERVAL;
	else
		p->due = d.next_cleanup;
	return ERR_OK;
}

static enum err claim(struct pass *p, int n, struct batch *batch, struct error *e)
{
	const struct setup *s = p->setup;
	const char **silent = ARENA_ARRAY(p->arena, const char *, s->backends.n);
	size_t n_silent = 0;
	enum err r;

	for (size_t i = 0; i < s->backends.n; i++)
		if (is_silent(p, s->backends.list[i]))
			silent[n_silent++] = s->backends.list[i]->name;
	/* Shielded: a claim whose answer is not waited for would last until the
	 * grace period has passed. */
	task_shield();
	r = store_cleanup_claim(s->store, n, s->config->cleanup_queue.claim_grace_period, silent,
	                        n_silent, p->arena, &batch->rows, &batch->n, e);
	task_unshield();
	return r;
}

/* True, once for each minute that is full, also says so. */
static bool is_braked(struct pass *p, int allowed)
{
	static bool told;
	int64_t pause = brake_pause(&brake, rt_now());

	metrics_set(METRIC_CLEANUP_PAUSED, 0, 0, 0, allowed == 0);
	if (allowed == 0) {
		p->due = clock_wall() + pause;
		if (!told)
			log_warn(COMPONENT, "deletions pause: safety.max_deletes_per_minute",
			         LOG_STR("request_id", p->request_id),
			         LOG_INT("deleted", brake.used),
			         LOG_INT("pause_ms", pause / CLOCK_MS));
	}
	told = allowed == 0;
	return told;
}

static enum err run(struct pass *p, struct error *e)
{
	const struct config *c = p->setup->config;
	struct batch batch = {.pass = p};
	int allowed = brake_allows(&brake, c->safety.max_deletes_per_minute, BATCH, rt_now());
	size_t begun;
	enum err r;

	if (is_braked(p, allowed))
		return ERR_OK;
	r = claim(p, allowed, &batch, e);
	if (r != ERR_OK)
		return r;
	stop_point("cleanup-claimed");
	begun = pass_each(p, c->cleanup_queue.concurrency, batch.n, process, &batch);
	p->again = batch.n == (size_t)allowed || begun < batch.n;
	task_shield();
	while (begun < batch.n)
		postpone(p, &batch.rows[begun++], 0);
	task_unshield();
	return p->again ? ERR_OK : look_ahead(p, e);
}

const struct job job_cleanup = {
	.slug = COMPONENT,
	.lock = LOCK,
	.service = METRIC_SERVICE_CLEANUP_QUEUE,
	.interval = interval,
	.run = run,
};
