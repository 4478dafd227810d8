/* SPDX-License-Identifier: MIT
 *
 * Percent-encoding, request targets, query strings and endpoint URLs (RFC 3986).
 */
#ifndef NET_URI_H
#define NET_URI_H

#include <stdbool.h>
#include <stddef.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Decodes %XX once. plus_is_space for query strings. False on a bad escape. */
bool uri_decode(struct arena *a, struct str s, bool plus_is_space, struct str *out);

/* Appends s with everything but A-Za-z0-9-._~ as %XX, upper case; '/' is kept
 * when keep_slash. This is the encoding of SigV4 and of S3's encoding-type=url. */
void uri_encode(struct buf *out, struct str s, bool keep_slash);

struct uri_param {
	struct str name, value; /* decoded */
	bool has_value;         /* an '=' was there */
};
struct uri_query {
	size_t n;
	struct uri_param *params; /* in order of appearance */
};
/* Splits the part of a target after '?'. False on a bad escape. */
bool uri_parse_query(struct arena *a, struct str query, struct uri_query *out);
const struct uri_param *uri_query_get(const struct uri_query *q, struct str name); /* NULL */

/* Splits a request target (origin-form or absolute-form, RFC 9112 3.2) into the
 * raw path (never empty, starts with '/') and the raw query without '?'. */
bool uri_split_target(struct str target, struct str *path, struct str *query);

struct uri_endpoint {
	bool tls;
	char *host;      /* without brackets */
	char *port;      /* decimal, the scheme's default when absent */
	char *authority; /* what goes into Host: without a default port */
	char *path;      /* "" or "/prefix" without trailing slash */
};
/* Parses "http://host[:port][/path]" or https. */
enum err uri_parse_endpoint(struct arena *a, struct str url, struct uri_endpoint *out,
                            struct error *e);

#endif
