/* SPDX-License-Identifier: MIT
 *
 * The lists of metrics_def.h expanded into tables.
 */
#include <assert.h>
#include <stdlib.h>

#include "observe/metrics.h"
#include "observe/metrics_private.h"

#define LABEL(label, values)                                                                       \
	{                                                                                          \
		.name = #label, .set = SET_##values                                                \
	}
#define FAMILY(id, type_, by_, show_, name_, help_, ...)                                           \
	[METRIC_##id] = {.type = TYPE_##type_,                                                     \
	                 .by = BY_##by_,                                                           \
	                 .show = SHOW_##show_,                                                     \
	                 .name = name_,                                                            \
	                 .help = help_,                                                            \
	                 .labels = {__VA_ARGS__}},
const struct metrics_family metrics_families[METRIC_COUNT] = {METRIC_FAMILIES(FAMILY)};

#define TEXT(id, text)        text,
#define VALUES(set, list)     static const char *const values_##set[] = {list(TEXT)};
#define SET_ENTRY(set_, list) [SET_##set_] = {values_##set_, METRIC_##set_##_COUNT},
METRIC_SETS(VALUES)
static const struct {
	const char *const *values;
	int n;
} sets[] = {METRIC_SETS(SET_ENTRY)};

int metrics_set_count(enum metrics_set set)
{
	return sets[set].n;
}

const char *metrics_set_value(enum metrics_set set, int i)
{
	assert(i >= 0 && i < sets[set].n);
	return sets[set].values[i];
}

bool metrics_is_histogram(const struct metrics_family *f)
{
	return f->type >= TYPE_HTTP;
}

const struct metrics_bounds *metrics_bounds(enum metrics_type histogram)
{
	static const struct metrics_bounds http = {
		13, {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}};
	static const struct metrics_bounds op = {
		13, {.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}};
	static const struct metrics_bounds size = {10,
	                                           {1024, 4096, 16384, 65536, 262144, 1048576,
	                                            4194304, 16777216, 67108864, 268435456}};

	static const struct metrics_bounds pass = {8, {1, 5, 10, 30, 60, 120, 300, 600}};

	switch (histogram) {
	case TYPE_HTTP:
		return &http;
	case TYPE_OP:
		return &op;
	case TYPE_SIZE:
		return &size;
	case TYPE_PASS:
		return &pass;
	default:
		abort();
	}
}

/* The last value of each of these sets stands for whatever is not listed. */
static int index_of(enum metrics_set set, struct str value)
{
	int last = sets[set].n - 1;

	for (int i = 0; i < last; i++)
		if (str_eq(value, str_of(sets[set].values[i])))
			return i;
	return last;
}

int metrics_method(struct str method)
{
	return index_of(SET_METHOD, method);
}

int metrics_status(int http_status)
{
	char text[] = "000";

	if (http_status < 100 || http_status > 999)
		return METRIC_CODE_OTHER;
	for (int i = 2; i >= 0; i--, http_status /= 10)
		text[i] = (char)('0' + http_status % 10);
	return index_of(SET_STATUS_CODE, str_of(text));
}

int metrics_event(struct str event)
{
	return index_of(SET_EVENT, event);
}

int metrics_reason(struct str reason)
{
	return index_of(SET_CLEANUP_REASON, reason);
}
