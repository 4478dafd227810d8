/* SPDX-License-Identifier: MIT
 *
 * See keys.h.
 */
#include "proxyd/keys.h"

#include <errno.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"
#include "rt/sync.h"
#include "rt/task.h"
#include "store/keys.h"

/* What a lost notification costs at most. */
#define INTERVAL (5 * CLOCK_SEC)

struct keys {
	struct store *store;
	struct db_listener *listener;
	struct task *task;
	struct wait_group group;
	struct notify wake;
	bool stale;          /* something has changed since it was read */
	struct arena *arena; /* of the list */
	struct store_disabled_key *list;
	size_t n;
};

static void read_list(struct keys *k)
{
	struct arena *arena = arena_new(), *old = k->arena;
	struct store_disabled_key *list;
	struct error e;
	size_t n;

	k->stale = false;
	if (store_disabled_keys(k->store, arena, &list, &n, &e) != ERR_OK) {
		log_debug("auth", "disabled keys stay as they were", LOG_STR("error", e.text));
		arena_free(&arena);
		return;
	}
	k->arena = arena;
	k->list = list;
	k->n = n;
	if (old)
		arena_free(&old);
}

static void follow(void *arg)
{
	struct keys *k = arg;
	int r = 0;

	while (r != -ECANCELED) {
		r = k->stale ? 0 : notify_wait(&k->wake, clock_deadline(INTERVAL));
		if (r != -ECANCELED)
			read_list(k);
	}
}

static void on_change(struct str payload, void *arg)
{
	struct keys *k = arg;

	(void)payload;
	k->stale = true;
	notify_all(&k->wake);
}

struct keys *keys_new(struct store *s, struct db *db)
{
	struct keys *k = MEM_NEW(struct keys);

	k->store = s;
	read_list(k);
	if (wait_group_spawn(&k->group, "keys", follow, k, &k->task) < 0)
		abort(); /* no memory for a stack at start */
	k->listener = db_listen(db, STORE_KEYS_CHANNEL, on_change, k);
	return k;
}

void keys_free(struct keys **kp)
{
	struct keys *k = *kp;

	*kp = NULL;
	if (!k)
		return;
	db_listener_free(&k->listener);
	task_cancel(k->task);
	wait_group_wait(&k->group, 0);
	if (k->arena)
		arena_free(&k->arena);
	free(k);
}

bool keys_are_known(const struct keys *k)
{
	return k->arena != NULL;
}

bool keys_is_disabled(const struct keys *k, struct str id)
{
	for (size_t i = 0; i < k->n; i++)
		if (str_eq(k->list[i].id, id))
			return true;
	return false;
}
