/* SPDX-License-Identifier: MIT
 *
 * A body that ends with ERR_CONFLICT when the reaper has taken the intent of the
 * write that sends it, for instance because the database was away for long: its
 * space is not reserved any more, so no more bytes may flow.
 */
#ifndef OBJECT_GUARD_H
#define OBJECT_GUARD_H

#include "net/body.h"

struct store;
struct store_intent;

struct guard {
	struct body body;
	struct body *inner;
	struct store *store;
	const struct store_intent *intent;
};

/* Valid as long as all of its arguments; closes nothing. */
struct body *guard_init(struct guard *g, struct body *inner, struct store *s,
                        const struct store_intent *i);

#endif
