/* SPDX-License-Identifier: MIT
 *
 * See plan.h.
 */
#include "placement/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* 0.5 - 0.4 is less than 0.1. */
#define EPSILON 1e-9

/* A backend as it will be when the moves so far are done. */
struct state {
	struct plan_backend b;
	double balance; /* spread: used, less what should be */
	const struct plan_object *objects;
	size_t n_objects;
	bool *planned; /* one for each object; NULL: not asked for yet */
};

struct plan {
	struct state *states;
	size_t n;
	const struct plan_source *source;
	struct plan_move *moves;
	size_t n_moves, max;
};

static double share(const struct state *s)
{
	return (double)s->b.used / (double)s->b.limit;
}

static uint64_t free_bytes(const struct state *s)
{
	uint64_t taken = s->b.used + s->b.other;

	return taken < s->b.limit ? s->b.limit - taken : 0;
}

bool plan_is_worthwhile(const struct plan_backend *b, size_t n, double threshold)
{
	double min = 2, max = -1;

	for (size_t i = 0; i < n; i++) {
		double used = (double)b[i].used / (double)b[i].limit;

		min = used < min ? used : min;
		max = used > max ? used : max;
	}
	return n >= 2 && max - min >= threshold - EPSILON;
}

static void load_objects(struct plan *p, struct state *s)
{
	if (s->planned)
		return;
	s->n_objects = p->source->objects(p->source->arg, s->b.index, p->max, &s->objects);
	s->planned = mem_alloc((s->n_objects + 1) * sizeof *s->planned);
}

static void move(struct plan *p, struct state *from, struct state *to, size_t i)
{
	const struct plan_object *o = &from->objects[i];

	p->moves[p->n_moves++] = (struct plan_move){*o, from->b.index, to->b.index};
	from->planned[i] = true;
	from->b.used -= o->size < from->b.used ? o->size : from->b.used;
	to->b.used += o->size;
	from->balance -= (double)o->size;
	to->balance += (double)o->size;
}

static bool may_move(const struct plan *p, const struct state *from, const struct state *to,
                     size_t i)
{
	const struct plan_object *o = &from->objects[i];

	return !from->planned[i] && o->size <= free_bytes(to) &&
	       p->source->may_move(p->source->arg, o, from->b.index, to->b.index);
}

/* --- pack ------------------------------------------------------------------------ */

/* The fullest first; of equals the one that is first in the configuration. */
static int by_share(const void *pa, const void *pb)
{
	const struct state *a = pa, *b = pb;
	double x = share(a), y = share(b);

	if (x != y)
		return x > y ? -1 : 1;
	return (a->b.index > b->b.index) - (a->b.index < b->b.index);
}

static void fill_from(struct plan *p, struct state *to, struct state *from)
{
	load_objects(p, from);
	for (size_t i = 0; i < from->n_objects && p->n_moves < p->max; i++) {
		if (share(from) >= share(to))
			return;
		if (may_move(p, from, to, i))
			move(p, from, to, i);
	}
}

static void pack(struct plan *p)
{
	qsort(p->states, p->n, sizeof *p->states, by_share);
	for (size_t to = 0; to < p->n; to++)
		for (size_t from = p->n; from-- > to + 1 && p->n_moves < p->max;)
			fill_from(p, &p->states[to], &p->states[from]);
}

/* --- spread ------------------------------------------------------------------------ */

/* Who has most too much first. */
static int by_balance(const void *pa, const void *pb)
{
	const struct state *a = pa, *b = pb;

	if (a->balance != b->balance)
		return a->balance > b->balance ? -1 : 1;
	return (a->b.index > b->b.index) - (a->b.index < b->b.index);
}

static void weigh(struct plan *p)
{
	double used = 0, limit = 0;

	for (size_t i = 0; i < p->n; i++) {
		used += (double)p->states[i].b.used;
		limit += (double)p->states[i].b.limit;
	}
	for (size_t i = 0; i < p->n; i++)
		p->states[i].balance =
			(double)p->states[i].b.used - (double)p->states[i].b.limit * (used / limit);
	qsort(p->states, p->n, sizeof *p->states, by_balance);
}

/* To the one that lacks most and can take it whole. */
static void give_away(struct plan *p, struct state *from, size_t i)
{
	for (size_t k = p->n; k-- > 0;) {
		struct state *to = &p->states[k];

		if (to->balance + (double)from->objects[i].size <= 0 && to != from &&
		    may_move(p, from, to, i)) {
			move(p, from, to, i);
			return;
		}
	}
}

static void spread(struct plan *p)
{
	weigh(p);
	for (size_t s = 0; s < p->n && p->states[s].balance > 0; s++) {
		struct state *from = &p->states[s];

		load_objects(p, from);
		for (size_t i = 0; i < from->n_objects && p->n_moves < p->max && from->balance > 0;
		     i++)
			if ((double)from->objects[i].size <= from->balance)
				give_away(p, from, i);
	}
}

/* ------------------------------------------------------------------------------------ */

size_t plan_make(enum config_strategy strategy, const struct plan_backend *b, size_t n, size_t max,
                 const struct plan_source *source, struct plan_move *out)
{
	struct plan p = {
		.states = mem_alloc((n + 1) * sizeof *p.states),
		.n = n,
		.source = source,
		.moves = out,
		.max = max,
	};

	for (size_t i = 0; i < n; i++)
		p.states[i].b = b[i];
	if (n >= 2)
		(strategy == STRATEGY_PACK ? pack : spread)(&p);
	for (size_t i = 0; i < n; i++)
		free(p.states[i].planned);
	free(p.states);
	return p.n_moves;
}
