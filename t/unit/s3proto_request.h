/* SPDX-License-Identifier: MIT
 *
 * A request head out of readable text, for the tests of common/s3proto.
 */
#ifndef T_S3PROTO_REQUEST_H
#define T_S3PROTO_REQUEST_H

#include <check.h>

#include "base/arena.h"
#include "base/buf.h"
#include "net/http1.h"
#include "net/uri.h"

struct request {
	struct arena *arena;
	struct http_head head;
	struct str path;
	struct uri_query query;
};

/* text: lines ended by LF, without the empty line at the end. */
static inline void request_make(struct request *r, const char *text)
{
	r->arena = arena_new();
	BUF_AUTO b = {0};
	for (const char *p = text; *p != '\0'; p++)
		buf_add_cstr(&b, *p == '\n' ? "\r\n" : (char[]){*p, '\0'});
	buf_add_cstr(&b, "\r\n");

	struct str copy = arena_dup(r->arena, buf_str(&b));
	struct str raw_query;
	size_t used;
	const char *why = "";
	enum http1_result result =
		http1_parse_request(copy.p, copy.n, r->arena, &r->head, &used, &why);
	ck_assert_msg(result == HTTP1_DONE, "%s in:\n%s", why, text);
	ck_assert(uri_split_target(r->head.target, &r->path, &raw_query));
	ck_assert(uri_parse_query(r->arena, raw_query, &r->query));
}

static inline void request_free(struct request *r)
{
	arena_free(&r->arena);
}

#endif
