/* SPDX-License-Identifier: MIT
 *
 * See requested.h.
 */
#include "workerd/requested.h"

#include <stdlib.h>

#include "base/clock.h"
#include "config/config.h"
#include "ctl/admin.h"
#include "net/http_server.h"
#include "rt/task.h"
#include "store/reconcile.h"
#include "store/requests.h"
#include "workerd/worker.h"

/* Between two looks at a job that is waited for. */
#define STEP (200 * CLOCK_MS)

static bool is_over(const struct store_request *q)
{
	return !str_eq(q->state, STR("requested")) && !str_eq(q->state, STR("running"));
}

json_t *requested_wait(struct store *s, int64_t id, bool *ok)
{
	json_t *result = NULL;

	do {
		struct arena *a = arena_new();
		struct store_request *q;
		struct error e;
		size_t n;

		if (store_requests(s, id, 1, a, &q, &n, &e) == ERR_OK && n > 0 && is_over(q)) {
			result = json_loadb(q->result.p, q->result.n, 0, NULL);
			*ok = str_eq(q->state, STR("done"));
			if (!result)
				result = json_object();
		}
		arena_free(&a);
	} while (!result && task_sleep(STEP) == 0);
	return result;
}

static void unavailable(struct http_call *c)
{
	admin_error(c, 503, "the database is not available");
}

/* What is counted of several backends is added up. */
static void add_up(json_t *sum, json_t *counts)
{
	const char *name;
	json_t *v;

	json_object_foreach(counts, name, v) if (json_is_integer(v))
		json_object_set_new(sum, name,
	                            json_integer(json_integer_value(json_object_get(sum, name)) +
	                                         json_integer_value(v)));
}

static void reply_failed(struct http_call *c, const char *what, const char *backend,
                         const json_t *result)
{
	const char *why = json_string_value(json_object_get(result, "error"));

	admin_error(c, 500,
	            arena_printf(c->arena, "%s failed: %s: %s", what, backend, why ? why : ""));
}

/* --- reconcile --------------------------------------------------------------------------- */

struct reconciling {
	struct http_call *c;
	struct setup *setup;
	bool dry_run;
	const struct config_backend *only; /* NULL: all */
	int64_t *ids;                      /* one for each backend; 0: not asked for */
};

static bool read_reconcile(struct reconciling *r)
{
	struct admin_param params[] = {{"backend", STR_NULL}, {"dry_run", STR_NULL}};

	if (!admin_read_params(r->c, params, 2) || !admin_read_bool(r->c, &params[1], &r->dry_run))
		return false;
	if (params[0].value.n == 0)
		return true;
	r->only = config_backend(r->setup->config, params[0].value);
	if (!r->only)
		admin_refuse(r->c, &params[0], "no such backend is configured");
	return r->only != NULL;
}

/* One that is asked for already is not waited for: it may be past what is new. */
static bool ask_for_comparisons(struct reconciling *r)
{
	const struct config *config = r->setup->config;
	const char *params = r->dry_run ? "{\"dry_run\": true}" : "{}";
	enum err err = ERR_OK;
	bool any = false;
	struct error e;

	for (size_t i = 0; i < config->n_backends; i++) {
		if (r->only && r->only != &config->backends[i])
			continue;
		err = store_request_add(r->setup->store, "reconcile", config->backends[i].name,
		                        params, &r->ids[i], &e);
		any = any || err == ERR_OK;
		if (err != ERR_OK && err != ERR_CONFLICT)
			break;
	}
	if (err != ERR_OK && err != ERR_CONFLICT)
		unavailable(r->c);
	else if (!any)
		admin_error(r->c, 409, "reconcile already running");
	return any && (err == ERR_OK || err == ERR_CONFLICT);
}

static void wait_for_comparisons(struct reconciling *r)
{
	const struct config *config = r->setup->config;
	json_t *sum = json_pack("{s:s}", "status", "ok");
	json_t *backends = json_array();
	json_int_t scanned = 0;
	bool answered = false;

	for (size_t i = 0; i < config->n_backends && !answered; i++) {
		const char *name = config->backends[i].name;
		json_t *result;
		bool ok;

		if (r->ids[i] == 0)
			continue;
		result = requested_wait(r->setup->store, r->ids[i], &ok);
		answered = !result || !ok;
		if (!result)
			admin_error(r->c, 503, "the comparison goes on");
		else if (!ok)
			reply_failed(r->c, "reconcile", name, result);
		if (result) {
			add_up(sum, result);
			json_object_set_new(result, "name", json_string(name));
			json_array_append_new(backends, result);
			scanned++;
		}
	}
	json_object_set_new(sum, "dry_run", json_boolean(r->dry_run));
	json_object_set_new(sum, "backends_scanned", json_integer(scanned));
	json_object_set_new(sum, "backends", backends);
	if (answered)
		json_decref(sum);
	else
		admin_reply(r->c, 200, sum);
}

