/* SPDX-License-Identifier: MIT
 *
 * CRCs by "slicing by 8": eight tables, so that eight bytes are folded in with
 * eight independent look-ups instead of a chain of eight. About 2 GB/s; CRC32C
 * uses the instruction of SSE 4.2 where there is one (9 GB/s). All three are
 * reflected, the tables hold the reversed polynomials. They are computed before
 * main() because digests may first be needed on several threads at once.
 */
#include "s3proto/crc.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

#define SLICES 8

/* Reversed: bit 0 is the highest power. */
#define POLYNOMIAL_32  UINT32_C(0xedb88320)
#define POLYNOMIAL_32C UINT32_C(0x82f63b78)
#define POLYNOMIAL_64  UINT64_C(0x9a6c9329ac4bc9b5)

static uint32_t table32[SLICES][256];
static uint32_t table32c[SLICES][256];
static uint64_t table64[SLICES][256];
static uint32_t (*crc32c_best)(uint32_t crc, const void *p, size_t n);

static uint64_t load64(const unsigned char *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static void fill32(uint32_t t[SLICES][256], uint32_t reversed_polynomial)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int bit = 0; bit < 8; bit++)
			c = (c >> 1) ^ (c & 1 ? reversed_polynomial : 0);
		t[0][i] = c;
	}
	for (int s = 1; s < SLICES; s++)
		for (int i = 0; i < 256; i++)
			t[s][i] = (t[s - 1][i] >> 8) ^ t[0][t[s - 1][i] & 0xff];
}

static void fill64(uint64_t t[SLICES][256], uint64_t reversed_polynomial)
{
	for (uint64_t i = 0; i < 256; i++) {
		uint64_t c = i;
		for (int bit = 0; bit < 8; bit++)
			c = (c >> 1) ^ (c & 1 ? reversed_polynomial : 0);
		t[0][i] = c;
	}
	for (int s = 1; s < SLICES; s++)
		for (int i = 0; i < 256; i++)
			t[s][i] = (t[s - 1][i] >> 8) ^ t[0][t[s - 1][i] & 0xff];
}

static uint32_t slice32(const uint32_t t[SLICES][256], uint32_t crc, const unsigned char *p,
                        size_t n)
{
	crc = ~crc;
	for (; n >= 8; n -= 8, p += 8) {
		uint64_t v = load64(p) ^ crc;
		crc = t[7][v & 0xff] ^ t[6][(v >> 8) & 0xff] ^ t[5][(v >> 16) & 0xff] ^
		      t[4][(v >> 24) & 0xff] ^ t[3][(v >> 32) & 0xff] ^ t[2][(v >> 40) & 0xff] ^
		      t[1][(v >> 48) & 0xff] ^ t[0][v >> 56];
	}
	for (; n > 0; n--, p++)
		crc = (crc >> 8) ^ t[0][(crc ^ *p) & 0xff];
	return ~crc;
}

uint32_t crc_32(uint32_t crc, const void *p, size_t n)
{
	return slice32(table32, crc, p, n);
}

uint32_t crc_32c_portable(uint32_t crc, const void *p, size_t n)
{
	return slice32(table32c, crc, p, n);
}

uint32_t crc_32c(uint32_t crc, const void *p, size_t n)
{
	return crc32c_best(crc, p, n);
}

uint64_t crc_64nvme(uint64_t crc, const void *data, size_t n)
{
	const unsigned char *p = data;
	crc = ~crc;
	for (; n >= 8; n -= 8, p += 8) {
		uint64_t v = load64(p) ^ crc;
		crc = table64[7][v & 0xff] ^ table64[6][(v >> 8) & 0xff] ^
		      table64[5][(v >> 16) & 0xff] ^ table64[4][(v >> 24) & 0xff] ^
		      table64[3][(v >> 32) & 0xff] ^ table64[2][(v >> 40) & 0xff] ^
		      table64[1][(v >> 48) & 0xff] ^ table64[0][v >> 56];
	}
	for (; n > 0; n--, p++)
		crc = (crc >> 8) ^ table64[0][(crc ^ *p) & 0xff];
	return ~crc;
}

/* A value is a polynomial over GF(2), the lowest power in the highest bit. The one
 * of data with n zero bytes behind it is the old one times x^8n; the initial and
 * final inversions cancel out. */
struct field {
	uint64_t polynomial; /* reversed */
	uint64_t one;        /* x^0 */
};

static uint64_t multiply(const struct field *f, uint64_t a, uint64_t b)
{
	uint64_t product = 0;
	for (uint64_t power = f->one; power != 0; power >>= 1) {
		if (a & power)
			product ^= b;
		b = (b >> 1) ^ (b & 1 ? f->polynomial : 0); /* times x */
	}
	return product;
}

static uint64_t combine(const struct field *f, uint64_t crc, uint64_t crc2, uint64_t size2)
{
	uint64_t square = f->one >> 8; /* x^8: one byte */
	for (; size2 != 0; size2 >>= 1) {
		if (size2 & 1)
			crc = multiply(f, crc, square);
		square = multiply(f, square, square);
	}
	return crc ^ crc2;
}

uint32_t crc_32_combine(uint32_t crc, uint32_t crc2, uint64_t size2)
{
	const struct field f = {POLYNOMIAL_32, UINT64_C(1) << 31};
	return (uint32_t)combine(&f, crc, crc2, size2);
}

uint32_t crc_32c_combine(uint32_t crc, uint32_t crc2, uint64_t size2)
{
	const struct field f = {POLYNOMIAL_32C, UINT64_C(1) << 31};
	return (uint32_t)combine(&f, crc, crc2, size2);
}

uint64_t crc_64nvme_combine(uint64_t crc, uint64_t crc2, uint64_t size2)
{
	const struct field f = {POLYNOMIAL_64, UINT64_C(1) << 63};
	return combine(&f, crc, crc2, size2);
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *data,
                                                               size_t n)
{
	const unsigned char *p = data;
	uint64_t c = ~crc;
	for (; n >= 8; n -= 8, p += 8)
		c = __builtin_ia32_crc32di(c, load64(p));
	uint32_t c32 = (uint32_t)c;
	for (; n > 0; n--, p++)
		c32 = __builtin_ia32_crc32qi(c32, *p);
	return ~c32;
}

static bool have_sse42(void)
{
	__builtin_cpu_init(); /* needed in constructors */
	return __builtin_cpu_supports("sse4.2");
}
#endif

__attribute__((constructor)) static void crc_init(void)
{
	fill32(table32, POLYNOMIAL_32);
	fill32(table32c, POLYNOMIAL_32C);
	fill64(table64, POLYNOMIAL_64);
	crc32c_best = crc_32c_portable;
#ifdef __x86_64__
	if (have_sse42())
		crc32c_best = crc32c_sse42;
#endif
}
