/* SPDX-License-Identifier: MIT
 *
 * Copies of segments: added, moved, removed, missed and counted; and the rows of drains.
 */
#include "store/copies.h"
#include "store/drains.h"
#include "store/uploads.h"
#include "store_fixture.h"
#include "t/unit/run.h"

static int64_t segment_of(struct sf *f, const char *key)
{
	struct store_version v;
	ck_assert_int_eq(sf_find(f, key, &v), ERR_OK);
	return v.segments[0].id;
}

/* NULL: the segment is gone. */
static struct store_held *held(struct sf *f, int64_t segment)
{
	struct store_held *h;
	size_t n;
	ck_assert_int_eq(store_held(f->s, &segment, 1, f->a, &h, &n, &f->e), ERR_OK);
	return n > 0 ? h : NULL;
}

/* "a b": the backends of its copies, oldest first. */
static const char *where(struct sf *f, int64_t segment)
{
	const struct store_held *h = held(f, segment);
	const char *text = "";
	for (size_t i = 0; h && i < h->n_copies; i++)
		text = arena_printf(f->a, "%s%s%.*s", text, i ? " " : "",
		                    STR_FMT(h->copies[i].backend));
	return text;
}

/* A copy for the object "k". */
static enum err add(struct sf *f, int64_t segment, const char *to, const char *from)
{
	struct store_intent i;
	ck_assert_int_eq(sf_reserve(f, "k", to, 10, &i), ERR_OK);
	enum err r = store_copy_add(f->s, segment, &i, from, "test_moved", &f->e);
	if (r != ERR_OK)
		store_abandon(f->s, &i, "test", false);
	return r;
}

static enum err drop(struct sf *f, int64_t segment, size_t which, const char *reason, int keep,
                     const char *counted)
{
	const struct store_held *h = held(f, segment);
	const struct store_counted c = {&counted, 1};
	return store_copy_remove(f->s, segment, &h->copies[which], reason, keep,
	                         counted ? &c : NULL, &f->e);
}

static void adding(const char *conninfo)
{
	struct sf f;
	uint64_t copies;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(sf_put(&f, "k", "a", 10), ERR_OK);
	int64_t s = segment_of(&f, "k");
	ck_assert_int_eq(add(&f, s, "b", NULL), ERR_OK);
	ck_assert_str_eq(where(&f, s), "a b");
	sf_assert_space(&f, "a", 10, 0, 0);
	sf_assert_space(&f, "b", 10, 0, 0);
	const struct store_held *h = held(&f, s);
	ck_assert(str_eq(h->key, STR("k")) && str_eq(h->bucket, STR("bk")) && !h->is_upload);
	ck_assert(str_eq(h->content_type, STR("text/plain")) && h->size == 10);
	ck_assert(str_eq(h->etag, STR("d41d8cd98f00b204e9800998ecf8427e")));

	/* There is one already; nothing is left of the attempt but its deletion. */
	ck_assert_int_eq(add(&f, s, "b", NULL), ERR_PRECONDITION);
	sf_assert_space(&f, "b", 10, 0, 10);
	/* To whoever has it already, from nowhere, and of what is gone. */
	ck_assert_int_eq(add(&f, s, "a", "b"), ERR_PRECONDITION);
	ck_assert_int_eq(add(&f, s, "u", "nobody"), ERR_PRECONDITION);
	ck_assert_int_eq(sf_delete(&f, "k", &copies), ERR_OK);
	ck_assert_uint_eq(copies, 2);
	ck_assert_int_eq(add(&f, s, "u", NULL), ERR_PRECONDITION);
	ck_assert_ptr_null(held(&f, s));
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM object_locations"), 0);
	sf_close(&f);
}
TEST(adding)

/* An intent of another key is not taken for one of this. */
static void adding_for_another_key(const char *conninfo)
{
	struct sf f;
	struct store_intent i;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(sf_put(&f, "k", "a", 10), ERR_OK);
	ck_assert_int_eq(sf_reserve(&f, "other", "b", 10, &i), ERR_OK);
	ck_assert_int_eq(store_copy_add(f.s, segment_of(&f, "k"), &i, NULL, NULL, &f.e),
	                 ERR_CONFLICT);
	store_cancel(f.s, &i);
	sf_close(&f);
}
TEST(adding_for_another_key)

