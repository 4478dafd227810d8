/* SPDX-License-Identifier: MIT
 *
 * Decoder of the aws-chunked coding, in which SDKs send bodies: chunks that may
 * be signed one by one, and trailers with checksums. Source: "Signature
 * Calculations: Transferring Payload in Multiple Chunks" in the Amazon S3 API
 * reference.
 *
 *     body    = *chunk last-chunk *trailer [trailer-signature] CRLF
 *     chunk   = 1*HEXDIG [";chunk-signature=" 64HEXDIG] CRLF data CRLF
 *     trailer = name ":" value [LF] CRLF
 *
 * Data is handed on as it comes, before the signature of its chunk is verified:
 * the caller must not make it visible before AWSCHUNK_DONE. No bytes may follow.
 */
#ifndef S3PROTO_AWSCHUNK_H
#define S3PROTO_AWSCHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "net/http1.h"
#include "s3proto/s3err.h"
#include "s3proto/sigv4.h"

/* A signed chunk; S3 SDKs use 64 KiB to 1 MiB. Unsigned chunks are bounded by the
 * declared length only: there the AWS SDK for Go sends any body as one chunk. */
#define AWSCHUNK_SIZE_MAX     (16 * 1024 * 1024)
#define AWSCHUNK_LINE_MAX     1024 /* bytes of a chunk header with CRLF */
#define AWSCHUNK_TRAILER_MAX  8192 /* bytes of all trailer lines */
#define AWSCHUNK_TRAILERS_MAX 16   /* trailer fields */

enum awschunk_variant {
	AWSCHUNK_SIGNED,           /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD */
	AWSCHUNK_SIGNED_TRAILER,   /* ...-TRAILER: chunks and trailer are signed */
	AWSCHUNK_UNSIGNED_TRAILER, /* STREAMING-UNSIGNED-PAYLOAD-TRAILER, and framing without
	                            * any signature (presigned URL, Content-Encoding) */
};

/* False when that payload is not aws-chunked. */
bool awschunk_variant_of(enum sigv4_payload payload, enum awschunk_variant *v);
const char *awschunk_variant_name(enum awschunk_variant v); /* metric label */

enum awschunk_result {
	AWSCHUNK_DONE = 0,
	AWSCHUNK_MORE,
	/* rejections; the connection is to be closed */
	AWSCHUNK_CHUNK_SIGNATURE_MISMATCH,
	AWSCHUNK_TRAILER_SIGNATURE_MISMATCH,
	AWSCHUNK_DECODED_LENGTH_MISMATCH,
	AWSCHUNK_CHUNK_TOO_LARGE,
	AWSCHUNK_CHUNK_MALFORMED,
	AWSCHUNK_TRAILER_MALFORMED,
};

/* About a rejection: metric label, and what the client is told. */
const char *awschunk_reason(enum awschunk_result r);
enum s3_error awschunk_error(enum awschunk_result r);
const char *awschunk_message(enum awschunk_result r);

struct awschunk_options {
	enum awschunk_variant variant;
	uint64_t decoded_length; /* x-amz-decoded-content-length */
	/* Of the verified request; needed by the signed variants. NULL: a trailer
	 * signature in the unsigned variant cannot be verified and is refused. */
	const struct sigv4_seed *seed;
	/* The value of x-amz-trailer: every name in it must appear, no other may. */
	struct str trailer_names;
};

struct awschunk;

/* Copies what it needs. */
struct awschunk *awschunk_new(const struct awschunk_options *o);
void awschunk_free(struct awschunk **c);

/* Looks at p[0..n): *used is how many bytes were consumed; if *data_n > 0, the
 * bytes *data[0..*data_n) (inside p) are decoded body. Call until everything is
 * consumed. A rejection is final: it repeats. Data that came with or before a
 * rejection is void. */
enum awschunk_result awschunk_feed(struct awschunk *c, const char *p, size_t n, size_t *used,
                                   const char **data, size_t *data_n);

/* The input has ended: AWSCHUNK_DONE, or what to reject it with. */
enum awschunk_result awschunk_end(struct awschunk *c);

/* After AWSCHUNK_DONE: the trailers, names in lower case, without the signature;
 * sorted by name. Owned by c. The caller verifies checksums with checksum.h. */
const struct http_field *awschunk_trailers(const struct awschunk *c, size_t *n);

#endif
