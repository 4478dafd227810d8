/* SPDX-License-Identifier: MIT
 *
 * Buckets in the admin API: those of the configuration are looked at only, others are also
 * created, for whoever has an access key, and deleted. Of each only so many keys are counted.
 */
#include "base/clock.h"
#include "config/config.h"
#include "ctl/catalogue_private.h"
#include "net/http_server.h"
#include "s3proto/bucket_name.h"
#include "store/inspect.h"

/* For all buckets together; when it is over, further ones are not counted. */
#define COUNTING_TIME (2 * CLOCK_SEC)
/* Buckets that are asked for in one statement. */
#define BUCKETS_BATCH 500

/* --- looking ------------------------------------------------------------------- */

static json_t *bucket_json(const struct store_bucket *b, const struct store_bucket_size *size,
                           const struct config *config)
{
	json_t *o = json_pack("{s:s%}", "name", b->name.p, b->name.n);

	json_object_set_new(o, "owner", admin_text(b->owner));
	json_object_set_new(o, "versioning", admin_text(b->versioning));
	json_object_set_new(o, "created", admin_time(b->created));
	json_object_set_new(o, "objects", json_null());
	json_object_set_new(o, "bytes", json_null());
	if (size->known) {
		catalogue_set_number(o, "objects", size->objects);
		catalogue_set_number(o, "bytes", size->bytes);
	}
	json_object_set_new(o, "factor", json_integer(config_factor(config, b->name)));
	json_object_set_new(o, "ack", json_integer(config_ack(config, b->name)));
	return o;
}

static void add_buckets(json_t *list, struct store *s, const struct config *config,
                        const struct store_bucket *b, size_t n, int64_t deadline)
{
	for (size_t i = 0; i < n; i++) {
		struct store_bucket_size size = {.known = false};
		struct error ignored;

		if (clock_mono() < deadline)
			store_inspect_size(s, b[i].name, &size, &ignored);
		json_array_append_new(list, bucket_json(&b[i], &size, config));
	}
}

static enum err list_buckets(struct store *s, const struct config *config, struct arena *a,
                             json_t *list, struct error *e)
{
	int64_t deadline = clock_deadline(COUNTING_TIME);
	struct str after = STR_NULL;
	size_t n = BUCKETS_BATCH;

	while (n == BUCKETS_BATCH) {
		struct store_bucket *b;
		enum err r = store_inspect_buckets(s, after, BUCKETS_BATCH, a, &b, &n, e);

		if (r != ERR_OK)
			return r;
		add_buckets(list, s, config, b, n, deadline);
		if (n > 0)
			after = b[n - 1].name;
	}
	return ERR_OK;
}

static void get_bucket(struct http_call *c, struct store *s, const struct config *config,
                       struct str name, json_t *list)
{
	struct store_bucket b;
	struct error e;

	switch (store_bucket_find(s, name, NULL, 0, c->arena, &b, &e)) {
	case ERR_OK:
		add_buckets(list, s, config, &b, 1, CLOCK_NEVER);
		admin_reply(c, 200, json_pack("{s:O}", "buckets", list));
		break;
	case ERR_NO_BUCKET:
		admin_error(c, 404, "bucket not found");
		break;
	default:
		catalogue_fail(c, "failed to fetch buckets", &e);
	}
}

void admin_get_buckets(struct http_call *c, struct store *s, const struct config *config)
{
	struct admin_param name = {.name = "name"};
	json_t *list;
	struct error e;

	if (!admin_read_params(c, &name, 1))
		return;
	list = json_array();
	if (name.value.n > 0)
		get_bucket(c, s, config, name.value, list);
	else if (list_buckets(s, config, c->arena, list, &e) == ERR_OK)
		admin_reply(c, 200, json_pack("{s:O}", "buckets", list));
	else
		catalogue_fail(c, "failed to fetch buckets", &e);
	json_decref(list);
}

/* --- creating and deleting ------------------------------------------------------- */

/* False: the name is missing, or of the configuration; answered. */
static bool check_name(struct http_call *c, const struct config *config, struct str name)
{
	if (name.n == 0)
		admin_error(c, 400, "name parameter is required");
	else if (config_bucket(config, name))
		admin_error(c, 409, "buckets of the configuration are made and removed there");
	else
		return true;
	return false;
}

static void fail(struct http_call *c, const char *what, const struct error *e)
{
	if (e->code == ERR_CONFLICT || e->code == ERR_BUSY)
		admin_error(c, 409, e->text);
	else if (e->code == ERR_NO_BUCKET)
		admin_error(c, 404, "bucket not found");
	else
		catalogue_fail(c, what, e);
}

static void reply_done(struct http_call *c, int status, const char *what, struct str name,
                       struct str owner)
{
	json_t *o = json_pack("{s:s, s:s%}", "status", what, "bucket", name.p, name.n);

	json_object_set_new(o, "owner", admin_text(owner));
	admin_reply(c, status, o);
}

void admin_create_bucket(struct http_call *c, struct store *s, const struct config *config)
{
	struct admin_param p[] = {{.name = "name"}, {.name = "owner"}};
	const char *fault;
	struct error e;

	if (!admin_read_params(c, p, CATALOGUE_COUNT(p)) || !check_name(c, config, p[0].value))
		return;
	fault = bucket_name_fault(p[0].value);
	if (p[1].value.n == 0)
		admin_error(c, 400, "owner parameter is required: an access key");
	else if (!config_credential(config, p[1].value, NULL))
		admin_refuse(c, &p[1], "no such access key in the configuration");
	else if (fault || config_is_reserved(config, p[0].value))
		admin_refuse(c, &p[0], fault ? fault : "This name is reserved");
	else if (store_bucket_create(s, p[0].value, p[1].value, NULL, 0, &e) == ERR_OK)
		reply_done(c, 201, "created", p[0].value, p[1].value);
	else
		fail(c, "failed to create the bucket", &e);
}

/* Of whomever it is. What the configuration has had once may be in that of another host. */
static enum err delete_bucket(struct http_call *c, struct store *s, struct str name,
                              struct str *owner, struct error *e)
{
	struct store_bucket b;
	enum err r = store_bucket_find(s, name, NULL, 0, c->arena, &b, e);

	if (r != ERR_OK)
		return r;
	*owner = b.owner;
	if (b.owner.n == 0)
		return err_set(e, ERR_CONFLICT, "the bucket belongs to a configuration");
	return store_bucket_delete(s, name, b.owner, e);
}

void admin_delete_bucket(struct http_call *c, struct store *s, const struct config *config)
{
	struct admin_param name = {.name = "name"};
	struct str owner;
	struct error e;

	if (!admin_read_params(c, &name, 1) || !check_name(c, config, name.value))
		return;
	if (delete_bucket(c, s, name.value, &owner, &e) == ERR_OK)
		reply_done(c, 200, "deleted", name.value, owner);
	else
		fail(c, "failed to delete the bucket", &e);
}
