/* SPDX-License-Identifier: MIT
 *
 * Order of the backends for a new copy: one total order, so that a sort does
 * it all. Ineligible ones sort to the back and are not counted.
 */
#include "placement/placement.h"

#include <stdbool.h>
#include <stdlib.h>

struct ordering {
	enum config_strategy strategy;
	uint64_t size;
};

static bool is_eligible(const struct placement_candidate *c, uint64_t size)
{
	return !c->draining && !c->holds && c->reachable && !c->used_up &&
	       (c->max_object == 0 || size <= c->max_object);
}

bool placement_is_used_up(const struct placement_candidate *c, uint64_t size)
{
	struct placement_candidate other = *c;

	other.used_up = false;
	return c->used_up && is_eligible(&other, size);
}

static bool seems_full(const struct placement_candidate *c, uint64_t size)
{
	return c->limit != 0 && (c->taken > c->limit || size > c->limit - c->taken);
}

/* taken/limit by cross-multiplication: exact, where a quotient of doubles would
 * call nearly equal backends equal. */
static int compare_utilisation(const struct placement_candidate *a,
                               const struct placement_candidate *b)
{
	uint64_t taken_a = a->limit == 0 ? 0 : a->taken, limit_a = a->limit == 0 ? 1 : a->limit;
	uint64_t taken_b = b->limit == 0 ? 0 : b->taken, limit_b = b->limit == 0 ? 1 : b->limit;
	unsigned __int128 x = (unsigned __int128)taken_a * limit_b;
	unsigned __int128 y = (unsigned __int128)taken_b * limit_a;

	return (x > y) - (x < y);
}

static int compare(const void *pa, const void *pb, void *arg)
{
	const struct placement_candidate *a = pa, *b = pb;
	const struct ordering *o = arg;
	int r = is_eligible(b, o->size) - is_eligible(a, o->size);

	if (r == 0)
		r = seems_full(a, o->size) - seems_full(b, o->size);
	if (r == 0)
		r = a->same_domain - b->same_domain;
	if (r == 0 && o->strategy == STRATEGY_SPREAD)
		r = compare_utilisation(a, b);
	return r != 0 ? r : (a->index > b->index) - (a->index < b->index);
}

size_t placement_order(enum config_strategy strategy, uint64_t size, struct placement_candidate *c,
                       size_t n)
{
	struct ordering o = {.strategy = strategy, .size = size};
	size_t eligible = 0;

	if (n > 1)
		qsort_r(c, n, sizeof(*c), compare, &o);
	while (eligible < n && is_eligible(&c[eligible], size))
		eligible++;
	return eligible;
}
