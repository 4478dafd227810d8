/* SPDX-License-Identifier: MIT
 *
 * The body of an upload on its way into a spool, while all digests are computed in
 * the same pass. The spool is sealed only after every signature, checksum and length
 * has been verified; until then nothing of it can become an object. Documents take the
 * same way, and are taken out of the spool as a whole.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/digest.h"
#include "config/config.h"
#include "observe/metrics.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"

/* --- receiving ------------------------------------------------------------- */

struct receiver {
	struct s3_call *c;
	struct s3_upload *u;
	struct spool *spool;
	struct checksum_set *sums;
	struct awschunk *decoder;
	uint64_t progress; /* bytes from the client since patience was full */
	int64_t patience;  /* left of the time for PROGRESS_MIN of them, microseconds */
	/* why it failed */
	enum s3_error error;
	const char *message; /* NULL: the default one */
};

static bool refuse(struct receiver *r, enum s3_error error, const char *message)
{
	r->error = error;
	r->message = message;
	return false;
}

static bool refuse_read(struct receiver *r, const struct error *e)
{
	snprintf(r->c->error, sizeof(r->c->error), "reading the body: %s", e->text);
	if (e->code == ERR_TIMEOUT)
		return refuse(r, S3_REQUEST_TIMEOUT, NULL);
	return refuse(r, S3_INCOMPLETE_BODY, NULL);
}

static bool refuse_spool(struct receiver *r, const struct error *e)
{
	snprintf(r->c->error, sizeof(r->c->error), "spooling the body: %s", e->text);
	if (e->code == ERR_TOO_LARGE)
		return refuse(r, S3_INCOMPLETE_BODY, NULL);
	return refuse(r, S3_SERVICE_UNAVAILABLE, "The server has no room for the body now");
}

static bool refuse_chunk(struct receiver *r, enum awschunk_result result)
{
	static const int reasons[] = {
		[AWSCHUNK_CHUNK_SIGNATURE_MISMATCH] = METRIC_STREAMING_CHUNK_SIGNATURE,
		[AWSCHUNK_TRAILER_SIGNATURE_MISMATCH] = METRIC_STREAMING_TRAILER_SIGNATURE,
		[AWSCHUNK_DECODED_LENGTH_MISMATCH] = METRIC_STREAMING_DECODED_LENGTH,
		[AWSCHUNK_CHUNK_TOO_LARGE] = METRIC_STREAMING_CHUNK_TOO_LARGE,
		[AWSCHUNK_CHUNK_MALFORMED] = METRIC_STREAMING_CHUNK_MALFORMED,
		[AWSCHUNK_TRAILER_MALFORMED] = METRIC_STREAMING_TRAILER_MALFORMED,
	};
	metrics_inc(METRIC_STREAMING_REJECTIONS, reasons[result], METRIC_NONE, METRIC_NONE);
	return refuse(r, awschunk_error(result), awschunk_message(result));
}

/* Where the next bytes go. */
static bool space(struct receiver *r, void **p, size_t *n)
{
	struct error e;
	return spool_space(r->spool, p, n, &e) == ERR_OK || refuse_spool(r, &e);
}

static bool keep(struct receiver *r, const void *p, size_t n)
{
	struct error e;
	checksum_set_update(r->sums, p, n);
	r->c->received += n;
	return spool_commit(r->spool, n, &e) == ERR_OK || refuse_spool(r, &e);
}

/* Bytes that one read takes at most: digests of more would keep other requests
 * waiting. */
#define READ_MAX (256 * 1024)

/* What a client has to send within each read_timeout, or else the rest of the body.
 * One that sends a byte now and then would keep its spool and connection for ever.
 * With the default of 5 minutes it is 218 bytes a second: less than any use. */
#define PROGRESS_MIN (64 * 1024)

static void restore_patience(struct receiver *r)
{
	r->progress = 0;
	r->patience = r->c->server->config->server.read_timeout;
}

/* Only waiting for the client counts, not what is done with its bytes. */
static ssize_t read_some(struct receiver *r, void *p, size_t n, struct error *e)
{
	int64_t begin = clock_mono();
	struct body *body = r->u->body ? r->u->body : r->c->http->body;
	ssize_t got = body_read(body, p, n, r->patience, e);
	r->patience -= clock_mono() - begin;
	if (got > 0)
		r->progress += (uint64_t)got;
	if (r->progress >= PROGRESS_MIN)
		restore_patience(r);
	return got;
}

