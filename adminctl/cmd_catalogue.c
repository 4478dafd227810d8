/* SPDX-License-Identifier: MIT
 *
 * Commands that look into the catalogue: object, ls. Long answers come in pages,
 * which are put together before anything is shown.
 */
#include <stdio.h>
#include <string.h>

#include "adminctl/daemons.h"
#include "adminctl/print.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void append(json_t *all, const json_t *page, const char *list)
{
	json_array_extend(json_object_get(all, list), json_object_get(page, list));
}

/* The cursor of the next page as a parameter, or NULL. */
static const char *next_of(struct admin *a, const json_t *page)
{
	const json_t *next = json_object_get(page, "next");

	if (json_is_integer(next))
		return arena_printf(a->arena, "%lld", (long long)json_integer_value(next));
	return json_is_string(next) ? arena_strdup(a->arena, json_string_value(next)) : NULL;
}

/* All pages behind a question, as the first one with longer lists. */
static enum exit_code ask_pages(struct admin *a, const char *path, const char *const *lists,
                                size_t n_lists, json_t **out)
{
	const char *after = NULL;
	enum exit_code code;
	json_t *page;

	do {
		struct question q = {"GET", NULL, NULL, ASK_TIMEOUT};
		BUF_AUTO target = {0};

		buf_add_cstr(&target, path);
		buf_add_char(&target, '\0');
		if (after)
			question_add(&target, "after", after);
		q.path = target.p;
		code = daemons_ask_any(a, &q, &page);
		if (code != EXIT_DONE)
			return code;
		after = next_of(a, page);
		json_object_del(page, "next");
		if (!*out) {
			*out = page;
			continue;
		}
		for (size_t i = 0; i < n_lists; i++)
			append(*out, page, lists[i]);
		json_decref(page);
	} while (after);
	return EXIT_DONE;
}

static void show_line(const char *title, const json_t *o, const char *key, enum print_kind kind)
{
	BUF_AUTO text = {0};

	print_value(&text, json_object_get(o, key), kind);
	printf("%-9s %.*s\n", title, STR_FMT(buf_str(&text)));
}

/* --- object ------------------------------------------------------------------ */

enum exit_code cmd_object(struct admin *a, json_t **out)
{
	static const char *const lists[] = {"locations"};
	BUF_AUTO path = {0};

	buf_add_cstr(&path, "/admin/api/object-locations");
	question_add(&path, "key", a->argv[0]);
	if (a->argc > 1)
		question_add(&path, "version", a->argv[1]);
	return ask_pages(a, path.p, lists, COUNT(lists), out);
}

void show_object(const json_t *result)
{
	static const struct print_column columns[] = {
		{"PART", "Part", PRINT_COUNT},          {"BACKEND", "BackendName", PRINT_TEXT},
		{"SIZE", "SizeBytes", PRINT_BYTES},     {"CREATED", "CreatedAt", PRINT_SINCE},
		{"ENCRYPTED", "Encrypted", PRINT_TEXT}, {"BACKEND KEY", "BackendKey", PRINT_TEXT},
	};

	show_line("key", result, "key", PRINT_TEXT);
	show_line("version", result, "version_id", PRINT_TEXT);
	show_line("size", result, "size", PRINT_BYTES);
	show_line("etag", result, "etag", PRINT_TEXT);
	show_line("modified", result, "modified", PRINT_SINCE);
	show_line("parts", result, "parts", PRINT_COUNT);
	putchar('\n');
	print_table(json_object_get(result, "locations"), columns, COUNT(columns));
}

/* --- ls ---------------------------------------------------------------------- */

enum exit_code cmd_ls(struct admin *a, json_t **out)
{
	static const char *const lists[] = {"objects", "prefixes"};
	char *bucket = arena_strdup(a->arena, a->argv[0]);
	char *prefix = strchr(bucket, '/');
	BUF_AUTO path = {0};

	if (prefix)
		*prefix++ = '\0';
	buf_add_cstr(&path, "/admin/api/objects");
	question_add(&path, "bucket", bucket);
	if (prefix)
		question_add(&path, "prefix", prefix);
	if (!a->recursive)
		question_add(&path, "delimiter", "/");
	return ask_pages(a, path.p, lists, COUNT(lists), out);
}

/* Folders first. */
void show_ls(const json_t *result)
{
	static const struct print_column columns[] = {
		{"SIZE", "size", PRINT_BYTES},        {"MODIFIED", "modified", PRINT_SINCE},
		{"COPIES", "copies", PRINT_COUNT},    {"WANTED", "copies_wanted", PRINT_COUNT},
		{"BACKENDS", "backends", PRINT_TEXT}, {"KEY", "key", PRINT_TEXT},
	};
	json_t *rows = json_array(), *prefix;
	size_t i;

	json_array_foreach(json_object_get(result, "prefixes"), i, prefix)
		json_array_append_new(rows, json_pack("{s:O}", "key", prefix));
	json_array_extend(rows, json_object_get(result, "objects"));
	print_table(rows, columns, COUNT(columns));
	json_decref(rows);
}
