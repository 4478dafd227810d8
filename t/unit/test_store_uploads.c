/* SPDX-License-Identifier: MIT
 *
 * Uploads in parts in the catalogue: every outcome of every call, on a real database;
 * after each the invariants are checked.
 */
#include "store/buckets.h"
#include "store_fixture.h"
#include "t/unit/run.h"

#define MD5_A "0cc175b9c0f1b6a831c399e269772661"
#define MD5_B "92eb5ffee6ae2fec3ad71c777531578f"

static const struct store_conditions no_conditions;

static enum err begin_limited(struct sf *f, const char *key, int max, struct store_upload *u)
{
	*u = (struct store_upload){
		.o = {.bucket = STR("bk"), .key = str_of(key), .content_type = STR("text/x")},
	};
	return store_upload_create(f->s, u, max, &f->e);
}

static struct store_upload begin(struct sf *f, const char *key)
{
	struct store_upload u;
	ck_assert_int_eq(begin_limited(f, key, 0, &u), ERR_OK);
	return u;
}

static enum err commit_part(struct sf *f, const struct store_upload *u, int number,
                            const char *etag, const struct store_intent *i)
{
	struct str_pair sum = {STR("CRC32"), STR("AAAAAA==")};
	struct store_new_segment s = {
		.size = i->size,
		.etag = str_of(etag),
		.part = number,
		.intents = i,
		.n_intents = 1,
		.checksums = &sum,
		.n_checksums = 1,
	};
	int64_t modified;
	return store_part_commit(f->s, u, &s, &modified, &f->e);
}

static enum err put_part(struct sf *f, const struct store_upload *u, int number,
                         const char *backend, uint64_t size)
{
	struct store_intent i;
	char key[32];
	snprintf(key, sizeof(key), "%.*s", STR_FMT(u->o.key));
	enum err r = sf_reserve(f, key, backend, size, &i);
	return r == ERR_OK ? commit_part(f, u, number, number % 2 ? MD5_A : MD5_B, &i) : r;
}

static size_t parts(struct sf *f, const struct store_upload *u, struct store_part **out)
{
	size_t n;
	ck_assert_int_eq(store_parts(f->s, u, 0, 10000, f->a, out, &n, &f->e), ERR_OK);
	return n;
}

/* Completes with the parts that are at these positions of the list of all. */
static enum err complete_if(struct sf *f, const struct store_upload *u, const int *which, size_t n,
                            const struct store_conditions *cond, struct store_written *out)
{
	struct store_part *p;
	int64_t segments[10];
	struct store_object o = {.etag = STR("etag-of-all-2")};
	parts(f, u, &p);
	for (size_t i = 0; i < n; i++)
		segments[i] = p[which[i]].segment;
	return store_upload_complete(f->s, u, segments, n, &o, cond, out, &f->e);
}

static enum err complete_both(struct sf *f, const struct store_upload *u)
{
	struct store_written w;
	return complete_if(f, u, (const int[]){0, 1}, 2, &no_conditions, &w);
}

static enum err find_upload(struct sf *f, const char *bucket, const char *key, const char *id)
{
	struct store_upload u;
	return store_upload_find(f->s, str_of(bucket), str_of(key), str_of(id), f->a, &u, &f->e);
}

static enum err abort_upload(struct sf *f, const char *key, const char *id, uint64_t *copies)
{
	return store_upload_abort(f->s, STR("bk"), str_of(key), str_of(id), copies, &f->e);
}

/* --- a life ------------------------------------------------------------------------- */

