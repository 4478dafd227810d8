/* SPDX-License-Identifier: MIT
 *
 * See tally.h.
 */
#include "object/tally.h"

static struct tally *of(struct body *b)
{
	return (struct tally *)b;
}

static ssize_t tally_read(struct body *b, void *buf, size_t n, int64_t idle_us, struct error *e)
{
	ssize_t got = body_read(of(b)->inner, buf, n, idle_us, e);
	if (got <= 0)
		return got;
	of(b)->n += (uint64_t)got;
	checksum_set_update(of(b)->set, buf, (size_t)got);
	if (of(b)->running)
		checksum_set_update(of(b)->running, buf, (size_t)got);
	return got;
}

static void tally_close(struct body *b)
{
	(void)b;
}

struct body *tally_init(struct tally *t, struct body *inner, unsigned kinds,
                        struct checksum_set *running)
{
	static const struct body_ops ops = {.read = tally_read, .close = tally_close};

	*t = (struct tally){
		.body = {.ops = &ops, .size = inner->size},
		.inner = inner,
		.set = checksum_set_new(kinds),
		.running = running,
	};
	return &t->body;
}

void tally_final(struct tally *t)
{
	checksum_set_final(t->set);
}

const uint8_t *tally_value(const struct tally *t, enum checksum_kind k)
{
	return checksum_set_value(t->set, k);
}

void tally_free(struct tally *t)
{
	checksum_set_free(&t->set);
}
