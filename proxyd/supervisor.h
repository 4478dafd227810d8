/* SPDX-License-Identifier: MIT
 *
 * The supervisor: owns sockets, board, children and the embedded database
 * process; serves nothing. One poll() on a signalfd, no threads, no event loop,
 * no connections, so that fork() is always clean. What it knows is private to
 * supervisor.c and reload.c.
 */
#ifndef PROXYD_SUPERVISOR_H
#define PROXYD_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/buf.h"
#include "ctl/daemon.h"
#include "proxyd/helper.h"
#include "proxyd/listen.h"

struct board;
struct children;
struct config;
struct config_backend;

/* A configuration in use. Kept until its last child has gone; the first one is
 * kept for ever, because what cannot be reloaded lies in it. */
struct generation {
	struct generation *next; /* the one before */
	struct config *config;
	struct config_backend *backends; /* see reload.c; NULL for the first */
};

enum supervisor_phase {
	PHASE_BOOT,  /* the helper prepares the database */
	PHASE_START, /* the first children start */
	PHASE_SERVE,
	PHASE_DELAY, /* not ready any more, but serving, for server.shutdown_delay */
	PHASE_LEAVE, /* the children finish */
	PHASE_FLUSH, /* what they have counted last goes to the database */
	PHASE_DONE,
};

enum reload_step {
	RELOAD_STEP_NONE,
	RELOAD_STEP_ROOM, /* children that have been leaving for long are being killed */
	RELOAD_STEP_START,
	RELOAD_STEP_QUOTA,
};

struct supervisor {
	const struct daemon_options *options;
	struct generation *current;
	struct generation *first;
	struct board *board;
	const char **backend_names; /* of the metrics */
	struct listeners listen;
	struct children *children;
	struct helper helper;
	int signal_fd;
	enum supervisor_phase phase;
	int64_t phase_end; /* of PHASE_DELAY */
	int stops;         /* signals to stop so far */
	int status;        /* to exit with */

	pid_t postmaster; /* of the embedded database, 0: none */
	int64_t postmaster_retry, postmaster_backoff;

	struct {
		enum reload_step step;
		bool again; /* asked for; during a reload: once more afterwards */
		struct generation *next;
		struct buf lines; /* for board.reload_text */
		bool partial;
	} reload;
};

/* Runs the daemon with a loaded configuration, which it takes over, until it is
 * told to stop. The log is open, the process is detached if it is to be. Returns
 * the exit status. */
int supervisor_run(const struct daemon_options *o, struct config *c);

/* reload.c */
void reload_request(struct supervisor *s); /* SIGHUP */
void reload_tick(struct supervisor *s);    /* does all the work, step by step */
void reload_quota_done(struct supervisor *s, bool ok);
void reload_abandon(struct supervisor *s);    /* the daemon stops */
void generations_sweep(struct supervisor *s); /* frees those without children */
void generations_free(struct supervisor *s);

#endif
