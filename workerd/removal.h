/* SPDX-License-Identifier: MIT
 *
 * DELETE .../backends/NAME: asking for a backend to be removed (workerd/job/remove.c).
 */
#ifndef WORKERD_REMOVAL_H
#define WORKERD_REMOVAL_H

#include "base/str.h"

struct http_call;

/* Answers when the backend is removed; who goes away before ends only the waiting. */
void removal_handle(struct http_call *c, struct str backend);

#endif
