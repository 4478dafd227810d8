/* SPDX-License-Identifier: MIT
 *
 * Columns of a result. A struct db_result is libpq's PGresult under a name that
 * callers need no libpq for. All values are in text form.
 */
#include "db/db_private.h"

#include <assert.h>
#include <stdlib.h>

static const PGresult *raw(const struct db_result *r)
{
	return (const PGresult *)r;
}

int db_rows(const struct db_result *r)
{
	return PQntuples(raw(r));
}

bool db_is_null(const struct db_result *r, int row, int col)
{
	assert(row < PQntuples(raw(r)) && col < PQnfields(raw(r)));
	return PQgetisnull(raw(r), row, col);
}

struct str db_str(const struct db_result *r, int row, int col)
{
	if (db_is_null(r, row, col))
		return STR_NULL;
	return str_n(PQgetvalue(raw(r), row, col), (size_t)PQgetlength(raw(r), row, col));
}

int64_t db_i64(const struct db_result *r, int row, int col)
{
	return db_is_null(r, row, col) ? 0 : strtoll(PQgetvalue(raw(r), row, col), NULL, 10);
}

bool db_bool(const struct db_result *r, int row, int col)
{
	return !db_is_null(r, row, col) && PQgetvalue(raw(r), row, col)[0] == 't';
}

int64_t db_wall(const struct db_result *r, int row, int col)
{
	return db_i64(r, row, col);
}

void db_result_free(struct db_result **r)
{
	PQclear((PGresult *)*r);
	*r = NULL;
}
