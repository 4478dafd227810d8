/* SPDX-License-Identifier: MIT
 *
 * A small pool of threads for calls that block. A job lies on the stack of its
 * task, which stays parked until the job is done. Threads report through an
 * eventfd; only the loop's thread touches tasks.
 */
#include "rt/task.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "rt/rt_private.h"

#define THREADS_DEFAULT 4
#define THREADS_MAX     64

struct job {
	struct job *next;
	struct task *task;
	void (*fn)(void *arg);
	void *arg;
	bool done; /* written and read by the loop's thread only */
};

struct jobs {
	struct job *first, *last;
};

/* Everything below `lock` is shared with the threads and guarded by it. */
static struct {
	int limit;
	int started; /* threads */
	pthread_t thread[THREADS_MAX];
	int event_fd;
	struct event *event;

	pthread_mutex_t lock;
	pthread_cond_t work;
	struct jobs waiting, finished;
	int idle; /* threads that wait for work */
	bool quit;
} pool = {
	.limit = THREADS_DEFAULT,
	.event_fd = -1,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.work = PTHREAD_COND_INITIALIZER,
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

/* An eventfd can only refuse a write when its counter is full, and then the
 * loop is told already. */
static void tell_loop(void)
{
	uint64_t one = 1;
	ssize_t ignored = write(pool.event_fd, &one, sizeof(one));

	(void)ignored;
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
		pthread_mutex_unlock(&pool.lock);
		j->fn(j->arg);
		pthread_mutex_lock(&pool.lock);
		if (!pool.finished.first)
			tell_loop();
		jobs_add(&pool.finished, j);
	}
	pthread_mutex_unlock(&pool.lock);
	return NULL;
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
	while ((j = jobs_take(&list))) {
		j->done = true;
		task_wake(j->task);
	}
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

/* A job that finds no idle thread gets one more, up to the limit. */
static bool submit(struct job *j)
{
	bool ok;

	if (!open_channel())
		return false;
	pthread_mutex_lock(&pool.lock);
	ok = pool.started > 0;
	if (pool.started < pool.limit && (pool.idle == 0 || pool.waiting.first))
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
	pool.started = pool.idle = 0;
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
}

void offload_deinit(void)
{
	pthread_mutex_lock(&pool.lock);
	pool.quit = true;
	pthread_cond_broadcast(&pool.work);
	pthread_mutex_unlock(&pool.lock);
	for (int i = 0; i < pool.started; i++)
		pthread_join(pool.thread[i], NULL);
	close_channel();
	reset();
}
