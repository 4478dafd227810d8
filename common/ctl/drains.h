/* SPDX-License-Identifier: MIT
 *
 * Drains in the admin API, of both daemons. Each answers its call exactly once. A drain is
 * asked for in the catalogue: it does not matter which daemon is asked, on which host.
 */
#ifndef CTL_DRAINS_H
#define CTL_DRAINS_H

#include "base/str.h"

struct config;
struct http_call;
struct store;

/* POST, GET, DELETE .../backends/NAME/drain; GET .../drains. */
void admin_start_drain(struct http_call *c, struct store *s, const struct config *config,
                       struct str backend);
void admin_get_drain(struct http_call *c, struct store *s, struct str backend);
void admin_cancel_drain(struct http_call *c, struct store *s, struct str backend);
void admin_get_drains(struct http_call *c, struct store *s);

#endif
