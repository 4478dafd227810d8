/* SPDX-License-Identifier: MIT
 *
 * What rebalancing would move: which copies from which backend to which. Pure: works on what
 * it is given, changes only its own idea of how full the backends are.
 */
#ifndef PLACEMENT_PLAN_H
#define PLACEMENT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "config/config.h"

/* A backend that takes part: with a quota, and neither draining nor ill. */
struct plan_backend {
	int index;      /* in the configuration, in whose order they are given */
	uint64_t limit; /* bytes, not 0 */
	uint64_t used;  /* of copies */
	uint64_t other; /* reserved and orphaned: not free */
};

struct plan_object {
	int64_t segment;
	uint64_t size;
};

struct plan_move {
	struct plan_object object;
	int from, to; /* indices of backends */
};

/* What the plan asks for. */
struct plan_source {
	void *arg;
	/* Up to n copies on a backend, the smallest first; they stay as they are until the
	 * plan is made. Asked once for each backend. */
	size_t (*objects)(void *arg, int backend, size_t n, const struct plan_object **out);
	/* May the copy of that object on `from` go to `to`? Not where there is one already, or
	 * one in the same failure domain. */
	bool (*may_move)(void *arg, const struct plan_object *o, int from, int to);
};

/* Is the difference in use worth it: the largest and the smallest share of a quota differ by
 * the threshold or more? Not with less than two backends. */
bool plan_is_worthwhile(const struct plan_backend *b, size_t n, double threshold);

/* At most max moves. pack: fills the fullest backends from the emptiest. spread: gives all
 * the same share of their quota. Within a plan no object moves twice. */
size_t plan_make(enum config_strategy strategy, const struct plan_backend *b, size_t n, size_t max,
                 const struct plan_source *source, struct plan_move *out);

#endif
