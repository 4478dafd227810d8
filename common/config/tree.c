/* SPDX-License-Identifier: MIT
 *
 * From libyaml's events to nodes. Collections that are not finished are on a
 * stack; a finished node is handed to the collection around it. An anchor is
 * known only when its node is finished, so nothing can contain itself.
 */
#include "config/tree.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* The schema needs 6 levels; what is deeper is no configuration. */
#define DEPTH_MAX 32
/* More than any section has keys: bounds the search for equal keys. */
#define KEYS_MAX 256
/* Bounds the search for an anchor's name. */
#define ANCHORS_MAX 1000
/* Nodes that all aliases together may stand for ("billion laughs"). */
#define ALIAS_NODES_MAX 10000

struct anchor {
	const char *name;
	struct node *node;
};

struct frame { /* a collection that is being read */
	struct node *node;
	const char *anchor;
	struct node **children; /* keys and values in turn for a mapping */
	size_t n, cap;
};

struct builder {
	struct arena *arena;
	struct error *error;
	struct frame stack[DEPTH_MAX];
	int depth;
	struct anchor anchors[ANCHORS_MAX];
	size_t n_anchors;
	size_t alias_nodes;
	struct node *root;
};

static enum err fail_at(struct builder *b, int line, const char *what)
{
	return err_set(b->error, ERR_INVALID, "line %d: %s", line, what);
}

static struct node *node_new(struct builder *b, enum node_kind kind, const yaml_event_t *ev)
{
	struct node *node = ARENA_NEW(b->arena, struct node);

	node->kind = kind;
	node->line = (int)ev->start_mark.line + 1;
	node->size = 1;
	return node;
}

/* The tags of YAML's core schema say nothing that the settings table does not
 * know better; "!" marks a string, as quotes do. */
static bool tag_is_standard(const yaml_char_t *tag)
{
	static const char *const names[] = {"str", "int", "float", "bool", "null", "map", "seq"};
	static const char prefix[] = "tag:yaml.org,2002:";
	const char *t = (const char *)tag;

	if (!t || !strcmp(t, "!"))
		return true;
	if (strncmp(t, prefix, sizeof prefix - 1))
		return false;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(t + sizeof prefix - 1, names[i]))
			return true;
	return false;
}

static bool text_is_null(struct str s)
{
	return !s.n || str_eq(s, STR("~")) || str_eq(s, STR("null")) || str_eq(s, STR("Null")) ||
	       str_eq(s, STR("NULL"));
}

/* --- merge keys ----------------------------------------------------------- */

static struct pair *map_find(const struct node *map, struct str key)
{
	for (size_t i = 0; i < map->n; i++)
		if (str_eq(map->pairs[i].key, key))
			return &map->pairs[i];
	return NULL;
}

static enum err map_add(struct builder *b, struct node *map, struct pair p)
{
	if (map->n == KEYS_MAX)
		return fail_at(b, p.line, "too many keys in one mapping");
	map->pairs[map->n++] = p;
	return ERR_OK;
}

/* Own keys and keys merged earlier win. */
static enum err merge_map(struct builder *b, struct node *map, const struct node *from, int line)
{
	if (from->kind != NODE_MAP)
		return fail_at(b, line, "a merge key needs a mapping or a list of mappings");
	for (size_t i = 0; i < from->n; i++) {
		enum err e = ERR_OK;

		if (!map_find(map, from->pairs[i].key))
			e = map_add(b, map, from->pairs[i]);
		if (e)
			return e;
	}
	return ERR_OK;
}

static enum err merge(struct builder *b, struct node *map, const struct node *from, int line)
{
	if (from->kind != NODE_LIST)
		return merge_map(b, map, from, line);
	for (size_t i = 0; i < from->n; i++) {
		enum err e = merge_map(b, map, from->items[i], line);

		if (e)
			return e;
	}
	return ERR_OK;
}

/* --- collections ------------------------------------------------------------ */

static enum err finish_map(struct builder *b, const struct frame *f)
{
	struct pair pairs[KEYS_MAX];
	struct node *map = f->node;
	enum err e = ERR_OK;

