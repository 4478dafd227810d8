/* SPDX-License-Identifier: MIT
 *
 * Buckets, their settings, and what lifecycle rules find, on a real database.
 */
#include "store/buckets.h"
#include "db/db_private.h"
#include "store/expiry.h"
#include "store/versions.h"
#include "store_fixture.h"
#include "t/unit/run.h"

static enum err create(struct sf *f, const char *bucket, const char *owner)
{
	return store_bucket_create(f->s, str_of(bucket), str_of(owner), NULL, 0, &f->e);
}

static enum err create_with(struct sf *f, const char *bucket, const char *owner, const char *name,
                            const char *value)
{
	const struct str_pair p = {str_of(name), str_of(value)};
	return store_bucket_create(f->s, str_of(bucket), str_of(owner), &p, 1, &f->e);
}

static enum err remove_bucket(struct sf *f, const char *bucket, const char *owner)
{
	return store_bucket_delete(f->s, str_of(bucket), str_of(owner), &f->e);
}

static enum err find(struct sf *f, const char *bucket, struct store_bucket *out)
{
	static const char *const names[] = {"cors", "tagging"};
	return store_bucket_find(f->s, str_of(bucket), names, 2, f->a, out, &f->e);
}

static void created_with_settings(const char *conninfo)
{
	struct sf f;
	struct store_bucket b;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(create_with(&f, "new", "anna", "tagging", "a \"tag\""), ERR_OK);
	ck_assert_int_eq(find(&f, "new", &b), ERR_OK);
	ck_assert(str_eq(store_bucket_setting(&b, "tagging"), STR("a \"tag\"")));
	ck_assert_int_eq(create(&f, "new", "anna"), ERR_OK);
	ck_assert_int_eq(create_with(&f, "new", "anna", "tagging", "a \"tag\""), ERR_OK);
	ck_assert_int_eq(create_with(&f, "new", "anna", "tagging", "another"), ERR_PRECONDITION);
	ck_assert_int_eq(create_with(&f, "new", "anna", "acl", "private"), ERR_OK);
	ck_assert_int_eq(create_with(&f, "new", "anna", "acl", "public-read"), ERR_PRECONDITION);
	ck_assert_int_eq(create_with(&f, "new", "anna", "ownershipControls", "BucketOwnerEnforced"),
	                 ERR_OK);
	ck_assert_int_eq(create_with(&f, "new", "", "acl", "private"), ERR_CONFLICT);
	ck_assert_int_eq(create_with(&f, "bk", "anna", "acl", "private"), ERR_CONFLICT);
	ck_assert_int_eq(create_with(&f, "bk", "", "acl", "private"), ERR_OK);
	ck_assert_int_eq(create_with(&f, "bk", "", "acl", "public-read"), ERR_PRECONDITION);
	sf_close(&f);
}

static void owners(const char *conninfo)
{
	struct sf f;
	struct store_bucket b, *list;
	size_t n;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(find(&f, "new", &b), ERR_NO_BUCKET);
	ck_assert_int_eq(create(&f, "new", "anna"), ERR_OK);
	ck_assert_int_eq(create(&f, "new", "anna"), ERR_OK);
	ck_assert_int_eq(create(&f, "new", "ben"), ERR_CONFLICT);
	ck_assert_int_eq(create(&f, "bk", "anna"), ERR_CONFLICT);
	ck_assert_int_eq(create(&f, "a-first", "anna"), ERR_OK);
	ck_assert_int_eq(create(&f, "bens", "ben"), ERR_OK);
	ck_assert_int_eq(find(&f, "new", &b), ERR_OK);
	ck_assert(str_eq(b.owner, STR("anna")) && !b.versioning.n);
	ck_assert_int_gt(b.created, 0);
	ck_assert_int_eq(find(&f, "bk", &b), ERR_OK);
	ck_assert_uint_eq(b.owner.n, 0);

	ck_assert_int_eq(store_bucket_list(f.s, STR("anna"), STR("bk"), f.a, &list, &n, &f.e),
	                 ERR_OK);
	ck_assert_uint_eq(n, 3);
	ck_assert(str_eq(list[0].name, STR("a-first")) && str_eq(list[1].name, STR("bk")) &&
	          str_eq(list[2].name, STR("new")));
	/* Nobody owns nothing, least of all what the configuration has. */
	ck_assert_int_eq(store_bucket_list(f.s, STR(""), STR("bk"), f.a, &list, &n, &f.e), ERR_OK);
	ck_assert_uint_eq(n, 1);

	ck_assert_int_eq(remove_bucket(&f, "new", "ben"), ERR_NO_BUCKET);
	ck_assert_int_eq(remove_bucket(&f, "bk", "ben"), ERR_NO_BUCKET);
	ck_assert_int_eq(remove_bucket(&f, "bk", ""), ERR_NO_BUCKET);
	ck_assert_int_eq(remove_bucket(&f, "new", "anna"), ERR_OK);
	ck_assert_int_eq(remove_bucket(&f, "new", "anna"), ERR_NO_BUCKET);
	ck_assert_int_eq(create(&f, "new", "ben"), ERR_OK);
	sf_close(&f);
}
TEST(created_with_settings)
TEST(owners)

