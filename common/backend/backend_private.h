/* SPDX-License-Identifier: MIT
 *
 * The implementations, as backend.c makes them. Each fills ops and what its own
 * struct adds; backend.c fills the rest of struct backend. Only they know when a request
 * really leaves: they tell usage_add_call(). Bytes are counted in backend.c.
 */
#ifndef BACKEND_BACKEND_PRIVATE_H
#define BACKEND_BACKEND_PRIVATE_H

#include "backend/backend.h"

/* timeout_us: a connection that takes longer is of no use. */
enum err s3_open(const struct config_backend *c, int64_t timeout_us, struct backend **out,
                 struct error *e);
/* Begins to open the folder; tasks only. */
struct backend *directory_new(struct store *store, int64_t timeout_us);

#endif
