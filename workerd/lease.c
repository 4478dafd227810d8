/* SPDX-License-Identifier: MIT
 *
 * Leases. The session is kept when the lock was not to be had, so that asking
 * again costs one round trip and no connection.
 */
#include "base/clock.h"
#include "db/db.h"
#include "workerd/lease.h"

/* For connecting: a database that takes longer counts as away. */
#define OPEN_TIMEOUT (5 * CLOCK_SEC)

enum err lease_take(struct lease *l, bool *got, struct error *e)
{
	enum err r;

	*got = true;
	if (lease_is_held(l))
		return ERR_OK;
	*got = false;
	if (l->session && !db_session_is_alive(l->session))
		lease_give(l);
	if (!l->session) {
		r = db_session_open(l->conninfo, clock_deadline(OPEN_TIMEOUT), &l->session, e);
		if (r != ERR_OK) {
			l->session = NULL;
			return r;
		}
	}
	r = db_session_try_lock(l->session, l->lock, &l->held, e);
	if (r != ERR_OK)
		lease_give(l);
	*got = l->held;
	return r;
}

bool lease_is_held(const struct lease *l)
{
	return l->held && db_session_is_alive(l->session);
}

void lease_give(struct lease *l)
{
	if (l->session)
		db_session_close(&l->session);
	l->held = false;
}
