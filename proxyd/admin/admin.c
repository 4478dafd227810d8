/* SPDX-License-Identifier: MIT
 *
 * Who may, which path, which method: one table of routes. The token comes before
 * everything else, so that nobody without it learns which paths there are.
 */
#include "proxyd/admin/admin.h"

#include <stddef.h>
#include "base/clock.h"
#include "ctl/token.h"
#include "net/http_server.h"
#include "observe/audit.h"
#include "proxyd/admin/admin_private.h"
#include "proxyd/server.h"

struct route {
	const char *method, *path;
	void (*handle)(struct http_call *c);
	bool control; /* only over the control socket */
};

static const struct route routes[] = {
	{"GET", "/admin/api/status", admin_get_status, false},
	{"GET", "/admin/api/reload-status", admin_get_reload_status, false},
	{"POST", "/admin/api/reload", admin_post_reload, true},
	{"GET", "/admin/api/log-level", admin_get_log_level, false},
	{"PUT", "/admin/api/log-level", admin_put_log_level, false},
};

#define N_ROUTES (sizeof routes / sizeof routes[0])

bool admin_is_enabled(const struct server *s)
{
	return ctl_token_is_set(s->config);
}

static void refuse_method(struct http_call *c, bool control)
{
	BUF_AUTO allow = {0};

	for (const struct route *r = routes; r < routes + N_ROUTES; r++) {
		if (!str_eq(c->path, str_of(r->path)) || (r->control && !control))
			continue;
		if (allow.n)
			buf_add_cstr(&allow, ", ");
		buf_add_cstr(&allow, r->method);
	}
	http_reply_field(c, "Allow", buf_str(&allow));
	admin_error(c, 405, "method not allowed");
}

static void dispatch(struct http_call *c, bool control)
{
	bool known = false;

	for (const struct route *r = routes; r < routes + N_ROUTES; r++) {
		if (!str_eq(c->path, str_of(r->path)) || (r->control && !control))
			continue;
		if (str_eq(c->head.method, str_of(r->method))) {
			r->handle(c);
			return;
		}
		known = true;
	}
	if (known)
		refuse_method(c, control);
	else
		admin_error(c, 404, "not found");
}

static void refuse(struct http_call *c)
{
	log_warn("admin", "wrong admin token", LOG_S("path", c->path),
	         LOG_STR("client_addr", c->peer));
	audit("admin", "admin.AuthFailure",
	      LOG_FIELDS(LOG_S("method", c->head.method), LOG_S("path", c->path),
	                 LOG_STR("client_addr", c->peer)));
	admin_error(c, 401, "unauthorized");
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

void admin_handle(struct http_call *c, bool control)
{
	const struct server *s = c->server;

	if (!control && !ctl_token_is_valid(s->config, &c->head)) {
		refuse(c);
		return;
	}
	dispatch(c, control);
	record(c);
}