static void life(const char *conninfo)
{
	struct sf f;
	struct store_part *p;
	struct store_version v;
	struct store_written w, again;
	struct store_upload found;
	size_t n;
	sf_open(&f, conninfo, "one");

	struct str_pair headers[] = {{STR("cache-control"), STR("no-store")}};
	struct str_pair metadata[] = {{STR("a"), STR("b")}};
	struct str_pair tags[] = {{STR("t"), STR("v")}};
	struct store_upload u = {
		.o = {.bucket = STR("bk"),
	              .key = STR("k"),
	              .content_type = STR("text/x"),
	              .headers = headers,
	              .n_headers = 1,
	              .metadata = metadata,
	              .n_metadata = 1,
	              .tags = tags,
	              .n_tags = 1,
	              .acl = STR("public-read")},
		.algorithm = STR("CRC32"),
		.type = STR("COMPOSITE"),
		.owner = STR("me"),
	};
	ck_assert_int_eq(store_upload_create(f.s, &u, 0, &f.e), ERR_OK);
	ck_assert_int_eq(
		store_upload_find(f.s, STR("bk"), STR("k"), str_of(u.id), f.a, &found, &f.e),
		ERR_OK);
	ck_assert_str_eq(found.id, u.id);
	ck_assert_str_eq(found.o.generation, u.o.generation);
	ck_assert(str_eq(found.algorithm, STR("CRC32")) && str_eq(found.type, STR("COMPOSITE")));
	ck_assert(str_eq(found.owner, STR("me")) && str_eq(found.o.acl, STR("public-read")));
	ck_assert(found.o.n_headers == 1 && found.o.n_metadata == 1 && found.o.n_tags == 1);
	ck_assert_int_gt(found.created, 0);

	ck_assert_int_eq(put_part(&f, &u, 7, "b", 200), ERR_OK); /* in any order */
	ck_assert_int_eq(put_part(&f, &u, 2, "a", 100), ERR_OK);
	sf_assert_space(&f, "a", 100, 0, 0);
	sf_assert_space(&f, "b", 200, 0, 0);
	ck_assert_int_eq(sf_find(&f, "k", &v), ERR_NOT_FOUND);
	ck_assert_uint_eq(parts(&f, &u, &p), 2);
	ck_assert(p[0].number == 2 && p[0].size == 100 && str_eq(p[0].etag, STR(MD5_B)));
	ck_assert(p[1].number == 7 && p[1].size == 200 && str_eq(p[1].etag, STR(MD5_A)));
	ck_assert(p[0].n_checksums == 1 && str_eq(p[0].checksums[0].value, STR("AAAAAA==")));
	ck_assert_int_eq(store_parts(f.s, &u, 2, 10, f.a, &p, &n, &f.e), ERR_OK);
	ck_assert(n == 1 && p[0].number == 7);
	ck_assert_int_eq(store_parts(f.s, &u, 0, 1, f.a, &p, &n, &f.e), ERR_OK);
	ck_assert(n == 1 && p[0].number == 2);

	parts(&f, &u, &p);
	struct str_pair sum = {STR("CRC32"), STR("BBBBBB==-2")};
	const struct store_object o = {.etag = STR("tag-2"), .checksums = &sum, .n_checksums = 1};
	const int64_t segments[] = {p[0].segment, p[1].segment};
	ck_assert_int_eq(store_upload_complete(f.s, &u, segments, 2, &o, &no_conditions, &w, &f.e),
	                 ERR_OK);
	ck_assert_str_eq(w.version_id, "");

	ck_assert_int_eq(sf_find(&f, "k", &v), ERR_OK);
	ck_assert_str_eq(v.o.generation, u.o.generation);
	ck_assert_uint_eq(v.o.size, 300);
	ck_assert_int_eq(v.o.parts, 2);
	ck_assert_int_eq(v.modified, w.modified);
	ck_assert(str_eq(v.o.etag, STR("tag-2")) && str_eq(v.o.content_type, STR("text/x")));
	ck_assert(v.o.n_headers == 1 && str_eq(v.o.headers[0].value, STR("no-store")));
	ck_assert(v.o.n_metadata == 1 && str_eq(v.o.metadata[0].value, STR("b")));
	ck_assert(v.o.n_tags == 1 && str_eq(v.o.tags[0].value, STR("v")));
	ck_assert(str_eq(v.o.acl, STR("public-read")));
	ck_assert(v.o.n_checksums == 1 && str_eq(v.o.checksums[0].value, STR("BBBBBB==-2")));
	ck_assert_uint_eq(v.n_segments, 2);
	ck_assert(v.segments[0].number == 1 && v.segments[0].start == 0);
	ck_assert(v.segments[1].number == 2 && v.segments[1].start == 100);
	ck_assert(str_eq(v.segments[1].copies[0].backend, STR("b")));
	/* Bytes stay where they are, and are counted once. */
	sf_assert_space(&f, "a", 100, 0, 0);
	sf_assert_space(&f, "b", 200, 0, 0);

	ck_assert_int_eq(store_segments(f.s, &v.o, 2, 10, f.a, &p, &n, &f.e), ERR_OK);
	ck_assert(n == 1 && p[0].number == 7 && p[0].size == 200 && p[0].n_checksums == 1);
	const struct store_wanted seventh = {.part = 7}, first = {.part = 1};
	ck_assert_int_eq(
		store_find_copies(f.s, STR("bk"), STR("k"), STR_NULL, &seventh, f.a, &v, &f.e),
		ERR_OK);
	ck_assert(v.n_segments == 1 && v.segments[0].start == 100);
	ck_assert_int_eq(
		store_find_copies(f.s, STR("bk"), STR("k"), STR_NULL, &first, f.a, &v, &f.e),
		ERR_OK);
	ck_assert_uint_eq(v.n_segments, 0);

	/* The upload is over; what it made can be asked for. */
	struct store_object made = {0};
	ck_assert_int_eq(find_upload(&f, "bk", "k", u.id), ERR_NO_UPLOAD);
	ck_assert_int_eq(
		store_upload_complete(f.s, &u, segments, 2, &o, &no_conditions, &again, &f.e),
		ERR_NO_UPLOAD);
	ck_assert_int_eq(store_upload_completed(f.s, STR("bk"), STR("k"), str_of(u.id), f.a, &made,
	                                        &again, &f.e),
	                 ERR_OK);
	ck_assert(str_eq(made.etag, STR("tag-2")) && made.n_checksums == 1);
	ck_assert_int_eq(again.modified, w.modified);
	ck_assert_int_eq(store_upload_completed(f.s, STR("bk"), STR("other"), str_of(u.id), f.a,
	                                        &made, &again, &f.e),
	                 ERR_NO_UPLOAD);
	uint64_t copies;
	ck_assert_int_eq(abort_upload(&f, "k", u.id, &copies), ERR_NO_UPLOAD);
	ck_assert_int_eq(sf_delete(&f, "k", &copies), ERR_OK);
	ck_assert_uint_eq(copies, 2);
	sf_assert_space(&f, "a", 0, 0, 100);
	sf_close(&f);
}
TEST(life)

