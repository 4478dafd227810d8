/* SPDX-License-Identifier: MIT
 *
 * Reload: a new generation of children with the new configuration, then the old
 * one leaves. A file that is wrong, or children that do not start with it,
 * change nothing.
 *
 * The complication is what the supervisor itself holds: listening sockets, the
 * database, and a board laid out for the backends of the first configuration.
 * Such settings of the new configuration are replaced by those of the first, and
 * reported as needing a restart.
 */
#include "proxyd/supervisor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/config.h"
#include "ctl/daemon.h"
#include "observe/audit.h"
#include "observe/metrics.h"
#include "proxyd/board.h"
#include "proxyd/children.h"
#include "proxyd/tls.h"

/* Requests in progress may take their time when nothing but a new configuration
 * is the reason to leave; but no generation stays for ever. */
#define LEAVE_AFTER_RELOAD (3600 * CLOCK_SEC)

#define QUOTA_LIMIT (10 * CLOCK_SEC) /* for writing quota limits to the database */

/* --- generations ----------------------------------------------------------------- */

static void free_generation(struct generation **g)
{
	if (!*g)
		return;
	config_free(&(*g)->config);
	free((*g)->backends);
	free(*g);
	*g = NULL;
}

void generations_sweep(struct supervisor *s)
{
	struct generation **p = &s->current->next;

	if (s->current == s->first)
		return;
	while (*p) {
		struct generation *g = *p;

		if (g == s->first || children_use(s->children, g->config)) {
			p = &g->next;
			continue;
		}
		*p = g->next;
		free_generation(&g);
	}
}

void generations_free(struct supervisor *s)
{
	free_generation(&s->reload.next);
	while (s->current) {
		struct generation *g = s->current;

		s->current = g->next;
		free_generation(&g);
	}
	s->first = NULL;
	buf_free(&s->reload.lines);
}

/* The backends of the board, in its order, as the new configuration describes
 * them; one that is not there any more stays as it was at start. */
static struct config_backend *keep_backends(const struct config *first, const struct config *new)
{
	struct config_backend *list = mem_alloc(first->n_backends * sizeof *list);

	for (size_t i = 0; i < first->n_backends; i++) {
		const struct config_backend *b = &first->backends[i];
		const struct config_backend *now = config_backend(new, str_of(b->name));

		list[i] = now ? *now : *b;
	}
	return list;
}

static void keep_what_cannot_change(struct generation *g, const struct config *first)
{
	struct config *c = g->config;

	g->backends = keep_backends(first, c);
	c->backends = g->backends;
	c->n_backends = first->n_backends;
	c->server.listen_addr = first->server.listen_addr;
	c->server.processes = first->server.processes;
	c->server.run_dir = first->server.run_dir;
	c->database = first->database;
	c->redis.address = first->redis.address;
	c->telemetry.metrics.listen = first->telemetry.metrics.listen;
	if (c->telemetry.metrics.listen[0])
		c->telemetry.metrics.enabled = first->telemetry.metrics.enabled;
}

/* --- what is told ------------------------------------------------------------------ */

static void add_line(struct supervisor *s, char kind, struct str text)
{
	buf_add_char(&s->reload.lines, kind);
	buf_add_str(&s->reload.lines, text);
	buf_add_char(&s->reload.lines, '\n');
}

/* The first line of *rest that is not empty; *rest becomes what follows. */
static bool next_line(struct str *rest, struct str *line)
{
	do
		*line = str_cut(*rest, '\n', rest);
	while (!line->n && rest->n);
	return line->n > 0;
}

static void add_errors(struct supervisor *s, struct str text)
{
	struct str line;

	while (next_line(&text, &line)) {
		add_line(s, BOARD_LINE_ERROR, line);
		log_error("runtime", "Config reload failed, keeping current config",
		          LOG_S("error", line));
	}
}

static void add_restart(struct supervisor *s, struct str field)
{
	add_line(s, BOARD_LINE_RESTART, field);
	log_warn("runtime", "Config field changed but requires restart to take effect",
	         LOG_S("field", field));
}