static void too_many(const char *conninfo)
{
	struct sf f;
	sf_open(&f, conninfo, "one");
	pg_text(conninfo, "INSERT INTO buckets (bucket, owner) SELECT 'b' || n, 'anna' "
	                  "FROM generate_series(1, 100) n");
	ck_assert_int_eq(create(&f, "new", "anna"), ERR_BUSY);
	ck_assert_int_eq(create(&f, "b7", "anna"), ERR_OK);
	ck_assert_int_eq(create(&f, "new", "ben"), ERR_OK);
	sf_close(&f);
}
TEST(too_many)

/* In bucket "bk", which is made somebody's, so that it can be deleted. */
static void emptiness(const char *conninfo)
{
	struct sf f;
	struct store_intent i;
	struct store_object o = sf_object("k", 10);
	struct store_written w;
	uint64_t copies;
	sf_open(&f, conninfo, "one");
	pg_text(conninfo, "UPDATE buckets SET owner = 'anna', versioning = 'Enabled' "
	                  "WHERE bucket = 'bk'");
	ck_assert_int_eq(sf_delete(&f, "k", &copies), ERR_OK); /* leaves a delete marker */
	ck_assert_int_eq(remove_bucket(&f, "bk", "anna"), ERR_CONFLICT);
	pg_text(conninfo, "DELETE FROM object_versions");

	/* What is written when the bucket goes comes too late, and stays an intent. */
	ck_assert_int_eq(sf_reserve(&f, "k", "a", 10, &i), ERR_OK);
	ck_assert_int_eq(remove_bucket(&f, "bk", "anna"), ERR_OK);
	ck_assert_int_eq(sf_commit_object(&f, &o, &i, 1, NULL, &w), ERR_NO_BUCKET);
	store_cancel(f.s, &i);
	sf_close(&f);
}
TEST(emptiness)

/* The request was admitted to a bucket that somebody else has by now. */
static void another_owner(const char *conninfo)
{
	struct sf f;
	struct store_intent i;
	struct store_object o = sf_object("k", 10);
	struct store_written w;
	struct store_upload u = {.o = {.bucket = STR("bk"), .key = STR("u")}};
	struct store_deletion d = {.key = STR("k")};
	sf_open(&f, conninfo, "one");
	pg_text(conninfo, "UPDATE buckets SET owner = 'bert'");
	for (int theirs = 1; theirs >= 0; theirs--) {
		struct str owner = theirs ? STR("anna") : STR("bert");
		enum err expected = theirs ? ERR_NO_BUCKET : ERR_OK;
		ck_assert_int_eq(sf_reserve(&f, "k", "a", 10, &i), ERR_OK);
		o.bucket_owner = u.o.bucket_owner = owner;
		ck_assert_int_eq(sf_commit_object(&f, &o, &i, 1, NULL, &w), expected);
		if (theirs)
			store_cancel(f.s, &i);
		ck_assert_int_eq(store_upload_create(f.s, &u, 0, &f.e), expected);
		ck_assert_int_eq(store_delete(f.s, STR("bk"), owner, &d, 1, &f.e), ERR_OK);
		ck_assert_int_eq(d.result.code, expected);
		ck_assert_int_eq(store_bucket_set(f.s, STR("bk"), owner, "cors", STR("x"), &f.e),
		                 expected);
		ck_assert_int_eq(store_bucket_unset(f.s, STR("bk"), owner, "cors", &f.e), expected);
		ck_assert_int_eq(store_set_versioning(f.s, STR("bk"), owner, STORE_VERSIONED, &f.e),
		                 expected);
		d = (struct store_deletion){.key = STR("k")};
	}
	sf_close(&f);
}
TEST(another_owner)

