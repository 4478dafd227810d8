/* SPDX-License-Identifier: MIT
 *
 * See body_meter.h.
 */
#include "backend/body_meter.h"

#include <stdlib.h>

#include "backend/backend.h"
#include "backend/usage.h"
#include "base/clock.h"
#include "base/mem.h"
#include "observe/metrics.h"

static struct body_meter *of(struct body *b)
{
	return (struct body_meter *)b;
}

static ssize_t meter_read(struct body *b, void *buf, size_t n, int64_t idle_us, struct error *e)
{
	struct body_meter *m = of(b);
	ssize_t got;

	m->touched = true;
	got = body_read(m->inner, buf, n, idle_us, e);
	if (got > 0)
		m->count(m->usage, (uint64_t)got);
	return got;
}

static uint64_t meter_raw(struct body *b, struct stream **from, int *file, int64_t *off)
{
	struct body *inner = of(b)->inner;

	of(b)->touched = true;
	return inner->ops->raw(inner, from, file, off);
}

static void meter_taken(struct body *b, uint64_t n)
{
	struct body *inner = of(b)->inner;

	inner->ops->taken(inner, n);
	of(b)->count(of(b)->usage, n);
}

static void meter_close(struct body *b)
{
	struct body_meter *m = of(b);

	body_close(&m->inner);
	metrics_observe(METRIC_BACKEND_DURATION, m->operation, m->backend,
	                (double)(clock_mono() - m->start) / CLOCK_SEC);
	free(m);
}

struct body *body_meter_init(struct body_meter *m, struct body *inner,
                             void (*count)(struct usage *u, uint64_t n), struct usage *usage)
{
	static const struct body_ops plain = {.read = meter_read, .close = meter_close};
	static const struct body_ops raw = {
		.read = meter_read,
		.close = meter_close,
		.raw = meter_raw,
		.taken = meter_taken,
	};

	*m = (struct body_meter){.inner = inner, .count = count, .usage = usage};
	m->body.ops = inner->ops->raw != NULL ? &raw : &plain;
	m->body.size = inner->size;
	return &m->body;
}

struct body *body_meter_new(struct body *inner, const struct backend *b, int64_t start,
                            int operation)
{
	struct body_meter *m = MEM_NEW(struct body_meter);

	body_meter_init(m, inner, usage_add_egress, b->usage);
	m->start = start;
	m->operation = operation;
	m->backend = b->index;
	return &m->body;
}
