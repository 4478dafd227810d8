/* SPDX-License-Identifier: MIT
 *
 * Heap memory that is never refused: out of memory ends the process, as with
 * arena.h and buf.h. Freed with free().
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t n) __attribute__((malloc, returns_nonnull));   /* zeroed */
void *mem_resize(void *p, size_t n) __attribute__((returns_nonnull)); /* n must not be 0 */

#define MEM_NEW(type) ((type *)mem_alloc(sizeof(type)))

#endif
