/* SPDX-License-Identifier: MIT
 *
 * Commands that compare backends with the catalogue, and wait for the end: reconcile, sync,
 * verify.
 */
#include <stdio.h>

#include "adminctl/daemons.h"
#include "adminctl/print.h"
#include "base/buf.h"

static enum exit_code ask_workerd(struct admin *a, const char *method, const char *path,
                                  json_t **out)
{
	const struct question q = {method, path, NULL, 0};
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
	return ask_workerd(a, "POST", path.p, out);
}

static void show_differences(const json_t *backend)
{
	size_t i;
	json_t *d;

	json_array_foreach(json_object_get(backend, "differences"), i, d)
		printf("%s: %s: %s (%lld bytes)\n", member_text(backend, "name"),
	               member_text(d, "what"), member_text(d, "key"), member_number(d, "size"));
}

static void show_all_differences(const json_t *r)
{
	size_t i;
	json_t *backend;

	json_array_foreach(json_object_get(r, "backends"), i, backend) show_differences(backend);
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
	show_all_differences(r);
}

/* --- verify ---------------------------------------------------------------------------- */

/* What others have stored is no fault of ours. */
static bool has_faults(const json_t *r)
{
	static const char *const faults[] = {"adopted", "unproven", "orphans",      "orphans_kept",
	                                     "removed", "lost",     "size_differs", "errors"};

	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
		if (member_number(r, faults[i]) > 0)
			return true;
	return json_array_size(json_object_get(r, "problems")) > 0;
}

enum exit_code cmd_verify(struct admin *a, json_t **out)
{
	enum exit_code code = ask_workerd(a, "GET", "/admin/api/check", out);
	json_t *problems = *out;

	if (code != EXIT_DONE)
		return code;
	*out = NULL;
	code = ask_workerd(a, "POST", "/admin/api/reconcile?dry_run=true", out);
	if (code == EXIT_DONE) {
		json_object_set(*out, "problems", json_object_get(problems, "problems"));
		code = has_faults(*out) ? EXIT_ERROR : EXIT_DONE;
	}
	json_decref(problems);
	return code;
}

void show_verify(const json_t *r)
{
	size_t i;
	json_t *problem;

	json_array_foreach(json_object_get(r, "problems"), i, problem)
		printf("catalogue: %s\n", json_string_value(problem));
	show_all_differences(r);
	if (!has_faults(r))
		printf("%lld keys on %lld backends are as the catalogue says.\n",
		       member_number(r, "listed"), member_number(r, "backends_scanned"));
}

/* --- sync ------------------------------------------------------------------------------ */

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
	return ask_workerd(a, "POST", path.p, out);
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
