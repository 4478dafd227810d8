/* SPDX-License-Identifier: MIT
 *
 * What an error of PostgreSQL means to a caller (PostgreSQL manual, appendix A).
 * An error that is not fatal has rolled its statement back: nothing happened.
 * The rest is a matter of whose fault it is: the values', another transaction's,
 * or the server's, and only the last says anything about the server's health.
 */
#include "db/db_private.h"

#include <string.h>

static const struct {
	const char *prefix; /* of the SQLSTATE; the first match wins */
	struct pg_failure f;
} classes[] = {
	{"0A000", {.code = ERR_UNAVAILABLE, .stale = true}},  /* cached plan's columns changed */
	{"26000", {.code = ERR_UNAVAILABLE, .stale = true}},  /* no such prepared statement */
	{"25P", {.code = ERR_UNAVAILABLE}},                   /* a transaction of ours was ended */
	{"22", {.code = ERR_INVALID}},                        /* e.g. not UTF-8, out of range */
	{"23505", {.code = ERR_CONFLICT}},                    /* unique */
	{"23", {.code = ERR_INVALID}},                        /* other constraints */
	{"25006", {.code = ERR_UNAVAILABLE, .counts = true}}, /* read-only: a standby */
	{"40", {.code = ERR_DB_BUSY}},                        /* deadlock, serialisation */
	{"55P03", {.code = ERR_DB_BUSY}},                     /* lock_timeout */
	{"57014", {.code = ERR_DB_BUSY}},                     /* statement_timeout */
	{"08", {.code = ERR_UNAVAILABLE, .counts = true}},    /* connection */
	{"53", {.code = ERR_UNAVAILABLE, .counts = true}},    /* disk, memory, connections */
	{"57P", {.code = ERR_UNAVAILABLE, .counts = true}},   /* shutting down, starting up */
	{"58", {.code = ERR_UNAVAILABLE, .counts = true}},    /* I/O of the server */
	{"XX", {.code = ERR_UNAVAILABLE, .counts = true}},    /* internal, corrupted */
	{"", {.code = ERR_DB_REFUSED}}, /* e.g. 42: another schema, no right */
};

struct pg_failure pg_failure(const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
	if (!state) /* made by libpq itself: the connection broke */
		return (struct pg_failure){.code = ERR_UNAVAILABLE, .counts = true, .fatal = true};
	size_t i = 0;
	while (strncmp(state, classes[i].prefix, strlen(classes[i].prefix)) != 0)
		i++;
	struct pg_failure f = classes[i].f;
	f.fatal = severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
	return f;
}

enum err pg_result_error(const PGresult *r, enum err code, const char *what, struct error *e)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	return err_set(e, code, "%s: %s (SQLSTATE %s)", what, message ? message : "no answer",
	               state ? state : "none");
}
