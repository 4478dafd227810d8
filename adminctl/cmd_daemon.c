/* SPDX-License-Identifier: MIT
 *
 * Commands that ask the daemons to do or tell one thing: reload, log-level,
 * workers, run, usage, usage-flush, usage-reconcile.
 */
#include <stdio.h>
#include <string.h>

#include "adminctl/daemons.h"
#include "adminctl/print.h"
#include "base/buf.h"
#include "base/clock.h"
#include "net/uri.h"

/* A reload ends when a whole generation of children serves; the daemon itself
 * gives up after 60 s. */
#define RELOAD_TIMEOUT (90 * CLOCK_SEC)

static enum exit_code locate(struct admin *a)
{
	struct error e;

	if (daemons_locate(a, &e) == ERR_OK)
		return EXIT_DONE;
	fprintf(stderr, "adminctl: %s\n", e.text);
	return EXIT_ERROR;
}

/* --- reload -------------------------------------------------------------- */

enum exit_code cmd_reload(struct admin *a, json_t **out)
{
	struct question q = {"POST", "/admin/api/reload", NULL, RELOAD_TIMEOUT};
	enum exit_code code = locate(a);
	const char *name;
	json_t *daemon;

	if (code == EXIT_DONE)
		code = daemons_ask(a, &q, out);
	json_object_foreach(*out, name, daemon) if (code == EXIT_DONE &&
	                                            strcmp(member_text(daemon, "status"),
	                                                   "failed") == 0) code = EXIT_ERROR;
	return code;
}

static void show_findings(const char *name, const char *findings)
{
	struct str rest = str_of(findings);

	while (rest.n > 0) {
		struct str line = str_cut(rest, '\n', &rest);

		if (line.n > 0)
			printf("%s: %.*s\n", name, STR_FMT(line));
	}
}

static void show_reloaded(const char *name, const json_t *r)
{
	size_t i;
	json_t *field;

	if (!daemon_replied(name, r))
		return;
	if (strcmp(member_text(r, "status"), "failed") == 0) {
		show_findings(name, member_text(r, "load_error"));
		printf("%s: reload failed, the old configuration stays in use\n", name);
		return;
	}
	printf("%s: reloaded, generation %lld\n", name,
	       (long long)json_integer_value(json_object_get(r, "generation")));
	json_array_foreach(json_object_get(r, "requires_restart"), i, field)
		printf("%s: needs a restart to take effect: %s\n", name, json_string_value(field));
}

void show_reload(const json_t *result)
{
	const char *name;
	json_t *daemon;

	json_object_foreach((json_t *)result, name, daemon) show_reloaded(name, daemon);
}

/* --- log-level ----------------------------------------------------------- */

enum exit_code cmd_log_level(struct admin *a, json_t **out)
{
	struct question q = {"GET", "/admin/api/log-level", NULL, ASK_TIMEOUT};
	enum exit_code code = locate(a);
	json_t *body = NULL;

	if (code != EXIT_DONE)
		return code;
	if (a->argc == 1) {
		body = json_pack("{s:s}", "level", a->argv[0]);
		q.method = "PUT";
		q.body = body;
	}
	code = daemons_ask(a, &q, out);
	json_decref(body);
	return code;
}

void show_log_level(const json_t *result)
{
	const char *name;
	json_t *daemon;

	json_object_foreach((json_t *)result, name, daemon) if (daemon_replied(name, daemon))
		printf("%s: %s\n", name, member_text(daemon, "level"));
}

/* --- workers, run -------------------------------------------------------- */

enum exit_code cmd_workers(struct admin *a, json_t **out)
{
	struct question q = {"GET", "/admin/api/workers", NULL, ASK_TIMEOUT};
	enum exit_code code = locate(a);

	return code == EXIT_DONE ? daemon_ask_alone(a, WORKERD, &q, out) : code;
}

void show_workers(const json_t *result)
{
	static const struct print_column columns[] = {
		{"JOB", "name", PRINT_TEXT},
		{"LAST SUCCESS", "last_success", PRINT_SINCE},
		{"LAST FAILURE", "last_failure", PRINT_SINCE},
		{"FAILURES IN A ROW", "consecutive_failures", PRINT_COUNT},
		{"LAST ERROR", "last_error", PRINT_TEXT},
	};

	print_table(json_object_get(result, "workers"), columns, sizeof columns / sizeof *columns);
}

