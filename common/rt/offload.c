/* SPDX-License-Identifier: MIT
 *
 * A small pool of threads for calls that block. Threads report through an eventfd;
 * only the loop's thread touches tasks.
 *
 * A job without a lane lies on the stack of its task, which stays parked until the
 * job is done. The complication is jobs of lanes, whose tasks may give them up:
 * such a job is on the heap, and whether it still has a task is asked under the
 * lock, so that either the task or the thread lets go of what it works on.
 */
#include "rt/offload.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "rt/rt_private.h"
#include "rt/sync.h"
#include "rt/task.h"

#define THREADS_DEFAULT 4
#define THREADS_MAX     256

enum job_state { JOB_WAITING, JOB_RUNNING, JOB_FINISHED };

struct job {
	struct job *next;
	struct task *task; /* NULL: nobody waits; guarded by the lock */
	void (*fn)(void *arg);
	void *arg;
	void (*release)(void *arg); /* NULL, or for who has no task when fn returns */
	struct offload_lane *lane;  /* NULL: none, and the job is on a stack */
	enum job_state state;       /* guarded by the lock */
	bool done;                  /* written and read by the loop's thread only */
};

struct jobs {
	struct job *first, *last;
};

/* Used by the loop's thread only. */
struct offload_lane {
	int n;
	int64_t patience_us;
	struct semaphore places;
	size_t in_flight;  /* jobs that have a place */
	struct jobs later; /* nobody waits for them: they take the next place */
	bool closing;
};

/* Everything below `lock` is shared with the threads and guarded by it. */
static struct {
	int limit, extra; /* threads: of all, and those that lanes add */
	int started;
	int ended;
	int lost; /* threads that run what was given up */
	pthread_t thread[THREADS_MAX];
	int event_fd;
	struct event *event;

	pthread_mutex_t lock;
	pthread_cond_t work, end;
	struct jobs waiting, finished;
	int idle; /* threads that wait for work */
	bool quit;
} pool = {
	.limit = THREADS_DEFAULT,
	.event_fd = -1,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.work = PTHREAD_COND_INITIALIZER,
	.end = PTHREAD_COND_INITIALIZER,
};

static void jobs_add(struct jobs *list, struct job *j)
{
	j->next = NULL;
	if (list->last)
		list->last->next = j;
	else
		list->first = j;
	list->last = j;
}

static struct job *jobs_take(struct jobs *list)
{
	struct job *j = list->first;

	if (j) {
		list->first = j->next;
		if (!list->first)
			list->last = NULL;
	}
	return j;
}

static void jobs_remove(struct jobs *list, const struct job *j)
{
	struct jobs rest = {0};
	struct job *other;

	while ((other = jobs_take(list)))
		if (other != j)
			jobs_add(&rest, other);
	*list = rest;
}

/* An eventfd can only refuse a write when its counter is full, and then the
 * loop is told already. */
static void tell_loop(void)
{
	uint64_t one = 1;
	ssize_t ignored = write(pool.event_fd, &one, sizeof(one));

	(void)ignored;
}

/* With the lock, which is not held meanwhile. */
static void run_job(struct job *j)
{
	j->state = JOB_RUNNING;
	pthread_mutex_unlock(&pool.lock);
	j->fn(j->arg);
	pthread_mutex_lock(&pool.lock);
	j->state = JOB_FINISHED;
	if (j->task || !j->release)
		return;
	pthread_mutex_unlock(&pool.lock);
	j->release(j->arg);
	pthread_mutex_lock(&pool.lock);
	pool.lost--;
}

static void *thread_main(void *arg)
{
	struct job *j;

	(void)arg;
	pthread_mutex_lock(&pool.lock);
	for (;;) {
		while (!(j = jobs_take(&pool.waiting)) && !pool.quit) {
			pool.idle++;
			pthread_cond_wait(&pool.work, &pool.lock);
			pool.idle--;
		}
		if (!j)
			break;
		run_job(j);
		if (!pool.finished.first)
			tell_loop();
		jobs_add(&pool.finished, j);
	}
	pool.ended++;
	pthread_cond_signal(&pool.end);
	pthread_mutex_unlock(&pool.lock);
	return NULL;
}

