/* SPDX-License-Identifier: MIT
 *
 * File descriptors in the loop: registered once, edge-triggered. The rule that
 * goes with it: read or write until EAGAIN, then wait.
 */
#ifndef RT_FD_H
#define RT_FD_H

#include <stdbool.h>
#include <stdint.h>

struct rt_fd;

/* Takes over fd (makes it non-blocking). Never NULL. */
struct rt_fd *rt_fd_new(int fd);
/* Unregisters and closes. A task that still waits on it gets -ECANCELED. */
void rt_fd_close(struct rt_fd **f);
/* Unregisters and hands the descriptor back, open. */
int rt_fd_release(struct rt_fd **f);

int rt_fd_get(const struct rt_fd *f);

/* Waits until the fd may be readable/writable (an edge, an error or a hang-up
 * seen since the last wait counts). One task may wait for reading while another
 * waits for writing. 0, -ETIMEDOUT or -ECANCELED. */
int rt_fd_wait_read(struct rt_fd *f, int64_t deadline);
int rt_fd_wait_write(struct rt_fd *f, int64_t deadline);

/* Waits for reading without a task: calls fn(arg) once, at the next edge, from an
 * event callback, where it may only task_wake() or task_spawn(). 0; -EAGAIN: an edge
 * has been seen since the last wait, so read again instead; -ECANCELED. Closing
 * withdraws the call. */
int rt_fd_call_on_read(struct rt_fd *f, void (*fn)(void *arg), void *arg);

/* True once the peer has closed or reset (EV_CLOSED was seen). A peer that has
 * only half-closed looks the same: read before you believe it. */
bool rt_fd_peer_closed(struct rt_fd *f);

/* A read has just met EAGAIN, or a write has succeeded: so far the peer has not
 * reset. Spares rt_fd_peer_closed() a system call. */
void rt_fd_is_sound(struct rt_fd *f);

#endif
