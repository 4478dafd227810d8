/* SPDX-License-Identifier: MIT
 *
 * Every outcome of every call of the catalogue that writes, finds or lists, on a
 * real database; after each the invariants are checked.
 */
#include "store_fixture.h"
#include "t/unit/run.h"

/* --- writing ----------------------------------------------------------------------- */

static void write_and_find(const char *conninfo)
{
	struct sf f;
	struct store_intent i[2];
	struct store_version v;
	struct store_written w;
	sf_open(&f, conninfo, "one");
	ck_assert_str_eq(store_instance(f.s), "one");
	ck_assert(db_is_healthy(f.db));
	ck_assert_int_eq(sf_find(&f, "k", &v), ERR_NOT_FOUND);

	ck_assert_int_eq(sf_reserve(&f, "k", "a", 100, &i[0]), ERR_OK);
	ck_assert_int_eq(sf_reserve(&f, "k", "u", 110, &i[1]), ERR_OK);
	sf_assert_space(&f, "a", 0, 100, 0);
	ck_assert_int_eq(sf_find(&f, "k", &v), ERR_NOT_FOUND);

	struct store_object o = sf_object("k", 90);
	struct str_pair headers[] = {{STR("cache-control"), STR("no-cache, \"x\"")}};
	struct str_pair metadata[] = {{STR("name"), STR("J\xc3\xbcrgen \\ \"quoted\"")},
	                              {STR("empty"), STR("")}};
	o.headers = headers;
	o.n_headers = 1;
	o.metadata = metadata;
	o.n_metadata = 2;
	o.sha256 = STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	ck_assert_int_eq(sf_commit_object(&f, &o, i, 2, NULL, &w), ERR_OK);
	sf_assert_space(&f, "a", 100, 0, 0);
	sf_assert_space(&f, "u", 110, 0, 0);
	ck_assert_uint_eq(sf_space(&f, "a").objects, 1);
	ck_assert_uint_eq(sf_space(&f, "a").limit, 1000);
	ck_assert_uint_eq(sf_space(&f, "u").limit, 0);

	ck_assert_int_eq(sf_find(&f, "k", &v), ERR_OK);
	ck_assert_str_eq(v.o.generation, o.generation);
	ck_assert_uint_eq(v.o.size, 90);
	ck_assert(str_eq(v.o.key, STR("k")) && str_eq(v.o.bucket, STR("bk")));
	ck_assert(str_eq(v.o.etag, o.etag));
	ck_assert(str_eq(v.o.content_type, STR("text/plain")));
	ck_assert(str_eq(v.o.sha256, o.sha256));
	ck_assert_uint_eq(v.o.n_headers, 1);
	ck_assert(str_eq(v.o.headers[0].name, headers[0].name));
	ck_assert(str_eq(v.o.headers[0].value, headers[0].value));
	ck_assert_uint_eq(v.o.n_metadata, 2);
	for (size_t k = 0; k < 2; k++)
		ck_assert(str_eq(v.o.metadata[k].value,
		                 v.o.metadata[k].name.n == 4 ? metadata[0].value : STR("")));
	ck_assert_int_eq(v.modified, w.modified);
	ck_assert_str_eq(w.version_id, "");
	ck_assert(clock_wall() - v.modified < 60 * CLOCK_SEC &&
	          clock_wall() > v.modified - CLOCK_SEC);
	ck_assert_uint_eq(v.n_segments, 1);
	ck_assert_int_eq(v.segments[0].number, 1);
	ck_assert_uint_eq(v.segments[0].size, 90);
	ck_assert_uint_eq(v.segments[0].n_copies, 2);
	ck_assert(str_eq(v.segments[0].copies[0].backend, STR("a")));
	ck_assert(str_eq(v.segments[0].copies[0].backend_key, i[0].backend_key));
	ck_assert_uint_eq(v.segments[0].copies[1].size, 110);

	ck_assert_int_eq(store_find(f.s, STR("bk"), STR("k"), STR_NULL, f.a, &v, &f.e), ERR_OK);
	ck_assert_uint_eq(v.n_segments, 0);
	ck_assert_uint_eq(v.o.n_metadata, 2);
	ck_assert_int_eq(store_find(f.s, STR("other"), STR("k"), STR_NULL, f.a, &v, &f.e),
	                 ERR_NOT_FOUND);
	sf_close(&f);
}
TEST(write_and_find)