void requested_reconcile(struct http_call *c, struct str arg)
{
	struct setup *setup = setup_use(c->server);
	struct reconciling r = {
		.c = c,
		.setup = setup,
		.ids = ARENA_ARRAY(c->arena, int64_t, setup->config->n_backends),
	};

	(void)arg;
	if (read_reconcile(&r) && ask_for_comparisons(&r))
		wait_for_comparisons(&r);
	setup_drop(&setup);
}

/* --- sync -------------------------------------------------------------------------------- */

enum { BACKEND, BUCKET, PREFIX, DRY_RUN, PARAMS };

static bool is_bucket(struct http_call *c, struct store *s, const struct admin_param *p)
{
	struct store_name name = {.bucket = p->value};
	struct error e;

	if (store_names(s, &name, 1, &e) != ERR_OK)
		unavailable(c);
	else if (!name.is_bucket)
		admin_refuse(c, p, "there is no such bucket");
	else
		return true;
	return false;
}

static bool read_sync(struct http_call *c, const struct setup *setup, struct admin_param *p,
                      bool *dry_run)
{
	if (!admin_read_params(c, p, PARAMS) || !admin_read_bool(c, &p[DRY_RUN], dry_run))
		return false;
	for (int i = BACKEND; i <= BUCKET; i++)
		if (p[i].value.n == 0) {
			admin_error(c, 400,
			            arena_printf(c->arena, "%s parameter is required", p[i].name));
			return false;
		}
	if (config_backend(setup->config, p[BACKEND].value))
		return is_bucket(c, setup->store, &p[BUCKET]);
	admin_refuse(c, &p[BACKEND], "no such backend is configured");
	return false;
}

static void wait_for_sync(struct http_call *c, struct store *s, const struct admin_param *p,
                          int64_t id)
{
	bool ok;
	json_t *result = requested_wait(s, id, &ok);

	if (!result)
		admin_error(c, 503, "the sync goes on");
	else if (!ok)
		reply_failed(c, "sync", arena_dup(c->arena, p[BACKEND].value).p, result);
	if (!result || !ok) {
		json_decref(result);
		return;
	}
	json_object_set_new(result, "status", json_string("ok"));
	json_object_set_new(result, "backend",
	                    json_stringn(p[BACKEND].value.p, p[BACKEND].value.n));
	json_object_set_new(result, "bucket", json_stringn(p[BUCKET].value.p, p[BUCKET].value.n));
	admin_reply(c, 200, result);
}

static void sync_backend(struct http_call *c, struct store *s, const struct admin_param *p,
                         bool dry_run)
{
	json_t *asked = json_pack(
		"{s:s%, s:s%, s:b}", "bucket", p[BUCKET].value.p, p[BUCKET].value.n, "prefix",
		p[PREFIX].value.p ? p[PREFIX].value.p : "", p[PREFIX].value.n, "dry_run", dry_run);
	char *params = json_dumps(asked, JSON_COMPACT);
	struct error e;
	int64_t id;
	enum err r = store_request_add(s, "sync", arena_dup(c->arena, p[BACKEND].value).p, params,
	                               &id, &e);

	free(params);
	json_decref(asked);
	if (r == ERR_OK)
		store_wake(s, "reconcile"); /* which does it */
	if (r == ERR_OK)
		wait_for_sync(c, s, p, id);
	else if (r == ERR_CONFLICT)
		admin_error(c, 409, "sync already running");
	else
		unavailable(c);
}

void requested_sync(struct http_call *c, struct str arg)
{
	struct admin_param params[PARAMS] = {[BACKEND] = {"backend", STR_NULL},
	                                     [BUCKET] = {"bucket", STR_NULL},
	                                     [PREFIX] = {"prefix", STR_NULL},
	                                     [DRY_RUN] = {"dry_run", STR_NULL}};
	struct setup *setup = setup_use(c->server);
	bool dry_run = false;

	(void)arg;
	if (read_sync(c, setup, params, &dry_run))
		sync_backend(c, setup->store, params, dry_run);
	setup_drop(&setup);
}
