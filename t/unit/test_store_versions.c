/* SPDX-License-Identifier: MIT
 *
 * Buckets that keep versions, and those that do so no more: what writes and deletions
 * leave, what listings tell in pages of any size and at what cost, and that what changes
 * a version never meets another one.
 */
#include "store/versions.h"
#include "s3proto/listing.h"
#include "store_fixture.h"
#include "t/unit/run.h"

static void set_versioning(struct sf *f, enum store_versioning v)
{
	enum store_versioning now;
	ck_assert_int_eq(store_set_versioning(f->s, STR("bk"), STR_NULL, v, &f->e), ERR_OK);
	ck_assert_int_eq(store_versioning(f->s, STR("bk"), &now, &f->e), ERR_OK);
	ck_assert_int_eq(now, v);
}

/* What the client is told about a new object of one byte more than the one before. */
static const char *put(struct sf *f, const char *key, uint64_t size)
{
	struct store_intent i;
	struct store_written w;
	struct store_object o = sf_object(key, size);
	ck_assert_int_eq(sf_reserve(f, key, "u", size, &i), ERR_OK);
	ck_assert_int_eq(sf_commit_object(f, &o, &i, 1, NULL, &w), ERR_OK);
	return arena_strdup(f->a, w.version_id);
}

static struct store_deletion remove_key(struct sf *f, const char *key, const char *version)
{
	struct store_deletion d = {.key = str_of(key), .version = str_of(version)};
	ck_assert_int_eq(store_delete(f->s, STR("bk"), STR_NULL, &d, 1, &f->e), ERR_OK);
	ck_assert_int_eq(d.result.code, ERR_OK);
	return d;
}

/* The size of a version, -1: none, -2: a delete marker. */
static int64_t size_of(struct sf *f, const char *key, const char *version)
{
	struct store_version v;
	enum err r = store_find(f->s, STR("bk"), str_of(key), str_of(version), f->a, &v, &f->e);
	if (r == ERR_OK)
		return (int64_t)v.o.size;
	ck_assert_int_eq(r, ERR_NOT_FOUND);
	return v.is_marker ? -2 : -1;
}

/* What a reader is told to have got. */
static const char *told(struct sf *f, const char *key, const char *version)
{
	struct store_version v;
	(void)store_find_copies(f->s, STR("bk"), str_of(key), str_of(version), NULL, f->a, &v,
	                        &f->e);
	return arena_strdup(f->a, v.version_id);
}

static void unversioned(const char *conninfo)
{
	struct sf f;
	enum store_versioning v;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(store_versioning(f.s, STR("bk"), &v, &f.e), ERR_OK);
	ck_assert_int_eq(v, STORE_NEVER_VERSIONED);
	ck_assert_int_eq(store_versioning(f.s, STR("none"), &v, &f.e), ERR_NO_BUCKET);
	ck_assert_int_eq(store_set_versioning(f.s, STR("none"), STR_NULL, STORE_VERSIONED, &f.e),
	                 ERR_NO_BUCKET);

	ck_assert_str_eq(put(&f, "k", 1), "");
	ck_assert_str_eq(told(&f, "k", ""), "");
	ck_assert_int_eq(size_of(&f, "k", "null"), 1);
	struct store_deletion d = remove_key(&f, "k", "00000000000000000000000000");
	ck_assert(!d.is_marker && d.copies == 0);
	ck_assert_int_eq(size_of(&f, "k", ""), 1);
	d = remove_key(&f, "k", "null");
	ck_assert(!d.is_marker && d.copies == 1);
	ck_assert_str_eq(d.version_id, "null");
	ck_assert_int_eq(size_of(&f, "k", ""), -1);
	d = remove_key(&f, "k", "");
	ck_assert(!d.is_marker && d.copies == 0);
	ck_assert_str_eq(d.version_id, "");
	sf_close(&f);
}
TEST(unversioned)

