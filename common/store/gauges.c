/* SPDX-License-Identifier: MIT
 *
 * Gauges that live in the database. Asked for by whoever makes a page of metrics,
 * which must not wait for a database that hangs: so the statement runs beside it,
 * and what it brings too late is on the next page.
 */
#include "store/store_private.h"

#include "base/clock.h"
#include "observe/metrics.h"
#include "rt/task.h"

#define REFRESH  CLOCK_SEC /* not more often */
#define PATIENCE CLOCK_SEC

static void set_gauge(enum metric m, int backend, uint64_t value)
{
	metrics_set(m, backend, METRIC_NONE, METRIC_NONE, (int64_t)value);
}

static void set_space(const struct store_space *p)
{
	int backend = metrics_backend(p->backend) - METRIC_BACKEND_OR_NONE(0);
	uint64_t taken = p->used + p->orphaned;

	if (backend < 0) /* configured by another host, or removed */
		return;
	set_gauge(METRIC_QUOTA_USED, backend, p->used);
	set_gauge(METRIC_QUOTA_LIMIT, backend, p->limit);
	set_gauge(METRIC_QUOTA_AVAILABLE, backend, taken < p->limit ? p->limit - taken : 0);
	set_gauge(METRIC_QUOTA_ORPHAN, backend, p->orphaned);
	set_gauge(METRIC_OBJECTS, backend, p->objects);
}

static void wait_for_hint(struct store *s)
{
	int64_t deadline = rt_now() + PATIENCE;

	while (s->hinting && notify_wait(&s->hinted, deadline) == 0)
		;
}

void store_refresh_gauges(struct store *s)
{
	if (!s->exported || rt_now() - s->exported >= REFRESH) {
		s->exported = rt_now();
		space_refresh(s);
	}
	wait_for_hint(s);
	for (size_t i = 0; i < s->n_hint; i++)
		set_space(&s->hint[i]);
}
