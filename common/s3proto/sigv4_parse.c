/* SPDX-License-Identifier: MIT
 *
 * Taking signatures apart. Header and presigned URL carry the same items under
 * other names; what is wrong is told with the error code that AWS uses for the
 * form at hand.
 */
#include "s3proto/sigv4_private.h"

#define ALGORITHM STR(SIGV4_ALGORITHM)

enum sigv4_payload sigv4_payload_of(const struct str *value)
{
	static const struct {
		const char *text;
		enum sigv4_payload payload;
	} known[] = {
		{"UNSIGNED-PAYLOAD", SIGV4_PAYLOAD_UNSIGNED},
		{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", SIGV4_PAYLOAD_STREAM_SIGNED},
		{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER},
		{"STREAMING-UNSIGNED-PAYLOAD-TRAILER", SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER},
	};
	if (value == NULL)
		return SIGV4_PAYLOAD_UNSIGNED;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (str_eq(*value, str_of(known[i].text)))
			return known[i].payload;
	if (str_starts(*value, STR("STREAMING-")))
		return SIGV4_PAYLOAD_UNSUPPORTED;
	bool is_sha256 = value->n == 2 * SHA256_SIZE && str_is_hex(*value);
	return is_sha256 ? SIGV4_PAYLOAD_SHA256 : SIGV4_PAYLOAD_INVALID;
}

/* --- what both forms have in common --- */

/* "key/date8/region/service/aws4_request"; the scope is all after the key. */
static const char *parse_credential(struct str credential, struct sigv4_request *r)
{
	struct str rest;
	r->access_key = str_cut(credential, '/', &rest);
	r->scope = rest;
	r->date8 = str_cut(rest, '/', &rest);
	r->region = str_cut(rest, '/', &rest);
	r->service = str_cut(rest, '/', &rest);
	if (!str_eq(rest, STR("aws4_request")))
		return "The credential is malformed; expecting "
		       "\"<key>/YYYYMMDD/<region>/<service>/aws4_request\".";
	if (r->access_key.n == 0 || r->date8.n != 8 || r->service.n == 0)
		return "The credential has an empty or malformed part.";
	return NULL;
}

static struct str next_signed(struct str *list)
{
	return str_trim(str_cut(*list, ';', list));
}

/* Bytes of SignedHeaders, and names in it. Names are compared each with each, and
 * that before anybody is known. Those of the fields that S3 knows are fewer than 80
 * and have less than 2,000 bytes altogether. */
#define SIGNED_HEADERS_SIZE 4096
#define SIGNED_NAMES_MAX    100
/* Names beyond the fields that came: a proxy may have taken some away. */
#define SIGNED_NAMES_ABSENT 8

/* Each name once, so that no field is hashed many times. */
static const char *check_signed_headers(struct str list, size_t n_fields)
{
	struct str names[SIGNED_NAMES_MAX];
	size_t n = 0;
	bool host = false;
	if (list.n > SIGNED_HEADERS_SIZE)
		return "SignedHeaders is too long.";
	while (list.n > 0) {
		struct str name = next_signed(&list);
		if (n == SIGNED_NAMES_MAX || n == n_fields + SIGNED_NAMES_ABSENT)
			return "SignedHeaders has too many names.";
		for (size_t i = 0; i < n; i++)
			if (str_eq_nocase(names[i], name))
				return "SignedHeaders has a name twice.";
		host = host || str_eq(name, STR("host"));
		names[n++] = name;
	}
	return host ? NULL : "There were headers present in the request which were not signed";
}

/* With the date parsed. */
static enum s3_error finish(const struct http_head *h, const struct sigv4_request *r,
                            enum s3_error malformed, const char **why)
{
	*why = "Invalid credential date. This date is not the same as X-Amz-Date.";
	if (!str_eq(str_n(r->amz_date.p, 8), r->date8))
		return malformed;
	*why = check_signed_headers(r->signed_headers, h->n_fields);
	return *why != NULL ? S3_ACCESS_DENIED : S3_OK;
}

/* --- Authorization header --- */

static enum s3_error parse_header(const struct http_head *h, struct str items,
                                  struct sigv4_request *r, const char **why)
{
	struct str credential = STR_NULL;
	while (items.n > 0) {
		struct str value,
			name = str_cut(str_trim(str_cut(items, ',', &items)), '=', &value);
		if (str_eq(name, STR("Credential")))
			credential = value;
		else if (str_eq(name, STR("SignedHeaders")))
			r->signed_headers = value;
		else if (str_eq(name, STR("Signature")))
			r->signature = value;
	}
	*why = "The authorization header requires Credential, SignedHeaders and Signature.";
	if (credential.n == 0 || r->signed_headers.n == 0 || r->signature.n == 0)
		return S3_AUTH_HEADER_MALFORMED;
	*why = parse_credential(credential, r);
	if (*why != NULL)
		return S3_AUTH_HEADER_MALFORMED;

