/* SPDX-License-Identifier: MIT
 *
 * The log level of all children: set on the board, taken over with each child's
 * next heartbeat, valid until the next reload or restart.
 */
#include "base/log.h"
#include "net/http_server.h"
#include "proxyd/admin/admin_private.h"
#include "proxyd/server.h"

static const char *const names[] = {
	[LOG_DEBUG] = "debug",
	[LOG_INFO] = "info",
	[LOG_WARN] = "warn",
	[LOG_ERROR] = "error",
};

static void reply_level(struct http_call *c, enum log_level level)
{
	admin_reply(c, 200, json_pack("{s:s}", "level", names[level]));
}

void admin_get_log_level(struct http_call *c)
{
	const struct server *s = c->server;

	reply_level(c, board_log_level(s->board, s->config));
}

void admin_put_log_level(struct http_call *c)
{
	struct server *s = c->server;
	json_t *body = admin_read_json(c);
	const char *name = json_string_value(json_object_get(body, "level"));
	enum log_level level;

	if (!body)
		return;
	if (!name || !log_level_parse(str_of(name), &level)) {
		admin_error(c, 400, "invalid log level");
	} else {
		s->board->log_level = (int)level;
		reply_level(c, level);
	}
	json_decref(body);
}
