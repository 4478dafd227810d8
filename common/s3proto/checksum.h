/* SPDX-License-Identifier: MIT
 *
 * The checksums of S3 behind one interface: any subset is computed in one pass
 * over the data.
 */
#ifndef S3PROTO_CHECKSUM_H
#define S3PROTO_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum checksum_kind {
	CHECKSUM_CRC32,
	CHECKSUM_CRC32C,
	CHECKSUM_CRC64NVME,
	CHECKSUM_SHA1,
	CHECKSUM_SHA256,
	CHECKSUM_MD5,
	CHECKSUM_KINDS, /* their number */
};

#define CHECKSUM_BIT(kind)   (1U << (kind))
#define CHECKSUM_MAX         32 /* bytes of the longest */
#define CHECKSUM_BASE64_SIZE 45 /* of the longest, with NUL */

size_t checksum_size(enum checksum_kind k); /* bytes of its value */

/* The name S3 uses for it ("CRC64NVME"), and the field that carries it, in lower
 * case: "x-amz-checksum-crc64nvme", "content-md5". */
const char *checksum_name(enum checksum_kind k);
const char *checksum_field(enum checksum_kind k);
bool checksum_of_field(struct str field, enum checksum_kind *k); /* any case */

/* A value as it stands in a field (base64); false when it is not one
 * (InvalidDigest for content-md5, InvalidRequest for the others). */
bool checksum_parse(enum checksum_kind k, struct str text, uint8_t out[CHECKSUM_MAX]);
void checksum_format(enum checksum_kind k, const uint8_t value[CHECKSUM_MAX],
                     char out[CHECKSUM_BASE64_SIZE]);

struct checksum_set;

struct checksum_set *checksum_set_new(unsigned kinds); /* CHECKSUM_BITs; 0 is fine */
void checksum_set_free(struct checksum_set **s);
unsigned checksum_set_kinds(const struct checksum_set *s);
void checksum_set_update(struct checksum_set *s, const void *p, size_t n);
/* Ends the computation; to be called once, before values are asked for. */
void checksum_set_final(struct checksum_set *s);
/* The value of a kind that is in the set, big-endian as S3 sends it. */
const uint8_t *checksum_set_value(const struct checksum_set *s, enum checksum_kind k);
/* Whether text is the base64 of that value. False when it is malformed. */
bool checksum_set_matches(const struct checksum_set *s, enum checksum_kind k, struct str text);

#endif
