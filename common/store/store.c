/* SPDX-License-Identifier: MIT
 *
 * The store's life, and the renewal of its intents: a task renews all intents of
 * this process in one statement, so that the reaper can tell a slow upload from a
 * dead process.
 */
#include "store/store_private.h"

#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "rt/task.h"

#define RENEW_MAX      (10 * CLOCK_SEC)
#define RENEW_FRACTION 5 /* of min_age: four renewals may fail before the reaper comes */
#define RENEW_MIN      (100 * CLOCK_MS)

static size_t take_place(struct store *s)
{
	size_t place = s->free_place;
	if (place < s->n_places) {
		s->free_place = s->live[place].next_free;
		return place;
	}
	if (s->n_places == s->cap_places) {
		s->cap_places = s->cap_places ? s->cap_places * 2 : 64;
		s->live = mem_resize(s->live, s->cap_places * sizeof *s->live);
	}
	s->free_place = SIZE_MAX;
	return s->n_places++;
}

void live_add(struct store *s, struct store_intent *intent)
{
	intent->place = take_place(s);
	struct live_intent *i = &s->live[intent->place];
	memcpy(i->id, intent->id, STORE_INTENT_SIZE);
	i->renewed = rt_now();
	i->gone = false;
	s->n_live++;
}

static bool is_at(const struct store *s, size_t place, const char *intent)
{
	return memcmp(s->live[place].id, intent, STORE_INTENT_SIZE) == 0;
}

/* NULL: it is not renewed any more. */
static struct live_intent *live_find(const struct store *s, const struct store_intent *i)
{
	return i->place < s->n_places && is_at(s, i->place, i->id) ? &s->live[i->place] : NULL;
}

void live_remove(struct store *s, const struct store_intent *intent)
{
	struct live_intent *i = live_find(s, intent);
	if (!i)
		return;
	i->id[0] = '\0';
	i->next_free = s->free_place;
	s->free_place = intent->place;
	s->n_live--;
}

bool store_intent_is_gone(const struct store *s, const struct store_intent *i)
{
	const struct live_intent *live = live_find(s, i);
	return live && (live->gone || rt_now() - live->renewed > s->intent_life);
}

/* May have been removed while the renewal was under way. */
static void live_mark_gone(struct store *s, struct str intent)
{
	char id[STORE_INTENT_SIZE] = "";
	size_t place = 0;
	memcpy(id, intent.p, intent.n < sizeof id ? intent.n : 0);
	while (place < s->n_places && !is_at(s, place, id))
		place++;
	if (place == s->n_places || s->live[place].gone)
		return;
	s->live[place].gone = true;
	log_warn("store", "intent is gone, its write ends", LOG_STR("intent_id", id));
}

static void renew_live(struct store *s)
{
	BUF_AUTO ids = {0};
	struct args a = {0};
	struct db_result *res = NULL;
	struct error e;
	int64_t sent = rt_now();
	for (size_t i = 0; i < s->n_places; i++)
		if (s->live[i].id[0])
			buf_printf(&ids, "%c%s", ids.n == 0 ? '{' : ',', s->live[i].id);
	buf_add_char(&ids, '}');
	arg_str(&a, buf_str(&ids));
	enum err r = db_exec(s->db, Q_RENEW, a.p, &res, &e);
	if (r != ERR_OK && r != ERR_CANCELED)
		log_warn("store", "intents not renewed", LOG_STR("error", e.text));
	for (size_t i = 0; r == ERR_OK && i < s->n_places; i++)
		if (s->live[i].renewed < sent)
			s->live[i].renewed = sent;
	for (int i = 0; r == ERR_OK && i < db_rows(res); i++)
		live_mark_gone(s, db_str(res, i, RENEW_GONE));
	db_result_free(&res);
}

static void run_renewer(void *arg)
{
	struct store *s = arg;
	while (!s->closing && task_sleep(s->renew_interval) == 0)
		if (s->n_live > 0)
			renew_live(s);
}

static int64_t renew_interval(const struct config *c)
{
	int64_t t = c->write_path.min_age / RENEW_FRACTION;
	if (t < RENEW_MIN)
		t = RENEW_MIN;
	return t < RENEW_MAX ? t : RENEW_MAX;
}

struct store *store_new(struct db *db, const struct config *c, const char *instance)
{
	struct store *s = MEM_NEW(struct store);
	s->db = db;
	s->config = c;
	s->instance = strdup(instance);
	s->renew_interval = renew_interval(c);
	s->intent_life = c->write_path.min_age / 4 * 3;
	s->landing_time = c->server.backend_timeout;
	s->hint_arena = arena_new();
	if (wait_group_spawn(&s->tasks, "store-renew", run_renewer, s, &s->renewer) < 0)
		abort(); /* at start; without it the reaper would take live uploads */
	space_refresh(s);
	return s;
}

void store_free(struct store **sp)
{
	struct store *s = *sp;
	if (!s)
		return;
	*sp = NULL;
	s->closing = true;
	task_cancel(s->renewer);
	if (s->reads_kept)
		task_cancel(s->keeper);
	wait_group_wait(&s->tasks, 0);
	arena_free(&s->hint_arena);
	free(s->live);
	free(s->reads);
	free(s->instance);
	free(s);
}

const char *store_instance(const struct store *s)
{
	return s->instance;
}
