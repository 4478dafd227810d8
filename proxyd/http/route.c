/* SPDX-License-Identifier: MIT
 *
 * Which part of the server a request belongs to. Health, metrics and admin share
 * the port with S3; the names they take are refused as bucket names. A host that
 * names a bucket has keys only.
 */
#include "config/config.h"
#include "ctl/admin.h"
#include "ctl/token.h"
#include "net/http_server.h"
#include "proxyd/admin/admin.h"
#include "proxyd/http/health.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"

static bool is_metrics_path(const struct server *s, struct str path)
{
	return s->config->telemetry.metrics.enabled && !s->config->telemetry.metrics.listen[0] &&
	       str_eq(path, str_of(s->config->telemetry.metrics.path));
}

static bool is_health_path(struct str path)
{
	return str_eq(path, STR("/health")) || str_eq(path, STR("/health/ready"));
}

void route_public(struct http_call *c)
{
	struct server *s = c->server;
	if (s3_host_bucket(s->config, &c->head).n)
		s3_handle(c);
	else if (is_health_path(c->path))
		health_handle(c);
	else if (is_metrics_path(s, c->path))
		metrics_handle(c);
	else if (str_starts(c->path, STR("/admin/")) && ctl_token_is_set(s->config))
		admin_handle(c, false);
	else
		s3_handle(c);
}

void route_control(struct http_call *c)
{
	if (!admin_check_peer(c))
		return;
	if (is_health_path(c->path))
		health_handle(c);
	else if (str_eq(c->path, STR("/metrics")))
		metrics_handle(c);
	else
		admin_handle(c, true);
}

void route_metrics(struct http_call *c)
{
	struct server *s = c->server;
	if (str_eq(c->path, str_of(s->config->telemetry.metrics.path)))
		metrics_handle(c);
	else
		http_reply(c, 404, STR_NULL);
}

void route_malformed(struct http_call *c, int status, const char *why)
{
	s3_handle_malformed(c, status, why);
}
