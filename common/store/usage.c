/* SPDX-License-Identifier: MIT
 *
 * Monthly usage: arrays of numbers go in, a row per backend comes out, in the same order.
 */
#include "store/usage.h"

#include <assert.h>
#include <stdlib.h>
#include "base/mem.h"
#include "store/store_private.h"

_Static_assert((int)ADD_USAGE_API_REQUESTS == (int)USAGE_API_REQUESTS, "columns differ");
_Static_assert((int)ADD_USAGE_INGRESS_BYTES == (int)USAGE_INGRESS_BYTES, "columns differ");

/* Parameters with the memory that they point to. */
struct usage_args {
	struct args a;
	const char **names;
	struct buf backends, numbers[3];
};

static void add_number(struct buf *b, size_t i, uint64_t v)
{
	buf_printf(b, "%c%llu", i ? ',' : '{', (unsigned long long)v);
}

static void add_period(struct usage_args *u, const char *period, const struct store_usage *list,
                       size_t n)
{
	u->names = mem_alloc((n + 1) * sizeof *u->names);
	for (size_t i = 0; i < n; i++)
		u->names[i] = list[i].backend;
	arg_text(&u->a, period);
	arg_texts(&u->a, &u->backends, u->names, n);
}

static void add_amounts(struct usage_args *u, const struct store_usage *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		add_number(&u->numbers[0], i, list[i].add.api);
		add_number(&u->numbers[1], i, list[i].add.egress);
		add_number(&u->numbers[2], i, list[i].add.ingress);
	}
	for (int k = 0; k < 3; k++) {
		buf_add_cstr(&u->numbers[k], n ? "}" : "{}");
		arg_str(&u->a, buf_str(&u->numbers[k]));
	}
}

static void free_args(struct usage_args *u)
{
	free(u->names);
	buf_free(&u->backends);
	for (int k = 0; k < 3; k++)
		buf_free(&u->numbers[k]);
}

static void take_totals(struct db_result *res, struct store_usage *list, size_t n)
{
	assert((size_t)db_rows(res) == n);
	for (int i = 0; i < (int)n; i++)
		list[i].total = (struct store_amounts){
			.api = (uint64_t)db_i64(res, i, USAGE_API_REQUESTS),
			.egress = (uint64_t)db_i64(res, i, USAGE_EGRESS_BYTES),
			.ingress = (uint64_t)db_i64(res, i, USAGE_INGRESS_BYTES),
		};
	db_result_free(&res);
}

enum err store_usage_add(struct store *s, const char *period, struct store_usage *list, size_t n,
                         struct error *e)
{
	struct usage_args u = {0};
	struct db_result *res = NULL;
	add_period(&u, period, list, n);
	add_amounts(&u, list, n);
	enum err r = exec_shielded(s, Q_ADD_USAGE, &u.a, &res, e);
	if (r == ERR_OK)
		take_totals(res, list, n);
	free_args(&u);
	return r;
}

enum err store_usage_add_blocking(struct db_blocking *db, const char *period,
                                  struct store_usage *list, size_t n, struct error *e)
{
	struct usage_args u = {0};
	struct db_result *res = NULL;
	add_period(&u, period, list, n);
	add_amounts(&u, list, n);
	enum err r = db_query_blocking(db, Q_ADD_USAGE, u.a.p, &res, e);
	if (r == ERR_OK)
		take_totals(res, list, n);
	free_args(&u);
	return r;
}

enum err store_usage_read(struct store *s, const char *period, struct store_usage *list, size_t n,
                          struct error *e)
{
	struct usage_args u = {0};
	struct db_result *res = NULL;
	add_period(&u, period, list, n);
	enum err r = db_exec(s->db, Q_USAGE, u.a.p, &res, e);
	if (r == ERR_OK)
		take_totals(res, list, n);
	free_args(&u);
	return r;
}