static void moving(const char *conninfo)
{
	struct sf f;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(sf_put(&f, "k", "a", 10), ERR_OK);
	int64_t s = segment_of(&f, "k");
	ck_assert_int_eq(add(&f, s, "u", NULL), ERR_OK);
	ck_assert_int_eq(add(&f, s, "b", "a"), ERR_OK);
	/* As old as the one whose place it takes, so it is still the first one. */
	ck_assert_str_eq(where(&f, s), "b u");
	sf_assert_space(&f, "a", 0, 0, 10);
	sf_assert_space(&f, "b", 10, 0, 0);
	ck_assert_int_eq(
		pg_number(conninfo,
	                  "SELECT count(*) FROM cleanup_queue WHERE reason = 'test_moved'"),
		1);
	ck_assert_int_eq(add(&f, s, "a", "a"), ERR_PRECONDITION); /* it left */
	sf_close(&f);
}
TEST(moving)

static void removing(const char *conninfo)
{
	struct sf f;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(sf_put(&f, "k", "a", 10), ERR_OK);
	int64_t s = segment_of(&f, "k");
	ck_assert_int_eq(drop(&f, s, 0, "test", 1, NULL), ERR_CONFLICT); /* the only one */
	ck_assert_int_eq(add(&f, s, "b", NULL), ERR_OK);
	ck_assert_int_eq(add(&f, s, "u", NULL), ERR_OK);
	ck_assert_int_eq(drop(&f, s, 0, "test", 1, "a"), ERR_CONFLICT); /* b, u do not count */
	ck_assert_int_eq(drop(&f, s, 0, "test", 2, "b"), ERR_CONFLICT); /* one is not two */
	const struct store_held *before = held(&f, s);
	ck_assert_int_eq(drop(&f, s, 0, "test", 1, "b"), ERR_OK);
	ck_assert_str_eq(where(&f, s), "b u");
	sf_assert_space(&f, "a", 0, 0, 10);
	ck_assert_int_eq(store_copy_remove(f.s, s, &before->copies[0], "test", 1, NULL, &f.e),
	                 ERR_NOT_FOUND);
	/* Bytes that are not there need not be deleted. */
	ck_assert_int_eq(drop(&f, s, 0, "", 1, NULL), ERR_OK);
	ck_assert_str_eq(where(&f, s), "u");
	sf_assert_space(&f, "b", 0, 0, 0);
	sf_close(&f);
}
TEST(removing)

/* A copy that is just being added when its object goes, again and again: whoever is first,
 * nothing of it stays. */
static void race_of_add(void *arg)
{
	struct sf *f = arg;
	struct store_version v;
	if (sf_find(f, "k", &v) == ERR_OK)
		add(f, v.segments[0].id, "b", NULL);
}

static void race_of_delete(void *arg)
{
	uint64_t copies;
	ck_assert_int_eq(sf_delete(arg, "k", &copies), ERR_OK);
}

static void adding_what_goes(const char *conninfo)
{
	struct sf f, g;
	sf_open(&f, conninfo, "one");
	sf_open(&g, conninfo, "two");
	for (int i = 0; i < 50; i++) {
		struct wait_group both = {0};
		ck_assert_int_eq(sf_put(&f, "k", "u", 10), ERR_OK);
		ck_assert_int_eq(wait_group_spawn(&both, "add", race_of_add, &f, NULL), 0);
		ck_assert_int_eq(wait_group_spawn(&both, "delete", race_of_delete, &g, NULL), 0);
		wait_group_wait(&both, 0);
		pg_text(conninfo, "SELECT s3o_cleanup_done(id, 0::SMALLINT) FROM cleanup_queue");
	}
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM object_locations"), 0);
	sf_assert_space(&f, "b", 0, 0, 0);
	sf_close(&g);
	sf_close(&f);
}
TEST(adding_what_goes)

/* --- the queue ------------------------------------------------------------------- */

static size_t claim(struct sf *f, int n, int64_t grace, struct store_replication **rows)
{
	size_t count;
	ck_assert_int_eq(store_replication_claim(f->s, n, grace, f->a, rows, &count, &f->e),
	                 ERR_OK);
	return count;
}

