/* SPDX-License-Identifier: MIT
 *
 * Rules for buckets and backends. Names and access keys are unique over whole
 * lists, access keys and tokens even over all buckets.
 */
#include "config/load.h"

#include <string.h>

/* --- buckets ------------------------------------------------------------------- */

static bool is_first_segment(struct str name, const char *path)
{
	struct str rest;

	return str_eq(str_cut(str_skip(str_of(path), 1), '/', &rest), name);
}

/* Is the name the beginning of a path that is not a bucket's? */
static bool is_reserved(const struct config *c, struct str name)
{
	if (str_eq(name, STR("__multipart")) || str_eq(name, STR("health")) ||
	    str_eq(name, STR("admin")))
		return true;
	if (c->ui.enabled && is_first_segment(name, c->ui.path))
		return true;
	return c->telemetry.metrics.enabled && !c->telemetry.metrics.listen[0] &&
	       is_first_segment(name, c->telemetry.metrics.path);
}

bool config_is_reserved(const struct config *c, struct str name)
{
	return is_reserved(c, name) || is_first_segment(name, c->ui.path) ||
	       is_first_segment(name, c->telemetry.metrics.path);
}

static void validate_credential(struct load *l, struct config_credential *cred)
{
	bool id = cred->access_key_id[0], secret = cred->secret_access_key[0];
	struct place at = load_place_in(l, cred, &cred->access_key_id, "access_key_id");

	if (cred->create_buckets && !(id && secret)) {
		struct place right =
			load_place_in(l, cred, &cred->create_buckets, "create_buckets");

		load_error(l, right.line, right.path,
		           "needs access_key_id and secret_access_key, which own the buckets");
	}
	if (id && secret)
		return;
	if (!cred->token[0]) {
		load_error(l, at.line, at.path,
		           "must have access_key_id+secret_access_key or token");
	} else if (id || secret) {
		load_warn(l, at.line, at.path, "half a pair of keys beside a token is ignored");
		cred->access_key_id = cred->secret_access_key = "";
	}
}

static void validate_bucket(struct load *l, const struct config_bucket *b)
{
	struct place at = load_place_in(l, b, &b->name, "name");
	struct place creds = load_place_in(l, b, &b->credentials, "credentials");

	if (!b->name[0])
		load_error(l, at.line, at.path, "name is required");
	else if (strchr(b->name, '/'))
		load_error(l, at.line, at.path, "name must not contain '/'");
	else if (is_reserved(l->config, str_of(b->name)))
		load_error(l, at.line, at.path, "name is reserved");
	if (!b->n_credentials)
		load_error(l, creds.line, creds.path, "at least one credential is required");
	for (size_t i = 0; i < b->n_credentials; i++)
		validate_credential(l, &b->credentials[i]);
}

static void check_credentials_unique(struct load *l)
{
	const struct config *c = l->config;
	struct unique *keys, *tokens;
	size_t n = 0;

	for (size_t i = 0; i < c->n_buckets; i++)
		n += c->buckets[i].n_credentials;
	keys = ARENA_ARRAY(l->scratch, struct unique, n);
	tokens = ARENA_ARRAY(l->scratch, struct unique, n);
	n = 0;
	for (size_t i = 0; i < c->n_buckets; i++) {
		for (size_t k = 0; k < c->buckets[i].n_credentials; k++, n++) {
			const struct config_credential *cr = &c->buckets[i].credentials[k];

			keys[n] = (struct unique){
				cr->access_key_id, n,
				load_place_in(l, cr, &cr->access_key_id, "access_key_id")};
			tokens[n] = (struct unique){cr->token, n,
			                            load_place_in(l, cr, &cr->token, "token")};
		}
	}
	load_check_unique(l, keys, n, "duplicate access_key_id", true);
	load_check_unique(l, tokens, n, "duplicate token", false);
}

void validate_buckets(struct load *l)
{
	const struct config *c = l->config;
	struct unique *names = ARENA_ARRAY(l->scratch, struct unique, c->n_buckets);

	if (!c->n_buckets) {
		struct place at = load_place(l, &c->buckets, "buckets");

		load_error(l, at.line, at.path, "at least one bucket is required");
	}
	for (size_t i = 0; i < c->n_buckets; i++) {
		const struct config_bucket *b = &c->buckets[i];

		validate_bucket(l, b);
		names[i] = (struct unique){b->name, i, load_place_in(l, b, &b->name, "name")};
	}
	load_check_unique(l, names, c->n_buckets, "duplicate bucket name", true);
	check_credentials_unique(l);
}

/* --- backends ------------------------------------------------------------------- */

static void require(struct load *l, const struct config_backend *b, const char *const *field,
                    const char *key)
{
	struct place at = load_place_in(l, b, field, key);

	if (!**field)
		load_error(l, at.line, at.path, "%s is required", key);
}

static void warn_unused(struct load *l, const struct config_backend *b, const char *const *field,
                        const char *key, const char *type)
{
	struct place at = load_place_in(l, b, field, key);

	if (**field)
		load_warn(l, at.line, at.path, "is not used by a backend of type %s", type);
}

static void validate_s3(struct load *l, const struct config_backend *b)
{
	struct place at = load_place_in(l, b, &b->unsigned_payload, "unsigned_payload");

	require(l, b, &b->endpoint, "endpoint");
	require(l, b, &b->bucket, "bucket");
	require(l, b, &b->access_key_id, "access_key_id");
	require(l, b, &b->secret_access_key, "secret_access_key");
	warn_unused(l, b, &b->path, "path", "s3");
	if (b->unsigned_payload && str_starts(str_of(b->endpoint), STR("http://")))
		load_warn(l, at.line, at.path,
		          "over http nothing protects an unsigned body on its way");
}

static void validate_directory(struct load *l, const struct config_backend *b)
{
	require(l, b, &b->path, "path");
	warn_unused(l, b, &b->endpoint, "endpoint", "directory");
	warn_unused(l, b, &b->bucket, "bucket", "directory");
}

static void validate_quotas(struct load *l)
{
	const struct config *c = l->config;
	struct place at = load_place(l, &c->backends, "backends");
	size_t unlimited = 0;

	for (size_t i = 0; i < c->n_backends; i++)
		unlimited += c->backends[i].quota_bytes == 0;
	if (unlimited && unlimited < c->n_backends)
		load_error(l, at.line, at.path,
		           "cannot mix unlimited (quota_bytes: 0) and quota-limited backends");
	else if (unlimited > 1 && c->replication.factor < 2)
		load_error(l, at.line, at.path,
		           "multiple backends with unlimited quota requires replication.factor >= "
		           "2");
}

void validate_backends(struct load *l)
{
	const struct config *c = l->config;
	struct unique *names = ARENA_ARRAY(l->scratch, struct unique, c->n_backends);

	if (!c->n_backends) {
		struct place at = load_place(l, &c->backends, "backends");

		load_error(l, at.line, at.path, "at least one backend is required");
	}
	for (size_t i = 0; i < c->n_backends; i++) {
		const struct config_backend *b = &c->backends[i];

		if (b->type == BACKEND_S3)
			validate_s3(l, b);
		else
			validate_directory(l, b);
		names[i] = (struct unique){b->name, i, load_place_in(l, b, &b->name, "name")};
	}
	load_check_unique(l, names, c->n_backends, "duplicate backend name", true);
	validate_quotas(l);
}
