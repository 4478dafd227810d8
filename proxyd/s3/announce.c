/* SPDX-License-Identifier: MIT
 *
 * What the head of an upload announces about its body: form, length, checksums.
 * What does not fit together is refused before the body is asked for: framing must
 * not be stored as data, and no checksum may look verified that was not.
 */
#include "base/buf.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/metadata.h"

/* Fields with the prefix of checksums that are none. */
static const char *const about_checksums[] = {
	"x-amz-checksum-algorithm",
	"x-amz-checksum-type",
	"x-amz-checksum-mode",
};
#define N_ABOUT_CHECKSUMS (sizeof(about_checksums) / sizeof(about_checksums[0]))

/* --- fields that come once -------------------------------------------------- */

static bool refuse_repeated_field(struct s3_call *c, const char *name)
{
	const struct http_head *h = &c->http->head;
	size_t n = 0;
	for (size_t i = 0; i < h->n_fields; i++)
		n += str_eq_nocase(h->fields[i].name, str_of(name));
	if (n <= 1)
		return true;
	s3_failf(c, S3_INVALID_REQUEST, "header %s must not come more than once", name);
	return false;
}

/* Of two values, one would be believed and the other one not looked at. */
static bool refuse_repeated(struct s3_call *c)
{
	for (enum checksum_kind k = 0; k < CHECKSUM_KINDS; k++)
		if (!refuse_repeated_field(c, checksum_field(k)))
			return false;
	for (size_t i = 0; i < N_ABOUT_CHECKSUMS; i++)
		if (!refuse_repeated_field(c, about_checksums[i]))
			return false;
	return refuse_repeated_field(c, "x-amz-content-sha256") &&
	       refuse_repeated_field(c, "x-amz-decoded-content-length");
}

/* --- form and length -------------------------------------------------------- */

/* The list may be spread over several fields. */
static struct str trailer_names(const struct s3_call *c)
{
	const struct http_head *h = &c->http->head;
	BUF_AUTO b = {0};
	for (size_t i = 0; i < h->n_fields; i++) {
		if (!str_eq_nocase(h->fields[i].name, STR("x-amz-trailer")))
			continue;
		if (b.n > 0)
			buf_add_char(&b, ',');
		buf_add_str(&b, h->fields[i].value);
	}
	return b.n > 0 ? arena_dup(c->arena, buf_str(&b)) : STR_NULL;
}

static void find_form(const struct s3_call *c, struct s3_upload *u)
{
	u->chunked = awschunk_variant_of(c->auth.payload, &u->variant);
	if (!u->chunked && !u->body && c->auth.payload == SIGV4_PAYLOAD_UNSIGNED &&
	    metadata_is_aws_chunked(&c->http->head)) {
		u->chunked = true; /* presigned or by token: framing without signatures */
		u->variant = AWSCHUNK_UNSIGNED_TRAILER;
	}
	u->trailer_names = trailer_names(c);
}

/* The field that announces framing or trailers that a body of this form does not
 * have; NULL: none. */
static const char *find_misfit(const struct s3_call *c, const struct s3_upload *u)
{
	const struct http_head *h = &c->http->head;
	if (u->trailer_names.n && (!u->chunked || u->variant == AWSCHUNK_SIGNED))
		return "x-amz-trailer";
	if (u->chunked)
		return NULL;
	if (metadata_is_aws_chunked(h))
		return "Content-Encoding";
	if (http_head_get(h, STR("x-amz-decoded-content-length")))
		return "x-amz-decoded-content-length";
	/* Of a presigned request: no part of its signature. */
	if (str_starts(http_head_value(h, STR("x-amz-content-sha256")), STR("STREAMING-")))
		return "x-amz-content-sha256";
	return NULL;
}

static bool parse_length(struct s3_call *c, struct s3_upload *u, uint64_t max_size)
{
	u->open = u->body || (u->takes_open && c->http->head.framing == HTTP_BODY_CHUNKED);
	u->size = u->open ? max_size : c->http->head.content_length;
	if (u->open || c->http->head.framing == HTTP_BODY_LENGTH)
		return true;
	s3_fail(c, S3_MISSING_CONTENT_LENGTH, NULL);
	return false;
}

static bool parse_decoded_length(struct s3_call *c, struct s3_upload *u)
{
	struct str decoded = http_head_value(&c->http->head, STR("x-amz-decoded-content-length"));
	if (!decoded.n)
		s3_fail(c, S3_MISSING_CONTENT_LENGTH, "x-amz-decoded-content-length is required");
	else if (!str_to_u64(decoded, &u->size))
		s3_fail(c, S3_INVALID_REQUEST, "x-amz-decoded-content-length is not a number");
	else if (!u->trailer_names.n && (c->auth.payload == SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER ||
	                                 c->auth.payload == SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER))
		s3_fail(c, S3_INVALID_REQUEST, "x-amz-trailer is required");
	else
		return true;
	return false;
}

