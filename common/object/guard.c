/* SPDX-License-Identifier: MIT
 *
 * See guard.h.
 */
#include "object/guard.h"

#include "store/store.h"

#define RAW_MAX ((uint64_t)1024 * 1024)

static struct guard *of(struct body *b)
{
	return (struct guard *)b;
}

static bool is_gone(const struct guard *g)
{
	return store_intent_is_gone(g->store, g->intent);
}

static ssize_t guard_read(struct body *b, void *buf, size_t n, int64_t idle_us, struct error *e)
{
	struct guard *g = of(b);

	if (is_gone(g)) {
		err_set(e, ERR_CONFLICT, "the intent is gone, or could not be renewed");
		return -1;
	}
	return body_read(g->inner, buf, n, idle_us, e);
}

/* Offers nothing when the intent is gone: then guard_read() tells. And never much,
 * because nobody looks again before all that was offered has been sent. */
static uint64_t guard_raw(struct body *b, struct stream **from, int *file, int64_t *off)
{
	struct guard *g = of(b);
	uint64_t n;

	if (is_gone(g))
		return 0;
	n = g->inner->ops->raw(g->inner, from, file, off);
	return n < RAW_MAX ? n : RAW_MAX;
}

static void guard_taken(struct body *b, uint64_t n)
{
	struct body *inner = of(b)->inner;

	inner->ops->taken(inner, n);
}

static void guard_close(struct body *b)
{
	(void)b;
}

struct body *guard_init(struct guard *g, struct body *inner, struct store *s,
                        const struct store_intent *i)
{
	static const struct body_ops plain = {.read = guard_read, .close = guard_close};
	static const struct body_ops raw = {
		.read = guard_read,
		.close = guard_close,
		.raw = guard_raw,
		.taken = guard_taken,
	};

	*g = (struct guard){
		.body = {.ops = inner->ops->raw != NULL ? &raw : &plain, .size = inner->size},
		.inner = inner,
		.store = s,
		.intent = i,
	};
	return &g->body;
}
