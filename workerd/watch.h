/* SPDX-License-Identifier: MIT
 *
 * Watching the backends: copies on one that is ill for long are made elsewhere, but who is
 * only read through proxyd, or not at all, would never be found ill here. So each backend
 * that could be written off is asked now and then; and the jobs are woken when one falls ill
 * or recovers. The breaker is what decides, and its state is what the jobs look at.
 */
#ifndef WORKERD_WATCH_H
#define WORKERD_WATCH_H

struct watch;
struct worker;

struct watch *watch_new(struct worker *w);
/* Parks until its task has left. */
void watch_free(struct watch **w);

#endif
