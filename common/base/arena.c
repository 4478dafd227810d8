/* SPDX-License-Identifier: MIT
 *
 * An arena is a list of blocks; allocations are cut from the newest one. What
 * does not fit and is large gets a block of its own behind the newest, so that
 * the rest of the newest is not wasted. The arena itself lies in its first block.
 */
#include "base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define BLOCK_FIRST 4096        /* enough for the headers of an ordinary request */
#define BLOCK_MAX   (64 * 1024) /* blocks double up to this size */
#define ALIGNMENT   alignof(max_align_t)

struct block {
	struct block *next;
	alignas(max_align_t) char data[];
};

struct arena {
	struct block *newest;
	char *p;     /* free space of the newest block */
	size_t left; /* bytes at p */
	size_t size; /* of the newest block, without its header */
};

static struct block *block_new(size_t size)
{
	/* malloc, not calloc: arena_alloc() clears what it gives away */
	return mem_resize(NULL, sizeof(struct block) + size);
}

static size_t round_up(size_t n)
{
	return (n + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

struct arena *arena_new(void)
{
	struct block *b = block_new(BLOCK_FIRST);
	struct arena *a = (struct arena *)b->data;
	size_t used = round_up(sizeof(*a));

	b->next = NULL;
	*a = (struct arena){
		.newest = b, .p = b->data + used, .left = BLOCK_FIRST - used, .size = BLOCK_FIRST};
	return a;
}

void arena_free(struct arena **a)
{
	struct block *b, *next;

	if (!*a)
		return;
	for (b = (*a)->newest; b; b = next) {
		next = b->next;
		free(b);
	}
	*a = NULL;
}

static char *alloc_own_block(struct arena *a, size_t n)
{
	struct block *b = block_new(n);

	b->next = a->newest->next;
	a->newest->next = b;
	return b->data;
}

static void add_block(struct arena *a)
{
	struct block *b;

	if (a->size < BLOCK_MAX)
		a->size *= 2;
	b = block_new(a->size);
	b->next = a->newest;
	a->newest = b;
	a->p = b->data;
	a->left = a->size;
}

/* As arena_alloc(), not cleared. */
static char *alloc_raw(struct arena *a, size_t n)
{
	char *p;

	if (n > PTRDIFF_MAX - BLOCK_MAX)
		n = PTRDIFF_MAX - BLOCK_MAX; /* a size that overflowed: refused by mem_resize() */
	n = round_up(n ? n : 1);
	if (n > a->left) {
		if (n > BLOCK_FIRST / 2)
			return alloc_own_block(a, n);
		add_block(a);
	}
	p = a->p;
	a->p += n;
	a->left -= n;
	return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
	return memset(alloc_raw(a, n), 0, n);
}

char *arena_strndup(struct arena *a, const char *p, size_t n)
{
	char *copy;

	assert(n < SIZE_MAX);
	copy = alloc_raw(a, n + 1);
	if (n)
		memcpy(copy, p, n);
	copy[n] = '\0';
	return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

struct str arena_dup(struct arena *a, struct str s)
{
	return str_n(arena_strndup(a, s.p, s.n), s.n);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *text;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	text = alloc_raw(a, (size_t)n + 1);
	vsnprintf(text, (size_t)n + 1, fmt, again);
	va_end(again);
	return text;
}