static void overwrite(const char *conninfo)
{
	struct sf f;
	struct store_version v1, v2;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(sf_put(&f, "k", "a", 1000), ERR_OK); /* exactly full */
	ck_assert_int_eq(sf_find(&f, "k", &v1), ERR_OK);
	ck_assert_int_eq(sf_put(&f, "k", "b", 300), ERR_OK);
	ck_assert_int_eq(sf_find(&f, "k", &v2), ERR_OK);
	ck_assert(str_eq(v2.segments[0].copies[0].backend, STR("b")));
	ck_assert_int_gt(v2.modified, v1.modified);
	sf_assert_space(&f, "a", 0, 0, 1000);
	sf_assert_space(&f, "b", 300, 0, 0);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM object_versions"), 1);
	ck_assert_str_eq(pg_text(conninfo, "SELECT reason FROM cleanup_queue"),
	                 "overwrite_displaced");
	/* Orphaned bytes are not free before they are gone. */
	ck_assert_int_eq(sf_put(&f, "x", "a", 1), ERR_NO_SPACE);

	/* A key's time goes forward even when the clock has gone back. */
	pg_text(conninfo, "UPDATE object_versions SET created_at = now() + interval '1 hour'");
	int64_t later = pg_number(conninfo, "SELECT s3o_micros(created_at) FROM object_versions");
	ck_assert_int_eq(sf_put(&f, "k", "b", 200), ERR_OK);
	ck_assert_int_eq(sf_find(&f, "k", &v2), ERR_OK);
	ck_assert_int_eq(v2.modified, later + 1);
	sf_close(&f);
}
TEST(overwrite)

/* Exact at the byte, wherever in the slots the free bytes lie. */
static void quota(const char *conninfo)
{
	struct sf f;
	struct store_intent i[12];
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 1001, &i[0]), ERR_NO_SPACE);
	ck_assert_int_eq(sf_reserve(&f, "k", "a", (uint64_t)1 << 62, &i[0]), ERR_NO_SPACE);
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 1000, &i[0]), ERR_OK);
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 1, &i[1]), ERR_NO_SPACE);
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 0, &i[1]), ERR_OK);
	store_cancel(f.s, &i[0]);
	store_cancel(f.s, &i[1]);
	sf_assert_space(&f, "a", 0, 0, 0);
	for (int k = 0; k < 10; k++)
		ck_assert_int_eq(sf_reserve(&f, "k", "a", k < 9 ? 111 : 1, &i[k]), ERR_OK);
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 1, &i[10]), ERR_NO_SPACE);
	sf_check(conninfo);
	for (int k = 0; k < 10; k++)
		store_cancel(f.s, &i[k]);
	ck_assert_int_eq(sf_reserve(&f, "k", "u", (uint64_t)1 << 50, &i[0]), ERR_OK);
	sf_assert_space(&f, "u", 0, (uint64_t)1 << 50, 0);
	store_cancel(f.s, &i[0]);
	sf_close(&f);
}
TEST(quota)

static void limits_change(const char *conninfo)
{
	struct sf f;
	struct store_intent i;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(sf_put(&f, "k", "a", 600), ERR_OK);
	sf_backends[0].quota_bytes = 500; /* below what is stored */
	sf_sync(conninfo);
	sf_check(conninfo);
	ck_assert_uint_eq(sf_space(&f, "a").limit, 500);
	ck_assert_int_eq(sf_reserve(&f, "x", "a", 1, &i), ERR_NO_SPACE);
	/* 550 bytes go, 50 more stay as before: the debt of 100 is paid first. */
	ck_assert_int_eq(sf_put(&f, "y", "u", 1), ERR_OK);
	uint64_t copies;
	ck_assert_int_eq(sf_delete(&f, "k", &copies), ERR_OK);
	struct store_cleanup *rows;
	size_t n;
	ck_assert_int_eq(store_cleanup_claim(f.s, 10, 0, NULL, 0, f.a, &rows, &n, &f.e), ERR_OK);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(store_cleanup_done(f.s, rows[0].id, &f.e), ERR_OK);
	sf_check(conninfo);
	ck_assert_int_eq(sf_reserve(&f, "x", "a", 501, &i), ERR_NO_SPACE);
	ck_assert_int_eq(sf_reserve(&f, "x", "a", 500, &i), ERR_OK);
	sf_backends[0].quota_bytes = 0;
	sf_sync(conninfo);
	sf_check(conninfo);
	ck_assert_int_eq(sf_put(&f, "z", "a", 10000), ERR_OK);
	sf_backends[0].quota_bytes = 20000;
	sf_sync(conninfo);
	sf_check(conninfo);
	ck_assert_int_eq(sf_put(&f, "z2", "a", 9501), ERR_NO_SPACE);
	ck_assert_int_eq(sf_put(&f, "z2", "a", 9500), ERR_OK);
	sf_close(&f);
}
TEST(limits_change)

