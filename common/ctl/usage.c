/* SPDX-License-Identifier: MIT
 *
 * See usage.h.
 */
#include "ctl/usage.h"

#include "backend/usage.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "ctl/admin.h"
#include "store/usage.h"

const struct store_usage *ctl_usage_read(json_t *status, struct store *s, const struct config *c,
                                         struct arena *a)
{
	struct store_usage *list = ARENA_ARRAY(a, struct store_usage, c->n_backends);
	char period[USAGE_PERIOD_SIZE];

	usage_period(usage_month(clock_wall()), period);
	json_object_set_new(status, "usage_period", json_string(period));
	for (size_t i = 0; i < c->n_backends; i++)
		list[i].backend = c->backends[i].name;
	return store_usage_read(s, period, list, c->n_backends, NULL) == ERR_OK ? list : NULL;
}

static void add(json_t *o, const char *name, uint64_t n)
{
	json_object_set_new(o, name, json_integer((json_int_t)n));
}

void ctl_usage_add(json_t *backend, const struct config_backend *c, const struct store_usage *u)
{
	add(backend, "api_request_limit", c->api_request_limit);
	add(backend, "egress_byte_limit", c->egress_byte_limit);
	add(backend, "ingress_byte_limit", c->ingress_byte_limit);
	if (u == NULL)
		return;
	add(backend, "api_requests", u->total.api);
	add(backend, "egress_bytes", u->total.egress);
	add(backend, "ingress_bytes", u->total.ingress);
}

void ctl_usage_reply(struct http_call *c, enum err r, const struct error *e)
{
	BUF_AUTO text = {0};

	if (r == ERR_OK) {
		admin_reply(c, 200, json_pack("{s:s}", "status", "flushed"));
		return;
	}
	buf_printf(&text, "flush failed: %s%c", e->text, '\0');
	log_warn("usage_flush", "usage not written to the database", LOG_STR("error", e->text));
	admin_error(c, 500, text.p);
}
