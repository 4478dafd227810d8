/* SPDX-License-Identifier: MIT
 *
 * One more copy of a segment, or a copy on another backend instead of one that is to go:
 * what replication, rebalancing and drains have in common.
 */
#ifndef OBJECT_REPLICA_H
#define OBJECT_REPLICA_H

#include "object/engine.h"
#include "store/copies.h"

struct engine_replica {
	const struct store_held *segment;
	const char *from;       /* the backend whose copy goes; NULL: none does */
	const char *reason;     /* why, for the clean-up queue */
	const char *orphan;     /* the same for bytes that must not stay */
	const char *to;         /* the only backend that may get it; NULL: any */
	bool new_domain;        /* only a failure domain that has no copy is of use */
	const char *request_id; /* for logs */
	/* out */
	const char *source, *target; /* backends */
	bool source_failed;          /* the error: no copy can be read */
};

/* The bytes are compared with the MD5 or SHA-256 that the catalogue has of them, unless
 * integrity.verify_on_replicate is off: a damaged copy is never multiplied. Errors:
 *   ERR_NO_SPACE      no backend may take it
 *   ERR_PRECONDITION  the segment or its copies are others by now: look again
 *   ERR_NOT_FOUND, ERR_PROTOCOL ...   as of engine_read() with source_failed: no copy that
 *                     could be read is what it should be; else of the last backend
 * On any error nothing stays that nobody cleans up. */
enum err engine_replicate(struct engine *g, struct arena *a, struct engine_replica *r,
                          struct error *e);

#endif
