/* SPDX-License-Identifier: MIT
 *
 * See buckets.h.
 */
#include "store/buckets.h"

#include "store/store_private.h"

static enum err no_such_bucket(struct error *e)
{
	return err_set(e, ERR_NO_BUCKET, "no such bucket");
}

static enum err bucket_error(struct str status, struct error *e)
{
	if (str_eq(status, STR("ok")) || str_eq(status, STR("yours")))
		return ERR_OK;
	if (str_eq(status, STR("taken")))
		return err_set(e, ERR_CONFLICT, "the name of the bucket is taken");
	if (str_eq(status, STR("differs")))
		return err_set(e, ERR_PRECONDITION, "the bucket has other settings");
	if (str_eq(status, STR("not_empty")))
		return err_set(e, ERR_CONFLICT, "the bucket is not empty");
	if (str_eq(status, STR("full")))
		return err_set(e, ERR_BUSY, "the owner has %d buckets", STORE_BUCKETS_MAX);
	return no_such_bucket(e);
}

enum err store_bucket_create(struct store *s, struct str bucket, struct str owner,
                             const struct str_pair *settings, size_t n, struct error *e)
{
	BUF_AUTO json = {0};
	struct args a = {0};
	struct db_result *res = NULL;
	enum err r = json_of_pairs(settings, n, &json, e);
	if (r != ERR_OK)
		return r;
	arg_str(&a, bucket);
	arg_str(&a, owner);
	arg_i64(&a, STORE_BUCKETS_MAX);
	arg_str(&a, buf_str(&json));
	r = exec_shielded(s, Q_CREATE_BUCKET, &a, &res, e);
	if (r == ERR_OK)
		r = bucket_error(db_str(res, 0, CREATE_BUCKET_STATUS), e);
	db_result_free(&res);
	return r;
}

/* One transaction. */
static enum err delete_some(struct store *s, const struct args *a, bool *more, struct error *e)
{
	struct db_result *res = NULL;
	enum err r = exec_shielded(s, Q_DELETE_BUCKET, a, &res, e);
	*more = false;
	if (r == ERR_OK) {
		struct str status = db_str(res, 0, DELETE_BUCKET_STATUS);
		*more = str_eq(status, STR("more"));
		r = *more ? ERR_OK : bucket_error(status, e);
		cleanup_queued(s, "abort_part_cleanup",
		               (uint64_t)db_i64(res, 0, DELETE_BUCKET_QUEUED));
	}
	db_result_free(&res);
	return r;
}

enum err store_bucket_delete(struct store *s, struct str bucket, struct str owner, struct error *e)
{
	struct args a = {0};
	bool more = true;
	enum err r = ERR_OK;
	arg_str(&a, bucket);
	arg_str(&a, owner);
	arg_slot(&a);
	while (r == ERR_OK && more)
		r = delete_some(s, &a, &more, e);
	return r;
}

static void read_settings(struct arena *a, const struct db_result *res, struct store_bucket *b)
{
	b->settings = ARENA_ARRAY(a, struct str_pair, db_rows(res));
	for (int i = 0; i < db_rows(res); i++)
		if (!db_is_null(res, i, FIND_BUCKET_NAME))
			b->settings[b->n_settings++] =
				(struct str_pair){db_dup(a, res, i, FIND_BUCKET_NAME),
			                          db_dup(a, res, i, FIND_BUCKET_VALUE)};
}

enum err store_bucket_find(struct store *s, struct str bucket, const char *const *names, size_t n,
                           struct arena *a, struct store_bucket *out, struct error *e)
{
	BUF_AUTO array = {0};
	struct args args = {0};
	struct db_result *res = NULL;
	*out = (struct store_bucket){.name = bucket};
	arg_str(&args, bucket);
	arg_texts(&args, &array, names, n);
	enum err r = db_exec(s->db, Q_FIND_BUCKET, args.p, &res, e);
	if (r == ERR_OK && db_rows(res) == 0)
		r = no_such_bucket(e);
	if (r == ERR_OK) {
		out->owner = db_dup(a, res, 0, FIND_BUCKET_OWNER);
		out->versioning = db_dup(a, res, 0, FIND_BUCKET_VERSIONING);
		out->created = db_wall(res, 0, FIND_BUCKET_CREATED);
		read_settings(a, res, out);
	}
	db_result_free(&res);
	return r;
}

struct str store_bucket_setting(const struct store_bucket *b, const char *name)
{
	for (size_t i = 0; i < b->n_settings; i++)
		if (str_eq(b->settings[i].name, str_of(name)))
			return b->settings[i].value;
	return STR_NULL;
}

enum err store_bucket_list(struct store *s, struct str owner, struct str also, struct arena *a,
                           struct store_bucket **out, size_t *n, struct error *e)
{
	struct args args = {0};
	struct db_result *res = NULL;
	arg_str(&args, owner);
	arg_str(&args, also);
	*n = 0;
	enum err r = db_exec(s->db, Q_OWN_BUCKETS, args.p, &res, e);
	if (r == ERR_OK) {
		*n = (size_t)db_rows(res);
		*out = ARENA_ARRAY(a, struct store_bucket, *n);
	}
	for (int i = 0; i < (int)*n; i++)
		(*out)[i] = (struct store_bucket){
			.name = db_dup(a, res, i, OWN_BUCKETS_BUCKET),
			.owner = db_dup(a, res, i, OWN_BUCKETS_OWNER),
			.versioning = db_dup(a, res, i, OWN_BUCKETS_VERSIONING),
			.created = db_wall(res, i, OWN_BUCKETS_CREATED),
		};
	db_result_free(&res);
	return r;
}

/* The result has a row when the bucket is there. */
static enum err change_setting(struct store *s, enum query q, const struct args *a, struct error *e)
{
	struct db_result *res = NULL;
	enum err r = exec_shielded(s, q, a, &res, e);
	if (r == ERR_OK && db_rows(res) == 0)
		r = no_such_bucket(e);
	db_result_free(&res);
	return r;
}

enum err store_bucket_set(struct store *s, struct str bucket, struct str owner, const char *name,
                          struct str value, struct error *e)
{
	struct args a = {0};
	arg_str(&a, bucket);
	arg_str(&a, owner);
	arg_text(&a, name);
	arg_str(&a, value);
	return change_setting(s, Q_PUT_BUCKET_SETTING, &a, e);
}

enum err store_bucket_unset(struct store *s, struct str bucket, struct str owner, const char *name,
                            struct error *e)
{
	struct args a = {0};
	arg_str(&a, bucket);
	arg_str(&a, owner);
	arg_text(&a, name);
	return change_setting(s, Q_DELETE_BUCKET_SETTING, &a, e);
}
