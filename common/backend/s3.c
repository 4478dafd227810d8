/* SPDX-License-Identifier: MIT
 *
 * The backend "s3": any S3-compatible endpoint. One request per call, signed
 * here; bodies stream through. The answer is checked to be exactly what was
 * asked for, because what a GET yields is passed on without another look.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/s3_private.h"
#include "backend/usage.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/mem.h"
#include "config/config.h"
#include "s3proto/etag.h"

/* From here on the server is asked before the body is sent, so that a refusal
 * costs no traffic; below, the round trip costs more than the bytes. */
#define EXPECT_MIN ((uint64_t)1024 * 1024)

/* Bytes that are thrown away at most when a range is answered with the whole
 * object. */
#define SKIP_MAX ((uint64_t)1024 * 1024)

/* 1,000 keys of 1 KiB, every byte as %XX, and 1 KiB of markup each. */
#define LIST_MAX ((size_t)4 * 1024 * 1024)

/* What a server sends while it works, Ceph 30 bytes for each MiB, and a document. */
#define COPY_MAX ((size_t)1024 * 1024)

#define CONNECT_MAX (10 * CLOCK_SEC) /* for TCP, and again for TLS */

#define META_PREFIX STR("x-amz-meta-")

static struct s3 *of(struct backend *b)
{
	return (struct s3 *)b;
}

/* --- requests ------------------------------------------------------------- */

struct request {
	struct str method, key, query;
	struct http_field *fields; /* with room for SIGV4_FIELDS more */
	size_t n_fields;
	struct str payload_hash;
};

static struct http_field *new_fields(struct arena *a, size_t n)
{
	return ARENA_ARRAY(a, struct http_field, n + SIGV4_FIELDS);
}

/* The path of a key ("" for the bucket) as it is sent. */
static struct str path_of(const struct s3 *s, struct arena *a, struct str key)
{
	BUF_AUTO path = {0};

	buf_add_str(&path, s->prefix);
	if (key.n > 0 || s->prefix.n == 0)
		buf_add_char(&path, '/');
	uri_encode(&path, key, true);
	return arena_dup(a, buf_str(&path));
}

/* Signs and sends; x needs only what concerns its body, and response_us if the answer may
 * take longer than others. */
static enum err exchange(struct s3 *s, struct arena *a, const struct request *r,
                         struct http_exchange *x, struct error *e)
{
	struct sigv4_outgoing o = {
		.method = r->method,
		.host = s->host,
		.path = path_of(s, a, r->key),
		.query = r->query,
		.payload_hash = r->payload_hash,
		.fields = r->fields,
		.n_fields = r->n_fields,
		.now = clock_wall(),
	};
	enum err result;

	sigv4_sign(&s->credentials, &o, a, &r->fields[r->n_fields]);
	x->method = r->method;
	x->target = o.path;
	if (r->query.n > 0)
		x->target = str_of(arena_printf(a, "%.*s?%.*s", STR_FMT(o.path), STR_FMT(o.query)));
	x->host = s->host;
	x->fields = r->fields;
	x->n_fields = r->n_fields + SIGV4_FIELDS;
	x->idle_us = s->base.timeout_us;
	if (x->response_us == 0)
		x->response_us = s->base.timeout_us;
	result = http_client_exchange(s->client, a, x, e);
	if (x->sent_any)
		usage_add_call(s->base.usage);
	return result;
}

/* A request without a body. */
static enum err ask(struct s3 *s, struct arena *a, struct request *r, struct http_exchange *x,
                    struct error *e)
{
	if (r->fields == NULL)
		r->fields = new_fields(a, 0);
	r->payload_hash = STR(SHA256_EMPTY_HEX);
	return exchange(s, a, r, x, e);
}

static struct str field_of(const struct http_exchange *x, struct str name)
{
	const struct str *value = http_head_get(&x->head, name);

	return value != NULL ? *value : STR_NULL;
}

/* --- put ------------------------------------------------------------------ */

/* With room for `more`. */
static void put_fields(struct arena *a, const struct backend_put *p, size_t more, struct request *r)
{
	r->fields = new_fields(a, p->n_metadata + 1 + more);
	if (p->content_type.n > 0)
		r->fields[r->n_fields++] =
			(struct http_field){STR("content-type"), p->content_type};
	for (size_t i = 0; i < p->n_metadata; i++)
		r->fields[r->n_fields++] =
			(struct http_field){str_of(arena_printf(a, "%.*s%.*s", STR_FMT(META_PREFIX),
		                                                STR_FMT(p->metadata[i].name))),
		                            p->metadata[i].value};
}

static struct str payload_hash(const struct s3 *s, const struct backend_put *p)
{
	if (s->base.config->unsigned_payload || p->sha256.n == 0)
		return SIGV4_UNSIGNED_PAYLOAD;
	return p->sha256;
}

