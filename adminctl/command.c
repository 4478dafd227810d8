/* SPDX-License-Identifier: MIT
 *
 * The table of commands: dispatch, help and the number of arguments come from
 * here. etc/adminctl.bash repeats the names; a test compares them.
 */
#include <stdio.h>
#include <string.h>

#include "adminctl/adminctl.h"
#include "base/str.h"

const struct command commands[] = {
	{"status", "", 0, 0, NULL, "what runs, space of every backend, queues, jobs", cmd_status,
         show_status},
	{"top", "", 0, 0, NULL, "what happens now: requests, backends, jobs", cmd_top, show_top},
	{"validate", "", 0, 0, NULL, "check the configuration file; contacts nobody", cmd_validate,
         show_validate},
	{"reload", "", 0, 0, NULL, "make both daemons load their configuration again", cmd_reload,
         show_reload},
	{"workers", "", 0, 0, NULL, "how the background jobs fare", cmd_workers, show_workers},
	{"run", "JOB", 1, 1, NULL, "start a background job now", cmd_run, show_run},
	{"replicate", "", 0, 0, NULL, "make all copies that are missing", cmd_replicate,
         show_replicate},
	{"over-replication", "", 0, 0, "execute", "count or remove copies that are too many",
         cmd_over_replication, show_over_replication},
	{"rebalance", "", 0, 0, "dry-run", "move a batch of copies to where they are wanted",
         cmd_rebalance, show_rebalance},
	{"drain", "start|status|cancel BACKEND", 2, 2, "wait dry-run", "empty a backend", cmd_drain,
         show_drain},
	{"remove-backend", "BACKEND", 1, 1, "purge confirm dry-run",
         "take a backend out of the catalogue", cmd_remove_backend, show_remove_backend},
	{"reconcile", "[-backend BACKEND]", 0, 0, "backend dry-run",
         "compare what lies on backends with the catalogue", cmd_reconcile, show_reconcile},
	{"verify", "", 0, 0, NULL, "whether catalogue, counters and backends agree", cmd_verify,
         show_verify},
	{"sync", "-backend BACKEND -bucket BUCKET", 0, 0, "backend bucket prefix dry-run",
         "make objects of what lies on a backend", cmd_sync, show_sync},
	{"object", "BUCKET/KEY [VERSION]", 1, 2, NULL, "where the copies of an object are",
         cmd_object, show_object},
	{"ls", "BUCKET[/PREFIX]", 1, 1, "r", "the objects of a bucket and their copies", cmd_ls,
         show_ls},
	{"buckets", "", 0, 0, NULL, "all buckets, and how much is in them", cmd_buckets,
         show_buckets},
	{"cleanup-queue", "[BACKEND]", 0, 1, "limit", "deletions that wait for backends",
         cmd_cleanup_queue, show_cleanup_queue},
	{"dlq", "list|retry|write-off [WHICH]", 1, 2, "all limit", "deletions that were given up",
         cmd_dlq, show_dlq},
	{"replication-queue", "", 0, 0, "limit", "segments whose copies are looked at",
         cmd_replication_queue, show_replication_queue},
	{"usage", "", 0, 0, NULL, "requests and bytes of every backend this month", cmd_usage,
         show_usage},
	{"usage-flush", "", 0, 0, NULL, "write what was counted to the database now",
         cmd_usage_flush, show_usage_flush},
	{"log-level", "[LEVEL]", 0, 1, NULL, "show or set the log level of both daemons",
         cmd_log_level, show_log_level},
	{"version", "", 0, 0, NULL, "the version of this program", cmd_version, show_version},
	{"help", "", 0, 0, NULL, "this text", cmd_help, NULL},
};
const size_t n_commands = sizeof commands / sizeof *commands;

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < n_commands; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static bool names(const struct command *c, const char *option)
{
	return str_has_word(str_of(c->options), option);
}

bool command_takes(const struct command *c, const char *option)
{
	bool special = false;

	for (size_t i = 0; i < n_commands; i++)
		special |= names(&commands[i], option);
	return !special || names(c, option);
}

void usage(void)
{
	fputs("usage: adminctl [options] COMMAND [arguments]\n\ncommands:\n", stderr);
	for (size_t i = 0; i < n_commands; i++) {
		const struct command *c = &commands[i];

		fprintf(stderr, "  %s %-*s  %s\n", c->name, 34 - (int)strlen(c->name), c->args,
		        c->help);
	}
	fputs("\noptions, with one dash or two, before or after the command:\n"
	      "  -config FILE         default: ./config.yaml, else "
	      "/etc/s3-orchestrator/config.yaml\n"
	      "  -socket-dir DIR      where the daemons' sockets are\n"
	      "  -addr HOST:PORT      speak HTTP to the daemon there instead\n"
	      "  -token TOKEN         for -addr\n"
	      "  -json                exact output for programs\n"
	      "  -wait                with drain start or status: until it is over\n"
	      "  -r                   with ls: all keys, not grouped by '/'\n"
	      "  -all                 with dlq retry: all rows\n"
	      "  -limit N             rows to show of a queue, 50 by default\n"
	      "  -dry-run             with drain start, rebalance, remove-backend, reconcile, "
	      "sync: tell\n"
	      "                       what would be done\n"
	      "  -backend NAME        with reconcile: only that one; with sync: which\n"
	      "  -bucket NAME         with sync: where the objects go\n"
	      "  -prefix PREFIX       with sync: of the keys on the backend\n"
	      "  -execute             with over-replication: remove them\n"
	      "  -purge, -confirm     with remove-backend: delete what is there; really\n"
	      "\nexit status: 0 done, 1 failed, 2 usage, 3 a daemon does not answer\n",
	      stderr);
}

enum exit_code cmd_help(struct admin *a, json_t **out)
{
	(void)a;
	(void)out;
	usage();
	return EXIT_DONE;
}
