/* SPDX-License-Identifier: MIT
 *
 * Brings a database to the schema of this program. Several processes may try at
 * once: one holds the lock, the others find nothing left to do.
 */
#include "db/migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "db/db_private.h"

struct db_script {
	const char *name, *text;
};
#include "db_gen_schema.h"

#define N_MIGRATIONS ((int)(sizeof migrations / sizeof *migrations))
#define N_FUNCTIONS  (sizeof functions / sizeof *functions)

/* INCLUDE and all that the statements use; older ones are out of support. */
#define SERVER_MIN 120000

static void ignore_notice(void *arg, const PGresult *r)
{
	(void)arg;
	(void)r;
}

/* "file:line: message"; PostgreSQL counts characters, the files are ASCII. */
static enum err script_error(const struct db_script *s, const PGresult *r, struct error *e)
{
	const char *message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	const char *position = PQresultErrorField(r, PG_DIAG_STATEMENT_POSITION);
	size_t at = position ? strtoul(position, NULL, 10) : 1, line = 1;
	for (size_t i = 0; i + 1 < at && s->text[i]; i++)
		line += s->text[i] == '\n';
	return err_set(e, pg_failure(r).code, "%s:%zu: %s", s->name, line,
	               message ? message : "the connection to the database broke");
}

static enum err run_script(PGconn *conn, const struct db_script *s, struct error *e)
{
	PGresult *r = PQexec(conn, s->text);
	enum err rc = ERR_OK;
	if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
		rc = script_error(s, r, e);
	PQclear(r);
	return rc;
}

/* A statement of the bookkeeping; its first value goes to out, or "". */
static enum err run(PGconn *conn, const char *sql, int n, const char *const *values, char *out,
                    size_t cap, struct error *e)
{
	PGresult *r = PQexecParams(conn, sql, n, NULL, values, NULL, NULL, 0);
	enum err rc = ERR_OK;
	if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
		rc = pg_result_error(r, pg_failure(r).code, "migration", e);
	else if (out)
		snprintf(out, cap, "%s", PQntuples(r) > 0 ? PQgetvalue(r, 0, 0) : "");
	PQclear(r);
	return rc;
}

static enum err run_simple(PGconn *conn, const char *sql, struct error *e)
{
	return run(conn, sql, 0, NULL, NULL, 0, e);
}

static enum err find_version(PGconn *conn, int *version, struct error *e)
{
	char text[32];
	*version = 0;
	enum err r =
		run(conn, "SELECT to_regclass('schema_migrations')", 0, NULL, text, sizeof text, e);
	if (r != ERR_OK || !*text)
		return r;
	r = run(conn, "SELECT COALESCE(max(version), 0) FROM schema_migrations", 0, NULL, text,
	        sizeof text, e);
	*version = r == ERR_OK ? (int)strtol(text, NULL, 10) : 0;
	return r;
}

/* --- in one transaction each ------------------------------------------------ */

static enum err apply_migration(PGconn *conn, int version, struct error *e)
{
	const struct db_script *s = &migrations[version - 1];
	char number[16]; /* of an int */
	const char *values[] = {number, s->name};
	snprintf(number, sizeof number, "%d", version);
	enum err r = run_script(conn, s, e);
	if (r == ERR_OK)
		r = run(conn, "INSERT INTO schema_migrations (version, name) VALUES ($1, $2)", 2,
		        values, NULL, 0, e);
	return r;
}

/* Replacing could change neither what a function returns nor the names of its
 * parameters, and would leave it beside a namesake with others. Only statements
 * use functions, and they look for them anew. */
static const char drop_functions[] =
	"DO $$ DECLARE f REGPROCEDURE; BEGIN "
	"FOR f IN SELECT oid FROM pg_proc WHERE proname LIKE 's3o\\_%' "
	"AND pronamespace = current_schema()::REGNAMESPACE "
	"LOOP EXECUTE 'DROP FUNCTION ' || f; END LOOP; END $$";

static enum err apply_functions(PGconn *conn, int unused, struct error *e)
{
	const char *values[] = {functions_hash};
	enum err r = run_simple(conn, drop_functions, e);
	(void)unused;
	for (size_t i = 0; i < N_FUNCTIONS && r == ERR_OK; i++)
		r = run_script(conn, &functions[i], e);
	if (r == ERR_OK)
		r = run(conn,
		        "INSERT INTO schema_functions (hash) VALUES ($1) ON CONFLICT (only_row) "
		        "DO UPDATE SET hash = excluded.hash, applied_at = now()",
		        1, values, NULL, 0, e);
	return r;
}

static enum err in_transaction(PGconn *conn, enum err (*fn)(PGconn *, int, struct error *), int arg,
                               struct error *e)
{
	enum err r = run_simple(conn, "BEGIN", e);
	if (r != ERR_OK)
		return r;
	r = fn(conn, arg, e);
	if (r == ERR_OK)
		return run_simple(conn, "COMMIT", e);
	run_simple(conn, "ROLLBACK", NULL);
	return r;
}

/* --- the whole -------------------------------------------------------------- */

static enum err update_functions(PGconn *conn, struct error *e)
{
	char hash[sizeof functions_hash];
	enum err r = run(conn, "SELECT hash FROM schema_functions", 0, NULL, hash, sizeof hash, e);
	if (r != ERR_OK || strcmp(hash, functions_hash) == 0)
		return r;
	return in_transaction(conn, apply_functions, 0, e);
}

static enum err migrate_locked(PGconn *conn, struct migrate_result *out, struct error *e)
{
	enum err r = find_version(conn, &out->from, e);
	out->to = out->from;
	if (r == ERR_OK && out->from > N_MIGRATIONS)
		return err_set(e, ERR_CONFLICT,
		               "the database has schema version %d, this program knows %d: it is "
		               "too old for this database",
		               out->from, N_MIGRATIONS);
	while (r == ERR_OK && out->to < N_MIGRATIONS) {
		r = in_transaction(conn, apply_migration, out->to + 1, e);
		if (r == ERR_OK) {
			out->to++;
			out->applied++;
		}
	}
	return r == ERR_OK ? update_functions(conn, e) : r;
}

static enum err prepare_session(PGconn *conn, struct error *e)
{
	if (PQserverVersion(conn) < SERVER_MIN)
		return err_set(e, ERR_UNSUPPORTED, "PostgreSQL %d or newer is needed, this is %d",
		               SERVER_MIN / 10000, PQserverVersion(conn) / 10000);
	PQsetNoticeReceiver(conn, ignore_notice, NULL);
	return run_simple(conn, "SELECT pg_advisory_lock(1012)", e);
}

enum err migrate_on(struct db_blocking *b, struct migrate_result *out, struct error *e)
{
	*out = (struct migrate_result){0};
	enum err r = prepare_session(b->conn, e);
	if (r != ERR_OK)
		return r;
	r = migrate_locked(b->conn, out, e);
	enum err unlocked = run_simple(b->conn, "SELECT pg_advisory_unlock(1012)",
	                               r == ERR_OK ? e : NULL); /* what came first is told */
	return r == ERR_OK ? unlocked : r;
}

enum err migrate_run(const char *conninfo, struct migrate_result *out, struct error *e)
{
	struct db_blocking *b;
	*out = (struct migrate_result){0};
	enum err r = db_blocking_open(conninfo, &b, e);
	if (r == ERR_OK)
		r = migrate_on(b, out, e);
	db_blocking_close(&b);
	return r;
}
