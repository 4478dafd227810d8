/* SPDX-License-Identifier: MIT
 *
 * See requests.h.
 */
#include "store/requests.h"

#include "store/store_private.h"

enum err store_request_add(struct store *s, const char *kind, const char *target,
                           const char *params, int64_t *id, struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	arg_text(&a, kind);
	arg_text(&a, target);
	arg_text(&a, params);
	enum err r = exec_shielded(s, Q_REQUEST_ADD, &a, &res, e);
	if (r == ERR_OK && db_rows(res) == 0)
		r = err_set(e, ERR_CONFLICT, "it was asked for already");
	if (r == ERR_OK) {
		*id = db_i64(res, 0, REQUEST_ADD_ID);
		store_wake(s, kind);
	}
	db_result_free(&res);
	return r;
}

enum err store_request_claim(struct store *s, const char *kind, int64_t grace_us, struct arena *a,
                             struct store_request *out, struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	*out = (struct store_request){.kind = str_of(kind)};
	arg_text(&args, kind);
	arg_text(&args, s->instance);
	arg_i64(&args, grace_us);
	enum err r = exec_shielded(s, Q_REQUEST_CLAIM, &args, &res, e);
	if (r == ERR_OK && db_rows(res) == 0)
		r = err_set(e, ERR_NOT_FOUND, "nothing was asked for");
	if (r == ERR_OK) {
		out->id = db_i64(res, 0, REQUEST_CLAIM_ID);
		out->target = db_dup(a, res, 0, REQUEST_CLAIM_TARGET);
		out->params = db_dup(a, res, 0, REQUEST_CLAIM_PARAMS);
		out->progress = db_dup(a, res, 0, REQUEST_CLAIM_PROGRESS);
		out->started = db_wall(res, 0, REQUEST_CLAIM_STARTED);
		out->reclaimed = db_bool(res, 0, REQUEST_CLAIM_RECLAIMED);
	}
	db_result_free(&res);
	return r;
}

enum err store_request_progress(struct store *s, int64_t id, const char *progress, struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	arg_i64(&a, id);
	arg_text(&a, s->instance);
	arg_text(&a, progress);
	enum err r = exec_shielded(s, Q_REQUEST_PROGRESS, &a, &res, e);
	if (r == ERR_OK && db_rows(res) == 0)
		r = err_set(e, ERR_NOT_FOUND, "the job was cancelled, or taken over");
	db_result_free(&res);
	return r;
}

enum err store_request_end(struct store *s, int64_t id, bool ok, const char *result,
                           struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	arg_i64(&a, id);
	arg_text(&a, s->instance);
	arg_text(&a, ok ? "done" : "failed");
	arg_text(&a, result);
	enum err r = exec_shielded(s, Q_REQUEST_END, &a, &res, e);
	db_result_free(&res);
	return r;
}

enum err store_requests(struct store *s, int64_t id, int n, struct arena *a,
                        struct store_request **out, size_t *n_out, struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	*n_out = 0;
	arg_i64(&args, id);
	arg_i64(&args, n);
	enum err r = db_exec(s->db, Q_REQUESTS, args.p, &res, e);
	if (r == ERR_OK) {
		*n_out = (size_t)db_rows(res);
		*out = ARENA_ARRAY(a, struct store_request, *n_out);
	}
	for (int i = 0; i < (int)*n_out; i++)
		(*out)[i] = (struct store_request){
			.id = db_i64(res, i, REQUESTS_ID),
			.kind = db_dup(a, res, i, REQUESTS_KIND),
			.target = db_dup(a, res, i, REQUESTS_TARGET),
			.state = db_dup(a, res, i, REQUESTS_STATE),
			.owner = db_dup(a, res, i, REQUESTS_OWNER),
			.progress = db_dup(a, res, i, REQUESTS_PROGRESS),
			.result = db_dup(a, res, i, REQUESTS_RESULT),
			.requested = db_wall(res, i, REQUESTS_REQUESTED),
			.started = db_wall(res, i, REQUESTS_STARTED),
			.finished = db_wall(res, i, REQUESTS_FINISHED),
		};
	db_result_free(&res);
	return r;
}
