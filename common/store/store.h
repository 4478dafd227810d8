/* SPDX-License-Identifier: MIT
 *
 * The catalogue. Everything that must be true together happens in one call,
 * which is one SQL function or statement (sql/functions, sql/queries):
 *
 *   used + reserved + orphaned <= limit   per backend, at every instant
 *   used = SUM(object_locations.size_bytes)
 *   reserved = SUM(pending_objects.size_bytes)
 *   orphaned = SUM(cleanup_queue.size_bytes) + SUM(cleanup_dlq.size_bytes)
 *
 * A write: store_reserve (intent in, quota reserved) -> bytes to the backend ->
 * store_commit (copy in, intent out, reserved to used, what it replaces to the
 * clean-up queue). If anything fails between, store_abandon or the reaper moves
 * the intent to the clean-up queue: an intent never becomes an object.
 *
 * Errors of every call: ERR_UNAVAILABLE, ERR_DB_BUSY and ERR_DB_REFUSED (nothing
 * happened), ERR_CANCELED, and for calls that change something ERR_DB_UNCERTAIN. Calls of the
 * writing section are not ended by cancellation once they have begun. Keys are UTF-8
 * without NUL (else ERR_INVALID). Strings in results live in the arena that was given.
 *
 * What is queued for deletion wakes the job "cleanup_queue" by itself, what has fewer copies
 * than the configuration wants the job "replication".
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/str.h"

struct config;
struct db;
struct db_blocking;
struct store;

/* instance names this process in intents and claims, e.g. "host:pid:random". The
 * configuration outlives the store. */
struct store *store_new(struct db *db, const struct config *c, const char *instance);
void store_free(struct store **s);
const char *store_instance(const struct store *s);

/* Blocking, at start, after the migrations: writes buckets, backends and their quota
 * limits of the configuration into the database. */
enum err store_sync_config(struct db_blocking *db, const struct config *c, struct error *e);

/* --- writing ------------------------------------------------------------- */

#define STORE_INTENT_SIZE ULID_SIZE

struct store_intent {
	char id[STORE_INTENT_SIZE];
	const char *backend;    /* name; outlives the intent */
	struct str backend_key; /* where the bytes go; never written before */
	uint64_t size;          /* bytes on the backend */
	int64_t landing;        /* microseconds after the writer's last sign of life in which
	                         * bytes may still arrive; 0: server.backend_timeout */
	size_t place;           /* private: among those that are renewed */
};

/* Writes the intent and reserves its size on the backend, in one transaction.
 * The caller fills what is not made here: all but id and place.
 * ERR_NO_SPACE: would exceed the quota. ERR_CONFLICT: the backend is draining or
 * unknown. From success on the intent is renewed in the background until
 * store_commit, store_settle, store_abandon or store_cancel. */
enum err store_reserve(struct store *s, struct str bucket, struct str key, struct store_intent *i,
                       struct error *e);

/* Has a renewal found that the intent is not there any more, or has none succeeded
 * for so long that the reaper may come before the bytes that are sent now? Only
 * while it is renewed; then its space need not be reserved any more. */
bool store_intent_is_gone(const struct store *s, const struct store_intent *i);

/* The bytes must not stay: the intent becomes a row of the clean-up queue with
 * that reason; its reservation becomes orphaned bytes. Also right when nothing was
 * sent yet. When the reaper was quicker its row is put off, or another one is
 * added if that has been worked off, perhaps before the bytes came. landing: the
 * backend has not said how the write ended, so bytes may still arrive there, and
 * they are deleted only after i->landing. If the database does not answer the intent
 * is forgotten, and the reaper does the same later. */
void store_abandon(struct store *s, const struct store_intent *i, const char *reason, bool landing);

/* Nothing ever reached the backend: intent and reservation just go. */
void store_cancel(struct store *s, const struct store_intent *i);

/* A version id, or "null", or "" where there is no versioning. */
#define STORE_VERSION_SIZE ULID_SIZE