static void queueing(const char *conninfo)
{
	struct sf f, g;
	struct store_replication *mine, *yours;
	uint64_t depth, copies;
	int64_t next;
	sf_bucket.factor = 2;
	sf_open(&f, conninfo, "one");
	sf_open(&g, conninfo, "two");
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(sf_put(&f, arena_printf(f.a, "k%d", i), "a", 10), ERR_OK);
	struct store_intent both[2];
	ck_assert_int_eq(sf_reserve(&f, "full", "a", 10, &both[0]), ERR_OK);
	ck_assert_int_eq(sf_reserve(&f, "full", "b", 10, &both[1]), ERR_OK);
	ck_assert_int_eq(sf_commit(&f, "full", both, 2, NULL), ERR_OK); /* nothing is missing */
	ck_assert_int_eq(store_replication_depth(f.s, &depth, &next, &f.e), ERR_OK);
	ck_assert(depth == 4 && next > 0 && next <= clock_wall());

	ck_assert_uint_eq(claim(&f, 3, CLOCK_SEC, &mine), 3);
	ck_assert_uint_eq(claim(&g, 9, CLOCK_SEC, &yours), 1);
	ck_assert(!mine[0].reclaimed && !mine[0].suspect && mine[0].attempts == 0);
	/* Done, failed, given back. */
	ck_assert_int_eq(store_replication_done(f.s, &mine[0].segment, 1, &f.e), ERR_OK);
	ck_assert_int_eq(store_replication_failed(f.s, mine[1].segment, "why", &f.e), ERR_OK);
	ck_assert_int_eq(store_replication_postpone(f.s, &mine[2].segment, 1, &f.e), ERR_OK);
	ck_assert_int_eq(pg_number(conninfo, "SELECT round(extract(epoch FROM next_retry - now())) "
	                                     "FROM replication_queue WHERE attempts = 1"),
	                 10);
	ck_assert_uint_eq(claim(&g, 9, CLOCK_SEC, &mine), 1);
	/* Taken over; what the former owner says then does not count. */
	ck_assert_uint_eq(claim(&f, 9, 0, &mine), 2);
	ck_assert(mine[0].reclaimed && mine[1].reclaimed);
	ck_assert_int_eq(store_replication_done(g.s, &yours[0].segment, 1, &f.e), ERR_OK);
	ck_assert_int_eq(store_replication_failed(g.s, yours[0].segment, "late", &f.e), ERR_OK);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM replication_queue "
	                                     "WHERE claimed_by = 'one' AND attempts = 0"),
	                 2);
	/* It waits no longer than ten minutes, however often it failed. */
	pg_text(conninfo, "UPDATE replication_queue SET attempts = 1000");
	ck_assert_int_eq(store_replication_failed(f.s, mine[0].segment, "again", &f.e), ERR_OK);
	ck_assert_int_eq(pg_number(conninfo, "SELECT round(extract(epoch FROM next_retry - now())) "
	                                     "FROM replication_queue WHERE attempts = 1001"),
	                 600);
	ck_assert_int_eq(sf_delete(&f, "k0", &copies), ERR_OK); /* its row may stay */
	sf_bucket.factor = 0;
	sf_close(&g);
	sf_close(&f);
}
TEST(queueing)

static void suspects(const char *conninfo)
{
	struct sf f;
	struct store_replication *rows;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(sf_put(&f, "k", "a", 10), ERR_OK);
	int64_t s = segment_of(&f, "k");
	struct store_copy copy = held(&f, s)->copies[0];
	const struct store_copy old = {.backend = copy.backend, .backend_key = STR("bk/k~before")};
	store_copy_suspect(f.s, s, &old); /* replaced meanwhile: no reason to look */
	store_copy_suspect(f.s, s, &copy);
	pg_until(pg_number(conninfo, "SELECT count(*) FROM replication_queue") == 1);
	ck_assert_uint_eq(claim(&f, 9, CLOCK_SEC, &rows), 1);
	ck_assert(rows[0].suspect && rows[0].segment == s);
	/* Said once more while it is looked at: it stays when that ends. */
	pg_text(conninfo, "UPDATE replication_queue SET suspect = FALSE");
	store_copy_suspect(f.s, s, &copy);
	pg_until(pg_number(conninfo, "SELECT count(*) FROM replication_queue "
	                             "WHERE claimed_at IS NULL") == 1);
	ck_assert_int_eq(store_replication_done(f.s, &s, 1, &f.e), ERR_OK);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM replication_queue"), 1);
	sf_close(&f);
}
TEST(suspects)

/* --- walks --------------------------------------------------------------------------- */

static struct store_walked walk(struct sf *f, int64_t after, int n, const char *const *backends,
                                const char *const *domains, size_t n_backends)
{
	const struct store_wanted_copies w = {backends, domains, n_backends};
	struct store_walked out;
	ck_assert_int_eq(store_replication_walk(f->s, after, n, &w, &out, &f->e), ERR_OK);
	return out;
}

