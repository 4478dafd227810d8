/* SPDX-License-Identifier: MIT
 *
 * See runs.h.
 */
#include "workerd/runs.h"

#include "backend/backend.h"
#include "base/clock.h"
#include "config/config.h"
#include "ctl/admin.h"
#include "net/http_server.h"
#include "store/copies.h"
#include "workerd/rebalance.h"
#include "workerd/scheduler.h"
#include "workerd/worker.h"

#define NO_FACTOR "replication not configured or factor <= 1"

/* Segments of a step when those with too many copies are counted. */
#define WINDOW 2000

static void unavailable(struct http_call *c)
{
	admin_error(c, 503, "the database is not available");
}

/* name: what the job is called in errors; member: of the answer, what was made. */
static void run(struct http_call *c, const char *slug, const char *name, const char *member)
{
	struct worker *w = c->server;
	uint64_t made = 0;
	struct error e;

	switch (scheduler_run(w->scheduler, slug, &made, &e)) {
	case RUN_DONE:
		admin_reply(c, 200,
		            json_pack("{s:s, s:I}", "status", "ok", member, (json_int_t)made));
		break;
	case RUN_OFF:
		admin_reply(c, 200,
		            json_pack("{s:s, s:I, s:s}", "status", "skipped", member, (json_int_t)0,
		                      "reason", "it is not enabled in the configuration"));
		break;
	case RUN_BUSY:
		admin_error(c, 409, arena_printf(c->arena, "%s already running", name));
		break;
	case RUN_UNAVAILABLE:
		unavailable(c);
		break;
	case RUN_FAILED:
		admin_error(c, 500, arena_printf(c->arena, "%s failed: %s", name, e.text));
	}
}

static bool is_replicated(const struct worker *w)
{
	return config_max_factor(w->setup->config) > 1;
}

static void skip(struct http_call *c, const char *member)
{
	admin_reply(c, 200,
	            json_pack("{s:s, s:I, s:s}", "status", "skipped", member, (json_int_t)0,
	                      "reason", NO_FACTOR));
}

void run_replication(struct http_call *c, struct str arg)
{
	(void)arg;
	if (!admin_read_params(c, NULL, 0))
		return;
	if (is_replicated(c->server))
		run(c, "replication", "replication", "copies_created");
	else
		skip(c, "copies_created");
}

/* Also with a factor of 1: there may be copies from before. */
void run_over_replication(struct http_call *c, struct str arg)
{
	(void)arg;
	if (admin_read_params(c, NULL, 0))
		run(c, "over_replication_cleanup", "over-replication cleanup", "copies_removed");
}

void get_over_replication(struct http_call *c, struct str arg)
{
	struct setup *s = setup_use(c->server);
	struct error e;
	uint64_t pending = 0;
	int64_t last = 0;
	enum err r;

	(void)arg;
	do {
		int64_t *ids;
		size_t n;

		r = store_excess_walk(s->store, last, WINDOW, c->arena, &ids, &n, &last, &e);
		pending += r == ERR_OK ? n : 0;
	} while (r == ERR_OK && last > 0);
	if (r == ERR_OK)
		admin_reply(c, 200,
		            json_pack("{s:i, s:I}", "factor", s->config->replication.factor,
		                      "pending", (json_int_t)pending));
	else
		unavailable(c);
	setup_drop(&s);
}

/* --- rebalance -------------------------------------------------------------------------- */

struct cost {
	uint64_t out, bytes_out; /* copies that leave, */
	uint64_t in, bytes_in;   /* and that come */
};

/* A copy that moves is read and deleted here, and written there. */
static json_t *cost_json(const char *backend, const struct cost *k)
{
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "name", backend, "objects_out",
	                 (json_int_t)k->out, "objects_in", (json_int_t)k->in, "api_requests",
	                 (json_int_t)(2 * k->out + k->in), "egress_bytes", (json_int_t)k->bytes_out,
	                 "ingress_bytes", (json_int_t)k->bytes_in);
}

static json_t *plan_json(struct arena *a, const struct rebalance *plan)
{
	struct cost *costs = ARENA_ARRAY(a, struct cost, plan->standings.n);
	json_t *backends = json_array();
	uint64_t bytes = 0;

	for (size_t i = 0; i < plan->n; i++) {
		const struct plan_move *m = &plan->moves[i];

		bytes += m->object.size;
		costs[m->from].out++;
		costs[m->from].bytes_out += m->object.size;
		costs[m->to].in++;
		costs[m->to].bytes_in += m->object.size;
	}
	for (size_t i = 0; i < plan->standings.n; i++)
		json_array_append_new(backends,
		                      cost_json(plan->standings.list[i].backend->name, &costs[i]));
	return json_pack("{s:s, s:b, s:I, s:I, s:o}", "status", "dry run", "worthwhile",
	                 plan->worthwhile, "objects", (json_int_t)plan->n, "bytes",
	                 (json_int_t)bytes, "backends", backends);
}

static bool never(const struct pass *p)
{
	(void)p;
	return false;
}

static void show_plan(struct http_call *c)
{
	struct setup *s = setup_use(c->server);
	struct pass p = {.setup = s, .arena = c->arena, .must_stop = never};
	struct rebalance plan = {0};
	struct error e;

	if (rebalance_plan(&p, &plan, &e) == ERR_OK)
		admin_reply(c, 200, plan_json(c->arena, &plan));
	else
		unavailable(c);
	setup_drop(&s);
}

void run_rebalance(struct http_call *c, struct str arg)
{
	struct admin_param param = {"dry_run", STR_NULL};
	bool dry_run = false;

	(void)arg;
	if (!admin_read_params(c, &param, 1) || !admin_read_bool(c, &param, &dry_run))
		return;
	if (dry_run)
		show_plan(c);
	else
		run(c, "rebalance", "rebalance", "objects_moved");
}
