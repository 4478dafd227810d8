/* SPDX-License-Identifier: MIT
 *
 * Access keys in the admin API: which there are and which of them are refused. Secrets are
 * nowhere told.
 */
#include "store/keys.h"

#include "config/config.h"
#include "ctl/catalogue_private.h"
#include "net/http_server.h"

/* --- looking ------------------------------------------------------------------- */

/* NULL: it is not disabled. */
static const struct store_disabled_key *find_disabled(const struct store_disabled_key *list,
                                                      size_t n, struct str id)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(list[i].id, id))
			return &list[i];
	return NULL;
}

/* bucket NULL: the configuration does not have it. */
static json_t *key_json(struct str id, const struct config_bucket *bucket, bool create_buckets,
                        const struct store_disabled_key *disabled)
{
	json_t *o = json_pack("{s:s%}", "access_key_id", id.p, id.n);

	json_object_set_new(o, "bucket", bucket ? json_string(bucket->name) : json_null());
	json_object_set_new(o, "create_buckets", json_boolean(create_buckets));
	json_object_set_new(o, "disabled", json_boolean(disabled != NULL));
	json_object_set_new(o, "disabled_at", admin_time(disabled ? disabled->disabled : 0));
	return o;
}

static json_t *keys_json(const struct config *config, const struct store_disabled_key *disabled,
                         size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < config->n_buckets; i++)
		for (size_t k = 0; k < config->buckets[i].n_credentials; k++) {
			const struct config_credential *cr = &config->buckets[i].credentials[k];
			struct str id = str_of(cr->access_key_id);

			if (id.n > 0)
				json_array_append_new(
					list, key_json(id, &config->buckets[i], cr->create_buckets,
				                       find_disabled(disabled, n, id)));
		}
	for (size_t i = 0; i < n; i++)
		if (!config_credential(config, disabled[i].id, NULL))
			json_array_append_new(list,
			                      key_json(disabled[i].id, NULL, false, &disabled[i]));
	return list;
}

void admin_get_keys(struct http_call *c, struct store *s, const struct config *config)
{
	struct store_disabled_key *disabled;
	struct error e;
	size_t n;

	if (!admin_read_params(c, NULL, 0))
		return;
	if (store_disabled_keys(s, c->arena, &disabled, &n, &e) == ERR_OK)
		admin_reply(c, 200, json_pack("{s:o}", "keys", keys_json(config, disabled, n)));
	else
		catalogue_fail(c, "failed to fetch disabled keys", &e);
}

/* --- disabling and enabling -------------------------------------------------------- */

/* False: answered. */
static bool read_id(struct http_call *c, struct admin_param *id)
{
	if (!admin_read_params(c, id, 1))
		return false;
	if (id->value.n == 0)
		admin_error(c, 400, "id parameter is required: an access key");
	return id->value.n > 0;
}

static void reply_done(struct http_call *c, const char *what, struct str id)
{
	admin_reply(c, 200, json_pack("{s:s, s:s%}", "status", what, "access_key_id", id.p, id.n));
}

void admin_disable_key(struct http_call *c, struct store *s, const struct config *config)
{
	struct admin_param id = {.name = "id"};
	struct error e;

	if (!read_id(c, &id))
		return;
	if (!config_credential(config, id.value, NULL))
		admin_error(c, 404, "no such access key in the configuration");
	else if (store_key_disable(s, id.value, &e) == ERR_OK)
		reply_done(c, "disabled", id.value);
	else
		catalogue_fail(c, "failed to disable the key", &e);
}

void admin_enable_key(struct http_call *c, struct store *s, const struct config *config)
{
	struct admin_param id = {.name = "id"};
	struct error e;

	(void)config;
	if (!read_id(c, &id))
		return;
	if (store_key_enable(s, id.value, &e) == ERR_OK)
		reply_done(c, "enabled", id.value);
	else if (e.code == ERR_NOT_FOUND)
		admin_error(c, 404, e.text);
	else
		catalogue_fail(c, "failed to enable the key", &e);
}
