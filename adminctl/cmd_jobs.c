/* SPDX-License-Identifier: MIT
 *
 * adminctl jobs: the long ones, which were asked for.
 */
#include "adminctl/daemons.h"
#include "adminctl/print.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

enum exit_code cmd_jobs(struct admin *a, json_t **out)
{
	struct question q = {"GET", NULL, NULL, ASK_TIMEOUT};
	BUF_AUTO path = {0};

	buf_add_cstr(&path, "/admin/api/jobs");
	buf_add_char(&path, '\0');
	if (a->argc > 0)
		question_add(&path, "kind", a->argv[0]);
	if (a->state)
		question_add(&path, "state", a->state);
	if (a->limit)
		question_add(&path, "limit", a->limit);
	q.path = path.p;
	return daemons_ask_any(a, &q, out);
}

/* Lists, and what is nothing, are of interest to programs only. */
static bool is_telling(const json_t *value)
{
	return (json_is_integer(value) && json_integer_value(value) != 0) || json_is_true(value) ||
	       json_string_length(value) > 0;
}

/* What a job tells of itself, as "name 5, other 6". */
static json_t *in_words(const json_t *job)
{
	const char *const places[] = {"result", "progress"};
	json_t *list = json_array(), *value;
	const char *name;

	for (size_t i = 0; i < COUNT(places) && json_array_size(list) == 0; i++)
		json_object_foreach(json_object_get(job, places[i]), name, value)
		{
			BUF_AUTO text = {0};

			if (!is_telling(value))
				continue;
			buf_printf(&text, "%s ", name);
			print_value(&text, value, PRINT_TEXT);
			json_array_append_new(list, json_stringn(text.p, text.n));
		}
	return list;
}

void show_jobs(const json_t *result)
{
	static const struct print_column columns[] = {
		{"ID", "id", PRINT_COUNT},
		{"KIND", "kind", PRINT_TEXT},
		{"TARGET", "target", PRINT_TEXT},
		{"STATE", "state", PRINT_TEXT},
		{"ASKED FOR", "requested_at", PRINT_SINCE},
		{"ALIVE", "heartbeat_at", PRINT_SINCE},
		{"ENDED", "finished_at", PRINT_SINCE},
		{"OWNER", "owner", PRINT_TEXT},
		{"PROGRESS", "words", PRINT_TEXT},
		{"LAST ERROR", "error", PRINT_TEXT},
	};
	json_t *rows = json_object_get(result, "jobs"), *row;
	size_t i;

	json_array_foreach(rows, i, row) json_object_set_new(row, "words", in_words(row));
	print_table(rows, columns, COUNT(columns));
}
