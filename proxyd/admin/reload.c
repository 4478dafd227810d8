/* SPDX-License-Identifier: MIT
 *
 * Reload over HTTP: the supervisor does it, this child sends the signal and
 * watches the board. The board's text is written by another process, so it is
 * copied and believed only if no reload has begun or ended meanwhile.
 */
#include <signal.h>
#include <string.h>
#include "base/clock.h"
#include "net/http_server.h"
#include "proxyd/admin/admin_private.h"
#include "proxyd/server.h"
#include "rt/task.h"

#define RELOAD_WAIT (60 * CLOCK_SEC) /* adminctl waits a little longer */
#define RELOAD_STEP (20 * CLOCK_MS)

struct lines {
	json_t *restart; /* array */
	struct buf errors, quota;
};

static void sort_line(struct lines *l, struct str line)
{
	struct str text = str_skip(line, 1);
	struct buf *b = line.p[0] == BOARD_LINE_QUOTA ? &l->quota : &l->errors;

	if (line.p[0] == BOARD_LINE_RESTART) {
		json_array_append_new(l->restart, json_stringn(text.p, text.n));
		return;
	}
	if (b->n)
		buf_add_char(b, '\n');
	buf_add_str(b, text);
}

static struct lines split(struct str text)
{
	struct lines l = {.restart = json_array()};

	while (text.n) {
		struct str line = str_cut(text, '\n', &text);

		if (line.n)
			sort_line(&l, line);
	}
	return l;
}

static json_t *text_json(const struct buf *b)
{
	json_t *v = json_stringn(b->n ? b->p : "", b->n);

	return v ? v : json_string("(not valid UTF-8)");
}

static json_t *outcomes(const struct lines *l, bool failed)
{
	json_t *list = json_array(), *quota;

	if (failed)
		return list;
	json_array_append_new(list, json_pack("{s:s, s:s}", "name", "children", "status", "ok"));
	quota = json_pack("{s:s, s:s}", "name", "quota limits", "status",
	                  l->quota.n ? "failed" : "ok");
	if (l->quota.n)
		json_object_set_new(quota, "error", text_json(&l->quota));
	json_array_append_new(list, quota);
	return list;
}

static json_t *ended_json(const struct board *b, struct str text, bool failed)
{
	struct lines l = split(text);
	const char *status = failed ? "failed" : l.quota.n ? "partial" : "ok";
	json_t *o = json_pack("{s:s, s:o, s:o, s:o}", "status", status, "outcomes",
	                      outcomes(&l, failed), "requires_restart", l.restart, "load_error",
	                      text_json(&l.errors));

	json_object_set_new(o, "generation", json_integer((json_int_t)b->generation));
	json_object_set_new(o, "started_at", admin_time(b->reload_started));
	json_object_set_new(o, "ended_at", admin_time(b->reload_ended));
	buf_free(&l.errors);
	buf_free(&l.quota);
	return o;
}

/* NULL while it changes. */
static json_t *status_json(const struct board *b)
{
	uint64_t count = b->reload_count;
	int state = b->reload;
	char text[sizeof b->reload_text];
	size_t n;

	if (state == RELOAD_NEVER)
		return json_pack("{s:s}", "status", "no_reload_yet");
	if (state == RELOAD_RUNNING)
		return json_pack("{s:s, s:o}", "status", "running", "started_at",
		                 admin_time(b->reload_started));
	memcpy(text, b->reload_text, sizeof text);
	if (b->reload_count != count || b->reload != state)
		return NULL;
	n = strnlen(text, sizeof text);
	return ended_json(b, str_n(text, n), state == RELOAD_FAILED);
}

void admin_get_reload_status(struct http_call *c, struct str arg)
{
	const struct server *s = c->server;
	json_t *v;

	(void)arg;
	do
		v = status_json(s->board);
	while (!v);
	admin_reply(c, 200, v);
}

/* A reload that was running already may have read the file before it changed;
 * the signal then asks for another one after it. */
void admin_post_reload(struct http_call *c, struct str arg)
{
	const struct server *s = c->server;
	const struct board *b = s->board;
	bool running = b->reload == RELOAD_RUNNING;
	uint64_t goal = b->reload_count + (running ? 2 : 1);
	int64_t deadline = clock_deadline(RELOAD_WAIT);

	if (b->stopping || kill(b->supervisor, SIGHUP) < 0) {
		admin_error(c, 503, "the server is stopping");
		return;
	}
	/* One that others have asked for meanwhile hides the result of ours. */
	while (b->reload_count < goal || b->reload == RELOAD_RUNNING) {
		if (task_sleep(RELOAD_STEP) < 0)
			break;
		if (clock_mono() >= deadline || b->stopping) {
			admin_error(c, 503, "the reload has not ended in time");
			return;
		}
	}
	admin_get_reload_status(c, arg);
}
