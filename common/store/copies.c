/* SPDX-License-Identifier: MIT
 *
 * See copies.h.
 */
#include "store/copies.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/log.h"
#include "config/config.h"
#include "store/store_private.h"

/* --- what is there ------------------------------------------------------------ */

static void read_held(struct arena *a, const struct db_result *res, int row, struct store_held *h)
{
	struct str upload = db_str(res, row, SEGMENTS_BY_ID_UPLOAD);
	h->id = db_i64(res, row, SEGMENTS_BY_ID_SEGMENT_ID);
	h->bucket = db_dup(a, res, row, SEGMENTS_BY_ID_BUCKET);
	h->key = db_dup(a, res, row, SEGMENTS_BY_ID_KEY);
	snprintf(h->generation, sizeof h->generation, "%.*s",
	         STR_FMT(db_str(res, row, SEGMENTS_BY_ID_GENERATION)));
	h->is_upload = upload.n > 0;
	h->part = (int)db_i64(res, row, SEGMENTS_BY_ID_PART);
	h->number = (int)db_i64(res, row, SEGMENTS_BY_ID_NUMBER);
	h->size = (uint64_t)db_i64(res, row, SEGMENTS_BY_ID_SIZE);
	h->etag = db_dup(a, res, row, SEGMENTS_BY_ID_ETAG);
	h->sha256 = db_dup(a, res, row, SEGMENTS_BY_ID_SHA256);
	h->content_type = db_dup(a, res, row, SEGMENTS_BY_ID_CONTENT_TYPE);
}

static void read_copy(struct arena *a, const struct db_result *res, int row, struct store_copy *c)
{
	c->backend = db_dup(a, res, row, SEGMENTS_BY_ID_BACKEND);
	c->backend_key = db_dup(a, res, row, SEGMENTS_BY_ID_BACKEND_KEY);
	c->size = (uint64_t)db_i64(res, row, SEGMENTS_BY_ID_COPY_SIZE);
}

/* Rows of one segment follow each other. */
static void read_all(struct arena *a, const struct db_result *res, struct store_held *out,
                     size_t *n)
{
	int rows = db_rows(res);
	struct store_copy *copies = ARENA_ARRAY(a, struct store_copy, (size_t)rows);
	struct store_held *h = NULL;
	for (int row = 0; row < rows; row++) {
		if (!h || h->id != db_i64(res, row, SEGMENTS_BY_ID_SEGMENT_ID)) {
			h = &out[(*n)++];
			*h = (struct store_held){.copies = &copies[row]};
			read_held(a, res, row, h);
		}
		if (!db_is_null(res, row, SEGMENTS_BY_ID_BACKEND))
			read_copy(a, res, row, &h->copies[h->n_copies++]);
	}
}

enum err store_held(struct store *s, const int64_t *ids, size_t n, struct arena *a,
                    struct store_held **out, size_t *n_out, struct error *e)
{
	BUF_AUTO array = {0};
	struct args args = {0};
	struct db_result *res = NULL;
	*n_out = 0;
	arg_ids(&args, &array, ids, n);
	enum err r = db_exec(s->db, Q_SEGMENTS_BY_ID, args.p, &res, e);
	if (r == ERR_OK) {
		*out = ARENA_ARRAY(a, struct store_held, n);
		read_all(a, res, *out, n_out);
	}
	db_result_free(&res);
	return r;
}

static int by_id(const void *key, const void *held)
{
	int64_t a = *(const int64_t *)key, b = ((const struct store_held *)held)->id;
	return (a > b) - (a < b);
}

const struct store_held *store_held_find(const struct store_held *held, size_t n, int64_t id)
{
	return n ? bsearch(&id, held, n, sizeof *held, by_id) : NULL;
}

_Static_assert((int)COPIES_ON_CREATED == (int)SMALLEST_COPIES_CREATED, "columns differ");

static enum err list_copies(struct store *s, enum query q, const struct args *args, struct arena *a,
                            struct store_located **out, size_t *n_out, struct error *e)
{
	struct db_result *res = NULL;
	*n_out = 0;
	enum err r = db_exec(s->db, q, args->p, &res, e);
	if (r == ERR_OK) {
		*n_out = (size_t)db_rows(res);
		*out = ARENA_ARRAY(a, struct store_located, *n_out);
	}
	for (int i = 0; i < (int)*n_out; i++)
		(*out)[i] = (struct store_located){
			.segment = db_i64(res, i, COPIES_ON_SEGMENT_ID),
			.backend_key = db_dup(a, res, i, COPIES_ON_BACKEND_KEY),
			.size = (uint64_t)db_i64(res, i, COPIES_ON_SIZE),
			.created = db_wall(res, i, COPIES_ON_CREATED),
		};
	db_result_free(&res);
	return r;
}