/* What is known of an object version but where its bytes are. */
struct store_object {
	struct str bucket, key;
	struct str bucket_owner; /* see store_commit(); not stored */
	char generation[ULID_SIZE];
	uint64_t size;   /* plaintext */
	struct str etag; /* without quotes */
	struct str content_type;
	struct str_pair *headers; /* Cache-Control, Content-Disposition, ... lower-case names */
	size_t n_headers;
	struct str_pair *metadata; /* without x-amz-meta-, lower case */
	size_t n_metadata;
	struct str_pair *tags;
	size_t n_tags;
	/* "CRC32C" -> as S3 writes it: base64, of a composite one with "-N". */
	struct str_pair *checksums;
	size_t n_checksums;
	struct str sha256; /* lower-case hex of the plaintext, or empty */
	struct str acl;    /* canned, e.g. "public-read"; empty: private */
	int parts;         /* of the upload that made it, 0: none did; each is a segment */
};

/* A segment whose bytes have been written. */
struct store_new_segment {
	uint64_t size;                    /* plaintext */
	struct str etag;                  /* MD5 in hex */
	struct str sha256;                /* hex, or empty */
	const struct str_pair *checksums; /* as of an object */
	size_t n_checksums;
	int part;                           /* number, 0: not of an upload */
	const struct store_intent *intents; /* each becomes a copy; one at least */
	size_t n_intents;
};

struct store_conditions {
	bool if_none_match_any; /* If-None-Match: * */
	struct str if_match;    /* ETag without quotes, "*", or empty */
};

/* What a write has made. */
struct store_written {
	int64_t modified;                    /* microseconds since 1970 */
	char version_id[STORE_VERSION_SIZE]; /* for the client; "": tell nothing */
};

/* Makes the object current, its bytes being the segments in order. All intents must be
 * of this object. The bucket must belong to o->bucket_owner, the access key that had
 * created it when the request was admitted: another bucket of the same name is not meant.
 * Empty: one of the configuration, which stays. So it is wherever an owner is asked for.
 * ERR_PRECONDITION, ERR_NOT_FOUND (If-Match on a missing key), ERR_NO_BUCKET;
 * ERR_CONFLICT: an intent is gone (the reaper had it) or its backend has begun to drain:
 * the caller abandons its intents and may start again. On
 * ERR_DB_UNCERTAIN the caller must neither answer success nor delete the bytes:
 * store_settle. What it replaces is queued for deletion, unless the bucket keeps
 * versions. */
enum err store_commit(struct store *s, const struct store_object *o,
                      const struct store_conditions *cond, const struct store_new_segment *segments,
                      size_t n, struct store_written *out, struct error *e);

/* What became of a commit (of an object or a part) that ended with ERR_DB_UNCERTAIN? Its
 * intents are abandoned if they are still there, so that the commit cannot happen any
 * more, for instance after a later write of the same key that was acknowledged. ERR_OK:
 * it did happen, *out is what it has made (of a part only the time). ERR_UNAVAILABLE: it
 * did not and will not. ERR_DB_UNCERTAIN: unknown; the intents, if any, are the reaper's. */
enum err store_settle(struct store *s, const struct store_intent *intents, size_t n,
                      struct store_written *out, struct error *e);

/* One key or version to be deleted. */
struct store_deletion {
	struct str key;
	struct str version;            /* id, or "null"; empty: the key itself */
	struct str if_match;           /* as in store_conditions, of that version */
	const struct store_aged *seen; /* only this version, with these tags, else
	                                * ERR_CONFLICT; NULL: any */
	/* out */
	struct error result;                 /* ERR_OK also when nothing was there */
	bool is_marker;                      /* a delete marker is gone, or was made */
	char version_id[STORE_VERSION_SIZE]; /* which went, or that of the new marker; "" none */
	uint64_t copies;                     /* that were queued for deletion */
	/* private */
	char generation[ULID_SIZE], marker[ULID_SIZE];
	uint64_t segments;
	bool done;
};