/* Keeps what comes, but not more than the size; *ended: it was less. */
static bool receive_up_to_size(struct receiver *r, bool *ended)
{
	struct error e;
	*ended = false;
	while (r->c->received < r->u->size) {
		void *p;
		size_t n;
		if (!space(r, &p, &n))
			return false;
		ssize_t got = read_some(r, p, n < READ_MAX ? n : READ_MAX, &e);
		if (got < 0)
			return refuse_read(r, &e);
		if (got == 0) {
			*ended = true;
			return true;
		}
		if (!keep(r, p, (size_t)got))
			return false;
	}
	return true;
}

static bool receive_plain(struct receiver *r)
{
	bool ended;
	if (!receive_up_to_size(r, &ended))
		return false;
	return !ended || refuse(r, S3_INCOMPLETE_BODY, NULL);
}

/* As much as may come has come. False: there is more. */
static bool ends_here(struct receiver *r)
{
	struct error e;
	char more;
	ssize_t got = read_some(r, &more, 1, &e);
	if (got < 0)
		return refuse_read(r, &e);
	return got == 0 || refuse(r, r->u->over ? r->u->over : S3_ENTITY_TOO_LARGE, NULL);
}

static bool end_open(struct receiver *r)
{
	struct error e;
	if (r->c->received < r->u->min_size)
		return refuse(r, S3_ENTITY_TOO_SMALL, NULL);
	if (spool_end(r->spool, &e) != ERR_OK)
		return refuse_spool(r, &e);
	r->u->size = spool_size(r->spool);
	return true;
}

static bool receive_open(struct receiver *r)
{
	bool ended;
	if (!receive_up_to_size(r, &ended))
		return false;
	return (ended || ends_here(r)) && end_open(r);
}

static bool keep_copy(struct receiver *r, const char *data, size_t n)
{
	while (n > 0) {
		void *p;
		size_t room;
		if (!space(r, &p, &room))
			return false;
		if (room > n)
			room = n;
		memcpy(p, data, room);
		if (!keep(r, p, room))
			return false;
		data += room;
		n -= room;
	}
	return true;
}

static bool decode(struct receiver *r, const char *p, size_t n)
{
	while (n > 0) {
		const char *data;
		size_t used, data_n;
		enum awschunk_result result =
			awschunk_feed(r->decoder, p, n, &used, &data, &data_n);
		if (result != AWSCHUNK_DONE && result != AWSCHUNK_MORE)
			return refuse_chunk(r, result);
		if (data_n && !keep_copy(r, data, data_n))
			return false;
		p += used;
		n -= used;
	}
	return true;
}

/* The outer framing is broken, or the client has gone: told as what it means for
 * the inner one. That may be complete, but something was lost behind it. */
static bool refuse_broken(struct receiver *r, const struct error *e)
{
	enum awschunk_result end = awschunk_end(r->decoder);
	if (end == AWSCHUNK_DONE)
		return refuse_read(r, e);
	snprintf(r->c->error, sizeof(r->c->error), "reading the body: %s", e->text);
	return refuse_chunk(r, end);
}

static bool receive_chunked(struct receiver *r)
{
	struct error e;
	char block[32 * 1024];
	for (;;) {
		ssize_t got = read_some(r, block, sizeof(block), &e);
		if (got < 0 && (e.code == ERR_TIMEOUT || e.code == ERR_CANCELED))
			return refuse_read(r, &e);
		if (got < 0)
			return refuse_broken(r, &e);
		if (got == 0)
			break;
		if (!decode(r, block, (size_t)got))
			return false;
	}
	enum awschunk_result end = awschunk_end(r->decoder);
	return end == AWSCHUNK_DONE || refuse_chunk(r, end);
}

/* --- verifying ------------------------------------------------------------- */

static bool verify_trailers(struct receiver *r)
{
	size_t n = 0;
	const struct http_field *trailers = r->decoder ? awschunk_trailers(r->decoder, &n) : NULL;
	for (size_t i = 0; i < n; i++) {
		enum checksum_kind k;
		if (checksum_of_field(trailers[i].name, &k) &&
		    !checksum_set_matches(r->sums, k, trailers[i].value))
			return refuse(r, S3_BAD_DIGEST, NULL);
	}
	return true;
}

static void keep_checksum(struct receiver *r)
{
	struct s3_upload *u = r->u;
	if (u->keep == CHECKSUM_KINDS)
		return;
	char *text = arena_alloc(r->c->arena, CHECKSUM_BASE64_SIZE);
	checksum_format(u->keep, checksum_set_value(r->sums, u->keep), text);
	u->checksums = ARENA_NEW(r->c->arena, struct str_pair);
	u->checksums[0] = (struct str_pair){str_of(checksum_name(u->keep)), str_of(text)};
	u->n_checksums = 1;
}

