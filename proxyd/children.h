/* SPDX-License-Identifier: MIT
 *
 * The supervisor's children: which there are, what each is for, when a dead one
 * is replaced. A seat is one of the listening sockets; each seat has one child
 * of the current generation and, during a reload, one of the next. What leaves
 * has no seat any more.
 */
#ifndef PROXYD_CHILDREN_H
#define PROXYD_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct board;
struct config;
struct listeners;
struct children;

struct children *children_new(struct board *b, const struct listeners *l);
void children_free(struct children **k);

/* Whether there is room for a generation. If not, those that have been leaving
 * longest are killed, as many as are in the way: ask again when they have ended. */
bool children_make_room(struct children *k);
/* Starts one child per seat with that configuration, which must live until none
 * of them does. False: a process could not be made; children_discard() then. */
bool children_start(struct children *k, const struct config *c);

/* How far the generation is that children_start() has begun. */
enum children_progress {
	CHILDREN_STARTING,
	CHILDREN_SERVING, /* at least one serves and none is starting any more; all do unless
	                   * some have died */
	CHILDREN_FAILED,  /* none is left */
};
enum children_progress children_progress(const struct children *k, size_t *died);

/* The started generation becomes the current one, and the one before leaves,
 * within limit microseconds. */
void children_promote(struct children *k, int64_t limit);
/* The started generation is given up. */
void children_discard(struct children *k);

/* A process has ended. False when it is none of these. */
bool children_ended(struct children *k, pid_t pid, int status);
/* At least once a second: replaces the dead, kills the hung and the late. */
void children_tick(struct children *k);

/* All leave within limit microseconds, nobody is replaced any more. */
void children_leave(struct children *k, int64_t limit);
void children_kill(struct children *k);
size_t children_alive(const struct children *k);
/* Whether one of them still runs with that configuration. */
bool children_use(const struct children *k, const struct config *c);
void children_signal(const struct children *k, int signo);

#endif
