/* SPDX-License-Identifier: MIT
 *
 * Finding and listing. A version and the copies of its segments come as rows of
 * one result: the version first, then the copies in order of segment and age.
 */
#include "store/store_private.h"

#include <stdio.h>
#include "s3proto/listing.h"

/* The head columns are the first of both statements. */
_Static_assert((int)FIND_HEAD_MODIFIED == (int)FIND_COPIES_MODIFIED, "columns differ");

static struct str text(struct arena *a, const struct db_result *r, int row, int col)
{
	return arena_dup(a, db_str(r, row, col));
}

static void read_head(struct arena *a, const struct db_result *r, struct store_version *v)
{
	struct store_object *o = &v->o;
	snprintf(o->generation, sizeof o->generation, "%.*s",
	         STR_FMT(db_str(r, 0, FIND_HEAD_GENERATION)));
	o->size = (uint64_t)db_i64(r, 0, FIND_HEAD_SIZE);
	o->etag = text(a, r, 0, FIND_HEAD_ETAG);
	o->content_type = text(a, r, 0, FIND_HEAD_CONTENT_TYPE);
	o->sha256 = text(a, r, 0, FIND_HEAD_SHA256);
	if (!db_is_null(r, 0, FIND_HEAD_HEADERS))
		json_to_pairs(a, db_str(r, 0, FIND_HEAD_HEADERS), &o->headers, &o->n_headers);
	if (!db_is_null(r, 0, FIND_HEAD_METADATA))
		json_to_pairs(a, db_str(r, 0, FIND_HEAD_METADATA), &o->metadata, &o->n_metadata);
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
	s->size = (uint64_t)db_i64(r, row, FIND_COPIES_SEGMENT_SIZE);
	s->copies = ARENA_ARRAY(a, struct store_copy, n);
	for (int i = row; i < row + n; i++)
		if (!db_is_null(r, i, FIND_COPIES_BACKEND))
			s->copies[s->n_copies++] = (struct store_copy){
				.backend = text(a, r, i, FIND_COPIES_BACKEND),
				.backend_key = text(a, r, i, FIND_COPIES_BACKEND_KEY),
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

enum err store_find(struct store *s, struct str bucket, struct str key, bool with_copies,
                    struct arena *a, struct store_version *out, struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	*out = (struct store_version){0};
	arg_str(&args, bucket);
	arg_str(&args, key);
	enum err r = db_exec(s->db, with_copies ? Q_FIND_COPIES : Q_FIND_HEAD, args.p, &res, e);
	if (r == ERR_OK && db_rows(res) == 0)
		r = err_set(e, ERR_NOT_FOUND, "no such key");
	if (r == ERR_OK) {
		out->o.bucket = arena_dup(a, bucket);
		out->o.key = arena_dup(a, key);
		read_head(a, res, out);
		if (with_copies)
			read_segments(a, res, out);
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
			.key = text(a, r, (int)i, LIST_KEY),
			.etag = text(a, r, (int)i, LIST_ETAG),
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