static void walking(const char *conninfo)
{
	static const char *const all[] = {"a", "b", "u"}, *const each[] = {"a", "b", "u"},
				 *const pair[] = {"x", "x", "y"};
	struct sf f;
	sf_open(&f, conninfo, "one");
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(sf_put(&f, arena_printf(f.a, "k%d", i), "a", 10), ERR_OK);
	ck_assert_int_eq(sf_put(&f, "k", "a", 10), ERR_OK);
	ck_assert_int_eq(add(&f, segment_of(&f, "k"), "b", NULL), ERR_OK);
	ck_assert_int_eq(pg_number(conninfo, "SELECT count(*) FROM replication_queue"), 0);

	sf_bucket.factor = 2; /* by a reload, say */
	struct store_walked w = walk(&f, 0, 2, all, each, 3);
	ck_assert(w.last > 0 && w.entered == 2 && w.hopeless == 0);
	w = walk(&f, w.last, 2, all, each, 3);
	ck_assert(w.last > 0 && w.entered == 1);
	w = walk(&f, w.last, 2, all, each, 3);
	ck_assert(w.last == 0 && w.entered == 0);
	ck_assert_uint_eq(walk(&f, 0, 9, all, each, 3).entered, 0); /* they are there already */

	/* Both copies in one failure domain. */
	ck_assert_uint_eq(walk(&f, 0, 9, all, pair, 3).entered, 1);
	pg_text(conninfo, "DELETE FROM replication_queue");
	/* One backend that counts: three have nothing to gain, k has lost a copy. */
	w = walk(&f, 0, 9, all, each, 1);
	ck_assert(w.entered == 0 && w.hopeless == 4);
	w = walk(&f, 0, 9, all + 1, each + 1, 1);
	ck_assert(w.entered == 3 && w.hopeless == 1);

	int64_t *many, last;
	size_t n;
	sf_bucket.factor = 1;
	ck_assert_int_eq(store_excess_walk(f.s, 0, 9, f.a, &many, &n, &last, &f.e), ERR_OK);
	ck_assert(n == 1 && many[0] == segment_of(&f, "k") && last > 0);
	ck_assert_int_eq(store_excess_walk(f.s, last, 9, f.a, &many, &n, &last, &f.e), ERR_OK);
	ck_assert(n == 0 && last == 0);
	sf_bucket.factor = 0;
	sf_close(&f);
}
TEST(walking)

static void listing(const char *conninfo)
{
	struct sf f;
	struct store_located *l;
	size_t n;
	sf_open(&f, conninfo, "one");
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(sf_put(&f, arena_printf(f.a, "k%d", i), "a", 10), ERR_OK);
	ck_assert_int_eq(sf_put(&f, "k", "b", 10), ERR_OK);
	ck_assert_int_eq(store_copies_on(f.s, "a", STR(""), STR_NULL, 2, f.a, &l, &n, &f.e),
	                 ERR_OK);
	ck_assert(n == 2 && str_starts(l[0].backend_key, STR("bk/k0~")) && l[0].size == 10);
	ck_assert_int_eq(
		store_copies_on(f.s, "a", l[1].backend_key, STR_NULL, 2, f.a, &l, &n, &f.e),
		ERR_OK);
	ck_assert(n == 1 && str_starts(l[0].backend_key, STR("bk/k2~")));
	sf_close(&f);
}
TEST(listing)

/* --- drains ------------------------------------------------------------------------ */

static enum store_drain_state end_round(struct sf *f)
{
	struct store_drain d;
	ck_assert_int_eq(store_drain_end_round(f->s, STR("a"), f->a, &d, &f->e), ERR_OK);
	return d.state;
}

static const char *claimed(struct sf *f, int64_t grace)
{
	struct str backend, position;
	ck_assert_int_eq(store_drain_claim(f->s, grace, f->a, &backend, &position, &f->e), ERR_OK);
	return backend.n ? arena_dup(f->a, backend).p : "";
}

