/* SPDX-License-Identifier: MIT
 *
 * What workerd answers over HTTP: health, metrics, and the admin API. One table
 * of routes; "*" in a path stands for one segment, which the handler gets.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "ctl/token.h"
#include "net/http_server.h"
#include "net/uri.h"
#include "observe/audit.h"
#include "observe/metrics.h"
#include "rt/task.h"
#include "store/store.h"
#include "workerd/scheduler.h"
#include "workerd/serve.h"
#include "workerd/status.h"
#include "workerd/worker.h"

/* A log level is the only body there is. */
#define BODY_MAX 4096

/* How long a request waits for the end of the reload that it asked for. */
#define RELOAD_WAIT (60 * CLOCK_SEC)

struct route {
	const char *method, *path;
	void (*handle)(struct http_call *c, struct worker *w, struct str arg);
};

/* --- replies ------------------------------------------------------------- */

/* Takes the reference to v. */
static void reply_json(struct http_call *c, int status, json_t *v)
{
	char *text = json_dumps(v, JSON_COMPACT);
	BUF_AUTO body = {0};

	if (!text)
		abort();
	buf_printf(&body, "%s\n", text);
	http_reply_field(c, "Content-Type", STR("application/json"));
	http_reply(c, status, buf_str(&body));
	free(text);
	json_decref(v);
}

static void reply_error(struct http_call *c, int status, const char *text)
{
	reply_json(c, status, json_pack("{s:s}", "error", text));
}

void admin_malformed(struct http_call *c, int status, const char *why)
{
	reply_error(c, status, why);
}

/* --- health and metrics -------------------------------------------------- */

static void get_health(struct http_call *c, struct worker *w, struct str arg)
{
	bool healthy = store_is_healthy(w->setup->store);

	(void)arg;
	reply_json(c, 200, json_pack("{s:s}", "status", healthy ? "ok" : "degraded"));
}

static void get_ready(struct http_call *c, struct worker *w, struct str arg)
{
	bool ready = w->ready && !w->stopping;

	(void)arg;
	reply_json(c, ready ? 200 : 503,
	           json_pack("{s:s}", "status", ready ? "ready" : "not ready"));
}

static void get_metrics(struct http_call *c)
{
	pid_t self = getpid();
	BUF_AUTO page = {0};

	metrics_render(&page, 'W');
	metrics_render_processes(&page, "workerd", &self, 1);
	http_reply_field(c, "Content-Type", STR("text/plain; version=0.0.4; charset=utf-8"));
	http_reply(c, 200, buf_str(&page));
}

/* --- admin API ----------------------------------------------------------- */

static void get_status(struct http_call *c, struct worker *w, struct str arg)
{
	(void)arg;
	reply_json(c, 200, status_json(w));
}

static void get_workers(struct http_call *c, struct worker *w, struct str arg)
{
	(void)arg;
	reply_json(c, 200, status_workers_json(w, c->arena));
}

static void run_job(struct http_call *c, struct worker *w, struct str slug)
{
	if (slug.n == 0 || !scheduler_wake(w->scheduler, slug)) {
		reply_error(c, 404, "no such job");
		return;
	}
	reply_json(c, 202,
	           json_pack("{s:s, s:s#}", "status", "started", "job", slug.p, (int)slug.n));
}

static void get_reload(struct http_call *c, struct worker *w, struct str arg)
{
	(void)arg;
	reply_json(c, 200, status_reload_json(w));
}

static void do_reload(struct http_call *c, struct worker *w, struct str arg)
{
	uint64_t before = w->reload.count;
	int64_t deadline = clock_deadline(RELOAD_WAIT);

	(void)arg;
	worker_want_reload(w);
	/* One that was running already may have read the file before it changed:
	 * ours is over when nothing is wanted any more. */
	while (w->reload.wanted || w->reload.count == before)
		if (notify_wait(&w->reload.done, deadline) < 0) {
			reply_error(c, 503, "the reload has not ended in time");
			return;
		}
	reply_json(c, 200, status_reload_json(w));
}

static const char *const level_names[] = {
	[LOG_DEBUG] = "debug",
	[LOG_INFO] = "info",
	[LOG_WARN] = "warn",
	[LOG_ERROR] = "error",
};

static void get_log_level(struct http_call *c, struct worker *w, struct str arg)
{
	(void)w;
	(void)arg;
	reply_json(c, 200, json_pack("{s:s}", "level", level_names[log_get_level()]));
}

/* NULL after having answered why. */
static json_t *read_json(struct http_call *c)
{
	char text[BODY_MAX];
	size_t n = 0;
	ssize_t got = 1;
	json_t *v;

	http_continue(c);
	while (got > 0 && n < sizeof text) {
		got = body_read(c->body, text + n, sizeof text - n, c->write_idle_us, NULL);
		n += got > 0 ? (size_t)got : 0;
	}
	v = got == 0 ? json_loadb(text, n, 0, NULL) : NULL;
	if (!v)
		reply_error(c, got > 0 ? 413 : 400,
		            got > 0 ? "body too large" : "invalid JSON body");
	return v;
}