/* --- whose upload --------------------------------------------------------------------- */

static void ownership(const char *conninfo)
{
	struct sf f;
	struct store_upload u, v;
	uint64_t copies;
	sf_open(&f, conninfo, "one");
	u = (struct store_upload){.o = {.bucket = STR("none"), .key = STR("k")}};
	ck_assert_int_eq(store_upload_create(f.s, &u, 0, &f.e), ERR_NO_BUCKET);
	ck_assert_int_eq(begin_limited(&f, "k", 2, &u), ERR_OK);
	ck_assert_int_eq(begin_limited(&f, "other", 2, &v), ERR_OK);
	ck_assert_int_eq(begin_limited(&f, "third", 2, &v), ERR_BUSY);
	ck_assert_int_eq(begin_limited(&f, "third", 3, &v), ERR_OK);

	ck_assert_int_eq(find_upload(&f, "bk", "k", u.id), ERR_OK);
	ck_assert_int_eq(find_upload(&f, "bk", "other", u.id), ERR_NO_UPLOAD);
	ck_assert_int_eq(find_upload(&f, "none", "k", u.id), ERR_NO_UPLOAD);
	static const char *const ids[] = {"", "x", "00000000000000000000000000",
	                                  "0000000000000000000000000\xff",
	                                  "000000000000000000000000000"};
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		ck_assert_int_eq(find_upload(&f, "bk", "k", ids[i]), ERR_NO_UPLOAD);
		ck_assert_int_eq(abort_upload(&f, "k", ids[i], &copies), ERR_NO_UPLOAD);
	}

	ck_assert_int_eq(put_part(&f, &u, 1, "a", 100), ERR_OK);
	struct store_upload stranger = u;
	stranger.o.key = STR("other");
	ck_assert_int_eq(put_part(&f, &stranger, 1, "u", 10), ERR_NO_UPLOAD);
	struct store_written w;
	ck_assert_int_eq(complete_if(&f, &stranger, (const int[]){0}, 1, &no_conditions, &w),
	                 ERR_NO_UPLOAD);
	ck_assert_int_eq(abort_upload(&f, "other", u.id, &copies), ERR_NO_UPLOAD);
	struct store_part *p;
	ck_assert_uint_eq(parts(&f, &u, &p), 1);
	sf_assert_space(&f, "a", 100, 0, 0);
	/* A bound counts open uploads: one that has ended makes room. */
	ck_assert_int_eq(abort_upload(&f, "k", u.id, &copies), ERR_OK);
	ck_assert_int_eq(begin_limited(&f, "k", 3, &u), ERR_OK);
	sf_close(&f);
}
TEST(ownership)

/* --- parts ---------------------------------------------------------------------------- */

