/* SPDX-License-Identifier: MIT
 *
 * What aws-chunked variants and rejections are called: in metrics, and to the
 * client.
 */
#include "s3proto/awschunk.h"

#include <assert.h>

bool awschunk_variant_of(enum sigv4_payload payload, enum awschunk_variant *v)
{
	switch (payload) {
	case SIGV4_PAYLOAD_STREAM_SIGNED:
		*v = AWSCHUNK_SIGNED;
		return true;
	case SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER:
		*v = AWSCHUNK_SIGNED_TRAILER;
		return true;
	case SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER:
		*v = AWSCHUNK_UNSIGNED_TRAILER;
		return true;
	default:
		return false;
	}
}

const char *awschunk_variant_name(enum awschunk_variant v)
{
	static const char *const names[] = {
		[AWSCHUNK_SIGNED] = "signed",
		[AWSCHUNK_SIGNED_TRAILER] = "signed_trailer",
		[AWSCHUNK_UNSIGNED_TRAILER] = "unsigned_trailer",
	};
	return names[v];
}

static const struct rejection {
	const char *reason;
	enum s3_error error;
	const char *message;
} rejections[] = {
	[AWSCHUNK_CHUNK_SIGNATURE_MISMATCH] =
		{"chunk_signature_mismatch", S3_SIGNATURE_DOES_NOT_MATCH,
                 "The chunk signature does not match the signature derived from the request."},
	[AWSCHUNK_TRAILER_SIGNATURE_MISMATCH] =
		{"trailer_signature_mismatch", S3_SIGNATURE_DOES_NOT_MATCH,
                 "The trailer signature does not match the signature derived from the request."},
	[AWSCHUNK_DECODED_LENGTH_MISMATCH] =
		{"decoded_length_mismatch", S3_INCOMPLETE_BODY,
                 "The decoded body length does not match x-amz-decoded-content-length."},
	[AWSCHUNK_CHUNK_TOO_LARGE] = {"chunk_too_large", S3_INVALID_REQUEST,
                                      "A streaming chunk exceeded the maximum permitted size."},
	[AWSCHUNK_CHUNK_MALFORMED] = {"chunk_malformed", S3_INVALID_REQUEST,
                                      "Streaming chunk framing is malformed."},
	[AWSCHUNK_TRAILER_MALFORMED] = {"trailer_malformed", S3_INVALID_REQUEST,
                                        "Streaming trailer block is malformed."},
};

static const struct rejection *rejection_of(enum awschunk_result r)
{
	assert(r > AWSCHUNK_MORE && r <= AWSCHUNK_TRAILER_MALFORMED);
	return &rejections[r];
}

const char *awschunk_reason(enum awschunk_result r)
{
	return rejection_of(r)->reason;
}

enum s3_error awschunk_error(enum awschunk_result r)
{
	return rejection_of(r)->error;
}

const char *awschunk_message(enum awschunk_result r)
{
	return rejection_of(r)->message;
}
