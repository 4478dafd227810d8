/* SPDX-License-Identifier: MIT
 *
 * The XML reader: expat's events become a tree in an arena. Every refusal
 * stops expat at once, so nothing is built beyond the limits.
 */
#include "s3proto/xml.h"

#include <expat.h>
#include <limits.h>
#include <string.h>

/* With namespace processing expat gives "uri<separator>local"; a space can be
 * in neither part. */
#define NS_SEPARATOR ' '

struct reader {
	XML_Parser parser;
	struct arena *arena;
	struct buf text; /* of the element that is open */
	struct {
		struct xml_node *node;
		struct xml_node **tail; /* where its next child goes */
	} open[XML_DEPTH_MAX];
	size_t depth;
	size_t nodes;
	struct xml_node *root;
	enum err code;
	const char *why;
};

static void refuse(struct reader *r, enum err code, const char *why)
{
	r->code = code;
	r->why = why;
	XML_StopParser(r->parser, XML_FALSE);
}

static struct str local_name(const char *name)
{
	const char *sep = strrchr(name, NS_SEPARATOR);
	return str_of(sep != NULL ? sep + 1 : name);
}

static void on_start(void *data, const char *name, const char **attributes)
{
	struct reader *r = data;
	(void)attributes;
	if (r->depth == XML_DEPTH_MAX) {
		refuse(r, ERR_INVALID, "nested too deeply");
		return;
	}
	if (r->nodes == XML_NODES_MAX) {
		refuse(r, ERR_TOO_LARGE, "too many elements");
		return;
	}
	r->nodes++;
	struct xml_node *n = ARENA_NEW(r->arena, struct xml_node);
	n->name = arena_dup(r->arena, local_name(name));
	if (r->depth == 0) {
		r->root = n;
	} else {
		*r->open[r->depth - 1].tail = n;
		r->open[r->depth - 1].tail = &n->next;
	}
	r->open[r->depth].node = n;
	r->open[r->depth].tail = &n->child;
	r->depth++;
	r->text.n = 0;
}

static void on_end(void *data, const char *name)
{
	struct reader *r = data;
	(void)name;
	r->depth--;
	struct xml_node *n = r->open[r->depth].node;
	if (n->child == NULL)
		n->text = arena_dup(r->arena, buf_str(&r->text));
	r->text.n = 0;
}

static void on_text(void *data, const char *p, int n)
{
	struct reader *r = data;
	buf_add(&r->text, p, (size_t)n);
}

static void on_doctype(void *data, const char *name, const char *system_id, const char *public_id,
                       int internal)
{
	(void)name, (void)system_id, (void)public_id, (void)internal;
	refuse(data, ERR_INVALID, "a document type declaration is not allowed");
}

enum err xml_parse(struct str doc, struct arena *a, struct xml_node **root, struct error *e)
{
	struct reader r = {.arena = a};
	if (doc.n > INT_MAX)
		return err_set(e, ERR_TOO_LARGE, "XML: longer than 2 GiB");
	r.parser = XML_ParserCreateNS("UTF-8", NS_SEPARATOR);
	if (r.parser == NULL)
		return err_set(e, ERR_BUSY, "XML: no memory for a parser");
	XML_SetUserData(r.parser, &r);
	XML_SetElementHandler(r.parser, on_start, on_end);
	XML_SetCharacterDataHandler(r.parser, on_text);
	XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);

	enum err code = ERR_OK;
	if (XML_Parse(r.parser, doc.n > 0 ? doc.p : "", (int)doc.n, XML_TRUE) == XML_STATUS_OK)
		*root = r.root;
	else if (r.code != ERR_OK)
		code = err_set(e, r.code, "XML: %s", r.why);
	else
		code = err_set(e, ERR_INVALID, "XML: line %lu: %s",
		               XML_GetCurrentLineNumber(r.parser),
		               XML_ErrorString(XML_GetErrorCode(r.parser)));
	XML_ParserFree(r.parser);
	buf_free(&r.text);
	return code;
}

static const struct xml_node *find_from(const struct xml_node *n, struct str name)
{
	while (n != NULL && !str_eq(n->name, name))
		n = n->next;
	return n;
}

const struct xml_node *xml_child(const struct xml_node *n, const char *name)
{
	return n != NULL ? find_from(n->child, str_of(name)) : NULL;
}

const struct xml_node *xml_next(const struct xml_node *n)
{
	return find_from(n->next, n->name);
}

struct str xml_child_text(const struct xml_node *n, const char *name)
{
	const struct xml_node *c = xml_child(n, name);
	return c != NULL ? c->text : STR_NULL;
}
