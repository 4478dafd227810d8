/* SPDX-License-Identifier: MIT
 *
 * HTTP/1.1 message heads, both directions (RFC 9112). Pure functions over
 * memory, no I/O. Strict, because a lenient parser in front of another one is
 * how requests are smuggled: refused are Content-Length together with
 * Transfer-Encoding, several Content-Length fields (also equal ones),
 * Transfer-Encoding other than exactly "chunked", bare LF or CR, obs-fold, white
 * space before the colon or in the target, NUL and other control characters.
 */
#ifndef NET_HTTP1_H
#define NET_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/str.h"

#define HTTP1_HEAD_MAX   (1024 * 1024) /* bytes of a head; more is 431 */
#define HTTP1_FIELDS_MAX 500           /* header fields of a head; more is 431 */

struct http_field {
	struct str name;  /* as received; compare without case */
	struct str value; /* without surrounding white space */
};

enum http_framing {
	HTTP_BODY_NONE,   /* no body */
	HTTP_BODY_LENGTH, /* content_length bytes */
	HTTP_BODY_CHUNKED,
	HTTP_BODY_CLOSE, /* responses only: until the connection ends */
};

struct http_head {
	/* request */
	struct str method;
	struct str target; /* as received */
	/* response */
	int status;
	struct str reason;
	/* both */
	int minor; /* of HTTP/1.x: 0 or 1 */
	size_t n_fields;
	struct http_field *fields;
	enum http_framing framing;
	uint64_t content_length; /* with HTTP_BODY_LENGTH */
	bool has_length;         /* a Content-Length was there (HEAD answers too) */
	bool keep_alive;         /* what version and Connection say */
	bool expect_continue;    /* Expect: 100-continue */
};

enum http1_result {
	HTTP1_DONE = 0,
	HTTP1_MORE,        /* the head is not complete yet */
	HTTP1_BAD,         /* 400 */
	HTTP1_TOO_LARGE,   /* 431 */
	HTTP1_BAD_VERSION, /* 505: not HTTP/1.x */
	HTTP1_BAD_CODING,  /* 501: a transfer coding other than chunked */
};

/* Parses a request head at the start of p[0..n). On HTTP1_DONE *used is its length
 * with the empty line, and everything in *h points into p or the arena. *why (may
 * be NULL) gets constant text naming what is wrong. Leading empty lines are
 * skipped (RFC 9112 2.2). */
enum http1_result http1_parse_request(const char *p, size_t n, struct arena *a, struct http_head *h,
                                      size_t *used, const char **why);

/* The same for a response to a request with that method (HEAD has no body). */
enum http1_result http1_parse_response(const char *p, size_t n, struct str request_method,
                                       struct arena *a, struct http_head *h, size_t *used,
                                       const char **why);

/* The first field of that name, or NULL. */
const struct str *http_head_get(const struct http_head *h, struct str name);
/* Its value; empty also when there is none. */
struct str http_head_value(const struct http_head *h, struct str name);

/* What may be written into a head without changing its structure: tokens
 * (methods, field names), request targets (not empty, no white space), values. */
bool http1_is_token(struct str s);
bool http1_is_target(struct str s);
bool http1_is_value(struct str s);

/* Decoder of the chunked coding, fed with pieces of any size. */
struct http1_chunked {
	uint64_t left; /* data bytes left in this chunk */
	uint32_t line; /* bytes of the line seen so far */
	uint8_t state;
};
/* Looks at p[0..n): *used is how many bytes were consumed; if *data_n > 0, the
 * bytes *data[0..*data_n) (inside p) are body. Chunk extensions and trailer
 * fields are skipped, within limits. HTTP1_DONE after the last CRLF, HTTP1_MORE,
 * or HTTP1_BAD. Zero-initialise before the first call. */
enum http1_result http1_chunked_feed(struct http1_chunked *c, const char *p, size_t n, size_t *used,
                                     const char **data, size_t *data_n);

/* True when the next byte is data: c->left bytes of it follow. */
bool http1_chunked_in_data(const struct http1_chunked *c);

const char *http_status_reason(int status); /* "Not Found"; "Status" when unknown */

#endif
