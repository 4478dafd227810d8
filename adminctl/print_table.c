/* SPDX-License-Identifier: MIT
 *
 * Output for people: columns as wide as their widest cell. Cells are written
 * one after another into a single buffer, then laid out; widths count
 * characters, not bytes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "adminctl/print.h"
#include "base/mem.h"

struct cell {
	size_t at, n; /* bytes in the buffer */
	int width;
};

struct table {
	struct buf text;
	struct cell *cells; /* row by row, the titles first */
	size_t rows, columns;
	int *widths;
};

static int width_of(const char *p, size_t n)
{
	int width = 0;

	for (size_t i = 0; i < n; i++)
		width += (p[i] & 0xc0) != 0x80; /* not a UTF-8 continuation byte */
	return width;
}

static void close_cell(struct table *t, size_t row, size_t column, size_t start)
{
	struct cell *c = &t->cells[row * t->columns + column];

	c->at = start;
	c->n = t->text.n - start;
	c->width = width_of(t->text.p + start, c->n);
	if (c->width > t->widths[column])
		t->widths[column] = c->width;
}

static void fill(struct table *t, const json_t *rows, const struct print_column *columns)
{
	for (size_t j = 0; j < t->columns; j++) {
		size_t start = t->text.n;

		buf_add_cstr(&t->text, columns[j].title);
		close_cell(t, 0, j, start);
	}
	for (size_t i = 1; i < t->rows; i++)
		for (size_t j = 0; j < t->columns; j++) {
			const json_t *row = json_array_get(rows, i - 1);
			size_t start = t->text.n;

			print_value(&t->text, json_object_get(row, columns[j].key),
			            columns[j].kind);
			close_cell(t, i, j, start);
		}
}

static bool is_right_aligned(enum print_kind k)
{
	return k == PRINT_COUNT || k == PRINT_RATE || k == PRINT_BYTES || k == PRINT_LIMIT ||
	       k == PRINT_COUNT_LIMIT || k == PRINT_MS;
}

static void lay_out(const struct table *t, const struct print_column *columns)
{
	for (size_t i = 0; i < t->rows; i++) {
		for (size_t j = 0; j < t->columns; j++) {
			const struct cell *c = &t->cells[i * t->columns + j];
			int pad = t->widths[j] - c->width;
			bool right = is_right_aligned(columns[j].kind);
			bool last = j + 1 == t->columns;

			printf("%*s%.*s%*s", right ? pad : 0, "", (int)c->n, t->text.p + c->at,
			       right || last ? 0 : pad, "");
			fputs(last ? "\n" : "  ", stdout);
		}
	}
}

void print_table(const json_t *rows, const struct print_column *columns, size_t n)
{
	struct table t = {.rows = json_array_size(rows) + 1, .columns = n};

	if (t.rows == 1)
		return;
	t.cells = mem_alloc(t.rows * n * sizeof *t.cells);
	t.widths = mem_alloc(n * sizeof *t.widths);
	fill(&t, rows, columns);
	lay_out(&t, columns);
	free(t.cells);
	free(t.widths);
	buf_free(&t.text);
}
