/* SPDX-License-Identifier: MIT
 *
 * The life of a child: open what requests need, serve, leave, free everything.
 * A database that is away does not keep it from starting: the supervisor has
 * seen it work, and a respawned child has to answer "degraded" rather than die.
 */
#include "proxyd/child.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "backend/backend.h"
#include "backend/usage_flush.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "config/config.h"
#include "ctl/daemon.h"
#include "db/db.h"
#include "object/engine.h"
#include "net/doors.h"
#include "observe/metrics.h"
#include "proxyd/board.h"
#include "proxyd/http/health.h"
#include "proxyd/keys.h"
#include "proxyd/listen.h"
#include "proxyd/server.h"
#include "proxyd/tls.h"
#include "rt/fd.h"
#include "rt/sync.h"
#include "rt/task.h"
#include "store/store.h"

#define HOST_ID_BYTES 12

#define HEARTBEAT (1 * CLOCK_SEC)
/* How long the first requests may be kept waiting for the database connection,
 * so that a start or a reload does not begin with errors. */
#define DB_PATIENCE (2 * CLOCK_SEC)

/* Each is a socket and a few structs, and while a request is in progress a task
 * with two memory mappings, of which Linux allows a process 65,530 by default. */
#define CONNECTIONS_MAX 8192
/* At a door for people and scrapers. */
#define CONNECTIONS_FEW 64
/* How long idle connections stay open while another generation takes over. When
 * the whole server stops nobody else listens: no reason to linger. */
#define LEAVE_IDLE (5 * CLOCK_SEC)

struct child {
	const struct child_setup *setup;
	struct server server;
	struct ssl_ctx_st *tls;
	struct doors *doors;
	struct wait_group group, flushing;
	struct task *heartbeat, *signals, *usage;
	int signal_fd;
	struct notify wake; /* leaving was set */
	bool leaving;
	int status;
	char instance[DAEMON_INSTANCE_SIZE];
	char host_id[2 * HOST_ID_BYTES + 1];
};

/* --- tasks beside the requests ------------------------------------------------ */

static void heartbeat_task(void *arg)
{
	struct child *c = arg;

	do {
		log_set_level(board_log_level(c->setup->board, c->setup->config));
		c->server.self->heartbeat = clock_mono();
	} while (task_sleep(HEARTBEAT) == 0);
}

static void on_signal(struct child *c, uint32_t signo)
{
	if (signo == SIGUSR1)
		daemon_log_reopen();
	if (signo == SIGTERM) {
		if (getppid() != c->setup->supervisor) /* it was killed: all of us leave */
			c->setup->board->stopping = true;
		c->leaving = true;
		notify_all(&c->wake);
	}
}

static void signal_task(void *arg)
{
	struct child *c = arg;
	struct rt_fd *f = rt_fd_new(c->signal_fd);
	struct signalfd_siginfo info;

	do {
		while (read(rt_fd_get(f), &info, sizeof info) == (ssize_t)sizeof info)
			on_signal(c, info.ssi_signo);
	} while (rt_fd_wait_read(f, CLOCK_NEVER) == 0);
	rt_fd_close(&f);
}

/* Any child may flush for all of them; what the last ones have counted is the
 * supervisor's. Those that leave have settings of yesterday. */
static void usage_task(void *arg)
{
	struct child *c = arg;
	struct server *s = &c->server;
	struct board *b = s->board;

	while (task_sleep(usage_flush_pace(s->config)) == 0)
		if (s->self->state == CHILD_SERVING)
			usage_flush_tick(&b->usage_flusher, board_usage(b), s->config, s->store);
}

/* --- what requests need ---------------------------------------------------------- */

static void on_database(void *arg, enum db_state from, enum db_state to)
{
	struct board_child *self = arg;

	self->database = (int)to;
	metrics_inc(METRIC_BREAKER_TRANSITIONS, METRIC_BREAKER_DATABASE, (int)from, (int)to);
}

static struct db *open_db(const struct config *c, const char *conninfo, struct board_child *self)
{
	struct db *db = db_new(&(struct db_options){
		.conninfo = conninfo,
		.failure_threshold = c->circuit_breaker.failure_threshold,
		.open_timeout_us = c->circuit_breaker.open_timeout,
		.on_state = on_database,
		.arg = self,
	});
	struct error ignored;

	db_wait_ready(db, rt_now() + DB_PATIENCE, &ignored);
	return db;
}

static void open_catalogue(struct child *c)
{
	const struct config *config = c->setup->config;
	struct arena *a = arena_new();
	const char *conninfo = db_conninfo(a, config);
	struct server *s = &c->server;

	s->db = open_db(config, conninfo, s->self);
	s->store = store_new(s->db, config, c->instance);
	s->keys = keys_new(s->store, s->db);
	arena_free(&a);
}

static void name_instance(struct child *c)
{
	uint8_t random[HOST_ID_BYTES];

	daemon_instance(c->instance);
	random_bytes(random, sizeof random);
	hex_encode(random, sizeof random, c->host_id);
}

static enum err open_server(struct child *c, struct error *e)
{
	const struct config *config = c->setup->config;
	struct server *s = &c->server;
	enum err r;

