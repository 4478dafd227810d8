/* SPDX-License-Identifier: MIT
 *
 * AWS Signature Version 4, both sides: verifying what clients sign (header or
 * presigned URL) and signing our own requests to backends. Source: "Signature
 * Calculations for the Authorization Header", "Authenticating Requests: Using
 * Query Parameters" in the Amazon S3 API reference. All text that is referenced
 * lies in the request head or its arena and must outlive the structs.
 *
 * Signing keys are cached per process; nothing here is for several threads.
 */
#ifndef S3PROTO_SIGV4_H
#define S3PROTO_SIGV4_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/str.h"
#include "net/http1.h"
#include "net/uri.h"
#include "s3proto/s3err.h"

#define SIGV4_SKEW        (15 * 60 * CLOCK_SEC) /* difference of clocks that is allowed */
#define SIGV4_EXPIRES_MAX 604800                /* seconds: a presigned URL lives at most 7 days */

#define SIGV4_UNSIGNED_PAYLOAD STR("UNSIGNED-PAYLOAD")

/* What regions that know only this version tell those who sign with another one. */
#define SIGV4_ONLY                                                                                 \
	"The authorization mechanism you have provided is not supported. Please use "              \
	"AWS4-HMAC-SHA256."

enum sigv4_scheme {
	SIGV4_NONE, /* no signature; also other schemes (SigV2, Bearer, ...) */
	SIGV4_HEADER,
	SIGV4_PRESIGNED,
	SIGV4_POST, /* the policy of a browser form */
};

enum sigv4_payload {
	SIGV4_PAYLOAD_UNSIGNED,      /* absent or UNSIGNED-PAYLOAD */
	SIGV4_PAYLOAD_SHA256,        /* 64 hex digits: compare with the body */
	SIGV4_PAYLOAD_STREAM_SIGNED, /* the three aws-chunked forms, see awschunk.h */
	SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER,
	SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER,
	SIGV4_PAYLOAD_UNSUPPORTED, /* another STREAMING-...: InvalidRequest */
	SIGV4_PAYLOAD_INVALID,     /* anything else: InvalidArgument */
};

/* What an x-amz-content-sha256 value says; NULL: the field is absent. */
enum sigv4_payload sigv4_payload_of(const struct str *value);

struct sigv4_request {
	enum sigv4_scheme scheme;
	struct str access_key;
	struct str scope; /* "date8/region/service/aws4_request" */
	struct str date8, region, service;
	struct str signed_headers; /* as listed */
	struct str signature;      /* as sent */
	struct str amz_date;
	int64_t date;    /* of amz_date, microseconds since 1970 */
	int64_t expires; /* presigned: seconds */
	/* The mode of the body, also with SIGV4_NONE. A presigned request is always
	 * UNSIGNED: what its header says is not interpreted. */
	enum sigv4_payload payload;
	struct str payload_hash; /* the last line of the canonical request */
	struct str raw_path;
	const struct uri_query *query;
};

/* Finds out how a request is signed and takes the signature apart; neither the
 * clock nor a secret is needed. raw_path is the path in wire form. S3_OK also for
 * SIGV4_NONE. Else *out is unusable except for scheme, the error is what to
 * answer and *why the message for it (constant). */
enum s3_error sigv4_parse(const struct http_head *h, struct str raw_path,
                          const struct uri_query *query, struct sigv4_request *out,
                          const char **why);

/* Whether a request of SIGV4_NONE is signed with Version 2, in the header or in the URL. */
bool sigv4_is_version_2(const struct http_head *h, const struct uri_query *query);

/* What the signatures inside a streaming body continue from. */
struct sigv4_seed {
	uint8_t key[SHA256_SIZE]; /* signing key */
	struct str scope, amz_date, signature;
};

/* Verifies a parsed request (scheme not SIGV4_NONE) with the secret of its access
 * key, or NULL when the key is unknown: then the same work is done with a dummy.
 * The signature is always computed; only then, in this order: time, key,
 * signature. now in microseconds since 1970. seed may be NULL; it is filled on
 * S3_OK. *why is the message, NULL for the default one. */
enum s3_error sigv4_verify(const struct sigv4_request *r, const struct http_head *h,
                           const struct str *secret, int64_t now, struct sigv4_seed *seed,
                           const char **why);

/* How a browser form is signed: its fields of these names, empty when absent. The
 * signature is over the policy as it stands there, in base64. */
struct sigv4_post {
	struct str algorithm, credential, amz_date, signature, policy;
};

/* The counterparts of sigv4_parse() and sigv4_verify() for forms. There is no check of
 * the time: the policy has an expiration. */
enum s3_error sigv4_parse_post(const struct sigv4_post *p, struct sigv4_request *out,
                               const char **why);
enum s3_error sigv4_verify_post(const struct sigv4_request *r, struct str policy,
                                const struct str *secret);

/* The hex signature of a string to sign, for the chunks of a streaming body. */
void sigv4_sign_string(const uint8_t key[SHA256_SIZE], struct str string,
                       char out[SHA256_HEX_SIZE]);

struct sigv4_credentials {
	struct str access_key, secret, region, service;
};

struct sigv4_outgoing {
	struct str method;
	struct str host;         /* the value of Host */
	struct str path;         /* encoded as it is sent: uri_encode(..., keep_slash) */
	struct str query;        /* from sigv4_add_query, as it is sent */
	struct str payload_hash; /* 64 hex digits, or SIGV4_UNSIGNED_PAYLOAD */
	/* Further fields to sign, in any order, names of any case and unique; not
	 * host, x-amz-date, x-amz-content-sha256, authorization. */
	const struct http_field *fields;
	size_t n_fields;
	int64_t now; /* microseconds since 1970 */
};

#define SIGV4_FIELDS 3

/* Makes the fields to add to the request: authorization, x-amz-date,
 * x-amz-content-sha256. About 3 us. */
void sigv4_sign(const struct sigv4_credentials *c, const struct sigv4_outgoing *o, struct arena *a,
                struct http_field out[SIGV4_FIELDS]);

/* Appends parameters in canonical form: encoded, sorted, joined; has_value does
 * not matter. This is the query to sign and to send. */
void sigv4_add_query(struct buf *b, const struct uri_param *params, size_t n);

#endif