static void enabled(const char *conninfo)
{
	struct sf f;
	struct store_deletion d;
	sf_open(&f, conninfo, "one");
	put(&f, "k", 1);
	set_versioning(&f, STORE_VERSIONED);
	ck_assert_str_eq(told(&f, "k", ""), "null"); /* from before */
	const char *two = put(&f, "k", 2), *three = put(&f, "k", 3);
	ck_assert_uint_eq(strlen(two), ULID_SIZE - 1);
	ck_assert_str_eq(told(&f, "k", ""), three);
	ck_assert_str_eq(told(&f, "k", two), two);
	ck_assert_str_eq(told(&f, "k", "null"), "null");
	ck_assert_int_eq(size_of(&f, "k", ""), 3);
	ck_assert_int_eq(size_of(&f, "k", two), 2);
	ck_assert_int_eq(size_of(&f, "k", "null"), 1);
	ck_assert_int_eq(size_of(&f, "other", two), -1);
	/* The generation of the null version is not an id. */
	ck_assert_int_eq(size_of(&f, "k",
	                         pg_text(conninfo, "SELECT generation FROM object_versions"
	                                           " WHERE version_id IS NULL")),
	                 -1);

	d = remove_key(&f, "k", "");
	ck_assert(d.is_marker && d.copies == 0);
	const char *marker = arena_strdup(f.a, d.version_id);
	ck_assert_int_eq(size_of(&f, "k", ""), -2);
	ck_assert_int_eq(size_of(&f, "k", marker), -2);
	ck_assert_str_eq(told(&f, "k", ""), marker);
	d = remove_key(&f, "k", ""); /* one more */
	ck_assert(d.is_marker && strcmp(d.version_id, marker) != 0);
	const char *upper = arena_strdup(f.a, d.version_id);
	d = remove_key(&f, "k", marker); /* not the current one */
	ck_assert(d.is_marker);
	ck_assert_str_eq(d.version_id, marker);
	ck_assert_int_eq(size_of(&f, "k", ""), -2);
	d = remove_key(&f, "k", upper); /* the object is back */
	ck_assert(d.is_marker && d.copies == 0);
	ck_assert_int_eq(size_of(&f, "k", ""), 3);

	d = remove_key(&f, "k", two);
	ck_assert(!d.is_marker && d.copies == 1);
	ck_assert_int_eq(size_of(&f, "k", ""), 3);
	remove_key(&f, "k", three);
	ck_assert_int_eq(size_of(&f, "k", ""), 1);
	ck_assert_str_eq(told(&f, "k", ""), "null");
	remove_key(&f, "k", "null");
	ck_assert_int_eq(size_of(&f, "k", ""), -1);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM object_versions"), 0);

	d = remove_key(&f, "never", ""); /* hides what was never there */
	ck_assert(d.is_marker);
	ck_assert_int_eq(size_of(&f, "never", ""), -2);
	put(&f, "never", 5);
	ck_assert_int_eq(size_of(&f, "never", ""), 5);
	sf_close(&f);
}
TEST(enabled)

static void suspended(const char *conninfo)
{
	struct sf f;
	struct store_deletion d;
	sf_open(&f, conninfo, "one");
	set_versioning(&f, STORE_VERSIONED);
	const char *one = put(&f, "k", 1);
	set_versioning(&f, STORE_VERSIONING_SUSPENDED);
	ck_assert_str_eq(put(&f, "k", 2), "null");
	ck_assert_str_eq(put(&f, "k", 3), "null"); /* in place of the other */
	ck_assert_int_eq(size_of(&f, "k", one), 1);
	ck_assert_int_eq(size_of(&f, "k", "null"), 3);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM object_versions"), 2);

	d = remove_key(&f, "k", ""); /* a null marker, in place of the null version */
	ck_assert(d.is_marker && d.copies == 1);
	ck_assert_str_eq(d.version_id, "null");
	ck_assert_int_eq(size_of(&f, "k", "null"), -2);
	d = remove_key(&f, "k", "");
	ck_assert(d.is_marker && d.copies == 0);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM object_versions"), 2);
	d = remove_key(&f, "k", "null");
	ck_assert(d.is_marker);
	ck_assert_int_eq(size_of(&f, "k", ""), 1);

	/* A null version below one with an id is replaced there, and comes on top. */
	put(&f, "k", 4);
	set_versioning(&f, STORE_VERSIONED);
	const char *five = put(&f, "k", 5);
	set_versioning(&f, STORE_VERSIONING_SUSPENDED);
	ck_assert_int_eq(size_of(&f, "k", "null"), 4);
	put(&f, "k", 6);
	ck_assert_int_eq(size_of(&f, "k", ""), 6);
	ck_assert_int_eq(size_of(&f, "k", five), 5);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM object_versions"), 3);
	remove_key(&f, "k", "null");
	ck_assert_int_eq(size_of(&f, "k", ""), 5);
	sf_close(&f);
}
TEST(suspended)

