/* SPDX-License-Identifier: MIT
 *
 * XML: any document is read or refused within the limits; any text that is
 * written can be read again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "s3proto/xml.h"

static size_t count(const struct xml_node *n, int depth)
{
	size_t total = 0;
	if (depth > XML_DEPTH_MAX)
		abort();
	for (; n != NULL; n = n->next) {
		if (n->child != NULL && n->text.n > 0)
			abort();
		total += 1 + count(n->child, depth + 1);
	}
	return total;
}

static void read_any(struct str doc, struct arena *a)
{
	struct xml_node *root;
	struct error e;
	if (xml_parse(doc, a, &root, &e) == ERR_OK && count(root, 1) > XML_NODES_MAX)
		abort();
}

static void write_and_read(struct str text, struct arena *a)
{
	BUF_AUTO b = {0};
	struct xml_node *root;
	struct error e;
	xml_begin(&b, "R");
	xml_text(&b, "T", text);
	xml_close(&b, "R");
	if (xml_parse(buf_str(&b), a, &root, &e) != ERR_OK)
		abort();
	struct str back = xml_child_text(root, "T");
	/* Unchanged, unless something had to be replaced by U+FFFD. */
	if (!str_eq(back, text) && str_find(back, STR("\xef\xbf\xbd")) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct arena *a = arena_new();
	read_any(str_n((const char *)p, n), a);
	write_and_read(str_n((const char *)p, n), a);
	arena_free(&a);
	return 0;
}
