/* SPDX-License-Identifier: MIT
 *
 * Reading of request documents, element by element.
 */
#include "s3proto/document.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WHY_MAX 512 /* bytes of a refusal; a longer one is cut */

bool document_refuse(struct document *d, enum s3_error error, const char *fmt, ...)
{
	char text[WHY_MAX];
	va_list args;
	if (d->error != S3_OK)
		return false;
	va_start(args, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n < 0)
		n = 0;
	if ((size_t)n >= sizeof(text))
		n = sizeof(text) - 1;
	/* What was quoted from the document may have been cut inside a character. */
	str_make_utf8(text, (size_t)n);
	d->error = error;
	d->why = arena_strndup(d->arena, text, (size_t)n);
	return false;
}

bool document_read(struct document *d, struct str doc, const char *root, struct arena *a)
{
	struct xml_node *tree = NULL;
	*d = (struct document){.arena = a};
	switch (xml_parse(doc, a, &tree, NULL)) {
	case ERR_OK:
		break;
	case ERR_BUSY:
		d->error = S3_SLOW_DOWN;
		return false;
	default:
		d->error = S3_MALFORMED_XML;
		return false;
	}
	d->root = tree;
	if (!str_eq(tree->name, str_of(root)))
		return document_refuse(d, S3_MALFORMED_XML, "The document is not a <%s>", root);
	return true;
}

/* The place of a name in a list that NULL ends, or -1. */
static int find_name(const char *const *names, struct str name)
{
	for (int i = 0; names != NULL && names[i] != NULL; i++)
		if (str_eq(name, str_of(names[i])))
			return i;
	return -1;
}

/* *seen has a bit for each name of `once`. */
static bool allow_child(struct document *d, const struct xml_node *n, const struct xml_node *child,
                        const char *const *once, const char *const *many,
                        const char *const *unsupported, uint64_t *seen)
{
	if (find_name(many, child->name) >= 0)
		return true;
	if (find_name(unsupported, child->name) >= 0)
		return document_refuse(d, S3_NOT_IMPLEMENTED, "<%.*s> is not supported in <%.*s>",
		                       STR_FMT(child->name), STR_FMT(n->name));
	int i = find_name(once, child->name);
	if (i < 0)
		return document_refuse(d, S3_MALFORMED_XML, "<%.*s> has no place in <%.*s>",
		                       STR_FMT(child->name), STR_FMT(n->name));
	if (*seen & (UINT64_C(1) << i))
		return document_refuse(d, S3_MALFORMED_XML, "<%.*s> stands twice in <%.*s>",
		                       STR_FMT(child->name), STR_FMT(n->name));
	*seen |= UINT64_C(1) << i;
	return true;
}

static bool is_blank(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (strchr(" \t\r\n", s.p[i]) == NULL)
			return false;
	return true;
}

bool document_allow(struct document *d, const struct xml_node *n, const char *const *once,
                    const char *const *many, const char *const *unsupported)
{
	uint64_t seen = 0;
	if (!is_blank(n->text))
		return document_refuse(d, S3_MALFORMED_XML, "<%.*s> must have elements, not text",
		                       STR_FMT(n->name));
	for (const struct xml_node *c = n->child; c != NULL; c = c->next)
		if (!allow_child(d, n, c, once, many, unsupported, &seen))
			return false;
	return true;
}

size_t document_count(const struct xml_node *n, const char *name)
{
	size_t count = 0;
	for (const struct xml_node *c = xml_child(n, name); c != NULL; c = xml_next(c))
		count++;
	return count;
}

size_t document_characters(struct str text)
{
	size_t n = 0;
	for (size_t i = 0; i < text.n; i++)
		n += ((unsigned char)text.p[i] & 0xc0) != 0x80;
	return n;
}

bool document_leaf(struct document *d, const struct xml_node *n, struct str *text)
{
	if (n->child != NULL)
		return document_refuse(d, S3_MALFORMED_XML, "<%.*s> has no place in <%.*s>",
		                       STR_FMT(n->child->name), STR_FMT(n->name));
	*text = n->text;
	return true;
}

bool document_text(struct document *d, const struct xml_node *n, const char *name, struct str *text)
{
	const struct xml_node *c = xml_child(n, name);
	return c == NULL || document_leaf(d, c, text);
}

static bool is_decimal(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0;
}

bool document_number(struct document *d, const struct xml_node *n, const char *name, uint64_t min,
                     uint64_t max, uint64_t *v)
{
	const struct xml_node *c = xml_child(n, name);
	struct str text;
	uint64_t number;
	if (c == NULL)
		return true;
	if (!document_leaf(d, c, &text))
		return false;
	text = str_trim(text);
	struct str digits = str_starts(text, STR("-")) ? str_skip(text, 1) : text;
	if (!is_decimal(digits))
		return document_refuse(d, S3_MALFORMED_XML, "<%s> must be a number", name);
	if (!str_to_u64(text, &number) || number < min || number > max)
		return document_refuse(d, S3_INVALID_ARGUMENT,
		                       "<%s> must be a number from %" PRIu64 " to %" PRIu64, name,
		                       min, max);
	*v = number;
	return true;
}

bool document_bool(struct document *d, const struct xml_node *n, const char *name, bool *v)
{
	const struct xml_node *c = xml_child(n, name);
	struct str text;
	if (c == NULL)
		return true;
	if (!document_leaf(d, c, &text))
		return false;
	text = str_trim(text);
	*v = str_eq_nocase(text, STR("true"));
	if (!*v && !str_eq_nocase(text, STR("false")))
		return document_refuse(d, S3_MALFORMED_XML, "<%s> must be true or false", name);
	return true;
}
