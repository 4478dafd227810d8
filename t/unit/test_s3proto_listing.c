/* SPDX-License-Identifier: MIT
 *
 * Listing: every page size over the same keys must give the same whole, against
 * a naive model; seeks, cursors, tokens, parameters.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "s3proto/listing.h"
#include "s3proto/path.h"
#include "t/unit/run.h"

static struct arena *arena;

static void setup(void)
{
	arena = arena_new();
}

static void teardown(void)
{
	arena_free(&arena);
}

/* --- a store: sorted keys, and how many rows were read --- */

struct store {
	const char *const *keys;
	size_t n;
	size_t rows, queries;
};

/* One page as a caller makes it; entries separated by spaces, groups in []. */
static void page(struct store *s, struct listing *l, struct buf *out)
{
	while (!l->done) {
		size_t want = listing_want(l), got = 0, i = 0;
		s->queries++;
		while (i < s->n && str_cmp(str_of(s->keys[i]), l->from) < 0)
			i++;
		for (; i < s->n && got < want && !l->done; i++) {
			struct str key = str_of(s->keys[i]);
			if (l->until.n > 0 && str_cmp(key, l->until) >= 0)
				break;
			got++;
			s->rows++;
			enum listing_step step = listing_feed(l, key);
			if (step == LISTING_KEY)
				buf_printf(out, "%s ", s->keys[i]);
			else if (step == LISTING_GROUP)
				buf_printf(out, "[%.*s] ", STR_FMT(l->group));
			if (step == LISTING_GROUP && !l->done)
				break; /* read anew behind the group */
		}
		bool broke = i < s->n && got > 0 && l->group.n > 0 && !l->done &&
		             str_starts(str_of(s->keys[i]), l->group);
		if (!broke && got < want && !l->done)
			listing_end(l);
		ck_assert_uint_lt(s->queries, 10000);
	}
}

/* All pages of `limit`, following the cursor. */
static void walk(struct store *s, const char *prefix, const char *delimiter, const char *after,
                 size_t limit, struct buf *out)
{
	struct str cursor = str_of(after);
	struct listing l;
	do {
		listing_init(&l, arena, str_of(prefix), str_of(delimiter), cursor, true, limit);
		page(s, &l, out);
		ck_assert_uint_le(l.count, limit);
		ck_assert(!l.truncated || l.count == limit);
		cursor = l.last;
	} while (l.truncated);
}

static void assert_walk(struct store *s, const char *prefix, const char *delimiter,
                        const char *after, size_t limit, const char *expected)
{
	BUF_AUTO out = {0};
	walk(s, prefix, delimiter, after, limit, &out);
	ck_assert_msg(str_eq(buf_str(&out), str_of(expected)),
	              "prefix %s delimiter %s after %s limit %zu: %.*s", prefix, delimiter, after,
	              limit, STR_FMT(buf_str(&out)));
}

static const char *const small[] = {
	"a/1", "a/2",  "a/3",   "b/1",  "b0",    "c", "c/",
	"c//", "c/d/", "c/d/e", "dir1", "dir1/", "z", "\xf4\x8f\xbf\xbf/x"};

static struct store store_small(void)
{
	return (struct store){small, sizeof(small) / sizeof(small[0]), 0, 0};
}

START_TEST(every_page_size)
{
	static const struct {
		const char *prefix, *delimiter, *after, *expected;
	} cases[] = {
		{"", "", "",
	         "a/1 a/2 a/3 b/1 b0 c c/ c// c/d/ c/d/e dir1 dir1/ z \xf4\x8f\xbf\xbf/x "},
		{"", "/", "", "[a/] [b/] b0 c [c/] dir1 [dir1/] z [\xf4\x8f\xbf\xbf/] "},
		{"a/", "/", "", "a/1 a/2 a/3 "},
		{"c", "/", "", "c [c/] "},
		{"c/", "/", "", "c/ [c//] [c/d/] "},
		{"c/d/", "/", "", "c/d/ c/d/e "},
		{"", "1", "",
	         "[a/1] a/2 a/3 [b/1] b0 c c/ c// c/d/ c/d/e [dir1] z \xf4\x8f\xbf\xbf/x "},
		{"nothing", "/", "", ""},
		{"zz", "", "", ""},
		/* cursors: a key, inside a group, a group, beyond the prefix, before it */
		{"", "", "a/2", "a/3 b/1 b0 c c/ c// c/d/ c/d/e dir1 dir1/ z \xf4\x8f\xbf\xbf/x "},
		{"", "/", "a/2", "[b/] b0 c [c/] dir1 [dir1/] z [\xf4\x8f\xbf\xbf/] "},
		{"", "/", "a/", "[b/] b0 c [c/] dir1 [dir1/] z [\xf4\x8f\xbf\xbf/] "},
		{"", "/", "b", "[b/] b0 c [c/] dir1 [dir1/] z [\xf4\x8f\xbf\xbf/] "},
		{"", "/", "c", "[c/] dir1 [dir1/] z [\xf4\x8f\xbf\xbf/] "},
		{"a/", "/", "b", ""},
		{"c/", "/", "a", "c/ [c//] [c/d/] "},
		{"c/", "/", "c/d/", ""},
		{"", "/", "\xf4\x8f\xbf\xbf/", ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t limit = 1; limit <= 15; limit++) {
			struct store s = store_small();
			assert_walk(&s, cases[i].prefix, cases[i].delimiter, cases[i].after, limit,
			            cases[i].expected);
		}
	}
}
END_TEST

