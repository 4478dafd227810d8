/* SPDX-License-Identifier: MIT
 *
 * Commands for what waits, and for what was given up: cleanup-queue, dlq, replication-queue.
 */
#include <stdio.h>
#include <string.h>

#include "adminctl/daemons.h"
#include "adminctl/print.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* path is ended by a NUL. */
static enum exit_code ask_rows(struct admin *a, struct buf *path, json_t **out)
{
	struct question q = {"GET", NULL, NULL, ASK_TIMEOUT};

	if (a->limit)
		question_add(path, "limit", a->limit);
	q.path = path->p;
	return daemons_ask_any(a, &q, out);
}

static void show_rows(const json_t *result, const struct print_column *columns, size_t n)
{
	const json_t *items = json_object_get(result, "items");

	print_table(items, columns, n);
	if ((json_int_t)json_array_size(items) < member_number(result, "depth"))
		printf("... %lld in all\n", (long long)member_number(result, "depth"));
}

/* --- cleanup-queue ----------------------------------------------------------- */

enum exit_code cmd_cleanup_queue(struct admin *a, json_t **out)
{
	BUF_AUTO path = {0};

	buf_add_cstr(&path, "/admin/api/cleanup-queue");
	question_add(&path, "all", "true");
	if (a->argc > 0)
		question_add(&path, "backend", a->argv[0]);
	return ask_rows(a, &path, out);
}

void show_cleanup_queue(const json_t *result)
{
	static const struct print_column columns[] = {
		{"ID", "ID", PRINT_COUNT},
		{"BACKEND", "BackendName", PRINT_TEXT},
		{"REASON", "Reason", PRINT_TEXT},
		{"SIZE", "SizeBytes", PRINT_BYTES},
		{"ATTEMPTS", "Attempts", PRINT_COUNT},
		{"NEXT", "NextRetry", PRINT_SINCE},
		{"CLAIMED", "ClaimedAt", PRINT_SINCE},
		{"BACKEND KEY", "ObjectKey", PRINT_TEXT},
		{"LAST ERROR", "LastError", PRINT_TEXT},
	};

	show_rows(result, columns, COUNT(columns));
}

/* --- dlq --------------------------------------------------------------------- */

static enum exit_code dlq_usage(void)
{
	fputs("usage: adminctl dlq list [BACKEND] | retry BACKEND|ID|-all | "
	      "write-off BACKEND|ID; -limit with list\n",
	      stderr);
	return EXIT_USAGE;
}

static bool is_number(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == '\0';
}

static enum exit_code list(struct admin *a, json_t **out)
{
	BUF_AUTO path = {0};

	if (a->all)
		return dlq_usage();
	buf_add_cstr(&path, "/admin/api/cleanup-dlq");
	buf_add_char(&path, '\0');
	if (a->argc > 1)
		question_add(&path, "backend", a->argv[1]);
	return ask_rows(a, &path, out);
}

/* Many rows take long. */
static enum exit_code decide(struct admin *a, const char *action, json_t **out)
{
	struct question q = {"POST", NULL, NULL, 0};
	BUF_AUTO path = {0};

	buf_printf(&path, "/admin/api/cleanup-dlq/%s", action);
	if (a->all)
		question_add(&path, "all", "true");
	else
		question_add(&path, is_number(a->argv[1]) ? "id" : "backend", a->argv[1]);
	q.path = path.p;
	return daemons_ask_any(a, &q, out);
}

enum exit_code cmd_dlq(struct admin *a, json_t **out)
{
	const char *action = a->argv[0];
	bool retry = strcmp(action, "retry") == 0;

	if (strcmp(action, "list") == 0)
		return list(a, out);
	/* Exactly one of a name, an id and -all, which is for retrying only. */
	if ((!retry && strcmp(action, "write-off") != 0) || a->limit || (a->all && !retry) ||
	    (a->argc > 1) == a->all)
		return dlq_usage();
	return decide(a, retry ? "requeue" : action, out);
}

static void show_decided(const json_t *result)
{
	const json_t *bytes = json_object_get(result, "bytes");
	BUF_AUTO text = {0};

	printf("%lld rows %s", (long long)member_number(result, "rows"),
	       json_string_value(json_object_get(result, "status")));
	if (bytes) {
		print_value(&text, bytes, PRINT_BYTES);
		printf(", %.*s", STR_FMT(buf_str(&text)));
	}
	putchar('\n');
}

void show_dlq(const json_t *result)
{
	static const struct print_column columns[] = {
		{"ID", "ID", PRINT_COUNT},
		{"BACKEND", "BackendName", PRINT_TEXT},
		{"REASON", "Reason", PRINT_TEXT},
		{"SIZE", "SizeBytes", PRINT_BYTES},
		{"QUEUED", "FirstEnqueuedAt", PRINT_SINCE},
		{"GIVEN UP", "MovedAt", PRINT_SINCE},
		{"BACKEND KEY", "ObjectKey", PRINT_TEXT},
		{"LAST ERROR", "LastError", PRINT_TEXT},
	};

	if (json_object_get(result, "items"))
		show_rows(result, columns, COUNT(columns));
	else
		show_decided(result);
}

/* --- replication-queue ------------------------------------------------------- */

enum exit_code cmd_replication_queue(struct admin *a, json_t **out)
{
	BUF_AUTO path = {0};

	buf_add_cstr(&path, "/admin/api/replication-queue");
	buf_add_char(&path, '\0');
	return ask_rows(a, &path, out);
}

void show_replication_queue(const json_t *result)
{
	static const struct print_column columns[] = {
		{"SEGMENT", "segment", PRINT_COUNT},
		{"BUCKET", "bucket", PRINT_TEXT},
		{"KEY", "key", PRINT_TEXT},
		{"ATTEMPTS", "attempts", PRINT_COUNT},
		{"NEXT", "next_retry", PRINT_SINCE},
		{"SUSPECT", "suspect", PRINT_TEXT},
		{"LAST ERROR", "last_error", PRINT_TEXT},
	};

	show_rows(result, columns, COUNT(columns));
}
