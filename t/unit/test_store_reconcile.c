/* SPDX-License-Identifier: MIT
 *
 * What lies on backends and is in no table: explained, adopted, imported, queued.
 */
#include "store/copies.h"
#include "store/reconcile.h"
#include "store/removal.h"
#include "store_fixture.h"
#include "t/unit/run.h"

static struct store_found found(const char *backend, const char *key, uint64_t size)
{
	return (struct store_found){.backend = backend, .backend_key = str_of(key), .size = size};
}

static enum store_outcome import(struct sf *f, const struct store_found *what, const char *key,
                                 int64_t modified)
{
	struct store_object o = sf_object(key, what->size);
	enum store_outcome out;
	ck_assert_msg(store_import(f->s, what, &o, modified, &out, &f->e) == ERR_OK, "%s",
	              f->e.text);
	return out;
}

static void importing(const char *conninfo)
{
	struct sf f;
	struct store_version v;
	const int64_t then = INT64_C(1600000000123456);
	sf_open(&f, conninfo, "i");
	struct store_found x = found("a", "bk/x", 40);
	x.md5 = STR("d41d8cd98f00b204e9800998ecf8427e");
	ck_assert_int_eq(import(&f, &x, "x", then), STORE_DONE);
	ck_assert_int_eq(sf_find(&f, "x", &v), ERR_OK);
	ck_assert_int_eq(v.modified, then);
	ck_assert(str_eq(v.segments[0].copies[0].backend_key, STR("bk/x")));
	ck_assert_str_eq(pg_text(conninfo, "SELECT etag FROM segments"),
	                 "d41d8cd98f00b204e9800998ecf8427e");
	sf_assert_space(&f, "a", 40, 0, 0);
	/* Twice, or for another key, is once. */
	ck_assert_int_eq(import(&f, &x, "x", then), STORE_KNOWN);
	ck_assert_int_eq(import(&f, &x, "y", then), STORE_KNOWN);
	/* A key that has a version keeps it. */
	const struct store_found other = found("b", "x", 7);
	ck_assert_int_eq(import(&f, &other, "x", then), STORE_KNOWN);
	/* What is in the future is not newer than what is written next. */
	const struct store_found z = found("a", "z", 1);
	ck_assert_int_eq(import(&f, &z, "z", clock_wall() + 3600 * CLOCK_SEC), STORE_DONE);
	ck_assert_int_eq(sf_put(&f, "z", "b", 2), ERR_OK);
	ck_assert_int_eq(sf_find(&f, "z", &v), ERR_OK);
	ck_assert_uint_eq(v.o.size, 2);
	sf_close(&f);
}
TEST(importing)

/* The bytes are there: they count, although nothing is left for others then. */
static void importing_beyond_the_quota(const char *conninfo)
{
	struct sf f;
	struct store_intent i;
	sf_open(&f, conninfo, "i");
	ck_assert_int_eq(sf_put(&f, "k", "a", 900), ERR_OK);
	const struct store_found x = found("a", "x", 300);
	ck_assert_int_eq(import(&f, &x, "x", 1), STORE_DONE);
	sf_assert_space(&f, "a", 1200, 0, 0);
	ck_assert_int_eq(sf_reserve(&f, "more", "a", 1, &i), ERR_NO_SPACE);
	sf_close(&f);
}
TEST(importing_beyond_the_quota)

static void importing_where_it_may_not(const char *conninfo)
{
	struct sf f;
	enum store_outcome out;
	sf_open(&f, conninfo, "i");
	struct store_found x = found("a", "nobody/x", 3);
	struct store_object o = sf_object("x", 3);
	o.bucket = STR("nobody");
	ck_assert_int_eq(store_import(f.s, &x, &o, 1, &out, &f.e), ERR_OK);
	ck_assert_int_eq(out, STORE_NO_BUCKET);
	pg_text(conninfo, "INSERT INTO backend_drains (backend_name) VALUES ('a')");
	x = found("a", "bk/x", 3);
	ck_assert_int_eq(import(&f, &x, "x", 1), STORE_DRAINING);
	sf_assert_space(&f, "a", 0, 0, 0);
	sf_close(&f);
}
TEST(importing_where_it_may_not)

static void explaining(const char *conninfo)
{
	struct sf f;
	struct store_intent i, gone;
	uint64_t copies;
	bool known[5];
	struct store_version v;
	sf_open(&f, conninfo, "i");
	ck_assert_int_eq(sf_put(&f, "k", "a", 1), ERR_OK);
	ck_assert_int_eq(sf_reserve(&f, "w", "a", 1, &i), ERR_OK);
	ck_assert_int_eq(sf_reserve(&f, "g", "a", 1, &gone), ERR_OK);
	ck_assert_int_eq(sf_commit(&f, "g", &gone, 1, NULL), ERR_OK);
	ck_assert_int_eq(sf_delete(&f, "g", &copies), ERR_OK);
	pg_text(conninfo,
	        "INSERT INTO cleanup_dlq (original_id, backend_name, object_key, reason, attempts,"
	        " first_enqueued_at) VALUES (1, 'a', 'dead', 'test', 10, now())");
	ck_assert_int_eq(sf_find(&f, "k", &v), ERR_OK);
	const char *keys[5] = {v.segments[0].copies[0].backend_key.p, "nobody", i.backend_key.p,
	                       gone.backend_key.p, "dead"};
	ck_assert_int_eq(store_explained(f.s, "a", keys, 5, known, &f.e), ERR_OK);
	for (int n = 0; n < 5; n++)
		ck_assert_int_eq(known[n], n != 1);
	ck_assert_int_eq(store_explained(f.s, "b", keys, 5, known, &f.e), ERR_OK);
	for (int n = 0; n < 5; n++) {
		const struct store_found x = found("a", keys[n], 0);
		bool queued;
		ck_assert(!known[n]);
		ck_assert_int_eq(store_queue_found(f.s, &x, "test", &queued, &f.e), ERR_OK);
		ck_assert_int_eq(queued, n == 1);
		ck_assert_int_eq(import(&f, &x, "new", 1), STORE_KNOWN);
	}
	store_cancel(f.s, &i);
	struct store_name names[3] = {{.bucket = STR("bk"), .key = STR("k")},
	                              {.bucket = STR("nobody"), .key = STR("k")},
	                              {.bucket = STR("bk"), .key = STR("\"{},\\")}};
	ck_assert_int_eq(store_names(f.s, names, 3, &f.e), ERR_OK);
	ck_assert(names[0].is_bucket && names[0].has_version);
	ck_assert(!names[1].is_bucket && !names[1].has_version);
	ck_assert(names[2].is_bucket && !names[2].has_version);
	sf_close(&f);
}
TEST(explaining)

