/* SPDX-License-Identifier: MIT
 *
 * See reconcile.h.
 */
#include "store/reconcile.h"

#include "config/config.h"
#include "store/store_private.h"

enum err store_explained(struct store *s, const char *backend, const char *const *keys, size_t n,
                         bool *out, struct error *e)
{
	BUF_AUTO array = {0};
	struct args a = {0};
	struct db_result *res = NULL;
	arg_text(&a, backend);
	arg_texts(&a, &array, keys, n);
	enum err r = db_exec(s->db, Q_EXPLAINED, a.p, &res, e);
	for (size_t i = 0; r == ERR_OK && i < n; i++)
		out[i] = false;
	for (int i = 0; r == ERR_OK && i < db_rows(res); i++)
		out[db_i64(res, i, EXPLAINED_PLACE) - 1] = true;
	db_result_free(&res);
	return r;
}

enum err store_names(struct store *s, struct store_name *names, size_t n, struct error *e)
{
	BUF_AUTO buckets = {0};
	BUF_AUTO keys = {0};
	struct args a = {0};
	struct db_result *res = NULL;
	struct arena *scratch = arena_new();
	const char **texts = ARENA_ARRAY(scratch, const char *, 2 * n);
	for (size_t i = 0; i < n; i++) {
		texts[i] = arena_dup(scratch, names[i].bucket).p;
		texts[n + i] = arena_dup(scratch, names[i].key).p;
	}
	arg_texts(&a, &buckets, texts, n);
	arg_texts(&a, &keys, texts + n, n);
	enum err r = db_exec(s->db, Q_NAMES, a.p, &res, e);
	for (int i = 0; r == ERR_OK && i < db_rows(res); i++) {
		names[i].is_bucket = db_bool(res, i, NAMES_BUCKET);
		names[i].has_version = db_bool(res, i, NAMES_VERSION);
	}
	db_result_free(&res);
	arena_free(&scratch);
	return r;
}

static enum store_outcome outcome_of(struct str status)
{
	static const struct {
		const char *status;
		enum store_outcome outcome;
	} outcomes[] = {
		{"known", STORE_KNOWN},         {"draining", STORE_DRAINING},
		{"no_bucket", STORE_NO_BUCKET}, {"unproven", STORE_UNPROVEN},
		{"orphan", STORE_ORPHAN},
	};
	for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
		if (str_eq(status, str_of(outcomes[i].status)))
			return outcomes[i].outcome;
	return STORE_DONE; /* "adopted", "imported" */
}

enum err store_adopt_copy(struct store *s, const struct store_found *f,
                          const struct store_origin *of, bool dry_run, enum store_outcome *out,
                          struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	arg_text(&a, f->backend);
	arg_str(&a, f->backend_key);
	arg_str(&a, of->bucket);
	arg_str(&a, of->key);
	arg_bool(&a, of->is_cut);
	arg_text(&a, of->generation);
	arg_i64(&a, of->part);
	arg_i64(&a, (int64_t)f->size);
	arg_str(&a, f->md5);
	arg_str(&a, f->sha256);
	arg_slot(&a);
	arg_bool(&a, dry_run);
	enum err r = exec_shielded(s, Q_ADOPT_COPY, &a, &res, e);
	if (r == ERR_OK)
		*out = outcome_of(db_str(res, 0, ADOPT_COPY_STATUS));
	db_result_free(&res);
	return r;
}

enum err store_import(struct store *s, const struct store_found *f, const struct store_object *o,
                      int64_t modified, enum store_outcome *out, struct error *e)
{
	BUF_AUTO object = {0};
	struct args a = {0};
	struct db_result *res = NULL;
	enum err r = json_of_object(o, &object, e);
	if (r != ERR_OK)
		return r;
	arg_str(&a, o->bucket);
	arg_str(&a, o->key);
	arg_text(&a, o->generation);
	arg_str(&a, buf_str(&object));
	arg_i64(&a, modified);
	arg_text(&a, f->backend);
	arg_str(&a, f->backend_key);
	arg_str(&a, f->md5);
	arg_i64(&a, config_factor(s->config, o->bucket));
	arg_slot(&a);
	r = exec_shielded(s, Q_IMPORT, &a, &res, e);
	if (r == ERR_OK)
		*out = outcome_of(db_str(res, 0, IMPORT_STATUS));
	if (r == ERR_OK && *out == STORE_DONE)
		copies_committed(s, o->bucket, 1);
	db_result_free(&res);
	return r;
}

enum err store_queue_found(struct store *s, const struct store_found *f, const char *reason,
                           bool *queued, struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	arg_text(&a, f->backend);
	arg_str(&a, f->backend_key);
	arg_i64(&a, (int64_t)f->size);
	arg_text(&a, reason);
	arg_slot(&a);
	enum err r = exec_shielded(s, Q_QUEUE_FOUND, &a, &res, e);
	if (r == ERR_OK) {
		*queued = db_bool(res, 0, QUEUE_FOUND_QUEUED);
		cleanup_queued(s, reason, *queued);
	}
	db_result_free(&res);
	return r;
}
