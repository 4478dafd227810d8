/* SPDX-License-Identifier: MIT
 *
 * See standing.h.
 */
#include "workerd/standing.h"

#include <string.h>
#include "backend/backend.h"
#include "backend/breaker.h"
#include "base/clock.h"
#include "config/config.h"
#include "workerd/worker.h"

static void take_space(const struct store_space *space, size_t n, struct standing *s)
{
	for (size_t i = 0; i < n; i++) {
		if (!str_eq(space[i].backend, str_of(s->backend->name)))
			continue;
		s->draining = space[i].draining;
		s->limit = space[i].limit;
		s->used = space[i].used;
		s->other = space[i].reserved + space[i].orphaned;
	}
}

static void judge(const struct config *c, struct standing *s, int64_t *due)
{
	int64_t patience = c->replication.unhealthy_threshold, open;

	if (!s->backend->breaker || breaker_state(s->backend->breaker) == BREAKER_CLOSED)
		return;
	s->ill = true;
	open = breaker_open_for(s->backend->breaker);
	s->written_off = patience > 0 && open >= patience;
	if (patience > 0 && !s->written_off) {
		int64_t when = clock_wall() + patience - open;

		*due = *due == 0 || when < *due ? when : *due;
	}
}

enum err standings_load(struct pass *p, struct standings *out, struct error *e)
{
	const struct setup *setup = p->setup;
	struct store_space *space;
	size_t n_space;
	enum err r = store_space(setup->store, p->arena, &space, &n_space, e);

	if (r != ERR_OK)
		return r;
	*out = (struct standings){.n = setup->backends.n};
	out->list = ARENA_ARRAY(p->arena, struct standing, out->n);
	for (size_t i = 0; i < out->n; i++) {
		struct backend *b = setup->backends.list[i];

		out->list[i] = (struct standing){
			.backend = b,
			.domain = config_domain(setup->config, b->config),
		};
		take_space(space, n_space, &out->list[i]);
		judge(setup->config, &out->list[i], &out->due);
	}
	return ERR_OK;
}

bool standing_counts(const struct standing *s)
{
	return !s->draining && !s->written_off;
}

const struct standing *standing_of(const struct standings *all, struct str backend)
{
	for (size_t i = 0; i < all->n; i++)
		if (str_eq(str_of(all->list[i].backend->name), backend))
			return &all->list[i];
	return NULL;
}

static bool holds(const struct store_held *h, const struct standing *s)
{
	for (size_t i = 0; h && i < h->n_copies; i++)
		if (str_eq(h->copies[i].backend, str_of(s->backend->name)))
			return true;
	return !h;
}

/* h is NULL: everybody holds a copy. */
static struct presence count(const struct standings *all, const struct store_held *h)
{
	struct presence there = {0};

	for (size_t i = 0; i < all->n; i++) {
		const struct standing *s = &all->list[i];
		bool is_new = true;

		if (!standing_counts(s) || !holds(h, s))
			continue;
		there.copies++;
		for (size_t k = 0; k < i && is_new; k++)
			is_new = !standing_counts(&all->list[k]) || !holds(h, &all->list[k]) ||
			         strcmp(all->list[k].domain, s->domain) != 0;
		there.domains += is_new;
	}
	return there;
}

struct presence presence_of(const struct standings *all, const struct store_held *h)
{
	return count(all, h);
}

struct presence presence_possible(const struct standings *all)
{
	return count(all, NULL);
}

struct store_wanted_copies standings_wanted(struct pass *p, const struct standings *all)
{
	const char **names = ARENA_ARRAY(p->arena, const char *, all->n);
	const char **domains = ARENA_ARRAY(p->arena, const char *, all->n);
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++) {
		if (!standing_counts(&all->list[i]))
			continue;
		names[n] = all->list[i].backend->name;
		domains[n++] = all->list[i].domain;
	}
	return (struct store_wanted_copies){names, domains, n};
}

struct store_counted standings_counting(struct pass *p, const struct standings *all)
{
	struct store_wanted_copies w = standings_wanted(p, all);

	return (struct store_counted){w.backends, w.n};
}