static void conditions(const char *conninfo)
{
	struct sf f;
	struct store_intent i;
	struct store_conditions fresh = {.if_none_match_any = true};
	struct store_conditions any = {.if_match = STR("*")};
	struct store_conditions other = {.if_match = STR("0000")};
	struct store_conditions same = {.if_match = STR("d41d8cd98f00b204e9800998ecf8427e")};
	uint64_t copies;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 10, &i), ERR_OK);
	ck_assert_int_eq(sf_commit(&f, "k", &i, 1, &any), ERR_NOT_FOUND);
	ck_assert_int_eq(sf_commit(&f, "k", &i, 1, &same), ERR_NOT_FOUND);
	ck_assert_int_eq(sf_commit(&f, "k", &i, 1, &fresh), ERR_OK);
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 10, &i), ERR_OK);
	ck_assert_int_eq(sf_commit(&f, "k", &i, 1, &fresh), ERR_PRECONDITION);
	ck_assert_int_eq(sf_commit(&f, "k", &i, 1, &other), ERR_PRECONDITION);
	sf_assert_space(&f, "a", 10, 10, 0);
	ck_assert_int_eq(sf_commit(&f, "k", &i, 1, &same), ERR_OK);
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 10, &i), ERR_OK);
	ck_assert_int_eq(sf_commit(&f, "k", &i, 1, &any), ERR_OK);

	ck_assert_int_eq(sf_delete_if(&f, "k", "0000", &copies), ERR_PRECONDITION);
	ck_assert_int_eq(sf_delete_if(&f, "none", "*", &copies), ERR_NOT_FOUND);
	ck_assert_int_eq(sf_delete_if(&f, "k", "d41d8cd98f00b204e9800998ecf8427e", &copies),
	                 ERR_OK);
	ck_assert_uint_eq(copies, 1);
	sf_close(&f);
}
TEST(conditions)

static void refused_commits(const char *conninfo)
{
	struct sf f;
	struct store_intent i[2];
	sf_open(&f, conninfo, "one");
	/* Of another key. */
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 10, &i[0]), ERR_OK);
	ck_assert_int_eq(sf_commit(&f, "other", i, 1, NULL), ERR_CONFLICT);
	/* One of two is gone. */
	ck_assert_int_eq(sf_reserve(&f, "k", "b", 10, &i[1]), ERR_OK);
	store_abandon(f.s, &i[1], "test", false);
	ck_assert_int_eq(sf_commit(&f, "k", i, 2, NULL), ERR_CONFLICT);
	sf_assert_space(&f, "a", 0, 10, 0);
	sf_assert_space(&f, "b", 0, 0, 10);
	ck_assert_str_eq(pg_text(conninfo, "SELECT reason FROM cleanup_queue"), "test");
	store_cancel(f.s, &i[1]); /* nothing more happens */
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM cleanup_queue"), 1);
	/* Begun to drain since. */
	pg_text(conninfo, "INSERT INTO backend_drains (backend_name) VALUES ('a')");
	ck_assert_int_eq(sf_commit(&f, "k", i, 1, NULL), ERR_CONFLICT);
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 10, &i[1]), ERR_CONFLICT);
	ck_assert(sf_space(&f, "a").draining && !sf_space(&f, "b").draining);
	pg_text(conninfo, "UPDATE backend_drains SET state = 'failed'");
	ck_assert_int_eq(sf_commit(&f, "k", i, 1, NULL), ERR_OK);
	/* Already committed. */
	ck_assert_int_eq(sf_commit(&f, "k", i, 1, NULL), ERR_CONFLICT);
	ck_assert_int_eq(sf_reserve(&f, "k", "nowhere", 10, &i[0]), ERR_CONFLICT);
	/* Metadata that JSON cannot hold. */
	struct store_object o = sf_object("k", 1);
	struct str_pair bad = {STR("n"), STR("\xff")};
	struct store_written w;
	o.metadata = &bad;
	o.n_metadata = 1;
	ck_assert_int_eq(sf_commit_object(&f, &o, i, 1, NULL, &w), ERR_INVALID);
	sf_close(&f);
}
TEST(refused_commits)

