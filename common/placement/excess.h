/* SPDX-License-Identifier: MIT
 *
 * Which of too many copies goes. Pure.
 */
#ifndef PLACEMENT_EXCESS_H
#define PLACEMENT_EXCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct placement_copy {
	const char *domain; /* of failure */
	bool leaving;       /* the backend is draining, or not configured: domain does not count */
	uint64_t limit, used; /* bytes; limit 0: unlimited, or not known */
};

/* What a copy is worth: 0 on a backend that it will leave anyway; else 2 and the free share
 * of the quota, without one 2.5. */
double placement_score(const struct placement_copy *c);

/* The copy to remove first: one on a backend that it leaves anyway, else one that shares its
 * failure domain with another one, if there is such; among these the one with the least
 * score, the later one if equal. n is not 0. */
size_t placement_excess(const struct placement_copy *copies, size_t n);

#endif
