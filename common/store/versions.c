/* SPDX-License-Identifier: MIT
 *
 * Versions of objects. What changes a version names its generation, so that a statement
 * that is executed late never meets a newer one.
 */
#include "store/versions.h"

#include "s3proto/listing.h"
#include "store/store_private.h"

/* As in the database; "" is NULL there. */
static const char *const versionings[] = {
	[STORE_NEVER_VERSIONED] = "",
	[STORE_VERSIONED] = "Enabled",
	[STORE_VERSIONING_SUSPENDED] = "Suspended",
};

enum err store_versioning(struct store *s, struct str bucket, enum store_versioning *out,
                          struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	arg_str(&a, bucket);
	enum err r = db_exec(s->db, Q_VERSIONING, a.p, &res, e);
	if (r == ERR_OK && db_rows(res) == 0)
		r = status_error(STR("no_bucket"), e);
	for (size_t i = 0; r == ERR_OK && i < sizeof(versionings) / sizeof(versionings[0]); i++)
		if (str_eq(db_str(res, 0, VERSIONING_VERSIONING), str_of(versionings[i])))
			*out = (enum store_versioning)i;
	db_result_free(&res);
	return r;
}

enum err store_set_versioning(struct store *s, struct str bucket, struct str owner,
                              enum store_versioning v, struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	arg_str(&a, bucket);
	arg_str(&a, owner);
	arg_text(&a, versionings[v]);
	enum err r = exec_shielded(s, Q_SET_VERSIONING, &a, &res, e);
	if (r == ERR_OK && !db_bool(res, 0, SET_VERSIONING_DONE))
		r = status_error(STR("no_bucket"), e);
	db_result_free(&res);
	return r;
}

/* --- listing ---------------------------------------------------------------- */

static void read_version(struct arena *a, const struct db_result *r, int row,
                         struct store_listed_version *v)
{
	*v = (struct store_listed_version){
		.key = db_dup(a, r, row, LIST_VERSIONS_NAME),
		.is_group = db_bool(r, row, LIST_VERSIONS_IS_GROUP),
		.is_latest = db_bool(r, row, LIST_VERSIONS_IS_LATEST),
		.is_marker = db_bool(r, row, LIST_VERSIONS_IS_MARKER),
		.etag = db_dup(a, r, row, LIST_VERSIONS_ETAG),
		.size = (uint64_t)db_i64(r, row, LIST_VERSIONS_SIZE),
		.modified = db_wall(r, row, LIST_VERSIONS_MODIFIED),
	};
	version_id_copy(v->version_id, db_str(r, row, LIST_VERSIONS_VERSION_ID));
}

enum err store_list_versions(struct store *s, struct str bucket, struct str prefix,
                             struct str delimiter, struct str from, struct str version, int n,
                             struct arena *a, struct store_listed_version **out, size_t *n_out,
                             struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	bool before = str_cmp(from, prefix) < 0;
	*out = NULL;
	*n_out = 0;
	if (!str_is_utf8(prefix) || !str_is_utf8(delimiter))
		return err_set(e, ERR_INVALID, "prefix or delimiter is not UTF-8");
	if (str_chr(delimiter, '\0') >= 0)
		delimiter = STR_NULL; /* no key holds a NUL */
	arg_str(&args, bucket);
	arg_str(&args, prefix);
	arg_str(&args, listing_behind(a, prefix));
	arg_str(&args, delimiter);
	arg_str(&args, delimiter.n ? listing_behind(a, delimiter) : STR_NULL);
	arg_str(&args, before ? prefix : from);
	arg_str(&args, before ? STR_NULL : version);
	arg_i64(&args, n);
	enum err r = db_exec(s->db, Q_LIST_VERSIONS, args.p, &res, e);
	if (r == ERR_OK) {
		*n_out = (size_t)db_rows(res);
		*out = ARENA_ARRAY(a, struct store_listed_version, *n_out);
	}
	for (size_t i = 0; i < *n_out; i++)
		read_version(a, res, (int)i, &(*out)[i]);
	db_result_free(&res);
	return r;
}

/* --- properties of a version -------------------------------------------------- */

static void begin_set(struct args *a, const struct store_object *o)
{
	arg_str(a, o->bucket);
	arg_str(a, o->key);
	arg_text(a, o->generation);
}

static enum err set(struct store *s, enum query q, const struct args *a, struct error *e)
{
	struct db_result *res = NULL;
	enum err r = exec_shielded(s, q, a, &res, e);
	if (r == ERR_OK && db_rows(res) == 0)
		r = err_set(e, ERR_NOT_FOUND, "the version is gone");
	db_result_free(&res);
	return r;
}

enum err store_set_tags(struct store *s, const struct store_object *o, const struct str_pair *tags,
                        size_t n, struct error *e)
{
	BUF_AUTO json = {0};
	struct args a = {0};
	begin_set(&a, o);
	enum err r = json_of_pairs(tags, n, &json, e);
	if (r != ERR_OK)
		return r;
	if (n)
		arg_str(&a, buf_str(&json));
	else
		arg_null(&a);
	return set(s, Q_SET_TAGS, &a, e);
}

enum err store_set_acl(struct store *s, const struct store_object *o, struct str acl,
                       struct error *e)
{
	struct args a = {0};
	begin_set(&a, o);
	if (acl.n)
		arg_str(&a, acl);
	else
		arg_null(&a);
	return set(s, Q_SET_ACL, &a, e);
}
