/* SPDX-License-Identifier: MIT
 *
 * Statements at the start of a program, before there is a loop.
 */
#include "db/db_private.h"

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
