/* SPDX-License-Identifier: MIT
 *
 * The engine itself and the question which backends may take new bytes.
 */
#include "object/engine.h"

#include <stdlib.h>
#include <string.h>

#include "backend/breaker.h"
#include "backend/usage.h"
#include "base/buf.h"
#include "base/mem.h"
#include "object/engine_private.h"

struct engine *engine_new(const struct config *c, struct store *store,
                          const struct backend_set *backends)
{
	struct engine *g = MEM_NEW(struct engine);
	g->config = c;
	g->store = store;
	g->backends = backends;
	g->budget.limit = c->write_path.memory_budget;
	g->budget.threshold = c->write_path.spill_threshold;
	g->budget.dir = c->server.spill_dir;
	return g;
}

void engine_free(struct engine **g)
{
	free(*g);
	*g = NULL;
}

struct spool_budget *engine_spool_budget(struct engine *g)
{
	return &g->budget;
}

bool engine_wants_sha256(const struct engine *g)
{
	for (size_t i = 0; i < g->backends->n; i++)
		if (backend_wants_sha256(g->backends->list[i]))
			return true;
	return false;
}

static bool is_used_up(const struct backend *b, uint64_t size)
{
	return !usage_allows(b->usage, b->config,
	                     (struct usage_amounts){.api = 1, .ingress = size});
}

static void consider_copy(const struct engine *g, const struct backend *b, struct str holder,
                          struct placement_candidate *c)
{
	const struct config_backend *held = config_backend(g->config, holder);
	if (str_eq(holder, str_of(b->name)))
		c->holds = true;
	if (held)
		c->same_domain = c->same_domain || strcmp(config_domain(g->config, held),
		                                          config_domain(g->config, b->config)) == 0;
}

static void consider_copies(const struct engine *g, const struct backend *b,
                            const struct engine_held *held, struct placement_candidate *c)
{
	for (size_t i = 0; i < held->n_copies; i++)
		consider_copy(g, b, held->copies[i].backend, c);
	for (size_t i = 0; i < held->n_intents; i++)
		if (held->intents[i].backend)
			consider_copy(g, b, str_of(held->intents[i].backend), c);
}

size_t engine_candidates(struct engine *g, uint64_t size, const struct engine_held *held,
                         struct placement_candidate *c)
{
	size_t n_space;
	const struct store_space *space = store_space_hint(g->store, &n_space);
	for (size_t i = 0; i < g->backends->n; i++) {
		const struct backend *b = g->backends->list[i];
		c[i] = (struct placement_candidate){
			.index = (int)i,
			.limit = b->config->quota_bytes,
			.max_object = b->config->max_object_size,
			.reachable = !b->breaker || breaker_is_eligible(b->breaker),
			.used_up = is_used_up(b, size),
		};
		consider_copies(g, b, held, &c[i]);
		for (size_t k = 0; k < n_space; k++) {
			if (!str_eq(space[k].backend, str_of(b->name)))
				continue;
			c[i].taken = space[k].used + space[k].reserved + space[k].orphaned;
			c[i].draining = space[k].draining;
		}
	}
	return placement_order(g->config->routing_strategy, size, c, g->backends->n);
}

bool engine_has_room(const struct placement_candidate *c, uint64_t size)
{
	return c->limit == 0 || (c->taken <= c->limit && size <= c->limit - c->taken);
}

/* As far as is known now. */
static bool enough_have_room(struct engine *g, uint64_t size, int copies,
                             struct placement_candidate *c)
{
	size_t eligible = engine_candidates(g, size, &(struct engine_held){0}, c);
	int n = 0;
	for (size_t i = 0; i < eligible; i++)
		n += engine_has_room(&c[i], size);
	return n >= copies;
}

enum err engine_none_eligible(const struct engine *g, uint64_t size,
                              const struct placement_candidate *c, const char *text,
                              struct error *e)
{
	for (size_t i = 0; i < g->backends->n; i++)
		if (placement_is_used_up(&c[i], size) && engine_has_room(&c[i], size))
			return err_set(e, ERR_USED_UP, "%s", text);
	return err_set(e, ERR_NO_SPACE, "%s", text);
}

static enum err no_room(const struct engine *g, uint64_t size, const struct placement_candidate *c,
                        struct error *e)
{
	BUF_AUTO text = {0};
	buf_printf(&text, "No backend can accept a %llu byte upload; backend usage:",
	           (unsigned long long)size);
	for (size_t i = 0; i < g->backends->n; i++)
		buf_printf(&text, "%s %s=%llu/%llu%s", i ? "," : "",
		           g->backends->list[c[i].index]->name, (unsigned long long)c[i].taken,
		           (unsigned long long)c[i].limit, c[i].used_up ? " (monthly limit)" : "");
	buf_add_char(&text, '\0');
	return engine_none_eligible(g, size, c, text.p, e);
}

enum err engine_admit(struct engine *g, struct str bucket, uint64_t size, struct error *e)
{
	struct placement_candidate *c = mem_alloc(g->backends->n * sizeof(*c));
	int copies = config_ack(g->config, bucket);
	enum err r = ERR_OK;
	/* Nobody is refused by what was true long ago; if nothing newer can be had,
	 * the reservation decides. */
	if (!enough_have_room(g, size, copies, c) && store_space_renew(g->store) &&
	    !enough_have_room(g, size, copies, c))
		r = no_room(g, size, c, e);
	free(c);
	return r;
}
