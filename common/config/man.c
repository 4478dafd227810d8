/* SPDX-License-Identifier: MIT
 *
 * The settings as mdoc: one subsection per section of the file, one list item
 * per key. mdoc wants every sentence on a line of its own, and no line of text
 * may begin with a dot.
 */
#include "config/settings.h"

#include <string.h>

/* mandoc frowns at more than 80 characters. */
#define LINE_MAX_LENGTH 78

static const char *type_name(const struct setting *s)
{
	switch (s->type) {
	case SET_BOOL:
		return "true or false";
	case SET_INT:
		return "integer";
	case SET_FLOAT:
		return "number";
	case SET_SIZE:
		return "size";
	case SET_DURATION:
		return "duration";
	case SET_ADDRESS:
		return "address";
	case SET_URL:
		return "URL";
	case SET_PATH:
		return "path";
	case SET_STRINGS:
		return "list of strings";
	case SET_LABELS:
		return "mapping";
	default:
		return "string";
	}
}

static void put_escaped(FILE *out, const char *p, size_t n)
{
	if (n && (*p == '.' || *p == '\''))
		fputs("\\&", out);
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\\')
			fputs("\\e", out);
		else
			fputc(p[i], out);
	}
}

/* Words up to the end of a sentence, or as many as fit into a line. */
static size_t line_length(const char *p)
{
	size_t n = strcspn(p, " ");

	while (p[n] && p[n - 1] != '.') {
		size_t word = strcspn(p + n + 1, " ");

		if (n + 1 + word > LINE_MAX_LENGTH)
			break;
		n += 1 + word;
	}
	return n;
}

static void put_sentences(FILE *out, const char *p)
{
	while (*p) {
		size_t n = line_length(p);

		put_escaped(out, p, n);
		fputc('\n', out);
		p += n + (p[n] == ' ');
	}
}

static void put_choices(FILE *out, const struct setting *s)
{
	fputs("One of", out);
	for (int i = 0; s->choices[i]; i++) {
		fputs(i ? ", " : " ", out);
		put_escaped(out, s->choices[i], strlen(s->choices[i]));
	}
	fputs(".\n", out);
}

static void put_default(FILE *out, const struct setting *s)
{
	const char *text = s->fallback_note ? s->fallback_note : s->fallback;

	if (!text)
		return;
	fputs("Default: ", out);
	put_escaped(out, text, strlen(text));
	fputs(".\n", out);
}

static void put_setting(FILE *out, const struct setting *s)
{
	fprintf(out, ".It Cm %s\n", s->key);
	put_sentences(out, s->prose);
	if (s->choices)
		put_choices(out, s);
	else
		fprintf(out, "Type: %s.\n", type_name(s));
	if (s->complaint && !s->choices)
		fprintf(out, "It %s.\n", s->complaint);
	put_default(out, s);
	if (s->secret)
		fputs("Secret.\n", out);
	if (s->reload == RELOAD_NO)
		fputs("A change needs a restart.\n", out);
	if (s->reload == RELOAD_FILE)
		fputs("The contents of the file are read again on reload.\n", out);
	if (!s->active)
		fputs("Not acted upon by this version.\n", out);
}

static bool has_values(const struct section *s)
{
	for (const struct setting *t = s->settings; t->key; t++)
		if (!t->sub)
			return true;
	return false;
}

static void put_section(FILE *out, const struct section *s)
{
	if (has_values(s)) {
		/* The zero-width \& keeps a ] at the end from being taken for punctuation. */
		fprintf(out, ".Ss %s\\&\n", *s->path ? s->path : "Top level");
		if (s->prose)
			put_sentences(out, s->prose);
		fputs(".Bl -tag -width Ds\n", out);
		for (const struct setting *t = s->settings; t->key; t++)
			if (!t->sub)
				put_setting(out, t);
		fputs(".El\n", out);
	}
	for (const struct setting *t = s->settings; t->key; t++)
		if (t->sub)
			put_section(out, t->sub);
}

void config_write_man(FILE *out)
{
	put_section(out, &settings_root);
}
