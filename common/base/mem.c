/* SPDX-License-Identifier: MIT
 *
 * See mem.h. A process that ran out of memory cannot log either, so it says
 * one fixed sentence on stderr and leaves a core file.
 */
#include "base/mem.h"

#include <stdlib.h>
#include <unistd.h>

static _Noreturn void die(void)
{
	static const char text[] = "out of memory\n";
	ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)ignored;
	abort();
}

void *mem_alloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if (!p)
		die();
	return p;
}

void *mem_resize(void *p, size_t n)
{
	void *q = realloc(p, n);

	if (!q)
		die();
	return q;
}