enum err store_copies_on(struct store *s, const char *backend, struct str after, struct str until,
                         int n, struct arena *a, struct store_located **out, size_t *n_out,
                         struct error *e)
{
	struct args args = {0};
	arg_text(&args, backend);
	arg_str(&args, after);
	if (until.p)
		arg_str(&args, until);
	else
		arg_null(&args);
	arg_i64(&args, n);
	return list_copies(s, Q_COPIES_ON, &args, a, out, n_out, e);
}

enum err store_smallest_copies(struct store *s, const char *backend, int n, struct arena *a,
                               struct store_located **out, size_t *n_out, struct error *e)
{
	struct args args = {0};
	arg_text(&args, backend);
	arg_i64(&args, n);
	return list_copies(s, Q_SMALLEST_COPIES, &args, a, out, n_out, e);
}

/* --- one more, one less --------------------------------------------------------- */

enum err store_copy_add(struct store *s, int64_t segment, const struct store_intent *i,
                        const char *from, const char *reason, struct error *e)
{
	const struct store_new_segment landed = {.intents = i, .n_intents = 1};
	struct args a = {0};
	struct db_result *res = NULL;
	arg_i64(&a, segment);
	arg_text(&a, i->id);
	arg_text(&a, from ? from : "");
	arg_text(&a, from ? reason : "");
	enum err r = exec_shielded(s, Q_ADD_COPY, &a, &res, e);
	if (r == ERR_OK && !str_eq(db_str(res, 0, ADD_COPY_STATUS), STR("ok")))
		r = status_error(db_str(res, 0, ADD_COPY_STATUS), e);
	if (r == ERR_OK) {
		intents_landed(s, &landed, 1);
		cleanup_queued(s, from ? reason : "", (uint64_t)db_i64(res, 0, ADD_COPY_QUEUED));
	}
	db_result_free(&res);
	return r;
}

enum err store_copy_remove(struct store *s, int64_t segment, const struct store_copy *copy,
                           const char *reason, int keep, const struct store_counted *counted,
                           struct error *e)
{
	BUF_AUTO array = {0};
	struct args a = {0};
	struct db_result *res = NULL;
	arg_i64(&a, segment);
	arg_str(&a, copy->backend);
	arg_str(&a, copy->backend_key);
	arg_text(&a, reason);
	arg_i64(&a, keep);
	if (counted)
		arg_texts(&a, &array, counted->backends, counted->n);
	else
		arg_null(&a);
	arg_slot(&a);
	enum err r = exec_shielded(s, Q_REMOVE_COPY, &a, &res, e);
	if (r == ERR_OK) {
		struct str status = db_str(res, 0, REMOVE_COPY_STATUS);
		if (str_eq(status, STR("gone")))
			r = err_set(e, ERR_NOT_FOUND, "there is no such copy any more");
		else if (!str_eq(status, STR("ok")))
			r = err_set(e, ERR_CONFLICT, "the copy is %.*s", STR_FMT(status));
		else
			cleanup_queued(s, reason, *reason ? 1 : 0);
		if (r == ERR_OK && !*reason)
			store_wake(s, "replication");
	}
	db_result_free(&res);
	return r;
}

/* --- too few ---------------------------------------------------------------------- */

enum err store_replication_walk(struct store *s, int64_t after, int n,
                                const struct store_wanted_copies *wanted, struct store_walked *out,
                                struct error *e)
{
	BUF_AUTO backends = {0};
	BUF_AUTO domains = {0};
	BUF_AUTO buckets = {0};
	BUF_AUTO factors = {0};
	struct args a = {0};
	struct db_result *res = NULL;
	struct arena *scratch = arena_new();
	arg_i64(&a, after);
	arg_i64(&a, n);
	arg_texts(&a, &backends, wanted->backends, wanted->n);
	arg_texts(&a, &domains, wanted->domains, wanted->n);
	arg_factors(&a, s, &buckets, &factors, scratch);
	enum err r = exec_shielded(s, Q_REPLICATION_WALK, &a, &res, e);
	if (r == ERR_OK)
		*out = (struct store_walked){
			.last = db_i64(res, 0, REPLICATION_WALK_LAST),
			.entered = (uint64_t)db_i64(res, 0, REPLICATION_WALK_ENTERED),
			.hopeless = (uint64_t)db_i64(res, 0, REPLICATION_WALK_HOPELESS),
		};
	db_result_free(&res);
	arena_free(&scratch);
	return r;
}

enum err store_replication_claim(struct store *s, int n, int64_t grace_us, struct arena *a,
                                 struct store_replication **out, size_t *n_out, struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	*n_out = 0;
	arg_text(&args, s->instance);
	arg_i64(&args, n);
	arg_i64(&args, grace_us);
	enum err r = exec_shielded(s, Q_REPLICATION_CLAIM, &args, &res, e);
	if (r == ERR_OK) {
		*n_out = (size_t)db_rows(res);
		*out = ARENA_ARRAY(a, struct store_replication, *n_out);
	}
	for (int i = 0; i < (int)*n_out; i++)
		(*out)[i] = (struct store_replication){
			.segment = db_i64(res, i, REPLICATION_CLAIM_SEGMENT_ID),
			.attempts = (int)db_i64(res, i, REPLICATION_CLAIM_ATTEMPTS),
			.suspect = db_bool(res, i, REPLICATION_CLAIM_SUSPECT),
			.reclaimed = db_bool(res, i, REPLICATION_CLAIM_RECLAIMED),
		};
	db_result_free(&res);
	return r;
}

