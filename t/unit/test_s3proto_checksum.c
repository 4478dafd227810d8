/* SPDX-License-Identifier: MIT
 *
 * Checksums: published check values, agreement of the implementations for every
 * length and alignment, and the set.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

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

int main(void)
{
	TCase *t = tcase_create("all");
	tcase_add_test(t, check_values);
	tcase_add_test(t, every_length_and_alignment);
	tcase_add_test(t, each_subset);
	tcase_add_test(t, long_data);
	tcase_add_test(t, fields);
	return run_tests("s3proto_checksum", t);
}
