/* SPDX-License-Identifier: MIT
 *
 * Health and metrics. Gauges that live in the database are refreshed by whoever
 * asks for the page, but not more than once a second, and the page is served
 * without them when the database does not answer.
 */
#include "proxyd/http/health.h"

#include "base/clock.h"
#include "base/log.h"
#include "ctl/admin.h"
#include "net/http_server.h"
#include "observe/metrics.h"
#include "proxyd/server.h"
#include "rt/task.h"
#include "store/store.h"

#define REFRESH (1 * CLOCK_SEC)

static bool is_ready(const struct server *s)
{
	/* A leaving child of an old generation still answers for the server as a
	 * whole, which is as ready as before. */
	return !s->board->stopping && s->self->state != CHILD_STARTING;
}

void health_handle(struct http_call *c)
{
	const struct server *s = c->server;

	if (str_eq(c->path, STR("/health")))
		admin_reply_health(c, store_is_healthy(s->store));
	else
		admin_reply_ready(c, is_ready(s));
	log_debug("httpserver", "health", LOG_S("path", c->path), LOG_INT("status", c->status),
	          LOG_STR("client_addr", c->peer));
}

static void set_gauge(enum metric m, int backend, uint64_t value)
{
	metrics_set(m, backend, METRIC_NONE, METRIC_NONE, (int64_t)value);
}

static void set_space(const struct server *s, const struct store_space *p)
{
	const struct backend *b = backend_by_name(&s->backends, p->backend);
	uint64_t taken = p->used + p->orphaned;

	if (!b) /* configured by another host, or removed */
		return;
	set_gauge(METRIC_QUOTA_USED, b->index, p->used);
	set_gauge(METRIC_QUOTA_LIMIT, b->index, p->limit);
	set_gauge(METRIC_QUOTA_AVAILABLE, b->index, taken < p->limit ? p->limit - taken : 0);
	set_gauge(METRIC_QUOTA_ORPHAN, b->index, p->orphaned);
	set_gauge(METRIC_OBJECTS, b->index, p->objects);
}

static void set_breakers(const struct server *s)
{
	metrics_set(METRIC_BREAKER_STATE, METRIC_BREAKER_DATABASE, METRIC_NONE, METRIC_NONE,
	            store_is_healthy(s->store) ? BREAKER_CLOSED : BREAKER_OPEN);
	for (size_t i = 0; i < s->backends.n; i++)
		metrics_set(METRIC_BREAKER_STATE, METRIC_BREAKER_BACKEND((int)i), METRIC_NONE,
		            METRIC_NONE, breaker_state(&board_breakers(s->board)[i]));
}

static void refresh_gauges(struct server *s, struct arena *a)
{
	static int64_t refreshed; /* of this child */
	struct store_space *space;
	struct error e;
	size_t n;

	if (refreshed && rt_now() - refreshed < REFRESH)
		return;
	refreshed = rt_now();
	if (store_space(s->store, a, &space, &n, &e) != ERR_OK)
		return;
	for (size_t i = 0; i < n; i++)
		set_space(s, &space[i]);
}

static size_t list_processes(const struct board *b, pid_t pids[BOARD_CHILDREN + 1])
{
	size_t n = 1;

	pids[0] = b->supervisor;
	for (int i = 0; i < b->n_children; i++) {
		pid_t pid = b->child[i].pid;

		if (pid)
			pids[n++] = pid;
	}
	return n;
}

void metrics_handle(struct http_call *c)
{
	pid_t pids[BOARD_CHILDREN + 1];
	struct server *s = c->server;

	if (!admin_require_get(c))
		return;
	refresh_gauges(s, c->arena);
	set_breakers(s);
	admin_reply_metrics(c, 'P', "proxyd", pids, list_processes(s->board, pids));
}