static void deletes(const char *conninfo)
{
	struct sf f;
	struct store_version v;
	uint64_t copies = 1;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(sf_delete(&f, "k", &copies), ERR_OK);
	ck_assert_uint_eq(copies, 0);
	ck_assert_int_eq(sf_put(&f, "k", "a", 10), ERR_OK);
	ck_assert_int_eq(sf_delete(&f, "k", &copies), ERR_OK);
	ck_assert_uint_eq(copies, 1);
	ck_assert_int_eq(store_find(f.s, STR("bk"), STR("k"), STR_NULL, f.a, &v, &f.e),
	                 ERR_NOT_FOUND);
	sf_assert_space(&f, "a", 0, 0, 10);
	ck_assert_str_eq(pg_text(conninfo, "SELECT reason FROM cleanup_queue"), "object_deleted");
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM segments"), 0);
	sf_close(&f);
}
TEST(deletes)

/* --- many at once --------------------------------------------------------------------- */

struct race {
	struct sf *f;
	int won, lost, other;
};

static void race_one(void *arg)
{
	struct race *r = arg;
	struct store_intent i;
	struct store_conditions fresh = {.if_none_match_any = true};
	ck_assert_int_eq(sf_reserve(r->f, "race", "u", 10, &i), ERR_OK);
	enum err rc = sf_commit(r->f, "race", &i, 1, &fresh);
	if (rc == ERR_OK)
		r->won++;
	else if (rc == ERR_PRECONDITION)
		r->lost++;
	else
		r->other++;
	if (rc != ERR_OK)
		store_abandon(r->f->s, &i, "lost", false);
}

static void one_winner(const char *conninfo)
{
	struct sf f;
	struct race r = {.f = &f};
	struct wait_group g = {0};
	sf_open(&f, conninfo, "one");
	for (int k = 0; k < 50; k++)
		wait_group_spawn(&g, "race", race_one, &r, NULL);
	wait_group_wait(&g, 0);
	ck_assert_int_eq(r.won, 1);
	ck_assert_int_eq(r.lost, 49);
	sf_assert_space(&f, "u", 10, 0, 490);
	sf_close(&f);
}
TEST(one_winner)

/* --- listing ---------------------------------------------------------------------------- */

static void expect_list(struct sf *f, const char *prefix, const char *delimiter, const char *from,
                        int n, const char *expected)
{
	struct store_listed *rows;
	size_t count;
	struct buf b = {0};
	ck_assert_int_eq(store_list(f->s, STR("bk"), str_of(prefix), str_of(delimiter),
	                            str_of(from), n, f->a, &rows, &count, &f->e),
	                 ERR_OK);
	for (size_t i = 0; i < count; i++)
		buf_printf(&b, "%s%.*s", i ? " " : "", STR_FMT(rows[i].key));
	buf_add_char(&b, '\0');
	ck_assert_str_eq(b.p, expected);
	if (count > 0) {
		ck_assert_uint_eq(rows[0].size, 7);
		ck_assert(rows[0].etag.n == 32 && rows[0].modified > 0);
	}
	buf_free(&b);
}

