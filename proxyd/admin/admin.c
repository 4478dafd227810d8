/* SPDX-License-Identifier: MIT
 *
 * The routes of the admin API, and what concerns all children: the log level, which is
 * set on the board, taken over with each child's next heartbeat, and valid until the
 * next reload or restart, and the usage that they have counted.
 */
#include "proxyd/admin/admin.h"

#include "config/config.h"
#include "ctl/catalogue.h"
#include "ctl/drains.h"
#include "ctl/usage.h"
#include "net/http_server.h"
#include "proxyd/admin/admin_private.h"
#include "proxyd/server.h"

static void get_log_level(struct http_call *c, struct str arg)
{
	const struct server *s = c->server;

	(void)arg;
	admin_reply_level(c, board_log_level(s->board, s->config));
}

static void put_log_level(struct http_call *c, struct str arg)
{
	struct server *s = c->server;
	enum log_level level;

	(void)arg;
	if (!admin_read_level(c, &level))
		return;
	s->board->log_level = (int)level;
	admin_reply_level(c, level);
}

static void start_drain(struct http_call *c, struct str backend)
{
	const struct server *s = c->server;

	admin_start_drain(c, s->store, s->config, backend);
}

static void get_drain(struct http_call *c, struct str backend)
{
	const struct server *s = c->server;

	admin_get_drain(c, s->store, backend);
}

static void cancel_drain(struct http_call *c, struct str backend)
{
	const struct server *s = c->server;

	admin_cancel_drain(c, s->store, backend);
}

static void get_drains(struct http_call *c, struct str arg)
{
	const struct server *s = c->server;

	(void)arg;
	admin_get_drains(c, s->store);
}

static void ask_catalogue(struct http_call *c, struct str arg)
{
	const struct server *s = c->server;

	(void)arg;
	admin_ask_catalogue(c, s->store, s->config);
}

static void post_usage_flush(struct http_call *c, struct str arg)
{
	struct server *s = c->server;
	struct usage_flusher *flusher = &s->board->usage_flusher;
	struct error e;
	enum err r;

	(void)arg;
	if (usage_flusher_take(flusher) < 0) {
		r = err_set(&e, ERR_CANCELED, "cancelled");
	} else {
		r = usage_flush(board_usage(s->board), s->config, s->store, &e);
		usage_flusher_give(flusher);
	}
	ctl_usage_reply(c, r, &e);
}

/* This version has no cache, so none can be on. */
static void ask_cache(struct http_call *c, struct str arg)
{
	const struct server *s = c->server;

	(void)arg;
	if (s->config->cache.enabled)
		admin_error(c, 501, "not supported by this version");
	else
		admin_reply(c, 503,
		            json_pack("{s:s, s:s}", "status", "disabled", "reason",
		                      "object data cache is not enabled"));
}

void admin_handle(struct http_call *c, bool control)
{
	static const struct admin_route routes[] = {
		{"GET", "/admin/api/status", admin_get_status, false},
		{"GET", "/admin/api/reload-status", admin_get_reload_status, false},
		{"POST", "/admin/api/reload", admin_post_reload, true},
		{"POST", "/admin/api/backends/*/drain", start_drain, false},
		{"GET", "/admin/api/backends/*/drain", get_drain, false},
		{"DELETE", "/admin/api/backends/*/drain", cancel_drain, false},
		{"GET", "/admin/api/drains", get_drains, false},
		{"GET", "/admin/api/log-level", get_log_level, false},
		{"PUT", "/admin/api/log-level", put_log_level, false},
		{"POST", "/admin/api/usage-flush", post_usage_flush, false},
		{"GET", "/admin/api/cache", ask_cache, false},
		{"POST", "/admin/api/cache/flush", ask_cache, false},
		{"DELETE", "/admin/api/cache/keys/*", ask_cache, false},
		{"DELETE", "/admin/api/cache/prefix", ask_cache, false},
		ADMIN_CATALOGUE_ROUTES(ask_catalogue),
		/* workerd's */
		{"GET", "/admin/api/workers", admin_forward_workers, false},
		{"POST", "/admin/api/workers/*/run", admin_forward, false},
		{"DELETE", "/admin/api/backends/*", admin_forward, false},
		{"POST", "/admin/api/replicate", admin_forward, false},
		{"GET", "/admin/api/over-replication", admin_forward, false},
		{"POST", "/admin/api/over-replication", admin_forward, false},
		{"POST", "/admin/api/rebalance", admin_forward, false},
		{"POST", "/admin/api/reconcile", admin_forward, false},
		{"POST", "/admin/api/sync", admin_forward, false},
		{"POST", "/admin/api/scrub", admin_forward, false},
		{"POST", "/admin/api/backfill-checksums", admin_forward, false},
		{"POST", "/admin/api/encrypt-existing", admin_forward, false},
		{"POST", "/admin/api/decrypt-existing", admin_forward, false},
		{"POST", "/admin/api/rotate-encryption-key", admin_forward, false},
	};
	const struct server *s = c->server;

	admin_dispatch(c, s->config, routes, sizeof routes / sizeof routes[0], control);
}
