/* SPDX-License-Identifier: MIT
 *
 * Commands that compare backends with the catalogue, and wait for the end: reconcile, sync.
 */
#include <stdio.h>

#include "adminctl/daemons.h"
#include "adminctl/print.h"
#include "base/buf.h"

static enum exit_code ask_workerd(struct admin *a, struct buf *path, json_t **out)
{
	const struct question q = {"POST", path->p, NULL, 0};
	struct error e;

	if (daemons_locate(a, &e) == ERR_OK)
		return daemon_ask_alone(a, WORKERD, &q, out);
	fprintf(stderr, "adminctl: %s\n", e.text);
	return EXIT_ERROR;
}

static void add_options(const struct admin *a, struct buf *path)
{
	buf_add_char(path, '\0');
	if (a->backend)
		question_add(path, "backend", a->backend);
	if (a->dry_run)
		question_add(path, "dry_run", "true");
}

enum exit_code cmd_reconcile(struct admin *a, json_t **out)
{
	BUF_AUTO path = {0};

	buf_add_cstr(&path, "/admin/api/reconcile");
	add_options(a, &path);
	return ask_workerd(a, &path, out);
}

void show_reconcile(const json_t *r)
{
	static const struct print_column columns[] = {
		{"BACKEND", "name", PRINT_TEXT},
		{"LISTED", "listed", PRINT_COUNT},
		{"IMPORTED", "imported", PRINT_COUNT},
		{"ADOPTED", "adopted", PRINT_COUNT},
		{"ORPHANS", "orphans", PRINT_COUNT},
		{"KEPT", "orphans_kept", PRINT_COUNT},
		{"REMOVED", "removed", PRINT_COUNT},
		{"LOST", "lost", PRINT_COUNT},
		{"SIZE DIFFERS", "size_differs", PRINT_COUNT},
		{"FOREIGN", "foreign", PRINT_COUNT},
		{"SKIPPED", "skipped", PRINT_COUNT},
		{"UNPROVEN", "unproven", PRINT_COUNT},
		{"ERRORS", "errors", PRINT_COUNT},
	};

	if (json_is_true(json_object_get(r, "dry_run")))
		puts("What would be done:");
	print_table(json_object_get(r, "backends"), columns, sizeof columns / sizeof *columns);
}

enum exit_code cmd_sync(struct admin *a, json_t **out)
{
	BUF_AUTO path = {0};

	if (!a->backend || !a->bucket) {
		fprintf(stderr,
		        "adminctl: -%s is required\nusage: adminctl sync -backend BACKEND "
		        "-bucket BUCKET [-prefix PREFIX] [-dry-run]\n",
		        a->backend ? "bucket" : "backend");
		return EXIT_ERROR;
	}
	buf_add_cstr(&path, "/admin/api/sync");
	add_options(a, &path);
	question_add(&path, "bucket", a->bucket);
	if (a->prefix)
		question_add(&path, "prefix", a->prefix);
	return ask_workerd(a, &path, out);
}

void show_sync(const json_t *r)
{
	BUF_AUTO bytes = {0};

	print_value(&bytes, json_object_get(r, "bytes_imported"), PRINT_BYTES);
	printf("%s: %lld objects (%.*s) %s %s, %lld skipped, %lld foreign, %lld errors\n",
	       member_text(r, "backend"), member_number(r, "imported"), STR_FMT(buf_str(&bytes)),
	       json_is_true(json_object_get(r, "dry_run")) ? "would be imported into"
	                                                   : "imported into",
	       member_text(r, "bucket"), member_number(r, "skipped"), member_number(r, "foreign"),
	       member_number(r, "errors"));
	if (member_number(r, "adopted") > 0)
		printf("%lld copies of ours are in the catalogue again\n",
		       member_number(r, "adopted"));
}
