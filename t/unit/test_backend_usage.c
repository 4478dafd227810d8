/* SPDX-License-Identifier: MIT
 *
 * Monthly usage: what counts, what the limits allow, and that nothing is lost, whoever
 * is killed. The backend whose calls are counted is a folder; test_backend_s3.c looks at
 * those of servers.
 */
#include <ftw.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backend/usage_flush.h"
#include "backend_fixture.h"
#include "t/unit/run.h"

#define UNLIMITED ((struct config_backend){0})

static struct usage usage;

static void setup(void)
{
	memset(&usage, 0, sizeof(usage));
}

static int this_month(void)
{
	return usage_month(clock_wall());
}

static void store(uint64_t api, uint64_t egress, uint64_t ingress)
{
	usage_set_stored(&usage, (struct usage_amounts){0}, this_month(),
	                 (struct usage_amounts){api, egress, ingress});
}

static void expect_amounts(struct usage_amounts n, uint64_t api, uint64_t egress, uint64_t ingress)
{
	ck_assert_uint_eq(n.api, api);
	ck_assert_uint_eq(n.egress, egress);
	ck_assert_uint_eq(n.ingress, ingress);
}

/* --- months --------------------------------------------------------------- */

static void expect_month(const char *time, int month, const char *period)
{
	char text[USAGE_PERIOD_SIZE];
	int64_t wall;

	ck_assert(clock_parse_rfc3339(str_of(time), &wall));
	ck_assert_int_eq(usage_month(wall), month);
	usage_period(month, text);
	ck_assert_str_eq(text, period);
}

START_TEST(months_are_those_of_utc)
{
	setenv("TZ", "Pacific/Kiritimati", 1); /* 14 hours ahead */
	tzset();
	expect_month("1970-01-01T00:00:00Z", 0, "1970-01");
	expect_month("2026-04-30T23:59:59.999999Z", 675, "2026-04");
	expect_month("2026-05-01T00:00:00Z", 676, "2026-05");
	expect_month("2026-12-31T23:59:59Z", 683, "2026-12");
	expect_month("2027-01-01T00:00:00Z", 684, "2027-01");
	expect_month("2028-02-29T12:00:00Z", 697, "2028-02");
}
END_TEST

START_TEST(a_month_begins_with_nothing)
{
	struct config_backend c = {.api_request_limit = 10};

	store(10, 7, 8);
	expect_amounts(usage_stored(&usage), 10, 7, 8);
	ck_assert(!usage_allows(&usage, &c, (struct usage_amounts){.api = 1}));
	usage.month--; /* what was stored is of the last one now */
	expect_amounts(usage_stored(&usage), 0, 0, 0);
	ck_assert(usage_allows(&usage, &c, (struct usage_amounts){.api = 10}));
	usage.month += 2; /* nor is the future believed */
	expect_amounts(usage_stored(&usage), 0, 0, 0);
}
END_TEST

/* --- limits --------------------------------------------------------------- */

START_TEST(limits_are_inclusive)
{
	struct config_backend c = {
		.api_request_limit = 10, .egress_byte_limit = 100, .ingress_byte_limit = 1000};

	store(4, 40, 400);
	for (int i = 0; i < 3; i++)
		usage_add_call(&usage);
	usage_add_egress(&usage, 30);
	usage_add_ingress(&usage, 300);
	ck_assert(usage_allows(&usage, &c, (struct usage_amounts){3, 30, 300}));
	ck_assert(!usage_allows(&usage, &c, (struct usage_amounts){4, 0, 0}));
	ck_assert(!usage_allows(&usage, &c, (struct usage_amounts){0, 31, 0}));
	ck_assert(!usage_allows(&usage, &c, (struct usage_amounts){0, 0, 301}));
	usage_add_egress(&usage, 1000); /* overrun */
	ck_assert(!usage_allows(&usage, &c, (struct usage_amounts){0}));
	c.egress_byte_limit = 0;
	ck_assert(usage_allows(&usage, &c, (struct usage_amounts){3, UINT64_MAX, 300}));
}
END_TEST

START_TEST(no_limit_allows_everything)
{
	struct config_backend none = UNLIMITED, one = {.api_request_limit = 1};
	struct usage_amounts most = {UINT64_MAX, UINT64_MAX, UINT64_MAX};

	store(UINT64_MAX, UINT64_MAX, UINT64_MAX);
	ck_assert(usage_allows(&usage, &none, most));
	ck_assert(usage_allows(NULL, &one, most));
	ck_assert(!usage_allows(&usage, &one, (struct usage_amounts){0}));
	store(0, 0, 0);
	ck_assert(!usage_allows(&usage, &one, most));
	usage_add_call(NULL); /* nobody counts */
	usage_add_egress(NULL, 1);
	usage_add_ingress(NULL, 1);
}
END_TEST

