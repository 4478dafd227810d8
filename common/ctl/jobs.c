/* SPDX-License-Identifier: MIT
 *
 * Long jobs in the admin API: what was asked for, by whomever, and how far it is.
 */
#include "ctl/catalogue_private.h"
#include "net/http_server.h"
#include "store/inspect.h"

/* Rows in an answer unless a limit is given. */
#define ROWS 50

static json_t *json_or_null(struct str text)
{
	json_t *v = text.n > 0 ? json_loadb(text.p, text.n, JSON_DECODE_ANY, NULL) : NULL;

	return v ? v : json_null();
}

static json_t *job_json(const struct store_asked *j)
{
	json_t *o = json_pack("{s:o}", "id", j->id ? json_integer(j->id) : json_null());

	json_object_set_new(o, "kind", admin_text(j->kind));
	json_object_set_new(o, "target", admin_text(j->target));
	json_object_set_new(o, "state", admin_text(j->state));
	json_object_set_new(o, "owner", admin_text(j->owner));
	json_object_set_new(o, "params", json_or_null(j->params));
	json_object_set_new(o, "progress", json_or_null(j->progress));
	json_object_set_new(o, "result", json_or_null(j->result));
	json_object_set_new(o, "error", admin_text(j->error));
	json_object_set_new(o, "requested_at", admin_time(j->requested));
	json_object_set_new(o, "started_at", admin_time(j->started));
	json_object_set_new(o, "heartbeat_at", admin_time(j->heartbeat));
	json_object_set_new(o, "finished_at", admin_time(j->finished));
	return o;
}

/* False: there is no such state, which has been answered. */
static bool check_state(struct http_call *c, const struct admin_param *state)
{
	static const char *const states[] = {"requested", "running", "done", "failed", "cancelled"};

	for (size_t i = 0; i < CATALOGUE_COUNT(states); i++)
		if (str_eq(state->value, str_of(states[i])))
			return true;
	if (state->value.n == 0)
		return true;
	admin_refuse(c, state, "not requested, running, done, failed or cancelled");
	return false;
}

void admin_get_jobs(struct http_call *c, struct store *s, const struct config *config)
{
	struct admin_param p[] = {{.name = "kind"}, {.name = "state"}, {.name = "limit"}};
	struct store_asked *list;
	int64_t limit = ROWS;
	json_t *jobs;
	struct error e;
	size_t n;

	(void)config;
	if (!admin_read_params(c, p, CATALOGUE_COUNT(p)) ||
	    !admin_read_number(c, &p[2], 1, CATALOGUE_ROWS_MAX, &limit) || !check_state(c, &p[1]))
		return;
	if (store_inspect_jobs(s, p[0].value, p[1].value, (int)limit, c->arena, &list, &n, &e) !=
	    ERR_OK) {
		catalogue_fail(c, "failed to fetch jobs", &e);
		return;
	}
	jobs = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(jobs, job_json(&list[i]));
	admin_reply(c, 200, json_pack("{s:o}", "jobs", jobs));
}
