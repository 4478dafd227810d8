/* SPDX-License-Identifier: MIT
 *
 * Commands that let workerd do a job now, all of it, and wait for the end; and what it would
 * do: replicate, over-replication, rebalance, remove-backend.
 */
#include <stdio.h>
#include <string.h>

#include "adminctl/daemons.h"
#include "adminctl/print.h"
#include "base/buf.h"
#include "net/uri.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* timeout 0: as long as it takes. */
static enum exit_code ask_workerd(struct admin *a, const char *method, const char *path,
                                  int64_t timeout_us, json_t **out)
{
	const struct question q = {method, path, NULL, timeout_us};
	struct error e;

	if (daemons_locate(a, &e) == ERR_OK)
		return daemon_ask_alone(a, WORKERD, &q, out);
	fprintf(stderr, "adminctl: %s\n", e.text);
	return EXIT_ERROR;
}

/* "NUMBER what", or why nothing was done. */
static void show_done(const json_t *r, const char *member, const char *what)
{
	if (strcmp(member_text(r, "status"), "skipped") == 0)
		printf("nothing was done: %s\n", member_text(r, "reason"));
	else
		printf("%lld %s\n", member_number(r, member), what);
}

/* --- copies ------------------------------------------------------------------------- */

enum exit_code cmd_replicate(struct admin *a, json_t **out)
{
	return ask_workerd(a, "POST", "/admin/api/replicate", 0, out);
}

void show_replicate(const json_t *r)
{
	show_done(r, "copies_created", "copies created");
}

enum exit_code cmd_over_replication(struct admin *a, json_t **out)
{
	if (a->execute)
		return ask_workerd(a, "POST", "/admin/api/over-replication", 0, out);
	return ask_workerd(a, "GET", "/admin/api/over-replication", ASK_TIMEOUT, out);
}

void show_over_replication(const json_t *r)
{
	if (json_object_get(r, "pending"))
		printf("%lld segments have more copies than wanted; -execute removes them\n",
		       member_number(r, "pending"));
	else
		show_done(r, "copies_removed", "copies removed");
}

enum exit_code cmd_rebalance(struct admin *a, json_t **out)
{
	if (a->dry_run)
		return ask_workerd(a, "POST", "/admin/api/rebalance?dry_run=true", ASK_TIMEOUT,
		                   out);
	return ask_workerd(a, "POST", "/admin/api/rebalance", 0, out);
}

void show_rebalance(const json_t *r)
{
	static const struct print_column columns[] = {
		{"BACKEND", "name", PRINT_TEXT},
		{"OBJECTS OUT", "objects_out", PRINT_COUNT},
		{"OBJECTS IN", "objects_in", PRINT_COUNT},
		{"REQUESTS", "api_requests", PRINT_COUNT},
		{"READ FROM IT", "egress_bytes", PRINT_BYTES},
		{"SENT TO IT", "ingress_bytes", PRINT_BYTES},
	};

	if (strcmp(member_text(r, "status"), "dry run") != 0) {
		show_done(r, "objects_moved", "objects moved");
		return;
	}
	printf("%lld objects would move%s\n", member_number(r, "objects"),
	       json_is_true(json_object_get(r, "worthwhile"))
	               ? ""
	               : ": the backends differ by less than the threshold");
	if (member_number(r, "objects") > 0)
		print_table(json_object_get(r, "backends"), columns, COUNT(columns));
}

/* --- remove-backend ---------------------------------------------------------------------- */

static enum exit_code ask_removal(struct admin *a, bool dry_run, const char *confirm, json_t **out)
{
	BUF_AUTO path = {0};

	buf_add_cstr(&path, "/admin/api/backends/");
	uri_encode(&path, str_of(a->argv[0]), false);
	buf_add_char(&path, '\0');
	if (a->purge)
		question_add(&path, "purge", "true");
	if (dry_run)
		question_add(&path, "dry_run", "true");
	if (confirm)
		question_add(&path, "confirm", confirm);
	return ask_workerd(a, "DELETE", path.p, 0, out);
}

static bool wants_confirmation(const json_t *r)
{
	return strcmp(member_text(r, "status"), "confirmation required") == 0;
}

enum exit_code cmd_remove_backend(struct admin *a, json_t **out)
{
	enum exit_code code = ask_removal(a, a->dry_run, NULL, out);
	json_t *preview = *out;

	if (code != EXIT_DONE || !a->confirm || !wants_confirmation(preview))
		return code;
	*out = NULL;
	code = ask_removal(a, false, member_text(preview, "confirm_token"), out);
	json_decref(preview);
	return code;
}

static void show_preview(const json_t *r)
{
	bool purge = json_is_true(json_object_get(r, "purge"));

	printf("Backend \"%s\" contains %lld objects (%lld bytes).\n", member_text(r, "backend"),
	       member_number(r, "object_count"), member_number(r, "total_bytes"));
	if (purge)
		printf("All of them are deleted for good, with %lld requests; %lld objects (%lld "
		       "bytes) have no copy elsewhere.\n",
		       member_number(r, "api_requests"), member_number(r, "sole_object_count"),
		       member_number(r, "sole_bytes"));
	else
		printf("Their bytes stay; %lld objects (%lld bytes) have no copy elsewhere and "
		       "cannot be read any more.\n",
		       member_number(r, "sole_object_count"), member_number(r, "sole_bytes"));
	if (wants_confirmation(r))
		puts("Re-run with --confirm to proceed.");
}

void show_remove_backend(const json_t *r)
{
	if (json_object_get(r, "object_count"))
		show_preview(r);
	else
		printf("%s: %s, %lld copies\n", member_text(r, "backend"), member_text(r, "status"),
		       member_number(r, "copies_removed"));
}
