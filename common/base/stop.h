/* SPDX-License-Identifier: MIT
 *
 * Named points at which a process can be made to die, for tests of what a crash leaves
 * behind. Only in builds with -DS3O_STOP_POINTS, which the sanitizer builds are; else nothing
 * is compiled.
 */
#ifndef BASE_STOP_H
#define BASE_STOP_H

#ifdef S3O_STOP_POINTS
/* With S3O_STOP_AT=NAME or NAME:N in the environment the process kills itself, as kill -9
 * does, when it comes to the point of that name, for the Nth time. */
void stop_point(const char *name);
#else
#define stop_point(name) ((void)0)
#endif

#endif
