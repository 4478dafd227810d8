/* SPDX-License-Identifier: MIT
 *
 * The supervisor's loop and the phases of the daemon: boot, start, serve, delay,
 * leave, flush. Everything that happens is a signal or the passing of time, so one turn
 * is: wait, take signals, reap, tick. Its complication is that a stop may come
 * in any phase; all of them end through PHASE_LEAVE.
 */
#include "proxyd/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "db/embedded.h"
#include "observe/metrics.h"
#include "proxyd/board.h"
#include "proxyd/child.h"
#include "proxyd/children.h"
#include "proxyd/tls.h"

#define TICK_MS       1000
#define TICK_START_MS 20 /* while children start: how soon it is noticed that they serve */

#define LEAVE_LIMIT (CHILD_LEAVE_SECONDS * CLOCK_SEC)

#define FLUSH_LIMIT (10 * CLOCK_SEC) /* for a database that hangs when all ends */

#define POSTMASTER_BACKOFF_MIN (1 * CLOCK_SEC)
#define POSTMASTER_BACKOFF_MAX (30 * CLOCK_SEC)

/* --- start ------------------------------------------------------------------------ */

static void open_board(struct supervisor *s)
{
	const struct config *c = s->current->config;

	s->board = board_new(c);
	s->board->supervisor = getpid();
	s->board->generation = c->generation;
	s->backend_names = mem_alloc(c->n_backends * sizeof *s->backend_names);
	for (size_t i = 0; i < c->n_backends; i++)
		s->backend_names[i] = c->backends[i].name;
	s->helper.usage = board_usage(s->board);
	metrics_attach(board_metrics(s->board), s->board->n_children, s->board->n_backends,
	               s->backend_names);
}

static enum err lock_pid_file(const struct supervisor *s, struct error *e)
{
	const struct daemon_options *o = s->options;
	const char *run_dir = s->current->config->server.run_dir;
	enum err r = daemon_run_dir(run_dir, o->user, e);
	char *path = NULL;

	if (r != ERR_OK)
		return r;
	if (o->pid_file)
		return daemon_pid_lock(o->pid_file, e);
	if (asprintf(&path, "%s/%s.pid", run_dir, o->program) < 0)
		abort();
	r = daemon_pid_lock(path, e);
	free(path);
	return r;
}

/* The pid file first: whoever holds its lock is the only one here. Sockets come
 * before the database, so that a second daemon started by mistake ends before it
 * touches the embedded cluster of the first. */
static enum err claim_host(struct supervisor *s, struct error *e)
{
	const struct config *c = s->current->config;
	enum err r;

	if ((r = lock_pid_file(s, e)) != ERR_OK)
		return r;
	if ((r = tls_server_check(&c->server.tls, e)) != ERR_OK)
		return r;
	if ((r = listeners_open(c, s->options->user, &s->listen, e)) != ERR_OK)
		return r;
	daemon_pid_write();
	return daemon_become(s->options->user, e);
}

static void log_start(const struct supervisor *s)
{
	const struct config *c = s->current->config;
	static const char *const levels[] = {"debug", "info", "warn", "error"};

	log_info("runtime", "S3 Orchestrator starting", LOG_STR("version", S3O_VERSION),
	         LOG_STR("mode", "api"), LOG_STR("listen_addr", c->server.listen_addr),
	         LOG_STR("log_level", levels[c->server.log_level]),
	         LOG_INT("buckets", c->n_buckets), LOG_INT("backends", c->n_backends),
	         LOG_STR("routing_strategy",
	                 c->routing_strategy == STRATEGY_PACK ? "pack" : "spread"),
	         LOG_INT("processes", c->server.processes));
}

/* --- stop --------------------------------------------------------------------------- */

static void leave(struct supervisor *s)
{
	s->phase = PHASE_LEAVE;
	listeners_close(&s->listen); /* refused is better than queued and reset */
	helper_stop(&s->helper);
	if (s->helper.pid)
		s->helper.kill_at = clock_deadline(LEAVE_LIMIT);
	children_leave(s->children, LEAVE_LIMIT);
}

static void fail_start(struct supervisor *s, const char *why)
{
	struct error e;

	err_set(&e, ERR_IO, "%s", why);
	s->status = daemon_fail(s->options, "cannot start", &e);
	leave(s);
}

