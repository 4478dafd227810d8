/* SPDX-License-Identifier: MIT
 *
 * Forms of browsers and their policies: whatever comes in, cut anywhere, the parser
 * stays within its limits and gives the same fields and the same file as without the
 * cut. The first byte says where to cut.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "s3proto/form.h"
#include "s3proto/post_policy.h"

struct outcome {
	enum form_result result;
	struct form *form;
	uint64_t bytes, sum; /* of the file; order counts */
};

static void feed(struct outcome *o, const char *p, size_t n)
{
	while (n > 0) {
		const char *data;
		size_t used, data_n;
		o->result = form_feed(o->form, p, n, &used, &data, &data_n);
		for (size_t i = 0; i < data_n; i++)
			o->sum = o->sum * 31 + (unsigned char)data[i];
		o->bytes += data_n;
		if (o->result > FORM_DONE)
			return;
		if (used > n || (used == 0 && data_n == 0) || (data_n && !form_has_file(o->form)))
			abort();
		p += used;
		n -= used;
	}
}

static struct outcome run(struct arena *a, const char *p, size_t n, size_t cut)
{
	struct outcome o = {.form = form_new(a, STR("b"))};
	feed(&o, p, cut);
	if (o.result <= FORM_DONE)
		feed(&o, p + cut, n - cut);
	return o;
}

static void compare(const struct outcome *x, const struct outcome *y)
{
	size_t n, m;
	const struct str_pair *f = form_fields(x->form, &n), *g = form_fields(y->form, &m);
	if (n != m || n > FORM_FIELDS_MAX || x->bytes != y->bytes || x->sum != y->sum ||
	    form_has_file(x->form) != form_has_file(y->form))
		abort();
	for (size_t i = 0; i < n; i++)
		if (!f[i].name.n || !str_eq(f[i].name, g[i].name) ||
		    !str_eq(f[i].value, g[i].value))
			abort();
}

static void check_policy(struct arena *a, const char *p, size_t n)
{
	struct post_policy policy;
	const char *why;
	char *base64 = arena_alloc(a, BASE64_SIZE(n));
	BUF_AUTO text = {0};
	base64_encode(p, n, base64);
	if (post_policy_parse(a, str_of(base64), &policy, &why)) {
		struct str_pair field = {STR("key"), STR("k")};
		post_policy_allows(&policy, &field, 1, 0, &text);
	}
	post_policy_parse(a, str_n(p, n), &policy, &why);
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
	if (n < 2)
		return 0;
	struct arena *a = arena_new();
	const char *p = (const char *)in + 1;
	struct str boundary;
	n--;
	struct outcome whole = run(a, p, n, 0), pieces = run(a, p, n, in[0] % (n + 1));
	compare(&whole, &pieces);
	if (form_is_multipart(str_n(p, n), &boundary) && boundary.n > FORM_BOUNDARY_MAX)
		abort();
	check_policy(a, p, n);
	arena_free(&a);
	return 0;
}