/* The settings that have been added, one per line. */
static void restarts(const struct supervisor *s, struct buf *out)
{
	struct str text = buf_str(&s->reload.lines), line;

	while (next_line(&text, &line)) {
		if (line.p[0] != BOARD_LINE_RESTART)
			continue;
		if (out->n)
			buf_add_char(out, '\n');
		buf_add_str(out, str_skip(line, 1));
	}
}

/* Backends that only one of the two configurations has. */
static size_t add_missing(struct supervisor *s, const struct config *has,
                          const struct config *lacks, const char *what)
{
	size_t n = 0;

	for (size_t i = 0; i < has->n_backends; i++) {
		BUF_AUTO field = {0};
		const char *name = has->backends[i].name;

		if (config_backend(lacks, str_of(name)))
			continue;
		buf_printf(&field, "backends (%s %s)", name, what);
		add_restart(s, buf_str(&field));
		n++;
	}
	return n;
}

static bool same_order(const struct config *a, const struct config *b)
{
	for (size_t i = 0; i < a->n_backends; i++)
		if (!str_eq(str_of(a->backends[i].name), str_of(b->backends[i].name)))
			return false;
	return true;
}

static void add_restarts(struct supervisor *s, const struct config *new)
{
	const struct config *now = s->current->config;
	BUF_AUTO fields = {0};
	struct str text, line;

	config_restart_needed(now, new, &fields);
	text = buf_str(&fields);
	while (next_line(&text, &line))
		add_restart(s, line);
	/* its socket was bound at start, or not */
	if (now->telemetry.metrics.listen[0] &&
	    now->telemetry.metrics.enabled != new->telemetry.metrics.enabled)
		add_restart(s, STR("telemetry.metrics.enabled"));
	if (add_missing(s, new, now, "is new") + add_missing(s, now, new, "is gone") == 0 &&
	    !same_order(now, new))
		add_restart(s, STR("backends (order)"));
}

static void publish(struct supervisor *s, enum board_reload result)
{
	struct board *b = s->board;
	size_t n = s->reload.lines.n;

	if (n >= sizeof b->reload_text)
		n = sizeof b->reload_text - 1;
	if (n)
		memcpy(b->reload_text, s->reload.lines.p, n);
	b->reload_text[n] = '\0';
	b->reload_ended = clock_wall();
	b->reload = result;
	atomic_fetch_add(&b->reload_count, 1);
}

static void count(int result)
{
	metrics_inc(METRIC_CONFIG_RELOADS, result, METRIC_NONE, METRIC_NONE);
}

/* --- steps ------------------------------------------------------------------------- */

static void finish(struct supervisor *s, enum board_reload result)
{
	s->reload.step = RELOAD_STEP_NONE;
	publish(s, result);
	daemon_notify("READY=1");
}

static void fail(struct supervisor *s, struct str why)
{
	free_generation(&s->reload.next);
	add_errors(s, why);
	audit("runtime", "config.ReloadFailed", LOG_FIELDS(LOG_S("error", why)));
	count(METRIC_RELOAD_RESULT_FAILED);
	finish(s, RELOAD_FAILED);
}

static bool load(struct supervisor *s)
{
	struct config_findings f = {0};
	struct config *c = NULL;
	struct error e;

	if (config_load(s->options->config, &c, &f) != ERR_OK) {
		fail(s, buf_str(&f.errors));
		config_findings_free(&f);
		return false;
	}
	daemon_log_warnings(buf_str(&f.warnings));
	config_findings_free(&f);
	s->reload.next = MEM_NEW(struct generation);
	s->reload.next->config = c;
	c->generation = s->board->generation + 1;
	if (tls_server_check(&c->server.tls, &e) != ERR_OK) {
		fail(s, str_of(e.text));
		return false;
	}
	add_restarts(s, c);
	daemon_log_inactive(c);
	keep_what_cannot_change(s->reload.next, s->first->config);
	return true;
}

