/* SPDX-License-Identifier: MIT
 *
 * A set of running checksums. Data goes through all of them in blocks that
 * stay in the first-level cache, so that memory is read once.
 */
#include "s3proto/checksum.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/digest.h"
#include "base/mem.h"
#include "s3proto/crc.h"

#define BLOCK 16384 /* bytes; half of a usual first-level data cache */

static const struct kind {
	const char *name;
	const char *field;
	const char *element; /* NULL: S3 has none */
	size_t size;
	bool is_digest; /* else a CRC */
	enum digest_kind digest;
} kinds[CHECKSUM_KINDS] = {
	[CHECKSUM_CRC32] = {"CRC32", "x-amz-checksum-crc32", "ChecksumCRC32", 4, false, 0},
	[CHECKSUM_CRC32C] = {"CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C", 4, false, 0},
	[CHECKSUM_CRC64NVME] = {"CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", 8,
                                false, 0},
	[CHECKSUM_SHA1] = {"SHA1", "x-amz-checksum-sha1", "ChecksumSHA1", SHA1_SIZE, true,
                           DIGEST_SHA1},
	[CHECKSUM_SHA256] = {"SHA256", "x-amz-checksum-sha256", "ChecksumSHA256", SHA256_SIZE, true,
                             DIGEST_SHA256},
	[CHECKSUM_MD5] = {"MD5", "content-md5", NULL, MD5_SIZE, true, DIGEST_MD5},
};

struct checksum_set {
	unsigned wanted;
	bool final;
	uint64_t crc[CHECKSUM_KINDS];
	struct digest *digest[CHECKSUM_KINDS];
	uint8_t value[CHECKSUM_KINDS][CHECKSUM_MAX];
};

size_t checksum_size(enum checksum_kind k)
{
	return kinds[k].size;
}

const char *checksum_name(enum checksum_kind k)
{
	return kinds[k].name;
}

const char *checksum_field(enum checksum_kind k)
{
	return kinds[k].field;
}

bool checksum_of_field(struct str field, enum checksum_kind *k)
{
	for (int i = 0; i < CHECKSUM_KINDS; i++) {
		if (str_eq_nocase(field, str_of(kinds[i].field))) {
			*k = (enum checksum_kind)i;
			return true;
		}
	}
	return false;
}

bool checksum_of_name(struct str name, enum checksum_kind *k)
{
	for (int i = 0; i < CHECKSUM_KINDS; i++) {
		if (i != CHECKSUM_MD5 && str_eq_nocase(name, str_of(kinds[i].name))) {
			*k = (enum checksum_kind)i;
			return true;
		}
	}
	return false;
}

const char *checksum_element(enum checksum_kind k)
{
	return kinds[k].element;
}

bool checksum_of_element(struct str element, enum checksum_kind *k)
{
	for (int i = 0; i < CHECKSUM_KINDS; i++) {
		if (kinds[i].element != NULL && str_eq(element, str_of(kinds[i].element))) {
			*k = (enum checksum_kind)i;
			return true;
		}
	}
	return false;
}

bool checksum_parse(enum checksum_kind k, struct str text, uint8_t out[CHECKSUM_MAX])
{
	return base64_decode(str_trim(text), out, CHECKSUM_MAX) == (ssize_t)kinds[k].size;
}

void checksum_format(enum checksum_kind k, const uint8_t value[CHECKSUM_MAX],
                     char out[CHECKSUM_BASE64_SIZE])
{
	base64_encode(value, kinds[k].size, out);
}

