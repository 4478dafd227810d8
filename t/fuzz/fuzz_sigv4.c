/* SPDX-License-Identifier: MIT
 *
 * SigV4: the input is a request head. Nothing that this program has not signed
 * may pass; and what it signs over fields and path of the input must pass.
 */
#include <stdint.h>
#include <stdlib.h>

#include "net/http1.h"
#include "s3proto/sigv4.h"

#define NOW (INT64_C(1369353600) * CLOCK_SEC) /* 2013-05-24 */

static enum s3_error verify(const struct http_head *h, struct str path, const struct uri_query *q,
                            enum sigv4_scheme *scheme)
{
	static const struct str secret = {"secret", 6};
	struct sigv4_request r;
	struct sigv4_seed seed;
	const char *why;
	enum s3_error e = sigv4_parse(h, path, q, &r, &why);
	*scheme = r.scheme;
	if (e != S3_OK || r.scheme == SIGV4_NONE)
		return e;
	if (sigv4_verify(&r, h, NULL, NOW, NULL, &why) == S3_OK)
		abort();
	return sigv4_verify(&r, h, &secret, NOW, &seed, &why);
}

/* Only the host is signed here: other fields could be there twice. */
static void sign_and_verify(const struct http_head *h, struct str path, const struct uri_query *q,
                            struct arena *a)
{
	const struct str *host = http_head_get(h, STR("host"));
	BUF_AUTO query = {0};
	sigv4_add_query(&query, q->params, q->n);
	struct sigv4_credentials c = {STR("key"), STR("secret"), STR("r"), STR("s3")};
	BUF_AUTO encoded = {0};
	uri_encode(&encoded, path, true);
	struct sigv4_outgoing o = {
		.method = h->method,
		.host = host != NULL ? *host : STR_NULL,
		.path = buf_str(&encoded),
		.query = buf_str(&query),
		.payload_hash = SIGV4_UNSIGNED_PAYLOAD,
		.now = NOW,
	};
	struct http_field f[SIGV4_FIELDS + 1];
	f[SIGV4_FIELDS] = (struct http_field){STR("Host"), o.host};
	sigv4_sign(&c, &o, a, f);
	struct http_head ours = {.method = h->method, .n_fields = SIGV4_FIELDS + 1, .fields = f};
	enum sigv4_scheme scheme;
	if (verify(&ours, o.path, q, &scheme) != S3_OK || scheme != SIGV4_HEADER)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct arena *a = arena_new();
	struct http_head h;
	struct str path, raw_query;
	struct uri_query q;
	size_t used;
	if (http1_parse_request((const char *)p, n, a, &h, &used, NULL) == HTTP1_DONE &&
	    uri_split_target(h.target, &path, &raw_query) && uri_parse_query(a, raw_query, &q)) {
		enum sigv4_scheme scheme;
		if (verify(&h, path, &q, &scheme) == S3_OK && scheme != SIGV4_NONE)
			abort();
		sign_and_verify(&h, path, &q, a);
	}
	arena_free(&a);
	return 0;
}
