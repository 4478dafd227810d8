/* SPDX-License-Identifier: MIT
 *
 * CompleteMultipartUpload: what the client lists is compared with what was uploaded, and
 * one catalogue transaction makes the object of it. Clients repeat the request, and
 * several may come at once: whoever finds the upload completed is told what was made.
 */
#include <stdio.h>

#include "config/config.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/complete_list.h"
#include "s3proto/etag.h"
#include "s3proto/xml.h"

/* Bytes of a document: 10,000 parts with number, entity tag and all five checksums have
 * about 3.6 million, without white space. */
#define DOCUMENT_MAX (4 << 20)

/* A part that is uploaded again between look-up and transaction makes another look-up
 * necessary. One after the other can; who does that all the time is told to wait. */
#define ATTEMPTS_MAX 8

struct completion {
	struct s3_call *c;
	struct complete_list list;
	struct store_conditions conditions;
	struct store_upload upload;
	const struct store_part **parts; /* as listed; NULL: not uploaded */
	struct store_object o;           /* etag and checksums of the object */
	struct store_written written;
	bool refused; /* answered */
};

static enum err refuse(struct completion *k, enum s3_error error, const char *message)
{
	s3_fail(k->c, error, message);
	k->refused = true;
	return ERR_INVALID;
}

/* --- the request ---------------------------------------------------------------- */

static bool parse(struct completion *k)
{
	struct s3_call *c = k->c;
	struct str document;
	const char *why;
	if (!s3_conditions(c, &k->conditions) || !s3_receive_document(c, DOCUMENT_MAX, &document))
		return false;
	enum s3_error error = complete_list_parse(document, c->arena, &k->list, &why);
	if (error != S3_OK)
		s3_fail(c, error, why);
	c->upload.parts = k->list.n;
	return error == S3_OK;
}

/* --- the parts ------------------------------------------------------------------ */

enum fault { FAULT_NONE, FAULT_MISSING, FAULT_ETAG, FAULT_CHECKSUM, FAULT_SMALL, FAULTS };

static const struct {
	enum s3_error error;
	const char *text;
} faults[] = {
	[FAULT_MISSING] = {S3_INVALID_PART, "parts not uploaded"},
	[FAULT_ETAG] = {S3_INVALID_PART, "parts with another ETag"},
	[FAULT_CHECKSUM] = {S3_INVALID_PART, "parts with another checksum"},
	[FAULT_SMALL] = {S3_ENTITY_TOO_SMALL, "parts of less than 5 MiB, and not the last one"},
};

#define NUMBERS_MAX 100 /* of parts that a message names */

static struct str sum_of(const struct store_part *p, enum checksum_kind k)
{
	for (size_t i = 0; i < p->n_checksums; i++)
		if (str_eq(p->checksums[i].name, str_of(checksum_name(k))))
			return p->checksums[i].value;
	return STR_NULL;
}

static bool sums_match(const struct complete_part *listed, const struct store_part *p)
{
	for (enum checksum_kind k = 0; k < CHECKSUM_KINDS; k++)
		if (listed->checksum[k].n && !str_eq(listed->checksum[k], sum_of(p, k)))
			return false;
	return true;
}

static enum fault find_fault(const struct completion *k, size_t i)
{
	const struct complete_part *listed = &k->list.parts[i];
	const struct store_part *p = k->parts[i];
	enum checksum_kind kind;
	if (!p)
		return FAULT_MISSING;
	if (listed->etag.n && !str_eq_nocase(listed->etag, p->etag))
		return FAULT_ETAG;
	if (!sums_match(listed, p) ||
	    (checksum_of_name(k->upload.algorithm, &kind) && !sum_of(p, kind).n))
		return FAULT_CHECKSUM;
	return i + 1 < k->list.n && p->size < S3_PART_MIN ? FAULT_SMALL : FAULT_NONE;
}

/* Names the parts that have this fault. */
static enum err refuse_fault(struct completion *k, enum fault fault)
{
	BUF_AUTO b = {0};
	size_t n = 0;
	buf_printf(&b, "%s:", faults[fault].text);
	for (size_t i = 0; i < k->list.n && n <= NUMBERS_MAX; i++) {
		if (find_fault(k, i) != fault)
			continue;
		if (n == NUMBERS_MAX)
			buf_add_cstr(&b, ", ...");
		else
			buf_printf(&b, "%s %u", n ? "," : "", k->list.parts[i].number);
		n++;
	}
	return refuse(k, faults[fault].error, arena_strndup(k->c->arena, b.p, b.n));
}

