/* SPDX-License-Identifier: MIT
 *
 * The admin API of proxyd: JSON over HTTP, on the control socket, where the file
 * permissions decide who may, and on the public port, for whoever has the token.
 */
#ifndef PROXYD_ADMIN_H
#define PROXYD_ADMIN_H

#include <stdbool.h>

struct http_call;

/* Answers a request to any path; control: it came over the control socket. */
void admin_handle(struct http_call *c, bool control);

#endif
