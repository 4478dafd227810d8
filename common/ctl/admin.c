/* SPDX-License-Identifier: MIT
 *
 * Who may, which path, which method. The token comes before everything else, so
 * that nobody without it learns which paths there are; for the same reason
 * routes of the control socket do not exist elsewhere.
 */
#include "ctl/admin.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/token.h"
#include "net/http_server.h"
#include "net/socket.h"
#include "net/uri.h"
#include "observe/audit.h"
#include "observe/metrics.h"

/* Bodies are a few members. */
#define BODY_MAX 4096

/* --- replies ------------------------------------------------------------- */

void admin_reply(struct http_call *c, int status, json_t *v)
{
	char *text = v ? json_dumps(v, JSON_COMPACT) : NULL;
	BUF_AUTO body = {0};

	if (!text) /* out of memory */
		abort();
	buf_printf(&body, "%s\n", text);
	http_reply_field(c, "Content-Type", STR("application/json"));
	http_reply_field(c, "Cache-Control", STR("no-store"));
	http_reply(c, status, buf_str(&body));
	free(text);
	json_decref(v);
}

void admin_error(struct http_call *c, int status, const char *text)
{
	admin_reply(c, status, json_pack("{s:s}", "error", text));
}

json_t *admin_time(int64_t wall)
{
	char text[CLOCK_RFC3339_SIZE];

	if (wall == 0)
		return json_null();
	clock_format_rfc3339(wall, text);
	return json_string(text);
}

json_t *admin_text(struct str s)
{
	return s.n > 0 ? json_stringn(s.p, s.n) : json_null();
}

bool admin_read_body(struct http_call *c, struct str *out)
{
	char *text = arena_alloc(c->arena, BODY_MAX);
	size_t n = 0;
	ssize_t got = 1;

	http_continue(c);
	while (got > 0 && n < BODY_MAX) {
		got = body_read(c->body, text + n, BODY_MAX - n, c->write_idle_us, NULL);
		n += got > 0 ? (size_t)got : 0;
	}
	if (got > 0)
		admin_error(c, 413, "body too large");
	else if (got < 0)
		admin_error(c, 400, "the body broke off");
	*out = str_n(text, n);
	return got == 0;
}

json_t *admin_read_json(struct http_call *c)
{
	struct str text;
	json_t *v;

	if (!admin_read_body(c, &text))
		return NULL;
	v = json_loadb(text.p, text.n, 0, NULL);
	if (!v)
		admin_error(c, 400, "invalid JSON body");
	return v;
}

/* --- parameters ---------------------------------------------------------- */

static struct admin_param *find_param(struct admin_param *list, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(str_of(list[i].name), name))
			return &list[i];
	return NULL;
}

/* What is wrong with a parameter goes back to whoever sent it, in JSON. */
static void refuse_text(struct http_call *c, struct str before, struct str text, const char *why)
{
	BUF_AUTO b = {0};

	buf_add_str(&b, before);
	buf_add_str(&b, text);
	buf_add_cstr(&b, why);
	str_make_utf8(b.p, b.n);
	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] == '\0')
			b.p[i] = '?';
	buf_add_char(&b, '\0');
	admin_error(c, 400, b.p);
}

void admin_refuse(struct http_call *c, const struct admin_param *p, const char *why)
{
	refuse_text(c, str_of(arena_printf(c->arena, "%s=", p->name)), p->value,
	            arena_printf(c->arena, ": %s", why));
}

static bool take_param(struct http_call *c, const struct uri_param *given, struct admin_param *list,
                       size_t n)
{
	struct admin_param *p = find_param(list, n, given->name);

	if (!p) {
		refuse_text(c, STR("unknown parameter: "), given->name, "");
		return false;
	}
	if (p->value.n > 0) {
		refuse_text(c, given->name, STR(""), " is given twice");
		return false;
	}
	p->value = given->value;
	if (str_is_utf8(p->value) && str_chr(p->value, '\0') < 0)
		return true;
	admin_refuse(c, p, "not UTF-8");
	return false;
}