	name_instance(c);
	s->instance = c->instance;
	s->host_id = c->host_id;
	if ((r = tls_server_new(&config->server.tls, &c->tls, e)) != ERR_OK)
		return r;
	open_catalogue(c);
	r = backend_set_open(config, board_breakers(s->board), s->store, &s->backends, e);
	if (r != ERR_OK)
		return r;
	backend_set_count(&s->backends, board_usage(s->board));
	s->engine = engine_new(config, s->store, &s->backends);
	if (wait_group_spawn(&c->flushing, "usage", usage_task, c, &c->usage) < 0)
		return err_set(e, ERR_IO, "no task can be started");
	return ERR_OK;
}

static void close_server(struct child *c)
{
	struct server *s = &c->server;

	if (c->usage)
		task_cancel(c->usage);
	wait_group_wait(&c->flushing, 0);
	if (s->engine)
		engine_free(&s->engine);
	backend_set_close(&s->backends);
	keys_free(&s->keys);
	if (s->store)
		store_free(&s->store);
	if (s->db)
		db_free(&s->db);
	SSL_CTX_free(c->tls);
}

/* A request takes descriptors besides its connection: another connection, to a
 * backend, a file to spill to, a pipe. Half is for them. */
static size_t connections_max(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur / 2 > CONNECTIONS_MAX)
		return CONNECTIONS_MAX;
	return r.rlim_cur / 2;
}

static int64_t bound(int64_t configured)
{
	return configured > 0 ? configured : CLOCK_NEVER;
}

static enum err open_door(struct child *c, int fd, void (*handle)(struct http_call *c),
                          struct error *e)
{
	const struct config_server *config = &c->setup->config->server;
	bool public = handle == route_public;
	const struct door_options o = {
		.fd = fd,
		.tls = public ? c->tls : NULL,
		.limit = public ? connections_max() : CONNECTIONS_FEW,
		.handle = handle,
		.malformed = route_malformed,
		.arg = &c->server,
		.idle_us = bound(config->idle_timeout),
		.header_us = bound(config->read_header_timeout),
		.write_idle_us = bound(config->write_timeout),
	};

	return doors_open(c->doors, &o, e);
}

static enum err open_doors(struct child *c, struct error *e)
{
	const struct listeners *l = c->setup->listen;
	struct board_child *self = c->server.self;
	enum err r;

	c->doors = doors_new((struct doors_counters){
		.connections = &self->connections,
		.requests = &self->requests,
		.served = &self->served,
	});
	r = open_door(c, l->tcp[c->setup->listener], route_public, e);
	if (r == ERR_OK)
		r = open_door(c, l->control, route_control, e);
	if (r == ERR_OK && l->metrics >= 0)
		r = open_door(c, l->metrics, route_metrics, e);
	return r;
}

/* --- life ------------------------------------------------------------------------- */

static void serve(struct child *c)
{
	c->server.self->state = CHILD_SERVING;
	while (!c->leaving)
		notify_wait(&c->wake, CLOCK_NEVER);
	c->server.self->state = CHILD_LEAVING;
}

static void start_failed(struct child *c, const struct error *e)
{
	struct board *b = c->setup->board;

	c->status = DAEMON_FAILED;
	log_error("runtime", "child cannot start", LOG_STR("error", e->text));
	snprintf(b->start_error, sizeof b->start_error, "%s", e->text);
}

static void child_task(void *arg)
{
	struct child *c = arg;
	struct error e = {0};

	if (wait_group_spawn(&c->group, "heartbeat", heartbeat_task, c, &c->heartbeat) < 0 ||
	    wait_group_spawn(&c->group, "signals", signal_task, c, &c->signals) < 0)
		abort(); /* not even two stacks */
	if (open_server(c, &e) == ERR_OK && open_doors(c, &e) == ERR_OK)
		serve(c);
	else
		start_failed(c, &e);
	if (c->doors)
		doors_leave(c->doors, c->setup->board->stopping ? 0 : LEAVE_IDLE, CLOCK_NEVER);
	close_server(c);
	doors_free(&c->doors);
	task_cancel(c->heartbeat);
	task_cancel(c->signals);
	wait_group_wait(&c->group, 0);
	rt_stop();
}

/* The supervisor was killed: nobody is left to end a child that hangs or takes too
 * long, and a new supervisor may wait for its sockets. A handler, because it works
 * although the loop may not; SA_RESETHAND lets the next SIGALRM kill. */
static void on_orphaned(int signo)
{
	(void)signo;
	alarm(CHILD_LEAVE_SECONDS);
	kill(getpid(), SIGTERM); /* for signal_task() */
}

/* True when the supervisor lives and its death will be told. */
static bool follow_supervisor(pid_t supervisor)
{
	const struct sigaction a = {.sa_handler = on_orphaned,
	                            .sa_flags = SA_RESETHAND | SA_RESTART};

	sigaction(SIGALRM, &a, NULL);
	prctl(PR_SET_PDEATHSIG, SIGALRM);
	return getppid() == supervisor;
}

int child_main(const struct child_setup *setup)
{
	struct child c = {
		.setup = setup,
		.server = {.config = setup->config,
	                   .board = setup->board,
	                   .self = &setup->board->child[setup->entry]},
	};

	daemon_forked();
	if (!follow_supervisor(setup->supervisor))
		return DAEMON_OK;
	/* Ctrl-C reaches the whole process group; the supervisor decides. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	c.signal_fd = daemon_signalfd((const int[]){SIGTERM, SIGUSR1, 0});
	listeners_keep(setup->listen, setup->listener);
	metrics_use_slot(setup->entry);
	rt_init();
	if (!task_spawn("child", child_task, &c))
		abort();
	rt_run();
	rt_deinit();
	return c.status;
}
