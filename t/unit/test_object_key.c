/* SPDX-License-Identifier: MIT
 *
 * Names of segments on backends: made and taken apart again.
 */
#include "object/key.h"
#include "t/unit/run.h"

#include <string.h>

#define G "01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define T "01BX5ZZKBKACTAV9WEVGEMMVRZ"

static struct arena *a;

static struct object_name parse(struct str name)
{
	struct object_name n = {.bucket = STR_NULL};
	ck_assert_msg(object_key_parse(name, &n), "%.*s", STR_FMT(name));
	return n;
}

static void round_trip(struct str bucket, struct str key, int part, const char *attempt)
{
	struct object_name n = parse(object_key(a, bucket, key, G, part, attempt));
	ck_assert(str_eq(n.bucket, bucket));
	ck_assert_str_eq(n.generation, G);
	ck_assert_int_eq(n.part, part);
	ck_assert(n.is_cut ? n.key.n < key.n && str_starts(key, n.key) : str_eq(n.key, key));
}

START_TEST(both_ways)
{
	static const char *keys[] = {"k",    "a/b", "/",      "a~" G, "a~" G "/00001",
	                             "a." T, "~~",  "x/00001"};
	a = arena_new();
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		for (int part = 0; part <= 10000; part += 5000) {
			round_trip(STR("bucket"), str_of(keys[i]), part, NULL);
			round_trip(STR("bucket"), str_of(keys[i]), part, T);
		}
	arena_free(&a);
}
END_TEST

/* At each length around the limit, also where a character is cut. */
START_TEST(long_keys)
{
	a = arena_new();
	for (int n = 900; n <= 1024; n++) {
		char *key = arena_printf(a, "%*s", n, "");
		for (int i = 0; i + 2 < n; i += 3)
			memcpy(key + i, "\xe2\x82\xac", 3); /* the euro sign */
		round_trip(STR("bucket"), str_n(key, (size_t)n), 0, NULL);
		round_trip(STR("bucket"), str_n(key, (size_t)n), 10000, T);
	}
	struct object_name cut =
		parse(object_key(a, STR("b"), str_of(arena_printf(a, "%01024d", 0)), G, 0, NULL));
	ck_assert(cut.is_cut);
	ck_assert_uint_gt(cut.key.n, 900);
	arena_free(&a);
}
END_TEST

START_TEST(names_of_others)
{
	static const char *names[] = {
		"",
		"k",
		"bucket/k",
		"bucket/k~",
		"bucket/" G,
		"bucket/k~" G "/0001",
		"bucket/k~" G "/00000x",
		"bucket/k~01ARZ3NDEKTSV4RRFFQ69G5FAU~",
		"k~" G,
		"/k~" G,
		"bucket/~" G,
		"bucket/k~" G "." G "." G,
		"bucket/k~01arz3ndektsv4rrffq69g5fav",
	};
	struct object_name n;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		ck_assert_msg(!object_key_parse(str_of(names[i]), &n), "%s", names[i]);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("key");

	tcase_add_test(t, both_ways);
	tcase_add_test(t, long_keys);
	tcase_add_test(t, names_of_others);
	return run_tests("object_key", t);
}