/* Both lists are sorted by number. */
static void find_parts(struct completion *k, const struct store_part *have, size_t n)
{
	k->parts = ARENA_ARRAY(k->c->arena, const struct store_part *, k->list.n);
	for (size_t i = 0, at = 0; i < k->list.n; i++) {
		while (at < n && have[at].number < (int)k->list.parts[i].number)
			at++;
		if (at < n && have[at].number == (int)k->list.parts[i].number)
			k->parts[i] = &have[at];
	}
}

/* The first fault that there is, of the least kind. */
static enum fault find_first_fault(const struct completion *k)
{
	enum fault first = FAULT_NONE;
	for (size_t i = 0; i < k->list.n; i++) {
		enum fault f = find_fault(k, i);
		if (f != FAULT_NONE && (first == FAULT_NONE || f < first))
			first = f;
	}
	return first;
}

static enum err find_upload(struct completion *k, struct error *e)
{
	struct s3_call *c = k->c;
	return store_upload_find(c->server->store, c->bucket, c->key, c->upload.id, c->arena,
	                         &k->upload, e);
}

static enum err choose_parts(struct completion *k, struct error *e)
{
	struct store_part *have;
	size_t n;
	enum err r = store_parts(k->c->server->store, &k->upload, 0, S3_PARTS_MAX, k->c->arena,
	                         &have, &n, e);
	if (r != ERR_OK)
		return r;
	find_parts(k, have, n);
	enum fault fault = find_first_fault(k);
	if (fault == FAULT_NONE)
		return ERR_OK;
	r = find_upload(k, e); /* somebody else may have completed it before we looked */
	return r == ERR_OK ? refuse_fault(k, fault) : r;
}

/* --- the object ------------------------------------------------------------------ */

static enum err check_size(struct completion *k)
{
	struct str announced = http_head_value(&k->c->http->head, STR("x-amz-mp-object-size"));
	uint64_t size = 0, n;
	for (size_t i = 0; i < k->list.n; i++)
		size += k->parts[i]->size;
	k->c->size = size;
	if (size > S3_OBJECT_MAX)
		return refuse(k, S3_ENTITY_TOO_LARGE,
		              "Combined object size exceeds the maximum allowed size");
	if (announced.n && (!str_to_u64(announced, &n) || n != size))
		return refuse(
			k, S3_INVALID_REQUEST,
			arena_printf(k->c->arena,
		                     "x-amz-mp-object-size is not the size of the object, %llu",
		                     (unsigned long long)size));
	return ERR_OK;
}

static void make_etag(struct completion *k)
{
	uint8_t(*md5s)[MD5_SIZE] = arena_alloc(k->c->arena, k->list.n * MD5_SIZE);
	char *etag = arena_alloc(k->c->arena, ETAG_SIZE);
	for (size_t i = 0; i < k->list.n; i++)
		etag_to_md5(k->parts[i]->etag, md5s[i]);
	etag_of_parts((const uint8_t(*)[MD5_SIZE])md5s, k->list.n, etag);
	k->o.etag = str_of(etag);
}

static char *combine(struct completion *k, enum checksum_kind kind)
{
	uint8_t value[CHECKSUM_MAX] = {0}, part[CHECKSUM_MAX];
	char *text = arena_alloc(k->c->arena, CHECKSUM_BASE64_SIZE);
	for (size_t i = 0; i < k->list.n; i++) {
		checksum_parse(kind, sum_of(k->parts[i], kind), part);
		checksum_combine(kind, value, part, k->parts[i]->size);
	}
	checksum_format(kind, value, text);
	return text;
}

static char *compose(struct completion *k, enum checksum_kind kind)
{
	uint8_t(*values)[CHECKSUM_MAX] = arena_alloc(k->c->arena, k->list.n * CHECKSUM_MAX);
	char *text = arena_alloc(k->c->arena, CHECKSUM_PARTS_SIZE);
	for (size_t i = 0; i < k->list.n; i++)
		checksum_parse(kind, sum_of(k->parts[i], kind), values[i]);
	checksum_of_parts(kind, (const uint8_t(*)[CHECKSUM_MAX])values, k->list.n, text);
	return text;
}

static void make_checksum(struct completion *k)
{
	enum checksum_kind kind;
	if (!checksum_of_name(k->upload.algorithm, &kind))
		return;
	bool full = str_eq(k->upload.type, STR("FULL_OBJECT"));
	k->o.checksums = ARENA_NEW(k->c->arena, struct str_pair);
	k->o.checksums[0] = (struct str_pair){
		str_of(checksum_name(kind)),
		str_of(full ? combine(k, kind) : compose(k, kind)),
	};
	k->o.n_checksums = 1;
}

