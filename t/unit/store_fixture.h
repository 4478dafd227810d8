/* SPDX-License-Identifier: MIT
 *
 * A store on a database of its own, and the steps of a write in short.
 */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include "pg_fixture.h"

#include "base/clock.h"
#include "config/config.h"
#include "db/db.h"
#include "rt/sync.h"
#include "store/store.h"
#include "store/store_private.h"

static struct config_backend sf_backends[3] = {
	{.name = "a", .quota_bytes = 1000},
	{.name = "b", .quota_bytes = 1000},
	{.name = "u", .quota_bytes = 0},
};
static struct config_bucket sf_bucket = {.name = "bk"};
static struct config sf_config = {
	.buckets = &sf_bucket,
	.n_buckets = 1,
	.backends = sf_backends,
	.n_backends = 3,
	.write_path = {.min_age = 60 * CLOCK_SEC},
};

struct sf {
	struct db *db;
	struct store *s;
	struct arena *a;
	struct error e;
};

static void sf_sync(const char *conninfo)
{
	struct db_blocking *db;
	struct error e;
	ck_assert_msg(db_blocking_open(conninfo, &db, &e) == ERR_OK, "%s", e.text);
	ck_assert_msg(store_sync_config(db, &sf_config, &e) == ERR_OK, "%s", e.text);
	db_blocking_close(&db);
}

static void sf_open(struct sf *f, const char *conninfo, const char *instance)
{
	struct db_options o = {.conninfo = conninfo, .connections = 3};
	*f = (struct sf){.a = arena_new(), .db = db_new(&o)};
	ck_assert_msg(db_wait_ready(f->db, clock_deadline(10 * CLOCK_SEC), &f->e) == ERR_OK, "%s",
	              f->e.text);
	f->s = store_new(f->db, &sf_config, instance);
}

static void sf_close(struct sf *f)
{
	store_free(&f->s);
	db_free(&f->db);
	arena_free(&f->a);
}

/* An intent for bucket "bk" on a backend, with a backend key never used before. */
static enum err sf_reserve(struct sf *f, const char *key, const char *backend, uint64_t size,
                           struct store_intent *i)
{
	char generation[ULID_SIZE];
	ulid_new(generation);
	*i = (struct store_intent){
		.backend = backend,
		.backend_key = str_of(arena_printf(f->a, "bk/%s~%s", key, generation)),
		.size = size,
	};
	return store_reserve(f->s, STR("bk"), str_of(key), i, &f->e);
}

static struct store_object sf_object(const char *key, uint64_t size)
{
	struct store_object o = {
		.bucket = STR("bk"),
		.key = str_of(key),
		.size = size,
		.etag = STR("d41d8cd98f00b204e9800998ecf8427e"),
		.content_type = STR("text/plain"),
	};
	ulid_new(o.generation);
	return o;
}

/* An object of one segment with n copies. */
static enum err sf_commit_object(struct sf *f, const struct store_object *o, struct store_intent *i,
                                 size_t n, const struct store_conditions *cond,
                                 struct store_written *out)
{
	static const struct store_conditions none;
	struct store_new_segment segment = {.size = o->size,
	                                    .etag = o->etag,
	                                    .sha256 = o->sha256,
	                                    .intents = i,
	                                    .n_intents = n};
	return store_commit(f->s, o, cond ? cond : &none, &segment, 1, out, &f->e);
}

PG_MAYBE static enum err sf_commit(struct sf *f, const char *key, struct store_intent *i, size_t n,
                                   const struct store_conditions *cond)
{
	struct store_object o = sf_object(key, i[0].size);
	struct store_written out;
	return sf_commit_object(f, &o, i, n, cond, &out);
}

/* A whole write with one copy. */
PG_MAYBE static enum err sf_put(struct sf *f, const char *key, const char *backend, uint64_t size)
{
	struct store_intent i;
	enum err r = sf_reserve(f, key, backend, size, &i);
	if (r == ERR_OK)
		r = sf_commit(f, key, &i, 1, NULL);
	return r;
}

PG_MAYBE static enum err sf_delete_if(struct sf *f, const char *key, const char *if_match,
                                      uint64_t *copies)
{
	struct store_deletion d = {.key = str_of(key), .if_match = str_of(if_match)};
	enum err r = store_delete(f->s, STR("bk"), STR_NULL, &d, 1, &f->e);
	*copies = d.copies;
	return r == ERR_OK ? d.result.code : r;
}

PG_MAYBE static enum err sf_delete(struct sf *f, const char *key, uint64_t *copies)
{
	return sf_delete_if(f, key, "", copies);
}

PG_MAYBE static enum err sf_find(struct sf *f, const char *key, struct store_version *v)
{
	return store_find_copies(f->s, STR("bk"), str_of(key), STR_NULL, NULL, f->a, v, &f->e);
}

/* The invariants hold. */
static void sf_check(const char *conninfo)
{
	ck_assert_str_eq(pg_text(conninfo, "SELECT string_agg(problem, '; ') FROM s3o_check()"),
	                 "");
}

PG_MAYBE static struct store_space sf_space(struct sf *f, const char *backend)
{
	struct store_space *space;
	size_t n;
	ck_assert_int_eq(store_space(f->s, f->a, &space, &n, &f->e), ERR_OK);
	for (size_t i = 0; i < n; i++)
		if (str_eq(space[i].backend, str_of(backend)))
			return space[i];
	ck_abort_msg("no backend %s", backend);
}

#define sf_assert_space(f, name, u, r, o)                                                          \
	do {                                                                                       \
		struct store_space sp_ = sf_space((f), (name));                                    \
		ck_assert_uint_eq(sp_.used, (u));                                                  \
		ck_assert_uint_eq(sp_.reserved, (r));                                              \
		ck_assert_uint_eq(sp_.orphaned, (o));                                              \
	} while (0)

/* As if the writer had died: nobody renews its intent any more. */
static inline void sf_die(struct sf *f, const struct store_intent *i)
{
	live_remove(f->s, i);
}

/* A test in a task, on a database of its own, which is in order afterwards. */
#define TEST(name)                                                                                 \
	START_TEST(test_##name)                                                                    \
	{                                                                                          \
		const char *db = pg_database(#name);                                               \
		sf_sync(db);                                                                       \
		pg_in_task(name, db);                                                              \
		sf_check(db);                                                                      \
	}                                                                                          \
	END_TEST

#endif