/* Deletes up to 1000 keys or versions of one bucket, some of them in each transaction: no
 * more than others may wait for, or PostgreSQL has locks for. Without a version id the
 * current version goes, or, in a bucket with versioning, a delete marker hides the key.
 * Copies go to the clean-up queue (reason "object_deleted"). An error concerns all of
 * them; else each has its result, also that of an error which came when others were
 * done: ERR_PRECONDITION, ERR_NOT_FOUND (if_match, and nothing is there), ERR_NO_BUCKET,
 * ERR_CONFLICT (others write the key all the time). After ERR_DB_UNCERTAIN it may still
 * happen, but never to a version that is written later. */
enum err store_delete(struct store *s, struct str bucket, struct str owner,
                      struct store_deletion *items, size_t n, struct error *e);

/* --- reading ------------------------------------------------------------- */

struct store_copy {
	struct str backend;
	struct str backend_key;
	uint64_t size; /* bytes on the backend */
};

struct store_segment {
	int64_t id;
	int number;                /* from 1 */
	uint64_t start;            /* offset of its first byte in the object */
	uint64_t size;             /* plaintext */
	struct store_copy *copies; /* oldest first */
	size_t n_copies;
	struct str_pair *checksums; /* of a part, when only that was wanted; else none */
	size_t n_checksums;
};

struct store_version {
	struct store_object o;
	char version_id[STORE_VERSION_SIZE]; /* for the client; "": tell nothing */
	bool is_marker;                      /* a delete marker: there is no object */
	int64_t modified;                    /* microseconds since 1970 */
	struct store_segment *segments;      /* in order; none when only the head was asked for */
	size_t n_segments;
};

/* Which segments are wanted: all (NULL), those with bytes first to last, or a part. */
struct store_wanted {
	int64_t first; /* < 0: that many at the end of the object */
	int64_t last;  /* inclusive; INT64_MAX: to the end */
	int part;      /* > 0: only that part; first and last do not count */
};

/* A version of a key: "" the current one, "null", or an id. ERR_NOT_FOUND when there is
 * none, and also for a delete marker: then out->is_marker is set, with version_id and
 * modified. */
enum err store_find(struct store *s, struct str bucket, struct str key, struct str version,
                    struct arena *a, struct store_version *out, struct error *e);
/* The same with segments and their copies. */
enum err store_find_copies(struct store *s, struct str bucket, struct str key, struct str version,
                           const struct store_wanted *wanted, struct arena *a,
                           struct store_version *out, struct error *e);

/* What a segment, or a part of an open upload, is, without where it lies. */
struct store_part {
	int number; /* of the part; of a segment that was none its position */
	int64_t segment;
	uint64_t size;
	struct str etag, sha256;
	struct str_pair *checksums;
	size_t n_checksums;
	int64_t modified; /* of a part of an open upload */
};
/* Those of a version with part numbers greater than `after`, at most n of them. */
enum err store_segments(struct store *s, const struct store_object *o, int after, int n,
                        struct arena *a, struct store_part **out, size_t *n_out, struct error *e);

/* A read of several segments of that generation is under way until it ends, and may go on
 * for long: when the version is replaced or deleted meanwhile, its bytes stay. */
void store_read_begins(struct store *s, const char *generation);
void store_read_ends(struct store *s, const char *generation);

struct store_listed {
	struct str key;
	struct str etag;
	uint64_t size;
	int64_t modified;
};

/* Up to n keys in byte order with the prefix, not less than `from`; fewer only when there
 * are no more. With a delimiter (empty: none) most keys of a group, which are equal up
 * to the first one after the prefix, are left out, but not its first. Cost is
 * independent of how far into the bucket `from` is and of the size of groups. */
enum err store_list(struct store *s, struct str bucket, struct str prefix, struct str delimiter,
                    struct str from, int n, struct arena *a, struct store_listed **out,
                    size_t *n_out, struct error *e);

/* --- space --------------------------------------------------------------- */

struct store_space {
	struct str backend;
	uint64_t limit; /* 0: unlimited */
	uint64_t used, reserved, orphaned;
	uint64_t objects; /* copies */
	bool draining;
};
/* All backends that the database knows. Exact. */
enum err store_space(struct store *s, struct arena *a, struct store_space **out, size_t *n,
                     struct error *e);
