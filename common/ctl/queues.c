/* SPDX-License-Identifier: MIT
 *
 * The queues in the admin API: what waits, what was given up, and what is to become of it.
 */
#include "config/config.h"
#include "ctl/catalogue_private.h"
#include "net/http_server.h"
#include "store/copies.h"
#include "store/inspect.h"

/* Rows in an answer unless a limit is given. */
#define ROWS 50

/* A backend that has no rows may be misspelt; one that has some may have left the
 * configuration. False: answered. */
static bool check_backend(struct http_call *c, const struct config *config,
                          const struct admin_param *backend, uint64_t rows)
{
	if (rows > 0 || backend->value.n == 0 || config_backend(config, backend->value))
		return true;
	admin_refuse(c, backend, "no such backend");
	return false;
}

/* --- the clean-up queue -------------------------------------------------------- */

static json_t *queued_json(const struct store_queued *q)
{
	json_t *o = json_pack("{s:I}", "ID", (json_int_t)q->id);

	json_object_set_new(o, "BackendName", admin_text(q->backend));
	json_object_set_new(o, "ObjectKey", admin_text(q->backend_key));
	json_object_set_new(o, "Reason", admin_text(q->reason));
	json_object_set_new(o, "Attempts", json_integer(q->attempts));
	catalogue_set_number(o, "SizeBytes", q->size);
	json_object_set_new(o, "ClaimedAt", admin_time(q->claimed));
	json_object_set_new(o, "ClaimedBy", admin_text(q->owner));
	json_object_set_new(o, "LastError", admin_text(q->error));
	json_object_set_new(o, "NextRetry", admin_time(q->next_retry));
	return o;
}

static void reply_items(struct http_call *c, uint64_t depth, json_t *items)
{
	admin_reply(c, 200, json_pack("{s:I, s:o}", "depth", (json_int_t)depth, "items", items));
}

void admin_get_cleanup(struct http_call *c, struct store *s, const struct config *config)
{
	struct admin_param p[] = {{.name = "backend"}, {.name = "limit"}, {.name = "all"}};
	int64_t limit = ROWS;
	struct store_queued *list;
	bool all = false;
	uint64_t depth;
	json_t *items;
	struct error e;
	size_t n;

	if (!admin_read_params(c, p, CATALOGUE_COUNT(p)) ||
	    !admin_read_number(c, &p[1], 1, CATALOGUE_ROWS_MAX, &limit) ||
	    !admin_read_bool(c, &p[2], &all))
		return;
	if (store_inspect_cleanup(s, p[0].value, !all, (int)limit, c->arena, &list, &n, &depth,
	                          &e) != ERR_OK) {
		catalogue_fail(c, "failed to fetch cleanup queue", &e);
		return;
	}
	if (!check_backend(c, config, &p[0], depth))
		return;
	items = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(items, queued_json(&list[i]));
	reply_items(c, depth, items);
}

/* --- what was given up --------------------------------------------------------- */

static json_t *dead_json(const struct store_dead *d)
{
	json_t *o = json_pack("{s:I, s:I}", "ID", (json_int_t)d->id, "OriginalID",
	                      (json_int_t)d->original);

	json_object_set_new(o, "BackendName", admin_text(d->backend));
	json_object_set_new(o, "ObjectKey", admin_text(d->backend_key));
	json_object_set_new(o, "Reason", admin_text(d->reason));
	json_object_set_new(o, "Attempts", json_integer(d->attempts));
	catalogue_set_number(o, "SizeBytes", d->size);
	json_object_set_new(o, "LastError", admin_text(d->error));
	json_object_set_new(o, "FirstEnqueuedAt", admin_time(d->queued));
	json_object_set_new(o, "MovedAt", admin_time(d->moved));
	return o;
}

void admin_get_dlq(struct http_call *c, struct store *s, const struct config *config)
{
	struct admin_param p[] = {{.name = "backend"}, {.name = "limit"}};
	int64_t limit = ROWS;
	struct store_dead *list;
	uint64_t depth;
	json_t *items;
	struct error e;
	size_t n;

	if (!admin_read_params(c, p, CATALOGUE_COUNT(p)) ||
	    !admin_read_number(c, &p[1], 1, CATALOGUE_ROWS_MAX, &limit))
		return;
	if (store_inspect_dlq(s, p[0].value, (int)limit, c->arena, &list, &n, &depth, &e) !=
	    ERR_OK) {
		catalogue_fail(c, "failed to fetch cleanup dlq", &e);
		return;
	}
	if (!check_backend(c, config, &p[0], depth))
		return;
	items = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(items, dead_json(&list[i]));
	reply_items(c, depth, items);
}

