/* SPDX-License-Identifier: MIT
 *
 * Drain: empties a backend. Its row in the catalogue keeps writes away from it; this job
 * goes through the copies that are there, in order of their key, in rounds, until a round
 * finds none. A copy moves to another backend in one transaction, unless enough others
 * exist: then it is only removed. Progress is in the row, so that any daemon can go on
 * where another one has stopped; to do a copy twice finds it gone.
 */
#include <string.h>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"
#include "config/config.h"
#include "object/replica.h"
#include "observe/audit.h"
#include "observe/metrics.h"
#include "rt/task.h"
#include "store/drains.h"
#include "workerd/job.h"
#include "workerd/standing.h"
#include "workerd/worker.h"

#define COMPONENT "drain"

/* Advisory lock of this job. */
#define LOCK 1006

#define INTERVAL (5 * CLOCK_SEC)

/* An owner that has given no sign for so long is taken for dead. */
#define GRACE (60 * CLOCK_SEC)

#define PAGE 100 /* copies */

/* Progress is written no more often, and with each page. */
#define PROGRESS_INTERVAL CLOCK_SEC

/* Others change the same segment now and then; nobody does it all the time. */
#define ATTEMPTS 5

struct page {
	struct pass *pass;
	struct str backend; /* that is being emptied */
	struct standings standings;
	struct presence possible;
	struct store_counted counted; /* others on these are worth as much */
	struct store_located *copies;
	size_t n;
	struct store_held *held;
	size_t n_held;
	/* since progress was written */
	uint64_t objects, bytes, failures;
	struct error error;
	int64_t written; /* monotonic */
	bool cancelled;
};

static int64_t interval(const struct config *c)
{
	(void)c;
	return INTERVAL;
}

/* --- progress ---------------------------------------------------------------------- */

static enum err write_progress(struct page *p, struct error *e)
{
	uint64_t objects = p->objects, bytes = p->bytes, failures = p->failures;
	enum err r;

	p->objects = p->bytes = p->failures = 0;
	p->written = rt_now();
	r = store_drain_progress(p->pass->setup->store, p->backend, objects, bytes, failures,
	                         failures ? p->error.text : NULL, e);
	p->cancelled = p->cancelled || r == ERR_NOT_FOUND;
	return r == ERR_NOT_FOUND ? ERR_OK : r;
}

static void note(struct page *p)
{
	if (rt_now() - p->written >= PROGRESS_INTERVAL)
		write_progress(p, NULL);
}

static void left(struct page *p, const struct store_held *h)
{
	stop_point("drain-moved");
	p->objects++;
	p->bytes += h->size;
	p->pass->items++;
	metrics_inc(METRIC_DRAIN_OBJECTS, 0, 0, 0);
	metrics_add(METRIC_DRAIN_BYTES, 0, 0, 0, h->size);
	note(p);
}

static void stays(struct page *p, const struct store_held *h, const struct error *e)
{
	p->failures++;
	p->error = *e;
	log_warn(COMPONENT, "copy stays for now", LOG_STR("request_id", p->pass->request_id),
	         LOG_S("backend", p->backend), LOG_S("bucket", h->bucket), LOG_S("key", h->key),
	         LOG_STR("outcome", err_name(e->code)), LOG_STR("error", e->text));
	note(p);
}

/* --- one copy ------------------------------------------------------------------------ */

static const struct store_copy *copy_on(const struct store_held *h, struct str backend)
{
	for (size_t i = 0; i < h->n_copies; i++)
		if (str_eq(h->copies[i].backend, backend))
			return &h->copies[i];
	return NULL;
}

static struct str some_other(const struct page *p, const struct store_held *h)
{
	for (size_t i = 0; i < h->n_copies; i++) {
		const struct standing *s = standing_of(&p->standings, h->copies[i].backend);

		if (s && standing_counts(s))
			return h->copies[i].backend;
	}
	return STR_NULL;
}

/* Others are left on backends that count: as many as `keep`. */
static enum err remove_copy(struct page *p, const struct store_held *h, int keep, struct error *e)
{
	enum err r = store_copy_remove(p->pass->setup->store, h->id, copy_on(h, p->backend),
	                               "drain_source_delete", keep, &p->counted, e);

	if (r != ERR_OK)
		return r;
	audit(COMPONENT, "storage.DrainRemoveReplica",
	      LOG_FIELDS(LOG_STR("request_id", p->pass->request_id), LOG_S("bucket", h->bucket),
	                 LOG_S("key", h->key), LOG_S("removed_from", p->backend),
	                 LOG_S("exists_on", some_other(p, h))));
	return ERR_OK;
}

static enum err move_copy(struct page *p, struct arena *a, const struct store_held *h,
                          struct error *e)
{
	struct engine_replica r = {
		.segment = h,
		.from = arena_dup(a, p->backend).p,
		.reason = "drain_source_delete",
		.orphan = "drain_orphan",
		.request_id = p->pass->request_id,
	};
	enum err err = engine_replicate(p->pass->setup->engine, a, &r, e);

	if (err != ERR_OK)
		return err;
	audit(COMPONENT, "storage.DrainMove",
	      LOG_FIELDS(LOG_STR("request_id", p->pass->request_id), LOG_S("bucket", h->bucket),
	                 LOG_S("key", h->key), LOG_S("src_backend", p->backend),
	                 LOG_STR("dst_backend", r.target), LOG_INT("size", h->size)));
	return ERR_OK;
}

