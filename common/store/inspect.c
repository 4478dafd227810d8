/* SPDX-License-Identifier: MIT
 *
 * See inspect.h.
 */
#include "store/inspect.h"

#include "store/store_private.h"

/* Rows of cleanup_dlq in one transaction: a fraction of a second. */
#define DLQ_BATCH 1000

/* --- objects ---------------------------------------------------------------- */

static struct store_location read_location(struct arena *a, const struct db_result *r, int i)
{
	return (struct store_location){
		.number = (int)db_i64(r, i, INSPECT_OBJECT_NUMBER),
		.plaintext = (uint64_t)db_i64(r, i, INSPECT_OBJECT_PLAINTEXT),
		.sha256 = db_dup(a, r, i, INSPECT_OBJECT_SHA256),
		.encrypted = db_bool(r, i, INSPECT_OBJECT_ENCRYPTED),
		.key_id = db_dup(a, r, i, INSPECT_OBJECT_KEY_ID),
		.copy.backend = db_dup(a, r, i, INSPECT_OBJECT_BACKEND),
		.copy.backend_key = db_dup(a, r, i, INSPECT_OBJECT_BACKEND_KEY),
		.copy.size = (uint64_t)db_i64(r, i, INSPECT_OBJECT_COPY_SIZE),
		.created = db_wall(r, i, INSPECT_OBJECT_COPIED),
	};
}

static void read_inspected(struct arena *a, const struct db_result *r, struct store_inspected *out)
{
	*out = (struct store_inspected){
		.size = (uint64_t)db_i64(r, 0, INSPECT_OBJECT_SIZE),
		.etag = db_dup(a, r, 0, INSPECT_OBJECT_ETAG),
		.parts = (int)db_i64(r, 0, INSPECT_OBJECT_PARTS),
		.version_id = db_dup(a, r, 0, INSPECT_OBJECT_VERSION_ID),
		.modified = db_wall(r, 0, INSPECT_OBJECT_MODIFIED),
		.locations = ARENA_ARRAY(a, struct store_location, db_rows(r)),
	};
	if (db_is_null(r, 0, INSPECT_OBJECT_NUMBER))
		return;
	for (; out->n < (size_t)db_rows(r); out->n++)
		out->locations[out->n] = read_location(a, r, (int)out->n);
}

enum err store_inspect(struct store *s, struct str bucket, struct str key, struct str version,
                       int after, int segments, struct arena *a, struct store_inspected *out,
                       struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	arg_str(&args, bucket);
	arg_str(&args, key);
	arg_str(&args, version);
	arg_i64(&args, after);
	arg_i64(&args, segments);
	enum err r = db_exec(s->db, Q_INSPECT_OBJECT, args.p, &res, e);
	if (r == ERR_OK && db_rows(res) == 0)
		r = err_set(e, ERR_NOT_FOUND, "no such key");
	if (r == ERR_OK)
		read_inspected(a, res, out);
	db_result_free(&res);
	return r;
}

enum err store_inspect_copies(struct store *s, struct str bucket, const char *const *keys, size_t n,
                              struct arena *a, struct store_copied **out, size_t *n_out,
                              struct error *e)
{
	BUF_AUTO names = {0};
	struct args args = {0};
	struct db_result *res = NULL;
	*n_out = 0;
	arg_str(&args, bucket);
	arg_texts(&args, &names, keys, n);
	enum err r = db_exec(s->db, Q_INSPECT_COPIES, args.p, &res, e);
	if (r == ERR_OK) {
		*n_out = (size_t)db_rows(res);
		*out = ARENA_ARRAY(a, struct store_copied, *n_out);
	}
	for (int i = 0; i < (int)*n_out; i++)
		(*out)[i] = (struct store_copied){
			.key = db_dup(a, res, i, INSPECT_COPIES_KEY),
			.copies = (int)db_i64(res, i, INSPECT_COPIES_COPIES),
			.backends = db_dup(a, res, i, INSPECT_COPIES_BACKENDS),
		};
	db_result_free(&res);
	return r;
}

enum err store_inspect_buckets(struct store *s, struct str after, int n, struct arena *a,
                               struct store_bucket **out, size_t *n_out, struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	*n_out = 0;
	arg_str(&args, after);
	arg_i64(&args, n);
	enum err r = db_exec(s->db, Q_INSPECT_BUCKETS, args.p, &res, e);
	if (r == ERR_OK) {
		*n_out = (size_t)db_rows(res);
		*out = ARENA_ARRAY(a, struct store_bucket, *n_out);
	}
	for (int i = 0; i < (int)*n_out; i++)
		(*out)[i] = (struct store_bucket){
			.name = db_dup(a, res, i, INSPECT_BUCKETS_BUCKET),
			.owner = db_dup(a, res, i, INSPECT_BUCKETS_OWNER),
			.versioning = db_dup(a, res, i, INSPECT_BUCKETS_VERSIONING),
			.created = db_wall(res, i, INSPECT_BUCKETS_CREATED),
		};
	db_result_free(&res);
	return r;
}

