/* SPDX-License-Identifier: MIT
 *
 * A backend: a place that stores bytes under keys. Two implementations, "s3"
 * (any S3-compatible endpoint) and "directory" (a local folder). Keys are
 * catalogue keys such as "photos/cat.jpg~01J..."; the backend's own bucket is
 * its configuration's business.
 *
 * All calls wait (tasks only). Errors say what to do next:
 *   ERR_NOT_FOUND    the key is not there (deleting: success for most callers).
 *                    A missing *bucket* is ERR_IO, never this
 *   ERR_NO_SPACE     the backend is full (507, QuotaExceeded, ENOSPC ...)
 *   ERR_TOO_LARGE    the backend refuses an object of that size
 *   ERR_RANGE        416
 *   ERR_BUSY         429 or 503 SlowDown after one retry
 *   ERR_CONGESTED    all connections to it are in use here: nothing was sent
 *   ERR_DENIED       401 or 403
 *   ERR_UNSUPPORTED  501 or 405
 *   ERR_TIMEOUT, ERR_IO, ERR_PROTOCOL   the outcome of a write is unknown
 *   ERR_UNAVAILABLE  nothing was sent: the breaker is open, or a folder is not
 *                    open yet and the catalogue cannot tell which it has to be
 *   ERR_CANCELED
 */
#ifndef BACKEND_BACKEND_H
#define BACKEND_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "net/body.h"

struct config;
struct config_backend;
struct backend;
struct breaker;
struct store;
struct usage;

struct backend_put {
	struct str key;
	struct body *body; /* size known; read, not closed */
	struct str content_type;
	const struct str_pair *metadata; /* sent as x-amz-meta-<name> */
	size_t n_metadata;
	struct str sha256; /* lower-case hex of the bytes, or empty when unknown: a
	                    * signed payload is used where the backend wants one */
	/* out */
	char etag_md5[33];  /* lower-case hex MD5 of the bytes as the backend
	                     * computed it; "" when it did not */
	bool sent_any;      /* bytes may lie there although the call failed */
	bool source_failed; /* the error came from reading `body` */
};

/* Cache-Control, Content-Disposition, -Encoding, -Language, Expires. */
#define BACKEND_HEADERS_MAX 5

struct backend_get {
	struct str key;
	bool ranged; /* then bytes first..last, inclusive */
	uint64_t first, last;
	/* out */
	struct body *body; /* of exactly the range's (or object's) size: the
	                    * implementation checks status, Content-Range and length.
	                    * The caller closes it */
	uint64_t object_size;
};

struct backend_info {
	uint64_t size;
	int64_t modified;          /* microseconds since 1970, 0 when unknown */
	struct str key;            /* list only; what follows is of head only */
	struct str_pair *metadata; /* without the prefix, lower case */
	size_t n_metadata;
	struct str content_type;
	struct str_pair headers[BACKEND_HEADERS_MAX]; /* what else goes back to readers: */
	size_t n_headers;                             /* "cache-control" ... */
	struct str etag;   /* as the backend tells it, without quotes; may be empty */
	char etag_md5[33]; /* as in struct backend_put */
};

struct backend_list {
	struct str prefix, after; /* keys > after, byte order */
	int max;                  /* at most 1000 */
	/* out, in the arena */
	struct backend_info *items;
	size_t n_items;
	bool more;
};

struct backend_ops {
	enum err (*put)(struct backend *b, struct arena *a, struct backend_put *p, struct error *e);
	enum err (*copy)(struct backend *b, struct arena *a, struct str from, uint64_t size,
	                 struct backend_put *p, struct error *e); /* with copy_max */
	enum err (*get)(struct backend *b, struct arena *a, struct backend_get *g, struct error *e);
	enum err (*head)(struct backend *b, struct arena *a, struct str key,
	                 struct backend_info *out, struct error *e);
	enum err (*remove)(struct backend *b, struct arena *a, struct str key, struct error *e);
	enum err (*list)(struct backend *b, struct arena *a, struct backend_list *l,
	                 struct error *e);
	const char *(*fault)(const struct backend *b); /* optional */
	void (*free)(struct backend *b);
};

