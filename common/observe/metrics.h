/* SPDX-License-Identifier: MIT
 *
 * Metrics in shared memory. One region per daemon, mapped before fork; one slot
 * per child with a single writer each, summed by whoever renders the page. A
 * dead child's slot is folded into a retired one, so that totals never go back.
 *
 * All label values come from closed sets (tables in metrics_def.h) or are
 * indexes of configured backends: the layout is fixed at start.
 */
#ifndef OBSERVE_METRICS_H
#define OBSERVE_METRICS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/buf.h"
#include "base/str.h"
#include "observe/metrics_def.h"

/* Bytes of a region for that many slots (children) and backends. */
size_t metrics_size(int slots, int backends);
/* Lays out zeroed shared memory. names has `backends` entries and must live as
 * long as the region is used. Also right after fork, in the child: pointers
 * are per process. */
void metrics_attach(void *region, int slots, int backends, const char *const *names);
/* The slot this process writes to. Before that it writes to the common area,
 * which is for the supervisor alone. */
void metrics_use_slot(int slot);
/* Supervisor: adds a dead child's counters to the retired slot and clears it. */
void metrics_retire_slot(int slot);

/* Without a region (unit tests, adminctl) these do nothing. Labels are indexes
 * in the order of the definition; METRIC_NONE for unused ones. */
#define METRIC_NONE 0
void metrics_add(enum metric m, int l1, int l2, int l3, uint64_t n);
void metrics_inc(enum metric m, int l1, int l2, int l3);
void metrics_set(enum metric m, int l1, int l2, int l3, int64_t value);       /* GAUGE */
void metrics_gauge_add(enum metric m, int l1, int l2, int l3, int64_t delta); /* LEVEL */
void metrics_observe(enum metric m, int l1, int l2, double value);            /* histograms */

uint64_t metrics_sum(enum metric m, int l1, int l2, int l3); /* over all slots; of a
                                                              * histogram: how many */

/* The page, Prometheus text format 0.0.4. by: 'P' or 'W' selects the families
 * which that daemon exports. */
void metrics_render(struct buf *out, char by);
/* The process_* families, read from /proc and summed over the processes (start
 * time and descriptor limit: of the first, the supervisor). role: "proxyd" or
 * "workerd". Processes that are gone are left out. */
void metrics_render_processes(struct buf *out, const char *role, const pid_t *pids, size_t n);

/* Index of a label value in its closed set ("other" when unknown). */
int metrics_method(struct str method);
int metrics_status(int http_status);
int metrics_event(struct str event);   /* of an audit line */
int metrics_reason(struct str reason); /* why something is in the clean-up queue */
/* METRIC_BACKEND_OR_NONE of the backend with that name. */
int metrics_backend(struct str name);

#endif