enum err store_inspect_size(struct store *s, struct str bucket, struct store_bucket_size *out,
                            struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	arg_str(&args, bucket);
	arg_i64(&args, STORE_SIZE_KEYS);
	enum err r = db_exec(s->db, Q_INSPECT_BUCKET_SIZE, args.p, &res, e);
	if (r == ERR_OK)
		*out = (struct store_bucket_size){
			.known = db_i64(res, 0, INSPECT_BUCKET_SIZE_KEYS) <= STORE_SIZE_KEYS,
			.objects = (uint64_t)db_i64(res, 0, INSPECT_BUCKET_SIZE_OBJECTS),
			.bytes = (uint64_t)db_i64(res, 0, INSPECT_BUCKET_SIZE_BYTES),
		};
	db_result_free(&res);
	return r;
}

/* --- queues ------------------------------------------------------------------ */

_Static_assert((int)INSPECT_CLEANUP_DEPTH_DEPTH == (int)INSPECT_DLQ_DEPTH_DEPTH, "columns differ");

static enum err read_depth(struct store *s, enum query q, struct str backend, uint64_t *depth,
                           struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	arg_str(&args, backend);
	enum err r = db_exec(s->db, q, args.p, &res, e);
	if (r == ERR_OK)
		*depth = (uint64_t)db_i64(res, 0, INSPECT_DLQ_DEPTH_DEPTH);
	db_result_free(&res);
	return r;
}

enum err store_inspect_cleanup(struct store *s, struct str backend, bool due, int n,
                               struct arena *a, struct store_queued **out, size_t *n_out,
                               uint64_t *depth, struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	*n_out = 0;
	enum err r = read_depth(s, Q_INSPECT_CLEANUP_DEPTH, backend, depth, e);
	if (r != ERR_OK)
		return r;
	arg_str(&args, backend);
	arg_bool(&args, due);
	arg_i64(&args, n);
	r = db_exec(s->db, Q_INSPECT_CLEANUP, args.p, &res, e);
	if (r == ERR_OK) {
		*n_out = (size_t)db_rows(res);
		*out = ARENA_ARRAY(a, struct store_queued, *n_out);
	}
	for (int i = 0; i < (int)*n_out; i++)
		(*out)[i] = (struct store_queued){
			.id = db_i64(res, i, INSPECT_CLEANUP_ID),
			.backend = db_dup(a, res, i, INSPECT_CLEANUP_BACKEND),
			.backend_key = db_dup(a, res, i, INSPECT_CLEANUP_BACKEND_KEY),
			.reason = db_dup(a, res, i, INSPECT_CLEANUP_REASON),
			.attempts = (int)db_i64(res, i, INSPECT_CLEANUP_ATTEMPTS),
			.size = (uint64_t)db_i64(res, i, INSPECT_CLEANUP_SIZE),
			.claimed = db_wall(res, i, INSPECT_CLEANUP_CLAIMED),
			.owner = db_dup(a, res, i, INSPECT_CLEANUP_OWNER),
			.error = db_dup(a, res, i, INSPECT_CLEANUP_ERROR),
			.next_retry = db_wall(res, i, INSPECT_CLEANUP_NEXT_RETRY),
		};
	db_result_free(&res);
	return r;
}

enum err store_inspect_dlq(struct store *s, struct str backend, int n, struct arena *a,
                           struct store_dead **out, size_t *n_out, uint64_t *depth, struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	*n_out = 0;
	enum err r = read_depth(s, Q_INSPECT_DLQ_DEPTH, backend, depth, e);
	if (r != ERR_OK)
		return r;
	arg_str(&args, backend);
	arg_i64(&args, n);
	r = db_exec(s->db, Q_INSPECT_DLQ, args.p, &res, e);
	if (r == ERR_OK) {
		*n_out = (size_t)db_rows(res);
		*out = ARENA_ARRAY(a, struct store_dead, *n_out);
	}
	for (int i = 0; i < (int)*n_out; i++)
		(*out)[i] = (struct store_dead){
			.id = db_i64(res, i, INSPECT_DLQ_ID),
			.original = db_i64(res, i, INSPECT_DLQ_ORIGINAL),
			.backend = db_dup(a, res, i, INSPECT_DLQ_BACKEND),
			.backend_key = db_dup(a, res, i, INSPECT_DLQ_BACKEND_KEY),
			.reason = db_dup(a, res, i, INSPECT_DLQ_REASON),
			.attempts = (int)db_i64(res, i, INSPECT_DLQ_ATTEMPTS),
			.size = (uint64_t)db_i64(res, i, INSPECT_DLQ_SIZE),
			.error = db_dup(a, res, i, INSPECT_DLQ_ERROR),
			.queued = db_wall(res, i, INSPECT_DLQ_QUEUED),
			.moved = db_wall(res, i, INSPECT_DLQ_MOVED),
		};
	db_result_free(&res);
	return r;
}