static void again(const char *conninfo)
{
	struct sf f;
	struct store_part *p;
	sf_open(&f, conninfo, "one");
	struct store_upload u = begin(&f, "k");
	ck_assert_int_eq(put_part(&f, &u, 1, "a", 400), ERR_OK);
	ck_assert_uint_eq(parts(&f, &u, &p), 1);
	int64_t replaced = p[0].segment;
	ck_assert_int_eq(put_part(&f, &u, 1, "b", 300), ERR_OK);
	sf_assert_space(&f, "a", 0, 0, 400);
	sf_assert_space(&f, "b", 300, 0, 0);
	ck_assert_str_eq(pg_text(conninfo, "SELECT reason FROM cleanup_queue"), "part_replaced");
	ck_assert_uint_eq(parts(&f, &u, &p), 1);
	ck_assert_uint_eq(p[0].size, 300);

	/* Who has seen the old one must look again. */
	struct store_object o = {.etag = STR("e")};
	struct store_written w;
	ck_assert_int_eq(store_upload_complete(f.s, &u, &replaced, 1, &o, &no_conditions, &w, &f.e),
	                 ERR_CONFLICT);
	ck_assert_int_eq(
		store_upload_complete(f.s, &u, &p[0].segment, 1, &o, &no_conditions, &w, &f.e),
		ERR_OK);
	sf_close(&f);
}
TEST(again)

/* Exact at the byte, like objects. */
static void quota(const char *conninfo)
{
	struct sf f;
	uint64_t copies;
	sf_open(&f, conninfo, "one");
	struct store_upload u = begin(&f, "k");
	ck_assert_int_eq(put_part(&f, &u, 1, "a", 600), ERR_OK);
	ck_assert_int_eq(put_part(&f, &u, 2, "a", 401), ERR_NO_SPACE);
	ck_assert_int_eq(put_part(&f, &u, 2, "a", 400), ERR_OK);
	ck_assert_int_eq(put_part(&f, &u, 3, "a", 1), ERR_NO_SPACE);
	/* A part that replaces one needs its own place until the old bytes are gone. */
	ck_assert_int_eq(put_part(&f, &u, 2, "a", 1), ERR_NO_SPACE);
	ck_assert_int_eq(put_part(&f, &u, 3, "b", 1), ERR_OK);
	ck_assert_int_eq(abort_upload(&f, "k", u.id, &copies), ERR_OK);
	ck_assert_uint_eq(copies, 3);
	sf_assert_space(&f, "a", 0, 0, 1000);
	sf_assert_space(&f, "b", 0, 0, 1);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM cleanup_queue WHERE reason ="
	                                     " 'abort_part_cleanup'"),
	                 3);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM segments"), 0);
	sf_close(&f);
}
TEST(quota)

static void late_parts(const char *conninfo)
{
	struct sf f;
	struct store_intent i;
	struct store_part *p;
	uint64_t copies, moved;
	sf_open(&f, conninfo, "one");
	struct store_upload u = begin(&f, "k");

	/* The upload was given up while the bytes were on their way. */
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 100, &i), ERR_OK);
	ck_assert_int_eq(abort_upload(&f, "k", u.id, &copies), ERR_OK);
	ck_assert_uint_eq(copies, 0);
	ck_assert_int_eq(commit_part(&f, &u, 1, MD5_A, &i), ERR_NO_UPLOAD);
	sf_assert_space(&f, "a", 0, 100, 0);
	store_abandon(f.s, &i, "orphan_record_failed", false);
	sf_assert_space(&f, "a", 0, 0, 100);

	/* Or completed without it. */
	u = begin(&f, "k");
	ck_assert_int_eq(put_part(&f, &u, 1, "a", 10), ERR_OK);
	ck_assert_int_eq(put_part(&f, &u, 2, "b", 10), ERR_OK);
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 100, &i), ERR_OK);
	ck_assert_int_eq(complete_both(&f, &u), ERR_OK);
	ck_assert_int_eq(commit_part(&f, &u, 3, MD5_A, &i), ERR_NO_UPLOAD);
	store_abandon(f.s, &i, "orphan_record_failed", false);

	/* The reaper had the intent, or the backend is being emptied. */
	u = begin(&f, "k");
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 100, &i), ERR_OK);
	sf_die(&f, &i);
	ck_assert_int_eq(store_reap(f.s, 0, 10, &moved, &f.e), ERR_OK);
	ck_assert_uint_eq(moved, 1);
	ck_assert_int_eq(commit_part(&f, &u, 1, MD5_A, &i), ERR_CONFLICT);
	ck_assert_int_eq(sf_reserve(&f, "k", "b", 100, &i), ERR_OK);
	pg_text(conninfo, "INSERT INTO backend_drains (backend_name) VALUES ('b')");
	ck_assert_int_eq(commit_part(&f, &u, 1, MD5_A, &i), ERR_CONFLICT);
	store_abandon(f.s, &i, "drain_race_aborted", false);
	ck_assert_uint_eq(parts(&f, &u, &p), 0);
	sf_close(&f);
}
TEST(late_parts)