/* Both the same key twice, and conditions that concern the version named. */
static void batches(const char *conninfo)
{
	struct sf f;
	sf_open(&f, conninfo, "one");
	set_versioning(&f, STORE_VERSIONED);
	const char *one = put(&f, "k", 1), *two = put(&f, "k", 2);
	put(&f, "other", 3);
	struct store_deletion d[] = {
		{.key = STR("k"), .version = str_of(one)},
		{.key = STR("k"), .version = str_of(one)},
		{.key = STR("k"), .version = str_of(two), .if_match = STR("wrong")},
		{.key = STR("k")},
		{.key = STR("k")},
		{.key = STR("none"), .if_match = STR("*")},
		{.key = STR("other"), .if_match = STR("d41d8cd98f00b204e9800998ecf8427e")},
	};
	size_t n = sizeof d / sizeof *d;
	ck_assert_int_eq(store_delete(f.s, STR("bk"), STR_NULL, d, n, &f.e), ERR_OK);
	const enum err results[] = {ERR_OK,        ERR_OK, ERR_PRECONDITION, ERR_OK, ERR_OK,
	                            ERR_NOT_FOUND, ERR_OK};
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(d[i].result.code == results[i], "%zu: %s", i,
		              err_name(d[i].result.code));
	ck_assert(d[0].copies == 1 && d[1].copies == 0);
	ck_assert(d[3].is_marker && d[4].is_marker &&
	          strcmp(d[3].version_id, d[4].version_id) != 0);
	ck_assert_int_eq(size_of(&f, "k", two), 2);
	ck_assert_int_eq(size_of(&f, "k", ""), -2);
	ck_assert_int_eq(size_of(&f, "other", ""), -2);
	struct store_deletion none = {.key = STR("k")};
	ck_assert_int_eq(store_delete(f.s, STR("none"), STR_NULL, &none, 1, &f.e), ERR_OK);
	ck_assert_int_eq(none.result.code, ERR_NO_BUCKET);
	sf_close(&f);
}
TEST(batches)

/* Rows in the queue have the number of the transaction that made them. */
static int64_t transactions(const char *conninfo)
{
	return pg_number(conninfo, "SELECT count(DISTINCT xmin::TEXT) FROM cleanup_queue");
}

/* Deletes the first n keys, which have so many segments each. */
static int64_t delete_many(struct sf *f, const char *conninfo, size_t n, int segments)
{
	struct store_deletion *d = ARENA_ARRAY(f->a, struct store_deletion, n);
	pg_text(conninfo, "DELETE FROM cleanup_queue");
	pg_text(conninfo,
	        pg_print("INSERT INTO object_versions (bucket, object_name, generation,"
	                 " size_bytes, etag, is_latest, parts, created_at) SELECT 'bk', 'k' || i,"
	                 " 'G', 0, '', TRUE, %d, now() FROM generate_series(1, %zu) i",
	                 segments, n));
	pg_text(conninfo,
	        pg_print("WITH s AS (INSERT INTO segments (bucket, object_name, generation,"
	                 " segment_number, start_byte, size_bytes, etag) SELECT 'bk', 'k' || i,"
	                 " 'G', n, 0, 0, '' FROM generate_series(1, %zu) i,"
	                 " generate_series(1, %d) n RETURNING segment_id) INSERT INTO"
	                 " object_locations (segment_id, object_key, backend_name, backend_key,"
	                 " size_bytes, created_at) SELECT segment_id, '', 'a', segment_id::TEXT, "
	                 "0, now() FROM s",
	                 n, segments));
	pg_text(conninfo, pg_print("UPDATE backend_quota_slots SET copies = copies + %zu"
	                           " WHERE backend_name = 'a' AND slot = 0",
	                           n * (size_t)segments));
	for (size_t i = 0; i < n; i++)
		d[i] = (struct store_deletion){.key = str_of(arena_printf(f->a, "k%zu", i + 1))};
	ck_assert_int_eq(store_delete(f->s, STR("bk"), STR_NULL, d, n, &f->e), ERR_OK);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(d[i].result.code, ERR_OK);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM cleanup_queue"),
	                 (int64_t)n * segments);
	return transactions(conninfo);
}