static void lists(const char *conninfo)
{
	struct sf f;
	const char *keys[] = {"a",  "a/",    "a/b", "a/b/c",           "a0", "B", "\xc3\xa9",
	                      "_x", "%like", "b",   "\xf4\x8f\xbf\xbf"};
	struct store_listed *rows;
	size_t n;
	sf_open(&f, conninfo, "one");
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		ck_assert_int_eq(sf_put(&f, keys[i], "u", 7), ERR_OK);
	expect_list(&f, "", "", "", 100,
	            "%like B _x a a/ a/b a/b/c a0 b \xc3\xa9 \xf4\x8f\xbf\xbf");
	expect_list(&f, "", "", "", 2, "%like B");
	expect_list(&f, "", "", "B\x01", 2, "_x a");
	expect_list(&f, "", "", "B", 2, "B _x");
	expect_list(&f, "a/", "", "", 10, "a/ a/b a/b/c");
	expect_list(&f, "a/", "", "a/\x01", 10, "a/b a/b/c");
	expect_list(&f, "a/", "", "a/b/zzz", 10, "");
	expect_list(&f, "a/", "", "Z", 10, "a/ a/b a/b/c"); /* before the prefix */
	expect_list(&f, "a/", "", "b", 10, "");             /* behind it */
	expect_list(&f, "\xc3\xa9", "", "", 10, "\xc3\xa9");
	expect_list(&f, "\xf4\x8f\xbf\xbf", "", "", 10, "\xf4\x8f\xbf\xbf"); /* no successor */
	expect_list(&f, "%", "", "", 10, "%like");
	expect_list(&f, "nothing", "", "", 10, "");
	/* By delimiter: the first key of each group. */
	expect_list(&f, "a", "/", "a/", 2, "a/ a0");
	expect_list(&f, "a/", "/", "a/\x01", 10, "a/b a/b/c");
	expect_list(&f, "", "a", "a", 10, "a b \xc3\xa9 \xf4\x8f\xbf\xbf");
	expect_list(&f, "", "\xf4\x8f\xbf\xbf", "b", 10, "b \xc3\xa9 \xf4\x8f\xbf\xbf");
	ck_assert_int_eq(
		store_list(f.s, STR("bk"), STR("\xff"), STR(""), STR(""), 1, f.a, &rows, &n, &f.e),
		ERR_INVALID);
	ck_assert_int_eq(
		store_list(f.s, STR("bk"), STR(""), STR(""), STR("a\0b"), 1, f.a, &rows, &n, &f.e),
		ERR_INVALID);
	ck_assert_int_eq(
		store_list(f.s, STR("bk"), STR(""), STR("\0"), STR("b"), 1, f.a, &rows, &n, &f.e),
		ERR_OK);
	sf_close(&f);
}
TEST(lists)

/* --- an object of several segments --------------------------------------------------------- */

/* 10 bytes on a, 20 on a and b, 30 on b; parts 1, 3 and 7. */
static struct store_written put_segments(struct sf *f, const char *key)
{
	static const struct store_conditions none;
	static const struct str_pair sum = {STR("CRC32"), STR("AAAAAA==")};
	static const char *const backends[] = {"a", "b", "a", "b"};
	struct store_intent i[4];
	struct store_object o = sf_object(key, 60);
	struct store_written w;
	struct store_new_segment s[] = {
		{.size = 10, .etag = o.etag, .part = 1, .intents = &i[0], .n_intents = 1},
		{.size = 20,
	         .etag = o.etag,
	         .part = 3,
	         .intents = &i[1],
	         .n_intents = 2,
	         .checksums = &sum,
	         .n_checksums = 1},
		{.size = 30, .etag = o.etag, .part = 7, .intents = &i[3], .n_intents = 1},
	};
	for (int k = 0; k < 4; k++)
		ck_assert_int_eq(sf_reserve(f, key, backends[k],
		                            k == 0   ? 10
		                            : k == 3 ? 30
		                                     : 20,
		                            &i[k]),
		                 ERR_OK);
	o.parts = 3;
	ck_assert_int_eq(store_commit(f->s, &o, &none, s, 3, &w, &f->e), ERR_OK);
	return w;
}

