/* SPDX-License-Identifier: MIT
 *
 * Notifications, on a connection of their own that is reopened when it breaks.
 */
#include "db/db_private.h"

#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "rt/fd.h"

#define BACKOFF_MIN    (100 * CLOCK_MS)
#define BACKOFF_MAX    (5 * CLOCK_SEC)
#define LISTEN_TIMEOUT (10 * CLOCK_SEC)

struct db_listener {
	char *conninfo, *channel;
	void (*fn)(struct str payload, void *arg);
	void *arg;
	bool closing;
	struct pg pg;
	struct task *task;
	struct wait_group group;
};

static void deliver(void *arg)
{
	struct db_listener *l = arg;
	PGnotify *n;
	while (!l->closing && (n = PQnotifies(l->pg.conn))) {
		l->fn(str_of(n->extra), l->arg);
		PQfreemem(n);
	}
}

static enum err subscribe(struct db_listener *l, struct error *e)
{
	BUF_AUTO sql = {0};
	char *name = PQescapeIdentifier(l->pg.conn, l->channel, strlen(l->channel));
	buf_printf(&sql, "LISTEN %s", name ? name : "");
	buf_add_char(&sql, '\0');
	PQfreemem(name);
	return pg_query(&l->pg, sql.p, 0, NULL, clock_deadline(LISTEN_TIMEOUT), NULL, e);
}

static enum err listen_once(struct db_listener *l, struct error *e)
{
	enum err r = pg_open(&l->pg, l->conninfo, NULL, e);
	if (r == ERR_OK)
		r = subscribe(l, e);
	if (r != ERR_OK)
		return r;
	l->fn(STR(""), l->arg);
	deliver(l); /* what came together with the answer to LISTEN */
	while (!l->closing && rt_fd_wait_read(l->pg.fd, CLOCK_NEVER) == 0 &&
	       pg_receive(&l->pg, deliver, l))
		;
	return ERR_OK;
}

static void run(void *arg)
{
	struct db_listener *l = arg;
	int64_t backoff = BACKOFF_MIN;
	while (!l->closing) {
		struct error e;
		if (listen_once(l, &e) == ERR_OK)
			backoff = BACKOFF_MIN;
		else
			log_debug("store", "cannot listen for notifications",
			          LOG_STR("error", e.text));
		pg_close(&l->pg);
		if (!l->closing)
			task_sleep(backoff / 2 + (int64_t)(random_u64() % (uint64_t)backoff));
		backoff = backoff * 2 < BACKOFF_MAX ? backoff * 2 : BACKOFF_MAX;
	}
}

struct db_listener *db_listen(const char *conninfo, const char *channel,
                              void (*fn)(struct str payload, void *arg), void *arg)
{
	struct db_listener *l = MEM_NEW(struct db_listener);
	l->conninfo = strdup(conninfo);
	l->channel = strdup(channel);
	l->fn = fn;
	l->arg = arg;
	if (wait_group_spawn(&l->group, "db-listen", run, l, &l->task) < 0)
		log_error("store", "no notifications", LOG_STR("error", "no memory for a task"));
	return l;
}

void db_listener_free(struct db_listener **lp)
{
	struct db_listener *l = *lp;
	if (!l)
		return;
	*lp = NULL;
	l->closing = true;
	if (l->group.running)
		task_cancel(l->task);
	wait_group_wait(&l->group, 0);
	free(l->conninfo);
	free(l->channel);
	free(l);
}