/* With keys of KMS or of the client an ETag is 32 hex digits too, but not the MD5
 * (S3 API Reference, "Object": ETag). */
static bool etag_may_be_md5(const struct http_exchange *x)
{
	struct str sse = field_of(x, STR("x-amz-server-side-encryption"));

	return (sse.n == 0 || str_eq(sse, STR("AES256"))) &&
	       http_head_get(&x->head, STR("x-amz-server-side-encryption-customer-algorithm")) ==
	               NULL;
}

static void take_etag(char md5_hex[2 * MD5_SIZE + 1], const struct http_exchange *x,
                      struct str etag)
{
	uint8_t md5[MD5_SIZE];

	if (etag_may_be_md5(x) && etag_to_md5(etag_strip(etag), md5))
		hex_encode(md5, sizeof(md5), md5_hex);
}

/* 4xx is the client's fault, as the server sees it: nothing was stored. Not so 408,
 * with which a gateway may have given up on a server that goes on. */
static bool may_be_stored(const struct http_exchange *x)
{
	return x->head.status / 100 != 4 || x->head.status == 408;
}

static enum err s3_put(struct backend *b, struct arena *a, struct backend_put *p, struct error *e)
{
	struct s3 *s = of(b);
	struct request r = {.method = STR("PUT"), .key = p->key};
	struct http_exchange x = {
		.send = p->body,
		.expect_continue = p->body->size >= EXPECT_MIN,
	};
	enum err result;

	if (p->body->size > S3_PUT_MAX)
		return err_set(e, ERR_TOO_LARGE, "S3 takes at most 5 GiB at once");
	put_fields(a, p, 0, &r);
	r.payload_hash = payload_hash(s, p);
	result = exchange(s, a, &r, &x, e);
	p->source_failed = x.send_failed;
	p->sent_any = x.sent_any;
	if (result != ERR_OK)
		return result;
	if (x.head.status / 100 != 2) {
		p->sent_any = may_be_stored(&x);
		return s3_refusal(s, a, &x, p->body->size, e);
	}
	take_etag(p->etag_md5, &x, field_of(&x, STR("etag")));
	body_close(&x.body);
	return ERR_OK;
}

/* --- copy ----------------------------------------------------------------- */

/* The bucket is the backend's own, also where it is a part of the host name. */
static struct str copy_source(const struct s3 *s, struct arena *a, struct str key)
{
	BUF_AUTO source = {0};

	buf_add_char(&source, '/');
	uri_encode(&source, str_of(s->base.config->bucket), false);
	buf_add_char(&source, '/');
	uri_encode(&source, key, true);
	return arena_dup(a, buf_str(&source));
}

/* Servers begin to answer before they begin to copy, so that nobody gets impatient:
 * only the document tells how it ended. */
static enum err take_copy(struct arena *a, struct backend_put *p, struct http_exchange *x,
                          struct error *e)
{
	BUF_AUTO doc = {0};
	struct str etag;
	enum err r = s3_read_body(x->body, x->response_us, COPY_MAX, &doc, e);

	body_close(&x->body);
	if (r == ERR_OK)
		r = s3_parse_copy(a, buf_str(&doc), &etag, e);
	if (r == ERR_OK)
		take_etag(p->etag_md5, x, etag);
	return r;
}

static enum err s3_copy(struct backend *b, struct arena *a, struct str from, uint64_t size,
                        struct backend_put *p, struct error *e)
{
	struct s3 *s = of(b);
	struct request r = {.method = STR("PUT"), .key = p->key};
	struct http_exchange x = {.response_us = backend_copy_patience(b, size)};
	enum err result;

	put_fields(a, p, 2, &r);
	r.fields[r.n_fields++] =
		(struct http_field){STR("x-amz-copy-source"), copy_source(s, a, from)};
	r.fields[r.n_fields++] =
		(struct http_field){STR("x-amz-metadata-directive"), STR("REPLACE")};
	result = ask(s, a, &r, &x, e);
	p->sent_any = x.sent_any;
	if (result != ERR_OK)
		return result;
	if (x.head.status == 200)
		return take_copy(a, p, &x, e);
	p->sent_any = may_be_stored(&x) && x.head.status != 501; /* it does not know copies */
	return s3_refusal(s, a, &x, size, e);
}

/* --- get and head --------------------------------------------------------- */

/* "bytes 0-9/100" (RFC 9110 14.4). */
static bool parse_content_range(struct str s, uint64_t *first, uint64_t *last, uint64_t *size)
{
	struct str range, total, end;

	if (!str_starts(s, STR("bytes ")))
		return false;
	range = str_cut(str_skip(s, 6), '/', &total);
	range = str_cut(range, '-', &end);
	return str_to_u64(range, first) && str_to_u64(end, last) && str_to_u64(total, size);
}

