/* SPDX-License-Identifier: MIT
 *
 * See removal.h.
 */
#include "store/removal.h"

#include "store/store_private.h"

#define REASON "backend_removed"

enum err store_holdings(struct store *s, const char *backend, struct store_holdings *out,
                        struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	arg_text(&a, backend);
	enum err r = db_exec(s->db, Q_HOLDINGS, a.p, &res, e);
	if (r == ERR_OK && db_rows(res) == 0)
		r = err_set(e, ERR_NOT_FOUND, "the catalogue knows no backend %s", backend);
	if (r == ERR_OK)
		*out = (struct store_holdings){
			.copies = (uint64_t)db_i64(res, 0, HOLDINGS_COPIES),
			.bytes = (uint64_t)db_i64(res, 0, HOLDINGS_BYTES),
			.sole_copies = (uint64_t)db_i64(res, 0, HOLDINGS_SOLE_COPIES),
			.sole_bytes = (uint64_t)db_i64(res, 0, HOLDINGS_SOLE_BYTES),
		};
	db_result_free(&res);
	return r;
}

enum err store_close_backend(struct store *s, const char *backend, struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	arg_text(&a, backend);
	enum err r = exec_shielded(s, Q_CLOSE_BACKEND, &a, &res, e);
	if (r == ERR_OK && db_rows(res) == 0)
		r = err_set(e, ERR_CONFLICT, "backend %s is draining", backend);
	db_result_free(&res);
	return r;
}

enum err store_purge_copy(struct store *s, int64_t segment, const char *backend, struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	arg_i64(&a, segment);
	arg_text(&a, backend);
	arg_slot(&a);
	enum err r = exec_shielded(s, Q_PURGE_COPY, &a, &res, e);
	if (r == ERR_OK)
		cleanup_queued(s, REASON, (uint64_t)db_i64(res, 0, PURGE_COPY_QUEUED));
	if (r == ERR_OK)
		store_wake(s, "replication");
	db_result_free(&res);
	return r;
}

enum err store_forget_copies(struct store *s, const char *backend, int n, uint64_t *gone,
                             struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	arg_text(&a, backend);
	arg_i64(&a, n);
	arg_slot(&a);
	enum err r = exec_shielded(s, Q_FORGET_COPIES, &a, &res, e);
	if (r == ERR_OK)
		*gone = (uint64_t)db_i64(res, 0, FORGET_COPIES_FORGOTTEN);
	if (r == ERR_OK && *gone > 0)
		store_wake(s, "replication");
	db_result_free(&res);
	return r;
}

enum err store_forget_backend(struct store *s, const char *backend, bool patient, bool *done,
                              uint64_t *forgotten, struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	arg_text(&a, backend);
	arg_bool(&a, patient);
	enum err r = exec_shielded(s, Q_FORGET_BACKEND, &a, &res, e);
	if (r == ERR_OK) {
		*done = str_eq(db_str(res, 0, FORGET_BACKEND_STATUS), STR("ok"));
		*forgotten = (uint64_t)db_i64(res, 0, FORGET_BACKEND_FORGOTTEN);
	}
	db_result_free(&res);
	return r;
}
