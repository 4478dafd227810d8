/* SPDX-License-Identifier: MIT
 *
 * The life of a probe: a loop with one task that tries, and one that waits for signals. The
 * first signal cancels what is tried; removing what was written goes on. The second one
 * ends the process as usual.
 */
#include "adminctl/probe_private.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ctl/daemon.h"
#include "rt/fd.h"
#include "rt/task.h"

/* Keys of one look at what is left. */
#define SWEEP_MAX 100

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, 0};

struct run {
	struct probe probe;
	int signals;
	struct task *main, *watcher;
	bool interrupted;
};

/* --- the report --------------------------------------------------------------- */

/* What a server says may hold anything. */
static json_t *text_of(struct probe *p, struct str s)
{
	char *copy = arena_strndup(p->arena, s.p, s.n);

	str_make_utf8(copy, s.n);
	return json_string(copy);
}

void probe_note(struct probe *p, const char *feature, enum probe_result_kind kind, bool required,
                struct str why, int64_t us)
{
	static const char *const names[] = {"ok", "no", "failed"};

	if (task_is_cancelled())
		return;
	if (kind != PROBE_OK)
		kind = required ? PROBE_FAILED : PROBE_NO;
	json_array_append_new(p->tries,
	                      json_pack("{s:s, s:s, s:b, s:o, s:I}", "feature", feature, "result",
	                                names[kind], "required", required, "why", text_of(p, why),
	                                "ms", (json_int_t)(us / CLOCK_MS)));
	if (kind == PROBE_FAILED && p->failed == NULL)
		p->failed = arena_printf(p->arena, "%s: %.*s", feature, STR_FMT(why));
}

void probe_suggest(struct probe *p, const char *name, const char *value, bool needed,
                   const char *why)
{
	json_array_append_new(p->settings, json_pack("{s:s, s:s, s:b, s:s}", "name", name, "value",
	                                             value, "needed", needed, "why", why));
}

struct str probe_key(struct probe *p, const char *name)
{
	struct str key = str_of(arena_printf(p->arena, "%s%s", p->prefix, name));

	for (size_t i = 0; i < p->n_keys; i++)
		if (str_eq(p->keys[i], key))
			return key;
	if (p->n_keys == PROBE_KEYS_MAX)
		abort(); /* a try was added, and the bound forgotten */
	p->keys[p->n_keys++] = key;
	return key;
}

/* --- the backend --------------------------------------------------------------- */

static void close_backend(struct probe *p)
{
	if (p->backend != NULL)
		backend_set_close(&p->set);
	p->backend = NULL;
}

bool probe_open(struct probe *p, struct error *e)
{
	close_backend(p);
	if (backend_set_open(&p->config, NULL, NULL, &p->set, e) != ERR_OK)
		return false;
	backend_set_count(&p->set, &p->usage);
	p->backend = p->set.list[0];
	p->backend->refusal = &p->refusal;
	return true;
}

/* --- removing ------------------------------------------------------------------ */

static void note_left(struct probe *p, struct str key, const char *why)
{
	json_array_append_new(p->left, json_pack("{s:o, s:o}", "key", text_of(p, key), "why",
	                                         text_of(p, str_of(why))));
}

/* gone: no more is asked of a backend that does not answer. */
static void remove_key(struct probe *p, struct str key, bool *gone, struct error *e)
{
	enum err r = *gone ? e->code : backend_remove(p->backend, p->arena, key, e);

	*gone = r == ERR_TIMEOUT || r == ERR_IO;
	if (r != ERR_OK && r != ERR_NOT_FOUND)
		note_left(p, key, e->text);
}

/* What a write that nobody waited for has made meanwhile. */
static void sweep(struct probe *p)
{
	struct backend_list l = {.prefix = str_of(p->prefix), .max = SWEEP_MAX};
	bool gone = false;
	struct error e;

	if (backend_list(p->backend, p->arena, &l, &e) != ERR_OK)
		return;
	for (size_t i = 0; i < l.n_items; i++)
		remove_key(p, l.items[i].key, &gone, &e);
}

static void clean_up(struct probe *p)
{
	bool gone = false;
	struct error e;

	if (p->backend != NULL && p->n_keys > 0) {
		for (size_t i = 0; i < p->n_keys; i++)
			remove_key(p, p->keys[i], &gone, &e);
		if (json_array_size(p->left) == 0)
			sweep(p);
	}
	close_backend(p);
	if (p->folder != NULL && !probe_folder_remove(p, &e))
		note_left(p, str_of(p->trial->path), e.text);
}

