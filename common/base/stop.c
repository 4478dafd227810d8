/* SPDX-License-Identifier: MIT
 *
 * See stop.h.
 */
#include "base/stop.h"

#ifdef S3O_STOP_POINTS
#include <signal.h>
#include <stdlib.h>
#include <string.h>

void stop_point(const char *name)
{
	static long passed;
	const char *wanted = getenv("S3O_STOP_AT");
	size_t n = strlen(name);

	if (!wanted || strncmp(wanted, name, n) != 0 || (wanted[n] && wanted[n] != ':'))
		return;
	if (++passed >= (wanted[n] ? strtol(wanted + n + 1, NULL, 10) : 1))
		raise(SIGKILL);
}
#else
typedef int stop_is_empty; /* ISO C wants a declaration */
#endif