/* All rows fed without seeking: the same result. */
START_TEST(feeding_on_without_seek)
{
	struct listing l;
	BUF_AUTO out = {0};
	listing_init(&l, arena, STR_NULL, STR("/"), STR_NULL, false, 3);
	for (size_t i = 0; i < sizeof(small) / sizeof(small[0]) && !l.done; i++) {
		enum listing_step step = listing_feed(&l, str_of(small[i]));
		buf_add_char(&out, step == LISTING_KEY     ? 'k'
		                   : step == LISTING_GROUP ? 'g'
		                   : step == LISTING_SKIP  ? '.'
		                                           : 'F');
	}
	ck_assert(str_eq(buf_str(&out), STR("g..gkF")));
	ck_assert(l.truncated);
	ck_assert(str_eq(l.last, STR("b0")));
}
END_TEST

/* An exactly full page that ends at the last key is not truncated, also when the
 * rest are keys of the last group. */
START_TEST(full_but_not_truncated)
{
	static const char *const keys[] = {"a", "g/1", "g/2", "g/3"};
	struct store s = {keys, 4, 0, 0};
	struct listing l;
	BUF_AUTO out = {0};
	listing_init(&l, arena, STR_NULL, STR("/"), STR_NULL, false, 2);
	page(&s, &l, &out);
	ck_assert(str_eq(buf_str(&out), STR("a [g/] ")));
	ck_assert(!l.truncated);
	ck_assert_uint_eq(l.count, 2);

	out.n = 0;
	listing_init(&l, arena, STR_NULL, STR("/"), STR_NULL, false, 0);
	page(&s, &l, &out);
	ck_assert(l.done && !l.truncated && l.count == 0);
}
END_TEST

/* start-after is a plain bound: a group with keys behind it is still told. */
START_TEST(start_after_is_no_cursor)
{
	static const char *const keys[] = {"a/1", "a/2", "b"};
	struct store s = {keys, 3, 0, 0};
	struct listing l;
	BUF_AUTO out = {0};
	listing_init(&l, arena, STR_NULL, STR("/"), STR("a/1"), false, 10);
	page(&s, &l, &out);
	ck_assert(str_eq(buf_str(&out), STR("[a/] b ")));
}
END_TEST

/* The cost of a page does not depend on the size of a group. */
START_TEST(huge_group)
{
	enum { N = 20000 };
	const char **keys = calloc(N, sizeof(*keys));
	for (int i = 0; i < N - 1; i++)
		keys[i] = arena_printf(arena, "g/%08d", i);
	keys[N - 1] = "h";
	struct store s = {keys, N, 0, 0};
	BUF_AUTO out = {0};
	walk(&s, "", "/", "", 1, &out);
	ck_assert(str_eq(buf_str(&out), STR("[g/] h ")));
	ck_assert_uint_lt(s.rows, 10);
	free(keys);
}
END_TEST

/* Several entries of one key: counted, and a page may end between them. */
START_TEST(repeats)
{
	struct listing l;
	listing_init(&l, arena, STR(""), STR("/"), STR_NULL, true, 2);
	ck_assert_int_eq(listing_feed(&l, STR("a")), LISTING_KEY);
	ck_assert_int_eq(listing_repeat(&l, STR("a")), LISTING_KEY);
	ck_assert_uint_eq(l.count, 2);
	ck_assert(str_eq(l.last, STR("a")) && !l.done);
	ck_assert_int_eq(listing_repeat(&l, STR("a")), LISTING_FULL);
	ck_assert(l.done && l.truncated);

	/* On the next page they come first. */
	listing_init(&l, arena, STR(""), STR("/"), STR("a"), true, 2);
	ck_assert_int_eq(listing_repeat(&l, STR("a")), LISTING_KEY);
	ck_assert_int_eq(listing_feed(&l, STR("b/1")), LISTING_GROUP);
	listing_end(&l);
	ck_assert(!l.truncated && l.count == 2);
}
END_TEST