/* Which rows are meant: exactly one parameter must say so. False: answered. */
static bool read_choice(struct http_call *c, struct admin_param *p, size_t n, const char *names,
                        struct store_dlq_choice *out)
{
	size_t given = 0;
	bool all = true;

	*out = (struct store_dlq_choice){0};
	if (!admin_read_params(c, p, n))
		return false;
	for (size_t i = 0; i < n; i++)
		given += p[i].value.n > 0;
	if (given != 1) {
		admin_error(c, 400, names);
		return false;
	}
	out->backend = p[0].value;
	if (!admin_read_number(c, &p[1], 1, INT64_MAX, &out->id) ||
	    (n > 2 && !admin_read_bool(c, &p[2], &all)))
		return false;
	if (!all)
		admin_refuse(c, &p[2], "not true");
	return all;
}

/* Failed in the middle: what was done stays done. */
static void fail_after(struct http_call *c, const char *what, const struct error *e, uint64_t rows)
{
	catalogue_fail(c,
	               arena_printf(c->arena, "failed to %s, after %llu rows", what,
	                            (unsigned long long)rows),
	               e);
}

static bool check_done(struct http_call *c, const struct config *config,
                       const struct admin_param *p, const struct store_dlq_done *done)
{
	if (!check_backend(c, config, &p[0], done->rows))
		return false;
	if (done->rows > 0 || p[1].value.n == 0)
		return true;
	admin_error(c, 404, arena_printf(c->arena, "no row %.*s is there", STR_FMT(p[1].value)));
	return false;
}

void admin_requeue_dlq(struct http_call *c, struct store *s, const struct config *config)
{
	struct admin_param p[] = {{.name = "backend"}, {.name = "id"}, {.name = "all"}};
	struct store_dlq_choice which;
	struct store_dlq_done done;
	struct error e;

	if (!read_choice(c, p, CATALOGUE_COUNT(p), "one of backend, id and all is required",
	                 &which))
		return;
	if (store_dlq_requeue(s, &which, &done, &e) != ERR_OK)
		fail_after(c, "requeue", &e, done.rows);
	else if (check_done(c, config, p, &done))
		admin_reply(c, 200,
		            json_pack("{s:s, s:I}", "status", "requeued", "rows",
		                      (json_int_t)done.rows));
}

void admin_write_off_dlq(struct http_call *c, struct store *s, const struct config *config)
{
	struct admin_param p[] = {{.name = "backend"}, {.name = "id"}};
	struct store_dlq_choice which;
	struct store_dlq_done done;
	struct error e;

	if (!read_choice(c, p, CATALOGUE_COUNT(p), "one of backend and id is required", &which))
		return;
	if (store_dlq_write_off(s, &which, &done, &e) != ERR_OK)
		fail_after(c, "write off", &e, done.rows);
	else if (check_done(c, config, p, &done))
		admin_reply(c, 200,
		            json_pack("{s:s, s:I, s:I}", "status", "written off", "rows",
		                      (json_int_t)done.rows, "bytes", (json_int_t)done.bytes));
}

/* --- copies that are missing --------------------------------------------------- */

static json_t *replicating_json(const struct store_replicating *r)
{
	json_t *o = json_pack("{s:I}", "segment", (json_int_t)r->segment);

	json_object_set_new(o, "bucket", admin_text(r->bucket));
	json_object_set_new(o, "key", admin_text(r->key));
	json_object_set_new(o, "attempts", json_integer(r->attempts));
	json_object_set_new(o, "last_error", admin_text(r->error));
	json_object_set_new(o, "next_retry", admin_time(r->next_retry));
	json_object_set_new(o, "suspect", json_boolean(r->suspect));
	return o;
}

void admin_get_replication(struct http_call *c, struct store *s, const struct config *config)
{
	struct admin_param p[] = {{.name = "limit"}};
	struct store_replicating *list;
	int64_t limit = ROWS, next;
	uint64_t depth;
	json_t *items;
	struct error e;
	size_t n;

	(void)config;
	if (!admin_read_params(c, p, CATALOGUE_COUNT(p)) ||
	    !admin_read_number(c, &p[0], 1, CATALOGUE_ROWS_MAX, &limit))
		return;
	if (store_replication_depth(s, &depth, &next, &e) != ERR_OK ||
	    store_inspect_replication(s, (int)limit, c->arena, &list, &n, &e) != ERR_OK) {
		catalogue_fail(c, "failed to fetch replication queue", &e);
		return;
	}
	items = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(items, replicating_json(&list[i]));
	reply_items(c, depth, items);
}
