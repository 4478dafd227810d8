/* SPDX-License-Identifier: MIT
 *
 * The brake on mass deletion, safety.max_deletes_per_minute: what a mistake has put into the
 * clean-up queue is deleted so slowly that somebody can notice. Counted by this process,
 * which is the only one while it holds the lock of the job.
 */
#ifndef WORKERD_BRAKE_H
#define WORKERD_BRAKE_H

#include <stdint.h>

struct brake {
	int64_t since; /* when the minute began, monotonic; 0: none has */
	int used;      /* deletions since */
};

/* How many of so many deletions may be made now; limit 0: all. */
int brake_allows(struct brake *b, int limit, int wanted, int64_t now);
void brake_use(struct brake *b);
/* Microseconds until the next minute begins. */
int64_t brake_pause(const struct brake *b, int64_t now);

#endif