static void settings(const char *conninfo)
{
	struct sf f;
	struct store_bucket b;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(create(&f, "new", "anna"), ERR_OK);
	ck_assert_int_eq(find(&f, "new", &b), ERR_OK);
	ck_assert_uint_eq(b.n_settings, 0);
	ck_assert_int_eq(
		store_bucket_set(f.s, STR("new"), STR("anna"), "cors", STR("<a>\"\\"), &f.e),
		ERR_OK);
	ck_assert_int_eq(store_bucket_set(f.s, STR("new"), STR("anna"), "other", STR("x"), &f.e),
	                 ERR_OK);
	ck_assert_int_eq(store_bucket_set(f.s, STR("none"), STR_NULL, "cors", STR("x"), &f.e),
	                 ERR_NO_BUCKET);
	ck_assert_int_eq(find(&f, "new", &b), ERR_OK);
	ck_assert_uint_eq(b.n_settings, 1);
	ck_assert(str_eq(store_bucket_setting(&b, "cors"), STR("<a>\"\\")));
	ck_assert_uint_eq(store_bucket_setting(&b, "other").n, 0); /* was not asked for */
	ck_assert_int_eq(
		store_bucket_set(f.s, STR("new"), STR("anna"), "cors", STR("second"), &f.e),
		ERR_OK);
	ck_assert_int_eq(find(&f, "new", &b), ERR_OK);
	ck_assert(str_eq(store_bucket_setting(&b, "cors"), STR("second")));
	ck_assert_int_eq(store_bucket_unset(f.s, STR("new"), STR("anna"), "cors", &f.e), ERR_OK);
	ck_assert_int_eq(store_bucket_unset(f.s, STR("new"), STR("anna"), "cors", &f.e), ERR_OK);
	ck_assert_int_eq(store_bucket_unset(f.s, STR("none"), STR_NULL, "cors", &f.e),
	                 ERR_NO_BUCKET);
	ck_assert_int_eq(find(&f, "new", &b), ERR_OK);
	ck_assert_uint_eq(b.n_settings, 0);
	ck_assert_int_eq(remove_bucket(&f, "new", "anna"), ERR_OK);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM bucket_settings"), 0);
	sf_close(&f);
}
TEST(settings)

/* --- what is old ------------------------------------------------------------------ */

#define OLD INT64_C(1000000000) /* microseconds since 1970, before which all is old here */

static struct store_window window(const char *prefix)
{
	return (struct store_window){.bucket = STR("bk"),
	                             .prefix = str_of(prefix),
	                             .keys = 100,
	                             .versions = 100,
	                             .newer = 100,
	                             .current_before = OLD,
	                             .noncurrent_before = OLD};
}

/* "key=generation ..." of what is found. */
static const char *aged(struct sf *f, const struct store_window *w)
{
	struct store_aged *v;
	struct str last;
	size_t n;
	int keys;
	BUF_AUTO out = {0};
	ck_assert_int_eq(store_aged(f->s, w, f->a, &v, &n, &keys, &last, &f->e), ERR_OK);
	for (size_t i = 0; i < n; i++)
		buf_printf(&out, "%.*s=%s%s%s ", STR_FMT(v[i].key), v[i].generation,
		           v[i].is_latest ? "*" : "", v[i].is_marker ? "d" : "");
	buf_printf(&out, "%d %.*s", keys, STR_FMT(last));
	return arena_strndup(f->a, out.p, out.n);
}

/* Ages in seconds since 1970: OLD is 1000. */
static void add_versions(const char *conninfo)
{
	pg_text(conninfo,
	        "INSERT INTO object_versions (bucket, object_name, generation, version_id, "
	        "is_latest, is_delete_marker, size_bytes, etag, created_at) "
	        "SELECT 'bk', k, g, g, l, d, 0, '', to_timestamp(t) FROM (VALUES "
	        "('a', '1', TRUE, FALSE, 999), ('b', '1', TRUE, FALSE, 1000), "
	        "('c', '1', FALSE, FALSE, 10), ('c', '2', FALSE, FALSE, 20), "
	        "('c', '3', FALSE, FALSE, 30), ('c', '4', TRUE, FALSE, 5000), "
	        "('d', '1', FALSE, FALSE, 10), ('d', '2', TRUE, TRUE, 20), "
	        "('e', '1', TRUE, TRUE, 5000), ('f', '1', TRUE, TRUE, 20)) v (k, g, l, d, t)");
}

