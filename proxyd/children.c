/* SPDX-License-Identifier: MIT
 *
 * Forking, watching and replacing children. The complication is that everything
 * known about a child is known twice: here, where only the supervisor writes and
 * which decides, and on the board, where the child writes its state and its
 * heartbeat.
 */
#include "proxyd/children.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "observe/metrics.h"
#include "proxyd/board.h"
#include "proxyd/child.h"
#include "proxyd/listen.h"

/* A child that has not completed a turn of its loop for that long hangs, and
 * with it its share of the new connections. */
#define HUNG       (10 * CLOCK_SEC)
#define HUNG_START (30 * CLOCK_SEC) /* while it opens its backends */

/* A supervisor that was not run for that long itself (suspended, no CPU) must
 * not take its children, which were not run either, for hung. */
#define ABSENCE (5 * CLOCK_SEC)

#define BACKOFF_MIN (1 * CLOCK_SEC)
#define BACKOFF_MAX (30 * CLOCK_SEC)
#define HEALTHY     (60 * CLOCK_SEC) /* that long alive: the next death is a first one */

struct process {
	pid_t pid; /* 0: this entry is free */
	const struct config *config;
	int seat;
	int64_t started; /* clock_mono */
	int64_t kill_at; /* CLOCK_NEVER: it may live */
	bool leaving;    /* has no seat any more */
	bool killed;
};

/* While a seat is vacant the connections that the kernel gives to its socket
 * wait. A child that dies of its requests is therefore never kept waiting for
 * longer than BACKOFF_MIN, and not at all when it was the last one; only one
 * that does not even come to serve waits longer each time. */
struct seat {
	int current, next;    /* entries, -1: empty */
	int64_t vacant_until; /* with current == -1: not replaced before */
	int64_t backoff;      /* 0: the next replacement comes at once */
	bool served;          /* the last child did */
};

struct children {
	struct board *board;
	const struct listeners *listen;
	const struct config *config; /* of the current generation */
	bool stopping;
	size_t next_died;               /* of the generation being started */
	int64_t last_tick, trust_until; /* until then no child is taken for hung */
	int seats;
	struct seat seat[LISTEN_MAX];
	struct process process[BOARD_CHILDREN];
};

struct children *children_new(struct board *b, const struct listeners *l)
{
	struct children *k = MEM_NEW(struct children);

	k->board = b;
	k->listen = l;
	k->seats = l->n;
	for (int i = 0; i < k->seats; i++)
		k->seat[i] = (struct seat){.current = -1, .next = -1};
	return k;
}

void children_free(struct children **k)
{
	free(*k);
	*k = NULL;
}

/* --- starting ------------------------------------------------------------------- */

static void put_down(struct process *p)
{
	p->killed = true;
	kill(p->pid, SIGKILL);
}

/* Rather than not starting one, the child that has been leaving longest goes.
 * False: there is none. */
static bool kill_oldest_leaver(struct children *k)
{
	struct process *oldest = NULL;

	for (int i = 0; i < k->board->n_children; i++) {
		struct process *p = &k->process[i];

		if (p->pid && p->leaving && !p->killed && (!oldest || p->started < oldest->started))
			oldest = p;
	}
	if (!oldest)
		return false;
	log_warn("runtime", "child of an earlier configuration killed to make room",
	         LOG_INT("child", oldest->pid));
	put_down(oldest);
	return true;
}

bool children_make_room(struct children *k)
{
	int missing = k->seats, dying = 0;

	for (int i = 0; i < k->board->n_children; i++) {
		missing -= k->process[i].pid == 0;
		dying += k->process[i].pid && k->process[i].killed;
	}
	while (dying < missing && kill_oldest_leaver(k))
		dying++;
	return missing <= 0;
}

static int free_entry(struct children *k)
{
	for (int i = 0; i < k->board->n_children; i++)
		if (!k->process[i].pid)
			return i;
	kill_oldest_leaver(k);
	return -1;
}

