/* SPDX-License-Identifier: MIT
 *
 * See uploads.h.
 */
#include "store/uploads.h"

#include <stdio.h>
#include "config/config.h"
#include "s3proto/listing.h"
#include "store/store_private.h"

/* Runs a statement whose first column is a status. On ERR_OK the result is the
 * caller's. */
static enum err run(struct store *s, enum query q, const struct args *a, struct db_result **res,
                    struct error *e)
{
	enum err r = exec_shielded(s, q, a, res, e);
	if (r == ERR_OK && !str_eq(db_str(*res, 0, 0), STR("ok"))) {
		r = status_error(db_str(*res, 0, 0), e);
		db_result_free(res);
	}
	return r;
}

static void arg_upload(struct args *a, struct str id, struct str bucket, struct str key)
{
	arg_str(a, id);
	arg_str(a, bucket);
	arg_str(a, key);
}

/* A client's id may be any text; an id of ours is a ULID. */
static bool is_upload_id(struct str id)
{
	return id.n == STORE_UPLOAD_ID_SIZE - 1 && str_is_utf8(id);
}

static enum err no_such_upload(struct error *e)
{
	return err_set(e, ERR_NO_UPLOAD, "no such upload");
}

/* --- begin ------------------------------------------------------------------ */

enum err store_upload_create(struct store *s, struct store_upload *u, int max, struct error *e)
{
	BUF_AUTO row = {0};
	struct args a = {0};
	struct db_result *res = NULL;
	ulid_new(u->id);
	ulid_new(u->o.generation);
	enum err r = json_of_upload(u, &row, e);
	if (r != ERR_OK)
		return r;
	arg_upload(&a, str_of(u->id), u->o.bucket, u->o.key);
	arg_str(&a, u->o.bucket_owner);
	arg_text(&a, u->o.generation);
	arg_str(&a, buf_str(&row));
	arg_i64(&a, max);
	r = run(s, Q_CREATE_UPLOAD, &a, &res, e);
	db_result_free(&res);
	return r;
}

enum err store_upload_find(struct store *s, struct str bucket, struct str key, struct str id,
                           struct arena *a, struct store_upload *out, struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	*out = (struct store_upload){0};
	if (!is_upload_id(id))
		return no_such_upload(e);
	arg_upload(&args, id, bucket, key);
	enum err r = db_exec(s->db, Q_FIND_UPLOAD, args.p, &res, e);
	if (r == ERR_OK && db_rows(res) == 0)
		r = no_such_upload(e);
	if (r == ERR_OK) {
		struct store_object *o = &out->o;
		snprintf(out->id, sizeof out->id, "%.*s", STR_FMT(id));
		o->bucket = arena_dup(a, bucket);
		o->key = arena_dup(a, key);
		snprintf(o->generation, sizeof o->generation, "%.*s",
		         STR_FMT(db_str(res, 0, FIND_UPLOAD_GENERATION)));
		o->content_type = db_dup(a, res, 0, FIND_UPLOAD_CONTENT_TYPE);
		o->acl = db_dup(a, res, 0, FIND_UPLOAD_ACL);
		db_pairs(a, res, 0, FIND_UPLOAD_HEADERS, &o->headers, &o->n_headers);
		db_pairs(a, res, 0, FIND_UPLOAD_METADATA, &o->metadata, &o->n_metadata);
		db_pairs(a, res, 0, FIND_UPLOAD_TAGS, &o->tags, &o->n_tags);
		out->algorithm = db_dup(a, res, 0, FIND_UPLOAD_ALGORITHM);
		out->type = db_dup(a, res, 0, FIND_UPLOAD_TYPE);
		out->owner = db_dup(a, res, 0, FIND_UPLOAD_OWNER);
		out->created = db_wall(res, 0, FIND_UPLOAD_CREATED);
	}
	db_result_free(&res);
	return r;
}

/* --- parts ------------------------------------------------------------------ */

