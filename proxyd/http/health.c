/* SPDX-License-Identifier: MIT
 *
 * Health and metrics. Any child answers for all of them.
 */
#include "proxyd/http/health.h"

#include "base/log.h"
#include "ctl/admin.h"
#include "net/http_server.h"
#include "observe/metrics.h"
#include "proxyd/server.h"
#include "store/store.h"

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
		admin_reply_health(c, board_database(s->board) == DB_CLOSED);
	else
		admin_reply_ready(c, is_ready(s));
	log_debug("httpserver", "health", LOG_S("path", c->path), LOG_INT("status", c->status),
	          LOG_STR("client_addr", c->peer));
}

static void set_breakers(const struct server *s)
{
	metrics_set(METRIC_BREAKER_STATE, METRIC_BREAKER_DATABASE, METRIC_NONE, METRIC_NONE,
	            board_database(s->board));
	for (size_t i = 0; i < s->backends.n; i++)
		metrics_set(METRIC_BREAKER_STATE, METRIC_BREAKER_BACKEND((int)i), METRIC_NONE,
		            METRIC_NONE, breaker_state(&board_breakers(s->board)[i]));
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
	store_refresh_gauges(s->store);
	set_breakers(s);
	usage_export(board_usage(s->board), s->backends.n);
	admin_reply_metrics(c, 'P', "proxyd", pids, list_processes(s->board, pids));
}
