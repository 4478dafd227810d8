/* SPDX-License-Identifier: MIT
 *
 * Asking the daemons: where they are, and one result per daemon, so that what
 * is up is shown although another one is down.
 */
#ifndef ADMINCTL_DAEMONS_H
#define ADMINCTL_DAEMONS_H

#include "adminctl/adminctl.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

enum daemon { PROXYD, WORKERD, DAEMONS };

/* The path of the configuration file: -config, else ./config.yaml, else the
 * system's. */
const char *config_path(const struct admin *a);

/* A daemon that takes longer to answer a question is in trouble. */
#define ASK_TIMEOUT (30 * CLOCK_SEC)

/* Finds socket directory or address and token, from the options, the
 * environment and the configuration, in this order. */
enum err daemons_locate(struct admin *a, struct error *e);

struct question {
	const char *method, *path;
	const json_t *body;
	int64_t timeout_us; /* 0: no bound */
};

/* One daemon. *out is its reply with "up": true; or "up", "error", and "where" or
 * "status". With -addr the daemon at that address answers. */
enum exit_code daemon_ask(const struct admin *a, enum daemon d, const struct question *q,
                          json_t **out);
/* The same for commands with nothing to show otherwise: *out is the bare reply,
 * errors are printed. */
enum exit_code daemon_ask_alone(const struct admin *a, enum daemon d, const struct question *q,
                                json_t **out);

/* A page of text; nothing when the daemon does not give it. */
void daemon_fetch(const struct admin *a, enum daemon d, const char *path, struct buf *out);

/* Locates the daemons, and asks workerd, or if that is down proxyd: for what either can
 * answer. */
enum exit_code daemons_ask_any(struct admin *a, const struct question *q, json_t **out);

/* Adds a parameter to the path of a question, which is ended by a NUL each time. */
void question_add(struct buf *path, const char *name, const char *value);

/* Both (with -addr: the one there), as {"proxyd": ..., "workerd": ...}. The code
 * is the worst of both. */
enum exit_code daemons_ask(const struct admin *a, const struct question *q, json_t **out);

/* Prints why a daemon gave no reply, if so. True when there is a reply. */
bool daemon_replied(const char *name, const json_t *result);

#endif
