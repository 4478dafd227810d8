/* SPDX-License-Identifier: MIT
 *
 * From the tree to struct config, led by the settings table. Every value that
 * the file contains is noted with its place. Text is expanded here, because
 * only here is the key path known that a finding must name.
 */
#include "config/load.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "config/expand.h"

/* All expanded values together: four times the largest file. Without it a
 * file full of "${X}" could demand any amount of memory. */
#define EXPANDED_MAX ((size_t)4 << 20)
/* Entries of one list; far more than there are buckets in an installation. */
#define LIST_MAX ((size_t)10000)

static void note(struct load *l, const void *at, const struct setting *setting, const char *path,
                 int line, double number)
{
	if (l->n_seen == l->cap_seen) {
		struct seen *bigger;

		l->cap_seen = l->cap_seen ? 2 * l->cap_seen : 64;
		bigger = ARENA_ARRAY(l->scratch, struct seen, l->cap_seen);
		if (l->n_seen)
			memcpy(bigger, l->seen, sizeof *bigger * l->n_seen);
		l->seen = bigger;
	}
	l->seen[l->n_seen++] = (struct seen){at, setting, path, line, number};
}

/* --- scalars ------------------------------------------------------------------ */

static void report_expansion(struct load *l, const struct node *node, const char *path,
                             const struct expansion *x)
{
	if (x->unset.n)
		load_error(l, node->line, path, "environment variable %.*s is not set",
		           STR_FMT(buf_str(&x->unset)));
	if (x->too_long)
		load_error(l, node->line, path, "variables expand to more than 4 MiB");
	if (x->malformed)
		load_warn(l, node->line, path, "\"${\" that names no variable is taken literally");
}

/* The value with its variables replaced, in the scratch arena. */
static bool expand_node(struct load *l, const struct node *node, const char *path, struct str *out)
{
	struct expansion x;
	bool ok;

	expand(node->text, EXPANDED_MAX - l->expanded, &x);
	report_expansion(l, node, path, &x);
	l->expanded += x.value.n;
	*out = arena_dup(l->scratch, buf_str(&x.value));
	ok = !x.unset.n && !x.too_long;
	expansion_free(&x);
	return ok;
}

static const char *expected(enum setting_type type)
{
	switch (type) {
	case SET_SECTION:
	case SET_LABELS:
		return "expected a mapping";
	case SET_LIST:
	case SET_STRINGS:
		return "expected a list";
	default:
		return "expected a single value";
	}
}

static bool is_text(const struct setting *s)
{
	return s->type == SET_STRING || s->type == SET_ADDRESS || s->type == SET_URL ||
	       s->type == SET_PATH;
}

static void decode_scalar(struct load *l, const struct setting *s, const struct node *node,
                          void *base, const char *path)
{
	BUF_AUTO message = {0};
	void *at = setting_at(s, base);
	double number = NAN;
	struct str text;

	if (!expand_node(l, node, path, &text))
		return;
	/* An empty string leaves the default alone, except where it says something. */
	bool as_absent = is_text(s) && !text.n && !s->empty_ok;

	if (!as_absent && !setting_store(l->arena, s, text, at, &number, &message)) {
		load_error(l, node->line, path, "%.*s", STR_FMT(buf_str(&message)));
		return;
	}
	note(l, at, s, path, node->line, number);
}

/* --- lists ------------------------------------------------------------------- */

static void set_list(const struct setting *s, void *base, void *items, size_t n)
{
	memcpy(setting_at(s, base), &items, sizeof items);
	memcpy((char *)base + s->count_offset, &n, sizeof n);
}

static void decode_strings(struct load *l, const struct setting *s, const struct pair *pair,
                           void *base, const char *path)
{
	const struct node *node = pair->value;
	const char **items = ARENA_ARRAY(l->arena, const char *, node->n);

	for (size_t i = 0; i < node->n && !load_is_hopeless(l); i++) {
		const struct node *item = node->items[i];
		char *item_path = arena_printf(l->scratch, "%s[%zu]", path, i);
		BUF_AUTO message = {0};
		double number;
		struct str text;

		items[i] = "";
		if (item->kind != NODE_SCALAR)
			load_error(l, item->line, item_path, "%s", expected(SET_STRING));
		else if (!expand_node(l, item, item_path, &text))
			continue;
		else if (!text.n)
			load_error(l, item->line, item_path, "must not be empty");
		else if (!setting_store(l->arena, s, text, &items[i], &number, &message))
			load_error(l, item->line, item_path, "%.*s", STR_FMT(buf_str(&message)));
		else
			note(l, &items[i], s, item_path, item->line, NAN);
	}
	set_list(s, base, items, node->n);
	note(l, setting_at(s, base), s, path, pair->line, NAN);
}