static void prepare_board(struct children *k, int entry, int seat, const struct config *c)
{
	struct board_child *b = &k->board->child[entry];

	b->state = CHILD_STARTING;
	b->generation = c->generation;
	b->started = clock_wall();
	b->heartbeat = clock_mono();
	b->connections = b->requests = b->served = 0;
	b->database = DB_CLOSED;
	b->listener = seat;
}

/* The entry, or -1. */
static int spawn(struct children *k, int seat, const struct config *c)
{
	struct child_setup setup = {
		.config = c,
		.board = k->board,
		.listen = k->listen,
		.listener = seat,
		.entry = free_entry(k),
		.supervisor = getpid(),
	};
	pid_t pid;

	if (setup.entry < 0)
		return -1;
	prepare_board(k, setup.entry, seat, c);
	fflush(NULL); /* or a child would write our buffers once more */
	pid = fork();
	if (pid == 0)
		exit(child_main(&setup));
	if (pid < 0) {
		log_error("runtime", "fork failed", LOG_STR("error", strerror(errno)));
		k->board->child[setup.entry].state = CHILD_NONE;
		return -1;
	}
	k->board->child[setup.entry].pid = pid;
	k->process[setup.entry] = (struct process){
		.pid = pid,
		.config = c,
		.seat = seat,
		.started = clock_mono(),
		.kill_at = CLOCK_NEVER,
	};
	return setup.entry;
}

bool children_start(struct children *k, const struct config *c)
{
	k->next_died = 0;
	for (int i = 0; i < k->seats; i++) {
		k->seat[i].next = spawn(k, i, c);
		if (k->seat[i].next < 0)
			return false;
	}
	return true;
}

enum children_progress children_progress(const struct children *k, size_t *died)
{
	bool any = false;

	*died = k->next_died;
	for (int i = 0; i < k->seats; i++) {
		int entry = k->seat[i].next;

		if (entry < 0)
			continue;
		if (k->board->child[entry].state == CHILD_STARTING)
			return CHILDREN_STARTING;
		any = true;
	}
	return any ? CHILDREN_SERVING : CHILDREN_FAILED;
}

/* --- ending --------------------------------------------------------------------- */

static void tell_to_leave(struct process *p, int64_t limit)
{
	p->leaving = true;
	p->kill_at = clock_deadline(limit);
	kill(p->pid, SIGTERM);
}

void children_promote(struct children *k, int64_t limit)
{
	for (int i = 0; i < k->seats; i++) {
		struct seat *s = &k->seat[i];

		if (s->current >= 0)
			tell_to_leave(&k->process[s->current], limit);
		*s = (struct seat){.current = s->next, .next = -1};
		if (s->current >= 0)
			k->config = k->process[s->current].config;
	}
}

void children_discard(struct children *k)
{
	for (int i = 0; i < k->seats; i++) {
		struct seat *s = &k->seat[i];

		if (s->next >= 0) {
			k->process[s->next].leaving = true;
			put_down(&k->process[s->next]);
		}
		s->next = -1;
	}
}

static int64_t longer(int64_t backoff, bool served)
{
	if (backoff == 0 || served)
		return BACKOFF_MIN;
	return backoff * 2 < BACKOFF_MAX ? backoff * 2 : BACKOFF_MAX;
}

static void leave_vacant(struct seat *s, int64_t lived, bool served)
{
	if (lived >= HEALTHY)
		s->backoff = 0;
	s->current = -1;
	s->served = served;
	s->vacant_until = clock_mono() + s->backoff;
	s->backoff = longer(s->backoff, served);
}

static void log_death(const struct process *p, int status, int64_t restart_in)
{
	struct log_field how = WIFSIGNALED(status) ? LOG_INT("signal", WTERMSIG(status))
	                                           : LOG_INT("status", WEXITSTATUS(status));

	log_error("runtime", "child exited", LOG_INT("child", p->pid), how,
	          LOG_INT("restart_in", restart_in / CLOCK_SEC));
}

static void forget(struct children *k, int entry)
{
	struct board_child *b = &k->board->child[entry];

	metrics_retire_slot(entry);
	usage_flusher_orphaned(&k->board->usage_flusher, k->process[entry].pid);
	b->state = CHILD_NONE;
	b->pid = 0;
	k->process[entry].pid = 0;
}

