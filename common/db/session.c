/* SPDX-License-Identifier: MIT
 *
 * A connection of one's own, for advisory locks that end with it.
 */
#include "db/db_private.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/mem.h"

#define LOCK_TIMEOUT (10 * CLOCK_SEC) /* pg_try_advisory_lock never waits: a dead server */

struct db_session {
	struct pg pg;
	bool alive;
	bool busy; /* an answer is waited for: whoever does so reads it */
};

static void nothing(void *arg)
{
	(void)arg;
}

enum err db_session_open(const char *conninfo, int64_t deadline, struct db_session **out,
                         struct error *e)
{
	struct db_session *s = MEM_NEW(struct db_session);
	enum err r = pg_open(&s->pg, conninfo, NULL, e);
	if (r == ERR_OK)
		r = pg_query(&s->pg, "SELECT 1", 0, NULL, deadline, NULL, e);
	s->alive = r == ERR_OK;
	*out = s;
	if (r != ERR_OK)
		db_session_close(out);
	return r;
}

/* Of a function that never waits. Whatever else it is that fails, the session may hold the
 * lock, or be out of step: it is of no use any more. */
static enum err ask(struct db_session *s, const char *sql, int64_t id, bool *yes, struct error *e)
{
	char text[24]; /* of an int64_t */
	const char *params[] = {text};
	PGresult *res = NULL;
	*yes = false;
	if (!s->alive)
		return err_set(e, ERR_UNAVAILABLE, "database: connection lost");
	snprintf(text, sizeof text, "%lld", (long long)id);
	s->busy = true;
	enum err r = pg_query(&s->pg, sql, 1, params, clock_deadline(LOCK_TIMEOUT), &res, e);
	s->busy = false;
	if (r == ERR_OK)
		*yes = PQgetvalue(res, 0, 0)[0] == 't';
	else
		s->alive = false;
	PQclear(res);
	return r;
}

enum err db_session_try_lock(struct db_session *s, int64_t id, bool *got, struct error *e)
{
	return ask(s, "SELECT pg_try_advisory_lock($1)", id, got, e);
}

enum err db_session_unlock(struct db_session *s, int64_t id, struct error *e)
{
	bool was_held;
	return ask(s, "SELECT pg_advisory_unlock($1)", id, &was_held, e);
}

bool db_session_is_alive(struct db_session *s)
{
	if (s->alive && !s->busy)
		s->alive =
			pg_receive(&s->pg, nothing, NULL) && PQstatus(s->pg.conn) == CONNECTION_OK;
	return s->alive;
}

void db_session_close(struct db_session **s)
{
	if (!*s)
		return;
	pg_close(&(*s)->pg);
	free(*s);
	*s = NULL;
}
