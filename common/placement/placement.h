/* SPDX-License-Identifier: MIT
 *
 * Which backend a new copy should go to. Pure: works on what it is given and
 * decides an order; the reservation in the catalogue is what is binding.
 */
#ifndef PLACEMENT_PLACEMENT_H
#define PLACEMENT_PLACEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "config/config.h"

struct placement_candidate {
	int index;           /* of the backend in the configuration */
	uint64_t limit;      /* 0: unlimited */
	uint64_t taken;      /* used + reserved + orphaned */
	uint64_t max_object; /* largest object it takes; 0: any */
	bool draining;
	bool holds;       /* a copy is there already: no second one */
	bool same_domain; /* as a copy that is there already */
	bool reachable;   /* breaker closed or ready for a probe */
	bool used_up;     /* the limits of the month leave no room for `size` bytes */
};

/* Sorts the candidates that may take `size` bytes to the front, best first, and
 * returns how many they are. pack: configuration order. spread: smallest
 * taken/limit first, unlimited counts as 0, ties in configuration order.
 * Among those with room come first the ones in a failure domain that has no copy yet.
 * Backends that seem full come last instead of being left out: `taken` may be a
 * second old, and the catalogue decides. */
size_t placement_order(enum config_strategy strategy, uint64_t size, struct placement_candidate *c,
                       size_t n);

/* Whether the limits of the month are all that keeps one from taking `size` bytes. */
bool placement_is_used_up(const struct placement_candidate *c, uint64_t size);

#endif