bool admin_read_params(struct http_call *c, struct admin_param *list, size_t n)
{
	struct uri_query query;

	if (!uri_parse_query(c->arena, c->query, &query)) {
		admin_error(c, 400, "the query is not well-formed");
		return false;
	}
	for (size_t i = 0; i < query.n; i++)
		if (!take_param(c, &query.params[i], list, n))
			return false;
	return true;
}

bool admin_read_number(struct http_call *c, const struct admin_param *p, int64_t min, int64_t max,
                       int64_t *v)
{
	uint64_t n;

	if (p->value.n == 0)
		return true;
	if (str_to_u64(p->value, &n) && n <= (uint64_t)max && (int64_t)n >= min) {
		*v = (int64_t)n;
		return true;
	}
	admin_refuse(c, p,
	             arena_printf(c->arena, "not a number from %lld to %lld", (long long)min,
	                          (long long)max));
	return false;
}

bool admin_read_bool(struct http_call *c, const struct admin_param *p, bool *v)
{
	if (p->value.n == 0)
		return true;
	*v = str_eq(p->value, STR("true"));
	if (*v || str_eq(p->value, STR("false")))
		return true;
	admin_refuse(c, p, "neither true nor false");
	return false;
}

/* --- log level ----------------------------------------------------------- */

void admin_reply_level(struct http_call *c, enum log_level level)
{
	static const char *const names[] = {
		[LOG_DEBUG] = "debug",
		[LOG_INFO] = "info",
		[LOG_WARN] = "warn",
		[LOG_ERROR] = "error",
	};

	admin_reply(c, 200, json_pack("{s:s}", "level", names[level]));
}

bool admin_read_level(struct http_call *c, enum log_level *level)
{
	json_t *body = admin_read_json(c);
	const char *name = json_string_value(json_object_get(body, "level"));
	bool valid = name && log_level_parse(str_of(name), level);

	if (body && !valid)
		admin_error(c, 400, "invalid log level");
	json_decref(body);
	return valid;
}

/* --- monitoring ---------------------------------------------------------- */

static bool is_get(struct str method)
{
	return str_eq(method, STR("GET")) || str_eq(method, STR("HEAD"));
}

static void refuse_method(struct http_call *c, struct str allow)
{
	http_reply_field(c, "Allow", allow);
	admin_error(c, 405, "method not allowed");
}

bool admin_require_get(struct http_call *c)
{
	bool get = is_get(c->head.method);

	if (!get)
		refuse_method(c, STR("GET, HEAD"));
	return get;
}

static void reply_state(struct http_call *c, int status, const char *state)
{
	if (admin_require_get(c))
		admin_reply(c, status, json_pack("{s:s}", "status", state));
}

void admin_reply_health(struct http_call *c, bool healthy)
{
	reply_state(c, 200, healthy ? "ok" : "degraded");
}

void admin_reply_ready(struct http_call *c, bool ready)
{
	reply_state(c, ready ? 200 : 503, ready ? "ready" : "not ready");
}

void admin_reply_metrics(struct http_call *c, char daemon, const char *program, const pid_t *pids,
                         size_t n)
{
	BUF_AUTO page = {0};

	metrics_render(&page, daemon);
	metrics_render_processes(&page, program, pids, n);
	http_reply_field(c, "Content-Type", STR("text/plain; version=0.0.4; charset=utf-8"));
	http_reply(c, 200, buf_str(&page));
}

/* --- routes -------------------------------------------------------------- */

static bool is_path(const char *pattern, struct str path, struct str *arg)
{
	struct str want = str_of(pattern);

	do {
		struct str a = str_cut(want, '/', &want), b = str_cut(path, '/', &path);

		if (str_eq(a, STR("*")))
			*arg = b;
		else if (!str_eq(a, b))
			return false;
	} while (want.p && path.p);
	return !want.p && !path.p;
}

static bool is_method(const char *want, struct str got)
{
	return str_eq(str_of(want), str_eq(got, STR("HEAD")) ? STR("GET") : got);
}

