/* SPDX-License-Identifier: MIT
 *
 * See catalogue.h.
 */
#include "ctl/catalogue_private.h"

#include <string.h>
#include "base/log.h"
#include "net/http_server.h"

void catalogue_fail(struct http_call *c, const char *what, const struct error *e)
{
	log_warn("admin", what, LOG_STR("error", e->text));
	admin_error(c, 500, what);
}

void catalogue_set_number(json_t *o, const char *name, uint64_t n)
{
	json_object_set_new(o, name, json_integer((json_int_t)n));
}

void admin_ask_catalogue(struct http_call *c, struct store *s, const struct config *config)
{
	static const struct {
		const char *path;
		void (*handle)(struct http_call *c, struct store *s, const struct config *config);
	} handlers[] = {
		{"/admin/api/check", admin_get_check},
		{"/admin/api/object-locations", admin_get_locations},
		{"/admin/api/objects", admin_get_objects},
		{"/admin/api/buckets", admin_get_buckets},
		{"/admin/api/cleanup-queue", admin_get_cleanup},
		{"/admin/api/cleanup-dlq", admin_get_dlq},
		{"/admin/api/cleanup-dlq/requeue", admin_requeue_dlq},
		{"/admin/api/cleanup-dlq/write-off", admin_write_off_dlq},
		{"/admin/api/replication-queue", admin_get_replication},
	};

	for (size_t i = 0; i < CATALOGUE_COUNT(handlers); i++)
		if (str_eq(c->path, str_of(handlers[i].path))) {
			handlers[i].handle(c, s, config);
			return;
		}
	admin_error(c, 404, "not found");
}
