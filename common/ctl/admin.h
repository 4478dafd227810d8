/* SPDX-License-Identifier: MIT
 *
 * The server side of the control protocol, for both daemons: a table of routes
 * with JSON answers, and what monitoring asks. Over the control socket the file
 * permissions decide who may, over TCP the token of the configuration.
 */
#ifndef CTL_ADMIN_H
#define CTL_ADMIN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/log.h"
#include "base/str.h"

struct config;
struct http_call;

struct admin_route {
	const char *method, *path; /* "*" in a path stands for one segment; GET answers HEAD, too */
	/* arg: that segment, decoded UTF-8 without NUL; or STR_NULL */
	void (*handle)(struct http_call *c, struct str arg);
	bool control; /* only over the control socket */
};

/* Answers a request by the routes of a table; control: it came over the control
 * socket and needs no token. Wrong tokens, and requests that are not GET, are
 * written to the audit log. */
void admin_dispatch(struct http_call *c, const struct config *config,
                    const struct admin_route *routes, size_t n, bool control);

/* Over the control socket: is it root, the user of this daemon, or somebody of the group that
 * the file of the socket has? The kernel asks the same of who connects, as long as the mode of
 * the file is 0660; this holds also when it is not. False: answered with 403, and written to
 * the audit log. */
bool admin_check_peer(struct http_call *c);

/* Each answers its call exactly once. Takes the reference to v. */
void admin_reply(struct http_call *c, int status, json_t *v);
void admin_error(struct http_call *c, int status, const char *text);
/* A body of a few KiB, in the arena of the call. False: it is larger or broke off, which has
 * been answered. */
bool admin_read_body(struct http_call *c, struct str *out);
/* NULL: the body is not JSON or too large, which has been answered. */
json_t *admin_read_json(struct http_call *c);
/* RFC 3339; null for 0, "never". */
json_t *admin_time(int64_t wall);
/* A text of the catalogue; null for the empty one. */
json_t *admin_text(struct str s);

/* A parameter of the query. */
struct admin_param {
	const char *name;
	struct str value; /* out: decoded UTF-8 without NUL; empty: not given */
};
/* Reads those in the list. False: there is another one, or one is given twice or is no text,
 * which has been answered with 400. */
bool admin_read_params(struct http_call *c, struct admin_param *list, size_t n);
/* A number from min to max, or "true" or "false"; *v stays as it is when none is given.
 * False: it is something else, which has been answered with 400. */
bool admin_read_number(struct http_call *c, const struct admin_param *p, int64_t min, int64_t max,
                       int64_t *v);
bool admin_read_bool(struct http_call *c, const struct admin_param *p, bool *v);
/* 400 "NAME=VALUE: what is wrong with it". */
void admin_refuse(struct http_call *c, const struct admin_param *p, const char *why);

/* GET and PUT of a log level. False: what was sent is none, which has been answered. */
void admin_reply_level(struct http_call *c, enum log_level level);
bool admin_read_level(struct http_call *c, enum log_level *level);

/* What monitoring asks, without a token: GET and HEAD are answered, all else is
 * refused. The last says whether it is one of the two; if not, it has answered. */
void admin_reply_health(struct http_call *c, bool healthy);
void admin_reply_ready(struct http_call *c, bool ready);
bool admin_require_get(struct http_call *c);

/* The page of metrics: those of the daemon ('P' or 'W', observe/metrics.h) and
 * what the kernel tells about its processes. */
void admin_reply_metrics(struct http_call *c, char daemon, const char *program, const pid_t *pids,
                         size_t n);

#endif
