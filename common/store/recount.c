/* SPDX-License-Identifier: MIT
 *
 * See recount.h.
 */
#include "store/recount.h"

#include "store/store_private.h"

enum err store_recount(struct store *s, struct str backend, struct store_drift *out,
                       struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	arg_str(&a, backend);
	enum err r = db_exec_patiently(s->db, Q_RECOUNT, a.p, &res, e);
	if (r == ERR_OK && db_rows(res) == 0)
		r = err_set(e, ERR_NOT_FOUND, "the catalogue knows no backend %.*s",
		            STR_FMT(backend));
	if (r == ERR_OK)
		*out = (struct store_drift){
			.used = db_i64(res, 0, RECOUNT_USED),
			.reserved = db_i64(res, 0, RECOUNT_RESERVED),
			.orphaned = db_i64(res, 0, RECOUNT_ORPHAN),
			.copies = db_i64(res, 0, RECOUNT_COPIES),
			.free = db_i64(res, 0, RECOUNT_FREE),
		};
	db_result_free(&res);
	return r;
}
