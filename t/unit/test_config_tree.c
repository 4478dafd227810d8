/* SPDX-License-Identifier: MIT
 *
 * What of YAML is accepted, and what a hostile file can cost.
 */
#include <check.h>
#include <stdlib.h>
#include "base/arena.h"
#include "config/tree.h"
#include "config_text.h"
#include "t/unit/run.h"

static struct arena *arena;
static const struct node *root;
static struct error error;

static void setup(void)
{
	arena = arena_new();
	root = NULL;
}

static void teardown(void)
{
	arena_free(&arena);
}

static const struct node *get(const struct node *map, const char *key)
{
	ck_assert_int_eq(map->kind, NODE_MAP);
	for (size_t i = 0; i < map->n; i++)
		if (str_eq(map->pairs[i].key, str_of(key)))
			return map->pairs[i].value;
	ck_abort_msg("no key %s", key);
}

static void parse(const char *text)
{
	enum err e = tree_parse(arena, text, strlen(text), &root, &error);

	ck_assert_msg(e == ERR_OK, "%s", error.text);
}

static void expect_failure(const char *text, size_t n, const char *message)
{
	ck_assert_int_eq(tree_parse(arena, text, n, &root, &error), ERR_INVALID);
	ck_assert_msg(!strncmp(error.text, message, strlen(message)), "%s", error.text);
}

#define FAILS(text, message) expect_failure(text, sizeof(text) - 1, message)

START_TEST(empty_files_are_empty_mappings)
{
	static const char *const texts[] = {"",      "\n\n",       "# nothing\n",
	                                    "---\n", "---\n...\n", "~\n"};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		parse(texts[i]);
		ck_assert_int_eq(root->kind, NODE_MAP);
		ck_assert_uint_eq(root->n, 0);
	}
}
END_TEST

START_TEST(styles_and_lines)
{
	parse("\xef\xbb\xbf# comment\na: 1\nb: {c: [x, 'y', \"z\"]}\nd: |\n  two\n  lines\ne: >\n  "
	      "a\n  b\n");
	ck_assert_int_eq(get(root, "a")->line, 2);
	ck_assert_int_eq(root->pairs[1].line, 3);
	ck_assert_uint_eq(get(get(root, "b"), "c")->n, 3);
	ck_assert(str_eq(get(root, "d")->text, STR("two\nlines\n")));
	ck_assert(str_eq(get(root, "e")->text, STR("a b\n")));
}
END_TEST

START_TEST(nothing_is_null_unless_quoted)
{
	parse("a:\nb: ~\nc: null\nd: ''\ne: 'null'\nf: !!str null\ng: nUll\n");
	ck_assert(get(root, "a")->is_null);
	ck_assert(get(root, "b")->is_null);
	ck_assert(get(root, "c")->is_null);
	ck_assert(!get(root, "d")->is_null);
	ck_assert(!get(root, "e")->is_null);
	ck_assert(!get(root, "f")->is_null);
	ck_assert(!get(root, "g")->is_null);
}
END_TEST

START_TEST(aliases_and_merge_keys)
{
	parse("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\nd: {<<: [{z: 9}, *a, {x: 0}]}\n"
	      "e: {'<<': 1}\n");
	ck_assert(str_eq(get(get(root, "b"), "x")->text, STR("1")));
	ck_assert(str_eq(get(get(root, "b"), "y")->text, STR("3")));
	ck_assert_uint_eq(get(root, "b")->n, 2);
	ck_assert_ptr_eq(get(root, "c"), get(root, "a"));
	ck_assert(str_eq(get(get(root, "d"), "x")->text, STR("1")));
	ck_assert_uint_eq(get(root, "d")->n, 3);
	ck_assert(str_eq(get(get(root, "e"), "<<")->text, STR("1")));
	FAILS("a: {<<: 1}\n", "line 1: a merge key needs");
	FAILS("a: {<<: [1]}\n", "line 1: a merge key needs");
}
END_TEST

START_TEST(repeated_keys_are_marked)
{
	parse("a: 1\nb: 2\na: 3\n");
	ck_assert_int_eq(root->pairs[0].first_line, 0);
	ck_assert_int_eq(root->pairs[2].first_line, 1);
}
END_TEST

START_TEST(what_is_refused)
{
	FAILS("a: 1\n---\nb: 2\n", "line 2: a second document");
	FAILS("a: !mine 1\n", "line 1: custom tags");
	FAILS("a: !!binary aaaa\n", "line 1: custom tags");
	FAILS("\n? [a, b]\n: 1\n", "line 2: a key must be");
	FAILS("a: *b\n", "line 1: alias of an unknown anchor");
	FAILS("a: &a [*a]\n", "line 1: alias of an unknown anchor");
	FAILS("a: 1\nb: \"\\0\"\n", "line 2: a value must not contain a NUL");
	FAILS("a: 1\nb: \xff\n", "line 2: not valid UTF-8");
	FAILS("a: 1\nb: \001\n", "line 2: control characters");
	FAILS("a: 1\n b: 2\n", "line 2: ");
	FAILS("a: [1, 2\n", "line 2: ");
	FAILS("\ta: 1\n", "line 1: ");
	FAILS("a: \0 1\n", "line 1: ");
}
END_TEST

static void repeat(struct buf *b, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_add_cstr(b, text);
}

START_TEST(hostile_files_are_bounded)
{
	BUF_AUTO deep = {0}, wide = {0}, laughs = {0}, anchors = {0}, merges = {0};

	repeat(&deep, "[", 100000);
	expect_failure(deep.p, deep.n, "line 1: nested too deeply");
	for (int i = 0; i < 300; i++)
		buf_printf(&wide, "k%d: 1\n", i);
	expect_failure(wide.p, wide.n, "line 257: too many keys");
	buf_add_cstr(&laughs, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
	for (int i = 1; i < 20; i++)
		buf_printf(&laughs, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i,
		           i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	expect_failure(laughs.p, laughs.n, "line 5: aliases stand for more than 10000 nodes");
	for (int i = 0; i < 1001; i++)
		buf_printf(&anchors, "- &x%d 1\n", i);
	expect_failure(anchors.p, anchors.n, "line 1001: too many anchors");
	buf_add_cstr(&merges, "m0: &m0 {k: 1}\n");
	for (int i = 1; i < 260; i++)
		buf_printf(&merges, "m%d: &m%d {<<: *m%d, k%d: 1}\n", i, i, i - 1, i);
	ck_assert_int_eq(tree_parse(arena, merges.p, merges.n, &root, &error), ERR_INVALID);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, empty_files_are_empty_mappings);
	tcase_add_test(t, styles_and_lines);
	tcase_add_test(t, nothing_is_null_unless_quoted);
	tcase_add_test(t, aliases_and_merge_keys);
	tcase_add_test(t, repeated_keys_are_marked);
	tcase_add_test(t, what_is_refused);
	tcase_add_test(t, hostile_files_are_bounded);
	return run_tests("config_tree", t);
}
