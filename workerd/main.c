/* SPDX-License-Identifier: MIT
 *
 * workerd: background jobs. One process, one loop. Starts in the order that lets
 * errors be seen: options, configuration, sockets, database, then the loop; the
 * service manager hears of it when jobs run.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "ctl/daemon.h"
#include "db/db.h"
#include "db/migrate.h"
#include "observe/metrics.h"
#include "rt/fd.h"
#include "rt/task.h"
#include "workerd/scheduler.h"
#include "workerd/serve.h"
#include "workerd/watch.h"
#include "workerd/worker.h"

#define COMPONENT "runtime"

/* An embedded database is started by proxyd, which may come up with us. */
#define EMBEDDED_WAIT (60 * CLOCK_SEC)

/* Between two attempts to reach the database at start. */
#define RETRY_MS 500

/* For the connections of the loop, once the database has answered. */
#define READY_WAIT (10 * CLOCK_SEC)

/* Items in progress may end within this time when the daemon stops. */
#define STOP_WAIT (10 * CLOCK_SEC)

struct start {
	struct daemon_options options;
	struct worker worker;
	int tcp, control, signals;
	int status; /* for exit */
	struct task *signal_task;
};

static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, 0};

/* --- before the loop ----------------------------------------------------- */

static enum err bind_sockets(struct start *s, struct error *e)
{
	const struct config *c = s->worker.first;
	char pid_file[4096];
	enum err r = daemon_run_dir(c->server.run_dir, s->options.user, e);

	snprintf(pid_file, sizeof pid_file, "%s/workerd.pid", c->server.run_dir);
	if (r == ERR_OK)
		r = daemon_pid_lock(s->options.pid_file ? s->options.pid_file : pid_file, e);
	if (r == ERR_OK)
		r = serve_bind_tcp(c, &s->tcp, e);
	if (r == ERR_OK)
		r = daemon_become(s->options.user, e);
	if (r == ERR_OK)
		r = serve_bind_control(c, &s->control, e);
	if (r == ERR_OK)
		daemon_pid_write();
	return r;
}

