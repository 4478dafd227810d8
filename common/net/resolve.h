/* SPDX-License-Identifier: MIT
 *
 * Names to addresses, without stopping the loop.
 */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include <stdint.h>
#include "base/err.h"

struct addrinfo;
struct resolve; /* a look-up and its result */

/* Addresses of a host for TCP. Numeric ones are answered at once. A name is
 * looked up on an offload thread; tasks that ask for the same one meanwhile wait
 * for the same answer, so a dead name server costs one thread per name. Nothing
 * is cached. *first belongs to *r, which the caller gives back. */
enum err resolve(const char *host, const char *port, int64_t deadline, struct resolve **r,
                 const struct addrinfo **first, struct error *e);
void resolve_release(struct resolve **r);

#endif