START_TEST(near_is_a_share_of_any_limit)
{
	struct config_backend c = {.egress_byte_limit = 100, .ingress_byte_limit = 1000}, d = {0};

	store(1000, 79, 0);
	ck_assert(!usage_is_near_limit(&usage, &c, 0.8));
	ck_assert(!usage_is_near_limit(&usage, &d, 0.8));
	usage_add_egress(&usage, 1);
	ck_assert(usage_is_near_limit(&usage, &c, 0.8));
	ck_assert(!usage_is_near_limit(&usage, &d, 0.8));
	store(1000, 0, 799);
	ck_assert(!usage_is_near_limit(&usage, &c, 0.8));
	usage_add_ingress(&usage, 1);
	ck_assert(usage_is_near_limit(&usage, &c, 0.8));
}
END_TEST

/* --- on the way to the database ------------------------------------------- */

START_TEST(only_what_is_confirmed_goes)
{
	struct config_backend c = {.api_request_limit = 5};
	struct usage_amounts sent;

	usage_add_call(&usage);
	usage_add_egress(&usage, 10);
	usage_add_ingress(&usage, 20);
	sent = usage_unflushed(&usage);
	expect_amounts(sent, 1, 10, 20);
	/* it counts as long as nobody knows how that ends, and so does what comes now */
	usage_add_call(&usage);
	usage_add_egress(&usage, 5);
	ck_assert(usage_allows(&usage, &c, (struct usage_amounts){.api = 3}));
	ck_assert(!usage_allows(&usage, &c, (struct usage_amounts){.api = 4}));
	usage_set_stored(&usage, sent, this_month(), (struct usage_amounts){3, 10, 20});
	expect_amounts(usage_unflushed(&usage), 1, 5, 0);
	expect_amounts(usage_stored(&usage), 3, 10, 20);
	ck_assert(usage_allows(&usage, &c, (struct usage_amounts){.api = 1}));
	ck_assert(!usage_allows(&usage, &c, (struct usage_amounts){.api = 2}));
	ck_assert(!usage_is_flushed(&usage));
	usage_set_stored(&usage, usage_unflushed(&usage), this_month(), (struct usage_amounts){0});
	ck_assert(usage_is_flushed(&usage));
}
END_TEST

START_TEST(moving_leaves_nothing_behind)
{
	struct usage other = {0};

	store(1, 2, 3);
	usage_add_call(&usage);
	usage_add_egress(&usage, 5);
	usage_add_ingress(&other, 7);
	usage_move(&usage, &other);
	ck_assert(usage_is_flushed(&usage));
	expect_amounts(usage_unflushed(&other), 1, 5, 7);
	expect_amounts(usage_stored(&other), 1, 2, 3);
}
END_TEST

START_TEST(the_dead_do_not_hold_the_flusher)
{
	struct usage_flusher f = {.holder = 4711};

	usage_flusher_orphaned(&f, 4712);
	ck_assert_int_eq(f.holder, 4711);
	usage_flusher_orphaned(&f, 4711);
	ck_assert_int_eq(f.holder, 0);
}
END_TEST

/* --- processes ------------------------------------------------------------ */

#define CHILDREN 4

struct shared {
	struct usage usage;
	_Atomic uint64_t done[CHILDREN]; /* calls whose counting has returned */
};

static pid_t start_child(struct shared *s, int i)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	for (;;) {
		usage_add_call(&s->usage);
		usage_add_egress(&s->usage, 3);
		s->done[i]++;
	}
}