_Static_assert((int)DLQ_REQUEUE_LAST == (int)DLQ_WRITE_OFF_LAST, "columns differ");

/* One transaction; *after becomes the last id. */
static enum err dlq_batch(struct store *s, enum query q, const struct store_dlq_choice *which,
                          int64_t *after, uint64_t *rows, uint64_t *bytes, struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	*rows = *bytes = 0;
	arg_str(&args, which->backend);
	arg_i64(&args, *after);
	arg_i64(&args, which->id ? which->id : INT64_MAX);
	arg_i64(&args, DLQ_BATCH);
	if (q == Q_DLQ_WRITE_OFF)
		arg_slot(&args);
	enum err r = exec_shielded(s, q, &args, &res, e);
	if (r == ERR_OK) {
		*rows = (uint64_t)db_i64(res, 0, DLQ_REQUEUE_MOVED);
		*after = db_i64(res, 0, DLQ_REQUEUE_LAST);
		if (q == Q_DLQ_WRITE_OFF)
			*bytes = (uint64_t)db_i64(res, 0, DLQ_WRITE_OFF_BYTES);
	}
	db_result_free(&res);
	return r;
}

static enum err dlq_all(struct store *s, enum query q, const struct store_dlq_choice *which,
                        struct store_dlq_done *out, struct error *e)
{
	int64_t after = which->id ? which->id - 1 : INT64_MIN;
	uint64_t rows, bytes;
	enum err r;
	*out = (struct store_dlq_done){0};
	do {
		r = dlq_batch(s, q, which, &after, &rows, &bytes, e);
		out->rows += rows;
		out->bytes += bytes;
	} while (r == ERR_OK && rows == DLQ_BATCH);
	return r;
}

enum err store_dlq_requeue(struct store *s, const struct store_dlq_choice *which,
                           struct store_dlq_done *out, struct error *e)
{
	enum err r = dlq_all(s, Q_DLQ_REQUEUE, which, out, e);
	if (out->rows > 0)
		store_wake(s, "cleanup_queue");
	return r;
}

enum err store_dlq_write_off(struct store *s, const struct store_dlq_choice *which,
                             struct store_dlq_done *out, struct error *e)
{
	return dlq_all(s, Q_DLQ_WRITE_OFF, which, out, e);
}

enum err store_inspect_replication(struct store *s, int n, struct arena *a,
                                   struct store_replicating **out, size_t *n_out, struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	*n_out = 0;
	arg_i64(&args, n);
	enum err r = db_exec(s->db, Q_INSPECT_REPLICATION, args.p, &res, e);
	if (r == ERR_OK) {
		*n_out = (size_t)db_rows(res);
		*out = ARENA_ARRAY(a, struct store_replicating, *n_out);
	}
	for (int i = 0; i < (int)*n_out; i++)
		(*out)[i] = (struct store_replicating){
			.segment = db_i64(res, i, INSPECT_REPLICATION_SEGMENT_ID),
			.bucket = db_dup(a, res, i, INSPECT_REPLICATION_BUCKET),
			.key = db_dup(a, res, i, INSPECT_REPLICATION_KEY),
			.attempts = (int)db_i64(res, i, INSPECT_REPLICATION_ATTEMPTS),
			.error = db_dup(a, res, i, INSPECT_REPLICATION_ERROR),
			.next_retry = db_wall(res, i, INSPECT_REPLICATION_NEXT_RETRY),
			.suspect = db_bool(res, i, INSPECT_REPLICATION_SUSPECT),
		};
	db_result_free(&res);
	return r;
}

enum err store_check(struct store *s, int n, struct arena *a, struct str **out, size_t *n_out,
                     struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	*n_out = 0;
	arg_i64(&args, n);
	enum err r = db_exec(s->db, Q_CHECK, args.p, &res, e);
	if (r == ERR_OK) {
		*n_out = (size_t)db_rows(res);
		*out = ARENA_ARRAY(a, struct str, *n_out);
	}
	for (int i = 0; i < (int)*n_out; i++)
		(*out)[i] = db_dup(a, res, i, CHECK_PROBLEM);
	db_result_free(&res);
	return r;
}