static void begin_stop(struct supervisor *s)
{
	int64_t delay = s->current->config->server.shutdown_delay;

	log_info("runtime", "stopping", LOG_INT("shutdown_delay", delay / CLOCK_SEC));
	daemon_notify("STOPPING=1");
	s->board->stopping = true;
	reload_abandon(s);
	if (s->phase < PHASE_SERVE || delay <= 0) {
		leave(s);
		return;
	}
	s->phase = PHASE_DELAY;
	s->phase_end = clock_deadline(delay);
}

static void on_stop(struct supervisor *s)
{
	s->stops++;
	if (s->stops == 1 && s->phase < PHASE_DELAY) {
		begin_stop(s);
	} else if (s->phase == PHASE_DELAY) {
		leave(s);
	} else if (s->stops > 2) {
		log_warn("runtime", "stopping at once: requests in progress are cut off");
		children_kill(s->children);
		if (s->helper.pid)
			kill(s->helper.pid, SIGKILL);
		s->status = DAEMON_FAILED;
		s->phase = PHASE_DONE;
	}
}

/* --- the embedded database ------------------------------------------------------------ */

static void lose_postmaster(struct supervisor *s)
{
	log_error("runtime", "embedded database has ended", LOG_INT("postmaster", s->postmaster));
	s->postmaster = 0;
	s->helper.report->postmaster = 0;
	s->postmaster_retry = clock_mono();
	if (s->postmaster_backoff == 0)
		s->postmaster_backoff = POSTMASTER_BACKOFF_MIN;
}

/* One adopted from a killed supervisor is not a child, so it is looked for. */
static void watch_postmaster(struct supervisor *s)
{
	if (s->postmaster && kill(s->postmaster, 0) < 0 && errno == ESRCH)
		lose_postmaster(s);
	if (s->postmaster || s->helper.pid || s->phase > PHASE_DELAY ||
	    clock_mono() < s->postmaster_retry)
		return;
	helper_start(&s->helper, HELPER_EMBEDDED, s->current->config, 0, CLOCK_NEVER);
	s->postmaster_retry = clock_mono() + s->postmaster_backoff;
	s->postmaster_backoff *= 2;
	if (s->postmaster_backoff > POSTMASTER_BACKOFF_MAX)
		s->postmaster_backoff = POSTMASTER_BACKOFF_MAX;
}

static void postmaster_started(struct supervisor *s, bool ok)
{
	s->postmaster = s->helper.report->postmaster;
	if (!ok) {
		log_error("runtime", "embedded database cannot be restarted",
		          LOG_STR("error", s->helper.report->error));
		return;
	}
	log_info("runtime", "embedded database restarted", LOG_INT("postmaster", s->postmaster));
}

/* --- what happens ----------------------------------------------------------------------- */

static void boot_done(struct supervisor *s, bool ok)
{
	s->postmaster = s->helper.report->postmaster;
	if (s->phase != PHASE_BOOT)
		return;
	if (!ok) {
		fail_start(s, s->helper.report->error);
		return;
	}
	s->phase = PHASE_START;
	if (!children_start(s->children, s->current->config))
		fail_start(s, "children cannot be started");
}

static void helper_done(struct supervisor *s, bool ok)
{
	switch (s->helper.job) {
	case HELPER_BOOT:
		boot_done(s, ok);
		break;
	case HELPER_EMBEDDED:
		postmaster_started(s, ok);
		break;
	case HELPER_USAGE:
		if (!ok)
			log_error("runtime", "usage of the last moments is lost",
			          LOG_STR("error", s->helper.report->error));
		break;
	case HELPER_QUOTA:
		if (s->reload.step == RELOAD_STEP_QUOTA)
			reload_quota_done(s, ok);
		break;
	}
}

static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;
	bool ok;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (children_ended(s->children, pid, status))
			continue;
		if (helper_ended(&s->helper, pid, status, &ok))
			helper_done(s, ok);
		else if (pid == s->postmaster)
			lose_postmaster(s);
	}
}

static void on_signal(struct supervisor *s, uint32_t signo)
{
	switch (signo) {
	case SIGTERM:
	case SIGINT:
		on_stop(s);
		break;
	case SIGHUP:
		reload_request(s);
		break;
	case SIGUSR1:
		daemon_log_reopen();
		children_signal(s->children, SIGUSR1);
		break;
	default: /* SIGCHLD: whoever has ended is reaped in every turn */
		break;
	}
}

