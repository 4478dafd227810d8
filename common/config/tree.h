/* SPDX-License-Identifier: MIT
 *
 * A YAML text as a tree that knows its line numbers. Aliases share the node
 * they name and merge keys are resolved, so a reader sees neither.
 *
 * Everything is bounded: depth, keys of one mapping, anchors, and the number
 * of nodes that aliases stand for.
 */
#ifndef CONFIG_TREE_H
#define CONFIG_TREE_H

#include "base/arena.h"
#include "base/err.h"

enum node_kind { NODE_SCALAR, NODE_MAP, NODE_LIST };

struct node {
	enum node_kind kind;
	int line;            /* where it begins, from 1 */
	size_t size;         /* nodes below it and itself, aliases counted as what they name */
	struct str text;     /* NODE_SCALAR; terminated and without NUL */
	bool is_null;        /* NODE_SCALAR: a plain nothing, ~ or null */
	bool is_merge;       /* NODE_SCALAR: a plain << */
	struct pair *pairs;  /* NODE_MAP, in the order of the file; merged ones last */
	struct node **items; /* NODE_LIST */
	size_t n;            /* of pairs or items */
};

struct pair {
	struct str key;
	int line;
	int first_line; /* an equal key came before, in this line; else 0 */
	const struct node *value;
};

/* One document, UTF-8, at most n bytes. An empty one is an empty mapping.
 * ERR_INVALID: *e says "line N: ...". */
enum err tree_parse(struct arena *a, const char *text, size_t n, const struct node **root,
                    struct error *e);

#endif