/* --- the loop ------------------------------------------------------------------- */

static void probe_main(void *arg)
{
	struct run *r = arg;
	struct probe *p = &r->probe;
	bool ready = p->configured->type != BACKEND_DIRECTORY || probe_folder_make(p);

	if (ready && probe_contact(p))
		probe_tries(p);
	task_shield();
	clean_up(p);
	task_unshield();
	r->main = NULL;
	if (r->watcher != NULL)
		task_cancel(r->watcher);
	rt_stop();
}

static void watch_signals(void *arg)
{
	struct run *r = arg;
	struct rt_fd *fd = rt_fd_new(r->signals);
	struct signalfd_siginfo info;

	if (rt_fd_wait_read(fd, CLOCK_NEVER) == 0 && read(r->signals, &info, sizeof(info)) > 0) {
		r->interrupted = true;
		daemon_signals_default();
		fputs("adminctl: removing what was written; once more to leave it there\n", stderr);
		if (r->main != NULL)
			task_cancel(r->main);
	}
	rt_fd_close(&fd);
	r->watcher = NULL;
}

/* What the modules below would log is in the report. */
static void run_loop(struct run *r)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	sigset_t before;

	log_init(null, LOG_ERROR);
	sigprocmask(SIG_SETMASK, NULL, &before);
	r->signals = daemon_signalfd(signals);
	rt_init();
	r->main = task_spawn("probe", probe_main, r);
	r->watcher = task_spawn("signals", watch_signals, r);
	if (r->main == NULL || r->watcher == NULL)
		abort(); /* no memory for a stack at start */
	rt_run();
	rt_deinit();
	sigprocmask(SIG_SETMASK, &before, NULL);
	log_init(STDERR_FILENO, LOG_INFO);
	close(null);
}

/* --- the verdict ----------------------------------------------------------------- */

static bool is_changed(const struct probe *p)
{
	size_t i;
	json_t *s;

	json_array_foreach(p->settings, i,
	                   s) if (json_is_true(json_object_get(s, "needed"))) return true;
	return false;
}

static enum probe_verdict judge(struct run *r, const char **why)
{
	struct probe *p = &r->probe;

	*why = p->failed;
	if (r->interrupted)
		return PROBE_INTERRUPTED;
	if (p->unreachable)
		return PROBE_UNREACHABLE;
	if (p->failed == NULL && is_changed(p))
		*why = "some settings have to be changed";
	return *why == NULL ? PROBE_USABLE : PROBE_UNUSABLE;
}

static json_t *report(struct run *r, const struct probe_result *out)
{
	static const char *const names[] = {"usable", "not usable", "not reachable", "interrupted"};
	struct probe *p = &r->probe;
	struct usage_amounts used = usage_unflushed(&p->usage);
	json_t *j = json_pack(
		"{s:s, s:s, s:s, s:b, s:o, s:s}", "backend", p->configured->name, "type",
		p->configured->type == BACKEND_DIRECTORY ? "directory" : "s3", "verdict",
		names[out->verdict], "usable", out->verdict == PROBE_USABLE, "why",
		out->why ? text_of(p, str_of(out->why)) : json_null(), "prefix", p->prefix);

	json_object_set_new(j, "tries", p->tries);
	json_object_set_new(j, "settings", p->settings);
	json_object_set_new(j, "left", p->left);
	json_object_set_new(j, "requests", json_integer((json_int_t)used.api));
	json_object_set_new(j, "bytes_sent", json_integer((json_int_t)used.ingress));
	json_object_set_new(j, "bytes_read", json_integer((json_int_t)used.egress));
	return j;
}

void probe_backend(const struct config *c, const struct config_backend *b, bool brief,
                   struct arena *a, struct probe_result *out)
{
	struct run r = {.probe = {.arena = a, .configured = b, .config = *c, .brief = brief}};
	struct probe *p = &r.probe;
	char ulid[ULID_SIZE];

	ulid_new(ulid);
	snprintf(p->prefix, sizeof(p->prefix), "s3o-probe/%s/", ulid);
	p->trial = ARENA_NEW(a, struct config_backend);
	*p->trial = *b;
	p->config.backends = p->trial;
	p->config.n_backends = 1;
	p->tries = json_array();
	p->settings = json_array();
	p->left = json_array();
	run_loop(&r);
	out->verdict = judge(&r, &out->why);
	out->works = out->verdict == PROBE_USABLE ||
	             (out->verdict == PROBE_UNUSABLE && p->failed == NULL);
	out->settings = p->trial;
	out->report = report(&r, out);
}
