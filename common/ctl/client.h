/* SPDX-License-Identifier: MIT
 *
 * The client side of the control protocol: HTTP with JSON bodies over a daemon's
 * Unix socket, or over TCP with a token. Blocking, for command line programs;
 * "curl --unix-socket" speaks the same.
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <jansson.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"

struct ctl_target {
	const char *socket; /* path of a Unix socket; NULL: url is used */
	const char *url;    /* "http[s]://host[:port]" without a path */
	const char *token;  /* sent as X-Admin-Token; NULL: none */
	int64_t timeout_us; /* of the whole exchange; 0: no bound, for long jobs. Connecting is
	                     * bounded in any case */
};

struct ctl_reply {
	int status;
	json_t *json;    /* NULL when the body is not JSON */
	struct buf text; /* the body as it came, at most CTL_REPLY_MAX */
};

#define CTL_REPLY_MAX (16 * 1024 * 1024) /* a larger answer is ERR_TOO_LARGE */

/* One exchange; every HTTP status is success here. body may be NULL.
 * ERR_UNAVAILABLE: nobody answers there; ERR_DENIED: the file permissions of the
 * socket; ERR_TIMEOUT, ERR_TOO_LARGE, ERR_IO. On ERR_OK the caller frees *out. */
enum err ctl_request(const struct ctl_target *t, const char *method, const char *path,
                     const json_t *body, struct ctl_reply *out, struct error *e);
void ctl_reply_free(struct ctl_reply *r);

/* Why a request was refused: the "error" member, or "HTTP status N". */
const char *ctl_reply_error(const struct ctl_reply *r, char *buf, size_t n);

#endif