static void old_versions(const char *conninfo)
{
	struct sf f;
	struct store_window w = window("");
	struct store_aged *v;
	struct str last;
	size_t n;
	int keys;
	sf_open(&f, conninfo, "one");
	ck_assert_str_eq(aged(&f, &w), "0 ");
	add_versions(conninfo);
	/* c=3 became noncurrent when 4 came; d=2 has another beside it; e is young. */
	ck_assert_str_eq(aged(&f, &w), "a=1* c=1 c=2 d=1 f=1*d 6 f");
	w.markers = true;
	ck_assert_str_eq(aged(&f, &w), "a=1* c=1 c=2 d=1 e=1*d f=1*d 6 f");
	w.from = STR("b");
	w.keys = 2;
	ck_assert_str_eq(aged(&f, &w), "c=1 c=2 2 c");
	w.versions = 1;
	ck_assert_str_eq(aged(&f, &w), "c=1 2 c");
	w = window("d");
	ck_assert_str_eq(aged(&f, &w), "d=1 1 d");
	w = window("");
	w.noncurrent_before = 6 * OLD;
	w.current_before = 0;
	w.prefix = STR("c");
	ck_assert_int_eq(store_aged(f.s, &w, f.a, &v, &n, &keys, &last, &f.e), ERR_OK);
	ck_assert_uint_eq(n, 3);
	ck_assert_uint_eq(v[0].newer, 2);
	ck_assert_uint_eq(v[2].newer, 0);
	ck_assert_int_eq(v[0].since, 20 * CLOCK_SEC);
	ck_assert_int_eq(v[2].since, 5000 * CLOCK_SEC);
	w.newer = 1;
	ck_assert_int_eq(store_aged(f.s, &w, f.a, &v, &n, &keys, &last, &f.e), ERR_OK);
	ck_assert_uint_eq(v[0].newer, 1);
	ck_assert_uint_eq(v[1].newer, 1);
	ck_assert_uint_eq(v[2].newer, 0);
	pg_text(conninfo, "DELETE FROM object_versions");
	sf_close(&f);
}
TEST(old_versions)

/* Behind the last version that was told, also where that is not of the first key. */
static void behind_a_version(const char *conninfo)
{
	struct sf f;
	struct store_window w = window("");
	sf_open(&f, conninfo, "one");
	add_versions(conninfo);
	w.from = STR("c");
	w.after = 10 * CLOCK_SEC;
	ck_assert_str_eq(aged(&f, &w), "c=2 d=1 f=1*d 4 f");
	w.after = 20 * CLOCK_SEC;
	ck_assert_str_eq(aged(&f, &w), "d=1 f=1*d 4 f");
	w.from = STR("a");
	w.after = 999 * CLOCK_SEC;
	ck_assert_str_eq(aged(&f, &w), "c=1 c=2 d=1 f=1*d 6 f");
	w.prefix = STR("c"); /* is behind it: a rule has changed */
	ck_assert_str_eq(aged(&f, &w), "c=1 c=2 1 c");
	pg_text(conninfo, "DELETE FROM object_versions");
	sf_close(&f);
}
TEST(behind_a_version)

/* most_rows(): how many rows that node of the plan gives that gives most of them, for a
 * window of 10 versions that counts up to 3 newer ones. */
static void prepare_most_rows(const char *conninfo)
{
	BUF_AUTO sql = {0};
	buf_printf(&sql, "PREPARE w AS %s", db_query(Q_LIFECYCLE_VERSIONS)->text);
	buf_add_char(&sql, '\0');
	pg_text(conninfo, sql.p);
	pg_text(conninfo, "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; "
	                  "SET enable_bitmapscan = off");
	pg_text(conninfo, "CREATE FUNCTION most_rows() RETURNS NUMERIC LANGUAGE plpgsql AS $$ "
	                  "DECLARE p JSON; BEGIN EXECUTE 'EXPLAIN (ANALYZE, FORMAT JSON) "
	                  "EXECUTE w(''bk'', '''', ''z'', 100, 0, 9e14, FALSE, 10, 3, 0)' INTO p; "
	                  "RETURN (SELECT max((n ->> 'Actual Rows')::NUMERIC * "
	                  "(n ->> 'Actual Loops')::NUMERIC) FROM jsonb_path_query(p::JSONB, "
	                  "'strict $.** ? (exists(@.\"Actual Rows\"))') n); END $$");
}

/* What a window costs does not depend on how many versions its keys have. */
START_TEST(test_many_versions)
{
	const char *db = pg_database("many_versions");
	pg_text(db, "INSERT INTO object_versions (bucket, object_name, generation, version_id, "
	            "is_latest, size_bytes, etag, created_at) "
	            "SELECT 'bk', k, n, n, n = 3000, 0, '', to_timestamp(n) "
	            "FROM generate_series(1, 3000) n, unnest('{a,b,c}'::TEXT[]) k");
	prepare_most_rows(db);
	ck_assert_int_le(pg_number(db, "SELECT most_rows()"), 40);
	pg_text(db, "ANALYZE object_versions");
	ck_assert_int_le(pg_number(db, "SELECT most_rows()"), 40);
}
END_TEST

