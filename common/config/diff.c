/* SPDX-License-Identifier: MIT
 *
 * What the settings table says about a whole configuration: which changes a
 * reload cannot apply, and what is configured although this version does not
 * act upon it. Both compare values: with another configuration, or with the
 * defaults.
 */
#include "config/settings.h"

#include <string.h>

static void add_line(struct buf *out, const char *text)
{
	if (out->n)
		buf_add_char(out, '\n');
	buf_add_cstr(out, text);
}

static void add_path(struct buf *out, const struct section *s, const struct setting *t)
{
	add_line(out, s->path);
	if (*s->path)
		buf_add_char(out, '.');
	buf_add_cstr(out, t->key);
}

/* --- restart ------------------------------------------------------------------- */

static bool sections_equal(const struct section *s, const struct config *a, const struct config *b)
{
	for (const struct setting *t = s->settings; t->key; t++) {
		bool equal = t->type == SET_SECTION ? sections_equal(t->sub, a, b)
		                                    : setting_equal(t, a, b);

		if (!equal)
			return false;
	}
	return true;
}

static void compare(const struct section *s, const struct config *a, const struct config *b,
                    struct buf *out)
{
	for (const struct setting *t = s->settings; t->key; t++) {
		if (t->type == SET_SECTION && t->reload != RELOAD_NO) {
			compare(t->sub, a, b, out);
			continue;
		}
		if (t->reload != RELOAD_NO)
			continue;
		if (!(t->sub ? sections_equal(t->sub, a, b) : setting_equal(t, a, b)))
			add_path(out, s, t);
	}
}

void config_restart_needed(const struct config *a, const struct config *b, struct buf *out)
{
	compare(&settings_root, a, b, out);
}

/* --- inactive features ------------------------------------------------------------ */

/* Does any of the n elements at base differ from a default element? */
static bool differs(const struct setting *t, const struct section *s, const char *base, size_t n,
                    const void *defaults)
{
	for (size_t i = 0; i < n; i++)
		if (!setting_equal(t, base + i * s->element_size, defaults))
			return true;
	return false;
}

static bool acts_at_all(const struct section *s)
{
	for (const struct setting *t = s->settings; t->key; t++)
		if (t->sub ? acts_at_all(t->sub) : t->active)
			return true;
	return false;
}

static void report(const struct section *s, struct str keys, struct buf *out)
{
	struct str name = str_of(s->path);

	if (str_ends(name, STR("[]")))
		name.n -= 2;
	if (out->n)
		buf_add_char(out, '\n');
	buf_add_str(out, name);
	if (acts_at_all(s))
		buf_printf(out, " (%.*s)", STR_FMT(keys));
	buf_add_cstr(out, " is configured but not acted upon by this version");
}

static void find_inactive(struct arena *a, const struct config *c, const struct section *s,
                          const void *base, size_t n, const void *defaults, struct buf *out)
{
	BUF_AUTO keys = {0};

	if (s->in_effect && !s->in_effect(c))
		return;
	for (const struct setting *t = s->settings; t->key; t++) {
		if (t->type == SET_SECTION || t->active || (t->sub && acts_at_all(t->sub)) ||
		    !differs(t, s, base, n, defaults))
			continue;
		if (keys.n)
			buf_add_cstr(&keys, ", ");
		buf_add_cstr(&keys, t->key);
	}
	if (keys.n) {
		report(s, buf_str(&keys), out);
		if (!acts_at_all(s))
			return; /* said once for everything within */
	}
	for (const struct setting *t = s->settings; t->key; t++) {
		if (t->type == SET_SECTION) {
			find_inactive(a, c, t->sub, base, 1, defaults, out);
		} else if (t->type == SET_LIST && !*s->path) {
			void *element = arena_alloc(a, t->sub->element_size);

			settings_defaults(a, t->sub, element);
			find_inactive(a, c, t->sub, *(const void *const *)setting_get(t, base),
			              setting_count(t, base), element, out);
		}
	}
}

void config_inactive_features(const struct config *c, struct buf *out)
{
	struct arena *a = arena_new();
	struct config *defaults = ARENA_NEW(a, struct config);

	settings_defaults(a, &settings_root, defaults);
	find_inactive(a, c, &settings_root, c, 1, defaults, out);
	arena_free(&a);
}