static void add_method(struct buf *b, const char *method)
{
	if (b->n > 0)
		buf_add_cstr(b, ", ");
	buf_add_cstr(b, method);
	if (is_method(method, STR("HEAD")))
		buf_add_cstr(b, ", HEAD");
}

/* The name in a path, decoded once. False: it is none, which has been answered. */
static bool decode_name(struct http_call *c, struct str *name)
{
	if (!name->p)
		return true;
	if (uri_decode(c->arena, *name, false, name) && str_is_utf8(*name) &&
	    str_chr(*name, '\0') < 0)
		return true;
	admin_error(c, 400, "the path is not well-formed");
	return false;
}

static void route(struct http_call *c, const struct admin_route *routes, size_t n, bool control)
{
	BUF_AUTO methods = {0}; /* that the path has for this client */

	for (const struct admin_route *r = routes; r < routes + n; r++) {
		struct str arg = STR_NULL;

		if ((r->control && !control) || !is_path(r->path, c->path, &arg))
			continue;
		if (is_method(r->method, c->head.method)) {
			if (decode_name(c, &arg))
				r->handle(c, arg);
			return;
		}
		add_method(&methods, r->method);
	}
	if (methods.n > 0)
		refuse_method(c, buf_str(&methods));
	else
		admin_error(c, 404, "not found");
}

/* Whom the other daemon asks for. On the control socket it can be believed. */
static struct str forwarded_for(const struct http_call *c, bool control)
{
	return control ? http_head_value(&c->head, STR("X-Forwarded-For")) : STR_NULL;
}

static void record(const struct http_call *c, bool control)
{
	int64_t duration = clock_mono() - c->started; /* microseconds */

	if (is_get(c->head.method))
		return;
	audit("admin", "admin.Request",
	      LOG_FIELDS(LOG_S("method", c->head.method), LOG_S("path", c->path),
	                 LOG_S("query", c->query), LOG_INT("status", c->status),
	                 LOG_STR("client_addr", c->peer),
	                 LOG_S("forwarded_for", forwarded_for(c, control)),
	                 LOG_S("request_id", http_head_value(&c->head, STR("X-Request-Id"))),
	                 LOG_INT("duration", duration * 1000),
	                 LOG_INT("duration_ms", duration / CLOCK_MS)));
}

static void refuse_client(struct http_call *c, const char *why, int status, const char *error)
{
	log_warn("admin", why, LOG_S("path", c->path), LOG_STR("client_addr", c->peer));
	audit("admin", "admin.AuthFailure",
	      LOG_FIELDS(LOG_S("method", c->head.method), LOG_S("path", c->path),
	                 LOG_STR("client_addr", c->peer)));
	admin_error(c, status, error);
}

/* Of the file, which may have been given to another one since it was made. */
static bool is_in_group_of_socket(int fd)
{
	struct sockaddr_un at = {.sun_family = AF_UNSPEC};
	socklen_t n = sizeof at - 1; /* so that a path that fills it ends */
	struct stat st;

	return getsockname(fd, (struct sockaddr *)&at, &n) == 0 && at.sun_family == AF_UNIX &&
	       stat(at.sun_path, &st) == 0 && socket_peer_in_group(fd, st.st_gid);
}

bool admin_check_peer(struct http_call *c)
{
	int fd = http_call_fd(c);
	uid_t uid;

	if (socket_peer_uid(fd, &uid) &&
	    (uid == 0 || uid == geteuid() || is_in_group_of_socket(fd)))
		return true;
	refuse_client(c, "a user who may not use the control socket", 403,
	              "only root, the user of the daemon and the group of its socket may");
	return false;
}

void admin_dispatch(struct http_call *c, const struct config *config,
                    const struct admin_route *routes, size_t n, bool control)
{
	if (!control && !ctl_token_is_valid(config, &c->head)) {
		refuse_client(c, "wrong admin token", 401, "unauthorized");
		return;
	}
	route(c, routes, n, control);
	record(c, control);
}