static enum err expire(struct sf *f, const char *version, const struct store_version *seen,
                       const char *rules)
{
	const struct store_rules r = {.bucket = STR("bk"), .document = str_of(rules)};
	struct store_aged v = {.tags = seen->o.tags, .n_tags = seen->o.n_tags};
	struct store_deletion d = {.key = STR("k"), .version = str_of(version), .seen = &v};
	memcpy(v.generation, seen->o.generation, sizeof v.generation);
	ck_assert_int_eq(store_expire(f->s, &r, &d, 1, &f->e), ERR_OK);
	return d.result.code;
}

static enum err delete_seen(struct sf *f, const char *version, const struct store_version *seen)
{
	return expire(f, version, seen, "");
}

/* Between looking and deleting the key is written again. */
static void only_what_was_seen(const char *conninfo)
{
	struct sf f;
	struct store_version v, w;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(sf_put(&f, "k", "a", 10), ERR_OK);
	ck_assert_int_eq(sf_find(&f, "k", &v), ERR_OK);
	ck_assert_int_eq(sf_put(&f, "k", "a", 10), ERR_OK);
	ck_assert_int_eq(delete_seen(&f, "", &v), ERR_CONFLICT);
	ck_assert_int_eq(delete_seen(&f, "null", &v), ERR_CONFLICT);
	ck_assert_int_eq(sf_find(&f, "k", &w), ERR_OK);
	pg_text(conninfo, "UPDATE buckets SET versioning = 'Enabled'");
	ck_assert_int_eq(sf_put(&f, "k", "a", 10), ERR_OK);
	ck_assert_int_eq(delete_seen(&f, "", &w), ERR_CONFLICT);
	ck_assert_int_eq(sf_find(&f, "k", &v), ERR_OK);
	ck_assert_int_eq(delete_seen(&f, "null", &w), ERR_OK);
	pg_text(conninfo, "UPDATE object_versions SET tags = '{\"a\": \"b\"}'");
	ck_assert_int_eq(delete_seen(&f, "", &v), ERR_CONFLICT);
	ck_assert_int_eq(sf_find(&f, "k", &v), ERR_OK);
	ck_assert_int_eq(expire(&f, "", &v, "rules"), ERR_NO_BUCKET);
	ck_assert_int_eq(
		store_bucket_set(f.s, STR("bk"), STR_NULL, "lifecycle", STR("rules"), &f.e),
		ERR_OK);
	ck_assert_int_eq(expire(&f, "", &v, ""), ERR_NO_BUCKET);
	ck_assert_int_eq(expire(&f, "", &v, "rules"), ERR_OK);
	ck_assert_int_eq(sf_find(&f, "k", &w), ERR_NOT_FOUND);
	ck_assert(w.is_marker);
	sf_close(&f);
}
TEST(only_what_was_seen)

static void buckets_with_rules(const char *conninfo)
{
	struct sf f;
	struct store_rules *rules;
	size_t n;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(create(&f, "zz", "anna"), ERR_OK);
	ck_assert_int_eq(
		store_bucket_set(f.s, STR("zz"), STR("anna"), "lifecycle", STR("doc"), &f.e),
		ERR_OK);
	ck_assert_int_eq(store_rules_list(f.s, STR(""), 10, f.a, &rules, &n, &f.e), ERR_OK);
	ck_assert_uint_eq(n, 2);
	ck_assert(str_eq(rules[0].bucket, STR("bk")) && !rules[0].document.n);
	ck_assert(str_eq(rules[1].bucket, STR("zz")) && str_eq(rules[1].document, STR("doc")));
	ck_assert_int_eq(store_rules_list(f.s, STR("bk"), 10, f.a, &rules, &n, &f.e), ERR_OK);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(store_rules_list(f.s, STR(""), 1, f.a, &rules, &n, &f.e), ERR_OK);
	ck_assert_uint_eq(n, 1);
	sf_close(&f);
}
TEST(buckets_with_rules)

int main(void)
{
	TCase *t = tcase_create("buckets");
	pg_start();
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_owners);
	tcase_add_test(t, test_created_with_settings);
	tcase_add_test(t, test_too_many);
	tcase_add_test(t, test_emptiness);
	tcase_add_test(t, test_another_owner);
	tcase_add_test(t, test_settings);
	tcase_add_test(t, test_old_versions);
	tcase_add_test(t, test_behind_a_version);
	tcase_add_test(t, test_many_versions);
	tcase_add_test(t, test_only_what_was_seen);
	tcase_add_test(t, test_buckets_with_rules);
	return run_tests("store_buckets", t);
}