static bool parse_form(struct s3_call *c, struct s3_upload *u, uint64_t max_size)
{
	find_form(c, u);
	const char *misfit = find_misfit(c, u);
	if (misfit) {
		s3_failf(c, S3_INVALID_REQUEST, "header %s does not fit the form of the body",
		         misfit);
		return false;
	}
	return u->chunked ? parse_decoded_length(c, u) : parse_length(c, u, max_size);
}

/* --- checksums -------------------------------------------------------------- */

static bool is_about_checksums(struct str field_name)
{
	for (size_t i = 0; i < N_ABOUT_CHECKSUMS; i++)
		if (str_eq_nocase(field_name, str_of(about_checksums[i])))
			return true;
	return false;
}

bool s3_is_checksum_field(struct str name)
{
	const struct str prefix = STR("x-amz-checksum-");
	return name.n >= prefix.n && str_eq_nocase(str_n(name.p, prefix.n), prefix) &&
	       !is_about_checksums(name);
}

/* A checksum that cannot be computed must not look as if it had been verified. */
static bool refuse_unknown_checksums(struct s3_call *c)
{
	for (size_t i = 0; i < c->http->head.n_fields; i++) {
		struct str name = c->http->head.fields[i].name;
		enum checksum_kind k;
		if (!s3_is_checksum_field(name) || checksum_of_field(name, &k))
			continue;
		s3_failf(c, S3_NOT_IMPLEMENTED, "header %.*s is not supported", STR_FMT(name));
		return false;
	}
	return true;
}

static bool parse_checksum(struct s3_call *c, struct s3_upload *u, enum checksum_kind k)
{
	uint8_t value[CHECKSUM_MAX];
	const struct str *v = http_head_get(&c->http->head, str_of(checksum_field(k)));
	if (!v)
		return true;
	if (checksum_parse(k, *v, value)) {
		u->announced[k] = *v;
		u->sent |= CHECKSUM_BIT(k);
		return true;
	}
	if (k == CHECKSUM_MD5)
		s3_fail(c, S3_INVALID_DIGEST, "The Content-MD5 you specified is not valid.");
	else
		s3_failf(c, S3_INVALID_REQUEST, "Value for %s header is invalid.",
		         checksum_field(k));
	return false;
}

static bool parse_trailer_names(struct s3_call *c, struct s3_upload *u)
{
	for (struct str rest = u->trailer_names; rest.n;) {
		struct str name = str_trim(str_cut(rest, ',', &rest));
		enum checksum_kind k;
		if (!name.n)
			continue;
		if (!checksum_of_field(name, &k)) {
			s3_failf(c, S3_NOT_IMPLEMENTED, "trailer %.*s is not supported",
			         STR_FMT(name));
			return false;
		}
		u->sent |= CHECKSUM_BIT(k);
	}
	return true;
}

/* SDKs name the checksum that they send. */
static bool refuse_missing_checksum(struct s3_call *c, const struct s3_upload *u)
{
	if (u->sent & ~CHECKSUM_BIT(CHECKSUM_MD5) ||
	    !http_head_get(&c->http->head, STR("x-amz-sdk-checksum-algorithm")))
		return true;
	s3_fail(c, S3_INVALID_REQUEST,
	        "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or "
	        "x-amz-trailer headers were found.");
	return false;
}

/* One that the client sends is stored; the others are only verified. */
static void choose_kept(struct s3_upload *u)
{
	u->kinds = u->sent;
	u->sent &= ~CHECKSUM_BIT(CHECKSUM_MD5);
	u->keep = CHECKSUM_CRC32;
	while (u->keep < CHECKSUM_KINDS && !(u->sent & CHECKSUM_BIT(u->keep)))
		u->keep++;
}

static bool parse_checksums(struct s3_call *c, struct s3_upload *u)
{
	for (enum checksum_kind k = 0; k < CHECKSUM_KINDS; k++)
		if ((k == CHECKSUM_MD5 || !c->operation->sums_object) && !parse_checksum(c, u, k))
			return false;
	if (!refuse_unknown_checksums(c) || !parse_trailer_names(c, u) ||
	    !refuse_missing_checksum(c, u))
		return false;
	choose_kept(u);
	if (c->auth.payload == SIGV4_PAYLOAD_SHA256)
		u->sha256 = c->auth.payload_hash;
	if (u->sha256.n || engine_wants_sha256(c->server->engine))
		u->kinds |= CHECKSUM_BIT(CHECKSUM_SHA256);
	return true;
}

bool s3_upload_parse(struct s3_call *c, uint64_t max_size, const char *too_large,
                     struct s3_upload *u)
{
	if (!refuse_repeated(c) || !parse_form(c, u, max_size))
		return false;
	if (u->size > max_size) {
		s3_fail(c, S3_ENTITY_TOO_LARGE, too_large);
		return false;
	}
	return parse_checksums(c, u);
}