static void put_log_level(struct http_call *c, struct worker *w, struct str arg)
{
	json_t *body = read_json(c);
	const char *name = json_string_value(json_object_get(body, "level"));
	enum log_level level;

	(void)w;
	(void)arg;
	if (!body)
		return;
	if (!name || !log_level_parse(str_of(name), &level)) {
		reply_error(c, 400, "invalid log level");
	} else {
		log_set_level(level);
		reply_json(c, 200, json_pack("{s:s}", "level", level_names[level]));
	}
	json_decref(body);
}

/* --- routes -------------------------------------------------------------- */

static const struct route health_routes[] = {
	{"GET", "/health", get_health},
	{"GET", "/health/ready", get_ready},
	{NULL, NULL, NULL},
};

static const struct route admin_routes[] = {
	{"GET", "/admin/api/status", get_status},
	{"GET", "/admin/api/workers", get_workers},
	{"POST", "/admin/api/workers/*/run", run_job},
	{"GET", "/admin/api/log-level", get_log_level},
	{"PUT", "/admin/api/log-level", put_log_level},
	{"GET", "/admin/api/reload-status", get_reload},
	{NULL, NULL, NULL},
};

/* Only for those who could also send the signal. */
static const struct route control_routes[] = {
	{"POST", "/admin/api/reload", do_reload},
	{NULL, NULL, NULL},
};

static bool is_path(const char *pattern, struct str path, struct str *arg)
{
	struct str want = str_of(pattern);

	while (want.n > 0 || path.n > 0) {
		struct str a = str_cut(want, '/', &want), b = str_cut(path, '/', &path);

		if (str_eq(a, STR("*")))
			*arg = b;
		else if (!str_eq(a, b))
			return false;
	}
	return true;
}

static bool is_method(const char *want, struct str got)
{
	return str_eq(str_of(want), got) || (strcmp(want, "GET") == 0 && str_eq(got, STR("HEAD")));
}

/* NULL: none. *known: the path exists, with another method. */
static const struct route *find(const struct route *r, struct http_call *c, struct str *arg,
                                bool *known)
{
	for (; r->path; r++) {
		if (!is_path(r->path, c->path, arg))
			continue;
		if (is_method(r->method, c->head.method))
			return r;
		*known = true;
	}
	return NULL;
}

static void not_routed(struct http_call *c, bool known)
{
	if (known)
		reply_error(c, 405, "method not allowed");
	else
		reply_error(c, 404, "not found");
}

static void record(const struct http_call *c)
{
	if (str_eq(c->head.method, STR("GET")) || str_eq(c->head.method, STR("HEAD")))
		return;
	audit("admin", "admin.Request",
	      LOG_FIELDS(LOG_S("method", c->head.method), LOG_S("path", c->path),
	                 LOG_INT("status", c->status), LOG_STR("client_addr", c->peer),
	                 LOG_INT("duration_ms", (clock_mono() - c->started) / CLOCK_MS)));
}

static void unauthorized(struct http_call *c)
{
	log_warn("admin", "wrong admin token", LOG_S("path", c->path),
	         LOG_STR("client_addr", c->peer));
	audit("admin", "admin.AuthFailure",
	      LOG_FIELDS(LOG_S("method", c->head.method), LOG_S("path", c->path),
	                 LOG_STR("client_addr", c->peer)));
	reply_error(c, 401, "unauthorized");
}

static void handle_admin(struct http_call *c, struct worker *w, bool control)
{
	const struct config *config = w->setup->config;
	const struct route *r;
	struct str arg = STR_NULL;
	bool known = false;

	if (!control && !ctl_token_is_set(config)) {
		not_routed(c, false);
		return;
	}
	if (!control && !ctl_token_is_valid(config, &c->head)) {
		unauthorized(c);
		return;
	}
	r = find(admin_routes, c, &arg, &known);
	if (!r && control)
		r = find(control_routes, c, &arg, &known);
	if (r)
		r->handle(c, w, arg);
	else
		not_routed(c, known);
	record(c);
}

static bool is_metrics(const struct http_call *c, const struct config *config)
{
	return config->telemetry.metrics.enabled &&
	       str_eq(c->path, str_of(config->telemetry.metrics.path));
}

void admin_handle(struct http_call *c, bool control)
{
	struct worker *w = c->server;
	bool is_get = is_method("GET", c->head.method), known = false;
	const struct route *r;
	struct str arg;

	if (str_starts(c->path, STR("/admin/"))) {
		handle_admin(c, w, control);
		return;
	}
	r = find(health_routes, c, &arg, &known);
	if (r)
		r->handle(c, w, STR_NULL);
	else if (is_metrics(c, w->setup->config) && is_get)
		get_metrics(c);
	else
		not_routed(c, known || is_metrics(c, w->setup->config));
}
