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

#endif
