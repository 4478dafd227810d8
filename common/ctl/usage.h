/* SPDX-License-Identifier: MIT
 *
 * Monthly usage in the control protocol, for both daemons.
 */
#ifndef CTL_USAGE_H
#define CTL_USAGE_H

#include <jansson.h>
#include "base/arena.h"
#include "base/err.h"

struct config;
struct config_backend;
struct http_call;
struct store;
struct store_usage;

/* Adds usage_period to a status. The usage of all hosts in it, as the database has it,
 * one per backend of the configuration; NULL when it does not tell. Parks. */
const struct store_usage *ctl_usage_read(json_t *status, struct store *s, const struct config *c,
                                         struct arena *a);
/* Adds the limits of a backend to what is told about it, and its usage (NULL: unknown). */
void ctl_usage_add(json_t *backend, const struct config_backend *c, const struct store_usage *u);

/* Answers a request to flush that ended with r. */
void ctl_usage_reply(struct http_call *c, enum err r, const struct error *e);

#endif
