/* SPDX-License-Identifier: MIT
 *
 * See brake.h.
 */
#include "workerd/brake.h"

#include "base/clock.h"

#define MINUTE (60 * CLOCK_SEC)

int brake_allows(struct brake *b, int limit, int wanted, int64_t now)
{
	int left;

	if (b->since == 0 || now - b->since >= MINUTE)
		*b = (struct brake){.since = now};
	left = limit - b->used;
	if (limit == 0 || left >= wanted)
		return wanted;
	return left > 0 ? left : 0;
}

void brake_use(struct brake *b)
{
	b->used++;
}

int64_t brake_pause(const struct brake *b, int64_t now)
{
	return b->since + MINUTE - now;
}
