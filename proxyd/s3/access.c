/* SPDX-License-Identifier: MIT
 *
 * Who may do what in which bucket: the one place where that is decided.
 *
 * A bucket of the configuration belongs to its credentials, one that was created while
 * running to the access key that did. Anybody else reads what is public: by the
 * operator's will (buckets[].public_read), or by the ACL of an object or bucket where
 * ACLs are enabled (ownershipControls) and nothing forbids it (publicAccessBlock).
 */
#include "base/log.h"
#include "config/config.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "store/buckets.h"

const char *const s3_public_settings[S3_PUBLIC_SETTINGS] = {"acl", "ownershipControls",
                                                            "publicAccessBlock"};

static bool has_acls(const struct store_bucket *b)
{
	struct str ownership = store_bucket_setting(b, "ownershipControls");
	return ownership.n && !str_eq(ownership, STR("BucketOwnerEnforced"));
}

enum s3_access s3_public_access(const struct store_bucket *b)
{
	struct str block = store_bucket_setting(b, "publicAccessBlock");
	if (!has_acls(b) || str_has_word(block, "IgnorePublicAcls") ||
	    str_has_word(block, "RestrictPublicBuckets"))
		return S3_ACCESS_NONE;
	return str_eq(store_bucket_setting(b, "acl"), STR("public-read")) ? S3_ACCESS_LISTED
	                                                                  : S3_ACCESS_OBJECTS;
}

static bool owns(const struct config_credential *credential, const struct store_bucket *b)
{
	return credential && b->owner.n && str_eq(b->owner, str_of(credential->access_key_id));
}

/* Sets access; op is what is asked for, or NULL. */
static enum err decide(struct s3_call *c, const struct s3_operation *op, struct error *e)
{
	const struct config_bucket *configured = config_bucket(c->server->config, c->bucket);
	struct store_bucket b;
	c->access = S3_ACCESS_NONE;
	if (configured && configured == c->allowed)
		c->access = S3_ACCESS_OWNER;
	else if (configured && configured->public_read)
		c->access = S3_ACCESS_PUBLIC;
	if (c->access != S3_ACCESS_NONE || (!(op && op->open) && (configured || !c->credential)))
		return ERR_OK;
	enum err r = store_bucket_find(c->server->store, c->bucket, s3_public_settings,
	                               S3_PUBLIC_SETTINGS, c->arena, &b, e);
	if (r == ERR_OK && !configured && owns(c->credential, &b)) {
		c->access = S3_ACCESS_OWNER;
		c->owner = b.owner;
	} else if (r == ERR_OK) {
		c->access = s3_public_access(&b);
	}
	return r;
}

/* Somebody with a credential, in a bucket that is not theirs. */
static void record_trespass(struct s3_call *c)
{
	c->event = "s3.BucketMismatch";
	c->trespassing = true;
	log_warn("s3_server", "bucket mismatch", LOG_STR("request_id", c->request_id),
	         LOG_S("method", c->http->head.method), LOG_S("path", c->http->path),
	         LOG_STR("client_addr", c->http->peer), LOG_STR("authorized", c->allowed->name),
	         LOG_S("requested", c->bucket));
}

/* Which buckets there are is told to those only who show a credential. */
static bool refuse(struct s3_call *c, enum s3_error error)
{
	if (c->credential)
		record_trespass(c);
	else
		c->event = "s3.AuthFailure";
	s3_fail(c, c->credential ? error : S3_ACCESS_DENIED, NULL);
	return false;
}

static bool fail_lookup(struct s3_call *c, const struct s3_operation *op, const struct error *e)
{
	c->operation = op; /* what could not be done */
	c->event = "s3.AuthFailure";
	s3_fail_err(c, e, NULL);
	return false;
}

bool s3_enter(struct s3_call *c)
{
	const struct s3_operation *op = s3_find_operation(c);
	struct error e;
	if (s3_foreign_subresource(c, op))
		op = NULL;
	if (!c->bucket.n)
		return c->credential || refuse(c, S3_ACCESS_DENIED);
	if (c->credential && op && op->does == S3_DOES_MAKE_BUCKET) {
		c->access = S3_ACCESS_OWNER; /* of a bucket that need not exist */
		return true;
	}
	enum err r = decide(c, op, &e);
	if (r == ERR_NO_BUCKET)
		return refuse(c, S3_NO_SUCH_BUCKET);
	if (r != ERR_OK)
		return fail_lookup(c, op, &e);
	if (c->access == S3_ACCESS_OWNER || (op && op->open && c->access >= op->open))
		return true;
	return refuse(c, S3_ACCESS_DENIED);
}

bool s3_may_read_bucket(struct s3_call *c, struct str bucket)
{
	const struct config_bucket *configured = config_bucket(c->server->config, bucket);
	struct store_bucket b;
	struct error e;
	if (configured ? configured == c->allowed || configured->public_read
	               : str_eq(bucket, c->bucket))
		return true;
	enum err r = ERR_OK;
	if (!configured)
		r = store_bucket_find(c->server->store, bucket, NULL, 0, c->arena, &b, &e);
	if (!configured && r == ERR_OK && owns(c->credential, &b))
		return true;
	if (r == ERR_OK)
		s3_fail(c, S3_ACCESS_DENIED, "Cross-bucket copy is not allowed");
	else
		s3_fail_err(c, &e, NULL);
	return false;
}

bool s3_may_read(struct s3_call *c, const struct store_object *o)
{
	if (o ? c->access >= S3_ACCESS_PUBLIC || str_eq(o->acl, STR("public-read"))
	      : c->access >= S3_ACCESS_LISTED)
		return true;
	s3_fail(c, S3_ACCESS_DENIED, NULL);
	return false;
}

bool s3_may_publish(struct s3_call *c)
{
	struct store_bucket b;
	struct error e;
	if (store_bucket_find(c->server->store, c->bucket, s3_public_settings, S3_PUBLIC_SETTINGS,
	                      c->arena, &b, &e) != ERR_OK)
		s3_fail_err(c, &e, NULL);
	else if (!has_acls(&b))
		s3_fail(c, S3_ACL_NOT_SUPPORTED, NULL);
	else if (str_has_word(store_bucket_setting(&b, "publicAccessBlock"), "BlockPublicAcls"))
		s3_fail(c, S3_ACCESS_DENIED,
		        "The public access block of the bucket forbids public ACLs");
	else
		return true;
	return false;
}
