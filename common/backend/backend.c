/* SPDX-License-Identifier: MIT
 *
 * What all backends have in common: the circuit breaker, metrics, usage and one retry
 * around each call.
 *
 * A breaker that let a call through must be told how it ended, on every path;
 * therefore call_begin() and call_end() are the only places that touch it.
 */
#include "backend/backend.h"

#include <stdlib.h>

#include "backend/backend_private.h"
#include "backend/body_meter.h"
#include "backend/breaker.h"
#include "backend/usage.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "observe/metrics.h"
#include "rt/task.h"

/* Pause before the retry of a busy backend: long enough to matter, short against
 * a request's patience; random, so that callers do not come back together. */
#define RETRY_MIN    (100 * CLOCK_MS)
#define RETRY_SPREAD (400 * CLOCK_MS)

/* --- the set -------------------------------------------------------------- */

static enum err make_one(const struct config_backend *config, struct store *store, int64_t timeout,
                         struct backend **out, struct error *e)
{
	if (config->type != BACKEND_DIRECTORY)
		return s3_open(config, timeout, out, e);
	*out = directory_new(store, timeout);
	return ERR_OK;
}

static enum err open_one(const struct config *c, size_t i, struct breaker *breaker,
                         struct store *store, struct backend **out, struct error *e)
{
	const struct config_backend *config = &c->backends[i];
	const struct config_breaker *limits = &c->backend_circuit_breaker;
	enum err r = make_one(config, store, c->server.backend_timeout, out, e);
	struct backend *b = *out;

	if (r != ERR_OK)
		return r;
	b->config = config;
	b->name = config->name;
	b->index = (int)i;
	b->timeout_us = c->server.backend_timeout;
	b->breaker = breaker;
	if (breaker == NULL)
		return ERR_OK;
	breaker_init(breaker, limits->enabled ? limits->failure_threshold : 0,
	             limits->open_timeout);
	metrics_set(METRIC_BREAKER_STATE, METRIC_BREAKER_BACKEND(b->index), METRIC_NONE,
	            METRIC_NONE, breaker_state(breaker));
	return ERR_OK;
}

enum err backend_set_open(const struct config *c, struct breaker *breakers, struct store *store,
                          struct backend_set *out, struct error *e)
{
	*out = (struct backend_set){.list = mem_alloc((c->n_backends + 1) * sizeof(*out->list))};
	for (size_t i = 0; i < c->n_backends; i++) {
		enum err r = open_one(c, i, breakers == NULL ? NULL : &breakers[i], store,
		                      &out->list[i], e);

		if (r != ERR_OK) {
			backend_set_close(out);
			return r;
		}
		out->n++;
	}
	return ERR_OK;
}

void backend_set_count(struct backend_set *s, struct usage *usages)
{
	for (size_t i = 0; i < s->n; i++)
		s->list[i]->usage = &usages[i];
}

void backend_set_close(struct backend_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		s->list[i]->ops->free(s->list[i]);
	free(s->list);
	*s = (struct backend_set){0};
}

struct backend *backend_by_name(const struct backend_set *s, struct str name)
{
	for (size_t i = 0; i < s->n; i++)
		if (str_eq(str_of(s->list[i]->name), name))
			return s->list[i];
	return NULL;
}

const char *backend_fault(const struct backend *b)
{
	return b->ops->fault == NULL ? NULL : b->ops->fault(b);
}

bool backend_wants_sha256(const struct backend *b)
{
	return b->config->type == BACKEND_S3 && !b->config->unsigned_payload;
}

bool backend_can_copy(const struct backend *b, uint64_t size)
{
	return b->copy_max > 0 && size <= b->copy_max;
}

static int64_t time_of(uint64_t size, uint64_t rate)
{
	return (int64_t)(size / rate * CLOCK_SEC + size % rate * CLOCK_SEC / rate);
}

int64_t backend_copy_patience(const struct backend *b, uint64_t size)
{
	return b->timeout_us + time_of(size, BACKEND_COPY_RATE);
}

int64_t backend_copy_landing(const struct backend *b, uint64_t size)
{
	if (b->config->type != BACKEND_S3)
		return b->timeout_us;
	return b->timeout_us + time_of(size, BACKEND_COPY_RATE_LATE);
}