/* First member of every implementation. */
struct backend {
	const struct backend_ops *ops;
	const struct config_backend *config;
	const char *name;        /* = config->name */
	int index;               /* in the configuration, for metrics and the board */
	int64_t timeout_us;      /* server.backend_timeout: to the answer's head, and for each
	                          * wait without progress in a body */
	struct breaker *breaker; /* in shared memory; NULL: none */
	struct usage *usage;     /* likewise; see backend_set_count() */
	uint64_t copy_max;       /* bytes that it copies by itself; 0: it cannot, or has said so */
};

/* The backends of a configuration, in its order. breakers points to n shared
 * breakers (see breaker.h) or is NULL. Nothing is connected to and no disk waited
 * for: errors name a backend and the key that is wrong. Folders are opened, on
 * first use created, and tried out (writable, extended attributes) by tasks of
 * their own, again and again if that fails; calls wait for the first attempt, then
 * fail with its error. The store knows which folder belongs to a backend and must
 * outlive the set; NULL: any is right. Tasks only. */
struct backend_set {
	struct backend **list;
	size_t n;
};
enum err backend_set_open(const struct config *c, struct breaker *breakers, struct store *store,
                          struct backend_set *out, struct error *e);
void backend_set_close(struct backend_set *s);
/* From here on calls are counted in usages[i] (see usage.h), which outlive the set: each
 * request that leaves for a backend, repeated and failed ones too, and the bytes of
 * bodies as they flow. A backend that copies by itself moves none. A call of a folder is
 * one request when the folder is open. Calls that were not sent count nothing. */
void backend_set_count(struct backend_set *s, struct usage *usages);
struct backend *backend_by_name(const struct backend_set *s, struct str name); /* NULL: none */

/* Why the backend cannot be used at all, or NULL: as far as it is known it can.
 * Valid until the caller waits. */
const char *backend_fault(const struct backend *b);

/* Does the backend sign what it is sent, so that backend_put.sha256 should be
 * given? Without it the payload goes unsigned. */
bool backend_wants_sha256(const struct backend *b);

/* Can backend_copy() be tried with an object of that size? */
bool backend_can_copy(const struct backend *b, uint64_t size);

/* Bytes in a second of a copy that a server makes by itself, saying nothing meanwhile.
 * Amazon S3 copies 5 GiB in about a minute. A server that needs five times as long is
 * still waited for. One that is given up goes on all the same, and its bytes appear when
 * it is through: that is reckoned with for four times as long. */
#define BACKEND_COPY_RATE      (UINT64_C(16) * 1024 * 1024)
#define BACKEND_COPY_RATE_LATE (UINT64_C(4) * 1024 * 1024)

/* How long a copy of that size may be silent: the time-out of the backend, and what the
 * bytes take. Microseconds. */
int64_t backend_copy_patience(const struct backend *b, uint64_t size);
/* How long after it was given up its bytes may still appear. A folder is copied by this
 * process, so not longer than those of any other write. */
int64_t backend_copy_landing(const struct backend *b, uint64_t size);

/* The calls: breaker, metrics (s3o_backend_requests_total, ..._duration_seconds), usage
 * and retry of ERR_BUSY around the implementation. Limits of usage are not asked here:
 * what may be done in spite of them, such as deleting, is the caller's business. */
enum err backend_put(struct backend *b, struct arena *a, struct backend_put *p, struct error *e);
/* Lets the backend itself make p->key of `size` bytes under another key of it. p as for
 * backend_put(), but its body and sha256 do not count: type and metadata are those of p,
 * not of the source. ERR_NOT_FOUND: there is no such source; ERR_UNSUPPORTED: it cannot
 * (and is not asked again), send the bytes instead. */
enum err backend_copy(struct backend *b, struct arena *a, struct str from, uint64_t size,
                      struct backend_put *p, struct error *e);
enum err backend_get(struct backend *b, struct arena *a, struct backend_get *g, struct error *e);
enum err backend_head(struct backend *b, struct arena *a, struct str key, struct backend_info *out,
                      struct error *e);
enum err backend_remove(struct backend *b, struct arena *a, struct str key, struct error *e);
enum err backend_list(struct backend *b, struct arena *a, struct backend_list *l, struct error *e);

#endif
