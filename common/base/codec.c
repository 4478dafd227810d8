/* SPDX-License-Identifier: MIT
 *
 * Hex, base64, random numbers, ULIDs. The one complication: what a process
 * remembers between calls (generator state, last ULID) must not be inherited by
 * a forked child, or two children would produce the same "unique" names. A
 * pthread_atfork() handler forgets it.
 */
#include "base/codec.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

void hex_encode(const void *p, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[b[i] >> 4];
		*out++ = digits[b[i] & 15];
	}
	*out = '\0';
}

bool hex_decode(struct str s, void *out, size_t n)
{
	uint8_t *b = out;

	if (s.n / 2 != n || s.n % 2)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = hex_digit(s.p[2 * i]), low = hex_digit(s.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		b[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *p, size_t n, char *out)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i += 3) {
		uint32_t group = (uint32_t)b[i] << 16;

		if (i + 1 < n)
			group |= (uint32_t)b[i + 1] << 8;
		if (i + 2 < n)
			group |= b[i + 2];
		*out++ = base64_digits[group >> 18];
		*out++ = base64_digits[group >> 12 & 63];
		*out++ = i + 1 < n ? base64_digits[group >> 6 & 63] : '=';
		*out++ = i + 2 < n ? base64_digits[group & 63] : '=';
	}
	*out = '\0';
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters of which the last `pad` are padding. Unused bits must be 0,
 * so that every byte sequence has one encoding only (RFC 4648 3.5). */
static bool decode_group(const char *p, size_t pad, uint32_t *group)
{
	*group = 0;
	for (size_t i = 0; i < 4; i++) {
		int v = i < 4 - pad ? base64_value(p[i]) : 0;

		if (v < 0)
			return false;
		*group = *group << 6 | (uint32_t)v;
	}
	return (*group & ((UINT32_C(1) << (8 * pad)) - 1)) == 0;
}

ssize_t base64_decode(struct str s, void *out, size_t cap)
{
	uint8_t *b = out;
	size_t pad = 0, n;

	if (s.n % 4)
		return -1;
	if (s.n && s.p[s.n - 1] == '=')
		pad = s.p[s.n - 2] == '=' ? 2 : 1;
	n = s.n / 4 * 3 - pad;
	if (n > cap)
		return -1;
	for (size_t i = 0; i < s.n; i += 4) {
		size_t group_pad = i + 4 == s.n ? pad : 0;
		uint32_t group;

		if (!decode_group(s.p + i, group_pad, &group))
			return -1;
		*b++ = (uint8_t)(group >> 16);
		if (group_pad < 2)
			*b++ = (uint8_t)(group >> 8);
		if (group_pad < 1)
			*b++ = (uint8_t)group;
	}
	return (ssize_t)n;
}

void random_bytes(void *p, size_t n)
{
	uint8_t *b = p;

	while (n > 0) {
		ssize_t got = getrandom(b, n, 0);

		if (got < 0) {
			if (errno != EINTR)
				abort(); /* no kernel since 3.17 does this */
			continue;
		}
		b += got;
		n -= (size_t)got;
	}
}

/* Per thread, so that offloaded functions may use them. */
static _Thread_local uint64_t generator; /* 0: not seeded */
static _Thread_local struct {
	uint64_t ms;
	uint16_t high; /* the 80 random bits */
	uint64_t low;
} last_ulid;

static void forget_in_child(void)
{
	generator = 0;
	last_ulid.ms = 0;
}

static __attribute__((constructor)) void watch_fork(void)
{
	pthread_atfork(NULL, NULL, forget_in_child);
}

/* splitmix64 (S. Vigna, https://prng.di.unimi.it/splitmix64.c) */
uint64_t random_u64(void)
{
	uint64_t z;

	while (generator == 0)
		random_bytes(&generator, sizeof(generator));
	z = generator += UINT64_C(0x9E3779B97F4A7C15);
	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

static const char ulid_digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* In a new millisecond fresh random bits, in the same one the number after. */
static void next_ulid(void)
{
	uint64_t now = (uint64_t)(clock_wall() / CLOCK_MS);

	if (now > last_ulid.ms) {
		last_ulid.ms = now;
		random_bytes(&last_ulid.high, sizeof(last_ulid.high));
		random_bytes(&last_ulid.low, sizeof(last_ulid.low));
	} else if (++last_ulid.low == 0 && ++last_ulid.high == 0) {
		last_ulid.ms++;
	}
}

void ulid_new(char out[ULID_SIZE])
{
	unsigned __int128 v;

	next_ulid();
	v = (unsigned __int128)last_ulid.ms << 80 | (unsigned __int128)last_ulid.high << 64 |
	    last_ulid.low;
	out[ULID_SIZE - 1] = '\0';
	for (int i = ULID_SIZE - 2; i >= 0; i--, v >>= 5)
		out[i] = ulid_digits[(unsigned)v & 31];
}

static int ulid_value(char c)
{
	const char *at = c ? strchr(ulid_digits, c) : NULL;

	return at ? (int)(at - ulid_digits) : -1;
}

bool ulid_is_valid(struct str s)
{
	if (s.n != ULID_SIZE - 1)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (ulid_value(s.p[i]) < 0)
			return false;
	}
	return s.p[0] <= '7'; /* 26 characters are 130 bits, 2 too many */
}

int64_t ulid_wall(struct str s)
{
	uint64_t ms = 0;

	for (size_t i = 0; i < 10; i++)
		ms = ms << 5 | (uint64_t)ulid_value(s.p[i]);
	return (int64_t)ms * CLOCK_MS;
}
