/* SPDX-License-Identifier: MIT
 *
 * The status pages. Each holds the setup while it waits for the database.
 */
#include <unistd.h>

#include "base/clock.h"
#include "config/config.h"
#include "ctl/admin.h"
#include "ctl/health.h"
#include "ctl/usage.h"
#include "db/db.h"
#include "store/store.h"
#include "store/usage.h"
#include "workerd/job.h"
#include "workerd/scheduler.h"
#include "workerd/status.h"
#include "workerd/worker.h"

static json_t *job_json(const struct job_status *j)
{
	static const char *const states[] = {
		[JOB_OFF] = "off",
		[JOB_WAITING] = "waiting",
		[JOB_RUNNING] = "running",
	};

	return json_pack("{s:s, s:s, s:o, s:o, s:s, s:I, s:s, s:I}", "name", j->job->slug, "state",
	                 states[j->state], "next_run",
	                 admin_time(j->state == JOB_WAITING ? j->next_run : 0), "last_pass",
	                 admin_time(j->last_pass), "last_result", j->last_result, "last_items",
	                 (json_int_t)j->last_items, "last_error", j->last_error,
	                 "consecutive_failures", (json_int_t)j->failures);
}

static json_t *jobs_json(const struct worker *w)
{
	json_t *list = json_array();

	for (size_t i = 0; i < scheduler_count(); i++) {
		struct job_status j;

		scheduler_status(w->scheduler, i, &j);
		json_array_append_new(list, job_json(&j));
	}
	return list;
}

static void add_depths(struct worker *w, json_t *status)
{
	struct setup *s = setup_use(w);
	struct store_depths d;

	if (store_depths(s->store, &d, NULL) == ERR_OK) {
		json_object_set_new(status, "cleanup_queue",
		                    json_integer((json_int_t)d.cleanup_queue));
		json_object_set_new(status, "cleanup_dlq", json_integer((json_int_t)d.cleanup_dlq));
		json_object_set_new(status, "intents", json_integer((json_int_t)d.intents));
		json_object_set_new(status, "uploads", json_integer((json_int_t)d.uploads));
	}
	setup_drop(&s);
}

static void add_backends(struct worker *w, json_t *status, struct arena *a)
{
	struct setup *s = setup_use(w);
	const struct store_usage *usage = ctl_usage_read(status, s->store, s->config, a);
	json_t *list = json_array();

	for (size_t i = 0; i < s->backends.n; i++) {
		const struct config_backend *b = &s->config->backends[i];
		json_t *o = json_pack("{s:s}", "name", b->name);

		ctl_health_add(o, s->backends.list[i]);
		ctl_usage_add(o, b, usage ? &usage[i] : NULL);
		json_array_append_new(list, o);
	}
	json_object_set_new(status, "backends", list);
	setup_drop(&s);
}

json_t *status_json(struct worker *w, struct arena *a)
{
	json_t *status = json_pack(
		"{s:s, s:s, s:i, s:o, s:I, s:I, s:b}", "daemon", "workerd", "version", S3O_VERSION,
		"pid", (int)getpid(), "started", admin_time(w->started), "uptime_seconds",
		(json_int_t)((clock_wall() - w->started) / CLOCK_SEC), "generation",
		(json_int_t)w->generation, "db_healthy", db_is_healthy(w->db));

	add_backends(w, status, a);
	add_depths(w, status);
	json_object_set_new(status, "jobs", jobs_json(w));
	return status;
}

static json_t *health_json(struct str name, int64_t success, int64_t failure, struct str error,
                           uint64_t failures)
{
	json_t *o = json_pack("{s:s%, s:o, s:o}", "name", name.p, name.n, "last_success",
	                      admin_time(success), "last_failure", admin_time(failure));

	if (error.n > 0)
		json_object_set_new(o, "last_error", json_stringn(error.p, error.n));
	json_object_set_new(o, "consecutive_failures", json_integer((json_int_t)failures));
	return o;
}

static json_t *own_health(const struct worker *w, size_t i)
{
	struct job_status j;

	scheduler_status(w->scheduler, i, &j);
	return health_json(str_of(j.job->slug), j.last_success, j.last_failure,
	                   str_of(j.last_error), j.failures);
}

/* In the order of the scheduler; a job that no daemon has run yet is there, too. */
static json_t *recorded_health(const struct worker *w, size_t i, const struct store_job_health *h,
                               size_t n)
{
	struct job_status j;

	scheduler_status(w->scheduler, i, &j);
	for (size_t k = 0; k < n; k++)
		if (str_eq(h[k].name, str_of(j.job->slug)))
			return health_json(h[k].name, h[k].last_success, h[k].last_failure,
			                   h[k].consecutive_failures > 0 ? h[k].last_error
			                                                 : STR_NULL,
			                   h[k].consecutive_failures);
	return own_health(w, i);
}

json_t *status_workers_json(struct worker *w, struct arena *a)
{
	struct setup *s = setup_use(w);
	struct store_job_health *h = NULL;
	json_t *list = json_array();
	size_t n = 0;

	if (store_job_list(s->store, a, &h, &n, NULL) != ERR_OK)
		n = 0;
	for (size_t i = 0; i < scheduler_count(); i++)
		json_array_append_new(list, recorded_health(w, i, h, n));
	setup_drop(&s);
	return json_pack("{s:o}", "workers", list);
}

static json_t *lines_json(struct str rest)
{
	json_t *list = json_array();

	while (rest.n > 0) {
		struct str line = str_cut(rest, '\n', &rest);

		if (line.n > 0)
			json_array_append_new(list, json_stringn(line.p, line.n));
	}
	return list;
}

static json_t *error_json(const struct buf *b)
{
	json_t *text = json_stringn(b->p ? b->p : "", b->n);

	return text ? text : json_string("the file is not valid UTF-8");
}

json_t *status_reload_json(const struct worker *w)
{
	const struct reload *r = &w->reload;

	if (r->state == RELOAD_NEVER)
		return json_pack("{s:s, s:I}", "status", "no_reload_yet", "generation",
		                 (json_int_t)w->generation);
	return json_pack("{s:s, s:I, s:[], s:o, s:o, s:o, s:o}", "status",
	                 r->state == RELOAD_OK ? "ok" : "failed", "generation",
	                 (json_int_t)w->generation, "outcomes", "requires_restart",
	                 lines_json(buf_str(&r->restart)), "load_error", error_json(&r->error),
	                 "started_at", admin_time(r->started), "ended_at", admin_time(r->ended));
}