/* No transaction takes more than a second, or many locks. */
static void large_batches(const char *conninfo)
{
	struct sf f;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(delete_many(&f, conninfo, 50, 1), 1);
	ck_assert_int_eq(delete_many(&f, conninfo, 120, 1), 3);
	ck_assert_int_eq(delete_many(&f, conninfo, 4, 2000), 2);
	ck_assert_int_eq(delete_many(&f, conninfo, 2, 5001), 2);
	sf_close(&f);
}
TEST(large_batches)

/* The second transaction fails: what the first one did is told, and what is left. */
static void a_batch_that_fails_in_the_middle(const char *conninfo)
{
	struct sf f;
	struct store_deletion d[60];
	sf_open(&f, conninfo, "one");
	pg_text(conninfo,
	        "INSERT INTO object_versions (bucket, object_name, generation, size_bytes,"
	        " etag, is_latest, created_at) SELECT 'bk', 'k' || i, 'G', 0, '', TRUE,"
	        " now() FROM generate_series(0, 59) i");
	pg_text(conninfo, "CREATE FUNCTION refuse() RETURNS TRIGGER LANGUAGE plpgsql AS"
	                  " 'BEGIN RAISE EXCEPTION ''no''; END'");
	pg_text(conninfo, "CREATE TRIGGER refuse BEFORE DELETE ON object_versions FOR EACH ROW"
	                  " WHEN (OLD.object_name = 'k55') EXECUTE FUNCTION refuse()");
	for (size_t i = 0; i < 60; i++)
		d[i] = (struct store_deletion){.key = str_of(arena_printf(f.a, "k%zu", i))};
	ck_assert_int_eq(store_delete(f.s, STR("bk"), STR_NULL, d, 60, &f.e), ERR_OK);
	for (size_t i = 0; i < 60; i++)
		ck_assert_int_eq(d[i].result.code, i < 50 ? ERR_OK : ERR_DB_REFUSED);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM object_versions"), 10);
	ck_assert_int_eq(store_delete(f.s, STR("bk"), STR_NULL, d + 50, 10, &f.e), ERR_DB_REFUSED);
	pg_text(conninfo, "DROP FUNCTION refuse CASCADE");
	pg_text(conninfo, "DELETE FROM object_versions");
	sf_close(&f);
}
TEST(a_batch_that_fails_in_the_middle)

/* A deletion as it is executed late: it found `found`, and another one is current. */
static const char *delete_late_if(const char *conninfo, const char *found, const char *if_match)
{
	char sql[400];
	snprintf(
		sql, sizeof sql,
		"SELECT status || ' ' || is_marker || ' ' || version_id FROM s3o_delete('bk', '', "
		"NULL, "
		"jsonb_build_array(jsonb_build_object('name', 'k', 'version', '', 'generation', "
		"'%s', 'if_match', '%s', 'marker', 'M' || (SELECT count(*) FROM object_versions))),"
		"0::SMALLINT)",
		found, if_match);
	return pg_text(conninfo, sql);
}

static const char *delete_late(const char *conninfo, const char *found)
{
	return delete_late_if(conninfo, found, "");
}

/* It goes below what was written meanwhile. */
static void late_deletions(const char *conninfo)
{
	struct sf f;
	sf_open(&f, conninfo, "one");
	set_versioning(&f, STORE_VERSIONED);
	const char *one = put(&f, "k", 1), *two = put(&f, "k", 2);
	ck_assert_str_eq(delete_late(conninfo, one), "ok true M2");
	ck_assert_str_eq(delete_late(conninfo, one), "ok true M3");
	ck_assert_str_eq(delete_late(conninfo, ""), "ok true M4");
	ck_assert_int_eq(size_of(&f, "k", ""), 2);
	ck_assert_str_eq(pg_text(conninfo,
	                         "SELECT string_agg(CASE WHEN is_delete_marker THEN generation"
	                         " ELSE size_bytes::TEXT END, ' ' ORDER BY created_at)"
	                         " FROM object_versions"),
	                 "M4 1 M3 M2 2");
	remove_key(&f, "k", two);
	ck_assert_int_eq(size_of(&f, "k", ""), -2);
	/* What it found is gone: nobody knows its place. */
	ck_assert_str_eq(delete_late(conninfo, two), "changed false ");
	set_versioning(&f, STORE_VERSIONING_SUSPENDED);
	ck_assert_str_eq(delete_late(conninfo, one), "changed false ");
	put(&f, "k", 3);
	ck_assert_str_eq(delete_late(conninfo, one), "ok true null");
	ck_assert_int_eq(size_of(&f, "k", ""), 3);
	sf_close(&f);
}
TEST(late_deletions)

