/* SPDX-License-Identifier: MIT
 *
 * The handlers that the route table takes from other files.
 */
#ifndef PROXYD_ADMIN_PRIVATE_H
#define PROXYD_ADMIN_PRIVATE_H

#include "ctl/admin.h"

void admin_get_status(struct http_call *c, struct str arg);
void admin_get_reload_status(struct http_call *c, struct str arg);
void admin_post_reload(struct http_call *c, struct str arg);

/* forward.c: asks workerd, and answers as it does. The second is for its own health. */
void admin_forward(struct http_call *c, struct str arg);
void admin_forward_workers(struct http_call *c, struct str arg);

#endif
