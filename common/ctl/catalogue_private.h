/* SPDX-License-Identifier: MIT
 *
 * The handlers behind admin_ask_catalogue(). Each answers its call exactly once.
 */
#ifndef CTL_CATALOGUE_PRIVATE_H
#define CTL_CATALOGUE_PRIVATE_H

#include "base/err.h"
#include "ctl/admin.h"
#include "ctl/catalogue.h"

#define CATALOGUE_COUNT(list) (sizeof(list) / sizeof *(list))

/* The rows of a list in one answer. */
#define CATALOGUE_ROWS_MAX 1000

/* objects.c */
void admin_get_check(struct http_call *c, struct store *s, const struct config *config);
void admin_get_locations(struct http_call *c, struct store *s, const struct config *config);
void admin_get_objects(struct http_call *c, struct store *s, const struct config *config);
void admin_get_buckets(struct http_call *c, struct store *s, const struct config *config);
/* queues.c */
void admin_get_cleanup(struct http_call *c, struct store *s, const struct config *config);
void admin_get_dlq(struct http_call *c, struct store *s, const struct config *config);
void admin_requeue_dlq(struct http_call *c, struct store *s, const struct config *config);
void admin_write_off_dlq(struct http_call *c, struct store *s, const struct config *config);
void admin_get_replication(struct http_call *c, struct store *s, const struct config *config);

/* The database has not done something: 500 with what could not be done; why is in the log. */
void catalogue_fail(struct http_call *c, const char *what, const struct error *e);
void catalogue_set_number(json_t *o, const char *name, uint64_t n);

#endif
