/* SPDX-License-Identifier: MIT
 *
 * Long jobs that somebody asks for over the admin API and waits for. They are rows in the
 * database (store/requests.h): whoever asks may go away, and any workerd runs them.
 */
#ifndef WORKERD_REQUESTED_H
#define WORKERD_REQUESTED_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct http_call;
struct store;
struct str;

/* Parks until the job is over. Its result, an object that is the caller's; *ok: it was done.
 * NULL: the daemon stops, or nobody waits any more. */
json_t *requested_wait(struct store *s, int64_t id, bool *ok);

/* POST /admin/api/reconcile, /admin/api/sync. Each answers its call exactly once. */
void requested_reconcile(struct http_call *c, struct str arg);
void requested_sync(struct http_call *c, struct str arg);

#endif