static bool has_enough_others(const struct page *p, const struct store_held *h, int factor)
{
	struct presence there = presence_of(&p->standings, h);

	return there.copies >= factor &&
	       (there.domains >= factor || there.domains >= p->possible.domains);
}

static enum err let_go(struct page *p, struct arena *a, const struct store_held *h, struct error *e)
{
	int factor = h->is_upload ? 1 : config_factor(p->pass->setup->config, h->bucket);
	enum err r;

	if (has_enough_others(p, h, factor))
		return remove_copy(p, h, factor, e);
	r = move_copy(p, a, h, e);
	/* No room for as many copies as are wanted: fewer are better than none. */
	if (r == ERR_NO_SPACE && presence_of(&p->standings, h).copies > 0)
		r = remove_copy(p, h, 1, e);
	return r;
}

/* What has changed between looking and doing is looked at again. */
static bool has_changed(enum err r)
{
	return r == ERR_PRECONDITION || r == ERR_NOT_FOUND || r == ERR_CONFLICT;
}

static void process(void *arg, size_t i)
{
	struct page *p = arg;
	struct store *store = p->pass->setup->store;
	const struct store_held *h = store_held_find(p->held, p->n_held, p->copies[i].segment);
	struct arena *a = arena_new();
	struct error e;
	enum err r = ERR_CONFLICT;

	for (int n = 0; n < ATTEMPTS && !p->cancelled && h && copy_on(h, p->backend); n++) {
		struct store_held *now;
		size_t found;

		r = let_go(p, a, h, &e);
		if (r == ERR_OK)
			left(p, h);
		if (!has_changed(r) ||
		    store_held(store, &h->id, 1, a, &now, &found, NULL) != ERR_OK)
			break;
		h = found > 0 ? now : NULL;
	}
	if (r != ERR_OK && r != ERR_CANCELED && !p->cancelled && h && copy_on(h, p->backend))
		stays(p, h, &e);
	arena_free(&a);
}

/* --- one pass -------------------------------------------------------------------------- */

static enum err load_page(struct page *p, struct str position, struct error *e)
{
	struct store *store = p->pass->setup->store;
	struct arena *a = p->pass->arena;
	enum err r = store_copies_on(store, arena_dup(a, p->backend).p, position, STR_NULL, PAGE, a,
	                             &p->copies, &p->n, e);
	int64_t *ids;

	if (r != ERR_OK || p->n == 0)
		return r;
	ids = ARENA_ARRAY(a, int64_t, p->n);
	for (size_t i = 0; i < p->n; i++)
		ids[i] = p->copies[i].segment;
	return store_held(store, ids, p->n, a, &p->held, &p->n_held, e);
}

static enum err end_round(struct page *p, struct error *e)
{
	struct store_drain d;
	enum err r;

	stop_point("drain-round");
	r = store_drain_end_round(p->pass->setup->store, p->backend, p->pass->arena, &d, e);
	if (r != ERR_OK)
		return r;
	if (d.state == DRAIN_DRAINED)
		audit(COMPONENT, "storage.DrainComplete",
		      LOG_FIELDS(LOG_STR("request_id", p->pass->request_id),
		                 LOG_S("backend", p->backend),
		                 LOG_INT("objects_moved", d.objects_moved)));
	else if (d.state == DRAIN_FAILED)
		log_error(COMPONENT, "drain failed", LOG_STR("request_id", p->pass->request_id),
		          LOG_S("backend", p->backend), LOG_S("error", d.error));
	return ERR_OK;
}

static enum err do_page(struct page *p, struct str position, struct error *e)
{
	struct pass *pass = p->pass;
	enum err r = standings_load(pass, &p->standings, e);
	size_t begun;

	if (r == ERR_OK)
		r = load_page(p, position, e);
	if (r != ERR_OK)
		return r;
	p->possible = presence_possible(&p->standings);
	p->counted = standings_counting(pass, &p->standings);
	p->written = rt_now();
	begun = pass_each(pass, pass->setup->config->replication.concurrency, p->n, process, p);
	r = write_progress(p, e);
	if (r != ERR_OK || p->cancelled || begun < p->n)
		return r;
	if (p->n < PAGE)
		return end_round(p, e);
	return store_drain_position(pass->setup->store, p->backend, p->copies[p->n - 1].backend_key,
	                            e);
}

static enum err run(struct pass *pass, struct error *e)
{
	struct page p = {.pass = pass};
	struct store *store = pass->setup->store;
	struct str position;
	uint64_t active;
	int64_t next;
	enum err r = store_drain_claim(store, GRACE, pass->arena, &p.backend, &position, e);

	if (r == ERR_OK && p.backend.n > 0)
		r = do_page(&p, position, e);
	if (r == ERR_OK)
		r = store_drain_next(store, &active, &next, e);
	if (r != ERR_OK)
		return r;
	metrics_set(METRIC_DRAIN_ACTIVE, 0, 0, 0, (int64_t)active);
	if (next > clock_wall())
		pass->due = next;
	else
		pass->again = p.backend.n > 0 && active > 0;
	return ERR_OK;
}

const struct job job_drain = {
	.slug = COMPONENT,
	.lock = LOCK,
	.service = METRIC_SERVICE_DRAIN,
	.at_start = true,
	.interval = interval,
	.run = run,
};
