/* SPDX-License-Identifier: MIT
 *
 * What rebalancing would move.
 */
#include <check.h>
#include <stdlib.h>

#include "placement/plan.h"
#include "t/unit/run.h"

#define BACKENDS 4
#define OBJECTS  16

/* Objects of each backend, sizes in ascending order; segment = 100 * backend + place. */
struct world {
	struct plan_object objects[BACKENDS][OBJECTS];
	size_t n[BACKENDS];
	int asked[BACKENDS];
	int64_t stuck; /* may go nowhere */
};

static size_t objects(void *arg, int backend, size_t n, const struct plan_object **out)
{
	struct world *w = arg;

	w->asked[backend]++;
	*out = w->objects[backend];
	return w->n[backend] < n ? w->n[backend] : n;
}

static bool may_move(void *arg, const struct plan_object *o, int from, int to)
{
	struct world *w = arg;

	ck_assert_int_ne(from, to);
	return o->segment != w->stuck;
}

static void put(struct world *w, int backend, uint64_t size)
{
	size_t i = w->n[backend]++;

	w->objects[backend][i] = (struct plan_object){100 * backend + (int64_t)i, size};
}

static size_t make(struct world *w, enum config_strategy s, const struct plan_backend *b, size_t n,
                   size_t max, struct plan_move *out)
{
	const struct plan_source source = {w, objects, may_move};
	size_t made = plan_make(s, b, n, max, &source, out);

	for (int i = 0; i < BACKENDS; i++)
		ck_assert_int_le(w->asked[i], 1);
	return made;
}

START_TEST(worthwhile)
{
	const struct plan_backend b[] = {{0, 100, 50, 0}, {1, 200, 80, 50}};

	ck_assert(plan_is_worthwhile(b, 2, 0.1)); /* 0.5 and 0.4: inclusive */
	ck_assert(!plan_is_worthwhile(b, 2, 0.11));
	ck_assert(!plan_is_worthwhile(b, 1, 0.0));
	ck_assert(!plan_is_worthwhile(b, 0, 0.0));
}
END_TEST

START_TEST(pack_fills_the_fullest)
{
	const struct plan_backend b[] = {{0, 100, 20, 0}, {1, 100, 60, 20}, {2, 100, 10, 0}};
	struct world w = {.stuck = -1};
	struct plan_move m[OBJECTS];

	put(&w, 0, 5);
	put(&w, 0, 15);
	put(&w, 2, 4);
	put(&w, 2, 6);
	/* 20 are free on backend 1: the emptiest gives first, then what still fits. */
	ck_assert_uint_eq(make(&w, STRATEGY_PACK, b, 3, OBJECTS, m), 3);
	ck_assert(m[0].object.segment == 200 && m[0].from == 2 && m[0].to == 1);
	ck_assert(m[1].object.segment == 201 && m[2].object.segment == 0 && m[2].from == 0);
}
END_TEST

START_TEST(pack_within_the_batch)
{
	const struct plan_backend b[] = {{0, 100, 90, 0}, {1, 100, 20, 0}};
	struct world w = {.stuck = 101};
	struct plan_move m[OBJECTS];

	for (int i = 0; i < 10; i++)
		put(&w, 1, 2);
	ck_assert_uint_eq(make(&w, STRATEGY_PACK, b, 2, 3, m), 2); /* of three one is stuck */
	ck_assert(m[0].object.segment == 100 && m[1].object.segment == 102);
}
END_TEST

START_TEST(pack_never_empties_the_fuller)
{
	const struct plan_backend b[] = {{0, 100, 50, 0}, {1, 100, 50, 0}};
	struct world w = {.stuck = -1};
	struct plan_move m[OBJECTS];

	put(&w, 0, 10);
	put(&w, 1, 10);
	ck_assert_uint_eq(make(&w, STRATEGY_PACK, b, 2, OBJECTS, m), 0);
}
END_TEST

START_TEST(spread_evens_out)
{
	const struct plan_backend b[] = {{0, 100, 80, 0}, {1, 100, 20, 0}, {2, 200, 20, 0}};
	struct world w = {.stuck = -1};
	struct plan_move m[OBJECTS];

	/* 30 % each: 50 have to leave backend 0, 10 go to 1 and 40 to 2. */
	for (int i = 0; i < 8; i++)
		put(&w, 0, 10);
	ck_assert_uint_eq(make(&w, STRATEGY_SPREAD, b, 3, OBJECTS, m), 5);
	int to[BACKENDS] = {0};
	for (int i = 0; i < 5; i++)
		to[m[i].to]++;
	ck_assert(to[1] == 1 && to[2] == 4);
}
END_TEST

START_TEST(spread_takes_only_what_helps)
{
	const struct plan_backend b[] = {{0, 100, 60, 0}, {1, 100, 40, 50}};
	struct world w = {.stuck = -1};
	struct plan_move m[OBJECTS];

	put(&w, 0, 0);
	put(&w, 0, 8);
	put(&w, 0, 9);
	put(&w, 0, 20); /* more than is too much */
	/* 10 should move, and 10 are free there, orphaned bytes counted. */
	ck_assert_uint_eq(make(&w, STRATEGY_SPREAD, b, 2, OBJECTS, m), 2);
	ck_assert(m[0].object.size == 0 && m[1].object.size == 8);
}
END_TEST

START_TEST(spread_of_nothing)
{
	const struct plan_backend b[] = {{0, 100, 0, 0}, {1, 100, 0, 0}};
	struct world w = {.stuck = -1};
	struct plan_move m[1];

	ck_assert_uint_eq(make(&w, STRATEGY_SPREAD, b, 2, 1, m), 0);
	ck_assert_uint_eq(make(&w, STRATEGY_SPREAD, b, 1, 1, m), 0);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("plan");

	tcase_add_test(t, worthwhile);
	tcase_add_test(t, pack_fills_the_fullest);
	tcase_add_test(t, pack_within_the_batch);
	tcase_add_test(t, pack_never_empties_the_fuller);
	tcase_add_test(t, spread_evens_out);
	tcase_add_test(t, spread_takes_only_what_helps);
	tcase_add_test(t, spread_of_nothing);
	return run_tests("placement_plan", t);
}
