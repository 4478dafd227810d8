/* SPDX-License-Identifier: MIT
 *
 * Deleting keys and versions. What is to go is looked up first, and the deletion names
 * it: one whose connection breaks could otherwise be executed after the client's next
 * write, and take that.
 */
#include "store/expiry.h"
#include "store/store_private.h"

#include <stdio.h>

/* A key that others write all the time is given up after so many look-ups. */
#define ROUNDS_MAX 8

/* Of a transaction. PostgreSQL has room for 64 locks in each of as many transactions as
 * there may be connections (max_locks_per_transaction), and a key is one. Retiring a
 * segment takes 60 us. */
#define KEYS_MAX     50
#define SEGMENTS_MAX 5000

/* Whose items are deleted. */
struct target {
	struct str bucket, owner;
	const struct str *rules; /* that the bucket must have, or NULL */
};

/* The numbers of those that are not done yet. */
static size_t open_items(struct arena *a, const struct store_deletion *items, size_t n,
                         size_t **which)
{
	size_t count = 0;
	*which = ARENA_ARRAY(a, size_t, n);
	for (size_t i = 0; i < n; i++)
		if (!items[i].done)
			(*which)[count++] = i;
	return count;
}

static enum err look_up(struct store *s, const struct target *t, struct store_deletion *items,
                        const size_t *which, size_t n, struct error *e)
{
	BUF_AUTO json = {0};
	struct args a = {0};
	struct db_result *res = NULL;
	for (size_t i = 0; i < n; i++) {
		items[which[i]].generation[0] = '\0';
		items[which[i]].segments = 0;
		ulid_new(items[which[i]].marker);
	}
	enum err r = json_of_deletions(items, which, n, &json, e);
	if (r != ERR_OK)
		return r;
	arg_str(&a, t->bucket);
	arg_str(&a, buf_str(&json));
	r = db_exec(s->db, Q_FIND_GENERATIONS, a.p, &res, e);
	for (int i = 0; r == ERR_OK && i < db_rows(res); i++) {
		struct store_deletion *d = &items[which[db_i64(res, i, FIND_GENERATIONS_ITEM) - 1]];
		snprintf(d->generation, ULID_SIZE, "%.*s",
		         STR_FMT(db_str(res, i, FIND_GENERATIONS_GENERATION)));
		d->segments = (uint64_t)db_i64(res, i, FIND_GENERATIONS_PARTS);
	}
	for (size_t i = 0; i < n; i++)
		if (items[which[i]].seen)
			snprintf(items[which[i]].generation, ULID_SIZE, "%s",
			         items[which[i]].seen->generation);
	db_result_free(&res);
	return r;
}

static void read_row(const struct db_result *res, int row, struct store_deletion *d)
{
	struct str status = db_str(res, row, DELETE_STATUS);
	if (str_eq(status, STR("changed"))) {
		err_set(&d->result, ERR_CONFLICT, "replaced again and again");
		d->done = d->seen != NULL;
		return;
	}
	d->done = true;
	d->result.code = ERR_OK;
	if (!str_eq(status, STR("ok"))) {
		status_error(status, &d->result);
		return;
	}
	d->is_marker = db_bool(res, row, DELETE_IS_MARKER);
	version_id_copy(d->version_id, db_str(res, row, DELETE_VERSION_ID));
	d->copies = (uint64_t)db_i64(res, row, DELETE_QUEUED);
}

/* How many of them go into the next transaction. */
static size_t slice(const struct store_deletion *items, const size_t *which, size_t n)
{
	uint64_t segments = 0;
	size_t i = 0;
	while (i < n && i < KEYS_MAX) {
		segments += items[which[i]].segments;
		if (i > 0 && segments > SEGMENTS_MAX)
			break;
		i++;
	}
	return i;
}

/* One transaction. */
static enum err delete_found(struct store *s, const struct target *t, struct store_deletion *items,
                             const size_t *which, size_t n, struct error *e)
{
	BUF_AUTO json = {0};
	struct args a = {0};
	struct db_result *res = NULL;
	uint64_t queued = 0;
	enum err r = json_of_deletions(items, which, n, &json, e);
	if (r != ERR_OK)
		return r;
	arg_str(&a, t->bucket);
	arg_str(&a, t->owner);
	if (t->rules)
		arg_str(&a, *t->rules);
	else
		arg_null(&a);
	arg_str(&a, buf_str(&json));
	arg_slot(&a);
	r = exec_shielded(s, Q_DELETE, &a, &res, e);
	for (int i = 0; r == ERR_OK && i < db_rows(res); i++) {
		struct store_deletion *d = &items[which[db_i64(res, i, DELETE_ITEM) - 1]];
		read_row(res, i, d);
		queued += d->copies;
	}
	db_result_free(&res);
	cleanup_queued(s, "object_deleted", queued);
	return r;
}

static enum err delete_open(struct store *s, const struct target *t, struct store_deletion *items,
                            const size_t *which, size_t n, struct error *e)
{
	enum err r = look_up(s, t, items, which, n, e);
	while (n > 0 && r == ERR_OK) {
		size_t now = slice(items, which, n);
		r = delete_found(s, t, items, which, now, e);
		which += now;
		n -= now;
	}
	return r;
}

/* An error becomes the result of those that are not done. */
static enum err delete_all(struct store *s, const struct target *t, struct store_deletion *items,
                           size_t n, struct error *e)
{
	struct arena *a = arena_new();
	enum err r = ERR_OK;
	for (int round = 0; round < ROUNDS_MAX && r == ERR_OK; round++) {
		size_t *which, open = open_items(a, items, n, &which);
		if (!open)
			break;
		r = delete_open(s, t, items, which, open, e);
	}
	for (size_t i = 0; i < n && r != ERR_OK; i++)
		if (!items[i].done)
			items[i].result = *e;
	arena_free(&a);
	return r;
}

enum err store_delete(struct store *s, struct str bucket, struct str owner,
                      struct store_deletion *items, size_t n, struct error *e)
{
	const struct target t = {bucket, owner, NULL};
	enum err r = delete_all(s, &t, items, n, e);
	for (size_t i = 0; i < n; i++)
		if (items[i].done)
			return ERR_OK;
	return r;
}

enum err store_expire(struct store *s, const struct store_rules *rules,
                      struct store_deletion *items, size_t n, struct error *e)
{
	const struct target t = {rules->bucket, rules->owner, &rules->document};
	return delete_all(s, &t, items, n, e);
}
