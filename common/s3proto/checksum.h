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

/* By a value of x-amz-checksum-algorithm, of any case; MD5 is none. */
bool checksum_of_name(struct str name, enum checksum_kind *k);

/* The element of a document ("ChecksumCRC64NVME") and back; MD5 has none. */
const char *checksum_element(enum checksum_kind k);
bool checksum_of_element(struct str element, enum checksum_kind *k);

/* A value as it stands in a field (base64); false when it is not one
 * (InvalidDigest for content-md5, InvalidRequest for the others). */
bool checksum_parse(enum checksum_kind k, struct str text, uint8_t out[CHECKSUM_MAX]);
void checksum_format(enum checksum_kind k, const uint8_t value[CHECKSUM_MAX],
                     char out[CHECKSUM_BASE64_SIZE]);

/* Whether the checksum of a whole can be had from those of its parts (the CRCs). */
bool checksum_is_crc(enum checksum_kind k);

/* Makes value, of some data, that of the data with part_size more bytes behind it,
 * whose own value is part_value. CRCs only; cheap for any size.
 * The value of no data is all zero bytes. */
void checksum_combine(enum checksum_kind k, uint8_t value[CHECKSUM_MAX],
                      const uint8_t part_value[CHECKSUM_MAX], uint64_t part_size);

#define CHECKSUM_PARTS_MAX  10000                      /* of one multipart upload, as in S3 */
#define CHECKSUM_PARTS_SIZE (CHECKSUM_BASE64_SIZE + 6) /* "-10000" behind it */

/* The composite checksum of a multipart object, of any kind: the one over the
 * binary values of its n (1 to 10,000) parts in order, in base64, with "-n". */
void checksum_of_parts(enum checksum_kind k, const uint8_t (*values)[CHECKSUM_MAX], size_t n,
                       char out[CHECKSUM_PARTS_SIZE]);

struct checksum_set;

struct checksum_set *checksum_set_new(unsigned kinds); /* CHECKSUM_BITs; 0 is fine */
/* Another set that goes on where this one is now; NULL gives NULL. */
struct checksum_set *checksum_set_copy(const struct checksum_set *s);
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
