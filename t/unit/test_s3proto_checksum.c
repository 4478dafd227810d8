/* SPDX-License-Identifier: MIT
 *
 * Checksums: published check values, agreement of the implementations for every
 * length and alignment, and the set.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "s3proto/checksum.h"
#include "s3proto/crc.h"
#include "t/unit/run.h"

#define CHECK "123456789"

START_TEST(check_values)
{
	ck_assert_uint_eq(crc_32(0, CHECK, 9), 0xcbf43926);
	ck_assert_uint_eq(crc_32c(0, CHECK, 9), 0xe3069283);
	ck_assert_uint_eq(crc_32c_portable(0, CHECK, 9), 0xe3069283);
	ck_assert_uint_eq(crc_64nvme(0, CHECK, 9), UINT64_C(0xae8b14860a799888));
	ck_assert_uint_eq(crc_32(0, "", 0), 0);
	ck_assert_uint_eq(crc_64nvme(0, "", 0), 0);
}
END_TEST

/* One bit at a time, from the definition. */
static uint64_t slow_crc(uint64_t polynomial, uint64_t ones, const unsigned char *p, size_t n)
{
	uint64_t c = ones;
	for (size_t i = 0; i < n; i++) {
		c ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			c = (c >> 1) ^ (c & 1 ? polynomial : 0);
	}
	return c ^ ones;
}

START_TEST(every_length_and_alignment)
{
	unsigned char data[96];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 167 + 13);
	for (size_t at = 0; at < 8; at++) {
		for (size_t n = 0; n + at <= sizeof(data); n++) {
			const unsigned char *p = data + at;
			uint64_t c32c = slow_crc(0x82f63b78, UINT32_MAX, p, n);
			ck_assert_uint_eq(crc_32(0, p, n), slow_crc(0xedb88320, UINT32_MAX, p, n));
			ck_assert_uint_eq(crc_32c(0, p, n), c32c);
			ck_assert_uint_eq(crc_32c_portable(0, p, n), c32c);
			ck_assert_uint_eq(crc_64nvme(0, p, n),
			                  slow_crc(UINT64_C(0x9a6c9329ac4bc9b5), UINT64_MAX, p, n));
			/* in two pieces */
			size_t half = n / 3;
			ck_assert_uint_eq(crc_32c(crc_32c(0, p, half), p + half, n - half), c32c);
		}
	}
}
END_TEST

static const struct {
	enum checksum_kind kind;
	const char *name, *field, *base64; /* of "123456789" */
} known[] = {
	{CHECKSUM_CRC32, "CRC32", "x-amz-checksum-crc32", "y/Q5Jg=="},
	{CHECKSUM_CRC32C, "CRC32C", "x-amz-checksum-crc32c", "4waSgw=="},
	{CHECKSUM_CRC64NVME, "CRC64NVME", "x-amz-checksum-crc64nvme", "rosUhgp5mIg="},
	{CHECKSUM_SHA1, "SHA1", "x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="},
	{CHECKSUM_SHA256, "SHA256", "x-amz-checksum-sha256",
         "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="},
	{CHECKSUM_MD5, "MD5", "content-md5", "JfnnlDI7RTiF9RgfG2JNCw=="},
};
#define N_KNOWN (sizeof(known) / sizeof(known[0]))

START_TEST(each_subset)
{
	for (unsigned kinds = 0; kinds < 1U << CHECKSUM_KINDS; kinds++) {
		struct checksum_set *s = checksum_set_new(kinds);
		ck_assert_uint_eq(checksum_set_kinds(s), kinds);
		for (int i = 0; i < 9; i++)
			checksum_set_update(s, &CHECK[i], 1);
		checksum_set_update(s, NULL, 0);
		checksum_set_final(s);
		for (size_t i = 0; i < N_KNOWN; i++) {
			if (!(kinds & CHECKSUM_BIT(known[i].kind)))
				continue;
			char text[CHECKSUM_BASE64_SIZE];
			checksum_format(known[i].kind, checksum_set_value(s, known[i].kind), text);
			ck_assert_str_eq(text, known[i].base64);
			ck_assert(checksum_set_matches(s, known[i].kind, str_of(known[i].base64)));
			ck_assert(!checksum_set_matches(s, known[i].kind, STR("AAAAAA==")));
			ck_assert(!checksum_set_matches(s, known[i].kind, STR("")));
		}
		checksum_set_free(&s);
		ck_assert_ptr_null(s);
	}
}
END_TEST