START_TEST(successor)
{
	static const char *const cases[][2] = {
		{"a/", "a0"},
		{"a", "b"},
		{"\x7f", "\xc2\x80"},
		{"\xc3\xbf", "\xc4\x80"},
		{"\xdf\xbf", "\xe0\xa0\x80"},
		{"x\xed\x9f\xbf", "x\xee\x80\x80"}, /* U+D7FF: over the surrogates */
		{"\xef\xbf\xbf", "\xf0\x90\x80\x80"},
		{"a\xf4\x8f\xbf\xbf", "b"}, /* U+10FFFF has none */
		{"\xf4\x8f\xbf\xbf", ""},
		{"", ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str s = listing_successor(arena, str_of(cases[i][0]));
		ck_assert_msg(str_eq(s, str_of(cases[i][1])), "case %zu: %.*s", i, STR_FMT(s));
		ck_assert(str_is_utf8(s));
	}
}
END_TEST

static bool decodes(const char *token)
{
	struct str cursor;
	return listing_token_decode(arena, str_of(token), &cursor);
}

START_TEST(tokens)
{
	char longest[PATH_KEY_MAX];
	memset(longest, 'k', sizeof(longest));
	struct str cursors[] = {STR("a"), STR("a/"), STR("\xc3\xbf?>\xf4\x8f\xbf\xbf"),
	                        str_n(longest, sizeof(longest)),
	                        str_n(longest, sizeof(longest) - 1)};
	for (size_t i = 0; i < sizeof(cursors) / sizeof(cursors[0]); i++) {
		BUF_AUTO token = {0};
		struct str back;
		listing_token_encode(&token, cursors[i]);
		ck_assert(str_find(buf_str(&token), STR("+")) < 0);
		ck_assert(str_find(buf_str(&token), STR("/")) < 0);
		ck_assert(str_find(buf_str(&token), STR("=")) < 0);
		ck_assert(listing_token_decode(arena, buf_str(&token), &back));
		ck_assert(str_eq(back, cursors[i]));
		/* no token is a part or an extension of another */
		buf_add_char(&token, 'A');
		struct str more = buf_str(&token);
		ck_assert(!listing_token_decode(arena, more, &back) || !str_eq(back, cursors[i]));
	}
	ck_assert(decodes("AWE"));   /* 01 'a' */
	ck_assert(!decodes("AWF"));  /* spare bits set */
	ck_assert(!decodes("AWE=")); /* padding */
	ck_assert(!decodes("AmE"));  /* version 2 */
	ck_assert(!decodes("AQ"));   /* empty cursor */
	ck_assert(!decodes("AQA"));  /* NUL */
	ck_assert(!decodes("Af8"));  /* not UTF-8 */
	ck_assert(!decodes(""));
	ck_assert(!decodes("A"));
	ck_assert(!decodes("a/key"));
	ck_assert(!decodes("AW E"));
	BUF_AUTO huge = {0};
	for (int i = 0; i < 5000; i++)
		buf_add_char(&huge, 'A');
	buf_add_char(&huge, '\0');
	ck_assert(!decodes(huge.p));
}
END_TEST

START_TEST(max_keys)
{
	static const struct {
		const char *text;
		bool ok;
		size_t value;
	} cases[] = {
		{"", true, 1000},   {"0", true, 0},       {"1", true, 1},
		{"999", true, 999}, {"1000", true, 1000}, {"1001", true, 1000},
		{"007", true, 7},   {"-1", false, 0},     {"abc", false, 0},
		{"1.5", false, 0},  {" 1", false, 0},     {"99999999999999999999999", true, 1000},
	};
	size_t v;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct uri_param p = {STR("max-keys"), str_of(cases[i].text), true};
		ck_assert_msg(listing_parse_max_keys(&p, &v) == cases[i].ok, "%s", cases[i].text);
		if (cases[i].ok)
			ck_assert_uint_eq(v, cases[i].value);
	}
	ck_assert(listing_parse_max_keys(NULL, &v));
	ck_assert_uint_eq(v, 1000);
}
END_TEST

START_TEST(encoding_type)
{
	BUF_AUTO b = {0};
	listing_text(&b, "Key", STR("a b/\x01&\xc3\xbc"), true);
	listing_text(&b, "Key", STR("a b&"), false);
	ck_assert(str_eq(buf_str(&b), STR("<Key>a%20b/%01%26%C3%BC</Key><Key>a b&amp;</Key>")));
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, every_page_size);
	tcase_add_test(t, feeding_on_without_seek);
	tcase_add_test(t, full_but_not_truncated);
	tcase_add_test(t, start_after_is_no_cursor);
	tcase_add_test(t, huge_group);
	tcase_add_test(t, repeats);
	tcase_add_test(t, successor);
	tcase_add_test(t, tokens);
	tcase_add_test(t, max_keys);
	tcase_add_test(t, encoding_type);
	return run_tests("s3proto_listing", t);
}
