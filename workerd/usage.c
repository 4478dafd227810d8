/* SPDX-License-Identifier: MIT
 *
 * The usage that the jobs cause. The counters are those of the setup, so whoever has
 * taken the flusher must look which setup is the current one.
 */
#include "base/log.h"
#include "config/config.h"
#include "rt/task.h"
#include "store/store.h"
#include "workerd/worker.h"

#define COMPONENT "usage_flush"

void worker_usage_main(void *arg)
{
	struct worker *w = arg;

	while (task_sleep(usage_flush_pace(w->setup->config)) == 0) {
		struct setup *s = setup_use(w);

		usage_flush_tick(&w->usage_flusher, s->usage, s->config, s->store);
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
