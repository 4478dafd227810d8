/* SPDX-License-Identifier: MIT
 *
 * From a configuration to a setup, and reloading: the new setup is opened beside
 * the old one, which is closed when its last user has let go.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/breaker.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "ctl/daemon.h"
#include "object/engine.h"
#include "observe/audit.h"
#include "observe/metrics.h"
#include "rt/task.h"
#include "store/store.h"
#include "workerd/scheduler.h"
#include "workerd/worker.h"

#define COMPONENT "runtime"

/* --- metrics ------------------------------------------------------------- */

static struct {
	void *region;
	size_t size;
	struct arena *arena; /* of the names */
	const char **names;
	size_t n;
} metrics;

static bool has_names(const struct config *c)
{
	if (!metrics.region || c->n_backends != metrics.n)
		return false;
	for (size_t i = 0; i < metrics.n; i++)
		if (strcmp(c->backends[i].name, metrics.names[i]) != 0)
			return false;
	return true;
}

void worker_metrics_detach(void)
{
	if (!metrics.region)
		return;
	metrics_attach(NULL, 0, 0, NULL);
	munmap(metrics.region, metrics.size);
	arena_free(&metrics.arena);
	memset(&metrics, 0, sizeof metrics);
}

/* Counters begin anew when the backends are others: their place in the layout
 * is the place in the configuration. */