START_TEST(killed_processes_lose_nothing)
{
	struct shared *s =
		mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[CHILDREN];
	struct usage_amounts n;
	uint64_t done = 0;

	ck_assert_ptr_ne(s, MAP_FAILED);
	for (int i = 0; i < CHILDREN; i++)
		pids[i] = start_child(s, i);
	for (int i = 0; i < CHILDREN; i++) {
		while (s->done[i] < 10000)
			usleep(100);
		/* meanwhile somebody flushes */
		n = usage_unflushed(&s->usage);
		usage_set_stored(&s->usage, n, this_month(),
		                 (struct usage_amounts){s->usage.stored_api + n.api,
		                                        s->usage.stored_egress + n.egress, 0});
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	for (int i = 0; i < CHILDREN; i++)
		done += s->done[i];
	n = usage_unflushed(&s->usage);
	n.api += s->usage.stored_api;
	n.egress += s->usage.stored_egress;
	ck_assert_uint_ge(n.api, done); /* each may have been killed on its way */
	ck_assert_uint_le(n.api, done + CHILDREN);
	ck_assert_uint_ge(n.egress, 3 * done);
	ck_assert_uint_le(n.egress, 3 * (done + CHILDREN));
	munmap(s, sizeof(*s));
}
END_TEST

/* --- calls of a backend --------------------------------------------------- */

static char folder[64];

static void make_folder(void)
{
	snprintf(folder, sizeof(folder), "/tmp/s3o-usage-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	memset(&fx, 0, sizeof(fx));
	fx.backend.type = BACKEND_DIRECTORY;
	fx.backend.name = "disk";
	fx.backend.path = folder;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static void remove_folder(void)
{
	nftw(folder, remove_one, 50, FTW_DEPTH | FTW_PHYS);
}

static void calls(void)
{
	struct str bytes = some_bytes(1000000, 1);
	struct backend_info info;
	struct backend_put p;
	struct backend_list l = {.max = 1};
	struct broken_body broken;

	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(put_bytes("k", bytes), ERR_OK);
	expect_usage(1, 0, 1000000);
	get_and_compare("k", bytes);
	expect_usage(2, 1000000, 1000000);
	EXPECT_ERR(get_range("k", 10, 19, bytes), ERR_OK);
	expect_usage(3, 1000010, 1000000);
	EXPECT_ERR(get_range("k", 1000000, 1000000, bytes), ERR_RANGE);
	EXPECT_ERR(get_range("absent", 0, 0, bytes), ERR_NOT_FOUND);
	EXPECT_ERR(backend_head(fx.b, fx.arena, STR("k"), &info, &fx.error), ERR_OK);
	EXPECT_ERR(backend_head(fx.b, fx.arena, STR("absent"), &info, &fx.error), ERR_NOT_FOUND);
	expect_usage(7, 1000010, 1000000);
	EXPECT_ERR(copy_key("k", "copy", bytes.n, &p), ERR_OK);
	expect_usage(8, 1000010, 1000000);
	for (l.more = true; l.more; l.after = l.items[0].key)
		EXPECT_ERR(backend_list(fx.b, fx.arena, &l, &fx.error), ERR_OK);
	expect_usage(10, 1000010, 1000000); /* two pages */
	EXPECT_ERR(remove_key("k"), ERR_OK);
	EXPECT_ERR(remove_key("k"), ERR_NOT_FOUND);
	expect_usage(12, 1000010, 1000000);
	p = (struct backend_put){.key = STR("k"), .body = broken_body(&broken, 1000)};
	EXPECT_ERR(backend_put(fx.b, fx.arena, &p, &fx.error), ERR_IO);
	expect_usage(13, 1000010, 1000500);
}
START_TEST(every_call_and_every_byte_counts)
{
	in_task(calls);
}
END_TEST

static void parts(void)
{
	struct str bytes = some_bytes(300000, 1);
	struct backend_get g = {.key = STR("k")};
	struct stream *from;
	char buf[1000];
	int64_t off;
	int file;

	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(put_bytes("k", bytes), ERR_OK);
	EXPECT_ERR(backend_get(fx.b, fx.arena, &g, &fx.error), ERR_OK);
	expect_usage(2, 0, 300000); /* nothing has been read yet */
	ck_assert_int_eq(body_read(g.body, buf, sizeof(buf), CLOCK_SEC, &fx.error), 1000);
	expect_usage(2, 1000, 300000);
	ck_assert_uint_eq(g.body->ops->raw(g.body, &from, &file, &off), 299000);
	g.body->ops->taken(g.body, 200000);
	expect_usage(2, 201000, 300000);
	body_close(&g.body); /* the rest is not wanted */
	expect_usage(2, 201000, 300000);
}
START_TEST(bytes_count_as_they_flow)
{
	in_task(parts);
}
END_TEST

static void unavailable(void)
{
	fx.config.backend_circuit_breaker = (struct config_breaker){
		.enabled = true, .failure_threshold = 1, .open_timeout = 60 * CLOCK_SEC};
	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(remove_key("k"), ERR_NOT_FOUND);
	expect_usage(1, 0, 0);
	breaker_report(&fx.breaker, 0, false, true);
	EXPECT_ERR(remove_key("k"), ERR_UNAVAILABLE);
	EXPECT_ERR(put_bytes("k", STR("x")), ERR_UNAVAILABLE);
	expect_usage(1, 0, 0);
}
START_TEST(what_is_not_sent_does_not_count)
{
	in_task(unavailable);
}
END_TEST

static void no_folder(void)
{
	fx.backend.path = "/proc/no/such/folder";
	EXPECT_ERR(fixture_open(), ERR_OK);
	ck_assert_int_ne(remove_key("k"), ERR_NOT_FOUND);
	expect_usage(0, 0, 0);
}
START_TEST(a_folder_that_is_not_open_is_not_used)
{
	in_task(no_folder);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("usage");
	TCase *numbers = tcase_create("numbers"), *backend = tcase_create("backend");

	tcase_add_checked_fixture(numbers, setup, NULL);
	tcase_add_test(numbers, months_are_those_of_utc);
	tcase_add_test(numbers, a_month_begins_with_nothing);
	tcase_add_test(numbers, limits_are_inclusive);
	tcase_add_test(numbers, no_limit_allows_everything);
	tcase_add_test(numbers, near_is_a_share_of_any_limit);
	tcase_add_test(numbers, only_what_is_confirmed_goes);
	tcase_add_test(numbers, moving_leaves_nothing_behind);
	tcase_add_test(numbers, the_dead_do_not_hold_the_flusher);
	tcase_add_test(numbers, killed_processes_lose_nothing);
	suite_add_tcase(s, numbers);
	tcase_add_checked_fixture(backend, make_folder, remove_folder);
	tcase_add_test(backend, every_call_and_every_byte_counts);
	tcase_add_test(backend, bytes_count_as_they_flow);
	tcase_add_test(backend, what_is_not_sent_does_not_count);
	tcase_add_test(backend, a_folder_that_is_not_open_is_not_used);
	suite_add_tcase(s, backend);
	return run_suite(s);
}
