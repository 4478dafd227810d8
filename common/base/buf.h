/* SPDX-License-Identifier: MIT
 *
 * A byte buffer that grows. Zero-initialised is valid and empty.
 * Out of memory ends the process.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include "base/str.h"

struct buf {
	char *p;
	size_t n;   /* bytes in use */
	size_t cap; /* bytes allocated */
};

void buf_free(struct buf *b);                 /* leaves it valid and empty */
void buf_reserve(struct buf *b, size_t more); /* room for `more` bytes after n */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_str(struct buf *b, struct str s);
void buf_add_cstr(struct buf *b, const char *s);
void buf_add_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_consume(struct buf *b, size_t n); /* drops the first n bytes */
struct str buf_str(const struct buf *b);

#define BUF_AUTO struct buf __attribute__((cleanup(buf_free)))

#endif