static void unseat(struct children *k, int entry, int status)
{
	struct process *p = &k->process[entry];
	struct seat *s = &k->seat[p->seat];

	if (s->next == entry) {
		s->next = -1;
		k->next_died++;
		log_death(p, status, 0);
	} else if (s->current == entry) {
		leave_vacant(s, clock_mono() - p->started,
		             k->board->child[entry].state != CHILD_STARTING);
		log_death(p, status, s->vacant_until - clock_mono());
	}
}

bool children_ended(struct children *k, pid_t pid, int status)
{
	for (int i = 0; i < k->board->n_children; i++) {
		if (k->process[i].pid != pid)
			continue;
		if (!k->process[i].leaving)
			unseat(k, i, status);
		else if (WIFSIGNALED(status) && !k->process[i].killed)
			log_warn("runtime", "child died while leaving", LOG_INT("child", pid),
			         LOG_INT("signal", WTERMSIG(status)));
		forget(k, i);
		return true;
	}
	return false;
}

/* --- watching ------------------------------------------------------------------- */

static void check(struct children *k, int entry)
{
	const struct board_child *b = &k->board->child[entry];
	struct process *p = &k->process[entry];
	int64_t now = k->last_tick;
	int64_t patience = b->state == CHILD_STARTING ? HUNG_START : HUNG;

	if (now >= p->kill_at) {
		log_warn("runtime", "child has not finished in time: requests are cut off",
		         LOG_INT("child", p->pid), LOG_INT("requests", b->requests));
		put_down(p);
	} else if (now - b->heartbeat > patience && now >= k->trust_until) {
		log_error("runtime", "child hangs and is killed", LOG_INT("child", p->pid));
		put_down(p);
	}
}

static bool is_deserted(const struct children *k)
{
	for (int i = 0; i < k->seats; i++)
		if (k->seat[i].current >= 0)
			return false;
	return true;
}

static void refill(struct children *k, int seat)
{
	struct seat *s = &k->seat[seat];

	if (s->current >= 0)
		return;
	if (clock_mono() < s->vacant_until && !(s->served && is_deserted(k)))
		return;
	s->current = spawn(k, seat, k->config);
	if (s->current < 0) {
		leave_vacant(s, 0, false);
		return;
	}
	atomic_fetch_add(&k->board->child_restarts, 1);
	metrics_inc(METRIC_CHILD_RESTARTS, METRIC_NONE, METRIC_NONE, METRIC_NONE);
}

void children_tick(struct children *k)
{
	int64_t now = clock_mono();

	if (now - k->last_tick > ABSENCE)
		k->trust_until = now + HUNG;
	k->last_tick = now;
	for (int i = 0; i < k->board->n_children; i++)
		if (k->process[i].pid && !k->process[i].killed)
			check(k, i);
	/* Without a current generation the first one is still starting. */
	for (int i = 0; i < k->seats && k->config && !k->stopping; i++)
		refill(k, i);
}

void children_leave(struct children *k, int64_t limit)
{
	k->stopping = true;
	children_discard(k);
	for (int i = 0; i < k->board->n_children; i++)
		if (k->process[i].pid)
			tell_to_leave(&k->process[i], limit);
}

void children_kill(struct children *k)
{
	k->stopping = true;
	children_signal(k, SIGKILL);
}

void children_signal(const struct children *k, int signo)
{
	for (int i = 0; i < k->board->n_children; i++)
		if (k->process[i].pid)
			kill(k->process[i].pid, signo);
}

size_t children_alive(const struct children *k)
{
	size_t n = 0;

	for (int i = 0; i < k->board->n_children; i++)
		n += k->process[i].pid != 0;
	return n;
}

bool children_use(const struct children *k, const struct config *c)
{
	for (int i = 0; i < k->board->n_children; i++)
		if (k->process[i].pid && k->process[i].config == c)
			return true;
	return k->config == c;
}
