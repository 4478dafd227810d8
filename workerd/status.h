/* SPDX-License-Identifier: MIT
 *
 * What workerd tells about itself, as JSON.
 */
#ifndef WORKERD_STATUS_H
#define WORKERD_STATUS_H

#include <jansson.h>
#include "base/arena.h"

struct worker;

/* The daemon, its jobs, the usage of backends and the queues (left out while the database
 * is away). Parks. */
json_t *status_json(struct worker *w, struct arena *a);
/* The health of all jobs as all daemons of the database have recorded it; while
 * the database is away, as this one knows it. Parks. */
json_t *status_workers_json(struct worker *w, struct arena *a);
/* The last reload. */
json_t *status_reload_json(const struct worker *w);

#endif
