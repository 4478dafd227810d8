/* SPDX-License-Identifier: MIT
 *
 * What the files of the engine share.
 */
#ifndef OBJECT_ENGINE_PRIVATE_H
#define OBJECT_ENGINE_PRIVATE_H

#include "config/config.h"
#include "object/engine.h"
#include "placement/placement.h"

struct engine {
	const struct config *config;
	struct store *store;
	const struct backend_set *backends;
	struct spool_budget budget;
};

/* Backends that have copies of the bytes already. */
struct engine_held {
	const struct store_copy *copies;
	size_t n_copies;
	const struct store_intent *intents; /* will be copies; without a backend: not yet */
	size_t n_intents;
};

/* All backends as candidates for a new copy of `size` bytes, the eligible ones
 * first, in the order to try them. c has room for all; returns how many are
 * eligible. */
size_t engine_candidates(struct engine *g, uint64_t size, const struct engine_held *held,
                         struct placement_candidate *c);
/* Whether it has room for that, as far as is known now. */
bool engine_has_room(const struct placement_candidate *c, uint64_t size);
/* The error when none of them is: ERR_USED_UP if one would be but for the limits of the
 * month, else ERR_NO_SPACE. */
enum err engine_none_eligible(const struct engine *g, uint64_t size,
                              const struct placement_candidate *c, const char *text,
                              struct error *e);

#endif
