/* SPDX-License-Identifier: MIT
 *
 * Where the daemons are and what they answer. The operator need not be able to
 * read the configuration (it holds secrets, its variables are those of the
 * daemons), so one that cannot be loaded only matters when it was asked for.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adminctl/daemons.h"
#include "config/config.h"
#include "ctl/client.h"
#include "net/uri.h"

#define SYSTEM_CONFIG  "/etc/s3-orchestrator/config.yaml"
#define SYSTEM_RUN_DIR "/run/s3-orchestrator"

static const char *const daemon_names[DAEMONS] = {"proxyd", "workerd"};

const char *config_path(const struct admin *a)
{
	if (a->config)
		return a->config;
	return access("config.yaml", F_OK) == 0 ? "config.yaml" : SYSTEM_CONFIG;
}

static const char *environment(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

static bool same_port(const char *a, const char *b)
{
	const char *p = strrchr(a, ':'), *q = strrchr(b, ':');

	return p && q && strcmp(p, q) == 0;
}

/* Of the two daemons only proxyd speaks TLS. */
static bool speaks_tls(const char *addr, const struct config *c)
{
	return c->server.tls.cert_file[0] && !same_port(addr, c->worker.listen_addr);
}

static bool has_scheme(const char *addr)
{
	return strstr(addr, "://") != NULL;
}

static const char *with_scheme(struct admin *a, const char *scheme)
{
	return arena_printf(a->arena, "%s://%s%s", scheme, *a->addr == ':' ? "127.0.0.1" : "",
	                    a->addr);
}

static void take_from_config(struct admin *a, const struct config *c)
{
	if (a->addr && !has_scheme(a->addr) && speaks_tls(a->addr, c))
		a->addr = with_scheme(a, "https");
	if (!a->socket_dir)
		a->socket_dir = arena_strdup(a->arena, c->server.run_dir);
	if (!a->token)
		a->token = arena_strdup(a->arena, c->ui.admin_token);
}

static void print_findings(const struct config_findings *f)
{
	struct str rest = buf_str(&f->errors);

	while (rest.n > 0) {
		struct str line = str_cut(rest, '\n', &rest);

		fprintf(stderr, "error: %.*s\n", STR_FMT(line));
	}
}

/* Only when something is missing that the file could tell. */
static enum err read_config(struct admin *a, struct error *e)
{
	struct config_findings f = {0};
	struct config *c = NULL;
	enum err r = ERR_OK;

	if (config_load(config_path(a), &c, &f) == ERR_OK)
		take_from_config(a, c);
	else if (a->config) {
		print_findings(&f);
		r = err_set(e, ERR_INVALID, "%s is not valid; with -socket-dir it is not needed",
		            a->config);
	}
	config_free(&c);
	config_findings_free(&f);
	return r;
}

enum err daemons_locate(struct admin *a, struct error *e)
{
	enum err r = ERR_OK;

	if (!a->addr)
		a->addr = environment("S3O_ADMIN_ADDR");
	if (!a->token)
		a->token = environment("S3O_ADMIN_TOKEN");
	if (a->addr ? !a->token || !has_scheme(a->addr) : !a->socket_dir)
		r = read_config(a, e);
	if (r != ERR_OK)
		return r;
	if (!a->addr) {
		if (!a->socket_dir)
			a->socket_dir = SYSTEM_RUN_DIR;
		return ERR_OK;
	}
	if (!a->token || !*a->token)
		return err_set(e, ERR_INVALID,
		               "a token is needed for HTTP: -token, S3O_ADMIN_TOKEN or "
		               "ui.admin_token of the configuration");
	if (!has_scheme(a->addr))
		a->addr = with_scheme(a, "http");
	return ERR_OK;
}

static json_t *no_answer(const char *where, const struct error *e, bool up)
{
	return json_pack("{s:b, s:s, s:s}", "up", up, "where", where, "error", e->text);
}

/* The reply itself may have a member "error": that something has failed is then an answer. */
static json_t *outcome(const struct ctl_reply *reply, enum exit_code *code)
{
	json_t *result;
	char text[256];

	if (reply->status < 300 && json_is_object(reply->json)) {
		result = json_incref(reply->json);
		json_object_set_new(result, "up", json_true());
		*code = EXIT_DONE;
		return result;
	}
	*code = EXIT_ERROR;
	return json_pack("{s:b, s:i, s:s}", "up", 1, "status", reply->status, "error",
	                 ctl_reply_error(reply, text, sizeof text));
}