static enum err end_claims(struct store *s, enum query q, const int64_t *segments, size_t n,
                           struct error *e)
{
	BUF_AUTO array = {0};
	struct args a = {0};
	struct db_result *res = NULL;
	arg_text(&a, s->instance);
	arg_ids(&a, &array, segments, n);
	enum err r = exec_shielded(s, q, &a, &res, e);
	db_result_free(&res);
	return r;
}

enum err store_replication_done(struct store *s, const int64_t *segments, size_t n, struct error *e)
{
	return end_claims(s, Q_REPLICATION_DONE, segments, n, e);
}

enum err store_replication_postpone(struct store *s, const int64_t *segments, size_t n,
                                    struct error *e)
{
	return end_claims(s, Q_REPLICATION_POSTPONE, segments, n, e);
}

enum err store_replication_failed(struct store *s, int64_t segment, const char *error,
                                  struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	arg_text(&a, s->instance);
	arg_i64(&a, segment);
	arg_text(&a, error);
	enum err r = exec_shielded(s, Q_REPLICATION_FAILED, &a, &res, e);
	db_result_free(&res);
	return r;
}

enum err store_replication_depth(struct store *s, uint64_t *depth, int64_t *next, struct error *e)
{
	struct db_result *res = NULL;
	enum err r = db_exec(s->db, Q_REPLICATION_DEPTH, NULL, &res, e);
	if (r == ERR_OK) {
		*depth = (uint64_t)db_i64(res, 0, REPLICATION_DEPTH_DEPTH);
		*next = db_wall(res, 0, REPLICATION_DEPTH_NEXT);
	}
	db_result_free(&res);
	return r;
}

void copies_committed(struct store *s, struct str bucket, size_t copies)
{
	if (copies < (size_t)config_factor(s->config, bucket))
		store_wake(s, "replication");
}

/* --- suspects --------------------------------------------------------------------- */

struct suspect {
	struct store *store;
	int64_t segment;
	struct arena *arena;
	struct store_copy copy;
};

static void report_suspect(void *arg)
{
	struct suspect *p = arg;
	struct args a = {0};
	struct db_result *res = NULL;
	struct error e;
	arg_i64(&a, p->segment);
	arg_str(&a, p->copy.backend);
	arg_str(&a, p->copy.backend_key);
	if (exec_shielded(p->store, Q_REPLICATION_SUSPECT, &a, &res, &e) != ERR_OK)
		log_warn("store", "copy that cannot be read not reported",
		         LOG_S("backend", p->copy.backend), LOG_S("key", p->copy.backend_key),
		         LOG_STR("error", e.text));
	else if (db_rows(res) > 0)
		store_wake(p->store, "replication");
	db_result_free(&res);
	arena_free(&p->arena);
}

void store_copy_suspect(struct store *s, int64_t segment, const struct store_copy *copy)
{
	struct arena *a = arena_new();
	struct suspect *p = ARENA_ARRAY(a, struct suspect, 1);
	*p = (struct suspect){
		.store = s,
		.segment = segment,
		.arena = a,
		.copy = {.backend = arena_dup(a, copy->backend),
	                 .backend_key = arena_dup(a, copy->backend_key)},
	};
	if (s->closing || wait_group_spawn(&s->tasks, "store-suspect", report_suspect, p, NULL) < 0)
		arena_free(&a); /* the walk of a scrubber or another read will find it */
}

/* --- too many --------------------------------------------------------------------- */

enum err store_excess_walk(struct store *s, int64_t after, int n, struct arena *a, int64_t **out,
                           size_t *n_out, int64_t *last, struct error *e)
{
	BUF_AUTO buckets = {0};
	BUF_AUTO factors = {0};
	struct args args = {0};
	struct db_result *res = NULL;
	*n_out = 0;
	arg_i64(&args, after);
	arg_i64(&args, n);
	arg_factors(&args, s, &buckets, &factors, a);
	enum err r = db_exec(s->db, Q_EXCESS_WALK, args.p, &res, e);
	if (r == ERR_OK) {
		*out = ARENA_ARRAY(a, int64_t, (size_t)db_rows(res));
		*last = 0;
	}
	for (int i = 0; r == ERR_OK && i < db_rows(res); i++)
		if (db_is_null(res, i, EXCESS_WALK_SEGMENT_ID))
			*last = db_i64(res, i, EXCESS_WALK_LAST);
		else
			(*out)[(*n_out)++] = db_i64(res, i, EXCESS_WALK_SEGMENT_ID);
	db_result_free(&res);
	return r;
}
