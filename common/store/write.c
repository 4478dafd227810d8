/* SPDX-License-Identifier: MIT
 *
 * Reserve, commit, abandon, cancel. Once a statement has been sent its
 * outcome matters more than the client's patience, so the calls are shielded from
 * cancellation; the database's timeout bounds them.
 */
#include "store/store_private.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/log.h"
#include "config/config.h"
#include "observe/audit.h"
#include "observe/metrics.h"
#include "rt/task.h"

enum err exec_shielded(struct store *s, enum query q, const struct args *a, struct db_result **res,
                       struct error *e)
{
	task_shield();
	enum err r = db_exec(s->db, q, a->p, res, e);
	task_unshield();
	return r;
}

/* --- reserve ---------------------------------------------------------------- */

static enum err reserve_error(struct str status, const struct store_intent *i, struct error *e)
{
	if (str_eq(status, STR("no_space")))
		return err_set(e, ERR_NO_SPACE, "no space on backend %s", i->backend);
	return err_set(e, ERR_CONFLICT, "backend %s is %.*s", i->backend, STR_FMT(status));
}

/* *again: the slot that was asked has not enough; all together might. */
static enum err reserve_once(struct store *s, struct str bucket, struct str key,
                             const struct store_intent *i, bool spread, bool *again,
                             struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	arg_text(&a, i->id);
	arg_str(&a, bucket);
	arg_str(&a, key);
	arg_text(&a, i->backend);
	arg_str(&a, i->backend_key);
	arg_i64(&a, (int64_t)i->size);
	arg_slot(&a);
	arg_text(&a, s->instance);
	arg_bool(&a, spread);
	if (i->landing > 0)
		arg_i64(&a, i->landing);
	else
		arg_null(&a);
	enum err r = exec_shielded(s, Q_RESERVE, &a, &res, e);
	if (r == ERR_OK) {
		struct str status = db_str(res, 0, RESERVE_STATUS);
		*again = str_eq(status, STR("spread"));
		if (!*again && !str_eq(status, STR("ok")))
			r = reserve_error(status, i, e);
	}
	db_result_free(&res);
	return r;
}

enum err store_reserve(struct store *s, struct str bucket, struct str key, struct store_intent *i,
                       struct error *e)
{
	bool again = false;
	if (task_is_cancelled())
		return err_set(e, ERR_CANCELED, "cancelled");
	ulid_new(i->id);
	enum err r = reserve_once(s, bucket, key, i, false, &again, e);
	if (r == ERR_OK && again)
		r = reserve_once(s, bucket, key, i, true, &again, e);
	if (r == ERR_OK && again)
		r = err_set(e, ERR_CONFLICT, "backend %s: its slots are not complete", i->backend);
	if (r == ERR_OK) {
		live_add(s, i);
		space_reserved(s, i);
	} else if (r == ERR_DB_UNCERTAIN) {
		store_cancel(s, i); /* or the space is taken until the reaper comes */
	}
	return r;
}

/* --- giving up -------------------------------------------------------------- */

static void not_ended(const struct store_intent *i, const struct error *e)
{
	log_warn("store", "intent left to the reaper", LOG_STR("intent_id", i->id),
	         LOG_STR("backend", i->backend), LOG_STR("error", e->text));
}

/* Bytes lie on a backend and their deletion could not be recorded: nothing is lost,
 * because the intent still names them, but an operator should see it. */
static void not_queued(const struct store_intent *i, const char *reason, const struct error *e)
{
	not_ended(i, e);
	metrics_inc(METRIC_CLEANUP_ENQUEUE_FAILURES, metrics_backend(str_of(i->backend)),
	            metrics_reason(str_of(reason)), METRIC_STAGE_ENQUEUE);
	audit("store", "storage.OrphanEnqueueFailed",
	      LOG_FIELDS(LOG_STR("backend", i->backend), LOG_S("key", i->backend_key),
	                 LOG_INT("size", i->size), LOG_STR("reason", reason),
	                 LOG_STR("stage", "enqueue"), LOG_STR("error", e->text)));
}

enum abandoned {
	ABANDONED_QUEUED,
	ABANDONED_COMMITTED,
	ABANDONED_LATE,
	ABANDONED_POSTPONED,
};

