/* SPDX-License-Identifier: MIT
 *
 * What rebalancing would do now: for the job, and for whoever wants to know before.
 */
#ifndef WORKERD_REBALANCE_H
#define WORKERD_REBALANCE_H

#include "placement/plan.h"
#include "workerd/standing.h"

struct rebalance {
	struct standings standings; /* plan_move.from and .to are places in it */
	bool worthwhile;            /* else nothing is planned */
	struct plan_move *moves;
	size_t n;
};

/* Changes nothing. In the arena of the pass. */
enum err rebalance_plan(struct pass *p, struct rebalance *out, struct error *e);

#endif