	map->pairs = pairs;
	for (size_t i = 0; i < f->n && !e; i += 2) {
		const struct node *key = f->children[i];

		if (key->kind != NODE_SCALAR)
			return fail_at(b, key->line, "a key must be a plain string");
		if (key->is_merge)
			continue;
		const struct pair *before = map_find(map, key->text);

		e = map_add(b, map,
		            (struct pair){.key = key->text,
		                          .line = key->line,
		                          .first_line = before ? before->line : 0,
		                          .value = f->children[i + 1]});
	}
	for (size_t i = 0; i < f->n && !e; i += 2)
		if (f->children[i]->is_merge)
			e = merge(b, map, f->children[i + 1], f->children[i]->line);
	map->pairs = ARENA_ARRAY(b->arena, struct pair, map->n);
	memcpy(map->pairs, pairs, sizeof *pairs * map->n);
	return e;
}

static enum err define_anchor(struct builder *b, const char *name, struct node *node)
{
	if (!name)
		return ERR_OK;
	if (b->n_anchors == ANCHORS_MAX)
		return fail_at(b, node->line, "too many anchors");
	b->anchors[b->n_anchors++] = (struct anchor){name, node};
	return ERR_OK;
}

/* Hands a finished node to the collection around it. */
static enum err attach(struct builder *b, struct node *node)
{
	if (!b->depth) {
		b->root = node;
		return ERR_OK;
	}
	struct frame *f = &b->stack[b->depth - 1];

	if (f->n == f->cap) {
		struct node **bigger;

		f->cap = f->cap ? 2 * f->cap : 8;
		bigger = ARENA_ARRAY(b->arena, struct node *, f->cap);
		if (f->n)
			memcpy(bigger, f->children, sizeof *bigger * f->n);
		f->children = bigger;
	}
	f->children[f->n++] = node;
	f->node->size += node->size;
	return ERR_OK;
}

static enum err open_collection(struct builder *b, enum node_kind kind, const yaml_event_t *ev,
                                const yaml_char_t *anchor)
{
	struct frame *f = &b->stack[b->depth];

	if (b->depth == DEPTH_MAX)
		return fail_at(b, (int)ev->start_mark.line + 1, "nested too deeply");
	*f = (struct frame){.node = node_new(b, kind, ev)};
	f->anchor = anchor ? arena_strdup(b->arena, (const char *)anchor) : NULL;
	b->depth++;
	return ERR_OK;
}

static enum err close_collection(struct builder *b)
{
	struct frame *f = &b->stack[--b->depth];
	enum err e = ERR_OK;

	if (f->node->kind == NODE_MAP) {
		e = finish_map(b, f);
	} else {
		f->node->items = f->children;
		f->node->n = f->n;
	}
	if (!e)
		e = define_anchor(b, f->anchor, f->node);
	return e ? e : attach(b, f->node);
}

/* --- leaves ------------------------------------------------------------------ */

static enum err add_scalar(struct builder *b, const yaml_event_t *ev)
{
	struct node *node = node_new(b, NODE_SCALAR, ev);
	struct str text = str_n((const char *)ev->data.scalar.value, ev->data.scalar.length);
	bool plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !ev->data.scalar.tag;
	const char *anchor = NULL;
	enum err e;

	if (memchr(text.p, '\0', text.n))
		return fail_at(b, node->line, "a value must not contain a NUL byte");
	node->text = arena_dup(b->arena, text);
	node->is_null = plain && text_is_null(text);
	node->is_merge = plain && str_eq(text, STR("<<"));
	if (ev->data.scalar.anchor)
		anchor = arena_strdup(b->arena, (const char *)ev->data.scalar.anchor);
	e = define_anchor(b, anchor, node);
	return e ? e : attach(b, node);
}

static enum err add_alias(struct builder *b, const yaml_event_t *ev)
{
	const char *name = (const char *)ev->data.alias.anchor;
	int line = (int)ev->start_mark.line + 1;

