/* SPDX-License-Identifier: MIT
 *
 * Jobs that are asked for over the admin API and waited for: each answers its call when the
 * job has gone over everything, or what it would do without doing it.
 */
#ifndef WORKERD_RUNS_H
#define WORKERD_RUNS_H

#include "base/str.h"

struct http_call;

void run_replication(struct http_call *c, struct str arg);
void run_over_replication(struct http_call *c, struct str arg);
void get_over_replication(struct http_call *c, struct str arg);
void run_rebalance(struct http_call *c, struct str arg);

#endif
