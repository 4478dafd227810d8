/* SPDX-License-Identifier: MIT
 *
 * Working through the items of one pass with several tasks at once. The tasks
 * share the index of the next item: tasks never run in parallel, so that needs
 * no lock.
 */
#include "rt/sync.h"
#include "rt/task.h"
#include "workerd/job.h"

struct crew {
	struct pass *pass;
	size_t n, next;
	void (*fn)(void *arg, size_t i);
	void *arg;
};

struct member {
	struct crew *crew;
	struct task **self; /* entry in pass.members; NULL once the task has ended */
};

bool pass_must_stop(const struct pass *p)
{
	return p->must_stop(p);
}

static void work(struct crew *c)
{
	while (c->next < c->n && !pass_must_stop(c->pass))
		c->fn(c->arg, c->next++);
}

static void member_main(void *arg)
{
	struct member *m = arg;

	work(m->crew);
	*m->self = NULL;
}

size_t pass_each(struct pass *p, int concurrency, size_t n, void (*fn)(void *arg, size_t i),
                 void *arg)
{
	struct crew crew = {.pass = p, .n = n, .fn = fn, .arg = arg};
	struct member members[PASS_MEMBERS];
	struct wait_group group = {0};

	for (int i = 0; i < concurrency && i < PASS_MEMBERS && (size_t)i < n; i++) {
		members[i] = (struct member){.crew = &crew, .self = &p->members[i]};
		if (wait_group_spawn(&group, p->job->slug, member_main, &members[i],
		                     &p->members[i]) < 0)
			break;
	}
	if (group.running == 0) /* no memory for stacks: one after another, then */
		work(&crew);
	wait_group_wait(&group, 0);
	return crew.next;
}

void pass_cancel(struct pass *p)
{
	for (int i = 0; i < PASS_MEMBERS; i++)
		if (p->members[i])
			task_cancel(p->members[i]);
}