static enum err take_part(struct backend_get *g, struct http_exchange *x, struct error *e)
{
	uint64_t first, last;

	if (!parse_content_range(field_of(x, STR("content-range")), &first, &last, &g->object_size))
		return err_set(e, ERR_PROTOCOL, "GET: a malformed Content-Range");
	if (first != g->first || last != g->last || x->body->size != last - first + 1)
		return err_set(e, ERR_PROTOCOL, "GET: not the range that was asked for");
	g->body = x->body;
	return ERR_OK;
}

/* The whole object, from a server that may not know ranges. */
static enum err take_whole(struct backend_get *g, struct http_exchange *x, struct error *e)
{
	g->object_size = x->head.content_length;
	if (!x->head.has_length)
		return err_set(e, ERR_PROTOCOL, "GET: an answer without Content-Length");
	g->body = x->body;
	if (!g->ranged || (g->first == 0 && g->last + 1 == g->object_size))
		return ERR_OK;
	g->body = NULL;
	if (g->last >= g->object_size)
		return err_set(e, ERR_PROTOCOL, "GET: the object has only %llu bytes",
		               (unsigned long long)g->object_size);
	if (g->first > SKIP_MAX)
		return err_set(e, ERR_PROTOCOL, "GET: the range was ignored");
	g->body = s3_slice(x->body, g->first, g->last - g->first + 1);
	return ERR_OK;
}

static enum err s3_get(struct backend *b, struct arena *a, struct backend_get *g, struct error *e)
{
	struct s3 *s = of(b);
	struct request r = {.method = STR("GET"), .key = g->key};
	struct http_exchange x = {0};
	enum err result;

	r.fields = new_fields(a, 1);
	if (g->ranged)
		r.fields[r.n_fields++] = (struct http_field){
			STR("range"),
			str_of(arena_printf(a, "bytes=%llu-%llu", (unsigned long long)g->first,
		                            (unsigned long long)g->last))};
	result = ask(s, a, &r, &x, e);
	if (result != ERR_OK)
		return result;
	if (x.head.status == 206 && g->ranged)
		result = take_part(g, &x, e);
	else if (x.head.status == 200)
		result = take_whole(g, &x, e);
	else
		return s3_refusal(s, a, &x, 0, e);
	if (result != ERR_OK)
		body_close(&x.body);
	return result;
}

static void take_metadata(struct arena *a, const struct http_head *h, struct backend_info *out)
{
	out->metadata = ARENA_ARRAY(a, struct str_pair, h->n_fields);
	for (size_t i = 0; i < h->n_fields; i++) {
		struct str name = h->fields[i].name;

		if (name.n <= META_PREFIX.n ||
		    !str_eq_nocase(str_n(name.p, META_PREFIX.n), META_PREFIX))
			continue;
		char *lower = arena_strndup(a, name.p + META_PREFIX.n, name.n - META_PREFIX.n);
		for (char *p = lower; *p != '\0'; p++)
			if (*p >= 'A' && *p <= 'Z')
				*p = (char)(*p - 'A' + 'a');
		out->metadata[out->n_metadata++] =
			(struct str_pair){str_of(lower), h->fields[i].value};
	}
}

static void take_headers(const struct http_exchange *x, struct backend_info *out)
{
	const struct str names[BACKEND_HEADERS_MAX] = {
		STR("cache-control"), STR("content-disposition"), STR("content-encoding"),
		STR("content-language"), STR("expires")};

	for (size_t i = 0; i < BACKEND_HEADERS_MAX; i++) {
		struct str value = field_of(x, names[i]);

		if (value.n > 0)
			out->headers[out->n_headers++] = (struct str_pair){names[i], value};
	}
}

static enum err s3_head(struct backend *b, struct arena *a, struct str key,
                        struct backend_info *out, struct error *e)
{
	struct s3 *s = of(b);
	struct request r = {.method = STR("HEAD"), .key = key};
	struct http_exchange x = {0};
	enum err result = ask(s, a, &r, &x, e);

	*out = (struct backend_info){0};
	if (result != ERR_OK)
		return result;
	if (x.head.status != 200)
		return s3_refusal(s, a, &x, 0, e);
	body_close(&x.body);
	if (!x.head.has_length)
		return err_set(e, ERR_PROTOCOL, "HEAD: an answer without Content-Length");
	out->size = x.head.content_length;
	out->content_type = field_of(&x, STR("content-type"));
	if (!clock_parse_http(field_of(&x, STR("last-modified")), &out->modified))
		out->modified = 0;
	take_metadata(a, &x.head, out);
	take_headers(&x, out);
	out->etag = etag_strip(field_of(&x, STR("etag")));
	take_etag(out->etag_md5, &x, out->etag);
	return ERR_OK;
}