	r->amz_date = http_head_value(h, STR("x-amz-date"));
	*why = "AWS authentication requires a valid x-amz-date header";
	if (!clock_parse_amz(r->amz_date, &r->date))
		return S3_ACCESS_DENIED;
	return finish(h, r, S3_AUTH_HEADER_MALFORMED, why);
}

/* --- presigned URL --- */

static struct str param(const struct uri_query *q, struct str name)
{
	const struct uri_param *p = uri_query_get(q, name);
	return p != NULL ? p->value : STR_NULL;
}

static const char *parse_expires(struct str text, struct sigv4_request *r)
{
	uint64_t seconds;
	if (!str_to_u64(text, &seconds) || seconds < 1 || seconds > SIGV4_EXPIRES_MAX)
		return "X-Amz-Expires must be a number of seconds from 1 to 604800.";
	r->expires = (int64_t)seconds;
	return NULL;
}

static enum s3_error parse_presigned(const struct http_head *h, const struct uri_query *q,
                                     struct sigv4_request *r, const char **why)
{
	struct str credential = param(q, STR("X-Amz-Credential"));
	struct str expires = param(q, STR("X-Amz-Expires"));
	r->signed_headers = param(q, STR("X-Amz-SignedHeaders"));
	r->signature = param(q, STR("X-Amz-Signature"));
	r->amz_date = param(q, STR("X-Amz-Date"));
	r->payload = SIGV4_PAYLOAD_UNSIGNED;
	r->payload_hash = SIGV4_UNSIGNED_PAYLOAD;

	*why = "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"";
	if (!str_eq(param(q, STR("X-Amz-Algorithm")), ALGORITHM))
		return S3_AUTH_QUERY_PARAMETERS;
	*why = "Query-string authentication version 4 requires the X-Amz-Algorithm, "
	       "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and "
	       "X-Amz-Expires parameters.";
	if (credential.n == 0 || expires.n == 0 || r->signed_headers.n == 0 ||
	    r->signature.n == 0 || r->amz_date.n == 0)
		return S3_AUTH_QUERY_PARAMETERS;
	*why = parse_credential(credential, r);
	if (*why == NULL)
		*why = parse_expires(expires, r);
	if (*why == NULL && !clock_parse_amz(r->amz_date, &r->date))
		*why = "X-Amz-Date must be in the ISO8601 form YYYYMMDDThhmmssZ.";
	if (*why != NULL)
		return S3_AUTH_QUERY_PARAMETERS;
	return finish(h, r, S3_AUTH_QUERY_PARAMETERS, why);
}

/* --- browser form --- */

enum s3_error sigv4_parse_post(const struct sigv4_post *p, struct sigv4_request *out,
                               const char **why)
{
	*out = (struct sigv4_request){
		.scheme = SIGV4_POST,
		.signature = p->signature,
		.amz_date = p->amz_date,
	};
	*why = SIGV4_ONLY;
	if (!str_eq(p->algorithm, ALGORITHM))
		return S3_INVALID_REQUEST;
	*why = "Bucket POST must contain the fields X-Amz-Credential, X-Amz-Date and "
	       "X-Amz-Signature before the file.";
	if (p->credential.n == 0 || p->amz_date.n == 0 || p->signature.n == 0)
		return S3_INVALID_ARGUMENT;
	*why = parse_credential(p->credential, out);
	if (*why == NULL && !clock_parse_amz(p->amz_date, &out->date))
		*why = "X-Amz-Date must be in the ISO8601 form YYYYMMDDThhmmssZ.";
	if (*why == NULL && !str_eq(str_n(p->amz_date.p, 8), out->date8))
		*why = "Invalid credential date. This date is not the same as X-Amz-Date.";
	return *why == NULL ? S3_OK : S3_INVALID_ARGUMENT;
}

enum s3_error sigv4_parse(const struct http_head *h, struct str raw_path,
                          const struct uri_query *query, struct sigv4_request *out,
                          const char **why)
{
	const struct str *authorization = http_head_get(h, STR("authorization"));
	const struct str *hash = http_head_get(h, STR("x-amz-content-sha256"));
	*out = (struct sigv4_request){
		.payload = sigv4_payload_of(hash),
		.payload_hash = hash != NULL ? *hash : SIGV4_UNSIGNED_PAYLOAD,
		.raw_path = raw_path,
		.query = query,
	};
	*why = NULL;
	if (authorization != NULL && str_starts(*authorization, STR(SIGV4_ALGORITHM " ")))
		out->scheme = SIGV4_HEADER;
	else if (param(query, STR("X-Amz-Algorithm")).n > 0)
		out->scheme = SIGV4_PRESIGNED;
	else
		return S3_OK;
	if (out->scheme == SIGV4_PRESIGNED)
		return parse_presigned(h, query, out, why);
	return parse_header(h, str_skip(*authorization, ALGORITHM.n + 1), out, why);
}

bool sigv4_is_version_2(const struct http_head *h, const struct uri_query *query)
{
	return str_starts(http_head_value(h, STR("authorization")), STR("AWS ")) ||
	       uri_query_get(query, STR("AWSAccessKeyId")) ||
	       uri_query_get(query, STR("Signature"));
}
