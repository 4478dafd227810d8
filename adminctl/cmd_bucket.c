/* SPDX-License-Identifier: MIT
 *
 * adminctl bucket, and buckets, which is another word for listing them.
 */
#include <stdio.h>
#include <string.h>

#include "adminctl/daemons.h"
#include "adminctl/print.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static enum exit_code ask(struct admin *a, const char *method, const char *name, const char *owner,
                          json_t **out)
{
	struct question q = {method, NULL, NULL, ASK_TIMEOUT};
	BUF_AUTO path = {0};

	buf_add_cstr(&path, "/admin/api/buckets");
	buf_add_char(&path, '\0');
	if (name)
		question_add(&path, "name", name);
	if (owner)
		question_add(&path, "owner", owner);
	q.path = path.p;
	return daemons_ask_any(a, &q, out);
}

enum exit_code cmd_buckets(struct admin *a, json_t **out)
{
	return ask(a, "GET", NULL, NULL, out);
}

enum exit_code cmd_bucket(struct admin *a, json_t **out)
{
	static const struct {
		const char *action, *method;
		size_t args;
	} actions[] = {{"list", "GET", 0},
	               {"show", "GET", 1},
	               {"create", "POST", 2},
	               {"delete", "DELETE", 1}};

	for (size_t i = 0; i < COUNT(actions); i++)
		if (strcmp(a->argv[0], actions[i].action) == 0 && a->argc == 1 + actions[i].args)
			return ask(a, actions[i].method, a->argc > 1 ? a->argv[1] : NULL,
			           a->argc > 2 ? a->argv[2] : NULL, out);
	fputs("usage: adminctl bucket list | show NAME | create NAME ACCESS-KEY | delete NAME\n",
	      stderr);
	return EXIT_USAGE;
}

void show_buckets(const json_t *result)
{
	static const struct print_column columns[] = {
		{"BUCKET", "name", PRINT_TEXT},
		{"OWNER", "owner", PRINT_TEXT},
		{"VERSIONING", "versioning", PRINT_TEXT},
		{"OBJECTS", "objects", PRINT_COUNT},
		{"BYTES", "bytes", PRINT_BYTES},
		{"FACTOR", "factor", PRINT_COUNT},
		{"ACK", "ack", PRINT_COUNT},
	};

	if (json_object_get(result, "buckets"))
		print_table(json_object_get(result, "buckets"), columns, COUNT(columns));
	else
		printf("%s: %s\n", member_text(result, "bucket"), member_text(result, "status"));
}
