/* SPDX-License-Identifier: MIT
 *
 * A child: one process, one loop, serving requests with one configuration
 * until it is told to leave (SIGTERM) or its supervisor dies.
 */
#ifndef PROXYD_CHILD_H
#define PROXYD_CHILD_H

#include <sys/types.h>

/* For requests in progress when all children leave, in seconds. The supervisor kills
 * those that take longer; one whose supervisor was killed ends itself. */
#define CHILD_LEAVE_SECONDS 30

struct board;
struct config;
struct listeners;

struct child_setup {
	const struct config *config;
	struct board *board;
	const struct listeners *listen;
	int entry;    /* of the board, and slot of the metrics */
	int listener; /* which TCP socket */
	pid_t supervisor;
};

/* Runs in the forked process; returns its exit status. */
int child_main(const struct child_setup *setup);

#endif
