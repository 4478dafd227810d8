/* SPDX-License-Identifier: MIT
 *
 * Notifications. The first connection of the pool listens, because PostgreSQL forks for
 * each connection; a statement that runs on it delays them, but they only tell that there
 * is something to look for.
 */
#include "db/db_private.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

void db_subscribe(struct db *d)
{
	for (struct db_listener *l = d->listeners; l; l = l->next)
		conn_listen(d->conns, l);
}

void db_notified(struct db *d, const char *channel, const char *payload)
{
	for (struct db_listener *l = d->listeners; l; l = l->next)
		if (strcmp(l->channel, channel) == 0)
			l->fn(str_of(payload), l->arg);
}

struct db_listener *db_listen(struct db *d, const char *channel,
                              void (*fn)(struct str payload, void *arg), void *arg)
{
	struct db_listener *l = MEM_NEW(struct db_listener);
	l->db = d;
	l->channel = strdup(channel);
	l->fn = fn;
	l->arg = arg;
	l->next = d->listeners;
	d->listeners = l;
	conn_listen(d->conns, l);
	return l;
}

void db_listener_free(struct db_listener **lp)
{
	struct db_listener *l = *lp, **at;
	if (!l)
		return;
	*lp = NULL;
	for (at = &l->db->listeners; *at != l; at = &(*at)->next)
		;
	*at = l->next;
	for (struct statement *s = l->db->conns->first; s; s = s->next)
		if (s->listener == l)
			s->listener = NULL;
	free(l->channel);
	free(l);
}