/* A null version that is older than what was found is not the answer to a deletion. */
static void late_deletion_of_what_hid_an_older_one(const char *conninfo)
{
	struct sf f;
	sf_open(&f, conninfo, "one");
	put(&f, "k", 1);
	set_versioning(&f, STORE_VERSIONED);
	const char *two = put(&f, "k", 2);
	set_versioning(&f, STORE_VERSIONING_SUSPENDED);
	remove_key(&f, "k", two);
	ck_assert_int_eq(size_of(&f, "k", ""), 1);
	ck_assert_str_eq(delete_late(conninfo, two), "changed false ");
	ck_assert_int_eq(size_of(&f, "k", ""), 1);
	sf_close(&f);
}
TEST(late_deletion_of_what_hid_an_older_one)

/* The condition holds for what is there now, so that is what must go. */
static void late_deletions_with_a_condition(const char *conninfo)
{
	struct sf f;
	struct store_version v;
	const char *tag = "d41d8cd98f00b204e9800998ecf8427e";
	sf_open(&f, conninfo, "one");
	put(&f, "k", 1);
	ck_assert_int_eq(sf_find(&f, "k", &v), ERR_OK);
	put(&f, "k", 2);
	ck_assert_str_eq(delete_late_if(conninfo, v.o.generation, tag), "changed false ");
	set_versioning(&f, STORE_VERSIONED);
	const char *three = put(&f, "k", 3);
	put(&f, "k", 4);
	ck_assert_str_eq(delete_late_if(conninfo, three, tag), "changed false ");
	ck_assert_int_eq(size_of(&f, "k", ""), 4);
	sf_close(&f);
}
TEST(late_deletions_with_a_condition)

/* --- versioning and writers ------------------------------------------------------- */

struct change {
	struct sf *f;
	bool done;
};

static void run_change(void *arg)
{
	struct change *c = arg;
	set_versioning(c->f, STORE_VERSIONED);
	c->done = true;
}

