/* SPDX-License-Identifier: MIT
 *
 * Blocking calls that may never return: of a disk that fails, of a server behind
 * a mount. A lane is the threads that such calls of one origin may occupy, and
 * how long their callers wait. Without it the first origin that hangs would soon
 * hold every thread of the pool.
 */
#ifndef RT_OFFLOAD_H
#define RT_OFFLOAD_H

#include <stdint.h>

struct offload_lane;

/* The pool grows by that many threads while the lane exists. */
struct offload_lane *offload_lane_new(int places, int64_t patience_us);
/* No task may use it any more; calls that were given up may still run. */
void offload_lane_free(struct offload_lane **l);

/* As task_offload(), within the lane: fn and the wait for a place last at most
 * its patience. Only the wait for a place is ended by cancellation.
 *   0            fn has returned
 *   -EBUSY       no place became free in time
 *   -ECANCELED
 *   -EAGAIN      no thread can be started
 *   -ETIMEDOUT   fn runs: arg is the thread's now, which ends with release(arg)
 * In all other cases arg is the caller's, as before. */
int offload_run(struct offload_lane *l, void (*fn)(void *arg), void *arg,
                void (*release)(void *arg));

/* Runs fn(arg) when the lane has a place, however late, and waits for nothing: to
 * free what must not be freed on the loop. */
void offload_later(struct offload_lane *l, void (*fn)(void *arg), void *arg);

#endif