static void take_signals(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (s->phase != PHASE_DONE &&
	       read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
		on_signal(s, info.ssi_signo);
}

static bool is_usage_flushed(const struct supervisor *s)
{
	for (int i = 0; i < s->board->n_backends; i++)
		if (!usage_is_flushed(&s->helper.usage[i]))
			return false;
	return true;
}

/* The children have gone. */
static void flush(struct supervisor *s)
{
	s->phase = PHASE_FLUSH;
	if (!is_usage_flushed(s) &&
	    !helper_start(&s->helper, HELPER_USAGE, s->current->config, 0, FLUSH_LIMIT))
		log_error("runtime", "usage of the last moments is lost",
		          LOG_STR("error", s->helper.report->error));
}

static void check_start(struct supervisor *s)
{
	size_t died;
	enum children_progress p = children_progress(s->children, &died);

	if (p == CHILDREN_FAILED) {
		fail_start(s, s->board->start_error[0] ? s->board->start_error
		                                       : "all children died at their start");
	} else if (p == CHILDREN_SERVING) {
		children_promote(s->children, LEAVE_LIMIT);
		s->phase = PHASE_SERVE;
		log_start(s);
		daemon_ready();
	}
}

static void tick(struct supervisor *s)
{
	daemon_watchdog();
	log_set_level(board_log_level(s->board, s->current->config));
	helper_tick(&s->helper);
	if (s->phase == PHASE_START)
		check_start(s);
	children_tick(s->children);
	reload_tick(s);
	if (s->phase >= PHASE_START && s->current->config->database.driver == DRIVER_EMBEDDED)
		watch_postmaster(s);
	if (s->phase == PHASE_DELAY && clock_mono() >= s->phase_end)
		leave(s);
	if (s->phase == PHASE_LEAVE && children_alive(s->children) == 0 && !s->helper.pid)
		flush(s);
	if (s->phase == PHASE_FLUSH && !s->helper.pid)
		s->phase = PHASE_DONE;
	generations_sweep(s);
}

static int patience_ms(const struct supervisor *s)
{
	int64_t left;

	if (s->phase == PHASE_START || s->reload.step == RELOAD_STEP_START || s->reload.again)
		return TICK_START_MS;
	if (s->phase != PHASE_DELAY)
		return TICK_MS;
	left = (s->phase_end - clock_mono()) / CLOCK_MS + 1;
	return left < 0 ? 0 : left < TICK_MS ? (int)left : TICK_MS;
}

static void loop(struct supervisor *s)
{
	while (s->phase != PHASE_DONE) {
		struct pollfd p = {.fd = s->signal_fd, .events = POLLIN};

		poll(&p, 1, patience_ms(s));
		take_signals(s);
		if (s->phase == PHASE_DONE)
			break;
		reap(s);
		tick(s);
	}
}

/* --- all of it -------------------------------------------------------------------------- */

static void stop_postmaster(const struct supervisor *s)
{
	if (!s->postmaster)
		return;
	if (s->stops > 2)
		kill(s->postmaster, SIGINT); /* its fast shutdown; nobody waits for it */
	else
		embedded_stop(s->postmaster);
}

static void close_supervisor(struct supervisor *s)
{
	stop_postmaster(s);
	listeners_close(&s->listen);
	daemon_pid_remove();
	metrics_attach(NULL, 0, 0, NULL);
	munmap(s->board, board_size(s->first->config));
	children_free(&s->children);
	generations_free(s);
	free(s->backend_names);
	munmap(s->helper.report, sizeof *s->helper.report);
	close(s->signal_fd);
}

static void boot(struct supervisor *s)
{
	const struct daemon_options *o = s->options;

	/* A postmaster started by the helper becomes ours when that has ended. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	daemon_log_inactive(s->current->config);
	if (!helper_start(&s->helper, HELPER_BOOT, s->current->config, o->wait_db, CLOCK_NEVER))
		fail_start(s, s->helper.report->error);
}

int supervisor_run(const struct daemon_options *o, struct config *c)
{
	static struct supervisor s; /* static: still reachable in children, for leak checks */
	struct error e;

	s = (struct supervisor){.options = o, .listen = {.metrics = -1, .control = -1}};
	s.first = s.current = MEM_NEW(struct generation);
	s.first->config = c;
	c->generation = 1;
	s.signal_fd = daemon_signalfd((const int[]){SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD, 0});
	daemon_raise_limits();
	helper_init(&s.helper);
	open_board(&s);
	if (claim_host(&s, &e) == ERR_OK) {
		s.children = children_new(s.board, &s.listen);
		boot(&s);
		loop(&s);
	} else {
		s.status = daemon_fail(o, "cannot start", &e);
	}
	close_supervisor(&s);
	log_info("runtime", "stopped", LOG_INT("status", s.status));
	return s.status;
}
