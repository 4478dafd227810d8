/* SPDX-License-Identifier: MIT
 *
 * The clean-up queue, and the reaper that feeds it with intents left behind.
 */
#include "store/store_private.h"

#include "base/log.h"
#include "observe/audit.h"
#include "observe/metrics.h"

void cleanup_queued(struct store *s, const char *reason, uint64_t n)
{
	if (n == 0)
		return;
	metrics_add(METRIC_CLEANUP_ENQUEUED, metrics_reason(str_of(reason)), METRIC_NONE,
	            METRIC_NONE, n);
	store_wake(s, "cleanup_queue");
}

static void read_row(struct arena *a, const struct db_result *r, int i, struct store_cleanup *c)
{
	*c = (struct store_cleanup){
		.id = db_i64(r, i, CLEANUP_CLAIM_ID),
		.backend = arena_dup(a, db_str(r, i, CLEANUP_CLAIM_BACKEND)),
		.backend_key = arena_dup(a, db_str(r, i, CLEANUP_CLAIM_BACKEND_KEY)),
		.reason = arena_dup(a, db_str(r, i, CLEANUP_CLAIM_REASON)),
		.size = (uint64_t)db_i64(r, i, CLEANUP_CLAIM_SIZE),
		.attempts = (int)db_i64(r, i, CLEANUP_CLAIM_ATTEMPTS),
		.reclaimed = db_bool(r, i, CLEANUP_CLAIM_RECLAIMED),
	};
}

enum err store_cleanup_claim(struct store *s, int n, int64_t grace_us, const char *const *avoid,
                             size_t n_avoid, struct arena *a, struct store_cleanup **out,
                             size_t *n_out, struct error *e)
{
	BUF_AUTO names = {0};
	struct args args = {0};
	struct db_result *res = NULL;
	*out = NULL;
	*n_out = 0;
	arg_text(&args, s->instance);
	arg_i64(&args, n);
	arg_i64(&args, grace_us);
	arg_texts(&args, &names, avoid, n_avoid);
	enum err r = db_exec(s->db, Q_CLEANUP_CLAIM, args.p, &res, e);
	if (r != ERR_OK)
		return r;
	*n_out = (size_t)db_rows(res);
	*out = ARENA_ARRAY(a, struct store_cleanup, *n_out);
	for (int i = 0; i < (int)*n_out; i++)
		read_row(a, res, i, &(*out)[i]);
	db_result_free(&res);
	return ERR_OK;
}

enum err store_cleanup_done(struct store *s, int64_t id, struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	arg_i64(&a, id);
	arg_slot(&a);
	enum err r = db_exec(s->db, Q_CLEANUP_DONE, a.p, &res, e);
	db_result_free(&res);
	return r;
}

enum err store_cleanup_failed(struct store *s, const struct store_cleanup *c, const char *error,
                              bool *dead, struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	arg_i64(&a, c->id);
	arg_text(&a, s->instance);
	arg_text(&a, error);
	enum err r = db_exec(s->db, Q_CLEANUP_FAILED, a.p, &res, e);
	*dead = r == ERR_OK && str_eq(db_str(res, 0, CLEANUP_FAILED_STATUS), STR("dead"));
	db_result_free(&res);
	return r;
}

enum err store_cleanup_postpone(struct store *s, int64_t id, int64_t delay_us, struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	arg_i64(&a, id);
	arg_text(&a, s->instance);
	arg_i64(&a, delay_us);
	enum err r = db_exec(s->db, Q_CLEANUP_POSTPONE, a.p, &res, e);
	db_result_free(&res);
	return r;
}

enum err store_depths(struct store *s, struct store_depths *out, struct error *e)
{
	struct db_result *res = NULL;
	*out = (struct store_depths){0};
	enum err r = db_exec(s->db, Q_DEPTHS, NULL, &res, e);
	if (r != ERR_OK)
		return r;
	out->cleanup_queue = (uint64_t)db_i64(res, 0, DEPTHS_QUEUE);
	out->cleanup_dlq = (uint64_t)db_i64(res, 0, DEPTHS_DLQ);
	out->intents = (uint64_t)db_i64(res, 0, DEPTHS_INTENTS);
	out->uploads = (uint64_t)db_i64(res, 0, DEPTHS_UPLOADS);
	out->next_cleanup = db_wall(res, 0, DEPTHS_NEXT_CLEANUP);
	db_result_free(&res);
	return ERR_OK;
}

static void dropped(const struct db_result *r, int i)
{
	metrics_inc(METRIC_INTENTS_RESOLVED, METRIC_INTENT_DROPPED, METRIC_NONE, METRIC_NONE);
	audit("pending_reaper", "pending_reaper.dropped",
	      LOG_FIELDS(LOG_S("key", db_str(r, i, REAP_BACKEND_KEY)),
	                 LOG_S("backend", db_str(r, i, REAP_BACKEND)),
	                 LOG_S("intent_id", db_str(r, i, REAP_INTENT_ID))));
}

enum err store_reap(struct store *s, int64_t min_age_us, int n, uint64_t *moved, struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	*moved = 0;
	arg_i64(&a, min_age_us);
	arg_i64(&a, n);
	arg_slot(&a);
	arg_i64(&a, s->landing_time);
	enum err r = db_exec(s->db, Q_REAP, a.p, &res, e);
	if (r == ERR_OK)
		*moved = (uint64_t)db_rows(res);
	for (int i = 0; i < (int)*moved; i++)
		dropped(res, i);
	cleanup_queued(s, "intent_expired", *moved);
	db_result_free(&res);
	return r;
}