/* The numbers of the segments that hold what is wanted, and where the first begins. */
static void expect_segments(struct sf *f, struct store_wanted wanted, int first, int last,
                            uint64_t start)
{
	struct store_version v;
	ck_assert_int_eq(
		store_find_copies(f->s, STR("bk"), STR("k"), STR_NULL, &wanted, f->a, &v, &f->e),
		ERR_OK);
	ck_assert_uint_eq(v.n_segments, last - first + 1);
	for (int i = 0; i <= last - first; i++)
		ck_assert_int_eq(v.segments[i].number, first + i);
	if (v.n_segments)
		ck_assert_uint_eq(v.segments[0].start, start);
	for (size_t i = 0; i < v.n_segments; i++)
		ck_assert_uint_eq(v.segments[i].n_checksums, wanted.part == 3);
}

static void segments(const char *conninfo)
{
	struct sf f;
	struct store_version v;
	struct store_part *parts;
	size_t n;
	sf_open(&f, conninfo, "one");
	put_segments(&f, "k");
	sf_assert_space(&f, "a", 30, 0, 0);
	sf_assert_space(&f, "b", 50, 0, 0);
	ck_assert_int_eq(sf_find(&f, "k", &v), ERR_OK);
	ck_assert_uint_eq(v.n_segments, 3);
	ck_assert_int_eq(v.o.parts, 3);
	ck_assert_uint_eq(v.segments[0].n_copies, 1);
	ck_assert_uint_eq(v.segments[1].size, 20);
	ck_assert_uint_eq(v.segments[1].start, 10);
	ck_assert_uint_eq(v.segments[1].n_copies, 2);
	ck_assert_uint_eq(v.segments[2].start, 30);

	expect_segments(&f, (struct store_wanted){.first = 0, .last = 9}, 1, 1, 0);
	expect_segments(&f, (struct store_wanted){.first = 9, .last = 10}, 1, 2, 0);
	expect_segments(&f, (struct store_wanted){.first = 10, .last = 29}, 2, 2, 10);
	expect_segments(&f, (struct store_wanted){.first = 29, .last = INT64_MAX}, 2, 3, 10);
	expect_segments(&f, (struct store_wanted){.first = -30, .last = INT64_MAX}, 3, 3, 30);
	expect_segments(&f, (struct store_wanted){.first = -31, .last = INT64_MAX}, 2, 3, 10);
	expect_segments(&f, (struct store_wanted){.first = -INT64_MAX, .last = INT64_MAX}, 1, 3, 0);
	expect_segments(&f, (struct store_wanted){.part = 3}, 2, 2, 10);
	expect_segments(&f, (struct store_wanted){.part = 7}, 3, 3, 30);
	expect_segments(&f, (struct store_wanted){.part = 2}, 1, 0, 0);

	ck_assert_int_eq(store_segments(f.s, &v.o, 1, 10, f.a, &parts, &n, &f.e), ERR_OK);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(parts[0].number, 3);
	ck_assert_uint_eq(parts[1].size, 30);
	ck_assert_int_eq(store_segments(f.s, &v.o, 0, 1, f.a, &parts, &n, &f.e), ERR_OK);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(parts[0].number, 1);
	/* Without a copy it is still there. */
	pg_text(conninfo, "DELETE FROM object_locations WHERE backend_name = 'a'");
	ck_assert_int_eq(sf_find(&f, "k", &v), ERR_OK);
	ck_assert_uint_eq(v.n_segments, 3);
	ck_assert_uint_eq(v.segments[0].n_copies, 0);
	pg_text(conninfo, "DELETE FROM object_locations");
	pg_text(conninfo, "DELETE FROM segments");
	pg_text(conninfo, "DELETE FROM object_versions");
	pg_text(conninfo,
	        "UPDATE backend_quota_slots SET free = free + used, used = 0, copies = 0");
	sf_close(&f);
}
TEST(segments)

#define SECONDS_LEFT "SELECT min(extract(epoch FROM next_retry - now()))::INT FROM cleanup_queue"

