/* SPDX-License-Identifier: MIT
 *
 * What a child has to serve requests with. Built once when the child starts,
 * read by every handler (http_call.server), freed when the child leaves.
 */
#ifndef PROXYD_SERVER_H
#define PROXYD_SERVER_H

#include "backend/backend.h"
#include "proxyd/board.h"

struct config;
struct db;
struct engine;
struct http_call;
struct keys;
struct store;

struct server {
	const struct config *config;
	struct board *board;
	struct board_child *self; /* this child's entry */
	struct db *db;
	struct store *store;
	struct backend_set backends;
	struct engine *engine; /* object/engine.h */
	struct keys *keys;     /* those that are refused */
	const char *instance;  /* host:pid:random */
	const char *host_id;   /* x-amz-id-2: tells children apart, names no host */
};

/* proxyd/http/route.c: sends a request to health, metrics, admin or S3. The
 * second is for the control socket: admin without token, no S3. */
void route_public(struct http_call *c);
void route_control(struct http_call *c);
void route_metrics(struct http_call *c); /* telemetry.metrics.listen */
void route_malformed(struct http_call *c, int status, const char *why);

#endif
