/* SPDX-License-Identifier: MIT
 *
 * Quotas: limits in, space out. The hint for placement is refreshed by a task
 * that is started by who asks for it, so nothing runs while nothing is written.
 */
#include "store/store_private.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/mem.h"
#include "config/config.h"
#include "rt/task.h"

#define HINT_AGE CLOCK_SEC

static uint64_t positive(int64_t v)
{
	return v > 0 ? (uint64_t)v : 0;
}

enum err store_space(struct store *s, struct arena *a, struct store_space **out, size_t *n,
                     struct error *e)
{
	struct db_result *res = NULL;
	*out = NULL;
	*n = 0;
	enum err r = db_exec(s->db, Q_SPACE, NULL, &res, e);
	if (r != ERR_OK)
		return r;
	*n = (size_t)db_rows(res);
	*out = ARENA_ARRAY(a, struct store_space, *n);
	for (int i = 0; i < (int)*n; i++)
		(*out)[i] = (struct store_space){
			.backend = arena_dup(a, db_str(res, i, SPACE_BACKEND)),
			.limit = positive(db_i64(res, i, SPACE_BYTES_LIMIT)),
			.used = positive(db_i64(res, i, SPACE_USED)),
			.reserved = positive(db_i64(res, i, SPACE_RESERVED)),
			.orphaned = positive(db_i64(res, i, SPACE_ORPHANED)),
			.objects = positive(db_i64(res, i, SPACE_COPIES)),
			.draining = db_bool(res, i, SPACE_DRAINING),
		};
	db_result_free(&res);
	return ERR_OK;
}

/* --- the hint --------------------------------------------------------------- */

static void refresh(void *arg)
{
	struct store *s = arg;
	struct arena *a = arena_new();
	struct store_space *space;
	size_t n;
	if (store_space(s, a, &space, &n, NULL) == ERR_OK) {
		arena_free(&s->hint_arena);
		s->hint_arena = a;
		s->hint = space;
		s->n_hint = n;
		s->hint_read = s->hint_asked;
	} else {
		arena_free(&a);
	}
	s->hinting = false;
	notify_all(&s->hinted);
}

void space_refresh(struct store *s)
{
	if (s->hinting || s->closing)
		return;
	s->hint_asked = rt_now();
	s->hinting = wait_group_spawn(&s->tasks, "store-space", refresh, s, NULL) == 0;
}

const struct store_space *store_space_hint(struct store *s, size_t *n)
{
	if (rt_now() - s->hint_asked >= HINT_AGE)
		space_refresh(s);
	*n = s->n_hint;
	return s->hint;
}

void space_reserved(struct store *s, const struct store_intent *i)
{
	for (size_t k = 0; k < s->n_hint; k++)
		if (str_eq(s->hint[k].backend, str_of(i->backend)))
			s->hint[k].reserved += i->size;
}

bool store_space_renew(struct store *s)
{
	int64_t now = rt_now();
	/* One that is being read may be older than that; all who wait share the next. */
	for (int i = 0; i < 2 && s->hint_read < now; i++) {
		space_refresh(s);
		while (s->hinting && notify_wait(&s->hinted, CLOCK_NEVER) == 0)
			;
	}
	return s->hint_read >= now;
}

/* --- folders ---------------------------------------------------------------- */

static enum err ask_for_folder(struct store *s, enum query q, const struct args *args,
                               struct store_folder *out, struct error *e)
{
	struct db_result *res = NULL;
	enum err r = db_exec(s->db, q, args->p, &res, e);
	*out = (struct store_folder){0};
	if (r == ERR_OK && db_rows(res) == 0)
		r = err_set(e, ERR_NOT_FOUND, "the database does not know the backend yet");
	if (r == ERR_OK) {
		struct str id = db_str(res, 0, FOLDER_FOLDER_ID);
		snprintf(out->id, sizeof out->id, "%.*s", STR_FMT(id));
		out->copies = positive(db_i64(res, 0, FOLDER_COPIES));
	}
	db_result_free(&res);
	return r;
}

enum err store_folder(struct store *s, const char *backend, struct store_folder *out,
                      struct error *e)
{
	struct args args = {0};
	arg_text(&args, backend);
	return ask_for_folder(s, Q_FOLDER, &args, out, e);
}

enum err store_claim_folder(struct store *s, const char *backend, const char *id,
                            struct store_folder *out, struct error *e)
{
	struct args args = {0};
	arg_text(&args, backend);
	arg_text(&args, id);
	return ask_for_folder(s, Q_CLAIM_FOLDER, &args, out, e);
}

/* --- the configuration ------------------------------------------------------ */

static enum err sync_backends(struct db_blocking *db, const struct config *c, struct arena *a,
                              struct error *e)
{
	const char **values = ARENA_ARRAY(a, const char *, 2 * c->n_backends);
	for (size_t i = 0; i < c->n_backends; i++) {
		values[2 * i] = c->backends[i].name;
		values[2 * i + 1] =
			arena_printf(a, "%llu", (unsigned long long)c->backends[i].quota_bytes);
	}
	return db_exec_blocking(db, Q_SYNC_BACKEND, values, c->n_backends, e);
}

static enum err sync_buckets(struct db_blocking *db, const struct config *c, struct arena *a,
                             struct error *e)
{
	const char **values = ARENA_ARRAY(a, const char *, c->n_buckets);
	for (size_t i = 0; i < c->n_buckets; i++)
		values[i] = c->buckets[i].name;
	return db_exec_blocking(db, Q_SYNC_BUCKET, values, c->n_buckets, e);
}

enum err store_sync_config(struct db_blocking *db, const struct config *c, struct error *e)
{
	struct arena *a = arena_new();
	enum err r = sync_backends(db, c, a, e);
	if (r == ERR_OK)
		r = sync_buckets(db, c, a, e);
	arena_free(&a);
	return r;
}
