/* SPDX-License-Identifier: MIT
 *
 * What becomes of a key that a backend has and the catalogue does not know, and of a copy
 * that the catalogue has and the backend does not list.
 */
#ifndef WORKERD_FOUND_H
#define WORKERD_FOUND_H

#include <jansson.h>
#include "backend/backend.h"
#include "store/copies.h"
#include "store/reconcile.h"
#include "workerd/job.h"

/* What a comparison has counted; names as in its result, see s3-orchestrator(7). */
#define FOUND_COUNTS(X)                                                                            \
	X(listed)   /* keys of the backend */                                                      \
	X(imported) /* objects of others, that are in the catalogue now, */                        \
	X(bytes_imported)                                                                          \
	X(skipped)      /* or not, because their key has a version, or they are too new */         \
	X(foreign)      /* or because there is no such bucket, or it cannot be a key */            \
	X(adopted)      /* copies of ours that are in the catalogue again, */                      \
	X(unproven)     /* that may be the bytes of a part without a copy */                       \
	X(orphans)      /* that nobody needs: deleted, */                                          \
	X(orphans_kept) /* or not yet */                                                           \
	X(removed)      /* copies that are not there: out of the catalogue, */                     \
	X(lost)         /* or not: there is no other copy */                                       \
	X(size_differs) /* copies, which will be looked at */                                      \
	X(errors)       /* of single keys */

struct found_counts {
#define X(name) uint64_t name;
	FOUND_COUNTS(X)
#undef X
};

struct comparison {
	struct pass *pass;
	struct backend *backend;
	const char *bucket; /* of a sync: where objects of others go. NULL: reconciliation */
	bool dry_run;
	int64_t began; /* wall clock */
	struct found_counts counts;
	json_t *told;             /* of a dry run: {"what", "key", "size"} of each difference */
	struct error fatal;       /* what ends all of it; ERR_OK: nothing */
	struct error interrupted; /* what has kept keys from being dealt with; likewise */
};

/* Keys of the backend that are not among its copies. Parks. */
enum err found_keys(struct comparison *c, const struct backend_info *list, size_t n,
                    struct error *e);
/* Copies on the backend that it does not list. Parks. */
void found_missing(struct comparison *c, const struct store_located *list, size_t n);
/* A copy of another size than it has on the backend. */
void found_resized(struct comparison *c, const struct store_located *copy, uint64_t size);

#endif