static struct ctl_target target(const struct admin *a, enum daemon d, int64_t timeout_us)
{
	return (struct ctl_target){
		.socket = a->addr ? NULL
	                          : arena_printf(a->arena, "%s/%s.sock", a->socket_dir,
	                                         daemon_names[d]),
		.url = a->addr,
		.token = a->addr ? a->token : NULL,
		.timeout_us = timeout_us,
	};
}

enum exit_code daemon_ask(const struct admin *a, enum daemon d, const struct question *q,
                          json_t **out)
{
	struct ctl_target to = target(a, d, q->timeout_us);
	struct ctl_reply reply;
	enum exit_code code;
	struct error e;
	enum err r = ctl_request(&to, q->method, q->path, q->body, &reply, &e);

	if (r != ERR_OK) {
		*out = no_answer(a->addr ? a->addr : to.socket, &e, r != ERR_UNAVAILABLE);
		return r == ERR_UNAVAILABLE ? EXIT_DOWN : EXIT_ERROR;
	}
	*out = outcome(&reply, &code);
	ctl_reply_free(&reply);
	return code;
}

void daemon_fetch(const struct admin *a, enum daemon d, const char *path, struct buf *out)
{
	struct ctl_target to = target(a, d, ASK_TIMEOUT);
	struct ctl_reply reply;
	struct error e;

	if (ctl_request(&to, "GET", path, NULL, &reply, &e) != ERR_OK)
		return;
	if (reply.status == 200)
		buf_add_str(out, buf_str(&reply.text));
	ctl_reply_free(&reply);
}

/* Over HTTP there is one daemon; it tells by its own words which one. */
static enum exit_code ask_address(const struct admin *a, const struct question *q, json_t **out)
{
	json_t *result;
	enum exit_code code = daemon_ask(a, PROXYD, q, &result);
	bool is_workerd = json_object_get(result, "jobs") != NULL;

	*out = json_pack("{s:o}", daemon_names[is_workerd ? WORKERD : PROXYD], result);
	return code;
}

static enum exit_code worse(enum exit_code a, enum exit_code b)
{
	return a > b ? a : b;
}

enum exit_code daemons_ask(const struct admin *a, const struct question *q, json_t **out)
{
	json_t *proxyd, *workerd;
	enum exit_code code;

	if (a->addr)
		return ask_address(a, q, out);
	code = daemon_ask(a, PROXYD, q, &proxyd);
	code = worse(code, daemon_ask(a, WORKERD, q, &workerd));
	*out = json_pack("{s:o, s:o}", "proxyd", proxyd, "workerd", workerd);
	return code;
}

/* The bare reply, or its error printed. Takes the reference to result. */
static enum exit_code take_alone(const struct admin *a, enum daemon d, enum exit_code code,
                                 json_t *result, json_t **out)
{
	if (code == EXIT_DONE) {
		json_object_del(result, "up");
		*out = result;
		return code;
	}
	fprintf(stderr, "adminctl: %s%s%s\n", a->addr ? "" : daemon_names[d], a->addr ? "" : ": ",
	        json_string_value(json_object_get(result, "error")));
	json_decref(result);
	return code;
}

enum exit_code daemon_ask_alone(const struct admin *a, enum daemon d, const struct question *q,
                                json_t **out)
{
	json_t *result;
	enum exit_code code = daemon_ask(a, d, q, &result);

	return take_alone(a, d, code, result, out);
}

enum exit_code daemons_ask_any(struct admin *a, const struct question *q, json_t **out)
{
	struct error e;
	json_t *first, *second;
	enum exit_code code;

	if (daemons_locate(a, &e) != ERR_OK) {
		fprintf(stderr, "adminctl: %s\n", e.text);
		return EXIT_ERROR;
	}
	code = daemon_ask(a, WORKERD, q, &first);
	if (code != EXIT_DOWN || a->addr)
		return take_alone(a, WORKERD, code, first, out);
	code = daemon_ask(a, PROXYD, q, &second);
	if (code == EXIT_DOWN)
		take_alone(a, WORKERD, code, first, out); /* tells about both */
	else
		json_decref(first);
	return take_alone(a, PROXYD, code, second, out);
}

void question_add(struct buf *path, const char *name, const char *value)
{
	if (path->n > 0 && path->p[path->n - 1] == '\0')
		path->n--;
	buf_printf(path, "%c%s=", str_chr(buf_str(path), '?') < 0 ? '?' : '&', name);
	uri_encode(path, str_of(value), true);
	buf_add_char(path, '\0');
}

bool daemon_replied(const char *name, const json_t *result)
{
	const char *error = json_string_value(json_object_get(result, "error"));

	if (!result)
		return false;
	if (!json_is_true(json_object_get(result, "up")))
		printf("%s is down: %s\n", name, error);
	else if (error)
		printf("%s: %s\n", name, error);
	return !error;
}
