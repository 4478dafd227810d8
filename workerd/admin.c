/* SPDX-License-Identifier: MIT
 *
 * What workerd answers over HTTP: health, metrics, and the admin API.
 */
#include <unistd.h>

#include "base/clock.h"
#include "config/config.h"
#include "ctl/admin.h"
#include "ctl/catalogue.h"
#include "ctl/drains.h"
#include "ctl/token.h"
#include "ctl/usage.h"
#include "db/db.h"
#include "net/http_server.h"
#include "observe/metrics.h"
#include "store/store.h"
#include "workerd/removal.h"
#include "workerd/requested.h"
#include "workerd/runs.h"
#include "workerd/scheduler.h"
#include "workerd/serve.h"
#include "workerd/status.h"
#include "workerd/worker.h"

/* How long a request waits for the end of the reload that it asked for. */
#define RELOAD_WAIT (60 * CLOCK_SEC)

static void get_status(struct http_call *c, struct str arg)
{
	(void)arg;
	admin_reply(c, 200, status_json(c->server, c->arena));
}

static void get_workers(struct http_call *c, struct str arg)
{
	(void)arg;
	admin_reply(c, 200, status_workers_json(c->server, c->arena));
}

static void run_job(struct http_call *c, struct str slug)
{
	struct worker *w = c->server;

	if (slug.n == 0 || !scheduler_wake(w->scheduler, slug, true)) {
		admin_error(c, 404, "no such job");
		return;
	}
	admin_reply(c, 202,
	            json_pack("{s:s, s:s#}", "status", "started", "job", slug.p, (int)slug.n));
}

static void get_reload(struct http_call *c, struct str arg)
{
	(void)arg;
	admin_reply(c, 200, status_reload_json(c->server));
}

static void do_reload(struct http_call *c, struct str arg)
{
	struct worker *w = c->server;
	uint64_t before = w->reload.count;
	int64_t deadline = clock_deadline(RELOAD_WAIT);

	(void)arg;
	worker_want_reload(w);
	/* One that was running already may have read the file before it changed:
	 * ours is over when nothing is wanted any more. */
	while (w->reload.wanted || w->reload.count == before)
		if (notify_wait(&w->reload.done, deadline) < 0) {
			admin_error(c, 503, "the reload has not ended in time");
			return;
		}
	admin_reply(c, 200, status_reload_json(w));
}

static void get_log_level(struct http_call *c, struct str arg)
{
	(void)arg;
	admin_reply_level(c, log_get_level());
}

static void put_log_level(struct http_call *c, struct str arg)
{
	enum log_level level;

	(void)arg;
	if (!admin_read_level(c, &level))
		return;
	log_set_level(level);
	admin_reply_level(c, level);
}

static void start_drain(struct http_call *c, struct str backend)
{
	struct setup *s = setup_use(c->server);

	admin_start_drain(c, s->store, s->config, backend);
	setup_drop(&s);
}

static void get_drain(struct http_call *c, struct str backend)
{
	struct setup *s = setup_use(c->server);

	admin_get_drain(c, s->store, backend);
	setup_drop(&s);
}

static void cancel_drain(struct http_call *c, struct str backend)
{
	struct setup *s = setup_use(c->server);

	admin_cancel_drain(c, s->store, backend);
	setup_drop(&s);
}

static void get_drains(struct http_call *c, struct str arg)
{
	struct setup *s = setup_use(c->server);

	(void)arg;
	admin_get_drains(c, s->store);
	setup_drop(&s);
}

static void ask_catalogue(struct http_call *c, struct str arg)
{
	struct setup *s = setup_use(c->server);

	(void)arg;
	admin_ask_catalogue(c, s->store, s->config);
	setup_drop(&s);
}

static void post_usage_flush(struct http_call *c, struct str arg)
{
	struct error e;

	(void)arg;
	ctl_usage_reply(c, worker_usage_flush(c->server, &e), &e);
}

/* --- what this version has not ------------------------------------------------------ */

/* Then it is off, unless somebody has turned it on in vain. */
static bool is_in_vain(struct http_call *c, bool enabled)
{
	if (enabled)
		admin_error(c, 501, "not supported by this version");
	return enabled;
}

