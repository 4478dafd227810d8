/* SPDX-License-Identifier: MIT
 *
 * The metrics page, Prometheus text format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "observe/metrics.h"
#include "observe/metrics_private.h"

struct page {
	const struct metrics_layout *layout;
	const uint64_t *sums;
	struct buf *out;
};

static const char *type_name(const struct metrics_family *f)
{
	if (metrics_is_histogram(f))
		return "histogram";
	return f->type == TYPE_COUNTER ? "counter" : "gauge";
}

static const char *label_value(const struct metrics_layout *l, enum metrics_set set, int i)
{
	switch (set) {
	case SET_BACKEND:
		return l->names[i];
	case SET_BACKEND_OR_NONE:
		return i == 0 ? "" : l->names[i - 1];
	case SET_BREAKER:
		return i == METRIC_BREAKER_DATABASE ? "database" : l->names[i - 1];
	default:
		return metrics_set_value(set, i);
	}
}

static void add_escaped(struct buf *out, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == '\n') {
			buf_add_cstr(out, "\\n");
			continue;
		}
		if (*value == '"' || *value == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, *value);
	}
}

/* {a="x",b="y"}, with le as the last one when it is not NULL. */
static void add_labels(const struct page *p, enum metric m, const int *labels, const char *le)
{
	const struct metrics_family *f = &metrics_families[m];
	char separator = '{';

	for (int i = 0; i < METRICS_LABELS && f->labels[i].set != SET_NONE; i++) {
		buf_printf(p->out, "%c%s=\"", separator, f->labels[i].name);
		add_escaped(p->out, label_value(p->layout, f->labels[i].set, labels[i]));
		buf_add_char(p->out, '"');
		separator = ',';
	}
	if (le != NULL) {
		buf_printf(p->out, "%cle=\"%s\"", separator, le);
		separator = ',';
	}
	if (separator == ',')
		buf_add_char(p->out, '}');
}

static void add_simple(const struct page *p, enum metric m, const int *labels, uint64_t value)
{
	const struct metrics_family *f = &metrics_families[m];

	buf_add_cstr(p->out, f->name);
	add_labels(p, m, labels, NULL);
	if (f->type == TYPE_COUNTER)
		buf_printf(p->out, " %" PRIu64 "\n", value);
	else
		buf_printf(p->out, " %" PRId64 "\n", (int64_t)value);
}

static void add_histogram(const struct page *p, enum metric m, const int *labels,
                          const uint64_t *cells)
{
	const struct metrics_family *f = &metrics_families[m];
	const struct metrics_bounds *b = metrics_bounds(f->type);
	uint64_t count = 0;
	double sum;

	for (size_t i = 0; i <= b->n; i++) {
		char le[32] = "+Inf";

		if (i < b->n)
			snprintf(le, sizeof(le), "%.10g", b->upper[i]);
		count += cells[i];
		buf_printf(p->out, "%s_bucket", f->name);
		add_labels(p, m, labels, le);
		buf_printf(p->out, " %" PRIu64 "\n", count);
	}
	memcpy(&sum, &cells[b->n + 1], sizeof(sum));
	buf_printf(p->out, "%s_sum", f->name);
	add_labels(p, m, labels, NULL);
	buf_printf(p->out, " %.12g\n%s_count", sum, f->name);
	add_labels(p, m, labels, NULL);
	buf_printf(p->out, " %" PRIu64 "\n", count);
}

static bool all_zero(const uint64_t *cells, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (cells[i] != 0)
			return false;
	return true;
}

static void add_combination(const struct page *p, enum metric m, const int *labels)
{
	const struct metrics_family *f = &metrics_families[m];
	bool histogram = metrics_is_histogram(f);
	size_t width = histogram ? metrics_bounds(f->type)->n + 2 : 1;
	const uint64_t *cells =
		p->sums + metrics_cell(p->layout, m, labels[0], labels[1], labels[2]);

	if (f->show == SHOW_SEEN && all_zero(cells, width))
		return;
	if (histogram)
		add_histogram(p, m, labels, cells);
	else
		add_simple(p, m, labels, cells[0]);
}

static void add_head(struct buf *out, const char *name, const char *help, const char *type)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_family(const struct page *p, enum metric m)
{
	const struct metrics_family *f = &metrics_families[m];
	const int *size = p->layout->size[m];
	int l[METRICS_LABELS];

	add_head(p->out, f->name, f->help, type_name(f));
	for (l[0] = 0; l[0] < size[0]; l[0]++)
		for (l[1] = 0; l[1] < size[1]; l[1]++)
			for (l[2] = 0; l[2] < size[2]; l[2]++)
				add_combination(p, m, l);
}

void metrics_write_page(const struct metrics_layout *l, const uint64_t *sums, struct buf *out,
                        char by)
{
	struct page p = {.layout = l, .sums = sums, .out = out};
	enum metrics_by mask = by == 'W' ? BY_W : BY_P;

	for (int m = 0; m < METRIC_COUNT; m++)
		if ((metrics_families[m].by & mask) != 0)
			add_family(&p, (enum metric)m);
	add_head(out, "s3o_build_info", "Version, and the compiler in place of a Go version.",
	         "gauge");
	buf_printf(out, "s3o_build_info{version=\"%s\",go_version=\"gcc-%d.%d\"} 1\n", S3O_VERSION,
	           __GNUC__, __GNUC_MINOR__);
}