/* --- breaker and metrics -------------------------------------------------- */

struct call {
	struct backend *b;
	int operation; /* METRIC_BACKEND_OP_... */
	int64_t start;
	uint64_t ticket;
	struct error *e;
	struct error ignored; /* for callers without an interest in errors */
};

static void count_transition(const struct backend *b, enum breaker_state from,
                             enum breaker_state to)
{
	int name = METRIC_BREAKER_BACKEND(b->index);

	metrics_inc(METRIC_BREAKER_TRANSITIONS, name, (int)from, (int)to);
	metrics_set(METRIC_BREAKER_STATE, name, METRIC_NONE, METRIC_NONE,
	            breaker_state(b->breaker));
}

static enum err call_begin(struct call *c, struct backend *b, int operation, struct error *e)
{
	*c = (struct call){.b = b, .operation = operation, .start = clock_mono()};
	c->e = e != NULL ? e : &c->ignored;
	if (b->breaker == NULL)
		return ERR_OK;
	if (!breaker_allow(b->breaker, &c->ticket))
		return err_set(c->e, ERR_UNAVAILABLE, "%s: its circuit breaker is open", b->name);
	if (breaker_is_probe(c->ticket))
		count_transition(b, BREAKER_OPEN, BREAKER_HALF_OPEN);
	return ERR_OK;
}

/* Does the outcome show that the backend is ill? A full backend is not: it must
 * stay readable. */
static bool is_failure(enum err r)
{
	switch (r) {
	case ERR_TIMEOUT:
	case ERR_IO:
	case ERR_PROTOCOL:
	case ERR_DENIED:
	case ERR_BUSY:
		return true;
	default:
		return false;
	}
}

static void log_change(const struct call *c, enum err r, int64_t open_for)
{
	const struct backend *b = c->b;

	if (r == ERR_OK || !is_failure(r))
		log_info("backend", "circuit breaker closed", LOG_STR("backend", b->name),
		         LOG_INT("duration_ms", open_for / CLOCK_MS));
	else if (breaker_is_probe(c->ticket))
		log_warn("backend", "circuit breaker stays open", LOG_STR("backend", b->name),
		         LOG_INT("duration_ms", open_for / CLOCK_MS), LOG_STR("error", c->e->text));
	else
		log_warn("backend", "circuit breaker opened", LOG_STR("backend", b->name),
		         LOG_INT("attempts", breaker_failures(b->breaker)),
		         LOG_STR("error", c->e->text));
}

static void report(const struct call *c, enum err r, bool counted)
{
	struct breaker *breaker = c->b->breaker;
	int64_t open_for = breaker_open_for(breaker);
	enum breaker_state from = breaker_is_probe(c->ticket) ? BREAKER_HALF_OPEN : BREAKER_CLOSED;

	if (!breaker_report(breaker, c->ticket, !is_failure(r), counted))
		return;
	if (counted)
		log_change(c, r, open_for);
	count_transition(c->b, from, counted && !is_failure(r) ? BREAKER_CLOSED : BREAKER_OPEN);
}

/* source_failed: the error is that of the bytes to be sent. */
static enum err call_end(struct call *c, enum err r, bool source_failed)
{
	const struct backend *b = c->b;
	bool counted = r != ERR_CANCELED && r != ERR_INVALID && r != ERR_UNAVAILABLE &&
	               r != ERR_CONGESTED && !source_failed;

	metrics_inc(METRIC_BACKEND_REQUESTS, c->operation, b->index,
	            r == ERR_OK ? METRIC_RESULT_SUCCESS : METRIC_RESULT_ERROR);
	if (b->breaker != NULL)
		report(c, r, counted);
	return r;
}

static void observe(const struct call *c)
{
	metrics_observe(METRIC_BACKEND_DURATION, c->operation, c->b->index,
	                (double)(clock_mono() - c->start) / CLOCK_SEC);
}

/* True when a busy backend may be asked once more: after a pause, and only if
 * that leaves most of the time. */
