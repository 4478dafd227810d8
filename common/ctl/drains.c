/* SPDX-License-Identifier: MIT
 *
 * See drains.h.
 */
#include "ctl/drains.h"

#include "config/config.h"
#include "ctl/admin.h"
#include "net/http_server.h"
#include "observe/audit.h"
#include "store/drains.h"

#define COMPONENT "drain"

static void fail(struct http_call *c, const struct error *e)
{
	char text[sizeof e->text + 32];

	if (e->code == ERR_CONFLICT || e->code == ERR_NOT_FOUND || e->code == ERR_INVALID) {
		snprintf(text, sizeof text, "drain operation failed: %s", e->text);
		admin_error(c, 400, text);
	} else {
		admin_error(c, 503, "the database is not available");
	}
}

static void audit_drain(const char *event, struct str backend)
{
	audit(COMPONENT, event, LOG_FIELDS(LOG_S("backend", backend)));
}

static void reply_done(struct http_call *c, int status, const char *what, struct str backend)
{
	admin_reply(c, status,
	            json_pack("{s:s, s:s%}", "status", what, "backend", backend.p, backend.n));
}

static void set_number(json_t *o, const char *name, uint64_t n)
{
	json_object_set_new(o, name, json_integer((json_int_t)n));
}

/* --- the dry run ------------------------------------------------------------- */

/* What is free on the others; false: one of them has no quota. */
static bool free_elsewhere(const struct store_space *space, size_t n, struct str backend,
                           uint64_t *out)
{
	bool limited = true;

	*out = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t taken = space[i].used + space[i].reserved + space[i].orphaned;

		if (str_eq(space[i].backend, backend) || space[i].draining)
			continue;
		limited = limited && space[i].limit > 0;
		*out += taken < space[i].limit ? space[i].limit - taken : 0;
	}
	return limited;
}

/* A copy that moves is read and deleted here, and written elsewhere; one that others
 * can do without is only deleted. */
static void preview(struct http_call *c, struct store *s, const struct config_backend *b)
{
	struct store_drain_preview p;
	struct store_space *space;
	struct error e;
	uint64_t free;
	bool limited;
	json_t *o;
	size_t n;

	if (store_drain_preview(s, b->name, &p, &e) != ERR_OK ||
	    store_space(s, c->arena, &space, &n, &e) != ERR_OK) {
		fail(c, &e);
		return;
	}
	limited = free_elsewhere(space, n, str_of(b->name), &free);
	o = json_pack("{s:s, s:s}", "status", "dry run", "backend", b->name);
	set_number(o, "objects", p.copies);
	set_number(o, "bytes", p.bytes);
	set_number(o, "objects_to_move", p.moves);
	set_number(o, "bytes_to_move", p.move_bytes);
	set_number(o, "objects_to_remove", p.copies - p.moves);
	set_number(o, "api_requests", p.copies + p.moves);
	set_number(o, "egress_bytes", p.move_bytes);
	set_number(o, "api_requests_elsewhere", p.moves);
	set_number(o, "ingress_bytes_elsewhere", p.move_bytes);
	json_object_set_new(o, "free_elsewhere",
	                    limited ? json_integer((json_int_t)free) : json_null());
	json_object_set_new(o, "fits", json_boolean(!limited || p.move_bytes <= free));
	admin_reply(c, 200, o);
}

/* --- start, cancel, status --------------------------------------------------- */

void admin_start_drain(struct http_call *c, struct store *s, const struct config *config,
                       struct str backend)
{
	const struct config_backend *b = config_backend(config, backend);
	struct error e;
	struct admin_param param = {"dry_run", STR_NULL};
	bool dry_run = false;

	if (!admin_read_params(c, &param, 1) || !admin_read_bool(c, &param, &dry_run))
		return;
	if (b && dry_run) {
		preview(c, s, b);
		return;
	}
	if (!b)
		err_set(&e, ERR_INVALID, "no backend %.*s is configured", STR_FMT(backend));
	if (!b || store_drain_start(s, b->name, &e) != ERR_OK) {
		fail(c, &e);
		return;
	}
	audit_drain("storage.DrainStart", backend);
	reply_done(c, 202, "drain started", backend);
}

void admin_cancel_drain(struct http_call *c, struct store *s, struct str backend)
{
	struct error e;

	if (store_drain_cancel(s, arena_dup(c->arena, backend).p, &e) != ERR_OK) {
		fail(c, &e);
		return;
	}
	audit_drain("storage.DrainCancel", backend);
	reply_done(c, 200, "drain cancelled", backend);
}

static json_t *drain_json(const struct store_drain *d)
{
	static const char *const states[] = {
		[DRAIN_NONE] = "none",
		[DRAIN_DRAINING] = "draining",
		[DRAIN_DRAINED] = "drained",
		[DRAIN_FAILED] = "failed",
	};
	bool over = d->state == DRAIN_DRAINED || d->state == DRAIN_NONE;
	json_t *o = json_pack("{s:s%, s:b, s:s}", "backend", d->backend.p, d->backend.n, "active",
	                      d->state == DRAIN_DRAINING, "state", states[d->state]);

	set_number(o, "objects_remaining", over ? 0 : d->objects_left);
	set_number(o, "bytes_remaining", over ? 0 : d->bytes_left);
	set_number(o, "objects_moved", d->objects_moved);
	set_number(o, "bytes_moved", d->bytes_moved);
	json_object_set_new(o, "started_at", admin_time(d->started));
	json_object_set_new(o, "finished_at", admin_time(d->finished));
	if (d->owner.n > 0)
		json_object_set_new(o, "owner", json_stringn(d->owner.p, d->owner.n));
	if (d->error.n > 0)
		json_object_set_new(o, "error", json_stringn(d->error.p, d->error.n));
	return o;
}

void admin_get_drain(struct http_call *c, struct store *s, struct str backend)
{
	struct store_drain *d, none = {.backend = backend};
	struct error e;
	size_t n;

	if (store_drains(s, arena_dup(c->arena, backend).p, c->arena, &d, &n, &e) != ERR_OK)
		fail(c, &e);
	else
		admin_reply(c, 200, drain_json(n > 0 ? d : &none));
}

void admin_get_drains(struct http_call *c, struct store *s)
{
	struct store_drain *d;
	json_t *list;
	struct error e;
	size_t n;

	if (store_drains(s, NULL, c->arena, &d, &n, &e) != ERR_OK) {
		fail(c, &e);
		return;
	}
	list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, drain_json(&d[i]));
	admin_reply(c, 200, json_pack("{s:o}", "drains", list));
}
