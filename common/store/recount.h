/* SPDX-License-Identifier: MIT
 *
 * Counting anew what the counters of a backend are to say. Errors as in store.h.
 */
#ifndef STORE_RECOUNT_H
#define STORE_RECOUNT_H

#include "store/store.h"

/* What was added to the counters of a backend, all 0 when they were right. */
struct store_drift {
	int64_t used, reserved, orphaned; /* bytes: of copies, of writes under way, to be deleted */
	int64_t copies;
	int64_t free; /* bytes that had been lost from, or won for, the quota */
};

/* Makes the counters what the rows of the catalogue say, while others write. Reads all rows
 * of the backend, however long that takes. ERR_NOT_FOUND: the catalogue does not know it. */
enum err store_recount(struct store *s, struct str backend, struct store_drift *out,
                       struct error *e);

#endif
