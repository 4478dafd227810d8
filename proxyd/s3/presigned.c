/* SPDX-License-Identifier: MIT
 *
 * A presigned URL may say as parameters what other requests say in header fields:
 * metadata, access list. Whoever made the URL has signed them, so they count as fields,
 * and whoever uses it cannot say something else.
 *
 * Not so the hashes of a body: SDKs put there that of the body which they had when they
 * made the URL, of none (the one for JavaScript does so by default), and S3 does not look
 * at them. So what is uploaded is verified by nothing but what the uploader sends as
 * header fields.
 * Source: "Authenticating Requests: Using Query Parameters" in the Amazon S3 API
 * reference.
 */
#include "proxyd/s3/s3.h"

#include <string.h>

/* The signature itself, and what only it is about. */
static const char *const about_signature[] = {
	"x-amz-algorithm",     "x-amz-credential", "x-amz-date",           "x-amz-expires",
	"x-amz-signedheaders", "x-amz-signature",  "x-amz-security-token",
};

/* Of a body that was not there. */
static bool is_hash(struct str name)
{
	return s3_is_checksum_field(name) ||
	       str_eq_nocase(name, STR("x-amz-sdk-checksum-algorithm")) ||
	       str_eq_nocase(name, STR("x-amz-content-sha256"));
}

static bool counts_as_field(struct str name)
{
	const struct str prefix = STR("x-amz-");
	if (name.n <= prefix.n || !str_eq_nocase(str_n(name.p, prefix.n), prefix))
		return false;
	for (size_t i = 0; i < sizeof(about_signature) / sizeof(about_signature[0]); i++)
		if (str_eq_nocase(name, str_of(about_signature[i])))
			return false;
	return !is_hash(name);
}

/* Whether the request has the field in its head. False: with another value, and
 * answered. */
static bool agrees(struct s3_call *c, const struct uri_param *p, size_t n_fields, bool *there)
{
	const struct http_field *f = c->http->head.fields;
	*there = false;
	for (size_t i = 0; i < n_fields; i++) {
		if (!str_eq_nocase(f[i].name, p->name))
			continue;
		*there = true;
		if (str_eq(f[i].value, str_trim(p->value)))
			continue;
		s3_failf(c, S3_ACCESS_DENIED, "header %.*s is not what was signed in the URL",
		         STR_FMT(f[i].name));
		return false;
	}
	return true;
}

static bool append(struct s3_call *c, const struct uri_param *p)
{
	struct http_head *h = &c->http->head;
	if (h->n_fields >= HTTP1_FIELDS_MAX)
		s3_fail(c, S3_HEADERS_TOO_LARGE, NULL);
	else if (!http1_is_token(p->name) || !http1_is_value(p->value))
		s3_failf(c, S3_INVALID_ARGUMENT, "%.*s cannot be a header field", STR_FMT(p->name));
	else
		h->fields[h->n_fields++] = (struct http_field){p->name, str_trim(p->value)};
	return c->http->status == 0;
}

bool s3_adopt_parameters(struct s3_call *c)
{
	struct http_head *h = &c->http->head;
	const size_t n_fields = h->n_fields;
	size_t more = 0;
	for (size_t i = 0; c->auth.scheme == SIGV4_PRESIGNED && i < c->query.n; i++)
		more += counts_as_field(c->query.params[i].name);
	if (more == 0)
		return true;
	struct http_field *fields = ARENA_ARRAY(c->arena, struct http_field, n_fields + more);
	memcpy(fields, h->fields, n_fields * sizeof(*fields));
	h->fields = fields;
	for (size_t i = 0; i < c->query.n; i++) {
		const struct uri_param *p = &c->query.params[i];
		bool there;
		if (!counts_as_field(p->name))
			continue;
		if (!agrees(c, p, n_fields, &there) || (!there && !append(c, p)))
			return false;
	}
	return true;
}