enum err store_part_commit(struct store *s, const struct store_upload *u,
                           const struct store_new_segment *segment, int64_t *modified,
                           struct error *e)
{
	BUF_AUTO row = {0};
	struct args a = {0};
	struct db_result *res = NULL;
	enum err r = json_of_segment(segment, &row, e);
	if (r != ERR_OK)
		return r;
	arg_upload(&a, str_of(u->id), u->o.bucket, u->o.key);
	arg_i64(&a, segment->part);
	arg_str(&a, buf_str(&row));
	r = run(s, Q_COMMIT_PART, &a, &res, e);
	if (r == ERR_OK) {
		*modified = db_wall(res, 0, COMMIT_PART_MODIFIED);
		intents_landed(s, segment, 1);
		cleanup_queued(s, "part_replaced", (uint64_t)db_i64(res, 0, COMMIT_PART_QUEUED));
	}
	db_result_free(&res);
	return r;
}

enum err store_parts(struct store *s, const struct store_upload *u, int after, int n,
                     struct arena *a, struct store_part **out, size_t *n_out, struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	arg_text(&args, u->id);
	arg_i64(&args, after);
	arg_i64(&args, n);
	*n_out = 0;
	enum err r = db_exec(s->db, Q_PARTS, args.p, &res, e);
	if (r == ERR_OK) {
		*n_out = (size_t)db_rows(res);
		*out = ARENA_ARRAY(a, struct store_part, *n_out);
	}
	for (int i = 0; i < (int)*n_out; i++) {
		struct store_part *p = &(*out)[i];
		p->number = (int)db_i64(res, i, PARTS_NUMBER);
		p->segment = db_i64(res, i, PARTS_SEGMENT_ID);
		p->size = (uint64_t)db_i64(res, i, PARTS_SIZE);
		p->etag = db_dup(a, res, i, PARTS_ETAG);
		p->modified = db_wall(res, i, PARTS_MODIFIED);
		db_pairs(a, res, i, PARTS_CHECKSUMS, &p->checksums, &p->n_checksums);
	}
	db_result_free(&res);
	return r;
}

/* --- end -------------------------------------------------------------------- */

enum err store_upload_complete(struct store *s, const struct store_upload *u,
                               const int64_t *segments, size_t n, const struct store_object *o,
                               const struct store_conditions *cond, struct store_written *out,
                               struct error *e)
{
	BUF_AUTO object = {0};
	BUF_AUTO ids = {0};
	struct args a = {0};
	struct db_result *res = NULL;
	const struct store_object told = {
		.etag = o->etag, .checksums = o->checksums, .n_checksums = o->n_checksums};
	enum err r = json_of_object(&told, &object, e);
	if (r != ERR_OK)
		return r;
	arg_upload(&a, str_of(u->id), u->o.bucket, u->o.key);
	arg_ids(&a, &ids, segments, n);
	arg_str(&a, buf_str(&object));
	arg_bool(&a, cond->if_none_match_any);
	arg_str(&a, cond->if_match);
	arg_slot(&a);
	arg_i64(&a, config_factor(s->config, u->o.bucket));
	r = run(s, Q_COMPLETE, &a, &res, e);
	if (r == ERR_OK) {
		out->modified = db_wall(res, 0, COMPLETE_MODIFIED);
		version_id_copy(out->version_id, db_str(res, 0, COMPLETE_VERSION_ID));
		copies_committed(s, u->o.bucket, (size_t)config_ack(s->config, u->o.bucket));
		cleanup_queued(s, "complete_part_cleanup",
		               (uint64_t)db_i64(res, 0, COMPLETE_QUEUED));
	}
	db_result_free(&res);
	return r;
}

