/* SPDX-License-Identifier: MIT
 *
 * An arena: memory that belongs to one request or job and is freed at once
 * with it. Nothing in it is freed singly. Not for use by several threads.
 * Out of memory ends the process (a child is respawned), so no call fails.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>
#include "base/str.h"

struct arena;

struct arena *arena_new(void);

/* Frees everything that was allocated from it and sets *a to NULL. */
void arena_free(struct arena **a);

/* Zeroed memory, aligned for any type. n may be 0. */
void *arena_alloc(struct arena *a, size_t n) __attribute__((malloc, returns_nonnull));

/* Terminated copies. */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *p, size_t n);
struct str arena_dup(struct arena *a, struct str s); /* .p is terminated too */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define ARENA_NEW(a, type)      ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (size_t)(n)))

#endif