/* A commit whose answer was lost. */
static void settled(const char *conninfo)
{
	struct sf f;
	struct store_intent i;
	struct store_part *p;
	struct store_written w;
	sf_open(&f, conninfo, "one");
	struct store_upload u = begin(&f, "k");
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 100, &i), ERR_OK);
	ck_assert_int_eq(commit_part(&f, &u, 1, MD5_A, &i), ERR_OK);
	ck_assert_int_eq(store_settle(f.s, &i, 1, &w, &f.e), ERR_OK);
	ck_assert_uint_eq(parts(&f, &u, &p), 1);
	ck_assert_int_eq(w.modified, p[0].modified);
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 100, &i), ERR_OK);
	ck_assert_int_eq(store_settle(f.s, &i, 1, &w, &f.e), ERR_UNAVAILABLE);
	ck_assert_int_eq(commit_part(&f, &u, 2, MD5_B, &i), ERR_CONFLICT);
	ck_assert_uint_eq(parts(&f, &u, &p), 1);
	sf_close(&f);
}
TEST(settled)

/* --- completion ------------------------------------------------------------------------- */

static void unlisted_parts(const char *conninfo)
{
	struct sf f;
	struct store_version v;
	struct store_written w;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(sf_put(&f, "k", "u", 50), ERR_OK);
	struct store_upload u = begin(&f, "k");
	for (int i = 1; i <= 4; i++)
		ck_assert_int_eq(put_part(&f, &u, i, "a", (uint64_t)(i * 10)), ERR_OK);
	ck_assert_int_eq(complete_if(&f, &u, (const int[]){1, 3}, 2, &no_conditions, &w), ERR_OK);
	ck_assert_int_eq(sf_find(&f, "k", &v), ERR_OK);
	ck_assert_uint_eq(v.o.size, 60);
	ck_assert_uint_eq(v.n_segments, 2);
	ck_assert_uint_eq(v.segments[1].start, 20);
	sf_assert_space(&f, "a", 60, 0, 40);
	sf_assert_space(&f, "u", 0, 0, 50); /* what was there before */
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM cleanup_queue WHERE reason ="
	                                     " 'complete_part_cleanup'"),
	                 2);
	sf_close(&f);
}
TEST(unlisted_parts)

static void conditions(const char *conninfo)
{
	struct sf f;
	struct store_written w;
	struct store_part *p;
	const int both[] = {0, 1};
	const struct store_conditions none_match = {.if_none_match_any = true},
				      match = {.if_match = STR("etag-of-all-2")},
				      other = {.if_match = STR("other")};
	sf_open(&f, conninfo, "one");
	for (int round = 0; round < 3; round++) {
		struct store_upload u = begin(&f, "k");
		ck_assert_int_eq(put_part(&f, &u, 1, "a", 10), ERR_OK);
		ck_assert_int_eq(put_part(&f, &u, 2, "b", 10), ERR_OK);
		const struct store_conditions *good = round == 0   ? &none_match
		                                      : round == 1 ? &match
		                                                   : &no_conditions;
		if (round == 0) {
			ck_assert_int_eq(complete_if(&f, &u, both, 2, &match, &w), ERR_NOT_FOUND);
		} else {
			ck_assert_int_eq(complete_if(&f, &u, both, 2, &none_match, &w),
			                 ERR_PRECONDITION);
			ck_assert_int_eq(complete_if(&f, &u, both, 2, &other, &w),
			                 ERR_PRECONDITION);
		}
		ck_assert_uint_eq(parts(&f, &u, &p), 2); /* it can be tried again */
		ck_assert_int_eq(complete_if(&f, &u, both, 2, good, &w), ERR_OK);
	}
	sf_close(&f);
}
TEST(conditions)