static void run_integrity(struct http_call *c, struct str arg)
{
	struct setup *s = setup_use(c->server);

	(void)arg;
	if (!is_in_vain(c, s->config->integrity.enabled))
		admin_reply(c, 200,
		            json_pack("{s:s, s:s}", "status", "skipped", "reason",
		                      "integrity verification is not enabled"));
	setup_drop(&s);
}

static void run_encryption(struct http_call *c, struct str arg)
{
	struct setup *s = setup_use(c->server);

	(void)arg;
	if (!is_in_vain(c, s->config->encryption.enabled))
		admin_error(c, 400, "encryption not enabled");
	setup_drop(&s);
}

static void handle_api(struct http_call *c, const struct config *config, bool control)
{
	static const struct admin_route routes[] = {
		{"GET", "/admin/api/status", get_status, false},
		{"GET", "/admin/api/workers", get_workers, false},
		{"POST", "/admin/api/workers/*/run", run_job, false},
		{"POST", "/admin/api/backends/*/drain", start_drain, false},
		{"GET", "/admin/api/backends/*/drain", get_drain, false},
		{"DELETE", "/admin/api/backends/*/drain", cancel_drain, false},
		{"GET", "/admin/api/drains", get_drains, false},
		{"DELETE", "/admin/api/backends/*", removal_handle, false},
		{"POST", "/admin/api/replicate", run_replication, false},
		{"GET", "/admin/api/over-replication", get_over_replication, false},
		{"POST", "/admin/api/over-replication", run_over_replication, false},
		{"POST", "/admin/api/rebalance", run_rebalance, false},
		{"POST", "/admin/api/reconcile", requested_reconcile, false},
		{"POST", "/admin/api/sync", requested_sync, false},
		{"POST", "/admin/api/scrub", run_integrity, false},
		{"POST", "/admin/api/backfill-checksums", run_integrity, false},
		{"POST", "/admin/api/encrypt-existing", run_encryption, false},
		{"POST", "/admin/api/decrypt-existing", run_encryption, false},
		{"POST", "/admin/api/rotate-encryption-key", run_encryption, false},
		{"GET", "/admin/api/log-level", get_log_level, false},
		{"PUT", "/admin/api/log-level", put_log_level, false},
		{"POST", "/admin/api/usage-flush", post_usage_flush, false},
		{"GET", "/admin/api/reload-status", get_reload, false},
		{"POST", "/admin/api/reload", do_reload, true},
		ADMIN_CATALOGUE_ROUTES(ask_catalogue),
	};

	if (control || ctl_token_is_set(config))
		admin_dispatch(c, config, routes, sizeof routes / sizeof routes[0], control);
	else
		admin_error(c, 404, "not found");
}

static bool is_metrics(const struct http_call *c, const struct config *config, bool control)
{
	if (control)
		return str_eq(c->path, STR("/metrics"));
	return config->telemetry.metrics.enabled &&
	       str_eq(c->path, str_of(config->telemetry.metrics.path));
}

/* The region begins anew with other backends, so all gauges are set each time. */
static void refresh_gauges(struct worker *w)
{
	struct setup *s = setup_use(w);

	store_refresh_gauges(s->store);
	usage_export(s->usage, s->backends.n);
	setup_drop(&s);
	metrics_set(METRIC_BREAKER_STATE, METRIC_BREAKER_DATABASE, METRIC_NONE, METRIC_NONE,
	            db_state(w->db));
}

static void handle_metrics(struct http_call *c)
{
	pid_t self = getpid();

	if (!admin_require_get(c))
		return;
	refresh_gauges(c->server);
	admin_reply_metrics(c, 'W', "workerd", &self, 1);
}

void admin_handle(struct http_call *c, bool control)
{
	struct worker *w = c->server;
	const struct config *config = w->setup->config;

	if (str_starts(c->path, STR("/admin/")))
		handle_api(c, config, control);
	else if (str_eq(c->path, STR("/health")))
		admin_reply_health(c, db_is_healthy(w->db));
	else if (str_eq(c->path, STR("/health/ready")))
		admin_reply_ready(c, w->ready && !w->stopping);
	else if (is_metrics(c, config, control))
		handle_metrics(c);
	else
		admin_error(c, 404, "not found");
}
