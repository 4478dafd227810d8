/* SPDX-License-Identifier: MIT
 *
 * The shared board: anonymous shared memory, mapped by the supervisor before
 * any fork, seen by all children. Fixed layout, written with C11 atomics and
 * without locks, so that a child killed at any instruction leaves nothing held.
 * Regions after the struct: breakers of the backends, their usage, then metrics.
 */
#ifndef PROXYD_BOARD_H
#define PROXYD_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "backend/breaker.h"
#include "backend/usage_flush.h"
#include "base/log.h"
#include "db/db.h"

struct config;

/* Room for CONFIG_GENERATIONS times server.processes, but with more than 64 of them
 * (128 are the most) for fewer generations. */
#define BOARD_CHILDREN 256

enum board_child_state { CHILD_NONE, CHILD_STARTING, CHILD_SERVING, CHILD_LEAVING };

struct board_child {
	_Alignas(64) _Atomic pid_t pid;
	_Atomic int state;            /* enum board_child_state */
	_Atomic uint64_t generation;  /* of its configuration */
	_Atomic int64_t started;      /* clock_wall */
	_Atomic int64_t heartbeat;    /* clock_mono of the child's last turn */
	_Atomic uint64_t connections; /* open now */
	_Atomic uint64_t requests;    /* in progress now */
	_Atomic uint64_t served;      /* in all */
	_Atomic int listener;         /* which of the listening sockets it serves */
	_Atomic int database;         /* enum db_state of its connections */
};

#define BOARD_LINE_ERROR   'e' /* the reload failed because of this */
#define BOARD_LINE_RESTART 'r' /* this setting needs a restart */
#define BOARD_LINE_QUOTA   'q' /* quota limits could not be written to the database */

enum board_reload { RELOAD_NEVER, RELOAD_RUNNING, RELOAD_OK, RELOAD_FAILED };

struct board {
	_Atomic pid_t supervisor;
	_Atomic int64_t started;        /* clock_wall */
	_Atomic bool stopping;          /* readiness is false from here on */
	_Atomic uint64_t generation;    /* the newest configuration in use */
	_Atomic int reload;             /* enum board_reload */
	_Atomic uint64_t reload_count;  /* finished reloads, good or bad */
	_Atomic int64_t reload_started; /* clock_wall */
	_Atomic int64_t reload_ended;   /* clock_wall */
	char reload_text[4000];         /* lines of the last reload, each behind one of the
	                                 * BOARD_LINE_ letters; written before reload_count
	                                 * is raised */
	char start_error[240];          /* why a child could not start; by the last such one */
	_Atomic uint64_t child_restarts;
	_Atomic int log_level; /* set by an operator; -1: as configured */
	struct usage_flusher usage_flusher;
	int n_backends;
	int n_children; /* entries of child[] in use, fixed */
	struct board_child child[BOARD_CHILDREN];
};

/* Maps a board for this configuration; never returns NULL. Its size does not
 * change on reload. */
struct board *board_new(const struct config *c);
struct breaker *board_breakers(struct board *b); /* n_backends of them */
struct usage *board_usage(struct board *b);      /* likewise */
/* The metrics region: a slot for each of n_children. */
void *board_metrics(struct board *b);
size_t board_size(const struct config *c);
/* The level in force: what an operator has set, else the configured one. */
enum log_level board_log_level(const struct board *b, const struct config *c);
/* The database as the child sees it that sees it worst: open, else half-open,
 * else closed. */
enum db_state board_database(const struct board *b);
/* Limits of the breakers as this configuration has them; states stay. */
void board_set_breakers(struct board *b, const struct config *c);

#endif