static void draining(const char *conninfo)
{
	struct sf f, g;
	struct store_intent i;
	struct store_drain *d;
	uint64_t copies;
	size_t n;
	sf_open(&f, conninfo, "one");
	sf_open(&g, conninfo, "two");
	ck_assert_int_eq(sf_put(&f, "k", "a", 10), ERR_OK);
	ck_assert_int_eq(sf_reserve(&f, "w", "a", 10, &i), ERR_OK);
	ck_assert_int_eq(store_drain_start(f.s, "a", &f.e), ERR_OK);
	ck_assert_int_eq(store_drain_start(f.s, "a", &f.e), ERR_CONFLICT);
	ck_assert_int_eq(sf_commit(&f, "w", &i, 1, NULL), ERR_CONFLICT);
	ck_assert_int_eq(store_drains(f.s, NULL, f.a, &d, &n, &f.e), ERR_OK);
	ck_assert(n == 1 && d->state == DRAIN_DRAINING && d->objects_left == 1 &&
	          d->bytes_left == 10 && d->started > 0 && d->finished == 0);

	/* One daemon at a time; who is silent loses it. */
	ck_assert_str_eq(claimed(&f, 60 * CLOCK_SEC), "a");
	ck_assert_str_eq(claimed(&f, 60 * CLOCK_SEC), "a"); /* still mine */
	ck_assert_str_eq(claimed(&g, 60 * CLOCK_SEC), "");
	ck_assert_str_eq(claimed(&g, 0), "a");
	ck_assert_int_eq(store_drain_progress(f.s, STR("a"), 1, 1, 0, NULL, &f.e), ERR_NOT_FOUND);
	ck_assert_int_eq(end_round(&f), DRAIN_NONE);
	ck_assert_str_eq(claimed(&f, 0), "a");

	/* A copy that cannot go; then a write under way and deletions are waited for. */
	ck_assert_int_eq(store_drain_progress(f.s, STR("a"), 0, 0, 1, "no room", &f.e), ERR_OK);
	ck_assert_int_eq(end_round(&f), DRAIN_DRAINING);
	ck_assert_str_eq(claimed(&f, 0), ""); /* not now */
	ck_assert_int_eq(sf_delete(&f, "k", &copies), ERR_OK);
	ck_assert_int_eq(end_round(&f), DRAIN_DRAINING);
	store_abandon(f.s, &i, "test", false);
	ck_assert_int_eq(end_round(&f), DRAIN_DRAINING);
	pg_text(conninfo, "UPDATE cleanup_queue SET attempts = 1"); /* tried: not waited for */
	ck_assert_int_eq(end_round(&f), DRAIN_DRAINED);
	ck_assert_int_eq(store_drains(f.s, "a", f.a, &d, &n, &f.e), ERR_OK);
	ck_assert(n == 1 && d->state == DRAIN_DRAINED && d->finished > 0);
	ck_assert_int_eq(sf_reserve(&f, "w", "a", 10, &i), ERR_CONFLICT); /* still kept away */
	ck_assert_int_eq(store_drain_cancel(f.s, "a", &f.e), ERR_OK);
	ck_assert_int_eq(store_drain_cancel(f.s, "a", &f.e), ERR_NOT_FOUND);
	ck_assert_int_eq(sf_put(&f, "k", "a", 10), ERR_OK);
	sf_close(&g);
	sf_close(&f);
}
TEST(draining)

static void draining_in_vain(const char *conninfo)
{
	struct sf f;
	struct store_drain *d;
	size_t n;
	sf_open(&f, conninfo, "one");
	ck_assert_int_eq(sf_put(&f, "k", "a", 10), ERR_OK);
	ck_assert_int_eq(store_drain_start(f.s, "a", &f.e), ERR_OK);
	for (int round = 1; round <= 10; round++) {
		pg_text(conninfo, "UPDATE backend_drains SET next_round = now()");
		ck_assert_str_eq(claimed(&f, 0), "a");
		ck_assert_int_eq(store_drain_progress(f.s, STR("a"), 0, 0, 1, "no", &f.e), ERR_OK);
		ck_assert_int_eq(end_round(&f), round < 10 ? DRAIN_DRAINING : DRAIN_FAILED);
	}
	ck_assert_int_eq(store_drains(f.s, "a", f.a, &d, &n, &f.e), ERR_OK);
	ck_assert(d->state == DRAIN_FAILED && str_eq(d->error, STR("no")));
	ck_assert_int_eq(sf_put(&f, "k", "a", 10), ERR_OK); /* it is in use again */
	ck_assert_int_eq(store_drain_start(f.s, "a", &f.e), ERR_OK);
	ck_assert_int_eq(store_drains(f.s, "a", f.a, &d, &n, &f.e), ERR_OK);
	ck_assert(d->state == DRAIN_DRAINING && d->error.n == 0 && d->finished == 0);
	sf_close(&f);
}
TEST(draining_in_vain)

int main(void)
{
	TCase *t = tcase_create("copies");
	pg_start();
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_adding);
	tcase_add_test(t, test_adding_for_another_key);
	tcase_add_test(t, test_moving);
	tcase_add_test(t, test_removing);
	tcase_add_test(t, test_adding_what_goes);
	tcase_add_test(t, test_queueing);
	tcase_add_test(t, test_suspects);
	tcase_add_test(t, test_walking);
	tcase_add_test(t, test_listing);
	tcase_add_test(t, test_draining);
	tcase_add_test(t, test_draining_in_vain);
	return run_tests("store_copies", t);
}