/* A write that has entered the bucket ends as it has begun. */
static void versioning_waits_for_writers(const char *conninfo)
{
	struct sf f;
	struct wait_group g = {0};
	struct change c = {.f = &f};
	sf_open(&f, conninfo, "one");
	PGconn *writer = PQconnectdb(conninfo);
	PQclear(PQexec(writer, "BEGIN; SELECT s3o_enter_bucket('bk', '')"));
	ck_assert_int_eq(wait_group_spawn(&g, "change", run_change, &c, NULL), 0);
	while (pg_number(conninfo, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0)
		ck_assert_int_eq(task_sleep(10 * CLOCK_MS), 0);
	ck_assert(!c.done);
	PQclear(PQexec(writer, "COMMIT"));
	wait_group_wait(&g, 0);
	ck_assert(c.done);
	PQfinish(writer);
	sf_close(&f);
}
TEST(versioning_waits_for_writers)

/* --- listing ----------------------------------------------------------------------- */

/* Pages of n from the beginning to the end: "key=size" of versions, "key!" of markers,
 * "*" behind the current ones, "key..." of groups. */
static const char *list(struct sf *f, const char *prefix, const char *delimiter, int n)
{
	struct store_listed_version *rows;
	struct str from = STR_NULL, version = STR_NULL;
	struct buf b = {0};
	size_t count;
	do {
		ck_assert_int_eq(store_list_versions(f->s, STR("bk"), str_of(prefix),
		                                     str_of(delimiter), from, version, n, f->a,
		                                     &rows, &count, &f->e),
		                 ERR_OK);
		for (size_t i = 0; i < count; i++) {
			const struct store_listed_version *v = &rows[i];
			buf_printf(&b, "%s%.*s", b.n ? " " : "", STR_FMT(v->key));
			if (v->is_group)
				buf_add_cstr(&b, "...");
			else if (v->is_marker)
				buf_add_cstr(&b, "!");
			else
				buf_printf(&b, "=%d", (int)v->size);
			if (v->is_latest && !v->is_group)
				buf_add_cstr(&b, "*");
			from = v->is_group ? listing_successor(f->a, v->key) : v->key;
			version = v->is_group ? STR_NULL : str_of(v->version_id);
		}
	} while (count == (size_t)n);
	const char *text = arena_strndup(f->a, b.p ? b.p : "", b.n);
	buf_free(&b);
	return text;
}

static void expect_list(struct sf *f, const char *prefix, const char *delimiter,
                        const char *expected)
{
	for (int n = 1; n < 20; n++)
		ck_assert_str_eq(list(f, prefix, delimiter, n), expected);
}

static void lists(const char *conninfo)
{
	struct sf f;
	sf_open(&f, conninfo, "one");
	put(&f, "b/1", 1);
	set_versioning(&f, STORE_VERSIONED);
	const char *keys[] = {"a", "b/1", "b/1", "b/2", "b0", "c//x", "c/y", "\xc3\xa9/", "z"};
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		put(&f, keys[i], i + 2);
	remove_key(&f, "b/2", "");
	put(&f, "b/2", 20);
	remove_key(&f, "a", "");
	set_versioning(&f, STORE_VERSIONING_SUSPENDED);
	put(&f, "z", 30);
	expect_list(&f, "", "",
	            "a!* a=2 b/1=4* b/1=3 b/1=1 b/2=20* b/2! b/2=5 b0=6* c//x=7* c/y=8* "
	            "z=30* z=10 \xc3\xa9/=9*");
	expect_list(&f, "", "/", "a!* a=2 b/... b0=6* c/... z=30* z=10 \xc3\xa9/...");
	expect_list(&f, "b", "/", "b/... b0=6*");
	expect_list(&f, "b/", "/", "b/1=4* b/1=3 b/1=1 b/2=20* b/2! b/2=5");
	expect_list(&f, "c/", "/", "c//... c/y=8*");
	expect_list(&f, "", "1",
	            "a!* a=2 b/1... b/2=20* b/2! b/2=5 b0=6* c//x=7* c/y=8* "
	            "z=30* z=10 \xc3\xa9/=9*");
	expect_list(&f, "none", "", "");

	/* A version that went after its page was told. */
	struct store_listed_version *rows;
	size_t n;
	ck_assert_int_eq(store_list_versions(f.s, STR("bk"), STR(""), STR(""), STR("b/1"),
	                                     STR("00000000000000000000000000"), 3, f.a, &rows, &n,
	                                     &f.e),
	                 ERR_OK);
	ck_assert(n == 3 && str_eq(rows[0].key, STR("b/1")) && rows[0].size == 4);
	ck_assert_int_eq(store_list_versions(f.s, STR("bk"), STR("\xff"), STR(""), STR(""),
	                                     STR_NULL, 3, f.a, &rows, &n, &f.e),
	                 ERR_INVALID);
	sf_close(&f);
}
TEST(lists)

/* Index and table pages that a page of the listing touches. Of the second one: the first
 * also reads what the planner wants to know. */
static long long pages_touched(const char *conninfo, const char *arguments)
{
	static char sql[600];
	snprintf(sql, sizeof sql,
	         "CREATE OR REPLACE FUNCTION pg_temp.touched() RETURNS BIGINT LANGUAGE plpgsql "
	         "AS $$ DECLARE v JSON; BEGIN FOR i IN 1..2 LOOP "
	         "EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
	         "SELECT * FROM s3o_list_versions(''bk'', %s)' INTO v; END LOOP; "
	         "RETURN (v -> 0 -> 'Plan' ->> 'Shared Hit Blocks')::BIGINT + "
	         "(v -> 0 -> 'Plan' ->> 'Shared Read Blocks')::BIGINT; END $$;"
	         "SELECT pg_temp.touched()",
	         arguments);
	return pg_number(conninfo, sql);
}

#define END "''\xf4\x8f\xbf\xbf''"

/* 300,000 rows: keys with many versions, a large group, many groups. */
static void cost_of_a_page(const char *conninfo)
{
	struct sf f;
	sf_open(&f, conninfo, "one");
	pg_text(conninfo,
	        "INSERT INTO object_versions (bucket, object_name, generation, version_id,"
	        " is_latest, is_delete_marker, size_bytes, etag, created_at)"
	        " SELECT 'bk', name, g, g, latest, TRUE, 0, '', now() - n * interval '1 second'"
	        " FROM (SELECT 'many' AS name, n, n = 1 AS latest FROM generate_series(1, 100000) n"
	        "  UNION ALL SELECT 'group/' || n, n, TRUE FROM generate_series(1, 100000) n"
	        "  UNION ALL SELECT 'p' || n / 10 || '/' || n % 10, v, v = 1"
	        "   FROM generate_series(1, 50000) n, generate_series(1, 2) v) r"
	        " CROSS JOIN LATERAL (SELECT lpad(n::TEXT, 26, '0') AS g) x");
	/* From the beginning, in the middle of a key, by group, and among many groups. */
	const char *const arguments[] = {
		"''''," END ", '''', '''', '''', '''', 10",
		"''''," END ", '''', '''', ''many'', ''00000000000000000000090000'', 10",
		"''''," END ", ''/'', ''0'', '''', '''', 10",
		"''''," END ", ''/'', ''0'', ''p4'', '''', 10",
	};
	for (int analyzed = 0; analyzed < 2; analyzed++) {
		for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++)
			ck_assert_int_lt(pages_touched(conninfo, arguments[i]), 400);
		pg_text(conninfo, "ANALYZE object_versions");
	}
	sf_close(&f);
}
TEST(cost_of_a_page)