static enum abandoned abandoned_of(struct str status)
{
	if (str_eq(status, STR("queued")))
		return ABANDONED_QUEUED;
	if (str_eq(status, STR("committed")))
		return ABANDONED_COMMITTED;
	return str_eq(status, STR("late")) ? ABANDONED_LATE : ABANDONED_POSTPONED;
}

static void count_resolved(int how, uint64_t n)
{
	metrics_add(METRIC_INTENTS_RESOLVED, how, METRIC_NONE, METRIC_NONE, n);
}

static int resolution_of(enum abandoned a)
{
	switch (a) {
	case ABANDONED_QUEUED:
		return METRIC_INTENT_DROPPED;
	case ABANDONED_COMMITTED:
		return METRIC_INTENT_COMMITTED;
	default:
		return METRIC_INTENT_ALREADY_RESOLVED;
	}
}

static enum err abandon(struct store *s, const struct store_intent *i, const char *reason,
                        int64_t delay, enum abandoned *what, struct store_written *out,
                        struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	live_remove(s, i);
	arg_text(&a, i->id);
	arg_text(&a, i->backend);
	arg_str(&a, i->backend_key);
	arg_i64(&a, (int64_t)i->size);
	arg_text(&a, reason);
	arg_i64(&a, delay);
	enum err r = exec_shielded(s, Q_ABANDON, &a, &res, e);
	if (r == ERR_OK) {
		*what = abandoned_of(db_str(res, 0, ABANDON_STATUS));
		out->modified = db_wall(res, 0, ABANDON_MODIFIED);
		version_id_copy(out->version_id, db_str(res, 0, ABANDON_VERSION_ID));
		count_resolved(resolution_of(*what), 1);
		cleanup_queued(s, reason, *what == ABANDONED_QUEUED || *what == ABANDONED_LATE);
	} else {
		not_queued(i, reason, e);
	}
	db_result_free(&res);
	return r;
}

void store_abandon(struct store *s, const struct store_intent *i, const char *reason, bool landing)
{
	enum abandoned what;
	struct store_written none;
	struct error e;
	int64_t delay = i->landing > 0 ? i->landing : s->landing_time;
	abandon(s, i, reason, landing ? delay : 0, &what, &none, &e);
}

/* One of them tells for all: they were committed together or not at all. */
enum err store_settle(struct store *s, const struct store_intent *intents, size_t n,
                      struct store_written *out, struct error *e)
{
	enum abandoned what;
	struct store_written found;
	struct error why;
	if (abandon(s, &intents[0], "orphan_record_failed", 0, &what, &found, &why) != ERR_OK) {
		for (size_t i = 1; i < n; i++) {
			live_remove(s, &intents[i]);
			not_queued(&intents[i], "orphan_record_failed", &why);
		}
		count_resolved(METRIC_INTENT_AMBIGUOUS, n);
		return err_set(e, ERR_DB_UNCERTAIN, "commit: its outcome is unknown: %s", why.text);
	}
	for (size_t i = 1; i < n; i++) {
		if (what == ABANDONED_COMMITTED)
			live_remove(s, &intents[i]);
		else
			store_abandon(s, &intents[i], "orphan_record_failed", false);
	}
	if (what == ABANDONED_QUEUED)
		return err_set(e, ERR_UNAVAILABLE, "commit: it did not happen");
	if (what != ABANDONED_COMMITTED)
		return err_set(e, ERR_DB_UNCERTAIN, "commit: what it made is gone already");
	*out = found;
	return ERR_OK;
}

void store_cancel(struct store *s, const struct store_intent *i)
{
	struct args a = {0};
	struct db_result *res = NULL;
	struct error e;
	live_remove(s, i);
	arg_text(&a, i->id);
	if (exec_shielded(s, Q_CANCEL, &a, &res, &e) == ERR_OK)
		count_resolved(db_bool(res, 0, CANCEL_DONE) ? METRIC_INTENT_DROPPED
		                                            : METRIC_INTENT_ALREADY_RESOLVED,
		               1);
	else
		not_ended(i, &e);
	db_result_free(&res);
}

/* --- commit ----------------------------------------------------------------- */

