/* SPDX-License-Identifier: MIT
 *
 * The turns of the loop: expire deadlines, run ready tasks, wait for events.
 * Event callbacks only make tasks ready. All deadlines share one libevent
 * timer, which is only ever moved forward: when it fires early, because the
 * deadline that it was set for has been removed, the turn finds nothing to do.
 */
#include "rt/task.h"

#include <assert.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "rt/rt_private.h"

static struct {
	struct event_base *base;
	struct event *timer;
	int64_t armed; /* when the timer fires; CLOCK_NEVER: it is not set */
	int64_t now;   /* 0: not read since the last wait */
	uint64_t turns;
	bool stopping;
} loop;

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	loop.armed = CLOCK_NEVER;
}

static struct event_base *new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config) {
		event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
		event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
		event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE);
		base = event_base_new_with_config(config);
		event_config_free(config);
	}
	return base;
}

void rt_init(void)
{
	assert(!loop.base);
	loop.base = new_base();
	loop.timer = loop.base ? event_new(loop.base, -1, 0, on_timer, NULL) : NULL;
	if (!loop.timer) {
		fprintf(stderr, "cannot create an event loop\n");
		abort();
	}
	loop.armed = CLOCK_NEVER;
	loop.now = 0;
	loop.turns = 0;
	loop.stopping = false;
}

static void free_loop(void)
{
	event_free(loop.timer);
	event_base_free(loop.base);
	loop.timer = NULL;
	loop.base = NULL;
}

/* The epoll instance is shared with the parent: removing a descriptor from it
 * would remove it there too. event_reinit() moves everything to a new instance
 * and only closes our copy of the old one; then it can be freed. */
void rt_init_after_fork(void)
{
	if (loop.base) {
		event_reinit(loop.base);
		offload_forget();
		free_loop();
	}
	task_forget_all();
	ready_forget();
	deadline_deinit();
	rt_init();
}

struct event_base *rt_base(void)
{
	return loop.base;
}

int64_t rt_now(void)
{
	if (loop.now == 0)
		loop.now = clock_mono();
	return loop.now;
}

uint64_t rt_turns(void)
{
	return loop.turns;
}

static void arm_timer(void)
{
	int64_t left, next = deadline_next();
	struct timeval tv;

	if (next >= loop.armed)
		return;
	left = next - clock_mono();
	if (left < 0)
		left = 0;
	tv.tv_sec = left / CLOCK_SEC;
	tv.tv_usec = left % CLOCK_SEC;
	if (event_add(loop.timer, &tv) == 0)
		loop.armed = next;
}

static void wait_for_events(void)
{
	int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;

	if (ready_is_empty())
		arm_timer();
	else
		flags |= EVLOOP_NONBLOCK;
	loop.now = 0; /* callbacks must not see the time before the wait */
	event_base_loop(loop.base, flags);
}

static bool finished(void)
{
	return loop.stopping && task_count() == 0;
}

void rt_run(void)
{
	assert(!task_self());
	while (!finished()) {
		loop.turns++;
		loop.now = clock_mono();
		deadline_expire(loop.now);
		ready_run();
		if (!finished())
			wait_for_events();
	}
	loop.stopping = false;
}

void rt_stop(void)
{
	loop.stopping = true;
}

void rt_deinit(void)
{
	assert(task_count() == 0);
	offload_deinit();
	task_free_pool();
	deadline_deinit();
	free_loop();
}