/* True when the daemon is to end instead of waiting on. A reload is remembered. */
static bool is_interrupted(struct start *s, int wait_ms)
{
	struct pollfd p = {.fd = s->signals, .events = POLLIN};
	struct signalfd_siginfo info;

	poll(&p, 1, wait_ms);
	while (read(s->signals, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			return true;
		if (info.ssi_signo == SIGHUP)
			worker_want_reload(&s->worker);
		else
			daemon_log_reopen();
	}
	return false;
}

/* Waits for the database and brings its schema up to date. */
static enum err prepare_database(struct start *s, bool *interrupted, struct error *e)
{
	const struct config *c = s->worker.first;
	int64_t wait = s->options.wait_db;
	struct migrate_result m;
	int64_t deadline;
	enum err r;

	if (c->database.driver == DRIVER_EMBEDDED && wait < EMBEDDED_WAIT)
		wait = EMBEDDED_WAIT;
	deadline = clock_deadline(wait);
	for (;;) {
		r = migrate_run(s->worker.conninfo, &m, e);
		/* nothing else gets better by waiting */
		if ((r != ERR_UNAVAILABLE && r != ERR_DB_BUSY) || clock_mono() >= deadline)
			break;
		*interrupted = is_interrupted(s, RETRY_MS);
		if (*interrupted)
			return ERR_CANCELED;
	}
	if (r == ERR_OK && m.applied > 0)
		log_info("store", "Database migrations applied", LOG_INT("from", m.from),
		         LOG_INT("to", m.to), LOG_INT("count", m.applied));
	return r;
}

/* --- in the loop --------------------------------------------------------- */

static void on_notification(struct str slug, void *arg)
{
	scheduler_wake(arg, slug, false);
}

static void stop(struct worker *w)
{
	w->stopping = true;
	notify_all(&w->changed);
}

/* TERM once: items in progress may end; twice: their waits are ended; three
 * times: exit at once. */
static void on_signal(struct worker *w, int signo, int *terms)
{
	switch (signo) {
	case SIGHUP:
		if (!w->stopping)
			worker_want_reload(w);
		break;
	case SIGUSR1:
		daemon_log_reopen();
		break;
	default:
		if (++*terms == 1)
			stop(w);
		else if (*terms > 2)
			_exit(DAEMON_FAILED);
		else if (w->scheduler)
			scheduler_cancel(w->scheduler);
	}
}

static void signal_main(void *arg)
{
	struct start *s = arg;
	struct rt_fd *fd = rt_fd_new(s->signals);
	int terms = 0, r = 0;

	while (r == 0 || r == -ETIMEDOUT) {
		struct signalfd_siginfo info;

		while (read(s->signals, &info, sizeof info) == sizeof info)
			on_signal(&s->worker, (int)info.ssi_signo, &terms);
		daemon_watchdog();
		r = rt_fd_wait_read(fd, clock_deadline(CLOCK_SEC));
	}
	rt_fd_close(&fd);
	s->signal_task = NULL;
}

static void log_start(const struct worker *w)
{
	const struct config *c = w->first;

	log_info(COMPONENT, "S3 Orchestrator starting", LOG_STR("version", S3O_VERSION),
	         LOG_STR("mode", "worker"), LOG_STR("listen_addr", c->worker.listen_addr),
	         LOG_INT("backends", c->n_backends), LOG_STR("instance", w->instance));
	daemon_log_inactive(c);
}

static void on_database(void *arg, enum db_state from, enum db_state to)
{
	(void)arg;
	metrics_inc(METRIC_BREAKER_TRANSITIONS, METRIC_BREAKER_DATABASE, (int)from, (int)to);
}

static enum err open_all(struct worker *w, struct error *e)
{
	const struct db_options o = {
		.conninfo = w->conninfo,
		.failure_threshold = w->first->circuit_breaker.failure_threshold,
		.open_timeout_us = w->first->circuit_breaker.open_timeout,
		.on_state = on_database,
	};
	enum err r;

	worker_metrics_attach(w->first);
	w->db = db_new(&o);
	r = db_wait_ready(w->db, clock_deadline(READY_WAIT), e);
	if (r == ERR_OK)
		r = setup_open(w, w->first, NULL, &w->setup, e);
	if (r == ERR_OK) /* to know which limits are reached already */
		r = worker_usage_flush(w, e);
	return r;
}

/* The last jobs have ended. */
static void flush_last(struct worker *w)
{
	struct error e;

	if (worker_usage_flush(w, &e) != ERR_OK)
		log_error(COMPONENT, "usage of the last moments is lost", LOG_STR("error", e.text));
}

static void serve_until_stopped(struct start *s)
{
	struct worker *w = &s->worker;
	struct wait_group flushing = {0};
	struct db_listener *listener;
	struct watch *watch;
	struct task *usage;
	struct doors *doors;

	w->scheduler = scheduler_new(w);
	watch = watch_new(w);
	listener = db_listen(w->db, "s3o_jobs", on_notification, w->scheduler);
	doors = serve_new(w, s->tcp, s->control);
	s->signal_task = task_spawn("signals", signal_main, s);
	if (wait_group_spawn(&flushing, "usage", worker_usage_main, w, &usage) < 0)
		abort(); /* no memory for a stack at start */
	w->ready = true;
	daemon_ready();
	while (!w->stopping) {
		if (w->reload.wanted)
			worker_reload(w);
		else
			notify_wait(&w->changed, CLOCK_NEVER);
	}
	log_info(COMPONENT, "stopping");
	daemon_notify("STOPPING=1");
	scheduler_stop(w->scheduler);
	watch_free(&watch);
	if (!scheduler_wait(w->scheduler, clock_deadline(STOP_WAIT)))
		scheduler_cancel(w->scheduler);
	db_listener_free(&listener);
	serve_free(&doors);
	scheduler_free(&w->scheduler);
	task_cancel(usage);
	wait_group_wait(&flushing, 0);
	flush_last(w);
	if (s->signal_task)
		task_cancel(s->signal_task);
}

static void main_task(void *arg)
{
	struct start *s = arg;
	struct worker *w = &s->worker;
	struct error e;

	if (open_all(w, &e) == ERR_OK) {
		log_start(w);
		serve_until_stopped(s);
	} else {
		s->status = daemon_fail(&s->options, "start failed", &e);
	}
	if (w->setup)
		setup_drop(&w->setup);
	db_free(&w->db);
	rt_stop();
}

static void run_loop(struct start *s)
{
	rt_init();
	if (!task_spawn("main", main_task, s))
		abort();
	rt_run();
	rt_deinit();
	worker_metrics_detach();
	buf_free(&s->worker.reload.error);
	buf_free(&s->worker.reload.restart);
}

/* --- main ---------------------------------------------------------------- */

static int start(struct start *s)
{
	struct worker *w = &s->worker;
	struct arena *arena = arena_new();
	bool interrupted = false;
	struct error e;
	int status = DAEMON_OK;

	w->conninfo = db_conninfo(arena, w->first);
	w->started = clock_wall();
	w->generation = 1;
	daemon_instance(w->instance);
	daemon_raise_limits();
	if (bind_sockets(s, &e) != ERR_OK) {
		status = daemon_fail(&s->options, "start failed", &e);
	} else {
		s->signals = daemon_signalfd(signals);
		if (prepare_database(s, &interrupted, &e) == ERR_OK)
			run_loop(s);
		else if (!interrupted)
			status = daemon_fail(&s->options, "start failed", &e);
		serve_unlink_control(w->first);
		daemon_pid_remove();
	}
	arena_free(&arena);
	return status ? status : s->status;
}

int main(int argc, char **argv)
{
	struct start s = {.tcp = -1, .control = -1};
	int status = daemon_options(&s.options, "workerd", argc, argv);
	struct error e;

	if (status >= 0)
		return status;
	if (s.options.check)
		return daemon_check_config(s.options.config);
	if (s.options.detach && daemon_detach(&s.options, &e) != ERR_OK)
		return daemon_fail(&s.options, "start failed", &e);
	s.worker.first = daemon_load_config(s.options.config);
	if (!s.worker.first)
		return DAEMON_FAILED;
	s.worker.config_file = s.options.config;
	if (daemon_log_open(&s.options, s.worker.first->server.log_level, &e) != ERR_OK)
		status = daemon_fail(&s.options, "start failed", &e);
	else
		status = start(&s);
	config_free(&s.worker.first);
	return status;
}
