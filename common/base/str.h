/* SPDX-License-Identifier: MIT
 *
 * A string that knows its length and does not own its bytes. Bytes are
 * arbitrary; NUL is not special. The empty string may have p == NULL.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct str {
	const char *p;
	size_t n;
};

struct str_pair {
	struct str name, value;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_NULL     ((struct str){NULL, 0})
/* For printf: printf("%.*s", STR_FMT(s)) */
#define STR_FMT(s) (int)(s).n, (s).p

struct str str_of(const char *cstr); /* NULL gives the empty string */
struct str str_n(const char *p, size_t n);

bool str_eq(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b); /* ASCII only */
void str_lower(char *p, size_t n);              /* in place, ASCII only */
int str_cmp(struct str a, struct str b);        /* byte order, as COLLATE "C" */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

/* Index of the first c or needle, or -1. */
ssize_t str_chr(struct str s, char c);
ssize_t str_find(struct str s, struct str needle);

struct str str_skip(struct str s, size_t n); /* without the first n bytes */
struct str str_trim(struct str s);           /* without SP and HTAB at both ends */

/* Cuts s at the first sep: the part before is returned, *rest becomes the part
 * after; without sep everything is returned and *rest is STR_NULL. */
struct str str_cut(struct str s, char sep, struct str *rest);

/* Whether the word is one of those in s, which single spaces separate. */
bool str_has_word(struct str s, const char *word);

/* Whole string as an unsigned decimal number: digits only, no sign, no space,
 * no overflow. False leaves *v alone. */
bool str_to_u64(struct str s, uint64_t *v);

bool str_is_hex(struct str s); /* one digit or more, of either case */

/* Well-formed UTF-8 (no surrogates, no overlong forms), NUL allowed. */
bool str_is_utf8(struct str s);

/* Bytes of the well-formed UTF-8 character that s begins with: 1 to 4, or 0
 * when s is empty or begins with something else. */
size_t str_utf8_len(struct str s);
/* In place: each byte that is no part of a character becomes '?'. */
void str_make_utf8(char *p, size_t n);

/* Compares secrets: time depends on the lengths only. */
bool str_eq_secret(struct str a, struct str b);

#endif
