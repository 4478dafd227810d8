/* SPDX-License-Identifier: MIT
 *
 * Shared by the files of sigv4: the canonical request and the signing keys.
 */
#ifndef S3PROTO_SIGV4_PRIVATE_H
#define S3PROTO_SIGV4_PRIVATE_H

#include <stdbool.h>

#include "s3proto/sigv4.h"

#define SIGV4_ALGORITHM "AWS4-HMAC-SHA256"

/* Pieces of the canonical request, each without the LF that ends it. */
void sigv4_add_path(struct buf *b, struct str raw_path);
/* All but the parameter called `except` (empty: all). */
void sigv4_add_query_except(struct buf *b, const struct uri_param *params, size_t n,
                            struct str except);
/* One collapsed value: runs of white space become one space. */
void sigv4_add_value(struct buf *b, struct str value);
void sigv4_add_lower(struct buf *b, struct str name);

/* The signature of a canonical request. */
void sigv4_signature(const uint8_t key[SHA256_SIZE], struct str amz_date, struct str scope,
                     struct str canonical, char out[SHA256_HEX_SIZE]);

/* Signing keys. scope is "date8/region/service/aws4_request". */
void sigv4_key_derive(struct str secret, struct str scope, uint8_t key[SHA256_SIZE]);
bool sigv4_key_find(struct str secret, struct str scope, uint8_t key[SHA256_SIZE]);
void sigv4_key_remember(struct str secret, struct str scope, const uint8_t key[SHA256_SIZE]);

#endif
