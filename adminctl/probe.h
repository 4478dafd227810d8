/* SPDX-License-Identifier: MIT
 *
 * Trying out a backend: what it can do of what the daemons ask of it, and which settings
 * make it work. Needs no daemon and no catalogue.
 */
#ifndef ADMINCTL_PROBE_H
#define ADMINCTL_PROBE_H

#include <jansson.h>
#include <stdbool.h>
#include "base/arena.h"

struct config;
struct config_backend;

enum probe_verdict {
	PROBE_USABLE,      /* as it is configured */
	PROBE_UNUSABLE,    /* the report says why, and perhaps which settings would help */
	PROBE_UNREACHABLE, /* no answer at all */
	PROBE_INTERRUPTED, /* SIGINT or SIGTERM */
};

/* About what a full probe costs, for a warning before it. */
#define PROBE_REQUESTS 70
#define PROBE_MIB      16

struct probe_result {
	enum probe_verdict verdict;
	bool works;      /* with `settings`; it is usable if these are the configured ones, too */
	const char *why; /* in one line, when it is not usable; of the arena */
	/* The backend with the settings with which it was tried last. Those that were found to
	 * be needed are changed; of the arena where they point to texts of their own. */
	struct config_backend *settings;
	/* {backend, type, verdict, usable, why, prefix,
	 *  tries: [{feature, result: "ok" | "no" | "failed", required, why, ms}],
	 *  settings: [{name, value, needed, why}],
	 *  left: [{key, why}], requests, bytes_sent, bytes_read}.
	 * "no" is a feature that can be done without. The caller's reference. */
	json_t *report;
};

/* Tries the backend, which need not be one of c's, whose limits of time count. brief: only
 * whether objects can be written, read and deleted. All keys begin with
 * s3o-probe/{ULID}/; those of a folder lie in one of that name within it. They are removed at the
 * end, however that comes. Runs a loop: the process must have none. */
void probe_backend(const struct config *c, const struct config_backend *b, bool brief,
                   struct arena *a, struct probe_result *out);

/* Tells what a report says could not be removed, on standard error. */
void probe_show_left(const json_t *report);

#endif
