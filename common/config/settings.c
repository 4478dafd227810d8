/* SPDX-License-Identifier: MIT
 *
 * What can be done with any setting: find it, store a value, compare two.
 * Values lie in struct config with the type that suits the reader, so an
 * integer may be 1, 4 or 8 bytes wide; only this file knows.
 */
#include "config/settings.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include "config/value.h"

const struct setting *settings_find(const struct section *s, struct str key)
{
	for (const struct setting *t = s->settings; t->key; t++)
		if (str_eq(str_of(t->key), key))
			return t;
	return NULL;
}

void *setting_at(const struct setting *s, void *base)
{
	return (char *)base + s->offset;
}

const void *setting_get(const struct setting *s, const void *base)
{
	return (const char *)base + s->offset;
}

size_t setting_count(const struct setting *s, const void *base)
{
	return *(const size_t *)((const char *)base + s->count_offset);
}

/* --- storing ------------------------------------------------------------------ */

static const char *put_integer(const struct setting *s, int64_t v, void *at)
{
	switch (s->size) {
	case sizeof(bool):
		*(bool *)at = v != 0;
		return NULL;
	case sizeof(int):
		if (v < INT_MIN || v > INT_MAX)
			return s->complaint ? s->complaint : "is too large";
		*(int *)at = (int)v;
		return NULL;
	default:
		assert(s->size == sizeof v);
		/* As uint64_t a negative number would pass for a huge one. */
		if (v < 0 && s->type == SET_INT)
			return s->complaint;
		memcpy(at, &v, sizeof v);
		return NULL;
	}
}

static const char *put_choice(struct arena *a, const struct setting *s, struct str text, void *at)
{
	for (int i = 0; s->choices[i]; i++) {
		if (!str_eq(text, str_of(s->choices[i])))
			continue;
		if (s->size != sizeof(const char *))
			return put_integer(s, i, at);
		*(const char **)at = arena_strdup(a, s->choices[i]);
		return NULL;
	}
	return s->complaint;
}

static const char *put_text(struct arena *a, const struct setting *s, struct str text, void *at)
{
	const char *wrong = NULL;

	if (text.n && s->type == SET_ADDRESS)
		wrong = value_address(text);
	else if (text.n && s->type == SET_URL)
		wrong = value_url(text);
	if (!wrong)
		*(const char **)at = arena_dup(a, text).p;
	return wrong;
}

/* 0, and negative numbers where they are let pass, leave the default alone. */
static const char *put_number(const struct setting *s, int64_t v, void *at, double *number)
{
	if (v == 0 && s->zero != ZERO_VALUE)
		return NULL;
	if (v < 0 && s->zero == ZERO_LENIENT)
		return NULL;
	*number = v ? (double)v : NAN;
	return put_integer(s, v, at);
}

static const char *put_float(const struct setting *s, double v, void *at, double *number)
{
	if (v == 0 && s->zero != ZERO_VALUE)
		return NULL;
	*number = v != 0 ? v : NAN;
	*(double *)at = v;
	return NULL;
}

static const char *put(struct arena *a, const struct setting *s, struct str text, void *at,
                       double *number)
{
	const char *wrong;
	int64_t v = 0;
	uint64_t size;
	double f;
	bool yes;

	switch (s->type) {
	case SET_BOOL:
		wrong = value_bool(text, &yes);
		return wrong ? wrong : put_integer(s, yes, at);
	case SET_INT:
		wrong = value_int(text, &v);
		return wrong ? wrong : put_number(s, v, at, number);
	case SET_SIZE:
		wrong = value_size(text, &size);
		return wrong ? wrong : put_number(s, (int64_t)size, at, number);
	case SET_DURATION:
		wrong = value_duration(text, &v);
		return wrong ? wrong : put_number(s, v, at, number);
	case SET_FLOAT:
		wrong = value_float(text, &f);
		return wrong ? wrong : put_float(s, f, at, number);
	case SET_ENUM:
		return put_choice(a, s, text, at);
	default:
		return put_text(a, s, text, at);
	}
}

bool setting_store(struct arena *a, const struct setting *s, struct str text, void *at,
                   double *number, struct buf *message)
{
	const char *wrong;

	*number = NAN;
	if (text.n && s->check && !s->check(text, message))
		return false;
	wrong = put(a, s, text, at, number);
	if (wrong)
		buf_add_cstr(message, wrong);
	return !wrong;
}

/* --- defaults ------------------------------------------------------------------ */

static void set_default(struct arena *a, const struct setting *s, void *base)
{
	BUF_AUTO message = {0};
	double number;
	bool is_text = s->type == SET_STRING || s->type == SET_ADDRESS || s->type == SET_URL ||
	               s->type == SET_PATH;

	if (s->fallback || is_text) {
		bool ok = setting_store(a, s, str_of(s->fallback ? s->fallback : ""),
		                        setting_at(s, base), &number, &message);
		assert(ok);
		(void)ok;
	}
}

void settings_defaults(struct arena *a, const struct section *s, void *base)
{
	for (const struct setting *t = s->settings; t->key; t++) {
		if (t->type == SET_SECTION)
			settings_defaults(a, t->sub, base);
		else
			set_default(a, t, base);
	}
}

/* --- comparing ------------------------------------------------------------------ */

static bool equal_text(const void *a, const void *b)
{
	return !strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool equal_strings(const struct setting *s, const void *base_a, const void *base_b)
{
	const char *const *a = *(const char *const *const *)setting_get(s, base_a);
	const char *const *b = *(const char *const *const *)setting_get(s, base_b);

	for (size_t i = 0; i < setting_count(s, base_a); i++)
		if (strcmp(a[i], b[i]))
			return false;
	return true;
}

bool setting_equal(const struct setting *s, const void *base_a, const void *base_b)
{
	const void *a = setting_get(s, base_a), *b = setting_get(s, base_b);

	switch (s->type) {
	case SET_STRINGS:
	case SET_LABELS:
		return setting_count(s, base_a) == setting_count(s, base_b) &&
		       equal_strings(s, base_a, base_b);
	case SET_LIST:
		return setting_count(s, base_a) == setting_count(s, base_b);
	case SET_STRING:
	case SET_ADDRESS:
	case SET_URL:
	case SET_PATH:
		return equal_text(a, b);
	case SET_FLOAT:
		return *(const double *)a == *(const double *)b;
	case SET_ENUM:
		if (s->size == sizeof(const char *))
			return equal_text(a, b);
		return !memcmp(a, b, s->size);
	default:
		return !memcmp(a, b, s->size);
	}
}

/* --- walking ------------------------------------------------------------------ */

static bool walk(const struct section *s, bool (*fn)(void *, const char *, const struct setting *),
                 void *arg)
{
	for (const struct setting *t = s->settings; t->key; t++) {
		char path[128]; /* twice the longest */

		if (t->sub) {
			if (!walk(t->sub, fn, arg))
				return false;
			continue;
		}
		snprintf(path, sizeof path, "%s%s%s", s->path, *s->path ? "." : "", t->key);
		if (!fn(arg, path, t))
			return false;
	}
	return true;
}

void settings_each(bool (*fn)(void *arg, const char *path, const struct setting *s), void *arg)
{
	walk(&settings_root, fn, arg);
}
