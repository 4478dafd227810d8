/* SPDX-License-Identifier: MIT
 *
 * Taking a backend out of the catalogue, with what it holds or without. Errors as in store.h.
 */
#ifndef STORE_REMOVAL_H
#define STORE_REMOVAL_H

#include "store/store.h"

struct store_holdings {
	uint64_t copies, bytes;
	uint64_t sole_copies, sole_bytes; /* of what is nowhere else */
};
/* Reads all copies on the backend. ERR_NOT_FOUND: the catalogue does not know it. */
enum err store_holdings(struct store *s, const char *backend, struct store_holdings *out,
                        struct error *e);

/* Nothing new is committed to the backend from now on. ERR_CONFLICT: it is draining. */
enum err store_close_backend(struct store *s, const char *backend, struct error *e);

/* Removes a copy, and queues the deletion of its bytes; with the only one of a segment the
 * object version or the upload that it is a part of. Nothing if it is not there. */
enum err store_purge_copy(struct store *s, int64_t segment, const char *backend, struct error *e);

/* Takes up to n copies out of the catalogue and leaves their bytes where they are. *gone is
 * how many there were. */
enum err store_forget_copies(struct store *s, const char *backend, int n, uint64_t *gone,
                             struct error *e);

/* Removes all that is known of a backend without copies. patient: deletions that have not
 * been tried yet are waited for. *forgotten: deletions that nobody will do any more. *done is
 * false when copies, writes or such deletions are left: try again later. */
enum err store_forget_backend(struct store *s, const char *backend, bool patient, bool *done,
                              uint64_t *forgotten, struct error *e);

#endif
