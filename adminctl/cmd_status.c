/* SPDX-License-Identifier: MIT
 *
 * adminctl status: one page that says whether all is well.
 */
#include <stdio.h>

#include "adminctl/daemons.h"
#include "adminctl/print.h"
#include "base/clock.h"

/* status reads the database, which answers within 10 s or is taken for away. */
#define STATUS_TIMEOUT (30 * CLOCK_SEC)

#define COUNT(a) (sizeof(a) / sizeof *(a))

enum exit_code cmd_status(struct admin *a, json_t **out)
{
	struct question q = {"GET", "/admin/api/status", NULL, STATUS_TIMEOUT};
	struct error e;

	if (daemons_locate(a, &e) != ERR_OK) {
		fprintf(stderr, "adminctl: %s\n", e.text);
		return EXIT_ERROR;
	}
	return daemons_ask(a, &q, out);
}

static void show_member(const char *title, const json_t *o, const char *key, enum print_kind kind)
{
	const json_t *v = json_object_get(o, key);
	BUF_AUTO text = {0};

	if (!v)
		return;
	print_value(&text, v, kind);
	printf(", %s%.*s", title, STR_FMT(buf_str(&text)));
}

static void show_daemon(const char *name, const json_t *d)
{
	const json_t *healthy = json_object_get(d, "db_healthy");

	if (!daemon_replied(name, d))
		return;
	printf("%s is up", name);
	show_member("version ", d, "version", PRINT_TEXT);
	show_member("pid ", d, "pid", PRINT_COUNT);
	show_member("since ", d, "uptime_seconds", PRINT_SECONDS);
	show_member("configuration generation ", d, "generation", PRINT_COUNT);
	if (healthy)
		printf(", database %s", json_is_true(healthy) ? "healthy" : "DEGRADED");
	putchar('\n');
}

static void show_children(const json_t *proxyd)
{
	static const struct print_column columns[] = {
		{"CHILD", "pid", PRINT_COUNT},
		{"STATE", "state", PRINT_TEXT},
		{"GENERATION", "generation", PRINT_COUNT},
		{"STARTED", "started", PRINT_SINCE},
		{"CONNECTIONS", "connections", PRINT_COUNT},
		{"REQUESTS", "requests", PRINT_COUNT},
		{"SERVED", "served", PRINT_COUNT},
		{"HEARTBEAT", "heartbeat_age_ms", PRINT_MS},
	};
	const json_t *rows = json_object_get(proxyd, "children");

	if (json_array_size(rows) > 0)
		putchar('\n');
	print_table(rows, columns, COUNT(columns));
}

/* Draining is said before illness: it is what the operator asked for. */
static const char *state_of(const json_t *backend)
{
	if (json_is_true(json_object_get(backend, "draining")))
		return "draining";
	if (json_is_false(json_object_get(backend, "healthy")))
		return "UNHEALTHY";
	return "healthy";
}

static void show_backends(const json_t *proxyd)
{
	static const struct print_column columns[] = {
		{"BACKEND", "name", PRINT_TEXT},
		{"LIMIT", "bytes_limit", PRINT_LIMIT},
		{"USED", "bytes_used", PRINT_BYTES},
		{"RESERVED", "bytes_reserved", PRINT_BYTES},
		{"ORPHANED", "orphan_bytes", PRINT_BYTES},
		{"FREE", "bytes_free", PRINT_BYTES},
		{"OBJECTS", "object_count", PRINT_COUNT},
		{"STATE", "state", PRINT_TEXT},
	};
	json_t *rows = json_deep_copy(json_object_get(proxyd, "backends"));
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row)
	{
		json_object_set_new(row, "state", json_string(state_of(row)));
		if (json_integer_value(json_object_get(row, "bytes_limit")) == 0)
			json_object_del(row, "bytes_free"); /* unlimited has no rest */
	}
	if (json_array_size(rows) > 0)
		putchar('\n');
	print_table(rows, columns, COUNT(columns));
	json_decref(rows);
}

/* Why a daemon cannot use backends, a line each. */
static void show_faults(const json_t *r, const char *daemon)
{
	size_t i;
	json_t *row;

	json_array_foreach(json_object_get(json_object_get(r, daemon), "backends"), i, row)
	{
		const char *error = json_string_value(json_object_get(row, "error"));

		if (error)
			printf("%s: %s: %s\n", daemon,
			       json_string_value(json_object_get(row, "name")), error);
	}
}

static void show_queues(const json_t *daemon)
{
	static const struct {
		const char *title, *key;
	} queues[] = {
		{"waiting for clean-up", "cleanup_queue"},
		{"given up (dead letters)", "cleanup_dlq"},
		{"writes in progress", "intents"},
		{"open uploads", "uploads"},
	};

	for (size_t i = 0; i < COUNT(queues); i++) {
		const json_t *v = json_object_get(daemon, queues[i].key);

		if (v)
			printf("%s%s: %lld", i ? ", " : "\n", queues[i].title,
			       (long long)json_integer_value(v));
	}
	if (json_object_get(daemon, queues[0].key))
		putchar('\n');
}

static void show_passes(const json_t *workerd)
{
	static const struct print_column columns[] = {
		{"JOB", "name", PRINT_TEXT},
		{"STATE", "state", PRINT_TEXT},
		{"LAST PASS", "last_pass", PRINT_SINCE},
		{"RESULT", "last_result", PRINT_TEXT},
		{"ITEMS", "last_items", PRINT_COUNT},
		{"NEXT", "next_run", PRINT_SINCE},
		{"LAST ERROR", "last_error", PRINT_TEXT},
	};
	const json_t *rows = json_object_get(workerd, "jobs");

	if (json_array_size(rows) > 0)
		putchar('\n');
	print_table(rows, columns, COUNT(columns));
}

static bool has_limit(const json_t *backend)
{
	static const char *const limits[] = {"api_request_limit", "egress_byte_limit",
	                                     "ingress_byte_limit"};

	for (size_t i = 0; i < COUNT(limits); i++)
		if (json_integer_value(json_object_get(backend, limits[i])) > 0)
			return true;
	return false;
}

/* Of interest where a month has limits. */
static void show_limited_usage(const json_t *daemon)
{
	bool limited = false;
	size_t i;
	json_t *row;

	json_array_foreach(json_object_get(daemon, "backends"), i, row) limited =
		limited || has_limit(row);
	if (!limited)
		return;
	putchar('\n');
	show_usage(daemon);
}

void show_daemons(const json_t *r)
{
	show_daemon("proxyd", json_object_get(r, "proxyd"));
	show_daemon("workerd", json_object_get(r, "workerd"));
}

/* Both know the queues; proxyd first, because it sees what it causes at once. */
void show_queues_and_jobs(const json_t *r)
{
	const json_t *proxyd = json_object_get(r, "proxyd");
	const json_t *workerd = json_object_get(r, "workerd");

	show_queues(json_object_get(proxyd, "cleanup_queue") ? proxyd : workerd);
	show_passes(workerd);
}

void show_status(const json_t *r)
{
	const json_t *proxyd = json_object_get(r, "proxyd");

	show_daemons(r);
	show_children(proxyd);
	show_backends(proxyd);
	show_faults(r, "proxyd");
	show_faults(r, "workerd");
	show_limited_usage(json_object_get(proxyd, "backends") ? proxyd
	                                                       : json_object_get(r, "workerd"));
	show_queues_and_jobs(r);
}
