/* SPDX-License-Identifier: MIT
 *
 * Uploads in parts. A part is a segment: reserved, written and committed like an object
 * (store.h), so it is counted and cleaned up in the same way. Completing an upload names
 * its segments in order and moves no bytes.
 *
 * An upload belongs to a bucket and a key; asked for under another one it does not exist
 * (ERR_NO_UPLOAD). Other errors as in store.h.
 */
#ifndef STORE_UPLOADS_H
#define STORE_UPLOADS_H

#include "store/store.h"

#define STORE_UPLOAD_ID_SIZE ULID_SIZE

struct store_upload {
	char id[STORE_UPLOAD_ID_SIZE];
	/* What the object will be: bucket, key, generation, content_type, headers, metadata,
	 * tags, acl. The rest comes with completion. */
	struct store_object o;
	struct str algorithm; /* of checksums, "CRC32C"; empty: none was asked for */
	struct str type;      /* "COMPOSITE" or "FULL_OBJECT"; empty without algorithm */
	struct str owner;     /* access key */
	int64_t created;      /* microseconds since 1970 */
};

/* Begins an upload; id and generation are made here. max: of open ones in the bucket, 0:
 * no bound. ERR_BUSY: there are so many, ERR_NO_BUCKET. */
enum err store_upload_create(struct store *s, struct store_upload *u, int max, struct error *e);
/* ERR_NO_UPLOAD. */
enum err store_upload_find(struct store *s, struct str bucket, struct str key, struct str id,
                           struct arena *a, struct store_upload *out, struct error *e);

/* Makes a segment that has been written the part `segment->part`; an older one of that
 * number is queued for deletion. ERR_NO_UPLOAD and, as of store_commit(), ERR_CONFLICT
 * and ERR_DB_UNCERTAIN. */
enum err store_part_commit(struct store *s, const struct store_upload *u,
                           const struct store_new_segment *segment, int64_t *modified,
                           struct error *e);
/* Parts with numbers greater than `after`, at most n of them, in order. */
enum err store_parts(struct store *s, const struct store_upload *u, int after, int n,
                     struct arena *a, struct store_part **out, size_t *n_out, struct error *e);

/* The n oldest of the uploads that were begun more than age_us ago: id, bucket and key. *total
 * is how many there are, not counted beyond 10,000. */
enum err store_upload_stale(struct store *s, int64_t age_us, int n, struct arena *a,
                            struct store_upload **out, size_t *n_out, uint64_t *total,
                            struct error *e);

/* Makes the object of the given segments. Of o count etag and checksums; its size is
 * theirs. ERR_CONFLICT: one of them is not part of the upload any more, look again.
 * ERR_NO_UPLOAD: see store_upload_completed(). Conditions as of store_commit(). After
 * ERR_DB_UNCERTAIN repeat it: it happens once at most. */
enum err store_upload_complete(struct store *s, const struct store_upload *u,
                               const int64_t *segments, size_t n, const struct store_object *o,
                               const struct store_conditions *cond, struct store_written *out,
                               struct error *e);
/* What completing has made, for a day afterwards: etag and checksums of *o. */
enum err store_upload_completed(struct store *s, struct str bucket, struct str key, struct str id,
                                struct arena *a, struct store_object *o, struct store_written *out,
                                struct error *e);
/* Ends the upload; its parts are queued for deletion. *copies counts them. */
enum err store_upload_abort(struct store *s, struct str bucket, struct str key, struct str id,
                            uint64_t *copies, struct error *e);

/* Open uploads of a bucket with the prefix, behind (key, id), in order of both: at most
 * n of them. Of an upload id, key, created, owner, algorithm and type are filled. */
enum err store_upload_list(struct store *s, struct str bucket, struct str prefix, struct str key,
                           struct str id, int n, struct arena *a, struct store_upload **out,
                           size_t *n_out, struct error *e);

#endif