static void lane_leave(struct offload_lane *l);

/* Of a lane: nobody waits any more, or its task is about to see that it is done. */
static void finish(struct job *j)
{
	struct offload_lane *lane = j->lane;

	j->done = true;
	if (j->task)
		task_wake(j->task);
	else
		free(j);
	if (lane)
		lane_leave(lane);
}

static void on_finished(evutil_socket_t fd, short what, void *arg)
{
	uint64_t count;
	ssize_t ignored = read(fd, &count, sizeof(count));
	struct jobs list;
	struct job *j;

	(void)ignored;
	(void)what;
	(void)arg;
	pthread_mutex_lock(&pool.lock);
	list = pool.finished;
	pool.finished = (struct jobs){0};
	pthread_mutex_unlock(&pool.lock);
	while ((j = jobs_take(&list)))
		finish(j);
}

static bool open_channel(void)
{
	if (pool.event)
		return true;
	if (pool.event_fd < 0)
		pool.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pool.event_fd < 0)
		return false;
	pool.event = event_new(rt_base(), pool.event_fd, EV_READ | EV_PERSIST, on_finished, NULL);
	if (pool.event && event_add(pool.event, NULL) < 0) {
		event_free(pool.event);
		pool.event = NULL;
	}
	return pool.event != NULL;
}

/* Signals are for the loop's thread. */
static bool start_thread(void)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&pool.thread[pool.started], NULL, thread_main, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		pthread_setname_np(pool.thread[pool.started++], "offload");
	return r == 0;
}

static bool may_start_thread(void)
{
	int limit = pool.limit + pool.extra;

	return pool.started < (limit < THREADS_MAX ? limit : THREADS_MAX) &&
	       (pool.idle == 0 || pool.waiting.first);
}

/* A job that finds no idle thread gets one more, up to the limit. */
static bool submit(struct job *j)
{
	bool ok;

	if (!open_channel())
		return false;
	pthread_mutex_lock(&pool.lock);
	ok = pool.started > 0 && !pool.quit;
	if (!pool.quit && may_start_thread())
		ok = start_thread() || ok;
	if (ok) {
		jobs_add(&pool.waiting, j);
		pthread_cond_signal(&pool.work);
	}
	pthread_mutex_unlock(&pool.lock);
	return ok;
}

int task_offload(void (*fn)(void *arg), void *arg)
{
	struct job j = {.task = task_self(), .fn = fn, .arg = arg};

	assert(j.task);
	if (!submit(&j))
		return -EAGAIN;
	while (!j.done)
		task_park_uncancellable(CLOCK_NEVER);
	return 0;
}

/* --- lanes ---------------------------------------------------------------- */

struct offload_lane *offload_lane_new(int places, int64_t patience_us)
{
	struct offload_lane *l = MEM_NEW(struct offload_lane);

	l->n = places;
	l->patience_us = patience_us;
	semaphore_init(&l->places, (size_t)places);
	pthread_mutex_lock(&pool.lock);
	pool.extra += places;
	pthread_mutex_unlock(&pool.lock);
	return l;
}

static void lane_end(struct offload_lane *l)
{
	pthread_mutex_lock(&pool.lock);
	pool.extra -= l->n;
	pthread_mutex_unlock(&pool.lock);
	free(l);
}

void offload_lane_free(struct offload_lane **l)
{
	(*l)->closing = true;
	if ((*l)->in_flight == 0)
		lane_end(*l);
	*l = NULL;
}

static struct job *lane_job(struct offload_lane *l, void (*fn)(void *arg), void *arg)
{
	struct job *j = MEM_NEW(struct job);

	j->fn = fn;
	j->arg = arg;
	j->lane = l;
	return j;
}

/* With a place, which is given back when the job has ended. */
static bool lane_submit(struct job *j)
{
	j->lane->in_flight++;
	if (submit(j))
		return true;
	j->lane->in_flight--;
	return false;
}

/* Without a thread what is left to do is done here, which may block. */
static void submit_later(struct job *j)
{
	struct offload_lane *l = j->lane;

	if (lane_submit(j))
		return;
	j->fn(j->arg);
	free(j);
	semaphore_give(&l->places, 1);
}

