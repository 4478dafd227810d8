/* SPDX-License-Identifier: MIT
 *
 * The usage that the jobs cause. The counters are those of the setup, so whoever has
 * taken the flusher must look which setup is the current one.
 */
#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "rt/task.h"
#include "store/store.h"
#include "workerd/worker.h"

#define COMPONENT "usage_flush"

/* A backend is told to be nearly full at this share of its quota, once in this time. */
#define FULL_SHARE 0.8
#define FULL_AGAIN (3600 * CLOCK_SEC)

static bool is_nearly_full(const struct store_space *p)
{
	return p->limit > 0 && (double)(p->used + p->orphaned) >= FULL_SHARE * (double)p->limit;
}

static void warn_about(const struct store_space *p)
{
	uint64_t taken = p->used + p->orphaned;

	log_warn("quota", "backend is nearly full", LOG_S("backend", p->backend),
	         LOG_INT("utilization_pct", (double)taken * 100 / (double)p->limit),
	         LOG_INT("bytes_available", taken < p->limit ? p->limit - taken : 0),
	         LOG_INT("bytes_limit", p->limit));
}

static void warn_about_space(struct setup *s)
{
	struct arena *a = arena_new();
	struct store_space *space;
	size_t n = 0;

	if (store_space(s->store, a, &space, &n, NULL) != ERR_OK)
		n = 0;
	for (size_t i = 0; i < n; i++) {
		const struct backend *b = backend_by_name(&s->backends, space[i].backend);

		if (!b || !is_nearly_full(&space[i]))
			continue;
		if (s->told_full[b->index] > 0 && rt_now() < s->told_full[b->index] + FULL_AGAIN)
			continue;
		s->told_full[b->index] = rt_now();
		warn_about(&space[i]);
	}
	arena_free(&a);
}

void worker_usage_main(void *arg)
{
	struct worker *w = arg;

	while (task_sleep(usage_flush_pace(w->setup->config)) == 0) {
		struct setup *s = setup_use(w);

		usage_flush_tick(&w->usage_flusher, s->usage, s->config, s->store);
		warn_about_space(s);
		setup_drop(&s);
	}
}

static enum err flush_held(struct worker *w, struct error *e)
{
	struct setup *s = setup_use(w);
	enum err r = usage_flush(s->usage, s->config, s->store, e);

	setup_drop(&s);
	return r;
}

enum err worker_usage_flush(struct worker *w, struct error *e)
{
	enum err r;

	if (usage_flusher_take(&w->usage_flusher) < 0)
		return err_set(e, ERR_CANCELED, "cancelled");
	r = flush_held(w, e);
	usage_flusher_give(&w->usage_flusher);
	return r;
}

static void move_counted(const struct setup *from, const struct setup *to)
{
	for (size_t i = 0; i < from->backends.n; i++) {
		const struct backend *b = from->backends.list[i];
		const struct backend *same = backend_by_name(&to->backends, str_of(b->name));

		if (same)
			usage_move(b->usage, same->usage);
		else if (!usage_is_flushed(b->usage))
			log_error(COMPONENT, "usage of a removed backend is lost",
			          LOG_STR("backend", b->name));
	}
}

void worker_usage_replace(struct worker *w, struct setup *next)
{
	struct error e;

	task_shield();
	usage_flusher_take(&w->usage_flusher);
	if (flush_held(w, &e) != ERR_OK)
		log_warn(COMPONENT, "usage not written to the database, to be repeated",
		         LOG_STR("error", e.text));
	move_counted(w->setup, next);
	w->setup = next;
	usage_flusher_give(&w->usage_flusher);
	task_unshield();
}
