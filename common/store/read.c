/* SPDX-License-Identifier: MIT
 *
 * Finding and listing. A version and the copies of its segments come as rows of
 * one result: the version first, then the copies in order of segment and age.
 */
#include "store/store_private.h"

#include <stdio.h>
#include "s3proto/listing.h"

/* The head columns are the first of all three statements. */
_Static_assert((int)FIND_HEAD_PARTS == (int)FIND_COPIES_PARTS, "columns differ");
_Static_assert((int)FIND_COPIES_COPY_SIZE == (int)FIND_SOME_COPIES_COPY_SIZE, "columns differ");

struct str db_dup(struct arena *a, const struct db_result *r, int row, int col)
{
	return arena_dup(a, db_str(r, row, col));
}

void db_pairs(struct arena *a, const struct db_result *r, int row, int col, struct str_pair **out,
              size_t *n)
{
	*n = 0;
	if (!db_is_null(r, row, col))
		json_to_pairs(a, db_str(r, row, col), out, n);
}

static void read_head(struct arena *a, const struct db_result *r, struct store_version *v)
{
	struct store_object *o = &v->o;
	snprintf(o->generation, sizeof o->generation, "%.*s",
	         STR_FMT(db_str(r, 0, FIND_HEAD_GENERATION)));
	o->size = (uint64_t)db_i64(r, 0, FIND_HEAD_SIZE);
	o->etag = db_dup(a, r, 0, FIND_HEAD_ETAG);
	o->content_type = db_dup(a, r, 0, FIND_HEAD_CONTENT_TYPE);
	o->sha256 = db_dup(a, r, 0, FIND_HEAD_SHA256);
	o->acl = db_dup(a, r, 0, FIND_HEAD_ACL);
	o->parts = (int)db_i64(r, 0, FIND_HEAD_PARTS);
	db_pairs(a, r, 0, FIND_HEAD_HEADERS, &o->headers, &o->n_headers);
	db_pairs(a, r, 0, FIND_HEAD_METADATA, &o->metadata, &o->n_metadata);
	db_pairs(a, r, 0, FIND_HEAD_CHECKSUMS, &o->checksums, &o->n_checksums);
	db_pairs(a, r, 0, FIND_HEAD_TAGS, &o->tags, &o->n_tags);
	version_id_copy(v->version_id, db_str(r, 0, FIND_HEAD_VERSION_ID));
	v->is_marker = db_bool(r, 0, FIND_HEAD_MARKER);
	v->modified = db_wall(r, 0, FIND_HEAD_MODIFIED);
}

/* Rows from `row` on that are copies of the same segment. */
static int rows_of_segment(const struct db_result *r, int row)
{
	int64_t id = db_i64(r, row, FIND_COPIES_SEGMENT_ID);
	int n = 1;
	while (row + n < db_rows(r) && db_i64(r, row + n, FIND_COPIES_SEGMENT_ID) == id)
		n++;
	return n;
}

/* A segment without copies is one row without a backend. */
static void read_segment(struct arena *a, const struct db_result *r, int row, int n,
                         struct store_segment *s)
{
	s->id = db_i64(r, row, FIND_COPIES_SEGMENT_ID);
	s->number = (int)db_i64(r, row, FIND_COPIES_SEGMENT_NUMBER);
	s->start = (uint64_t)db_i64(r, row, FIND_COPIES_SEGMENT_START);
	s->size = (uint64_t)db_i64(r, row, FIND_COPIES_SEGMENT_SIZE);
	db_pairs(a, r, row, FIND_COPIES_CHECKSUMS, &s->checksums, &s->n_checksums);
	s->copies = ARENA_ARRAY(a, struct store_copy, n);
	for (int i = row; i < row + n; i++)
		if (!db_is_null(r, i, FIND_COPIES_BACKEND))
			s->copies[s->n_copies++] = (struct store_copy){
				.backend = db_dup(a, r, i, FIND_COPIES_BACKEND),
				.backend_key = db_dup(a, r, i, FIND_COPIES_BACKEND_KEY),
				.size = (uint64_t)db_i64(r, i, FIND_COPIES_COPY_SIZE),
			};
}

static void read_segments(struct arena *a, const struct db_result *r, struct store_version *v)
{
	v->segments = ARENA_ARRAY(a, struct store_segment, db_rows(r)); /* or fewer */
	for (int row = 1, n; row < db_rows(r); row += n) {
		n = rows_of_segment(r, row);
		read_segment(a, r, row, n, &v->segments[v->n_segments++]);
	}
}

static enum err find(struct store *s, enum query q, const struct args *args, struct arena *a,
                     struct store_version *out, struct error *e)
{
	struct db_result *res = NULL;
	enum err r = db_exec(s->db, q, args->p, &res, e);
	if (r == ERR_OK && db_rows(res) == 0)
		r = err_set(e, ERR_NOT_FOUND, "no such key");
	if (r == ERR_OK) {
		read_head(a, res, out);
		if (q != Q_FIND_HEAD)
			read_segments(a, res, out);
		if (out->is_marker)
			r = err_set(e, ERR_NOT_FOUND, "a delete marker");
	}
	db_result_free(&res);
	return r;
}

