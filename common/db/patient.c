/* SPDX-License-Identifier: MIT
 *
 * Statements that read whole tables. In the pool they would end by its time-outs, and keep
 * those behind them in the pipeline waiting until then; its settings forbid what they need.
 */
#include "db/db_private.h"

#include <stdlib.h>
#include "base/clock.h"

static enum err run(struct db *d, const struct db_query *q, const char *const *values,
                    struct db_result **out, struct error *e)
{
	PGresult *res = NULL;
	struct pg pg;
	enum err r = pg_open(&pg, d->conninfo, NULL, e);
	if (r == ERR_OK)
		r = pg_query(&pg, q->text, q->n_params, values, CLOCK_NEVER, &res, e);
	pg_close(&pg);
	*out = (struct db_result *)res;
	return r;
}

enum err db_exec_patiently(struct db *d, enum query q, const struct db_param *params,
                           struct db_result **out, struct error *e)
{
	const char *values[QUERY_PARAMS_MAX];
	char *copies = db_terminate(db_query(q), params, values);
	*out = NULL;
	if (!copies)
		return err_set(e, ERR_INVALID, "%s: a NUL character in a text", db_query(q)->name);
	enum err r = run(d, db_query(q), values, out, e);
	free(copies);
	return r;
}