static bool verify(struct receiver *r)
{
	checksum_set_final(r->sums);
	for (enum checksum_kind k = 0; k < CHECKSUM_KINDS; k++)
		if (r->u->announced[k].n && !checksum_set_matches(r->sums, k, r->u->announced[k]))
			return refuse(r, S3_BAD_DIGEST, NULL);
	if (!verify_trailers(r))
		return false;
	if (r->u->kinds & CHECKSUM_BIT(CHECKSUM_MD5))
		hex_encode(checksum_set_value(r->sums, CHECKSUM_MD5), MD5_SIZE, r->u->md5_hex);
	if (r->u->kinds & CHECKSUM_BIT(CHECKSUM_SHA256))
		hex_encode(checksum_set_value(r->sums, CHECKSUM_SHA256), SHA256_SIZE,
		           r->u->sha256_hex);
	if (r->u->sha256.n && !str_eq_nocase(r->u->sha256, str_of(r->u->sha256_hex)))
		return refuse(r, S3_CONTENT_SHA256_MISMATCH, NULL);
	keep_checksum(r);
	return true;
}

static struct awschunk *new_decoder(struct s3_call *c, const struct s3_upload *u)
{
	static const int variants[] = {
		[AWSCHUNK_SIGNED] = METRIC_VARIANT_SIGNED,
		[AWSCHUNK_SIGNED_TRAILER] = METRIC_VARIANT_SIGNED_TRAILER,
		[AWSCHUNK_UNSIGNED_TRAILER] = METRIC_VARIANT_UNSIGNED_TRAILER,
	};
	metrics_inc(METRIC_STREAMING_REQUESTS, variants[u->variant], METRIC_NONE, METRIC_NONE);
	struct awschunk_options o = {
		.variant = u->variant,
		.decoded_length = u->size,
		.seed = c->auth.scheme == SIGV4_HEADER ? &c->seed : NULL,
		.trailer_names = u->trailer_names,
	};
	return awschunk_new(&o);
}

static bool receive(struct receiver *r)
{
	if (r->u->chunked)
		return receive_chunked(r);
	return r->u->open ? receive_open(r) : receive_plain(r);
}

struct spool *s3_upload_spool(struct s3_call *c, const struct s3_upload *u)
{
	struct spool_budget *budget = engine_spool_budget(c->server->engine);
	return u->open ? spool_new_open(budget, u->size) : spool_new(budget, u->size);
}

bool s3_upload_receive(struct s3_call *c, struct s3_upload *u, struct spool *spool)
{
	struct receiver r = {
		.c = c,
		.u = u,
		.spool = spool,
		.sums = checksum_set_new(u->kinds),
		.decoder = u->chunked ? new_decoder(c, u) : NULL,
	};
	restore_patience(&r);
	http_continue(c->http);
	bool ok = receive(&r) && verify(&r);
	if (ok) {
		spool_seal(spool);
	} else {
		http_close_after(c->http);
		s3_fail(c, r.error, r.message);
	}
	awschunk_free(&r.decoder);
	checksum_set_free(&r.sums);
	return ok;
}

/* --- documents -------------------------------------------------------------- */

static enum err read_whole(struct s3_call *c, struct spool *spool, char *p, struct error *e)
{
	struct body *b = spool_body(spool);
	enum err r = ERR_OK;
	for (size_t at = 0, n = spool_size(spool); r == ERR_OK && at < n;) {
		ssize_t got =
			body_read(b, p + at, n - at, c->server->config->server.read_timeout, e);
		if (got > 0)
			at += (size_t)got;
		else if (got < 0)
			r = e->code;
		else
			r = err_set(e, ERR_IO, "a spool has ended early");
	}
	body_close(&b);
	return r;
}

/* Out of the spool, which goes before the request does. */
static bool take_out(struct s3_call *c, struct spool *spool, struct str *out)
{
	struct error e;
	char *p = arena_alloc(c->arena, spool_size(spool));
	if (read_whole(c, spool, p, &e) != ERR_OK) {
		s3_fail_err(c, &e, "Failed to read the request body");
		return false;
	}
	*out = str_n(p, spool_size(spool));
	return true;
}

bool s3_receive_document(struct s3_call *c, uint64_t max, struct str *out)
{
	struct s3_upload u = {0};
	if (!s3_upload_parse(c, UINT64_MAX, NULL, &u))
		return false;
	if (u.size > max) {
		s3_failf(c, S3_MALFORMED_XML, "The document is longer than %llu bytes",
		         (unsigned long long)max);
		return false;
	}
	struct spool *spool = spool_new(engine_spool_budget(c->server->engine), u.size);
	bool ok = s3_upload_receive(c, &u, spool) && take_out(c, spool, out);
	spool_free(&spool);
	return ok;
}