enum exit_code cmd_run(struct admin *a, json_t **out)
{
	struct question q = {"POST", NULL, NULL, ASK_TIMEOUT};
	enum exit_code code = locate(a);
	BUF_AUTO path = {0};

	if (code != EXIT_DONE)
		return code;
	buf_add_cstr(&path, "/admin/api/workers/");
	uri_encode(&path, str_of(a->argv[0]), false);
	buf_add_cstr(&path, "/run");
	buf_add_char(&path, '\0');
	q.path = path.p;
	return daemon_ask_alone(a, WORKERD, &q, out);
}

void show_run(const json_t *result)
{
	printf("%s: %s\n", member_text(result, "job"), member_text(result, "status"));
}

/* --- usage, usage-flush -------------------------------------------------- */

/* Of a status only what concerns usage. */
static json_t *usage_of(const json_t *status)
{
	static const char *const members[] = {
		"name",
		"api_requests",
		"api_request_limit",
		"egress_bytes",
		"egress_byte_limit",
		"ingress_bytes",
		"ingress_byte_limit",
	};
	json_t *list = json_array(), *backend;
	size_t i;

	json_array_foreach(json_object_get(status, "backends"), i, backend)
	{
		json_t *o = json_object();

		for (size_t k = 0; k < sizeof members / sizeof *members; k++)
			if (json_object_get(backend, members[k]))
				json_object_set(o, members[k],
				                json_object_get(backend, members[k]));
		json_array_append_new(list, o);
	}
	return json_pack("{s:O?, s:o}", "usage_period", json_object_get(status, "usage_period"),
	                 "backends", list);
}

/* Both daemons tell the same, the sums of all hosts: one is enough. */
enum exit_code cmd_usage(struct admin *a, json_t **out)
{
	struct question q = {"GET", "/admin/api/status", NULL, ASK_TIMEOUT};
	json_t *status = NULL;
	enum exit_code code = daemons_ask_any(a, &q, &status);

	if (code == EXIT_DONE)
		*out = usage_of(status);
	json_decref(status);
	return code;
}

void show_usage(const json_t *result)
{
	static const struct print_column columns[] = {
		{"BACKEND", "name", PRINT_TEXT},
		{"REQUESTS", "api_requests", PRINT_COUNT},
		{"LIMIT", "api_request_limit", PRINT_COUNT_LIMIT},
		{"EGRESS", "egress_bytes", PRINT_BYTES},
		{"LIMIT", "egress_byte_limit", PRINT_LIMIT},
		{"INGRESS", "ingress_bytes", PRINT_BYTES},
		{"LIMIT", "ingress_byte_limit", PRINT_LIMIT},
	};

	printf("usage of %s (UTC):\n", member_text(result, "usage_period"));
	print_table(json_object_get(result, "backends"), columns, sizeof columns / sizeof *columns);
}

enum exit_code cmd_usage_flush(struct admin *a, json_t **out)
{
	struct question q = {"POST", "/admin/api/usage-flush", NULL, ASK_TIMEOUT};
	enum exit_code code = locate(a);

	return code == EXIT_DONE ? daemons_ask(a, &q, out) : code;
}

void show_usage_flush(const json_t *result)
{
	const char *name;
	json_t *daemon;

	json_object_foreach((json_t *)result, name, daemon) if (daemon_replied(name, daemon))
		printf("%s: %s\n", name, member_text(daemon, "status"));
}

/* --- usage-reconcile --------------------------------------------------------- */

enum exit_code cmd_usage_reconcile(struct admin *a, json_t **out)
{
	struct question q = {"POST", "/admin/api/usage-reconcile", NULL, 0};

	return daemons_ask_any(a, &q, out);
}

void show_usage_reconcile(const json_t *result)
{
	static const struct print_column columns[] = {
		{"BACKEND", "name", PRINT_TEXT},
		{"USED", "bytes_used", PRINT_COUNT},
		{"RESERVED", "bytes_reserved", PRINT_COUNT},
		{"ORPHANED", "orphan_bytes", PRINT_COUNT},
		{"COPIES", "object_count", PRINT_COUNT},
		{"FREE", "bytes_free", PRINT_COUNT},
	};
	json_t *rows = json_array(), *backend;
	const char *name;

	json_object_foreach(json_object_get(result, "counters"), name, backend)
	{
		json_object_set_new(backend, "name", json_string(name));
		json_array_append(rows, backend);
	}
	puts(json_array_size(rows) > 0 ? "added to the counters:" : "all counters are right");
	print_table(rows, columns, sizeof columns / sizeof *columns);
	json_decref(rows);
}
