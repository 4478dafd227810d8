/* SPDX-License-Identifier: MIT
 *
 * See expiry.h.
 */
#include "store/expiry.h"

#include <stdio.h>
#include "s3proto/listing.h"
#include "store/store_private.h"

enum err store_rules_list(struct store *s, struct str after, int n, struct arena *a,
                          struct store_rules **out, size_t *n_out, struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	arg_str(&args, after);
	arg_i64(&args, n);
	*n_out = 0;
	enum err r = db_exec(s->db, Q_LIFECYCLE_BUCKETS, args.p, &res, e);
	if (r == ERR_OK) {
		*n_out = (size_t)db_rows(res);
		*out = ARENA_ARRAY(a, struct store_rules, *n_out);
	}
	for (int i = 0; i < (int)*n_out; i++)
		(*out)[i] = (struct store_rules){
			.bucket = db_dup(a, res, i, LIFECYCLE_BUCKETS_BUCKET),
			.owner = db_dup(a, res, i, LIFECYCLE_BUCKETS_OWNER),
			.document = db_dup(a, res, i, LIFECYCLE_BUCKETS_RULES),
		};
	db_result_free(&res);
	return r;
}

static void read_aged(struct arena *a, const struct db_result *res, int row, struct store_aged *v)
{
	struct str id = db_dup(a, res, row, LIFECYCLE_VERSIONS_VERSION_ID);
	v->key = db_dup(a, res, row, LIFECYCLE_VERSIONS_KEY);
	v->version = id.n ? id : STR("null");
	snprintf(v->generation, sizeof v->generation, "%.*s",
	         STR_FMT(db_str(res, row, LIFECYCLE_VERSIONS_GENERATION)));
	v->size = (uint64_t)db_i64(res, row, LIFECYCLE_VERSIONS_SIZE);
	v->is_latest = db_bool(res, row, LIFECYCLE_VERSIONS_IS_LATEST);
	v->is_marker = db_bool(res, row, LIFECYCLE_VERSIONS_IS_MARKER);
	v->created = db_wall(res, row, LIFECYCLE_VERSIONS_CREATED);
	v->since = db_wall(res, row, LIFECYCLE_VERSIONS_SINCE);
	v->newer = v->is_latest ? 0 : (uint64_t)db_i64(res, row, LIFECYCLE_VERSIONS_NEWER);
	db_pairs(a, res, row, LIFECYCLE_VERSIONS_TAGS, &v->tags, &v->n_tags);
}

enum err store_aged(struct store *s, const struct store_window *w, struct arena *a,
                    struct store_aged **out, size_t *n, int *keys, struct str *last,
                    struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	bool begun = str_cmp(w->from, w->prefix) >= 0;
	arg_str(&args, w->bucket);
	arg_str(&args, begun ? w->from : w->prefix);
	arg_str(&args, listing_behind(a, w->prefix));
	arg_i64(&args, w->keys);
	arg_i64(&args, w->current_before);
	arg_i64(&args, w->noncurrent_before);
	arg_bool(&args, w->markers);
	arg_i64(&args, w->versions);
	arg_i64(&args, w->newer);
	arg_i64(&args, begun ? w->after : 0);
	*n = 0;
	enum err r = db_exec(s->db, Q_LIFECYCLE_VERSIONS, args.p, &res, e);
	if (r == ERR_OK) {
		*last = db_dup(a, res, 0, LIFECYCLE_VERSIONS_KEY);
		*keys = (int)db_i64(res, 0, LIFECYCLE_VERSIONS_KEYS);
		*n = (size_t)db_rows(res) - 1;
		*out = ARENA_ARRAY(a, struct store_aged, *n);
		for (size_t i = 0; i < *n; i++)
			read_aged(a, res, (int)i + 1, &(*out)[i]);
	}
	db_result_free(&res);
	return r;
}
