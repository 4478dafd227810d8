/* SPDX-License-Identifier: MIT
 *
 * What both daemons can tell and do with nothing but the catalogue: where objects are, which
 * buckets there are, what waits in the queues, what was given up, and which long jobs there
 * are; and which access keys are refused.
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
		{"POST", "/admin/api/buckets", handle, false},                                     \
		{"DELETE", "/admin/api/buckets", handle, false},                                   \
		{"GET", "/admin/api/keys", handle, false},                                         \
		{"POST", "/admin/api/keys/disable", handle, false},                                \
		{"POST", "/admin/api/keys/enable", handle, false},                                 \
		{"GET", "/admin/api/cleanup-queue", handle, false},                                \
		{"GET", "/admin/api/cleanup-dlq", handle, false},                                  \
		{"POST", "/admin/api/cleanup-dlq/requeue", handle, false},                         \
		{"POST", "/admin/api/cleanup-dlq/write-off", handle, false},                       \
		{"GET", "/admin/api/replication-queue", handle, false},                            \
		{"GET", "/admin/api/jobs", handle, false},                                         \
	{                                                                                          \
		"POST", "/admin/api/usage-reconcile", handle, false                                \
	}

/* Answers the call by its path. */
void admin_ask_catalogue(struct http_call *c, struct store *s, const struct config *config);

#endif