/* --- adopting ------------------------------------------------------------------- */

static struct store_origin origin_of(struct sf *f, const char *key)
{
	struct store_version v;
	ck_assert_int_eq(sf_find(f, key, &v), ERR_OK);
	return (struct store_origin){.bucket = STR("bk"),
	                             .key = str_of(key),
	                             .generation = arena_dup(f->a, str_of(v.o.generation)).p};
}

static enum store_outcome adopt(struct sf *f, const struct store_found *what,
                                const struct store_origin *of)
{
	enum store_outcome out;
	ck_assert_msg(store_adopt_copy(f->s, what, of, false, &out, &f->e) == ERR_OK, "%s",
	              f->e.text);
	return out;
}

static void adopting(const char *conninfo)
{
	struct sf f;
	enum store_outcome out;
	sf_open(&f, conninfo, "i");
	ck_assert_int_eq(sf_put(&f, "k", "a", 10), ERR_OK);
	struct store_origin of = origin_of(&f, "k");
	struct store_found x = found("b", "bk/k~found", 10);
	ck_assert_int_eq(store_adopt_copy(f.s, &x, &of, true, &out, &f.e), ERR_OK);
	ck_assert_int_eq(out, STORE_DONE);
	sf_assert_space(&f, "b", 0, 0, 0); /* it was dry */
	x.size = 11;
	ck_assert_int_eq(adopt(&f, &x, &of), STORE_ORPHAN);
	x.size = 10;
	x.md5 = STR("00000000000000000000000000000000");
	ck_assert_int_eq(adopt(&f, &x, &of), STORE_ORPHAN);
	x.md5 = STR("d41d8cd98f00b204e9800998ecf8427e");
	of.part = 1;
	ck_assert_int_eq(adopt(&f, &x, &of), STORE_ORPHAN);
	of.part = 0;
	of.key = STR("");
	ck_assert_int_eq(adopt(&f, &x, &of), STORE_ORPHAN);
	of.is_cut = true;
	ck_assert_int_eq(adopt(&f, &x, &of), STORE_DONE);
	sf_assert_space(&f, "b", 10, 0, 0);
	ck_assert_int_eq(adopt(&f, &x, &of), STORE_KNOWN);
	const struct store_found second = found("b", "bk/k~second", 10);
	ck_assert_int_eq(adopt(&f, &second, &of), STORE_ORPHAN);
	pg_text(conninfo, "INSERT INTO backend_drains (backend_name) VALUES ('u')");
	const struct store_found third = found("u", "bk/k~third", 10);
	ck_assert_int_eq(adopt(&f, &third, &of), STORE_DRAINING);
	sf_close(&f);
}
TEST(adopting)

/* A part may have been uploaded several times in one generation: without a proof that these
 * are the bytes it is no copy, but if there is no other it is no orphan either. */
static void adopting_a_part(const char *conninfo)
{
	struct sf f;
	sf_open(&f, conninfo, "i");
	ck_assert_int_eq(sf_put(&f, "k", "a", 10), ERR_OK);
	struct store_origin of = origin_of(&f, "k");
	of.part = 7;
	pg_text(conninfo, "UPDATE segments SET part_number = 7");
	struct store_found x = found("b", "bk/k~x/00007", 10);
	ck_assert_int_eq(adopt(&f, &x, &of), STORE_ORPHAN);
	uint64_t gone;
	ck_assert_int_eq(store_forget_copies(f.s, "a", 10, &gone, &f.e), ERR_OK);
	ck_assert_int_eq(adopt(&f, &x, &of), STORE_UNPROVEN);
	x.md5 = STR("00000000000000000000000000000000");
	ck_assert_int_eq(adopt(&f, &x, &of), STORE_ORPHAN);
	x.md5 = STR("d41d8cd98f00b204e9800998ecf8427e");
	ck_assert_int_eq(adopt(&f, &x, &of), STORE_DONE);
	sf_close(&f);
}
TEST(adopting_a_part)

int main(void)
{
	TCase *t = tcase_create("reconcile");
	pg_start();
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_importing);
	tcase_add_test(t, test_importing_beyond_the_quota);
	tcase_add_test(t, test_importing_where_it_may_not);
	tcase_add_test(t, test_explaining);
	tcase_add_test(t, test_adopting);
	tcase_add_test(t, test_adopting_a_part);
	return run_tests("store_reconcile", t);
}