static bool pause_for_retry(const struct call *c, enum err r)
{
	int64_t pause = RETRY_MIN + (int64_t)(random_u64() % RETRY_SPREAD);

	return r == ERR_BUSY && clock_mono() - c->start + pause < c->b->timeout_us / 2 &&
	       task_sleep(pause) == 0;
}

/* --- the calls ------------------------------------------------------------ */

enum err backend_put(struct backend *b, struct arena *a, struct backend_put *p, struct error *e)
{
	struct body *source = p->body;
	struct body_meter meter;
	struct call c;
	enum err r = call_begin(&c, b, METRIC_BACKEND_OP_PUT, e);

	p->etag_md5[0] = '\0';
	p->sent_any = p->source_failed = false;
	if (r != ERR_OK)
		return r;
	p->body = body_meter_init(&meter, source, usage_add_ingress, b->usage);
	r = b->ops->put(b, a, p, c.e);
	if (!meter.touched && pause_for_retry(&c, r))
		r = b->ops->put(b, a, p, c.e);
	p->body = source;
	if (!meter.touched && source->size > 0)
		p->sent_any = false; /* at most the request's head */
	observe(&c);
	return call_end(&c, r, p->source_failed);
}

/* Not repeated when the backend is busy: the bytes can be sent elsewhere. A refusal may
 * concern only the copying, so it does not show that the backend is ill. */
enum err backend_copy(struct backend *b, struct arena *a, struct str from, uint64_t size,
                      struct backend_put *p, struct error *e)
{
	struct call c;
	enum err r;

	p->etag_md5[0] = '\0';
	p->sent_any = p->source_failed = false;
	if (!backend_can_copy(b, size))
		return err_set(e, ERR_UNSUPPORTED, "%s does not copy by itself", b->name);
	r = call_begin(&c, b, METRIC_BACKEND_OP_COPY, e);
	if (r != ERR_OK)
		return r;
	r = b->ops->copy(b, a, from, size, p, c.e);
	if (r == ERR_UNSUPPORTED)
		b->copy_max = 0;
	observe(&c);
	return call_end(&c, r, r == ERR_DENIED || r == ERR_UNSUPPORTED);
}

enum err backend_get(struct backend *b, struct arena *a, struct backend_get *g, struct error *e)
{
	struct call c;
	enum err r = call_begin(&c, b, METRIC_BACKEND_OP_GET, e);

	g->body = NULL;
	if (r != ERR_OK)
		return r;
	r = b->ops->get(b, a, g, c.e);
	if (pause_for_retry(&c, r))
		r = b->ops->get(b, a, g, c.e);
	if (r == ERR_OK)
		g->body = body_meter_new(g->body, b, c.start, c.operation);
	else
		observe(&c);
	return call_end(&c, r, false);
}

enum err backend_head(struct backend *b, struct arena *a, struct str key, struct backend_info *out,
                      struct error *e)
{
	struct call c;
	enum err r = call_begin(&c, b, METRIC_BACKEND_OP_HEAD, e);

	if (r != ERR_OK)
		return r;
	r = b->ops->head(b, a, key, out, c.e);
	if (pause_for_retry(&c, r))
		r = b->ops->head(b, a, key, out, c.e);
	observe(&c);
	return call_end(&c, r, false);
}

enum err backend_remove(struct backend *b, struct arena *a, struct str key, struct error *e)
{
	struct call c;
	enum err r = call_begin(&c, b, METRIC_BACKEND_OP_DELETE, e);

	if (r != ERR_OK)
		return r;
	r = b->ops->remove(b, a, key, c.e);
	if (pause_for_retry(&c, r))
		r = b->ops->remove(b, a, key, c.e);
	observe(&c);
	return call_end(&c, r, false);
}

enum err backend_list(struct backend *b, struct arena *a, struct backend_list *l, struct error *e)
{
	struct call c;
	enum err r = call_begin(&c, b, METRIC_BACKEND_OP_LIST, e);

	l->items = NULL;
	l->n_items = 0;
	l->more = false;
	if (r != ERR_OK)
		return r;
	r = b->ops->list(b, a, l, c.e);
	if (pause_for_retry(&c, r))
		r = b->ops->list(b, a, l, c.e);
	observe(&c);
	return call_end(&c, r, false);
}