	/* Backwards: an anchor may be defined again. */
	for (size_t i = b->n_anchors; i-- > 0;) {
		if (strcmp(b->anchors[i].name, name))
			continue;
		b->alias_nodes += b->anchors[i].node->size;
		if (b->alias_nodes > ALIAS_NODES_MAX)
			return fail_at(b, line, "aliases stand for more than 10000 nodes");
		return attach(b, b->anchors[i].node);
	}
	return fail_at(b, line, "alias of an unknown anchor");
}

static enum err check_tag(struct builder *b, const yaml_event_t *ev)
{
	const yaml_char_t *tag = NULL;

	if (ev->type == YAML_SCALAR_EVENT)
		tag = ev->data.scalar.tag;
	else if (ev->type == YAML_MAPPING_START_EVENT)
		tag = ev->data.mapping_start.tag;
	else if (ev->type == YAML_SEQUENCE_START_EVENT)
		tag = ev->data.sequence_start.tag;
	if (tag_is_standard(tag))
		return ERR_OK;
	return fail_at(b, (int)ev->start_mark.line + 1, "custom tags are not supported");
}

static enum err take_event(struct builder *b, const yaml_event_t *ev)
{
	enum err e = check_tag(b, ev);

	if (e)
		return e;
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (!b->root)
			return ERR_OK;
		return fail_at(b, (int)ev->start_mark.line + 1, "a second document");
	case YAML_SCALAR_EVENT:
		return add_scalar(b, ev);
	case YAML_ALIAS_EVENT:
		return add_alias(b, ev);
	case YAML_MAPPING_START_EVENT:
		return open_collection(b, NODE_MAP, ev, ev->data.mapping_start.anchor);
	case YAML_SEQUENCE_START_EVENT:
		return open_collection(b, NODE_LIST, ev, ev->data.sequence_start.anchor);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return close_collection(b);
	default:
		return ERR_OK;
	}
}

/* --- the parser ---------------------------------------------------------------- */

static int line_of_offset(struct str text, size_t offset)
{
	int line = 1;

	for (size_t i = 0; i < text.n && i < offset; i++)
		line += text.p[i] == '\n';
	return line;
}

static enum err fail_syntax(struct builder *b, const yaml_parser_t *p, struct str text)
{
	int line = (int)p->problem_mark.line + 1;

	if (p->error == YAML_READER_ERROR)
		line = line_of_offset(text, p->problem_offset);
	return fail_at(b, line, p->problem ? p->problem : "not valid YAML");
}

static enum err read_events(struct builder *b, yaml_parser_t *p, struct str text)
{
	for (;;) {
		yaml_event_t ev;
		enum err e;

		if (!yaml_parser_parse(p, &ev))
			return fail_syntax(b, p, text);
		bool end = ev.type == YAML_STREAM_END_EVENT;

		e = take_event(b, &ev);
		yaml_event_delete(&ev);
		if (e || end)
			return e;
	}
}

static int line_of_bad_utf8(struct str text)
{
	int line = 1;

	while (text.n) {
		struct str rest, head = str_cut(text, '\n', &rest);

		if (!str_is_utf8(head))
			break;
		text = rest;
		line++;
	}
	return line;
}

enum err tree_parse(struct arena *a, const char *text, size_t n, const struct node **root,
                    struct error *e)
{
	struct builder *b = ARENA_NEW(a, struct builder);
	struct str s = str_n(text, n);
	yaml_parser_t parser;
	enum err result;

	b->arena = a;
	b->error = e;
	if (!str_is_utf8(s))
		return fail_at(b, line_of_bad_utf8(s), "not valid UTF-8");
	if (str_starts(s, STR("\xef\xbb\xbf")))
		s = str_skip(s, 3);
	if (!yaml_parser_initialize(&parser))
		abort(); /* out of memory, as everywhere */
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)s.p, s.n);
	result = read_events(b, &parser, s);
	yaml_parser_delete(&parser);
	if (!b->root || b->root->is_null) {
		b->root = ARENA_NEW(a, struct node);
		*b->root = (struct node){.kind = NODE_MAP, .line = 1, .size = 1};
	}
	*root = b->root;
	return result;
}
