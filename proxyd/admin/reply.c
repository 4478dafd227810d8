/* SPDX-License-Identifier: MIT
 *
 * JSON in and out.
 */
#include <stdlib.h>
#include "base/clock.h"
#include "net/body.h"
#include "net/http_server.h"
#include "proxyd/admin/admin_private.h"

#define BODY_MAX ((size_t)1024 * 1024)

void admin_reply(struct http_call *c, int status, json_t *v)
{
	char *text = v ? json_dumps(v, JSON_COMPACT) : NULL;
	BUF_AUTO body = {0};

	if (!text) /* out of memory */
		abort();
	buf_printf(&body, "%s\n", text);
	http_reply_field(c, "Content-Type", STR("application/json"));
	http_reply_field(c, "Cache-Control", STR("no-store"));
	http_reply(c, status, buf_str(&body));
	free(text);
	json_decref(v);
}

void admin_error(struct http_call *c, int status, const char *text)
{
	admin_reply(c, status, json_pack("{s:s}", "error", text));
}

json_t *admin_read_json(struct http_call *c)
{
	BUF_AUTO text = {0};
	struct error e;
	ssize_t got;
	json_t *v;

	http_continue(c);
	do {
		buf_reserve(&text, 4096);
		got = body_read(c->body, text.p + text.n, text.cap - text.n, c->write_idle_us, &e);
		if (got > 0)
			text.n += (size_t)got;
	} while (got > 0 && text.n <= BODY_MAX);
	if (text.n > BODY_MAX) {
		admin_error(c, 413, "body too large");
		return NULL;
	}
	v = got == 0 ? json_loadb(text.p, text.n, 0, NULL) : NULL;
	if (!v)
		admin_error(c, 400, "invalid JSON body");
	return v;
}

json_t *admin_time(int64_t wall)
{
	char text[CLOCK_RFC3339_SIZE];

	if (wall == 0)
		return json_null();
	clock_format_rfc3339(wall, text);
	return json_string(text);
}
