/* SPDX-License-Identifier: MIT
 *
 * Writing one segment, to one backend or several: reserve, send, and when all have it
 * commit; the next backend when one fails. All writes are made of this: an object has one
 * segment, a part is one, a copy has as many as its source. The bytes of a spool go to all
 * backends at once; others are read anew for each.
 */
#ifndef OBJECT_SEGMENT_H
#define OBJECT_SEGMENT_H

#include "object/engine_private.h"

struct segment_write;

/* One of its copies, on the backend that is tried now. */
struct segment_copy {
	struct segment_write *w;
	struct backend *backend;
	const struct store_intent *intent;
	struct backend_put put; /* the key is set */
};

struct segment_write {
	struct str bucket, key;  /* of the object */
	const char *generation;  /* of the object */
	int part;                /* > 0: part of the backend key */
	const char *attempt;     /* of the backend key; NULL: the first */
	int number;              /* in the object, for s3o-segment */
	struct str content_type; /* on the backend */
	const char *request_id;  /* for logs */
	int metric;              /* METRIC_WRITE_*, of fail-overs */
	struct spool *spool;     /* what is sent by segment_send_spool() */
	void *arg;               /* for the callbacks */

	int copies;              /* that are made before the commit, at least 1 */
	struct engine_held held; /* where copies are already: the new ones go elsewhere */
	const char *orphan;      /* why bytes that must not stay are deleted; NULL:
	                          * "orphan_record_failed" */

	/* Which of the backends that may take bytes count; NULL: all. */
	bool (*accepts)(const struct segment_write *w, const struct backend *b,
	                const struct placement_candidate *c);
	/* send lets the backend copy: bytes may appear for longer, see backend_copy_landing(). */
	bool is_native;
	/* Sends the bytes to c->put.key of the backend; may be called for several backends,
	 * of a spool also at once. */
	enum err (*send)(struct engine *g, struct arena *a, struct segment_copy *c,
	                 struct error *e);
	/* Makes the segment visible; shielded from cancellation. NULL: the intents stay
	 * open, and are the caller's. */
	enum err (*commit)(struct engine *g, struct segment_write *w, struct error *e);

	/* size and part are given, the rest is filled if it is not: an etag that is empty
	 * becomes the MD5 of the bytes, computed where that is cheapest. */
	struct store_new_segment s;

	/* out */
	struct store_intent *intents; /* those of s */
	const char *backend;          /* of the first copy */
	struct store_written written; /* by the commit */
	bool is_final;                /* the error: another backend would not help */
};

/* Errors as of engine_put(). On success the bytes are on the backend, and committed if
 * there is a commit. On any error nothing stays that nobody cleans up. */
enum err segment_write(struct engine *g, struct arena *a, struct segment_write *w, struct error *e);

/* From here on the segment goes to backend keys that were never used. */
void segment_new_attempt(struct arena *a, struct segment_write *w);

/* A callback to send a spool of w->s.size bytes. */
enum err segment_send_spool(struct engine *g, struct arena *a, struct segment_copy *c,
                            struct error *e);
/* Gives c->put type and metadata; segment_send_body() does. */
void segment_describe(struct arena *a, struct segment_copy *c);
/* Sends a body as long as the intent is there. Does not close it. */
enum err segment_send_body(struct engine *g, struct arena *a, struct segment_copy *c,
                           struct body *body, struct error *e);

/* What became of a commit of these intents that ended with r: unknown outcomes are
 * settled, and on any error nothing stays. *written is set when only settling tells that
 * it did happen. Shielded from cancellation by the caller. */
enum err segment_settle(struct engine *g, const struct store_intent *intents, size_t n,
                        const char *orphan, enum err r, struct store_written *written,
                        struct error *e);

#endif