static void versions(const char *conninfo)
{
	struct sf f;
	struct store_written w, told;
	struct store_object o;
	const int both[] = {0, 1};
	sf_open(&f, conninfo, "one");
	pg_text(conninfo, "UPDATE buckets SET versioning = 'Enabled'");
	struct store_upload u;
	for (int i = 0; i < 2; i++) {
		u = begin(&f, "k");
		ck_assert_int_eq(put_part(&f, &u, 1, "a", 10), ERR_OK);
		ck_assert_int_eq(put_part(&f, &u, 2, "b", 10), ERR_OK);
		ck_assert_int_eq(complete_if(&f, &u, both, 2, &no_conditions, &w), ERR_OK);
		ck_assert_str_eq(w.version_id, u.o.generation);
	}
	ck_assert_int_eq(store_upload_completed(f.s, STR("bk"), STR("k"), str_of(u.id), f.a, &o,
	                                        &told, &f.e),
	                 ERR_OK);
	ck_assert_str_eq(told.version_id, w.version_id);
	sf_assert_space(&f, "a", 20, 0, 0); /* both versions */
	sf_close(&f);
}
TEST(versions)

/* --- lists ---------------------------------------------------------------------------- */

static void check_list(struct sf *f, const char *prefix, const char *key, const char *id, int n,
                       const char *expected)
{
	struct store_upload *u;
	size_t found;
	BUF_AUTO b = {0};
	ck_assert_int_eq(store_upload_list(f->s, STR("bk"), str_of(prefix), str_of(key), str_of(id),
	                                   n, f->a, &u, &found, &f->e),
	                 ERR_OK);
	for (size_t i = 0; i < found; i++) {
		buf_add_str(&b, u[i].o.key);
		buf_add_char(&b, ' ');
		ck_assert(i == 0 || !str_eq(u[i].o.key, u[i - 1].o.key) ||
		          strcmp(u[i].id, u[i - 1].id) > 0);
	}
	ck_assert_msg(str_eq(buf_str(&b), str_of(expected)), "%.*s", STR_FMT(buf_str(&b)));
}

static void lists(const char *conninfo)
{
	struct sf f;
	sf_open(&f, conninfo, "one");
	begin(&f, "b/1");
	struct store_upload first = begin(&f, "a");
	struct store_upload second = begin(&f, "a");
	begin(&f, "b/2");
	check_list(&f, "", "", "", 10, "a a b/1 b/2 ");
	check_list(&f, "", "", "", 1, "a ");
	check_list(&f, "", "a", first.id, 10, "a b/1 b/2 ");
	check_list(&f, "", "a", second.id, 10, "b/1 b/2 ");
	check_list(&f, "b/", "", "", 10, "b/1 b/2 ");
	check_list(&f, "b/2", "b/1", "", 10, "b/2 ");
	check_list(&f, "c", "", "", 10, "");
	sf_close(&f);
}
TEST(lists)

/* They go with their bucket, if need be in several transactions. */
static void bucket_goes(const char *conninfo)
{
	struct sf f;
	sf_open(&f, conninfo, "one");
	struct store_upload u = begin(&f, "k");
	ck_assert_int_eq(put_part(&f, &u, 1, "a", 10), ERR_OK);
	pg_text(conninfo, "UPDATE buckets SET owner = 'anna'");
	pg_text(conninfo, "INSERT INTO multipart_uploads (upload_id, bucket, object_name, "
	                  "object_key, generation) SELECT 'u' || i, 'bk', 'k', 'bk/k', 'g' "
	                  "FROM generate_series(1, 6000) i");
	ck_assert_int_eq(store_bucket_delete(f.s, STR("bk"), STR("ben"), &f.e), ERR_NO_BUCKET);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM multipart_uploads"), 6001);
	ck_assert_int_eq(store_bucket_delete(f.s, STR("bk"), STR("anna"), &f.e), ERR_OK);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM multipart_uploads"), 0);
	ck_assert_int_eq(put_part(&f, &u, 2, "a", 10), ERR_NO_UPLOAD);
	sf_assert_space(&f, "a", 0, 10, 10);
	pg_text(conninfo, "UPDATE pending_objects SET renewed_at = now() - interval '1 day'");
	sf_close(&f);
}
TEST(bucket_goes)

int main(void)
{
	TCase *t = tcase_create("uploads");
	pg_start();
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_life);
	tcase_add_test(t, test_ownership);
	tcase_add_test(t, test_again);
	tcase_add_test(t, test_quota);
	tcase_add_test(t, test_late_parts);
	tcase_add_test(t, test_settled);
	tcase_add_test(t, test_unlisted_parts);
	tcase_add_test(t, test_conditions);
	tcase_add_test(t, test_versions);
	tcase_add_test(t, test_lists);
	tcase_add_test(t, test_bucket_goes);
	return run_tests("store_uploads", t);
}
