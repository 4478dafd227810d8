/* SPDX-License-Identifier: MIT
 *
 * Parameters of statements: everything goes to PostgreSQL as text.
 */
#include "store/store_private.h"

#include <assert.h>
#include <stdio.h>
#include "config/config.h"

/* As many as s3o_sync_backend makes. */
#define SLOTS 8

static void add(struct args *a, const char *p, size_t n)
{
	assert(a->n < QUERY_PARAMS_MAX);
	a->p[a->n++] = (struct db_param){p, n};
}

void arg_str(struct args *a, struct str s)
{
	add(a, s.p ? s.p : "", s.n);
}

void arg_text(struct args *a, const char *s)
{
	arg_str(a, str_of(s));
}

void arg_i64(struct args *a, int64_t v)
{
	char *text = a->numbers[a->n];
	int n = snprintf(text, sizeof a->numbers[0], "%lld", (long long)v);
	add(a, text, (size_t)n);
}

void arg_bool(struct args *a, bool v)
{
	add(a, v ? "t" : "f", 1);
}

void arg_texts(struct args *a, struct buf *array, const char *const *s, size_t n)
{
	buf_add_char(array, '{');
	for (size_t i = 0; i < n; i++) {
		buf_add_cstr(array, i ? ",\"" : "\"");
		for (const char *p = s[i]; *p; p++) {
			if (*p == '"' || *p == '\\')
				buf_add_char(array, '\\');
			buf_add_char(array, *p);
		}
		buf_add_char(array, '"');
	}
	buf_add_char(array, '}');
	arg_str(a, buf_str(array));
}

void arg_ids(struct args *a, struct buf *array, const int64_t *ids, size_t n)
{
	buf_add_char(array, '{');
	for (size_t i = 0; i < n; i++)
		buf_printf(array, "%s%lld", i ? "," : "", (long long)ids[i]);
	buf_add_char(array, '}');
	arg_str(a, buf_str(array));
}

void arg_factors(struct args *a, const struct store *s, struct buf *buckets, struct buf *factors,
                 struct arena *scratch)
{
	const struct config *c = s->config;
	const char **names = ARENA_ARRAY(scratch, const char *, c->n_buckets);
	int64_t *wanted = ARENA_ARRAY(scratch, int64_t, c->n_buckets);
	for (size_t i = 0; i < c->n_buckets; i++) {
		names[i] = c->buckets[i].name;
		wanted[i] = c->buckets[i].factor;
	}
	arg_texts(a, buckets, names, c->n_buckets);
	arg_ids(a, factors, wanted, c->n_buckets);
	arg_i64(a, c->replication.factor);
}

void arg_null(struct args *a)
{
	add(a, NULL, 0);
}

void arg_slot(struct args *a)
{
	arg_i64(a, (int64_t)(random_u64() % SLOTS));
}
