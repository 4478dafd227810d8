/* SPDX-License-Identifier: MIT
 *
 * Unknown keys: the nearest known one by Damerau-Levenshtein distance (optimal
 * string alignment), first within the section, then among all full key paths.
 * Keys of related programs that have moved or never came here get their own words.
 */
#include "config/load.h"

#include <ctype.h>
#include <string.h>

/* Longer than any known key with a few errors. */
#define KEY_MAX 72
/* A suggestion is made up to this distance, and a third of the key's length. */
#define DISTANCE_MAX 3

static size_t min(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t distance(struct str a, struct str b)
{
	size_t rows[3][KEY_MAX + 1], *before = rows[0], *above = rows[1], *row = rows[2];

	if (str_eq_nocase(a, b))
		return str_eq(a, b) ? 0 : 1;
	for (size_t k = 0; k <= b.n; k++)
		above[k] = before[k] = k;
	for (size_t i = 1; i <= a.n; i++) {
		row[0] = i;
		for (size_t k = 1; k <= b.n; k++) {
			size_t d = above[k - 1] + (a.p[i - 1] != b.p[k - 1]);

			d = min(d, min(above[k], row[k - 1]) + 1);
			if (i > 1 && k > 1 && a.p[i - 1] == b.p[k - 2] && a.p[i - 2] == b.p[k - 1])
				d = min(d, before[k - 2] + 1);
			row[k] = d;
		}
		size_t *spare = before;

		before = above;
		above = row;
		row = spare;
	}
	return above[b.n];
}

struct nearest {
	struct str wanted;
	size_t distance;
	char name[KEY_MAX + 1]; /* "": none is near enough */
};

static void consider(struct nearest *n, const char *candidate)
{
	struct str c = str_of(candidate);
	size_t d;

	/* The lengths alone can rule it out. */
	if (c.n > KEY_MAX || c.n > n->wanted.n + DISTANCE_MAX || n->wanted.n > c.n + DISTANCE_MAX)
		return;
	d = distance(n->wanted, c);
	if (d < n->distance && d <= DISTANCE_MAX && d <= n->wanted.n / 3) {
		n->distance = d;
		memcpy(n->name, c.p, c.n + 1);
	}
}

static bool consider_path(void *arg, const char *path, const struct setting *s)
{
	(void)s;
	consider(arg, path);
	return true;
}

static const char *nearest_key(struct load *l, const struct section *section, const char *parent,
                               struct str key)
{
	struct nearest n = {.wanted = key, .distance = SIZE_MAX};
	const char *dot = *parent ? "." : "";

	if (key.n > KEY_MAX)
		return NULL;
	for (const struct setting *s = section->settings; s->key; s++)
		consider(&n, s->key);
	if (n.name[0])
		return arena_printf(l->scratch, "%s%s%s", parent, dot, n.name);

	n.wanted = str_of(arena_printf(l->scratch, "%s%s%.*s", section->path,
	                               *section->path ? "." : "", STR_FMT(key)));
	if (n.wanted.n > KEY_MAX)
		return NULL;
	settings_each(consider_path, &n);
	return n.name[0] ? arena_strdup(l->scratch, n.name) : NULL;
}

/* --- keys with words of their own ----------------------------------------------- */

static const struct {
	const char *path, *message;
} known_elsewhere[] = {
	{"telemetry.sample_rate", "belongs under telemetry.tracing"},
	{"telemetry.endpoint", "belongs under telemetry.tracing"},
	{"server.metrics_listen", "belongs under telemetry.metrics"},
	{"metrics", "belongs under telemetry.metrics"},
	{"compression", "not supported"},
	{"auth", "not supported"},
	{"debug", "not supported"},
	{"backends[].credential_source", "not supported"},
	{"backends[].request_limits", "not supported"},
	{"backends[].unmetered", "not supported"},
	{"buckets[].cors", "not supported"},
	{"circuit_breaker.degraded_broadcast_parallelism", "not supported"},
	{"circuit_breaker.degraded_reads_enabled", "not supported"},
	{"telemetry.metrics.pprof", "not supported"},
	{"write_path.parallel_copies", "not supported"},
	{"write_path.multipart", "not supported"},
};

static const char *words_for(const struct section *section, struct str key)
{
	for (size_t i = 0; i < sizeof known_elsewhere / sizeof *known_elsewhere; i++) {
		struct str path = str_of(known_elsewhere[i].path), parent = str_of(section->path);
		struct str rest = str_skip(path, parent.n);

		if (!str_starts(path, parent))
			continue;
		if (parent.n && !str_starts(rest, STR(".")))
			continue;
		if (str_eq(str_skip(rest, parent.n ? 1 : 0), key))
			return known_elsewhere[i].message;
	}
	return NULL;
}

void load_unknown_key(struct load *l, const struct section *section, const char *parent,
                      struct str key, int line)
{
	const char *words = words_for(section, key), *nearest;
	/* Not more of it than a known key could have. */
	struct str shown = str_n(key.p, min(key.n, KEY_MAX));
	const char *path =
		arena_printf(l->scratch, "%s%s%.*s", parent, *parent ? "." : "", STR_FMT(shown));

	if (words) {
		load_error(l, line, "", "unknown key \"%s\": %s", path, words);
		return;
	}
	nearest = nearest_key(l, section, parent, key);
	if (nearest)
		load_error(l, line, "", "unknown key \"%s\" (did you mean \"%s\"?)", path, nearest);
	else
		load_error(l, line, "", "unknown key \"%s\" (no similar key)", path);
}
