/* SPDX-License-Identifier: MIT
 *
 * See watch.h.
 */
#include "workerd/watch.h"

#include <stdlib.h>

#include "backend/backend.h"
#include "backend/breaker.h"
#include "base/clock.h"
#include "base/mem.h"
#include "config/config.h"
#include "rt/sync.h"
#include "rt/task.h"
#include "store/copies.h"
#include "workerd/scheduler.h"
#include "workerd/worker.h"

/* A backend is asked twice in the time after which it is written off: a call costs money. One
 * that has failed is asked more often, until its breaker knows. */
#define WELL 2
#define ILL  20

#define STEP_MIN (100 * CLOCK_MS)
#define STEP_MAX (10 * CLOCK_SEC)

struct watch {
	struct worker *worker;
	struct wait_group tasks;
	struct task *task;
	struct notify end;
	bool ending;
	const struct setup *setup; /* of `asked`; not followed, only compared */
	int64_t *asked;            /* monotonic, one per backend */
	uint64_t ill;              /* a bit for each backend, as of the last step */
};

static bool is_wanted(const struct config *c)
{
	return config_max_factor(c) > 1 && c->replication.unhealthy_threshold > 0 &&
	       c->backend_circuit_breaker.enabled;
}

static int64_t clamp(int64_t v, int64_t min, int64_t max)
{
	return v < min ? min : v > max ? max : v;
}

static int64_t step_of(const struct config *c)
{
	return clamp(c->replication.unhealthy_threshold / ILL, STEP_MIN, STEP_MAX);
}

static bool is_due(const struct watch *w, const struct config *c, const struct backend *b)
{
	bool doubtful =
		breaker_failures(b->breaker) > 0 || breaker_state(b->breaker) != BREAKER_CLOSED;
	int64_t often = c->replication.unhealthy_threshold / (doubtful ? ILL : WELL);

	return rt_now() >= w->asked[b->index] + often;
}

/* About a copy that it has: without any it need not be asked. (About a key that is not there
 * S3 says "denied" to who may not list the bucket.) */
static void ask(struct watch *w, const struct setup *s, struct backend *b)
{
	struct arena *a = arena_new();
	struct store_located *copy;
	struct backend_info info;
	size_t n;

	w->asked[b->index] = rt_now();
	if (store_copies_on(s->store, b->name, STR(""), STR_NULL, 1, a, &copy, &n, NULL) ==
	            ERR_OK &&
	    n > 0)
		backend_head(b, a, copy->backend_key, &info, NULL);
	arena_free(&a);
}

/* A reload has other backends at the same places. */
static void begin_anew(struct watch *w, const struct setup *s)
{
	if (w->setup == s)
		return;
	w->setup = s;
	w->asked = mem_resize(w->asked, (s->backends.n + 1) * sizeof *w->asked);
	for (size_t i = 0; i < s->backends.n; i++)
		w->asked[i] = rt_now();
}

static void tell(struct watch *w, const struct setup *s)
{
	uint64_t ill = 0;

	for (size_t i = 0; i < s->backends.n && i < 64; i++)
		if (breaker_state(s->backends.list[i]->breaker) != BREAKER_CLOSED)
			ill |= UINT64_C(1) << i;
	if (ill == w->ill)
		return;
	if (w->ill & ~ill) /* who is back has copies that were replaced meanwhile */
		scheduler_wake(w->worker->scheduler, STR("over_replication_cleanup"), true);
	scheduler_wake(w->worker->scheduler, STR("replication"), false);
	w->ill = ill;
}

static int64_t look(struct watch *w)
{
	struct setup *s = setup_use(w->worker);
	const struct config *c = s->config;
	int64_t step = STEP_MAX;

	if (is_wanted(c)) {
		begin_anew(w, s);
		for (size_t i = 0; i < s->backends.n && !w->ending; i++)
			if (is_due(w, c, s->backends.list[i]))
				ask(w, s, s->backends.list[i]);
		tell(w, s);
		step = step_of(c);
	}
	setup_drop(&s);
	return step;
}

static void watch_main(void *arg)
{
	struct watch *w = arg;

	while (!w->ending)
		notify_wait(&w->end, clock_deadline(look(w)));
	w->task = NULL;
}

struct watch *watch_new(struct worker *worker)
{
	struct watch *w = MEM_NEW(struct watch);

	w->worker = worker;
	if (wait_group_spawn(&w->tasks, "watch", watch_main, w, &w->task) < 0)
		abort(); /* no memory for a stack at start */
	return w;
}

void watch_free(struct watch **wp)
{
	struct watch *w = *wp;

	w->ending = true;
	notify_all(&w->end);
	if (w->task) /* it may be waiting for a backend that does not answer */
		task_cancel(w->task);
	wait_group_wait(&w->tasks, 0);
	free(w->asked);
	free(w);
	*wp = NULL;
}
