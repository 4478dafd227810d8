/* SPDX-License-Identifier: MIT
 *
 * Statements of programs without a loop: at their start, before there is one, and of
 * short-lived processes.
 */
#include "db/db_private.h"

#include <stdlib.h>

enum err db_exec_blocking(const char *conninfo, enum query q, const char *const *values,
                          size_t rows, struct error *e)
{
	const struct db_query *query = db_query(q);
	PGconn *conn = PQconnectdb(conninfo);
	enum err r = ERR_OK;
	if (PQstatus(conn) != CONNECTION_OK)
		r = pg_conn_error(conn, "database", e);
	for (size_t i = 0; i < rows && r == ERR_OK; i++) {
		PGresult *res = PQexecParams(conn, query->text, query->n_params, NULL,
		                             values + i * (size_t)query->n_params, NULL, NULL, 0);
		ExecStatusType status = PQresultStatus(res);
		if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
			r = pg_result_error(res, pg_failure(res).code, query->name, e);
		PQclear(res);
	}
	PQfinish(conn);
	return r;
}

enum err db_query_blocking(const char *conninfo, enum query q, const struct db_param *params,
                           struct db_result **out, struct error *e)
{
	const struct db_query *query = db_query(q);
	const char *values[QUERY_PARAMS_MAX];
	char *copies = db_terminate(query, params, values);
	*out = NULL;
	if (!copies)
		return err_set(e, ERR_INVALID, "%s: a NUL character in a text", query->name);
	PGconn *conn = PQconnectdb(conninfo);
	enum err r = ERR_OK;
	if (PQstatus(conn) != CONNECTION_OK)
		r = pg_conn_error(conn, "database", e);
	if (r == ERR_OK) {
		PGresult *res = PQexecParams(conn, query->text, query->n_params, NULL, values, NULL,
		                             NULL, 0);
		*out = (struct db_result *)res;
		if (PQresultStatus(res) != PGRES_TUPLES_OK) {
			r = pg_result_error(res, pg_failure(res).code, query->name, e);
			db_result_free(out);
		}
	}
	PQfinish(conn);
	free(copies);
	return r;
}
