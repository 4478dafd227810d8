/* SPDX-License-Identifier: MIT
 *
 * The documents of requests: any bytes are read or refused with a text that can
 * be sent; what is written from what was read is read as the same again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "s3proto/complete_list.h"
#include "s3proto/acl.h"
#include "s3proto/cors.h"
#include "s3proto/delete_list.h"
#include "s3proto/lifecycle.h"
#include "s3proto/tagging.h"

static const char *why;

/* Whether it was accepted. */
static bool is_read(enum s3_error e)
{
	if (e == S3_OK && why != NULL)
		abort();
	if (why != NULL && !str_is_utf8(str_of(why)))
		abort();
	return e == S3_OK;
}

static void must_be(bool holds)
{
	if (!holds)
		abort();
}

static void check_delete(struct str doc, struct arena *a)
{
	struct delete_list l;
	if (!is_read(delete_list_parse(doc, a, &l, &why)))
		return;
	must_be(l.n >= 1 && l.n <= DELETE_LIST_MAX);
	for (size_t i = 0; i < l.n; i++)
		must_be(str_is_utf8(l.items[i].key) && str_is_utf8(l.items[i].version));
}

static void check_complete(struct str doc, struct arena *a)
{
	struct complete_list l;
	if (!is_read(complete_list_parse(doc, a, &l, &why)))
		return;
	must_be(l.n >= 1 && l.n <= COMPLETE_LIST_MAX);
	for (size_t i = 0; i < l.n; i++)
		must_be(l.parts[i].number > (i > 0 ? l.parts[i - 1].number : 0) &&
		        l.parts[i].number <= COMPLETE_LIST_MAX);
}

static void check_tagging(struct str doc, struct arena *a)
{
	struct tagging t, again;
	BUF_AUTO first = {0}, second = {0};
	if (is_read(tagging_parse_header(doc, a, &t, &why)))
		must_be(t.n <= TAGGING_OBJECT_MAX);
	if (!is_read(tagging_parse_xml(doc, TAGGING_BUCKET, a, &t, &why)))
		return;
	tagging_write(&first, &t);
	must_be(is_read(tagging_parse_xml(buf_str(&first), TAGGING_BUCKET, a, &again, &why)));
	tagging_write(&second, &again);
	must_be(str_eq(buf_str(&first), buf_str(&second)));
}

static void check_answer(const struct cors *c, struct str origin, struct str headers,
                         struct arena *a)
{
	struct cors_answer answer;
	const struct cors_rule *r = cors_match(c, origin, STR("GET"), headers);
	if (r != NULL)
		cors_answer(r, origin, headers, a, &answer);
}

static void check_cors(struct str doc, struct arena *a)
{
	struct cors c, again;
	BUF_AUTO first = {0}, second = {0};
	if (!is_read(cors_parse(doc, a, &c, &why)))
		return;
	check_answer(&c, STR("http://a"), STR("x-a, range"), a);
	check_answer(&c, c.rules[0].origins.v[0], doc, a);
	cors_write(&first, &c);
	must_be(is_read(cors_parse(buf_str(&first), a, &again, &why)));
	cors_write(&second, &again);
	must_be(str_eq(buf_str(&first), buf_str(&second)));
}

static void check_lifecycle(struct str doc, struct arena *a)
{
	struct lifecycle l, again;
	BUF_AUTO first = {0}, second = {0};
	if (!is_read(lifecycle_parse(doc, a, &l, &why)))
		return;
	lifecycle_write(&first, &l);
	must_be(is_read(lifecycle_parse(buf_str(&first), a, &again, &why)));
	lifecycle_write(&second, &again);
	must_be(str_eq(buf_str(&first), buf_str(&second)));
}

static void check_acl(struct str doc, struct arena *a)
{
	BUF_AUTO b = {0};
	bool everybody, again;
	if (!is_read(acl_parse_xml(doc, STR("me"), a, &everybody, &why)))
		return;
	acl_write(&b, STR("me"), everybody);
	must_be(is_read(acl_parse_xml(buf_str(&b), STR("me"), a, &again, &why)));
	must_be(again == everybody);
}

/* The same with the root around it, which would take long to be found. */
static struct str wrapped(struct arena *a, const char *root, struct str doc)
{
	BUF_AUTO b = {0};
	buf_printf(&b, "<%s>", root);
	buf_add_str(&b, doc);
	buf_printf(&b, "</%s>", root);
	return arena_dup(a, buf_str(&b));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str doc = str_n((const char *)p, n);
	struct arena *a = arena_new();
	check_delete(doc, a);
	check_delete(wrapped(a, "Delete", doc), a);
	check_complete(doc, a);
	check_complete(wrapped(a, "CompleteMultipartUpload", doc), a);
	check_tagging(doc, a);
	check_tagging(wrapped(a, "Tagging", wrapped(a, "TagSet", doc)), a);
	check_cors(doc, a);
	check_cors(wrapped(a, "CORSConfiguration", wrapped(a, "CORSRule", doc)), a);
	check_acl(doc, a);
	check_acl(wrapped(a, "AccessControlPolicy", wrapped(a, "AccessControlList", doc)), a);
	check_lifecycle(doc, a);
	check_lifecycle(wrapped(a, "LifecycleConfiguration", wrapped(a, "Rule", doc)), a);
	arena_free(&a);
	return 0;
}
