/* SPDX-License-Identifier: MIT
 *
 * A part of a body, for servers that answer a range with the whole object.
 */
#include <stdlib.h>

#include "backend/s3_private.h"
#include "base/mem.h"

struct slice {
	struct body body;
	struct body *inner;
	uint64_t skip, left;
};

static ssize_t skip(struct slice *s, int64_t idle_us, struct error *e)
{
	char scratch[16 * 1024];

	while (s->skip > 0) {
		size_t want = s->skip < sizeof(scratch) ? (size_t)s->skip : sizeof(scratch);
		ssize_t n = body_read(s->inner, scratch, want, idle_us, e);

		if (n == 0)
			err_set(e, ERR_PROTOCOL, "the body is shorter than its size");
		if (n <= 0)
			return -1;
		s->skip -= (uint64_t)n;
	}
	return 0;
}

static ssize_t slice_read(struct body *b, void *buf, size_t n, int64_t idle_us, struct error *e)
{
	struct slice *s = (struct slice *)b;
	ssize_t r;

	if (s->left == 0)
		return 0;
	if (skip(s, idle_us, e) < 0)
		return -1;
	r = body_read(s->inner, buf, n < s->left ? n : (size_t)s->left, idle_us, e);
	if (r == 0) {
		err_set(e, ERR_PROTOCOL, "the body is shorter than its size");
		return -1;
	}
	if (r > 0)
		s->left -= (uint64_t)r;
	return r;
}

static void slice_close(struct body *b)
{
	struct slice *s = (struct slice *)b;

	body_close(&s->inner);
	free(s);
}

struct body *s3_slice(struct body *inner, uint64_t from, uint64_t n)
{
	static const struct body_ops ops = {.read = slice_read, .close = slice_close};
	struct slice *s = MEM_NEW(struct slice);

	*s = (struct slice){
		.body = {.ops = &ops, .size = n}, .inner = inner, .skip = from, .left = n};
	return &s->body;
}
