/* SPDX-License-Identifier: MIT
 *
 * POST .../usage-reconcile: counts anew what is stored on each backend, one after another.
 */
#include "base/log.h"
#include "ctl/catalogue_private.h"
#include "net/http_server.h"
#include "observe/audit.h"
#include "store/recount.h"

static bool is_right(const struct store_drift *d)
{
	return !d->used && !d->reserved && !d->orphaned && !d->copies && !d->free;
}

static json_t *drift_json(const struct store_drift *d)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "bytes_used", (json_int_t)d->used,
	                 "bytes_reserved", (json_int_t)d->reserved, "orphan_bytes",
	                 (json_int_t)d->orphaned, "object_count", (json_int_t)d->copies,
	                 "bytes_free", (json_int_t)d->free);
}

static void record(struct str backend, const struct store_drift *d)
{
	audit("store", "storage.UsageReconcile",
	      LOG_FIELDS(LOG_S("backend", backend), LOG_INT("bytes_used", d->used),
	                 LOG_INT("bytes_reserved", d->reserved),
	                 LOG_INT("orphan_bytes", d->orphaned), LOG_INT("object_count", d->copies),
	                 LOG_INT("bytes_free", d->free)));
}

/* used: {backend: delta}, of those whose bytes were wrong; all: {backend: {...}}, of those
 * where anything was. */
static enum err recount(struct store *s, struct str backend, json_t *used, json_t *all,
                        struct error *e)
{
	struct store_drift d;
	enum err r = store_recount(s, backend, &d, e);

	if (r == ERR_NOT_FOUND) /* it has been removed meanwhile */
		return ERR_OK;
	if (r != ERR_OK || is_right(&d))
		return r;
	record(backend, &d);
	json_object_set_new(all, backend.p, drift_json(&d)); /* terminated, as all of the store */
	if (d.used != 0)
		json_object_set_new(used, backend.p, json_integer(d.used));
	return ERR_OK;
}

void admin_reconcile_usage(struct http_call *c, struct store *s, const struct config *config)
{
	struct store_space *space;
	json_t *used, *all;
	struct error e;
	enum err r;
	size_t n;

	(void)config;
	if (!admin_read_params(c, NULL, 0))
		return;
	used = json_object();
	all = json_object();
	r = store_space(s, c->arena, &space, &n, &e);
	for (size_t i = 0; r == ERR_OK && i < n; i++)
		r = recount(s, space[i].backend, used, all, &e);
	if (r == ERR_OK)
		admin_reply(c, 200,
		            json_pack("{s:s, s:O, s:O}", "status", "reconciled", "adjustments",
		                      used, "counters", all));
	else
		catalogue_fail(c, "failed to reconcile usage", &e);
	json_decref(used);
	json_decref(all);
}
