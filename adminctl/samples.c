/* SPDX-License-Identifier: MIT
 *
 * See samples.h.
 */
#include "adminctl/samples.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Bounds of a histogram; ours have fewer. */
#define BOUNDS_MAX 64

/* The labels of a line, and its value. False: it is another metric. */
static bool read_sample(struct str line, struct str name, struct str *labels, double *value)
{
	struct str rest = str_skip(line, name.n);
	char number[32];

	if (!str_starts(line, name) || rest.n == 0 || (*rest.p != '{' && *rest.p != ' '))
		return false;
	*labels = STR_NULL;
	if (*rest.p == '{')
		*labels = str_cut(str_skip(rest, 1), '}', &rest);
	rest = str_trim(rest);
	snprintf(number, sizeof number, "%.*s", STR_FMT(rest));
	*value = strtod(number, NULL);
	return true;
}

static bool has(struct str labels, const char *label)
{
	return *label == '\0' || str_find(labels, str_of(label)) >= 0;
}

double samples_sum(struct str page, const char *name, const char *label, const char *other)
{
	struct str labels;
	double sum = 0, value;

	while (page.n > 0) {
		struct str line = str_cut(page, '\n', &page);

		if (read_sample(line, str_of(name), &labels, &value) && has(labels, label) &&
		    has(labels, other))
			sum += value;
	}
	return sum;
}

struct histogram {
	double bounds[BOUNDS_MAX], counts[BOUNDS_MAX]; /* cumulative, as on the page */
	size_t n;
};

static double bound_of(struct str labels)
{
	ssize_t at = str_find(labels, STR("le=\""));
	char number[32];

	if (at < 0)
		return NAN;
	snprintf(number, sizeof number, "%.*s", STR_FMT(str_skip(labels, (size_t)at + 4)));
	return strtod(number, NULL); /* "+Inf", too; ends at the quote */
}

/* Bounds come in order in each histogram, and are the same in all of a family. */
static void add(struct histogram *h, double bound, double count)
{
	size_t i = 0;

	while (i < h->n && h->bounds[i] != bound)
		i++;
	if (i == BOUNDS_MAX || isnan(bound))
		return;
	if (i == h->n)
		h->n++;
	h->bounds[i] = bound;
	h->counts[i] += count;
}

static void read_histogram(struct str page, const char *name, const char *label, double sign,
                           struct histogram *h)
{
	struct str labels;
	double value;

	while (page.n > 0) {
		struct str line = str_cut(page, '\n', &page);

		if (read_sample(line, str_of(name), &labels, &value) && has(labels, label))
			add(h, bound_of(labels), sign * value);
	}
}

double samples_quantile(struct str before, struct str after, const char *base, const char *label,
                        double share)
{
	struct histogram h = {.n = 0};
	char name[128];
	double wanted, low = 0, below = 0;

	snprintf(name, sizeof name, "%s_bucket", base);
	read_histogram(after, name, label, 1, &h);
	read_histogram(before, name, label, -1, &h);
	if (h.n == 0 || h.counts[h.n - 1] <= 0)
		return -1;
	wanted = share * h.counts[h.n - 1];
	for (size_t i = 0; i < h.n; i++) {
		double in = h.counts[i] - below;

		if (h.counts[i] >= wanted && in > 0)
			return isinf(h.bounds[i])
			               ? low
			               : low + (h.bounds[i] - low) * (wanted - below) / in;
		low = h.bounds[i];
		below = h.counts[i];
	}
	return low;
}
