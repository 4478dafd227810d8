/* SPDX-License-Identifier: MIT
 *
 * The definition of the metrics as tables, and where their cells lie; shared by
 * the storage (metrics.c), the tables (metrics_table.c) and the page
 * (metrics_page.c).
 */
#ifndef OBSERVE_METRICS_PRIVATE_H
#define OBSERVE_METRICS_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "observe/metrics_def.h"

#define METRICS_LABELS 3 /* most labels of a family */

enum metrics_type {
	TYPE_COUNTER,
	TYPE_LEVEL,
	TYPE_GAUGE,
	TYPE_HTTP,
	TYPE_OP,
	TYPE_SIZE,
	TYPE_PASS
};
enum metrics_by { BY_P = 1, BY_W = 2, BY_PW = BY_P | BY_W };
enum metrics_show { SHOW_ALWAYS, SHOW_SEEN };

#define METRICS_SET_(set, list) SET_##set,
enum metrics_set {
	SET_NONE,
	SET_BACKEND,
	SET_BACKEND_OR_NONE,
	SET_BREAKER,
	METRIC_SETS(METRICS_SET_)
};
#undef METRICS_SET_

struct metrics_family {
	enum metrics_type type;
	enum metrics_by by;
	enum metrics_show show;
	const char *name, *help;
	struct {
		const char *name;
		enum metrics_set set; /* SET_NONE: no such label */
	} labels[METRICS_LABELS];
};
extern const struct metrics_family metrics_families[METRIC_COUNT];

/* Values of a closed set that does not depend on the configuration. */
int metrics_set_count(enum metrics_set set);
const char *metrics_set_value(enum metrics_set set, int i);

struct metrics_bounds {
	size_t n;
	double upper[13];
};
bool metrics_is_histogram(const struct metrics_family *f);
const struct metrics_bounds *metrics_bounds(enum metrics_type histogram);

struct metrics_layout {
	int backends;
	const char *const *names;
	size_t cells;               /* in all */
	size_t first[METRIC_COUNT]; /* cell of each family */
	int size[METRIC_COUNT][METRICS_LABELS];
};
size_t metrics_cell(const struct metrics_layout *l, enum metric m, int l1, int l2, int l3);

/* The page from summed cells. */
void metrics_write_page(const struct metrics_layout *l, const uint64_t *sums, struct buf *out,
                        char by);

#endif