enum err status_error(struct str status, struct error *e)
{
	if (str_eq(status, STR("draining")))
		metrics_inc(METRIC_DRAIN_RACE_ABORTED, METRIC_NONE, METRIC_NONE, METRIC_NONE);
	if (str_eq(status, STR("gone")) || str_eq(status, STR("exists")) ||
	    str_eq(status, STR("no_source")))
		return err_set(e, ERR_PRECONDITION, "copies are others by now: %.*s",
		               STR_FMT(status));
	if (str_eq(status, STR("precondition")))
		return err_set(e, ERR_PRECONDITION, "a condition does not hold");
	if (str_eq(status, STR("not_found")))
		return err_set(e, ERR_NOT_FOUND, "no such key");
	if (str_eq(status, STR("no_bucket")))
		return err_set(e, ERR_NO_BUCKET, "no such bucket");
	if (str_eq(status, STR("no_upload")))
		return err_set(e, ERR_NO_UPLOAD, "no such upload");
	if (str_eq(status, STR("too_many")))
		return err_set(e, ERR_BUSY, "Too many active multipart uploads");
	return err_set(e, ERR_CONFLICT, "%.*s", STR_FMT(status));
}

void version_id_copy(char out[STORE_VERSION_SIZE], struct str id)
{
	snprintf(out, STORE_VERSION_SIZE, "%.*s", STR_FMT(id));
}

void intents_landed(struct store *s, const struct store_new_segment *segments, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < segments[i].n_intents; k++)
			live_remove(s, &segments[i].intents[k]);
		count_resolved(METRIC_INTENT_COMMITTED, segments[i].n_intents);
	}
}

/* *displaced: copies of the version before, which are queued for deletion now. */
static enum err commit(struct store *s, const struct args *a, struct store_written *out,
                       uint64_t *displaced, struct error *e)
{
	struct db_result *res = NULL;
	enum err r = exec_shielded(s, Q_COMMIT, a, &res, e);
	if (r != ERR_OK)
		return r;
	struct str status = db_str(res, 0, COMMIT_STATUS);
	if (str_eq(status, STR("ok"))) {
		out->modified = db_wall(res, 0, COMMIT_MODIFIED);
		version_id_copy(out->version_id, db_str(res, 0, COMMIT_VERSION_ID));
		*displaced = (uint64_t)db_i64(res, 0, COMMIT_QUEUED);
	} else {
		r = status_error(status, e);
	}
	db_result_free(&res);
	return r;
}

static void committed(struct store *s, const struct store_object *o,
                      const struct store_new_segment *segments, size_t n, uint64_t displaced)
{
	intents_landed(s, segments, n);
	copies_committed(s, o->bucket, segments[0].n_intents);
	cleanup_queued(s, "overwrite_displaced", displaced);
	if (displaced > 0)
		audit("store", "storage.overwrite_displaced",
		      LOG_FIELDS(LOG_S("bucket", o->bucket), LOG_S("key", o->key),
		                 LOG_STR("new_backend", segments[0].intents[0].backend),
		                 LOG_INT("displaced_copies", displaced)));
}

enum err store_commit(struct store *s, const struct store_object *o,
                      const struct store_conditions *cond, const struct store_new_segment *segments,
                      size_t n, struct store_written *out, struct error *e)
{
	BUF_AUTO object = {0};
	BUF_AUTO rows = {0};
	struct args a = {0};
	uint64_t displaced = 0;
	enum err r = json_of_object(o, &object, e);
	if (r == ERR_OK)
		r = json_of_segments(segments, n, &rows, e);
	if (r != ERR_OK)
		return r;
	arg_str(&a, o->bucket);
	arg_str(&a, o->bucket_owner);
	arg_str(&a, o->key);
	arg_text(&a, o->generation);
	arg_str(&a, buf_str(&object));
	arg_str(&a, buf_str(&rows));
	arg_bool(&a, cond->if_none_match_any);
	arg_str(&a, cond->if_match);
	arg_i64(&a, config_factor(s->config, o->bucket));
	r = commit(s, &a, out, &displaced, e);
	if (r == ERR_OK)
		committed(s, o, segments, n, displaced);
	return r;
}
