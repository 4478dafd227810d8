/* SPDX-License-Identifier: MIT
 *
 * Statements of programs without a loop: at their start, before there is one, and of
 * short-lived processes.
 */
#include "db/db_private.h"

#include <stdlib.h>

#include "base/mem.h"

enum err db_blocking_open(const char *conninfo, struct db_blocking **out, struct error *e)
{
	struct db_blocking *b = MEM_NEW(struct db_blocking);
	b->conn = PQconnectdb(conninfo);
	*out = b;
	if (PQstatus(b->conn) == CONNECTION_OK)
		return ERR_OK;
	enum err r = pg_conn_error(b->conn, "database", e);
	db_blocking_close(out);
	return r;
}

void db_blocking_close(struct db_blocking **b)
{
	if (!*b)
		return;
	PQfinish((*b)->conn);
	free(*b);
	*b = NULL;
}

static enum err run(struct db_blocking *b, const struct db_query *q, const char *const *values,
                    PGresult **out, struct error *e)
{
	PGresult *res = PQexecParams(b->conn, q->text, q->n_params, NULL, values, NULL, NULL, 0);
	ExecStatusType status = PQresultStatus(res);
	*out = NULL;
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
		*out = res;
		return ERR_OK;
	}
	enum err r = pg_result_error(res, pg_failure(res).code, q->name, e);
	PQclear(res);
	return r;
}

enum err db_exec_blocking(struct db_blocking *b, enum query q, const char *const *values,
                          size_t rows, struct error *e)
{
	const struct db_query *query = db_query(q);
	enum err r = ERR_OK;
	for (size_t i = 0; i < rows && r == ERR_OK; i++) {
		PGresult *res;
		r = run(b, query, values + i * (size_t)query->n_params, &res, e);
		PQclear(res);
	}
	return r;
}

enum err db_query_blocking(struct db_blocking *b, enum query q, const struct db_param *params,
                           struct db_result **out, struct error *e)
{
	const struct db_query *query = db_query(q);
	const char *values[QUERY_PARAMS_MAX];
	char *copies = db_terminate(query, params, values);
	*out = NULL;
	if (!copies)
		return err_set(e, ERR_INVALID, "%s: a NUL character in a text", query->name);
	enum err r = run(b, query, values, (PGresult **)out, e);
	free(copies);
	return r;
}
