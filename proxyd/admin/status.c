/* SPDX-License-Identifier: MIT
 *
 * GET /admin/api/status: the daemon, its children, the backends, the queues.
 * When the database does not answer, what it would have told is left out; the
 * rest is what an operator needs most in that moment.
 */
#include "base/clock.h"
#include "config/config.h"
#include "ctl/health.h"
#include "ctl/usage.h"
#include "net/http_server.h"
#include "proxyd/admin/admin_private.h"
#include "proxyd/server.h"
#include "store/store.h"
#include "store/usage.h"

static const char *const child_states[] = {
	[CHILD_NONE] = "none",
	[CHILD_STARTING] = "starting",
	[CHILD_SERVING] = "serving",
	[CHILD_LEAVING] = "leaving",
};

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *child_json(const struct board_child *b)
{
	json_t *o = json_pack("{s:i, s:s, s:i}", "pid", (int)b->pid, "state",
	                      child_states[b->state], "listener", (int)b->listener);

	json_object_set_new(o, "generation", number(b->generation));
	json_object_set_new(o, "started", admin_time(b->started));
	json_object_set_new(o, "connections", number(b->connections));
	json_object_set_new(o, "requests", number(b->requests));
	json_object_set_new(o, "served", number(b->served));
	json_object_set_new(o, "heartbeat_age_ms",
	                    json_integer((clock_mono() - b->heartbeat) / CLOCK_MS));
	return o;
}

static json_t *children_json(const struct board *b)
{
	json_t *list = json_array();

	for (int i = 0; i < b->n_children; i++)
		if (b->child[i].pid != 0 && b->child[i].state != CHILD_NONE)
			json_array_append_new(list, child_json(&b->child[i]));
	return list;
}

/* --- backends ------------------------------------------------------------------ */

static const struct store_space *find_space(const struct store_space *list, size_t n,
                                            const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(list[i].backend, str_of(name)))
			return &list[i];
	return NULL;
}

static uint64_t free_bytes(const struct store_space *p)
{
	uint64_t taken = p->used + p->reserved + p->orphaned;

	return taken < p->limit ? p->limit - taken : 0;
}

static void add_space(json_t *o, const struct store_space *p)
{
	json_object_set_new(o, "bytes_used", number(p->used));
	json_object_set_new(o, "bytes_reserved", number(p->reserved));
	json_object_set_new(o, "orphan_bytes", number(p->orphaned));
	json_object_set_new(o, "bytes_free", number(free_bytes(p)));
	json_object_set_new(o, "object_count", number(p->objects));
	json_object_set_new(o, "draining", json_boolean(p->draining));
}

static json_t *backend_json(const struct backend *b, const struct store_space *known)
{
	json_t *o = json_pack("{s:s, s:s}", "name", b->name, "type",
	                      b->config->type == BACKEND_S3 ? "s3" : "directory");

	json_object_set_new(o, "bytes_limit",
	                    number(known ? known->limit : b->config->quota_bytes));
	if (known)
		add_space(o, known);
	ctl_health_add(o, b);
	return o;
}

static void add_backends(json_t *o, struct server *s, struct arena *a)
{
	struct store_space *space = NULL;
	const struct store_usage *usage = ctl_usage_read(o, s->store, s->config, a);
	json_t *list = json_array();
	struct error ignored;
	size_t n = 0;

	if (store_space(s->store, a, &space, &n, &ignored) != ERR_OK)
		n = 0;
	for (size_t i = 0; i < s->backends.n; i++) {
		const struct backend *b = s->backends.list[i];
		json_t *backend = backend_json(b, find_space(space, n, b->name));

		ctl_usage_add(backend, b->config, usage ? &usage[i] : NULL);
		json_array_append_new(list, backend);
	}
	json_object_set_new(o, "backends", list);
}

static void add_depths(json_t *o, struct server *s)
{
	struct store_depths d;
	struct error ignored;

	if (store_depths(s->store, &d, &ignored) != ERR_OK)
		return;
	json_object_set_new(o, "cleanup_queue", number(d.cleanup_queue));
	json_object_set_new(o, "cleanup_dlq", number(d.cleanup_dlq));
	json_object_set_new(o, "intents", number(d.intents));
	json_object_set_new(o, "uploads", number(d.uploads));
}

void admin_get_status(struct http_call *c, struct str arg)
{
	struct server *s = c->server;
	const struct board *b = s->board;
	json_t *o = json_pack("{s:s, s:s, s:i}", "daemon", "proxyd", "version", S3O_VERSION, "pid",
	                      (int)b->supervisor);

	(void)arg;
	json_object_set_new(o, "started", admin_time(b->started));
	json_object_set_new(o, "uptime_seconds",
	                    json_integer((clock_wall() - b->started) / CLOCK_SEC));
	json_object_set_new(o, "generation", number(b->generation));
	json_object_set_new(o, "stopping", json_boolean(b->stopping));
	json_object_set_new(o, "child_restarts", number(b->child_restarts));
	add_backends(o, s, c->arena);
	add_depths(o, s);
	/* Asked last: the statements above may just have found out. */
	json_object_set_new(o, "db_healthy", json_boolean(board_database(b) == DB_CLOSED));
	json_object_set_new(o, "children", children_json(b));
	admin_reply(c, 200, o);
}
