/* SPDX-License-Identifier: MIT
 *
 * Hex, base64, random bytes, ULIDs.
 */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/str.h"

/* The value of a hex digit of either case, or -1. */
int hex_digit(char c);
/* out gets 2*n characters and a NUL. Lower case. */
void hex_encode(const void *p, size_t n, char *out);
/* s must be exactly 2*n hex digits of either case. */
bool hex_decode(struct str s, void *out, size_t n);

#define BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)
/* Standard alphabet with padding; out holds BASE64_SIZE(n). */
void base64_encode(const void *p, size_t n, char *out);
/* Strict: padding required, no white space. Returns the number of bytes, or
 * -1 when malformed or longer than cap. */
ssize_t base64_decode(struct str s, void *out, size_t cap);

/* From the kernel; never fails. */
void random_bytes(void *p, size_t n);
uint64_t random_u64(void); /* fast, not for secrets */

/* ULID: 48 bits of milliseconds, 80 random bits, 26 characters of Crockford's
 * base32, upper case (https://github.com/ulid/spec). Within one process each
 * is greater than the one before, also when the clock steps back. */
#define ULID_SIZE 27
void ulid_new(char out[ULID_SIZE]);
bool ulid_is_valid(struct str s);
int64_t ulid_wall(struct str s); /* its time, microseconds since 1970; s must be valid */

#endif
