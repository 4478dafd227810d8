/* SPDX-License-Identifier: MIT
 *
 * What both daemons can tell and do with nothing but the catalogue: where objects are, which
 * buckets there are, what waits in the queues and what was given up.
 */
#ifndef CTL_CATALOGUE_H
#define CTL_CATALOGUE_H

struct config;
struct http_call;
struct store;

/* Rows for a table of routes, whose handler calls admin_ask_catalogue(). */
#define ADMIN_CATALOGUE_ROUTES(handle)                                                             \
	{"GET", "/admin/api/check", handle, false},                                                \
		{"GET", "/admin/api/object-locations", handle, false},                             \
		{"GET", "/admin/api/objects", handle, false},                                      \
		{"GET", "/admin/api/buckets", handle, false},                                      \
		{"GET", "/admin/api/cleanup-queue", handle, false},                                \
		{"GET", "/admin/api/cleanup-dlq", handle, false},                                  \
		{"POST", "/admin/api/cleanup-dlq/requeue", handle, false},                         \
		{"POST", "/admin/api/cleanup-dlq/write-off", handle, false},                       \
	{                                                                                          \
		"GET", "/admin/api/replication-queue", handle, false                               \
	}

/* Answers the call by its path. */
void admin_ask_catalogue(struct http_call *c, struct store *s, const struct config *config);

#endif
