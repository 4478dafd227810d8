/* SPDX-License-Identifier: MIT
 *
 * Confirmation of what cannot be undone: whoever asks for it is told what would happen, with
 * a token that is good for a minute, for that action and name alone. Nothing is stored:
 *
 *     token = base64url(payload) "." base64url(HMAC-SHA256(key, payload)), without padding
 *     payload = ACTION "|" NAME "|" EXPIRY      EXPIRY: seconds since 1970
 */
#ifndef CTL_CONFIRM_H
#define CTL_CONFIRM_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/str.h"

#define CONFIRM_SECONDS 60

/* now and the expiry are wall clock, in seconds. Neither action nor name has a '|'. */
char *confirm_token(struct arena *a, struct str key, const char *action, struct str name,
                    int64_t now);
/* Takes the same time whatever is wrong with the signature. */
bool confirm_is_valid(struct arena *a, struct str key, const char *action, struct str name,
                      int64_t now, struct str token);

#endif
