/* SPDX-License-Identifier: MIT
 *
 * See keys.h.
 */
#include "store/keys.h"

#include "store/store_private.h"

enum err store_disabled_keys(struct store *s, struct arena *a, struct store_disabled_key **out,
                             size_t *n, struct error *e)
{
	struct db_result *res = NULL;
	*n = 0;
	enum err r = db_exec(s->db, Q_DISABLED_KEYS, NULL, &res, e);
	if (r == ERR_OK) {
		*n = (size_t)db_rows(res);
		*out = ARENA_ARRAY(a, struct store_disabled_key, *n);
	}
	for (int i = 0; i < (int)*n; i++)
		(*out)[i] = (struct store_disabled_key){
			.id = db_dup(a, res, i, DISABLED_KEYS_ID),
			.disabled = db_wall(res, i, DISABLED_KEYS_DISABLED),
		};
	db_result_free(&res);
	return r;
}

enum err store_key_disable(struct store *s, struct str id, struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	arg_str(&a, id);
	enum err r = exec_shielded(s, Q_DISABLE_KEY, &a, &res, e);
	db_result_free(&res);
	return r;
}

enum err store_key_enable(struct store *s, struct str id, struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	arg_str(&a, id);
	enum err r = exec_shielded(s, Q_ENABLE_KEY, &a, &res, e);
	if (r == ERR_OK && !db_bool(res, 0, ENABLE_KEY_WAS_DISABLED))
		r = err_set(e, ERR_NOT_FOUND, "the key is not disabled");
	db_result_free(&res);
	return r;
}
