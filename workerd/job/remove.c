/* SPDX-License-Identifier: MIT
 *
 * Removal: takes a backend out of the catalogue that somebody has asked to remove. Writes
 * have been kept away from it since that was asked. With purge all that it holds is deleted,
 * page by page through the clean-up queue; without, its bytes stay and are forgotten. When
 * nothing is left, or under way, all that is known of the backend goes in one transaction.
 * Each step finds done what was done before, so any daemon can go on after a crash.
 */
#include <jansson.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"
#include "config/config.h"
#include "observe/audit.h"
#include "observe/metrics.h"
#include "store/copies.h"
#include "store/removal.h"
#include "store/requests.h"
#include "workerd/job.h"
#include "workerd/worker.h"

#define COMPONENT "remove"

/* Advisory lock of this job. */
#define LOCK 1015

#define INTERVAL (5 * CLOCK_SEC)

/* An owner that has given no sign for so long is taken for dead. */
#define GRACE (60 * CLOCK_SEC)

#define PAGE   100  /* copies that are purged */
#define FORGET 1000 /* copies that are forgotten in one transaction */

/* What is left when all copies are gone ends by itself: deletions, and writes. */
#define PAUSE CLOCK_SEC

struct removal {
	struct pass *pass;
	struct store_request request;
	const char *backend;
	bool purge;
	uint64_t removed; /* copies, so far */
	struct store_located *copies;
	size_t n;
	struct error error; /* of the last copy that stayed; ERR_OK: none */
};

static int64_t interval(const struct config *c)
{
	(void)c;
	return INTERVAL;
}

static void read_request(struct removal *r)
{
	json_t *params = json_loadb(r->request.params.p, r->request.params.n, 0, NULL);
	json_t *progress = json_loadb(r->request.progress.p, r->request.progress.n, 0, NULL);

	r->backend = r->request.target.p; /* terminated, as all copies in an arena */
	r->purge = json_is_true(json_object_get(params, "purge"));
	r->removed = (uint64_t)json_integer_value(json_object_get(progress, "copies_removed"));
	json_decref(params);
	json_decref(progress);
}

static enum err tell_progress(struct removal *r, struct error *e)
{
	char *text = arena_printf(r->pass->arena, "{\"copies_removed\": %llu}",
	                          (unsigned long long)r->removed);

	return store_request_progress(r->pass->setup->store, r->request.id, text, e);
}

/* --- copies ----------------------------------------------------------------------- */

static void purge_one(void *arg, size_t i)
{
	struct removal *r = arg;
	struct error e;

	if (store_purge_copy(r->pass->setup->store, r->copies[i].segment, r->backend, &e) ==
	    ERR_OK) {
		r->removed++;
		r->pass->items++;
		return;
	}
	r->error = e;
	log_warn(COMPONENT, "copy not removed", LOG_STR("request_id", r->pass->request_id),
	         LOG_STR("backend", r->backend), LOG_S("key", r->copies[i].backend_key),
	         LOG_STR("error", e.text));
}

/* *left: there may be more. A page of which nothing can be removed is an error. */
static enum err purge_page(struct removal *r, bool *left, struct error *e)
{
	struct pass *p = r->pass;
	uint64_t before = r->removed;
	enum err err = store_copies_on(p->setup->store, r->backend, STR(""), STR_NULL, PAGE,
	                               p->arena, &r->copies, &r->n, e);

	if (err != ERR_OK)
		return err;
	*left = r->n > 0;
	pass_each(p, p->setup->config->cleanup_queue.concurrency, r->n, purge_one, r);
	stop_point("purged-page");
	if (r->error.code != ERR_OK && r->removed == before) {
		*e = r->error;
		return r->error.code;
	}
	return ERR_OK;
}

static enum err forget_page(struct removal *r, bool *left, struct error *e)
{
	uint64_t gone;
	enum err err = store_forget_copies(r->pass->setup->store, r->backend, FORGET, &gone, e);

	if (err != ERR_OK)
		return err;
	r->removed += gone;
	r->pass->items += gone;
	*left = gone > 0;
	return ERR_OK;
}

/* --- the end -------------------------------------------------------------------------- */

static enum err finish(struct removal *r, struct error *e)
{
	struct pass *p = r->pass;
	uint64_t forgotten;
	bool done;
	enum err err =
		store_forget_backend(p->setup->store, r->backend, r->purge, &done, &forgotten, e);

	if (err != ERR_OK)
		return err;
	if (!done) {
		p->due = clock_wall() + PAUSE;
		return ERR_OK;
	}
	stop_point("backend-forgotten");
	if (forgotten > 0 && r->purge)
		log_error(COMPONENT, "bytes stay on a backend that is removed",
		          LOG_STR("request_id", p->request_id), LOG_STR("backend", r->backend),
		          LOG_INT("objects", forgotten));
	audit(COMPONENT, "storage.RemoveBackend",
	      LOG_FIELDS(LOG_STR("request_id", p->request_id), LOG_STR("backend", r->backend),
	                 LOG_BOOL("purge", r->purge), LOG_INT("copies_removed", r->removed)));
	p->again = true;
	return store_request_end(
		p->setup->store, r->request.id, true,
		arena_printf(p->arena, "{\"copies_removed\": %llu, \"deletions_lost\": %llu}",
	                     (unsigned long long)r->removed, (unsigned long long)forgotten),
		e);
}

static enum err go_on(struct removal *r, struct error *e)
{
	bool left;
	enum err err = r->purge ? purge_page(r, &left, e) : forget_page(r, &left, e);

	if (err == ERR_OK)
		err = tell_progress(r, e);
	if (err != ERR_OK)
		return err;
	r->pass->again = left;
	return left ? ERR_OK : finish(r, e);
}

static enum err run(struct pass *p, struct error *e)
{
	struct removal r = {.pass = p};
	enum err err =
		store_request_claim(p->setup->store, COMPONENT, GRACE, p->arena, &r.request, e);

	if (err == ERR_NOT_FOUND)
		return ERR_OK;
	if (err != ERR_OK)
		return err;
	read_request(&r);
	err = go_on(&r, e);
	return err == ERR_NOT_FOUND ? ERR_OK : err; /* it was cancelled, or taken over */
}

const struct job job_remove = {
	.slug = COMPONENT,
	.lock = LOCK,
	.service = METRIC_SERVICE_REMOVE,
	.at_start = true,
	.interval = interval,
	.run = run,
};
