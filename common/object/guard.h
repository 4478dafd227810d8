/* SPDX-License-Identifier: MIT
 *
 * A body that ends with ERR_CONFLICT when the reaper has taken the intent of the
 * write that sends it, or may be about to because the database has been away for
 * long: no more bytes may flow, because nobody would look for them again.
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
