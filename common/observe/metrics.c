/* SPDX-License-Identifier: MIT
 *
 * Storage of the metrics. The region is a header and then areas of equal
 * layout: area 0 is the common one (retired counters, shared gauges, what the
 * supervisor counts), area 1 + i belongs to slot i. Cells are 64 bits, written
 * by one process each with relaxed atomics.
 *
 * The complication: folding a dead child's area into the common one must not
 * be seen half-done, or totals would jump. A sequence number, odd during a
 * fold, makes readers look again.
 */
#include "observe/metrics.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "observe/metrics_private.h"

#define CACHE_LINE 64

typedef _Atomic uint64_t cell;

struct header {
	_Alignas(CACHE_LINE) _Atomic uint64_t sequence;
	_Atomic uint8_t used[]; /* of each area: unused ones are not even read, which
	                         * would make the kernel allocate their pages */
};

static struct {
	struct header *header; /* NULL: no region */
	cell *areas;
	cell *own; /* area of this process */
	struct metrics_layout layout;
	int slots;
} region;

static size_t round_up(size_t n)
{
	return (n + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static size_t header_size(int slots)
{
	return round_up(sizeof(struct header) + (size_t)slots + 1);
}

/* Cells from one area to the next: whole cache lines. */
static size_t area_stride(const struct metrics_layout *l)
{
	return round_up(l->cells * sizeof(cell)) / sizeof(cell);
}

static int set_size(enum metrics_set set, int backends)
{
	switch (set) {
	case SET_NONE:
		return 1;
	case SET_BACKEND:
		return backends;
	case SET_BACKEND_OR_NONE:
	case SET_BREAKER:
		return backends + 1;
	default:
		return metrics_set_count(set);
	}
}

/* Cells of one combination of labels; histograms: buckets, +Inf, sum. */
static size_t cells_of(const struct metrics_family *f)
{
	return metrics_is_histogram(f) ? metrics_bounds(f->type)->n + 2 : 1;
}

static void lay_out(struct metrics_layout *l, int backends, const char *const *names)
{
	*l = (struct metrics_layout){.backends = backends, .names = names};
	for (int m = 0; m < METRIC_COUNT; m++) {
		const struct metrics_family *f = &metrics_families[m];
		size_t n = cells_of(f);

		l->first[m] = l->cells;
		for (int i = 0; i < METRICS_LABELS; i++) {
			l->size[m][i] = set_size(f->labels[i].set, backends);
			n *= (size_t)l->size[m][i];
		}
		l->cells += n;
	}
}

size_t metrics_cell(const struct metrics_layout *l, enum metric m, int l1, int l2, int l3)
{
	const int *size = l->size[m];

	assert(l1 >= 0 && l1 < size[0] && l2 >= 0 && l2 < size[1] && l3 >= 0 && l3 < size[2]);
	size_t combination = ((size_t)l1 * (size_t)size[1] + (size_t)l2) * (size_t)size[2];
	return l->first[m] + (combination + (size_t)l3) * cells_of(&metrics_families[m]);
}

size_t metrics_size(int slots, int backends)
{
	struct metrics_layout l;

	lay_out(&l, backends, NULL);
	return header_size(slots) + (size_t)(slots + 1) * area_stride(&l) * sizeof(cell);
}

static cell *area(int i)
{
	return region.areas + (size_t)i * area_stride(&region.layout);
}

void metrics_attach(void *memory, int slots, int backends, const char *const *names)
{
	region.header = memory;
	if (memory == NULL)
		return;
	region.slots = slots;
	region.areas = (cell *)((char *)memory + header_size(slots));
	lay_out(&region.layout, backends, names);
	region.own = area(0);
	atomic_store(&region.header->used[0], 1);
}

int metrics_backend(struct str name)
{
	for (int i = 0; i < region.layout.backends; i++)
		if (str_eq(name, str_of(region.layout.names[i])))
			return METRIC_BACKEND_OR_NONE(i);
	return METRIC_BACKEND_OR_NONE(-1);
}

void metrics_use_slot(int slot)
{
	if (region.header == NULL)
		return;
	assert(slot >= 0 && slot < region.slots);
	region.own = area(slot + 1);
	atomic_store(&region.header->used[slot + 1], 1);
}

/* --- writing -------------------------------------------------------------- */

static uint64_t load(const cell *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

static void store(cell *c, uint64_t value)
{
	atomic_store_explicit(c, value, memory_order_relaxed);
}

static double to_double(uint64_t bits)
{
	double d;

	memcpy(&d, &bits, sizeof(d));
	return d;
}

static uint64_t from_double(double d)
{
	uint64_t bits;

	memcpy(&bits, &d, sizeof(bits));
	return bits;
}

void metrics_add(enum metric m, int l1, int l2, int l3, uint64_t n)
{
	if (region.header == NULL)
		return;
	assert(metrics_families[m].type == TYPE_COUNTER);
	cell *c = region.own + metrics_cell(&region.layout, m, l1, l2, l3);
	store(c, load(c) + n);
}

void metrics_inc(enum metric m, int l1, int l2, int l3)
{
	metrics_add(m, l1, l2, l3, 1);
}

void metrics_set(enum metric m, int l1, int l2, int l3, int64_t value)
{
	if (region.header == NULL)
		return;
	assert(metrics_families[m].type == TYPE_GAUGE);
	store(area(0) + metrics_cell(&region.layout, m, l1, l2, l3), (uint64_t)value);
}

void metrics_gauge_add(enum metric m, int l1, int l2, int l3, int64_t delta)
{
	if (region.header == NULL)
		return;
	assert(metrics_families[m].type == TYPE_LEVEL);
	cell *c = region.own + metrics_cell(&region.layout, m, l1, l2, l3);
	store(c, load(c) + (uint64_t)delta);
}

void metrics_observe(enum metric m, int l1, int l2, double value)
{
	const struct metrics_family *f = &metrics_families[m];

	if (region.header == NULL)
		return;
	assert(metrics_is_histogram(f));
	const struct metrics_bounds *b = metrics_bounds(f->type);
	cell *c = region.own + metrics_cell(&region.layout, m, l1, l2, METRIC_NONE);
	size_t i = 0;
	while (i < b->n && value > b->upper[i])
		i++;
	store(&c[i], load(&c[i]) + 1);
	store(&c[b->n + 1], from_double(to_double(load(&c[b->n + 1])) + value));
}

/* --- reading -------------------------------------------------------------- */

/* Two values of the i-th cell of a family, added. */
static uint64_t combine(const struct metrics_family *f, size_t i, uint64_t a, uint64_t b)
{
	size_t width = cells_of(f);

	if (metrics_is_histogram(f) && i % width == width - 1)
		return from_double(to_double(a) + to_double(b));
	return a + b;
}

static size_t family_end(int m)
{
	return m + 1 < METRIC_COUNT ? region.layout.first[m + 1] : region.layout.cells;
}

static void add_area(const cell *from, uint64_t *sums)
{
	for (int m = 0; m < METRIC_COUNT; m++) {
		size_t first = region.layout.first[m];

		for (size_t i = first; i < family_end(m); i++)
			sums[i] = combine(&metrics_families[m], i - first, sums[i], load(&from[i]));
	}
}

/* Calls read(arg) until no fold came in between. A supervisor that died in the
 * middle of one must not stop us for ever, hence the bound; a fold takes
 * microseconds. */
static void read_consistently(void (*read)(void *arg), void *arg)
{
	for (int tries = 0; tries < 1000; tries++) {
		uint64_t before = atomic_load(&region.header->sequence);

		read(arg);
		atomic_thread_fence(memory_order_acquire);
		if (before % 2 == 0 && atomic_load(&region.header->sequence) == before)
			return;
	}
}

static void sum_everything(void *arg)
{
	uint64_t *sums = arg;

	memset(sums, 0, region.layout.cells * sizeof(*sums));
	for (int i = 0; i <= region.slots; i++)
		if (atomic_load(&region.header->used[i]) != 0)
			add_area(area(i), sums);
}

struct one_sum {
	size_t cell, n;
	uint64_t value;
};

static void sum_one(void *arg)
{
	struct one_sum *o = arg;

	o->value = 0;
	for (int i = 0; i <= region.slots; i++)
		if (atomic_load(&region.header->used[i]) != 0)
			for (size_t k = 0; k < o->n; k++)
				o->value += load(area(i) + o->cell + k);
}

uint64_t metrics_sum(enum metric m, int l1, int l2, int l3)
{
	const struct metrics_family *f = &metrics_families[m];
	struct one_sum o;

	if (region.header == NULL)
		return 0;
	o.cell = metrics_cell(&region.layout, m, l1, l2, l3);
	o.n = metrics_is_histogram(f) ? cells_of(f) - 1 : 1; /* how often, not how much */
	read_consistently(sum_one, &o);
	return o.value;
}

void metrics_render(struct buf *out, char by)
{
	uint64_t *sums;

	if (region.header == NULL)
		return;
	sums = mem_alloc(region.layout.cells * sizeof(*sums));
	read_consistently(sum_everything, sums);
	metrics_write_page(&region.layout, sums, out, by);
	free(sums);
}

/* --- end of a child ------------------------------------------------------- */

static void fold(int m, cell *dead, cell *common)
{
	const struct metrics_family *f = &metrics_families[m];
	size_t first = region.layout.first[m];

	for (size_t i = first; i < family_end(m); i++) {
		if (f->type != TYPE_LEVEL)
			store(&common[i], combine(f, i - first, load(&common[i]), load(&dead[i])));
		store(&dead[i], 0);
	}
}

void metrics_retire_slot(int slot)
{
	if (region.header == NULL)
		return;
	assert(slot >= 0 && slot < region.slots);
	atomic_fetch_add(&region.header->sequence, 1);
	atomic_thread_fence(memory_order_release);
	for (int m = 0; m < METRIC_COUNT; m++)
		fold(m, area(slot + 1), area(0));
	atomic_store(&region.header->used[slot + 1], 0);
	atomic_fetch_add(&region.header->sequence, 1);
}
