/* SPDX-License-Identifier: MIT
 *
 * See usage_flush.h. A backend with nothing to add is asked for all the same: other
 * hosts may have used it.
 */
#include "backend/usage_flush.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "rt/task.h"
#include "store/usage.h"

#define COMPONENT "usage_flush"

#define PACE_MAX CLOCK_SEC
/* A flush is one statement, so that a holder is not waited for long. */
#define TAKE_STEP (20 * CLOCK_MS)

/* --- one flush ------------------------------------------------------------ */

struct flush {
	int month;
	char period[USAGE_PERIOD_SIZE];
	struct store_usage *list;
	size_t n;
};

static struct flush flush_begin(const struct usage *all, const struct config *c)
{
	struct flush f = {.month = usage_month(clock_wall()), .n = c->n_backends};

	usage_period(f.month, f.period);
	f.list = mem_alloc((f.n + 1) * sizeof(*f.list));
	for (size_t i = 0; i < f.n; i++) {
		struct usage_amounts n = usage_unflushed(&all[i]);

		f.list[i] = (struct store_usage){
			.backend = c->backends[i].name,
			.add = {.api = n.api, .egress = n.egress, .ingress = n.ingress},
		};
	}
	return f;
}

static struct usage_amounts amounts_of(const struct store_amounts *a)
{
	return (struct usage_amounts){a->api, a->egress, a->ingress};
}

static void flush_end(struct flush *f, struct usage *all, enum err r)
{
	for (size_t i = 0; r == ERR_OK && i < f->n; i++)
		usage_set_stored(&all[i], amounts_of(&f->list[i].add), f->month,
		                 amounts_of(&f->list[i].total));
	free(f->list);
}

enum err usage_flush(struct usage *all, const struct config *c, struct store *s, struct error *e)
{
	struct flush f = flush_begin(all, c);
	enum err r = store_usage_add(s, f.period, f.list, f.n, e);

	flush_end(&f, all, r);
	return r;
}

enum err usage_flush_blocking(struct usage *all, const struct config *c, struct db_blocking *db,
                              struct error *e)
{
	struct flush f = flush_begin(all, c);
	enum err r = store_usage_add_blocking(db, f.period, f.list, f.n, e);

	flush_end(&f, all, r);
	return r;
}

/* --- who flushes, and when ------------------------------------------------ */

static bool try_take(struct usage_flusher *f)
{
	pid_t nobody = 0;

	return atomic_compare_exchange_strong(&f->holder, &nobody, getpid());
}

int usage_flusher_take(struct usage_flusher *f)
{
	while (!try_take(f))
		if (task_sleep(TAKE_STEP) < 0)
			return -ECANCELED;
	return 0;
}

void usage_flusher_give(struct usage_flusher *f)
{
	f->flushed = clock_mono();
	f->holder = 0;
}

void usage_flusher_orphaned(struct usage_flusher *f, pid_t dead)
{
	atomic_compare_exchange_strong(&f->holder, &dead, 0);
}

static bool is_any_near_limit(const struct usage *all, const struct config *c)
{
	for (size_t i = 0; i < c->n_backends; i++)
		if (usage_is_near_limit(&all[i], &c->backends[i],
		                        c->usage_flush.adaptive_threshold))
			return true;
	return false;
}

static int64_t interval(struct usage_flusher *f, const struct usage *all, const struct config *c)
{
	bool fast = c->usage_flush.adaptive_enabled && is_any_near_limit(all, c);
	int64_t us = fast ? c->usage_flush.fast_interval : c->usage_flush.interval;

	if (atomic_exchange(&f->fast, fast) != fast)
		log_info(COMPONENT,
		         fast ? "a monthly limit is near: usage is flushed more often"
		              : "no monthly limit is near any more",
		         LOG_INT("interval_ms", us / CLOCK_MS));
	return us;
}

static bool is_due(struct usage_flusher *f, const struct usage *all, const struct config *c)
{
	int64_t us = interval(f, all, c);

	return clock_mono() - f->flushed >= us;
}

void usage_flush_tick(struct usage_flusher *f, struct usage *all, const struct config *c,
                      struct store *s)
{
	struct error e;
	enum err r = ERR_OK;

	if (!is_due(f, all, c) || !try_take(f))
		return;
	if (is_due(f, all, c)) /* still: another one may just have given it back */
		r = usage_flush(all, c, s, &e);
	if (r != ERR_OK && r != ERR_CANCELED)
		log_warn(COMPONENT, "usage not written to the database, to be repeated",
		         LOG_STR("error", e.text));
	usage_flusher_give(f);
}

int64_t usage_flush_pace(const struct config *c)
{
	int64_t us = c->usage_flush.interval;

	if (c->usage_flush.adaptive_enabled && c->usage_flush.fast_interval < us)
		us = c->usage_flush.fast_interval;
	return us < PACE_MAX ? us : PACE_MAX;
}