static void lane_leave(struct offload_lane *l)
{
	l->in_flight--;
	semaphore_give(&l->places, 1);
	while (l->later.first && semaphore_try(&l->places, 1))
		submit_later(jobs_take(&l->later));
	if (l->closing && l->in_flight == 0)
		lane_end(l);
}

void offload_later(struct offload_lane *l, void (*fn)(void *arg), void *arg)
{
	struct job *j = lane_job(l, fn, arg);

	if (semaphore_try(&l->places, 1))
		submit_later(j);
	else
		jobs_add(&l->later, j);
}

/* What the job is at now, and it has no task any more unless it is finished. */
static enum job_state give_up(struct job *j)
{
	enum job_state state;

	pthread_mutex_lock(&pool.lock);
	state = j->state;
	if (state == JOB_WAITING)
		jobs_remove(&pool.waiting, j);
	if (state == JOB_RUNNING) {
		j->task = NULL;
		pool.lost++;
	}
	pthread_mutex_unlock(&pool.lock);
	return state;
}

/* Ends with the job's end, or without it at the deadline. */
static int wait_for(struct job *j, int64_t deadline)
{
	while (!j->done) {
		if (task_park_uncancellable(deadline) == 0)
			continue;
		switch (give_up(j)) {
		case JOB_WAITING:
			lane_leave(j->lane);
			free(j);
			return -EBUSY;
		case JOB_RUNNING:
			return -ETIMEDOUT;
		case JOB_FINISHED: /* the loop is about to tell us */
			deadline = CLOCK_NEVER;
		}
	}
	free(j);
	return 0;
}

int offload_run(struct offload_lane *l, void (*fn)(void *arg), void *arg,
                void (*release)(void *arg))
{
	int64_t deadline = clock_deadline(l->patience_us);
	int r = semaphore_take(&l->places, 1, deadline);
	struct job *j;

	if (r < 0)
		return r == -ETIMEDOUT ? -EBUSY : r;
	j = lane_job(l, fn, arg);
	j->task = task_self();
	j->release = release;
	if (lane_submit(j))
		return wait_for(j, deadline);
	free(j);
	semaphore_give(&l->places, 1);
	return -EAGAIN;
}

/* --- the pool's end ------------------------------------------------------- */

void task_offload_threads(int n)
{
	assert(pool.started == 0);
	pool.limit = n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : n;
}

static void close_channel(void)
{
	if (pool.event)
		event_free(pool.event);
	if (pool.event_fd >= 0)
		close(pool.event_fd);
	pool.event = NULL;
	pool.event_fd = -1;
}

static void reset(void)
{
	pool.started = pool.ended = pool.lost = pool.idle = pool.extra = 0;
	pool.waiting = pool.finished = (struct jobs){0};
	pool.quit = false;
}

/* The threads exist in the parent only, and one of them may have held the lock. */
void offload_forget(void)
{
	close_channel();
	reset();
	pthread_mutex_init(&pool.lock, NULL);
	pthread_cond_init(&pool.work, NULL);
	pthread_cond_init(&pool.end, NULL);
}

/* Jobs that lanes have kept or given up and that ended after the loop. */
static void free_finished(void)
{
	struct job *j;

	while ((j = jobs_take(&pool.finished)))
		if (j->lane)
			finish(j);
}

/* Threads that run what was given up may never end: those stay behind, and with
 * them the pool, which then only serves to let them go. */
void offload_deinit(void)
{
	bool all;

	pthread_mutex_lock(&pool.lock);
	pool.quit = true;
	pthread_cond_broadcast(&pool.work);
	while (pool.started - pool.ended > pool.lost)
		pthread_cond_wait(&pool.end, &pool.lock);
	all = pool.started == pool.ended;
	pthread_mutex_unlock(&pool.lock);
	for (int i = 0; i < pool.started; i++)
		if (all)
			pthread_join(pool.thread[i], NULL);
		else
			pthread_detach(pool.thread[i]);
	if (!all)
		return;
	free_finished();
	close_channel();
	reset();
}