/* A composite checksum may come without the number of parts. */
static bool is_checksum(struct str announced, struct str value)
{
	struct str rest;
	return str_eq(announced, value) || str_eq(announced, str_cut(value, '-', &rest));
}

/* What the client says about the object's checksum. */
static enum err check_checksums(struct completion *k)
{
	const struct http_head *h = &k->c->http->head;
	struct str type = http_head_value(h, STR("x-amz-checksum-type"));
	if (type.n && !str_eq(type, k->upload.type))
		return refuse(k, S3_BAD_DIGEST,
		              arena_printf(k->c->arena,
		                           "The upload was not created with the checksum type %.*s",
		                           STR_FMT(type)));
	for (enum checksum_kind kind = 0; kind < CHECKSUM_KINDS; kind++) {
		const struct str *announced =
			kind == CHECKSUM_MD5 ? NULL
					     : http_head_get(h, str_of(checksum_field(kind)));
		if (!announced)
			continue;
		if (!str_eq(k->upload.algorithm, str_of(checksum_name(kind))))
			return refuse(k, S3_INVALID_REQUEST,
			              arena_printf(k->c->arena,
			                           "The upload was not created with the checksum "
			                           "algorithm %s",
			                           checksum_name(kind)));
		if (!is_checksum(*announced, k->o.checksums[0].value))
			return refuse(k, S3_BAD_DIGEST, NULL);
	}
	return ERR_OK;
}

static enum err make_object(struct completion *k)
{
	enum err r = check_size(k);
	if (r != ERR_OK)
		return r;
	make_etag(k);
	make_checksum(k);
	return check_checksums(k);
}

/* --- the transaction --------------------------------------------------------------- */

static enum err commit(struct completion *k, struct error *e)
{
	int64_t *segments = ARENA_ARRAY(k->c->arena, int64_t, k->list.n);
	for (size_t i = 0; i < k->list.n; i++)
		segments[i] = k->parts[i]->segment;
	return store_upload_complete(k->c->server->store, &k->upload, segments, k->list.n, &k->o,
	                             &k->conditions, &k->written, e);
}

static enum err attempt(struct completion *k, struct error *e)
{
	enum err r = find_upload(k, e);
	if (r == ERR_OK)
		r = choose_parts(k, e);
	if (r == ERR_OK)
		r = make_object(k);
	return r == ERR_OK ? commit(k, e) : r;
}

/* Repeated after a lost answer too: that it happened shows in the upload's absence. */
static enum err complete(struct completion *k, struct error *e)
{
	struct s3_call *c = k->c;
	enum err r = ERR_CONFLICT;
	for (int i = 0; i < ATTEMPTS_MAX && (r == ERR_CONFLICT || r == ERR_DB_UNCERTAIN); i++)
		r = attempt(k, e);
	if (r != ERR_NO_UPLOAD)
		return r;
	return store_upload_completed(c->server->store, c->bucket, c->key, c->upload.id, c->arena,
	                              &k->o, &k->written, e);
}

/* Where the object is, in the words of the request. */
static void add_location(struct s3_call *c, struct buf *b)
{
	bool tls = c->server->config->server.tls.cert_file[0] != '\0';
	xml_text(b, "Location",
	         str_of(arena_printf(c->arena, "%s://%.*s%.*s", tls ? "https" : "http",
	                             STR_FMT(http_head_value(&c->http->head, STR("host"))),
	                             STR_FMT(c->http->path))));
}

static void reply(struct completion *k)
{
	struct s3_call *c = k->c;
	BUF_AUTO b = {0};
	xml_begin(&b, "CompleteMultipartUploadResult");
	add_location(c, &b);
	xml_text(&b, "Bucket", c->bucket);
	xml_text(&b, "Key", c->key);
	s3_xml_etag(&b, k->o.etag);
	s3_xml_checksums(&b, k->o.checksums, k->o.n_checksums);
	if (k->o.n_checksums)
		xml_text(&b, "ChecksumType",
		         str_of(s3_checksum_type(k->o.checksums, k->o.n_checksums)));
	xml_close(&b, "CompleteMultipartUploadResult");
	s3_reply_version(c, k->written.version_id);
	s3_reply_xml(c, buf_str(&b));
}

void s3_complete_upload(struct s3_call *c)
{
	struct completion k = {.c = c};
	struct error e;
	c->upload.id = s3_parameter(c, "uploadId");
	if (!parse(&k))
		return;
	enum err r = complete(&k, &e);
	if (r == ERR_OK)
		reply(&k);
	else if (!k.refused)
		s3_fail_err(c, &e, "Failed to complete multipart upload");
}
