/* SPDX-License-Identifier: MIT
 *
 * See removal.h. What deletes objects, or leaves them without a copy, is done only with the
 * token of a preview that says so.
 */
#include "workerd/removal.h"

#include "base/clock.h"
#include "base/codec.h"
#include "config/config.h"
#include "ctl/admin.h"
#include "ctl/confirm.h"
#include "net/http_server.h"
#include "store/removal.h"
#include "store/requests.h"
#include "workerd/requested.h"
#include "workerd/worker.h"

struct removal {
	struct http_call *c;
	struct setup *setup;
	struct str backend;
	const char *name; /* the same, terminated */
	bool purge, dry_run;
	struct str confirm; /* empty: none */
	struct store_holdings holdings;
};

/* Who has no token in the configuration speaks to this process alone. */
static struct str signing_key(const struct config *c)
{
	static char random[32];
	static bool drawn;

	if (c->ui.admin_token[0])
		return str_of(c->ui.admin_token);
	if (!drawn)
		random_bytes(random, sizeof random);
	drawn = true;
	return str_n(random, sizeof random);
}

static const char *action(const struct removal *r)
{
	return r->purge ? "purge" : "remove";
}

/* --- the question -------------------------------------------------------------------- */

static bool read_question(struct removal *r)
{
	struct admin_param params[] = {
		{"purge", STR_NULL}, {"dry_run", STR_NULL}, {"confirm", STR_NULL}};

	if (!admin_read_params(r->c, params, 3) || !admin_read_bool(r->c, &params[0], &r->purge) ||
	    !admin_read_bool(r->c, &params[1], &r->dry_run))
		return false;
	r->confirm = params[2].value;
	return true;
}

/* --- the answer ------------------------------------------------------------------------ */

static void fail(struct removal *r, const struct error *e)
{
	if (e->code == ERR_CONFLICT || e->code == ERR_NOT_FOUND)
		admin_error(r->c, 400, arena_printf(r->c->arena, "remove failed: %s", e->text));
	else
		admin_error(r->c, 503, "the database is not available");
}

static void set_number(json_t *o, const char *name, uint64_t n)
{
	json_object_set_new(o, name, json_integer((json_int_t)n));
}

/* What would happen, and what it costs: each purged copy is one call to the backend. */
static void reply_preview(struct removal *r)
{
	const struct store_holdings *h = &r->holdings;
	json_t *o = json_pack("{s:s, s:s, s:b}", "status",
	                      r->dry_run ? "dry run" : "confirmation required", "backend", r->name,
	                      "purge", r->purge);

	set_number(o, "object_count", h->copies);
	set_number(o, "total_bytes", h->bytes);
	set_number(o, "sole_object_count", h->sole_copies);
	set_number(o, "sole_bytes", h->sole_bytes);
	set_number(o, "api_requests", r->purge ? h->copies : 0);
	set_number(o, "egress_bytes", 0);
	if (!r->dry_run) {
		json_object_set_new(o, "confirm_token",
		                    json_string(confirm_token(
					    r->c->arena, signing_key(r->setup->config), action(r),
					    r->backend, clock_wall() / CLOCK_SEC)));
		set_number(o, "expires_in", CONFIRM_SECONDS);
	}
	admin_reply(r->c, 200, o);
}

static void reply_end(struct removal *r, int64_t id)
{
	bool ok;
	json_t *result = requested_wait(r->setup->store, id, &ok);
	json_t *o;

	if (!result) {
		admin_error(r->c, 503, "the removal goes on");
		return;
	}
	o = json_pack("{s:s, s:s}", "status", r->purge ? "backend purged" : "backend removed",
	              "backend", r->name);
	json_object_update(o, result);
	json_decref(result);
	admin_reply(r->c, 200, o);
}

/* --- all of it ---------------------------------------------------------------------------- */

static bool is_confirmed(const struct removal *r)
{
	return confirm_is_valid(r->c->arena, signing_key(r->setup->config), action(r), r->backend,
	                        clock_wall() / CLOCK_SEC, r->confirm);
}

static void begin(struct removal *r)
{
	struct error e;
	int64_t id;

	if (store_close_backend(r->setup->store, r->name, &e) != ERR_OK ||
	    store_request_add(r->setup->store, "remove", r->name,
	                      r->purge ? "{\"purge\": true}" : "{}", &id, &e) != ERR_OK)
		fail(r, &e);
	else
		reply_end(r, id);
}

static void remove_backend(struct removal *r)
{
	bool harmless = !r->purge && r->holdings.sole_copies == 0;

	if (r->dry_run || (!r->confirm.n && !harmless))
		reply_preview(r);
	else if (r->confirm.n && !is_confirmed(r))
		admin_error(r->c, 403, "invalid or expired confirmation token");
	else
		begin(r);
}

void removal_handle(struct http_call *c, struct str backend)
{
	struct setup *setup = setup_use(c->server);
	struct removal r = {
		.c = c,
		.setup = setup,
		.backend = backend,
		.name = arena_dup(c->arena, backend).p,
	};
	struct error e;

	if (read_question(&r)) {
		if (store_holdings(setup->store, r.name, &r.holdings, &e) == ERR_OK)
			remove_backend(&r);
		else
			fail(&r, &e);
	}
	setup_drop(&setup);
}
