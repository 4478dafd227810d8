/* SPDX-License-Identifier: MIT
 *
 * How the backends stand at this moment, for jobs that ask where copies are needed, where
 * they can go, and which ones count.
 */
#ifndef WORKERD_STANDING_H
#define WORKERD_STANDING_H

#include "store/copies.h"
#include "workerd/job.h"

struct backend;

struct standing {
	struct backend *backend;
	const char *domain;          /* of failure */
	bool draining;               /* or drained: nothing new goes there */
	bool ill;                    /* its breaker is not closed */
	bool written_off;            /* for so long that its copies do not count any more */
	uint64_t limit, used, other; /* bytes; limit 0: unlimited; other: reserved and orphaned */
};

struct standings {
	struct standing *list; /* one for each backend, in the order of the configuration */
	size_t n;
	int64_t due; /* wall clock: when another one is written off, unless it recovers; 0 */
};

/* Asks the database who is draining. In the arena of the pass. */
enum err standings_load(struct pass *p, struct standings *out, struct error *e);

/* Does a copy there count: will it stay? */
bool standing_counts(const struct standing *s);
/* NULL: the backend is not configured. */
const struct standing *standing_of(const struct standings *all, struct str backend);

/* Copies that count, and the failure domains in which they are. */
struct presence {
	int copies, domains;
};
struct presence presence_of(const struct standings *all, const struct store_held *h);
/* The same if there were a copy everywhere: more cannot be had. */
struct presence presence_possible(const struct standings *all);

/* Those that count, in the arena of the pass. */
struct store_wanted_copies standings_wanted(struct pass *p, const struct standings *all);
struct store_counted standings_counting(struct pass *p, const struct standings *all);

#endif