/* A copy goes on from there, and what happens to one does not touch the other. */
START_TEST(copies)
{
	unsigned all = (1U << CHECKSUM_KINDS) - 1;
	struct checksum_set *s = checksum_set_new(all), *whole = checksum_set_new(all);
	checksum_set_update(s, "abc", 3);
	struct checksum_set *copy = checksum_set_copy(s);
	checksum_set_update(s, "wrong", 5);
	checksum_set_free(&s);
	checksum_set_update(copy, "def", 3);
	checksum_set_update(whole, "abcdef", 6);
	checksum_set_final(copy);
	checksum_set_final(whole);
	for (int k = 0; k < CHECKSUM_KINDS; k++)
		ck_assert_mem_eq(checksum_set_value(whole, (enum checksum_kind)k),
		                 checksum_set_value(copy, (enum checksum_kind)k),
		                 checksum_size((enum checksum_kind)k));
	checksum_set_free(&copy);
	checksum_set_free(&whole);
	ck_assert_ptr_null(checksum_set_copy(NULL));
}
END_TEST

/* More than one block, cut at odd places. */
START_TEST(long_data)
{
	size_t n = 100001;
	char *data = malloc(n);
	for (size_t i = 0; i < n; i++)
		data[i] = (char)(i * 31 + i / 251);
	unsigned all = (1U << CHECKSUM_KINDS) - 1;
	struct checksum_set *whole = checksum_set_new(all), *pieces = checksum_set_new(all);
	checksum_set_update(whole, data, n);
	checksum_set_final(whole);
	for (size_t at = 0, step = 1; at < n; at += step, step = step * 3 % 40009) {
		if (step > n - at)
			step = n - at;
		checksum_set_update(pieces, data + at, step);
	}
	checksum_set_final(pieces);
	for (int k = 0; k < CHECKSUM_KINDS; k++)
		ck_assert_mem_eq(checksum_set_value(whole, (enum checksum_kind)k),
		                 checksum_set_value(pieces, (enum checksum_kind)k),
		                 checksum_size((enum checksum_kind)k));
	checksum_set_free(&whole);
	checksum_set_free(&pieces);
	free(data);
}
END_TEST

START_TEST(fields)
{
	enum checksum_kind k;
	for (size_t i = 0; i < N_KNOWN; i++) {
		ck_assert_str_eq(checksum_name(known[i].kind), known[i].name);
		ck_assert_str_eq(checksum_field(known[i].kind), known[i].field);
		ck_assert(checksum_of_field(str_of(known[i].field), &k));
		ck_assert_int_eq(k, known[i].kind);
	}
	ck_assert(checksum_of_field(STR("X-Amz-Checksum-SHA256"), &k));
	ck_assert_int_eq(k, CHECKSUM_SHA256);
	ck_assert(!checksum_of_field(STR("x-amz-checksum-mode"), &k));
	uint8_t value[CHECKSUM_MAX];
	ck_assert(checksum_parse(CHECKSUM_CRC32, STR(" y/Q5Jg== "), value));
	ck_assert(!checksum_parse(CHECKSUM_CRC32, STR("y/Q5Jg"), value));
	ck_assert(!checksum_parse(CHECKSUM_CRC32, STR("rosUhgp5mIg="), value));
	ck_assert(!checksum_parse(CHECKSUM_MD5, STR("not base64!"), value));
}
END_TEST

