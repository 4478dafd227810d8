/* SPDX-License-Identifier: MIT
 *
 * Shared by the framing (awschunk.c) and the trailers (awschunk_trailer.c).
 */
#ifndef S3PROTO_AWSCHUNK_PRIVATE_H
#define S3PROTO_AWSCHUNK_PRIVATE_H

#include "base/buf.h"
#include "base/digest.h"
#include "s3proto/awschunk.h"

#define SIGNATURE_SIZE (SHA256_HEX_SIZE - 1)

enum awschunk_state {
	ST_HEADER = 0, /* the line before the data of a chunk */
	ST_DATA,
	ST_DATA_END, /* the CRLF after it */
	ST_TRAILER,  /* after the last chunk, up to the empty line */
	ST_END,
};

struct awschunk {
	enum awschunk_variant variant;
	enum awschunk_state state;
	enum awschunk_result result; /* the rejection, once there is one; else 0 */
	uint64_t left;               /* decoded bytes not yet announced by a chunk */
	uint64_t chunk_left;         /* of the current chunk */
	struct digest *sha256;       /* of its data; NULL in the unsigned variant */
	bool has_seed;
	uint8_t key[SHA256_SIZE];
	struct buf amz_date, scope;
	char previous[SIGNATURE_SIZE]; /* the last verified signature */
	char claimed[SIGNATURE_SIZE];  /* of the current chunk */
	size_t line_n;
	char line[AWSCHUNK_TRAILER_MAX];
	/* trailers */
	struct buf declared; /* x-amz-trailer */
	struct buf block;    /* names and values; the fields point into it */
	size_t trailer_n;    /* bytes of trailer lines so far */
	bool trailer_signed; /* the signature line was there; nothing may follow it */
	size_t n_trailers;
	struct http_field trailers[AWSCHUNK_TRAILERS_MAX];
};

/* One step of the chain: LF-joined algorithm, date, scope, previous signature, and
 * middle (complete lines) followed by hash_hex. */
void awschunk_sign(struct awschunk *c, const char *algorithm, const char *middle,
                   const char *hash_hex, char out[SHA256_HEX_SIZE]);

/* A line in ST_TRAILER, without CRLF. */
enum awschunk_result awschunk_trailer_line(struct awschunk *c, struct str line);

#endif