/* --- remove and list ------------------------------------------------------ */

static enum err s3_remove(struct backend *b, struct arena *a, struct str key, struct error *e)
{
	struct s3 *s = of(b);
	struct request r = {.method = STR("DELETE"), .key = key};
	struct http_exchange x = {0};
	enum err result = ask(s, a, &r, &x, e);

	if (result != ERR_OK)
		return result;
	if (x.head.status / 100 != 2)
		return s3_refusal(s, a, &x, 0, e);
	body_close(&x.body);
	return ERR_OK;
}

static struct str list_query(struct arena *a, const struct backend_list *l)
{
	BUF_AUTO query = {0};
	struct uri_param params[] = {
		{.name = STR("list-type"), .value = STR("2")},
		{.name = STR("encoding-type"), .value = STR("url")},
		{.name = STR("max-keys"), .value = str_of(arena_printf(a, "%d", l->max))},
		{.name = STR("prefix"), .value = l->prefix},
		{.name = STR("start-after"), .value = l->after},
	};

	sigv4_add_query(&query, params, sizeof(params) / sizeof(*params));
	return arena_dup(a, buf_str(&query));
}

static enum err s3_list(struct backend *b, struct arena *a, struct backend_list *l, struct error *e)
{
	struct s3 *s = of(b);
	struct request r = {.method = STR("GET"), .query = list_query(a, l)};
	struct http_exchange x = {0};
	BUF_AUTO doc = {0};
	enum err result = ask(s, a, &r, &x, e);

	if (result != ERR_OK)
		return result;
	if (x.head.status != 200)
		return s3_refusal(s, a, &x, 0, e);
	result = s3_read_body(x.body, s->base.timeout_us, LIST_MAX, &doc, e);
	body_close(&x.body);
	return result == ERR_OK ? s3_parse_list(a, buf_str(&doc), l, e) : result;
}

/* --- opening -------------------------------------------------------------- */

static void s3_free(struct backend *b)
{
	struct s3 *s = of(b);

	if (s->client != NULL)
		http_client_free(&s->client);
	arena_free(&s->arena);
	free(s);
}

/* Where requests go, and what comes before the key in their paths. */
static void place(struct s3 *s, const struct config_backend *c, struct uri_endpoint *endpoint)
{
	if (c->force_path_style) {
		BUF_AUTO prefix = {0};

		buf_add_cstr(&prefix, endpoint->path);
		buf_add_char(&prefix, '/');
		uri_encode(&prefix, str_of(c->bucket), false);
		s->prefix = arena_dup(s->arena, buf_str(&prefix));
	} else {
		endpoint->host = arena_printf(s->arena, "%s.%s", c->bucket, endpoint->host);
		endpoint->authority =
			arena_printf(s->arena, "%s.%s", c->bucket, endpoint->authority);
		s->prefix = str_of(endpoint->path);
	}
	s->host = str_of(endpoint->authority);
}

static enum err connect_to(struct s3 *s, const struct config_backend *c, int64_t timeout_us,
                           struct error *e)
{
	struct http_client_options options = {
		.ca_file = c->ca_file[0] != '\0' ? c->ca_file : NULL,
		.connect_us = timeout_us < CONNECT_MAX ? timeout_us : CONNECT_MAX,
	};
	struct uri_endpoint endpoint;
	struct error why;
	enum err r = uri_parse_endpoint(s->arena, str_of(c->endpoint), &endpoint, &why);

	if (r != ERR_OK)
		return err_set(e, r, "backend %s: endpoint: %s", c->name, why.text);
	place(s, c, &endpoint);
	options.endpoint = &endpoint;
	r = http_client_new(&options, &s->client, &why);
	if (r != ERR_OK)
		return err_set(e, r, "backend %s: ca_file: %s", c->name, why.text);
	return ERR_OK;
}

enum err s3_open(const struct config_backend *c, int64_t timeout_us, struct backend **out,
                 struct error *e)
{
	static const struct backend_ops ops = {
		.put = s3_put,
		.copy = s3_copy,
		.get = s3_get,
		.head = s3_head,
		.remove = s3_remove,
		.list = s3_list,
		.free = s3_free,
	};
	struct s3 *s = MEM_NEW(struct s3);
	enum err r;

	s->base.ops = &ops;
	s->base.copy_max = S3_PUT_MAX;
	s->arena = arena_new();
	s->credentials = (struct sigv4_credentials){
		.access_key = str_of(c->access_key_id),
		.secret = str_of(c->secret_access_key),
		.region = str_of(c->region[0] != '\0' ? c->region : "us-east-1"),
		.service = STR("s3"),
	};
	r = connect_to(s, c, timeout_us, e);
	if (r == ERR_OK)
		*out = &s->base;
	else
		s3_free(&s->base);
	return r;
}