static void announce(void)
{
	char state[64];

	snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_mono());
	daemon_notify(state);
}

static void begin(struct supervisor *s)
{
	log_info("runtime", "SIGHUP received, reloading configuration",
	         LOG_STR("path", s->options->config));
	announce();
	s->reload.lines.n = 0;
	s->reload.partial = false;
	s->board->reload_started = clock_wall();
	s->board->reload = RELOAD_RUNNING;
	s->board->start_error[0] = '\0';
	if (load(s))
		s->reload.step = RELOAD_STEP_ROOM;
}

static void start(struct supervisor *s)
{
	if (!children_make_room(s->children))
		return;
	s->reload.step = RELOAD_STEP_START;
	if (!children_start(s->children, s->reload.next->config)) {
		children_discard(s->children);
		fail(s, STR("new children cannot be started"));
	}
}

static void switch_over(struct supervisor *s)
{
	struct generation *g = s->reload.next;

	children_promote(s->children, LEAVE_AFTER_RELOAD);
	g->next = s->current;
	s->current = g;
	s->reload.next = NULL;
	s->board->generation = g->config->generation;
	s->board->log_level = -1;
	board_set_breakers(s->board, g->config);
	s->reload.step = RELOAD_STEP_QUOTA;
}

static void start_quota(struct supervisor *s)
{
	if (s->helper.pid) /* it runs already, or restarts the embedded database first */
		return;
	if (!helper_start(&s->helper, HELPER_QUOTA, s->current->config, 0, QUOTA_LIMIT))
		reload_quota_done(s, false);
}

void reload_quota_done(struct supervisor *s, bool ok)
{
	const char *error = s->helper.report->error;
	BUF_AUTO restart = {0};

	if (!ok) {
		s->reload.partial = true;
		add_line(s, BOARD_LINE_QUOTA, str_of(error));
		log_error("runtime", "quota limits could not be written to the database",
		          LOG_STR("error", error));
	}
	log_info("runtime", "Configuration reload complete",
	         LOG_INT("generation", s->board->generation));
	restarts(s, &restart);
	audit("runtime", "config.Reloaded",
	      LOG_FIELDS(LOG_INT("generation", s->board->generation),
	                 LOG_S("requires_restart", restart.n ? buf_str(&restart) : STR_NULL)));
	count(ok ? METRIC_RELOAD_RESULT_OK : METRIC_RELOAD_RESULT_PARTIAL);
	finish(s, RELOAD_OK);
}

void reload_request(struct supervisor *s)
{
	s->reload.again = s->phase <= PHASE_SERVE;
}

static void check_start(struct supervisor *s)
{
	const char *error = s->board->start_error;
	size_t died;
	enum children_progress p = children_progress(s->children, &died);

	if (died > 0 || p == CHILDREN_FAILED) {
		children_discard(s->children);
		fail(s, error[0] ? str_of(error) : STR("a new child died at its start"));
	} else if (p == CHILDREN_SERVING) {
		switch_over(s);
	}
}

void reload_tick(struct supervisor *s)
{
	if (s->phase == PHASE_SERVE && s->reload.step == RELOAD_STEP_NONE && s->reload.again) {
		s->reload.again = false;
		begin(s);
	}
	if (s->reload.step == RELOAD_STEP_ROOM)
		start(s);
	if (s->reload.step == RELOAD_STEP_START)
		check_start(s);
	if (s->reload.step == RELOAD_STEP_QUOTA)
		start_quota(s);
}

void reload_abandon(struct supervisor *s)
{
	if (s->reload.step == RELOAD_STEP_START)
		children_discard(s->children);
	if (s->reload.step != RELOAD_STEP_NONE) {
		add_line(s, BOARD_LINE_ERROR, STR("the server is stopping"));
		publish(s, RELOAD_FAILED);
	}
	s->reload.step = RELOAD_STEP_NONE;
	s->reload.again = false;
}