/* What is replaced while it is read stays until the reader is through. */
static void readers(const char *conninfo)
{
	struct sf f;
	struct store_version v;
	sf_open(&f, conninfo, "one");
	put_segments(&f, "k");
	ck_assert_int_eq(sf_find(&f, "k", &v), ERR_OK);
	store_read_begins(f.s, v.o.generation);
	put_segments(&f, "k");
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM cleanup_queue"), 4);
	ck_assert_int_ge(pg_number(conninfo, SECONDS_LEFT), 13);
	pg_until(pg_number(conninfo, SECONDS_LEFT) > 20); /* the keeper has come by */
	store_read_ends(f.s, v.o.generation);
	store_read_ends(f.s, v.o.generation); /* it is forgotten already */
	/* A version with one segment is opened at once, or not at all. */
	ck_assert_int_eq(sf_put(&f, "one", "u", 1), ERR_OK);
	ck_assert_int_eq(sf_put(&f, "one", "u", 1), ERR_OK);
	ck_assert_int_le(pg_number(conninfo, SECONDS_LEFT), 0);
	sf_close(&f);
}
TEST(readers)

/* --- hints and health ----------------------------------------------------------------------- */

static void hint_and_health(const char *conninfo)
{
	struct sf f;
	size_t n = 0;
	struct store_job_health *jobs;
	sf_open(&f, conninfo, "one");
	pg_until(store_space_hint(f.s, &n) && n == 3);
	ck_assert_int_eq(sf_put(&f, "k", "a", 10), ERR_OK);
	pg_until(store_space_hint(f.s, &n)[0].used == 10);

	ck_assert_int_eq(store_job_record(f.s, "job", false, "first", &f.e), ERR_OK);
	ck_assert_int_eq(store_job_record(f.s, "job", false, "second", &f.e), ERR_OK);
	ck_assert_int_eq(store_job_list(f.s, f.a, &jobs, &n, &f.e), ERR_OK);
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(jobs[0].consecutive_failures, 2);
	ck_assert(str_eq(jobs[0].last_error, STR("second")));
	ck_assert_int_eq(jobs[0].last_success, 0);
	ck_assert_int_gt(jobs[0].last_failure, 0);
	ck_assert_int_eq(store_job_record(f.s, "job", true, NULL, &f.e), ERR_OK);
	ck_assert_int_eq(store_job_list(f.s, f.a, &jobs, &n, &f.e), ERR_OK);
	ck_assert_uint_eq(jobs[0].consecutive_failures, 0);
	ck_assert_int_gt(jobs[0].last_success, 0);
	sf_close(&f);
}
TEST(hint_and_health)

static void folders(const char *conninfo)
{
	struct sf f;
	struct store_folder folder;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(store_folder(f.s, "none", &folder, &f.e), ERR_NOT_FOUND);
	ck_assert_int_eq(store_claim_folder(f.s, "none", "x", &folder, &f.e), ERR_NOT_FOUND);
	ck_assert_int_eq(sf_put(&f, "k", "a", 10), ERR_OK);
	ck_assert_int_eq(store_folder(f.s, "a", &folder, &f.e), ERR_OK);
	ck_assert_str_eq(folder.id, "");
	ck_assert_uint_eq(folder.copies, 1);
	ck_assert_int_eq(store_claim_folder(f.s, "a", "first", &folder, &f.e), ERR_OK);
	ck_assert_str_eq(folder.id, "first");
	ck_assert_int_eq(store_claim_folder(f.s, "a", "second", &folder, &f.e), ERR_OK);
	ck_assert_str_eq(folder.id, "first");
	sf_sync(conninfo);
	ck_assert_int_eq(store_folder(f.s, "a", &folder, &f.e), ERR_OK);
	ck_assert_str_eq(folder.id, "first");
	sf_close(&f);
}
TEST(folders)

int main(void)
{
	TCase *t = tcase_create("catalogue");
	pg_start();
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_write_and_find);
	tcase_add_test(t, test_overwrite);
	tcase_add_test(t, test_quota);
	tcase_add_test(t, test_limits_change);
	tcase_add_test(t, test_conditions);
	tcase_add_test(t, test_refused_commits);
	tcase_add_test(t, test_deletes);
	tcase_add_test(t, test_one_winner);
	tcase_add_test(t, test_lists);
	tcase_add_test(t, test_segments);
	tcase_add_test(t, test_readers);
	tcase_add_test(t, test_hint_and_health);
	tcase_add_test(t, test_folders);
	return run_tests("store_catalogue", t);
}
