/* SPDX-License-Identifier: MIT
 *
 * What the files of the admin API share.
 */
#ifndef PROXYD_ADMIN_PRIVATE_H
#define PROXYD_ADMIN_PRIVATE_H

#include <jansson.h>
#include <stdint.h>

struct http_call;

/* Each answers its call exactly once. Takes the reference to v. */
void admin_reply(struct http_call *c, int status, json_t *v);
void admin_error(struct http_call *c, int status, const char *text);
/* NULL: the body is not JSON or too large, which has been answered. */
json_t *admin_read_json(struct http_call *c);
/* RFC 3339; null for 0, "never". */
json_t *admin_time(int64_t wall);

/* The handlers of the route table. */
void admin_get_status(struct http_call *c);
void admin_get_reload_status(struct http_call *c);
void admin_post_reload(struct http_call *c);
void admin_get_log_level(struct http_call *c);
void admin_put_log_level(struct http_call *c);

#endif
