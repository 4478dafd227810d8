/* SPDX-License-Identifier: MIT
 *
 * Who is asking: SigV4 in the header or in the URL, the legacy token, or nobody. A
 * credential stands at one bucket. Secrets are protected: a signature is computed
 * for unknown keys too, and signatures and tokens are compared in constant time.
 * Which key ids exist is not: the error code says so, as that of AWS does.
 */
#include "base/clock.h"
#include "config/config.h"
#include "proxyd/keys.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"

static bool is_refused(const struct server *s, const struct config_credential *credential)
{
	return credential->access_key_id[0] &&
	       keys_is_disabled(s->keys, str_of(credential->access_key_id));
}

/* One that is disabled is as unknown as one that never was. NULL: so it is. */
static const struct config_credential *find_key(struct s3_call *c)
{
	const struct server *s = c->server;
	const struct config_bucket *bucket = NULL;
	const struct config_credential *found =
		config_credential(s->config, c->auth.access_key, &bucket);
	if (!found || is_refused(s, found))
		return NULL;
	c->allowed = bucket;
	return found;
}

/* Who has shown a valid key may have been disabled. */
static enum s3_error check_known(const struct s3_call *c, const char **why)
{
	if (!c->credential || keys_are_known(c->server->keys))
		return S3_OK;
	*why = "The database has not told yet which keys are disabled.";
	return S3_SERVICE_UNAVAILABLE;
}

static enum s3_error check_signature(struct s3_call *c, const char **why)
{
	const struct config_credential *credential = find_key(c);
	c->credential = credential;
	struct str secret = credential ? str_of(credential->secret_access_key) : STR_NULL;
	return sigv4_verify(&c->auth, &c->http->head, credential ? &secret : NULL, clock_wall(),
	                    &c->seed, why);
}

static enum s3_error check_post(struct s3_call *c, const struct sigv4_post *p, const char **why)
{
	enum s3_error r = sigv4_parse_post(p, &c->auth, why);
	if (r != S3_OK)
		return r;
	const struct config_credential *credential = find_key(c);
	c->credential = credential;
	struct str secret = credential ? str_of(credential->secret_access_key) : STR_NULL;
	return sigv4_verify_post(&c->auth, p->policy, credential ? &secret : NULL);
}

bool s3_authenticate_form(struct s3_call *c, const struct sigv4_post *p)
{
	const char *why = NULL;
	enum s3_error r = check_post(c, p, &why);
	if (r == S3_OK)
		r = check_known(c, &why);
	if (r == S3_OK)
		return true;
	s3_fail(c, r, why);
	return false;
}

/* Neither a signature of any kind nor a token: what is public may be asked for. */
static bool shows_nothing(const struct s3_call *c)
{
	const struct http_head *h = &c->http->head;
	return !http_head_get(h, STR("authorization")) && !http_head_get(h, STR("x-proxy-token")) &&
	       !sigv4_is_version_2(h, &c->query);
}

/* Compares with every token, without leaving early. */
static enum s3_error check_token(struct s3_call *c)
{
	const struct str *token = http_head_get(&c->http->head, STR("x-proxy-token"));
	const struct config *config = c->server->config;
	if (!token || !token->n)
		return S3_ACCESS_DENIED;
	for (size_t i = 0; i < config->n_buckets; i++) {
		const struct config_bucket *b = &config->buckets[i];
		for (size_t k = 0; k < b->n_credentials; k++) {
			struct str known = str_of(b->credentials[k].token);
			if (known.n && str_eq_secret(*token, known) &&
			    !is_refused(c->server, &b->credentials[k]))
				c->allowed = b, c->credential = &b->credentials[k];
		}
	}
	return c->allowed ? S3_OK : S3_ACCESS_DENIED;
}

static enum s3_error check_unsigned(struct s3_call *c, const char **why)
{
	enum s3_error r = shows_nothing(c) ? S3_OK : check_token(c);
	if (r == S3_OK || !sigv4_is_version_2(&c->http->head, &c->query))
		return r;
	*why = SIGV4_ONLY;
	return S3_INVALID_REQUEST;
}

/* Each chunk's signature continues from that of the request. */
static bool has_signed_chunks(enum sigv4_payload p)
{
	return p == SIGV4_PAYLOAD_STREAM_SIGNED || p == SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER;
}

bool s3_authenticate(struct s3_call *c)
{
	const char *why = NULL;
	enum s3_error r = sigv4_parse(&c->http->head, c->http->path, &c->query, &c->auth, &why);
	if (r == S3_OK && c->auth.scheme != SIGV4_NONE)
		r = check_signature(c, &why);
	else if (r == S3_OK)
		r = check_unsigned(c, &why);
	if (r == S3_OK && c->auth.scheme == SIGV4_NONE && has_signed_chunks(c->auth.payload)) {
		r = S3_INVALID_REQUEST;
		why = "signed chunks need a signed request";
	} else if (r == S3_OK && c->auth.payload == SIGV4_PAYLOAD_UNSUPPORTED) {
		r = S3_INVALID_REQUEST;
		why = "this form of a streaming payload is not supported";
	} else if (r == S3_OK && c->auth.payload == SIGV4_PAYLOAD_INVALID) {
		r = S3_INVALID_ARGUMENT;
		why = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a streaming form or a "
		      "SHA-256 in hex";
	}
	if (r == S3_OK)
		r = check_known(c, &why);
	if (r == S3_OK)
		return true;
	s3_fail(c, r, why);
	return false;
}
