/* SPDX-License-Identifier: MIT
 *
 * Long jobs that were asked for: a row each, which any workerd runs, and another one goes on
 * with when its owner dies. Errors as in store.h.
 */
#ifndef STORE_REQUESTS_H
#define STORE_REQUESTS_H

#include "store/store.h"

struct store_request {
	int64_t id;
	struct str kind, target;              /* e.g. "remove", a backend */
	struct str state;                     /* requested, running, done, failed, cancelled */
	struct str owner;                     /* instance that runs it; empty: none has yet */
	struct str params;                    /* JSON; only of a claim */
	struct str progress, result;          /* JSON, or empty */
	int64_t requested, started, finished; /* wall clock, 0: not yet */
	bool reclaimed;                       /* by store_request_claim(): it was begun before */
};

/* params: a JSON object. ERR_CONFLICT: there is one of that kind and target already. Wakes
 * the job whose slug is the kind. */
enum err store_request_add(struct store *s, const char *kind, const char *target,
                           const char *params, int64_t *id, struct error *e);
/* The oldest of a kind that nobody runs, or whose owner was silent for grace_us; else
 * ERR_NOT_FOUND. */
enum err store_request_claim(struct store *s, const char *kind, int64_t grace_us, struct arena *a,
                             struct store_request *out, struct error *e);
/* A sign of life, and a JSON object. ERR_NOT_FOUND: it was cancelled, or taken over. */
enum err store_request_progress(struct store *s, int64_t id, const char *progress, struct error *e);
enum err store_request_end(struct store *s, int64_t id, bool ok, const char *result,
                           struct error *e);
/* The newest n, or with an id only that. */
enum err store_requests(struct store *s, int64_t id, int n, struct arena *a,
                        struct store_request **out, size_t *n_out, struct error *e);

#endif
