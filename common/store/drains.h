/* SPDX-License-Identifier: MIT
 *
 * Drains: emptying a backend. From the moment a drain begins nothing new is committed to the
 * backend, whoever writes; a job moves what is there. The row stays when the backend is
 * empty, and keeps writes away, until it is cancelled. Errors as in store.h.
 */
#ifndef STORE_DRAINS_H
#define STORE_DRAINS_H

#include "store/store.h"

enum store_drain_state { DRAIN_NONE, DRAIN_DRAINING, DRAIN_DRAINED, DRAIN_FAILED };

struct store_drain {
	struct str backend;
	enum store_drain_state state;
	uint64_t objects_moved, bytes_moved; /* copies that have left */
	uint64_t objects_left, bytes_left;   /* copies that are there */
	struct str error;                    /* the last one; empty: none */
	struct str owner;                    /* instance that runs it; empty: none has yet */
	int64_t started, finished;           /* wall clock, 0: not yet */
};

/* ERR_CONFLICT: it is draining already. Another drain of the backend that is over begins
 * anew. Wakes the job. */
enum err store_drain_start(struct store *s, const char *backend, struct error *e);
/* What has moved stays where it is. ERR_NOT_FOUND: there is no drain. */
enum err store_drain_cancel(struct store *s, const char *backend, struct error *e);
/* All drains, or with a name only that of this backend. */
enum err store_drains(struct store *s, const char *backend, struct arena *a,
                      struct store_drain **out, size_t *n, struct error *e);

struct store_drain_preview {
	uint64_t copies, bytes;     /* that are there */
	uint64_t moves, move_bytes; /* of them: there are too few others */
};
/* What a drain would do. Reads all copies on the backend. */
enum err store_drain_preview(struct store *s, const char *backend, struct store_drain_preview *out,
                             struct error *e);

/* --- for the job -------------------------------------------------------------- */

/* Takes a drain to run: one of this instance, or whose owner was silent for grace_us.
 * *position is the last backend key of the round so far. An empty backend: nothing is to be
 * done now. */
enum err store_drain_claim(struct store *s, int64_t grace_us, struct arena *a, struct str *backend,
                           struct str *position, struct error *e);
/* More copies have left, or could not (error: why, or NULL). ERR_NOT_FOUND: the drain was
 * cancelled, or another daemon has it. */
enum err store_drain_progress(struct store *s, struct str backend, uint64_t objects, uint64_t bytes,
                              uint64_t failures, const char *error, struct error *e);
enum err store_drain_position(struct store *s, struct str backend, struct str position,
                              struct error *e);
/* All copies have been tried: is it over (s3o_end_drain_round)? DRAIN_NONE: as
 * ERR_NOT_FOUND above. *out gets state, error and objects_moved. */
enum err store_drain_end_round(struct store *s, struct str backend, struct arena *a,
                               struct store_drain *out, struct error *e);
/* How many there are, and when the next round begins, wall clock; 0: never. */
enum err store_drain_next(struct store *s, uint64_t *active, int64_t *next, struct error *e);

#endif
