/* SPDX-License-Identifier: MIT
 *
 * adminctl drain: starting, watching and cancelling. Any daemon that is up will do: a drain
 * is asked for in the database, and run by some workerd.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "adminctl/daemons.h"
#include "adminctl/print.h"
#include "base/buf.h"
#include "base/clock.h"
#include "net/uri.h"

/* Between two looks at a drain that is waited for. */
#define STEP_MS 500

#define BAR_WIDTH 30

static enum exit_code ask(struct admin *a, const char *method, json_t **out)
{
	struct question q = {method, NULL, NULL, ASK_TIMEOUT};
	BUF_AUTO path = {0};

	buf_add_cstr(&path, "/admin/api/backends/");
	uri_encode(&path, str_of(a->argv[1]), false);
	buf_add_cstr(&path, "/drain");
	buf_add_char(&path, '\0');
	if (a->dry_run)
		question_add(&path, "dry_run", "true");
	q.path = path.p;
	return daemons_ask_any(a, &q, out);
}

/* --- waiting ------------------------------------------------------------------ */

/* What a rate is made of. */
struct watch {
	int64_t began; /* monotonic */
	json_int_t bytes;
};

static void show_progress(const json_t *d, const struct watch *w)
{
	json_int_t moved = member_number(d, "bytes_moved"),
		   left = member_number(d, "bytes_remaining");
	double share = moved + left > 0 ? (double)moved / (double)(moved + left) : 1;
	int64_t us = clock_mono() - w->began;
	int filled = (int)(share * BAR_WIDTH);
	BUF_AUTO rate = {0};
	BUF_AUTO rest = {0};
	json_t *v = json_integer(
		us > 0 ? (json_int_t)((double)(moved - w->bytes) * CLOCK_SEC / (double)us) : 0);
	json_t *bytes = json_integer(left);

	print_value(&rate, v, PRINT_BYTES);
	print_value(&rest, bytes, PRINT_BYTES);
	fprintf(stderr, "\r[%.*s%*s] %3d%%  %lld left (%.*s), %.*s/s   ", filled,
	        "##############################", BAR_WIDTH - filled, "", (int)(share * 100),
	        (long long)member_number(d, "objects_remaining"), STR_FMT(buf_str(&rest)),
	        STR_FMT(buf_str(&rate)));
	json_decref(v);
	json_decref(bytes);
}

static void pause_between(void)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};

	nanosleep(&step, NULL);
}

/* *out is what the drain was when it ended. */
static enum exit_code wait_for_end(struct admin *a, json_t **out)
{
	struct watch w = {.began = clock_mono()};
	bool person = isatty(STDERR_FILENO) && !a->json, first = true;
	enum exit_code code;

	for (;;) {
		code = ask(a, "GET", out);
		if (code != EXIT_DONE || !json_is_true(json_object_get(*out, "active")))
			break;
		if (first)
			w.bytes = member_number(*out, "bytes_moved");
		first = false;
		if (person)
			show_progress(*out, &w);
		json_decref(*out);
		*out = NULL;
		pause_between();
	}
	if (person)
		fputc('\n', stderr);
	if (code == EXIT_DONE && strcmp(member_text(*out, "state"), "drained") != 0)
		code = EXIT_ERROR; /* failed, or cancelled */
	return code;
}

/* --- the command ---------------------------------------------------------------- */

enum exit_code cmd_drain(struct admin *a, json_t **out)
{
	static const struct {
		const char *action, *method;
	} actions[] = {{"start", "POST"}, {"status", "GET"}, {"cancel", "DELETE"}};
	const char *method = NULL;
	enum exit_code code;

	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
		if (strcmp(a->argv[0], actions[i].action) == 0)
			method = actions[i].method;
	if (!method || (a->wait && strcmp(method, "DELETE") == 0) ||
	    (a->dry_run && (a->wait || strcmp(method, "POST") != 0))) {
		fputs("usage: adminctl drain start|status|cancel BACKEND; -wait with the first "
		      "two, -dry-run with start\n",
		      stderr);
		return EXIT_USAGE;
	}
	code = ask(a, method, out);
	if (code != EXIT_DONE || !a->wait)
		return code;
	json_decref(*out);
	*out = NULL;
	return wait_for_end(a, out);
}

static void show_numbers(const json_t *d)
{
	static const struct print_column columns[] = {
		{"BACKEND", "backend", PRINT_TEXT},
		{"STATE", "state", PRINT_TEXT},
		{"LEFT", "objects_remaining", PRINT_COUNT},
		{"BYTES LEFT", "bytes_remaining", PRINT_BYTES},
		{"MOVED", "objects_moved", PRINT_COUNT},
		{"BYTES MOVED", "bytes_moved", PRINT_BYTES},
		{"STARTED", "started_at", PRINT_SINCE},
		{"LAST ERROR", "error", PRINT_TEXT},
	};
	json_t *rows = json_array();

	json_array_append(rows, (json_t *)d);
	print_table(rows, columns, sizeof columns / sizeof *columns);
	json_decref(rows);
}

static void show_preview(const json_t *d)
{
	const json_t *free = json_object_get(d, "free_elsewhere");
	BUF_AUTO bytes = {0};
	BUF_AUTO room = {0};

	print_value(&bytes, json_object_get(d, "bytes_to_move"), PRINT_BYTES);
	print_value(&room, free, PRINT_BYTES);
	printf("%lld objects would move (%.*s, read from %s and sent elsewhere), and %lld be "
	       "removed, with %lld requests to %s and %lld to others.\n",
	       (long long)member_number(d, "objects_to_move"), STR_FMT(buf_str(&bytes)),
	       member_text(d, "backend"), (long long)member_number(d, "objects_to_remove"),
	       (long long)member_number(d, "api_requests"), member_text(d, "backend"),
	       (long long)member_number(d, "api_requests_elsewhere"));
	if (json_is_false(json_object_get(d, "fits")))
		printf("They do not fit: %.*s are free on the others.\n", STR_FMT(buf_str(&room)));
}

void show_drain(const json_t *result)
{
	if (json_object_get(result, "fits"))
		show_preview(result);
	else if (json_object_get(result, "state"))
		show_numbers(result);
	else
		printf("%s: %s\n", member_text(result, "backend"), member_text(result, "status"));
}