/* --- of parts --- */

#define DATA_SIZE 5000

static void fill(unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)random_u64();
}

static void value_of(enum checksum_kind k, const unsigned char *p, size_t n,
                     uint8_t out[CHECKSUM_MAX])
{
	struct checksum_set *s = checksum_set_new(CHECKSUM_BIT(k));
	checksum_set_update(s, p, n);
	checksum_set_final(s);
	memset(out, 0, CHECKSUM_MAX);
	memcpy(out, checksum_set_value(s, k), checksum_size(k));
	checksum_set_free(&s);
}

static void assert_same(enum checksum_kind k, const uint8_t *a, const uint8_t *b)
{
	ck_assert_msg(memcmp(a, b, checksum_size(k)) == 0, "%s", checksum_name(k));
}

/* Any number of parts of any sizes, the first of them combined with no data. */
static void combine_random_parts(enum checksum_kind k, const unsigned char *data)
{
	uint8_t whole[CHECKSUM_MAX], part[CHECKSUM_MAX], sum[CHECKSUM_MAX] = {0};
	size_t at = 0;
	while (at < DATA_SIZE) {
		size_t n = random_u64() % 4 == 0 ? 0 : random_u64() % 700;
		if (n > DATA_SIZE - at)
			n = DATA_SIZE - at;
		value_of(k, data + at, n, part);
		checksum_combine(k, sum, part, n);
		at += n;
		value_of(k, data, at, whole);
		assert_same(k, sum, whole);
	}
}

START_TEST(combines_any_split)
{
	static unsigned char data[DATA_SIZE];
	fill(data, sizeof(data));
	for (int k = 0; k < CHECKSUM_KINDS; k++) {
		ck_assert_int_eq(checksum_is_crc((enum checksum_kind)k), k <= CHECKSUM_CRC64NVME);
		for (int i = 0; i < 20 && checksum_is_crc((enum checksum_kind)k); i++)
			combine_random_parts((enum checksum_kind)k, data);
	}
}
END_TEST

/* Sizes that nobody can hash in a test: (A B) C and A (B C) must agree. */
START_TEST(combines_huge_sizes)
{
	for (int i = 0; i < 300; i++) {
		enum checksum_kind k = (enum checksum_kind)(i % 3);
		uint64_t b_size = random_u64() >> (random_u64() % 40 + 1);
		uint64_t c_size = random_u64() >> (random_u64() % 40 + 1);
		uint8_t a[CHECKSUM_MAX], b[CHECKSUM_MAX], c[CHECKSUM_MAX];
		fill(a, sizeof(a));
		fill(b, sizeof(b));
		fill(c, sizeof(c));
		uint8_t left[CHECKSUM_MAX], right[CHECKSUM_MAX];
		memcpy(left, a, sizeof(a));
		checksum_combine(k, left, b, b_size);
		checksum_combine(k, left, c, c_size);
		checksum_combine(k, b, c, c_size);
		memcpy(right, a, sizeof(a));
		checksum_combine(k, right, b, b_size + c_size);
		assert_same(k, left, right);
	}
}
END_TEST

/* 4 GiB and more of zero bytes: by doubling, and block by block. */
START_TEST(combines_beyond_4_gib)
{
	static unsigned char zeros[1 << 20];
	for (int k = 0; k <= CHECKSUM_CRC64NVME; k++) {
		uint8_t block[CHECKSUM_MAX], doubled[CHECKSUM_MAX], linear[CHECKSUM_MAX] = {0};
		value_of((enum checksum_kind)k, zeros, sizeof(zeros), block);
		memcpy(doubled, block, sizeof(block));
		uint64_t size = sizeof(zeros);
		for (; size < UINT64_C(8) << 30; size *= 2)
			checksum_combine((enum checksum_kind)k, doubled, doubled, size);
		for (uint64_t at = 0; at < size; at += sizeof(zeros))
			checksum_combine((enum checksum_kind)k, linear, block, sizeof(zeros));
		assert_same((enum checksum_kind)k, doubled, linear);
	}
}
END_TEST

