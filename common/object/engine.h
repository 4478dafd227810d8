/* SPDX-License-Identifier: MIT
 *
 * The object engine: how bytes and catalogue go together. Used by proxyd for
 * requests and by workerd for jobs; knows nothing of HTTP.
 */
#ifndef OBJECT_ENGINE_H
#define OBJECT_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include "backend/backend.h"
#include "base/arena.h"
#include "base/err.h"
#include "object/spool.h"
#include "store/store.h"
#include "store/uploads.h"

struct config;
struct engine;

struct engine *engine_new(const struct config *c, struct store *store,
                          const struct backend_set *backends);
void engine_free(struct engine **e);
struct spool_budget *engine_spool_budget(struct engine *e);

/* --- write --------------------------------------------------------------- */

/* Could as many backends as the bucket wants take an object of that size now?
 * ERR_NO_SPACE with a text naming each backend's space if not; ERR_USED_UP if the
 * limits of the month are in the way. A hint, asked before a body is read; waits for
 * the database only when it would refuse by a hint that is old. */
enum err engine_admit(struct engine *g, struct str bucket, uint64_t size, struct error *e);

struct engine_put {
	struct store_object object; /* etag: empty = take the MD5 of the bytes, computed where it
	                             * is cheapest; generation is made here */
	struct store_conditions conditions;
	struct spool *spool;    /* sealed; object.size bytes */
	const char *request_id; /* for logs */
	/* out */
	const char *backend; /* where it lies */
	struct store_written written;
};

/* Stores a new current version of a key: reserve, send, commit; the next backend
 * when one fails. On success the object is durable on a backend and in the
 * catalogue, and p->object.etag and .generation are filled. On any error nothing
 * stays that nobody cleans up. Cancellation of the task ends the sending, never
 * the book-keeping. ERR_NO_SPACE, ERR_USED_UP (as above), ERR_PRECONDITION, ERR_IO
 * (all backends failed), ERR_CONFLICT (the intent was reaped meanwhile, or no backend
 * takes anything: repeat), ERR_UNAVAILABLE, ERR_DB_UNCERTAIN, ERR_CANCELED ... */
enum err engine_put(struct engine *g, struct arena *a, struct engine_put *p, struct error *e);

struct engine_part {
	const struct store_upload *upload;
	struct store_part part; /* number, size, checksums; etag and sha256 as in an object */
	struct spool *spool;    /* sealed; part.size bytes */
	const char *request_id;
	/* out */
	const char *backend;
	int64_t modified;
};

/* Stores a part of an upload, in the same way. ERR_NO_UPLOAD: it has been completed or
 * aborted meanwhile. */
enum err engine_put_part(struct engine *g, struct arena *a, struct engine_part *p, struct error *e);

struct engine_copy {
	const struct store_version *source; /* with all of its segments */
	/* bucket, key, content_type, headers, metadata, tags, acl; all else is the source's */
	struct store_object object;
	struct store_conditions conditions;
	/* An enum checksum_kind: the object gets this checksum, and only this; -1: those of
	 * the source. */
	int checksum;
	const char *request_id;
	/* out */
	const char *source_backend, *backend; /* of the last segment */
	bool source_failed;                   /* the error: it cannot be read, look it up again */
	struct store_written written;
};

/* Makes a copy of a version the current one of a key, segment by segment, as engine_put()
 * does it and with its errors. Backends copy by themselves what they have already; all
 * else goes through here, and so does everything when the checksum cannot be had from
 * those of several segments. */
enum err engine_copy(struct engine *g, struct arena *a, struct engine_copy *c, struct error *e);

struct engine_part_copy {
	struct engine_part part;            /* upload, part.number, request_id; no spool */
	const struct store_version *source; /* with the segments that hold them: */
	uint64_t first, size;               /* bytes */
	int checksum;                       /* as above: that of the part */
	/* out, besides part.part and what is out of part */
	const char *source_backend;
	bool source_failed;
};

/* Makes a part of bytes of a version; errors as of engine_put_part(). */
enum err engine_copy_part(struct engine *g, struct arena *a, struct engine_part_copy *c,
                          struct error *e);

/* True when some backend signs the SHA-256 of what it is sent: then it is best
 * computed while the body comes in. */
bool engine_wants_sha256(const struct engine *g);

/* --- read ---------------------------------------------------------------- */

/* A body over bytes first..last (inclusive) of a version, whose segments at least those
 * bytes hold, or nothing when the version is empty: fails over between copies before and after the first byte,
 * goes from segment to segment. Opens the first piece at once, so that an error
 * can still be answered: ERR_NOT_FOUND when every copy is gone (the version may
 * just have been replaced: look it up again), ERR_USED_UP when only the limits of the
 * month keep the bytes from being read, ERR_IO otherwise. *backend gets the name of
 * the first copy's backend. The body lives outside the arena; the version and arena
 * must outlive it. */
enum err engine_read(struct engine *g, struct arena *a, const struct store_version *v,
                     uint64_t first, uint64_t last, struct body **out, const char **backend,
                     struct error *e);

#endif
