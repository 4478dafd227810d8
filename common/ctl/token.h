/* SPDX-License-Identifier: MIT
 *
 * Who may use the admin API over TCP: whoever sends the token of the
 * configuration in X-Admin-Token. (Over the control socket the file permissions
 * decide.)
 */
#ifndef CTL_TOKEN_H
#define CTL_TOKEN_H

#include <stdbool.h>
#include "net/http1.h"

struct config;

/* Is there a token at all? Without one there is no admin API over TCP. */
bool ctl_token_is_set(const struct config *c);
/* Takes the same time whatever was sent; exactly one field is required. */
bool ctl_token_is_valid(const struct config *c, const struct http_head *h);

#endif