enum err store_upload_completed(struct store *s, struct str bucket, struct str key, struct str id,
                                struct arena *a, struct store_object *o, struct store_written *out,
                                struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	if (!is_upload_id(id))
		return no_such_upload(e);
	arg_upload(&args, id, bucket, key);
	enum err r = db_exec(s->db, Q_COMPLETED, args.p, &res, e);
	if (r == ERR_OK && db_rows(res) == 0)
		r = no_such_upload(e);
	if (r == ERR_OK) {
		o->etag = db_dup(a, res, 0, COMPLETED_ETAG);
		db_pairs(a, res, 0, COMPLETED_CHECKSUMS, &o->checksums, &o->n_checksums);
		out->modified = db_wall(res, 0, COMPLETED_MODIFIED);
		version_id_copy(out->version_id, db_str(res, 0, COMPLETED_VERSION_ID));
	}
	db_result_free(&res);
	return r;
}

enum err store_upload_abort(struct store *s, struct str bucket, struct str key, struct str id,
                            uint64_t *copies, struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	*copies = 0;
	if (!is_upload_id(id))
		return no_such_upload(e);
	arg_upload(&a, id, bucket, key);
	arg_slot(&a);
	enum err r = run(s, Q_ABORT_UPLOAD, &a, &res, e);
	if (r == ERR_OK)
		*copies = (uint64_t)db_i64(res, 0, ABORT_UPLOAD_QUEUED);
	db_result_free(&res);
	cleanup_queued(s, "abort_part_cleanup", *copies);
	return r;
}

/* --- list ------------------------------------------------------------------- */

static void read_upload(struct arena *a, const struct db_result *res, int row,
                        struct store_upload *u)
{
	snprintf(u->id, sizeof u->id, "%.*s", STR_FMT(db_str(res, row, UPLOADS_UPLOAD_ID)));
	u->o.key = db_dup(a, res, row, UPLOADS_KEY);
	u->created = db_wall(res, row, UPLOADS_CREATED);
	u->owner = db_dup(a, res, row, UPLOADS_OWNER);
	u->algorithm = db_dup(a, res, row, UPLOADS_ALGORITHM);
	u->type = db_dup(a, res, row, UPLOADS_TYPE);
}

enum err store_upload_list(struct store *s, struct str bucket, struct str prefix, struct str key,
                           struct str id, int n, struct arena *a, struct store_upload **out,
                           size_t *n_out, struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	*n_out = 0;
	arg_str(&args, bucket);
	arg_str(&args, prefix);
	arg_str(&args, listing_behind(a, prefix));
	arg_str(&args, key);
	arg_str(&args, id);
	arg_i64(&args, n);
	enum err r = db_exec(s->db, Q_UPLOADS, args.p, &res, e);
	if (r == ERR_OK) {
		*n_out = (size_t)db_rows(res);
		*out = ARENA_ARRAY(a, struct store_upload, *n_out);
		for (int i = 0; i < (int)*n_out; i++)
			read_upload(a, res, i, &(*out)[i]);
	}
	db_result_free(&res);
	return r;
}

enum err store_upload_stale(struct store *s, int64_t age_us, int n, struct arena *a,
                            struct store_upload **out, size_t *n_out, uint64_t *total,
                            struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	*n_out = *total = 0;
	arg_i64(&args, age_us);
	arg_i64(&args, n);
	enum err r = db_exec(s->db, Q_STALE_UPLOADS, args.p, &res, e);
	if (r == ERR_OK) {
		*n_out = (size_t)db_rows(res);
		*out = ARENA_ARRAY(a, struct store_upload, *n_out);
	}
	for (int i = 0; i < (int)*n_out; i++) {
		struct store_upload *u = &(*out)[i];
		*u = (struct store_upload){0};
		snprintf(u->id, sizeof u->id, "%.*s",
		         STR_FMT(db_str(res, i, STALE_UPLOADS_UPLOAD_ID)));
		u->o.bucket = db_dup(a, res, i, STALE_UPLOADS_BUCKET);
		u->o.key = db_dup(a, res, i, STALE_UPLOADS_KEY);
		*total = (uint64_t)db_i64(res, i, STALE_UPLOADS_TOTAL);
	}
	db_result_free(&res);
	return r;
}