static void begin_find(struct args *args, struct str bucket, struct str key, struct arena *a,
                       struct store_version *out)
{
	*out = (struct store_version){
		.o = {.bucket = arena_dup(a, bucket), .key = arena_dup(a, key)}};
	arg_str(args, bucket);
	arg_str(args, key);
}

enum err store_find(struct store *s, struct str bucket, struct str key, struct str version,
                    struct arena *a, struct store_version *out, struct error *e)
{
	struct args args = {0};
	begin_find(&args, bucket, key, a, out);
	arg_str(&args, version);
	return find(s, Q_FIND_HEAD, &args, a, out, e);
}

static void arg_optional(struct args *a, int64_t v, bool given)
{
	if (given)
		arg_i64(a, v);
	else
		arg_null(a);
}

static void arg_wanted(struct args *a, const struct store_wanted *w)
{
	bool bytes = w && !w->part;
	arg_optional(a, bytes ? w->first : 0, bytes);
	arg_optional(a, bytes ? w->last : 0, bytes && w->last != INT64_MAX);
	arg_optional(a, w ? w->part : 0, w && w->part);
}

/* The current version and all of it is what is asked for nearly always; its statement
 * costs the database half as much as that for the rest. */
enum err store_find_copies(struct store *s, struct str bucket, struct str key, struct str version,
                           const struct store_wanted *wanted, struct arena *a,
                           struct store_version *out, struct error *e)
{
	struct args args = {0};
	begin_find(&args, bucket, key, a, out);
	if (!version.n && !wanted)
		return find(s, Q_FIND_COPIES, &args, a, out, e);
	arg_str(&args, version);
	arg_wanted(&args, wanted);
	return find(s, Q_FIND_SOME_COPIES, &args, a, out, e);
}

enum err store_segments(struct store *s, const struct store_object *o, int after, int n,
                        struct arena *a, struct store_part **out, size_t *n_out, struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	arg_str(&args, o->bucket);
	arg_str(&args, o->key);
	arg_text(&args, o->generation);
	arg_i64(&args, after);
	arg_i64(&args, n);
	*n_out = 0;
	enum err r = db_exec(s->db, Q_SEGMENTS, args.p, &res, e);
	if (r == ERR_OK) {
		*n_out = (size_t)db_rows(res);
		*out = ARENA_ARRAY(a, struct store_part, *n_out);
	}
	for (int i = 0; i < (int)*n_out; i++) {
		struct store_part *p = &(*out)[i];
		p->number = (int)db_i64(res, i, SEGMENTS_PART);
		p->size = (uint64_t)db_i64(res, i, SEGMENTS_SIZE);
		p->etag = db_dup(a, res, i, SEGMENTS_ETAG);
		p->sha256 = db_dup(a, res, i, SEGMENTS_SHA256);
		db_pairs(a, res, i, SEGMENTS_CHECKSUMS, &p->checksums, &p->n_checksums);
	}
	db_result_free(&res);
	return r;
}

/* --- listing ---------------------------------------------------------------- */

static void read_list(struct arena *a, const struct db_result *r, struct store_listed **out,
                      size_t *n)
{
	*n = (size_t)db_rows(r);
	*out = ARENA_ARRAY(a, struct store_listed, *n);
	for (size_t i = 0; i < *n; i++)
		(*out)[i] = (struct store_listed){
			.key = db_dup(a, r, (int)i, LIST_KEY),
			.etag = db_dup(a, r, (int)i, LIST_ETAG),
			.size = (uint64_t)db_i64(r, (int)i, LIST_SIZE),
			.modified = db_wall(r, (int)i, LIST_MODIFIED),
		};
}

enum err store_list(struct store *s, struct str bucket, struct str prefix, struct str delimiter,
                    struct str from, int n, struct arena *a, struct store_listed **out,
                    size_t *n_out, struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	/* No key holds a NUL. */
	bool grouped = delimiter.n > 0 && str_chr(delimiter, '\0') < 0;
	*out = NULL;
	*n_out = 0;
	if (!str_is_utf8(prefix) || !str_is_utf8(delimiter))
		return err_set(e, ERR_INVALID, "prefix or delimiter is not UTF-8");
	arg_str(&args, bucket);
	arg_str(&args, str_cmp(from, prefix) < 0 ? prefix : from);
	arg_i64(&args, n);
	arg_str(&args, listing_behind(a, prefix));
	if (grouped) {
		arg_str(&args, prefix);
		arg_str(&args, delimiter);
		arg_str(&args, listing_behind(a, delimiter));
	}
	enum err r = db_exec(s->db, grouped ? Q_LIST_GROUPS : Q_LIST, args.p, &res, e);
	if (r == ERR_OK)
		read_list(a, res, out, n_out);
	db_result_free(&res);
	return r;
}