/* The last known space, refreshed in the background about once a second while
 * writes happen, and what this process has reserved since: a hint for placement;
 * store_reserve is what decides. Returned array belongs to the store, valid until
 * the caller waits. */
const struct store_space *store_space_hint(struct store *s, size_t *n);
/* Reads the hint anew, for who would be refused by the one that is known. Waits.
 * False: the database does not tell. */
bool store_space_renew(struct store *s);
/* Sets the gauges of space in the metrics, not more often than once a second.
 * Parks for a second at most: then the last known values stay. */
void store_refresh_gauges(struct store *s);

/* Which folder a backend of type directory is. */
#define STORE_FOLDER_ID_SIZE 64
struct store_folder {
	char id[STORE_FOLDER_ID_SIZE]; /* "": none is recorded */
	uint64_t copies;               /* on that backend */
};
/* ERR_NOT_FOUND: the database does not know the backend (yet). */
enum err store_folder(struct store *s, const char *backend, struct store_folder *out,
                      struct error *e);
/* Records an id unless there is one; *out is what is recorded now. ERR_NOT_FOUND as
 * above. */
enum err store_claim_folder(struct store *s, const char *backend, const char *id,
                            struct store_folder *out, struct error *e);

/* --- clean-up queue ------------------------------------------------------ */

#define STORE_CLEANUP_ATTEMPTS 10

struct store_cleanup {
	int64_t id;
	struct str backend, backend_key, reason;
	uint64_t size;
	int attempts;
	bool reclaimed; /* taken over from a claim older than the grace period */
};

/* Claims up to n due rows for this instance (FOR UPDATE SKIP LOCKED), but none of
 * the n_avoid backends in avoid. */
enum err store_cleanup_claim(struct store *s, int n, int64_t grace_us, const char *const *avoid,
                             size_t n_avoid, struct arena *a, struct store_cleanup **out,
                             size_t *n_out, struct error *e);
/* The bytes are gone: row out, orphaned bytes given back, in one statement. */
enum err store_cleanup_done(struct store *s, int64_t id, struct error *e);
/* Try again after min(1 min * 2^attempts, 24 h); the tenth failure moves the
 * row to cleanup_dlq (*dead), its bytes still counted as orphaned. */
enum err store_cleanup_failed(struct store *s, const struct store_cleanup *c, const char *error,
                              bool *dead, struct error *e);
/* Gives back a claim without having tried: not an attempt. Due again after the
 * delay, 0 for at once (on shutdown). */
enum err store_cleanup_postpone(struct store *s, int64_t id, int64_t delay_us, struct error *e);

struct store_depths {
	uint64_t cleanup_queue, cleanup_dlq, intents;
	uint64_t uploads;     /* in parts, open */
	int64_t next_cleanup; /* when the next row is due, wall clock; 0: none */
};
enum err store_depths(struct store *s, struct store_depths *out, struct error *e);

/* --- intents left behind ------------------------------------------------- */

/* Moves up to n intents that nobody has renewed for min_age to the clean-up
 * queue (reason "intent_expired"), due server.backend_timeout after the last
 * renewal. *moved counts them. */
enum err store_reap(struct store *s, int64_t min_age_us, int n, uint64_t *moved, struct error *e);

/* --- jobs ---------------------------------------------------------------- */

/* Announces to all workerds that a job has something to do (NOTIFY s3o_jobs,
 * payload = slug). Collected and sent a few milliseconds later; loses nothing
 * that matters when the process dies, because of the ticker. */
void store_wake(struct store *s, const char *slug);

struct store_job_health {
	struct str name;
	int64_t last_success, last_failure; /* wall clock, 0: never */
	struct str last_error;
	uint64_t consecutive_failures;
};
enum err store_job_record(struct store *s, const char *name, bool ok, const char *error,
                          struct error *e);
enum err store_job_list(struct store *s, struct arena *a, struct store_job_health **out, size_t *n,
                        struct error *e);

#endif
