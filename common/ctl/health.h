/* SPDX-License-Identifier: MIT
 *
 * Health of backends in the control protocol, as the daemon that is asked sees it.
 */
#ifndef CTL_HEALTH_H
#define CTL_HEALTH_H

#include <jansson.h>

struct backend;

/* Adds healthy, error (where it cannot be used at all: why) and breaker to what is told
 * about a backend. */
void ctl_health_add(json_t *o, const struct backend *b);

#endif