/* --- what may change ---------------------------------------------------------------- */

static void properties(const char *conninfo)
{
	struct sf f;
	struct store_version v;
	sf_open(&f, conninfo, "one");
	put(&f, "k", 1);
	ck_assert_int_eq(sf_find(&f, "k", &v), ERR_OK);
	ck_assert(v.o.n_tags == 0 && v.o.acl.n == 0);
	struct store_object first = v.o;
	int64_t modified = v.modified;
	struct str_pair tags[] = {{STR("a"), STR("\"1\"")}, {STR("\xc3\xa9"), STR("")}};
	ck_assert_int_eq(store_set_tags(f.s, &first, tags, 2, &f.e), ERR_OK);
	ck_assert_int_eq(store_set_acl(f.s, &first, STR("public-read"), &f.e), ERR_OK);
	ck_assert_int_eq(sf_find(&f, "k", &v), ERR_OK);
	ck_assert_uint_eq(v.o.n_tags, 2);
	ck_assert(str_eq(v.o.tags[0].value, STR("\"1\"")) && str_eq(v.o.acl, STR("public-read")));
	ck_assert_int_eq(v.modified, modified);
	ck_assert_int_eq(store_set_tags(f.s, &first, NULL, 0, &f.e), ERR_OK);
	ck_assert_int_eq(store_set_acl(f.s, &first, STR_NULL, &f.e), ERR_OK);
	ck_assert_int_eq(sf_find(&f, "k", &v), ERR_OK);
	ck_assert(v.o.n_tags == 0 && v.o.acl.n == 0);

	/* A newer version is none of a late statement's business. */
	put(&f, "k", 2);
	ck_assert_int_eq(store_set_tags(f.s, &first, tags, 2, &f.e), ERR_NOT_FOUND);
	ck_assert_int_eq(store_set_acl(f.s, &first, STR("public-read"), &f.e), ERR_NOT_FOUND);
	ck_assert_int_eq(sf_find(&f, "k", &v), ERR_OK);
	ck_assert(v.o.n_tags == 0 && v.o.acl.n == 0);
	set_versioning(&f, STORE_VERSIONED);
	remove_key(&f, "k", "");
	ck_assert_int_eq(sf_find(&f, "k", &v), ERR_NOT_FOUND);
	ck_assert_int_eq(store_set_tags(f.s, &v.o, tags, 2, &f.e), ERR_NOT_FOUND);
	tags[0].value = STR("\xff");
	ck_assert_int_eq(store_set_tags(f.s, &first, tags, 2, &f.e), ERR_INVALID);
	sf_close(&f);
}
TEST(properties)

int main(void)
{
	TCase *t = tcase_create("versions");
	pg_start();
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_unversioned);
	tcase_add_test(t, test_enabled);
	tcase_add_test(t, test_suspended);
	tcase_add_test(t, test_batches);
	tcase_add_test(t, test_large_batches);
	tcase_add_test(t, test_a_batch_that_fails_in_the_middle);
	tcase_add_test(t, test_late_deletions);
	tcase_add_test(t, test_late_deletion_of_what_hid_an_older_one);
	tcase_add_test(t, test_late_deletions_with_a_condition);
	tcase_add_test(t, test_versioning_waits_for_writers);
	tcase_add_test(t, test_lists);
	tcase_add_test(t, test_cost_of_a_page);
	tcase_add_test(t, test_properties);
	return run_tests("store_versions", t);
}
