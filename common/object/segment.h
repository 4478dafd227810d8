/* SPDX-License-Identifier: MIT
 *
 * Writing one segment: reserve, send, commit; the next backend when one fails. All
 * writes are made of this: an object has one segment, a part is one, a copy has as many
 * as its source.
 */
#ifndef OBJECT_SEGMENT_H
#define OBJECT_SEGMENT_H

#include "object/engine_private.h"

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

	/* Sends the bytes to put->key of the backend, with the metadata that *put has
	 * already; may be called for several backends. w->s.intents is that of this one. */
	enum err (*send)(struct engine *g, struct arena *a, struct segment_write *w,
	                 struct backend *b, struct backend_put *put, struct error *e);
	/* Makes the segment visible; shielded from cancellation. NULL: the intent stays
	 * open, and is the caller's. */
	enum err (*commit)(struct engine *g, struct segment_write *w, struct error *e);

	/* size and part are given, the rest is filled if it is not: an etag that is empty
	 * becomes the MD5 of the bytes, computed where that is cheapest. */
	struct store_new_segment s;

	/* out */
	struct store_intent intent;
	const char *backend;
};

/* Errors as of engine_put(). On success the bytes are on the backend, and committed if
 * there is a commit. On any error nothing stays that nobody cleans up. */
enum err segment_write(struct engine *g, struct arena *a, struct segment_write *w, struct error *e);

/* A callback to send a spool of w->s.size bytes. */
enum err segment_send_spool(struct engine *g, struct arena *a, struct segment_write *w,
                            struct backend *b, struct backend_put *put, struct error *e);
/* Sends a body as long as the intent is there. Does not close it. */
enum err segment_send_body(struct engine *g, struct arena *a, struct segment_write *w,
                           struct backend *b, struct backend_put *put, struct body *body,
                           struct error *e);

/* Ends an intent whose bytes must not stay; sent_any: some may have reached the backend. */
void segment_give_up(struct engine *g, const struct store_intent *i, bool sent_any);

#endif