void worker_metrics_attach(const struct config *c)
{
	if (has_names(c))
		return;
	worker_metrics_detach();
	metrics.n = c->n_backends;
	metrics.arena = arena_new();
	metrics.names = ARENA_ARRAY(metrics.arena, const char *, metrics.n);
	for (size_t i = 0; i < metrics.n; i++)
		metrics.names[i] = arena_strdup(metrics.arena, c->backends[i].name);
	metrics.size = metrics_size(1, (int)metrics.n);
	metrics.region = mmap(NULL, metrics.size, PROT_READ | PROT_WRITE,
	                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (metrics.region == MAP_FAILED)
		abort();
	metrics_attach(metrics.region, 1, (int)metrics.n, metrics.names);
	metrics_use_slot(0);
}

/* --- setups -------------------------------------------------------------- */

/* What would be in shared memory. */
static void *alloc_aligned(size_t align, size_t size)
{
	void *p = aligned_alloc(align, size);

	if (!p)
		abort();
	return memset(p, 0, size);
}
#define MAKE_ALL(type, n) alloc_aligned(_Alignof(type), ((n) + 1) * sizeof(type))

static void setup_close(struct setup *s)
{
	backend_set_close(&s->backends);
	if (s->engine)
		engine_free(&s->engine);
	if (s->store)
		store_free(&s->store);
	free(s->silent_until);
	free(s->told_full);
	free(s->breakers);
	free(s->usage);
	config_free(&s->owned);
	free(s);
}

enum err setup_open(const struct worker *w, const struct config *c, struct config *owned,
                    struct setup **out, struct error *e)
{
	struct setup *s = MEM_NEW(struct setup);
	enum err r;

	s->config = c;
	s->owned = owned;
	s->users = 1;
	s->breakers = MAKE_ALL(struct breaker, c->n_backends);
	s->usage = MAKE_ALL(struct usage, c->n_backends);
	s->silent_until = mem_alloc((c->n_backends + 1) * sizeof *s->silent_until);
	s->told_full = mem_alloc((c->n_backends + 1) * sizeof *s->told_full);
	s->store = store_new(w->db, c, w->instance);
	r = backend_set_open(c, s->breakers, s->store, &s->backends, e);
	if (r != ERR_OK) {
		setup_close(s);
		return r;
	}
	s->engine = engine_new(c, s->store, &s->backends);
	backend_set_count(&s->backends, s->usage);
	*out = s;
	return ERR_OK;
}

struct setup *setup_use(struct worker *w)
{
	w->setup->users++;
	return w->setup;
}

void setup_drop(struct setup **s)
{
	if (--(*s)->users == 0)
		setup_close(*s);
	*s = NULL;
}

/* --- reload -------------------------------------------------------------- */

struct load {
	const char *file;
	struct config *config;
	struct config_findings findings;
	enum err r;
};

static void load(void *arg)
{
	struct load *l = arg;

	l->r = config_load(l->file, &l->config, &l->findings);
}

/* What this daemon holds from its start until its end. */
static bool is_held_here(struct str field)
{
	return str_starts(field, STR("worker.")) || str_starts(field, STR("database")) ||
	       str_starts(field, STR("server.run_dir"));
}

static void find_restarts(const struct worker *w, const struct config *c, struct buf *out)
{
	BUF_AUTO fields = {0};
	struct str rest;

	config_restart_needed(w->first, c, &fields);
	rest = buf_str(&fields);
	while (rest.n > 0) {
		struct str field = str_cut(rest, '\n', &rest);

		if (!is_held_here(field))
			continue;
		buf_add_str(out, field);
		buf_add_char(out, '\n');
		log_warn(COMPONENT, "Config field changed but requires restart to take effect",
		         LOG_S("field", field));
	}
}

/* Between passes, because these count by the place of a backend in the list. */
static enum err replace(struct worker *w, struct config *config, struct error *e)
{
	struct setup *next, *old = w->setup;
	enum err r;

	worker_metrics_attach(config);
	r = setup_open(w, config, config, &next, e);
	if (r != ERR_OK) {
		worker_metrics_attach(old->config);
		return r;
	}
	worker_usage_replace(w, next);
	w->generation++;
	setup_drop(&old);
	return ERR_OK;
}

static enum err apply(struct worker *w, struct config *config, struct error *e)
{
	enum err r;

	find_restarts(w, config, &w->reload.restart);
	scheduler_hold(w->scheduler);
	r = replace(w, config, e);
	scheduler_release(w->scheduler);
	if (r == ERR_OK)
		log_set_level(w->setup->config->server.log_level);
	return r;
}

static void finish(struct worker *w, bool ok)
{
	struct reload *r = &w->reload;
	int result = ok ? METRIC_RELOAD_RESULT_OK : METRIC_RELOAD_RESULT_FAILED;

	r->state = ok ? RELOAD_OK : RELOAD_FAILED;
	r->ended = clock_wall();
	r->count++;
	metrics_inc(METRIC_CONFIG_RELOADS, result, 0, 0);
	if (ok) {
		log_info(COMPONENT, "Configuration reload complete",
		         LOG_INT("generation", w->generation));
		audit(COMPONENT, "config.Reloaded",
		      LOG_FIELDS(LOG_INT("generation", w->generation),
		                 LOG_S("requires_restart",
		                       r->restart.n > 0 ? buf_str(&r->restart) : STR_NULL)));
	} else {
		log_error(COMPONENT, "Config reload failed, keeping current config",
		          LOG_S("error", buf_str(&r->error)));
		audit(COMPONENT, "config.ReloadFailed",
		      LOG_FIELDS(LOG_S("error", buf_str(&r->error))));
	}
	notify_all(&r->done);
}

void worker_reload(struct worker *w)
{
	struct reload *r = &w->reload;
	struct load l = {.file = w->config_file};
	struct error e;
	bool ok = false;

	r->wanted = false;
	r->started = clock_wall();
	r->error.n = r->restart.n = 0;
	log_info(COMPONENT, "SIGHUP received, reloading configuration",
	         LOG_STR("path", w->config_file));
	if (task_offload(load, &l) < 0)
		load(&l); /* no thread to be had; a small file */
	if (l.r != ERR_OK)
		buf_add_str(&r->error, buf_str(&l.findings.errors));
	else if (apply(w, l.config, &e) != ERR_OK)
		buf_add_cstr(&r->error, e.text);
	else
		ok = true;
	if (ok) {
		daemon_log_warnings(buf_str(&l.findings.warnings));
		daemon_log_inactive(w->setup->config);
	}
	finish(w, ok);
	config_findings_free(&l.findings);
}

void worker_want_reload(struct worker *w)
{
	w->reload.wanted = true;
	notify_all(&w->changed);
}