static uint64_t load_big_endian(const uint8_t *p, size_t n)
{
	uint64_t v = 0;
	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

static void store_big_endian(uint64_t v, size_t n, uint8_t *out)
{
	while (n > 0) {
		out[--n] = (uint8_t)v;
		v >>= 8;
	}
}

bool checksum_is_crc(enum checksum_kind k)
{
	return !kinds[k].is_digest;
}

static uint64_t combine_crcs(enum checksum_kind k, uint64_t crc, uint64_t crc2, uint64_t size2)
{
	switch (k) {
	case CHECKSUM_CRC32:
		return crc_32_combine((uint32_t)crc, (uint32_t)crc2, size2);
	case CHECKSUM_CRC32C:
		return crc_32c_combine((uint32_t)crc, (uint32_t)crc2, size2);
	default:
		return crc_64nvme_combine(crc, crc2, size2);
	}
}

void checksum_combine(enum checksum_kind k, uint8_t value[CHECKSUM_MAX],
                      const uint8_t part_value[CHECKSUM_MAX], uint64_t part_size)
{
	assert(checksum_is_crc(k));
	size_t n = kinds[k].size;
	uint64_t crc = load_big_endian(value, n), part = load_big_endian(part_value, n);
	store_big_endian(combine_crcs(k, crc, part, part_size), n, value);
}

void checksum_of_parts(enum checksum_kind k, const uint8_t (*values)[CHECKSUM_MAX], size_t n,
                       char out[CHECKSUM_PARTS_SIZE])
{
	assert(n >= 1 && n <= CHECKSUM_PARTS_MAX);
	struct checksum_set *s = checksum_set_new(CHECKSUM_BIT(k));
	for (size_t i = 0; i < n; i++)
		checksum_set_update(s, values[i], kinds[k].size);
	checksum_set_final(s);
	checksum_format(k, checksum_set_value(s, k), out);
	checksum_set_free(&s);
	size_t length = strlen(out);
	snprintf(out + length, CHECKSUM_PARTS_SIZE - length, "-%u", (unsigned)n);
}

static bool is_wanted(const struct checksum_set *s, int k)
{
	return s->wanted & CHECKSUM_BIT(k);
}

struct checksum_set *checksum_set_new(unsigned wanted)
{
	struct checksum_set *s = MEM_NEW(struct checksum_set);
	s->wanted = wanted;
	for (int k = 0; k < CHECKSUM_KINDS; k++)
		if (is_wanted(s, k) && kinds[k].is_digest)
			s->digest[k] = digest_new(kinds[k].digest);
	return s;
}

struct checksum_set *checksum_set_copy(const struct checksum_set *s)
{
	if (s == NULL)
		return NULL;
	struct checksum_set *copy = MEM_NEW(struct checksum_set);
	*copy = *s;
	for (int k = 0; k < CHECKSUM_KINDS; k++)
		if (s->digest[k] != NULL)
			copy->digest[k] = digest_copy(s->digest[k]);
	return copy;
}

void checksum_set_free(struct checksum_set **s)
{
	if (*s == NULL)
		return;
	for (int k = 0; k < CHECKSUM_KINDS; k++)
		if ((*s)->digest[k] != NULL)
			digest_free(&(*s)->digest[k]);
	free(*s);
	*s = NULL;
}

unsigned checksum_set_kinds(const struct checksum_set *s)
{
	return s->wanted;
}

static uint64_t update_crc(int kind, uint64_t crc, const void *p, size_t n)
{
	switch (kind) {
	case CHECKSUM_CRC32:
		return crc_32((uint32_t)crc, p, n);
	case CHECKSUM_CRC32C:
		return crc_32c((uint32_t)crc, p, n);
	default:
		return crc_64nvme(crc, p, n);
	}
}

static void update_block(struct checksum_set *s, const void *p, size_t n)
{
	for (int k = 0; k < CHECKSUM_KINDS; k++) {
		if (!is_wanted(s, k))
			continue;
		if (kinds[k].is_digest)
			digest_update(s->digest[k], p, n);
		else
			s->crc[k] = update_crc(k, s->crc[k], p, n);
	}
}

void checksum_set_update(struct checksum_set *s, const void *data, size_t n)
{
	assert(!s->final);
	const char *p = data;
	while (n > 0) {
		size_t block = n < BLOCK ? n : BLOCK;
		update_block(s, p, block);
		p += block;
		n -= block;
	}
}

void checksum_set_final(struct checksum_set *s)
{
	assert(!s->final);
	s->final = true;
	for (int k = 0; k < CHECKSUM_KINDS; k++) {
		if (!is_wanted(s, k))
			continue;
		if (kinds[k].is_digest)
			digest_final(s->digest[k], s->value[k]);
		else
			store_big_endian(s->crc[k], kinds[k].size, s->value[k]);
	}
}

const uint8_t *checksum_set_value(const struct checksum_set *s, enum checksum_kind k)
{
	assert(s->final && is_wanted(s, k));
	return s->value[k];
}

bool checksum_set_matches(const struct checksum_set *s, enum checksum_kind k, struct str text)
{
	uint8_t claimed[CHECKSUM_MAX];
	return checksum_parse(k, text, claimed) &&
	       memcmp(claimed, checksum_set_value(s, k), kinds[k].size) == 0;
}
