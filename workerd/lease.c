/* SPDX-License-Identifier: MIT
 *
 * See lease.h.
 */
#include "workerd/lease.h"

#include "base/clock.h"
#include "db/db.h"

/* For connecting: a database that takes longer counts as away. */
#define OPEN_TIMEOUT (5 * CLOCK_SEC)

void leases_init(struct leases *l, const char *conninfo)
{
	*l = (struct leases){.conninfo = conninfo};
	semaphore_init(&l->turn, 1);
}

void leases_close(struct leases *l)
{
	if (l->session)
		db_session_close(&l->session);
	l->generation++;
}

static enum err ensure_session(struct leases *l, struct error *e)
{
	enum err r;

	if (l->session && db_session_is_alive(l->session))
		return ERR_OK;
	leases_close(l);
	r = db_session_open(l->conninfo, clock_deadline(OPEN_TIMEOUT), &l->session, e);
	if (r != ERR_OK)
		l->session = NULL;
	return r;
}

static enum err take(struct lease *l, struct error *e)
{
	enum err r = ensure_session(l->all, e);

	if (r == ERR_OK)
		r = db_session_try_lock(l->all->session, l->lock, &l->held, e);
	l->generation = l->all->generation;
	return r;
}

enum err lease_take(struct lease *l, bool *got, struct error *e)
{
	enum err r;

	*got = lease_is_held(l);
	if (*got)
		return ERR_OK;
	l->held = false;
	if (semaphore_take(&l->all->turn, 1, clock_deadline(OPEN_TIMEOUT)) < 0)
		return err_set(e, ERR_UNAVAILABLE, "database: connecting takes too long");
	r = take(l, e);
	semaphore_give(&l->all->turn, 1);
	*got = lease_is_held(l);
	return r;
}

bool lease_is_held(const struct lease *l)
{
	return l->held && l->all->session && l->generation == l->all->generation &&
	       db_session_is_alive(l->all->session);
}

void lease_give(struct lease *l)
{
	struct leases *all = l->all;

	if (lease_is_held(l)) {
		if (semaphore_take(&all->turn, 1, clock_deadline(OPEN_TIMEOUT)) < 0)
			return; /* still held; asked again, or it ends with the daemon */
		if (lease_is_held(l))
			db_session_unlock(all->session, l->lock, NULL);
		semaphore_give(&all->turn, 1);
	}
	l->held = false;
}
