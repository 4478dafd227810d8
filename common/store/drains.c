/* SPDX-License-Identifier: MIT
 *
 * See drains.h.
 */
#include "store/drains.h"

#include "store/store_private.h"

#define JOB "drain"

static enum store_drain_state state_of(struct str s)
{
	if (str_eq(s, STR("draining")))
		return DRAIN_DRAINING;
	if (str_eq(s, STR("drained")))
		return DRAIN_DRAINED;
	return str_eq(s, STR("failed")) ? DRAIN_FAILED : DRAIN_NONE;
}

/* A statement that returns a row if it has done something. */
static enum err run(struct store *s, enum query q, const struct args *a, bool *done,
                    struct error *e)
{
	struct db_result *res = NULL;
	enum err r = exec_shielded(s, q, a, &res, e);
	*done = r == ERR_OK && db_rows(res) > 0;
	db_result_free(&res);
	return r;
}

enum err store_drain_start(struct store *s, const char *backend, struct error *e)
{
	struct args a = {0};
	bool done;
	arg_text(&a, backend);
	enum err r = run(s, Q_DRAIN_START, &a, &done, e);
	if (r == ERR_OK && !done)
		return err_set(e, ERR_CONFLICT, "backend %s is draining already", backend);
	if (r == ERR_OK)
		store_wake(s, JOB);
	return r;
}

enum err store_drain_cancel(struct store *s, const char *backend, struct error *e)
{
	struct args a = {0};
	bool done;
	arg_text(&a, backend);
	enum err r = run(s, Q_DRAIN_CANCEL, &a, &done, e);
	if (r == ERR_OK && !done)
		return err_set(e, ERR_NOT_FOUND, "backend %s is not draining", backend);
	return r;
}

enum err store_drains(struct store *s, const char *backend, struct arena *a,
                      struct store_drain **out, size_t *n, struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	*n = 0;
	arg_text(&args, backend ? backend : "");
	enum err r = db_exec(s->db, Q_DRAINS, args.p, &res, e);
	if (r == ERR_OK) {
		*n = (size_t)db_rows(res);
		*out = ARENA_ARRAY(a, struct store_drain, *n);
	}
	for (int i = 0; i < (int)*n; i++)
		(*out)[i] = (struct store_drain){
			.backend = db_dup(a, res, i, DRAINS_BACKEND),
			.state = state_of(db_str(res, i, DRAINS_STATE)),
			.objects_moved = (uint64_t)db_i64(res, i, DRAINS_OBJECTS_MOVED),
			.bytes_moved = (uint64_t)db_i64(res, i, DRAINS_BYTES_MOVED),
			.objects_left = (uint64_t)db_i64(res, i, DRAINS_COPIES),
			.bytes_left = (uint64_t)db_i64(res, i, DRAINS_BYTES),
			.error = db_dup(a, res, i, DRAINS_ERROR),
			.owner = db_dup(a, res, i, DRAINS_OWNER),
			.started = db_wall(res, i, DRAINS_STARTED),
			.finished = db_wall(res, i, DRAINS_FINISHED),
		};
	db_result_free(&res);
	return r;
}

enum err store_drain_preview(struct store *s, const char *backend, struct store_drain_preview *out,
                             struct error *e)
{
	struct arena *scratch = arena_new();
	BUF_AUTO buckets = {0};
	BUF_AUTO factors = {0};
	struct args a = {0};
	struct db_result *res = NULL;
	arg_text(&a, backend);
	arg_factors(&a, s, &buckets, &factors, scratch);
	enum err r = db_exec(s->db, Q_DRAIN_PREVIEW, a.p, &res, e);
	if (r == ERR_OK)
		*out = (struct store_drain_preview){
			.copies = (uint64_t)db_i64(res, 0, DRAIN_PREVIEW_COPIES),
			.bytes = (uint64_t)db_i64(res, 0, DRAIN_PREVIEW_BYTES),
			.moves = (uint64_t)db_i64(res, 0, DRAIN_PREVIEW_MOVES),
			.move_bytes = (uint64_t)db_i64(res, 0, DRAIN_PREVIEW_MOVE_BYTES),
		};
	db_result_free(&res);
	arena_free(&scratch);
	return r;
}

/* --- for the job -------------------------------------------------------------- */

enum err store_drain_claim(struct store *s, int64_t grace_us, struct arena *a, struct str *backend,
                           struct str *position, struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	*backend = STR_NULL;
	arg_text(&args, s->instance);
	arg_i64(&args, grace_us);
	enum err r = exec_shielded(s, Q_DRAIN_CLAIM, &args, &res, e);
	if (r == ERR_OK && db_rows(res) > 0) {
		*backend = db_dup(a, res, 0, DRAIN_CLAIM_BACKEND);
		*position = db_dup(a, res, 0, DRAIN_CLAIM_POSITION);
	}
	db_result_free(&res);
	return r;
}

enum err store_drain_progress(struct store *s, struct str backend, uint64_t objects, uint64_t bytes,
                              uint64_t failures, const char *error, struct error *e)
{
	struct args a = {0};
	bool done;
	arg_str(&a, backend);
	arg_text(&a, s->instance);
	arg_i64(&a, (int64_t)objects);
	arg_i64(&a, (int64_t)bytes);
	arg_i64(&a, (int64_t)failures);
	if (error)
		arg_text(&a, error);
	else
		arg_null(&a);
	enum err r = run(s, Q_DRAIN_PROGRESS, &a, &done, e);
	if (r == ERR_OK && !done)
		return err_set(e, ERR_NOT_FOUND, "the drain was cancelled, or taken over");
	return r;
}

enum err store_drain_position(struct store *s, struct str backend, struct str position,
                              struct error *e)
{
	struct args a = {0};
	bool done;
	arg_str(&a, backend);
	arg_text(&a, s->instance);
	arg_str(&a, position);
	return run(s, Q_DRAIN_POSITION, &a, &done, e);
}

enum err store_drain_end_round(struct store *s, struct str backend, struct arena *a,
                               struct store_drain *out, struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	arg_str(&args, backend);
	arg_text(&args, s->instance);
	enum err r = exec_shielded(s, Q_DRAIN_END_ROUND, &args, &res, e);
	if (r == ERR_OK)
		*out = (struct store_drain){
			.backend = backend,
			.state = state_of(db_str(res, 0, DRAIN_END_ROUND_STATE)),
			.error = db_dup(a, res, 0, DRAIN_END_ROUND_ERROR),
			.objects_moved = (uint64_t)db_i64(res, 0, DRAIN_END_ROUND_OBJECTS_MOVED),
		};
	db_result_free(&res);
	return r;
}

enum err store_drain_next(struct store *s, uint64_t *active, int64_t *next, struct error *e)
{
	struct db_result *res = NULL;
	enum err r = db_exec(s->db, Q_DRAIN_NEXT, NULL, &res, e);
	if (r == ERR_OK) {
		*active = (uint64_t)db_i64(res, 0, DRAIN_NEXT_ACTIVE);
		*next = db_wall(res, 0, DRAIN_NEXT_NEXT);
	}
	db_result_free(&res);
	return r;
}