/* "name=value" */
static const char *decode_label(struct load *l, const struct pair *pair, const char *path)
{
	struct str value;

	if (pair->value->kind != NODE_SCALAR)
		load_error(l, pair->line, path, "%s", expected(SET_STRING));
	else if (pair->first_line)
		load_error(l, pair->line, path, "the label is already in line %d",
		           pair->first_line);
	else if (!expand_node(l, pair->value, path, &value))
		return "";
	else if (!pair->key.n || memchr(pair->key.p, '=', pair->key.n) || !value.n)
		load_error(l, pair->line, path,
		           "must have a name without '=' and a value that is not empty");
	else
		return arena_printf(l->arena, "%.*s=%.*s", STR_FMT(pair->key), STR_FMT(value));
	return "";
}

static void decode_labels(struct load *l, const struct setting *s, const struct pair *pair,
                          void *base, const char *path)
{
	const struct node *node = pair->value;
	const char **items = ARENA_ARRAY(l->arena, const char *, node->n);

	for (size_t i = 0; i < node->n && !load_is_hopeless(l); i++)
		items[i] = decode_label(
			l, &node->pairs[i],
			arena_printf(l->scratch, "%s.%.*s", path, STR_FMT(node->pairs[i].key)));
	set_list(s, base, items, node->n);
	note(l, setting_at(s, base), s, path, pair->line, NAN);
}

static void decode_section(struct load *l, const struct section *s, const struct node *node,
                           void *base, const char *path);

static void decode_list(struct load *l, const struct setting *s, const struct pair *pair,
                        void *base, const char *path)
{
	const struct node *node = pair->value;
	size_t size = s->sub->element_size;
	char *items = arena_alloc(l->arena, size * node->n);

	for (size_t i = 0; i < node->n && !load_is_hopeless(l); i++) {
		char *item_path = arena_printf(l->scratch, "%s[%zu]", path, i);

		settings_defaults(l->arena, s->sub, items + i * size);
		note(l, items + i * size, NULL, item_path, node->items[i]->line, NAN);
		decode_section(l, s->sub, node->items[i], items + i * size, item_path);
	}
	set_list(s, base, items, node->n);
	note(l, setting_at(s, base), s, path, pair->line, NAN);
}

/* --- sections ------------------------------------------------------------------ */

static enum node_kind node_kind_of(const struct setting *s)
{
	switch (s->type) {
	case SET_SECTION:
	case SET_LABELS:
		return NODE_MAP;
	case SET_LIST:
	case SET_STRINGS:
		return NODE_LIST;
	default:
		return NODE_SCALAR;
	}
}

static void decode_value(struct load *l, const struct setting *s, const struct pair *pair,
                         void *base, const char *path)
{
	const struct node *node = pair->value;

	if (node->kind == NODE_SCALAR && node->is_null)
		return; /* the same as leaving the key out */
	if (node->kind != node_kind_of(s)) {
		load_error(l, node->line, path, "%s", expected(s->type));
		return;
	}
	if (node->kind == NODE_LIST && node->n > LIST_MAX) {
		load_error(l, pair->line, path, "has more than %zu entries", LIST_MAX);
		return;
	}
	switch (s->type) {
	case SET_SECTION:
		note(l, NULL, s, path, pair->line, NAN);
		decode_section(l, s->sub, node, base, path);
		break;
	case SET_LIST:
		decode_list(l, s, pair, base, path);
		break;
	case SET_STRINGS:
		decode_strings(l, s, pair, base, path);
		break;
	case SET_LABELS:
		decode_labels(l, s, pair, base, path);
		break;
	default:
		decode_scalar(l, s, node, base, path);
	}
}

static void decode_section(struct load *l, const struct section *s, const struct node *node,
                           void *base, const char *path)
{
	if (node->kind != NODE_MAP) {
		load_error(l, node->line, path, "%s", expected(SET_SECTION));
		return;
	}
	for (size_t i = 0; i < node->n && !load_is_hopeless(l); i++) {
		const struct pair *pair = &node->pairs[i];
		const struct setting *t = settings_find(s, pair->key);
		const char *key_path;

		if (!t) {
			load_unknown_key(l, s, path, pair->key, pair->line);
			continue;
		}
		key_path = arena_printf(l->scratch, "%s%s%s", path, *path ? "." : "", t->key);
		if (pair->first_line)
			load_error(l, pair->line, key_path,
			           "the key is already in line %d of the same section",
			           pair->first_line);
		else
			decode_value(l, t, pair, base, key_path);
	}
}

static int by_address(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	return ((uintptr_t)x->at > (uintptr_t)y->at) - ((uintptr_t)x->at < (uintptr_t)y->at);
}

void load_decode(struct load *l, const struct node *root)
{
	settings_defaults(l->arena, &settings_root, l->config);
	decode_section(l, &settings_root, root, l->config, "");
	if (l->n_seen)
		qsort(l->seen, l->n_seen, sizeof *l->seen, by_address);
}
