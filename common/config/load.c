/* SPDX-License-Identifier: MIT
 *
 * Findings and places. Findings are limited in number, so that a file of
 * rubbish costs neither time nor memory.
 */
#include "config/load.h"

#include <stdlib.h>
#include <string.h>

/* Nobody reads more; each costs a search for the nearest key. */
#define FINDINGS_MAX 100

bool load_is_hopeless(const struct load *l)
{
	return l->n_errors >= FINDINGS_MAX;
}

static void add_finding(struct load *l, struct buf *to, unsigned *count, int line, const char *path,
                        const char *fmt, va_list ap)
{
	va_list copy;

	if (*count >= FINDINGS_MAX)
		return;
	va_copy(copy, ap);
	int n = vsnprintf(NULL, 0, fmt, copy);

	va_end(copy);
	char *text = arena_alloc(l->scratch, (size_t)n + 1);

	vsnprintf(text, (size_t)n + 1, fmt, ap);
	/* A finding is one line, whatever the file makes it quote. */
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	if (to->n)
		buf_add_char(to, '\n');
	buf_printf(to, "%s:%d: %s%s%s", l->file, line < 1 ? 1 : line, path, *path ? ": " : "",
	           text);
	if (++*count == FINDINGS_MAX)
		buf_printf(to, "\n%s:%d: more findings are left out", l->file, line);
}

void load_error(struct load *l, int line, const char *path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_finding(l, &l->findings->errors, &l->n_errors, line, path, fmt, ap);
	va_end(ap);
}

void load_warn(struct load *l, int line, const char *path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_finding(l, &l->findings->warnings, &l->n_warnings, line, path, fmt, ap);
	va_end(ap);
}

/* --- places ------------------------------------------------------------------ */

/* l->seen is sorted by address; an element and its first field share one. */
static const struct seen *find_at(const struct load *l, const void *at, bool element)
{
	size_t low = 0, high = l->n_seen;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if ((uintptr_t)l->seen[middle].at < (uintptr_t)at)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < l->n_seen && l->seen[low].at == at; low++)
		if ((l->seen[low].setting == NULL) == element)
			return &l->seen[low];
	return NULL;
}

/* Sections have no address: they come first. */
static const struct seen *find_section(const struct load *l, struct str path)
{
	for (size_t i = 0; i < l->n_seen && !l->seen[i].at; i++)
		if (str_eq(str_of(l->seen[i].path), path))
			return &l->seen[i];
	return NULL;
}

bool load_given(const struct load *l, const void *field)
{
	return find_at(l, field, false) != NULL;
}

bool load_given_section(const struct load *l, const char *path)
{
	return find_section(l, str_of(path)) != NULL;
}

struct place load_place(const struct load *l, const void *field, const char *path)
{
	const struct seen *s = find_at(l, field, false);
	struct str around = str_of(path);

	while (!s && around.n) {
		while (around.n && around.p[--around.n] != '.')
			;
		s = find_section(l, around);
	}
	return (struct place){s ? s->line : 1, path};
}

struct place load_place_in(const struct load *l, const void *element, const void *field,
                           const char *key)
{
	const struct seen *s = find_at(l, field, false), *e = find_at(l, element, true);

	if (s)
		return (struct place){s->line, s->path};
	return (struct place){e->line, arena_printf(l->scratch, "%s.%s", e->path, key)};
}

/* --- uniqueness ---------------------------------------------------------------- */

static int by_text_and_order(const void *a, const void *b)
{
	const struct unique *x = a, *y = b;
	int r = strcmp(x->text, y->text);

	return r ? r : (x->order > y->order) - (x->order < y->order);
}

void load_check_unique(struct load *l, struct unique *items, size_t n, const char *complaint,
                       bool quote)
{
	if (n)
		qsort(items, n, sizeof *items, by_text_and_order);
	for (size_t i = 1; i < n; i++) {
		const struct unique *u = &items[i];

		if (!*u->text || strcmp(u->text, items[i - 1].text))
			continue;
		if (quote)
			load_error(l, u->place.line, u->place.path, "%s '%s'", complaint, u->text);
		else
			load_error(l, u->place.line, u->place.path, "%s", complaint);
	}
}