START_TEST(composites)
{
	uint8_t values[2][CHECKSUM_MAX];
	char text[CHECKSUM_PARTS_SIZE], expected[CHECKSUM_PARTS_SIZE];
	for (int i = 0; i < CHECKSUM_KINDS; i++) {
		enum checksum_kind k = (enum checksum_kind)i;
		size_t n = checksum_size(k);
		unsigned char joined[2 * CHECKSUM_MAX];
		uint8_t whole[CHECKSUM_MAX];
		value_of(k, (const unsigned char *)CHECK, 9, values[0]);
		value_of(k, (const unsigned char *)CHECK, 3, values[1]);
		memcpy(joined, values[0], n);
		memcpy(joined + n, values[1], n);
		value_of(k, joined, 2 * n, whole);
		checksum_format(k, whole, expected);
		strncat(expected, "-2", 3);
		checksum_of_parts(k, values, 2, text);
		ck_assert_str_eq(text, expected);
	}
	/* of one part, computed with another program */
	value_of(CHECKSUM_CRC32, (const unsigned char *)CHECK, 9, values[0]);
	checksum_of_parts(CHECKSUM_CRC32, values, 1, text);
	ck_assert_str_eq(text, "7kxlUA==-1");
}
END_TEST

START_TEST(composite_of_ten_thousand)
{
	static uint8_t values[CHECKSUM_PARTS_MAX][CHECKSUM_MAX];
	char text[CHECKSUM_PARTS_SIZE];
	checksum_of_parts(CHECKSUM_SHA256, values, CHECKSUM_PARTS_MAX, text);
	ck_assert_uint_eq(strlen(text), CHECKSUM_PARTS_SIZE - 1);
	ck_assert_str_eq(text + CHECKSUM_BASE64_SIZE - 1, "-10000");
}
END_TEST

START_TEST(names_and_elements)
{
	enum checksum_kind k;
	for (int i = 0; i < CHECKSUM_MD5; i++) {
		ck_assert(checksum_of_name(str_of(checksum_name((enum checksum_kind)i)), &k));
		ck_assert_int_eq((int)k, i);
		ck_assert(checksum_of_element(str_of(checksum_element((enum checksum_kind)i)), &k));
		ck_assert_int_eq((int)k, i);
	}
	ck_assert(checksum_of_name(STR("crc32c"), &k));
	ck_assert_int_eq(k, CHECKSUM_CRC32C);
	ck_assert_str_eq(checksum_element(CHECKSUM_CRC64NVME), "ChecksumCRC64NVME");
	ck_assert_ptr_null(checksum_element(CHECKSUM_MD5));
	ck_assert(!checksum_of_name(STR("MD5"), &k));
	ck_assert(!checksum_of_name(STR("SHA512"), &k));
	ck_assert(!checksum_of_name(STR_NULL, &k));
	ck_assert(!checksum_of_element(STR("checksumcrc32"), &k));
	ck_assert(!checksum_of_element(STR("ChecksumMD5"), &k));
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");
	tcase_add_test(t, check_values);
	tcase_add_test(t, every_length_and_alignment);
	tcase_add_test(t, each_subset);
	tcase_add_test(t, copies);
	tcase_add_test(t, long_data);
	tcase_add_test(t, fields);
	tcase_add_test(t, combines_any_split);
	tcase_add_test(t, combines_huge_sizes);
	tcase_add_test(t, combines_beyond_4_gib);
	tcase_add_test(t, composites);
	tcase_add_test(t, composite_of_ten_thousand);
	tcase_add_test(t, names_and_elements);
	return run_tests("s3proto_checksum", t);
}
