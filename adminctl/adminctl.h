/* SPDX-License-Identifier: MIT
 *
 * adminctl: one table of commands (command.c). A command computes a JSON value;
 * its printer shows it to a person, or print_json() to a program.
 */
#ifndef ADMINCTL_ADMINCTL_H
#define ADMINCTL_ADMINCTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "base/arena.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_ERROR = 1, /* refused, failed or invalid */
	EXIT_USAGE = 2,
	EXIT_DOWN = 3, /* a daemon that the command asks does not answer */
};

/* What was asked for, and where the daemons are. */
struct admin {
	struct arena *arena;
	const char *config;     /* -config; NULL: the usual places */
	const char *socket_dir; /* -socket-dir, or of the configuration */
	const char *addr;       /* -addr: speak HTTP to this one daemon instead */
	const char *token;
	bool json;
	/* of commands that name them */
	bool wait, recursive, all;             /* -wait, -r, -all */
	bool dry_run, execute, purge, confirm; /* -dry-run ... */
	const char *limit;                     /* -limit */
	const char *backend, *bucket, *prefix; /* -backend ... */
	char **argv;                           /* positional arguments after the command */
	size_t argc;
};

struct command {
	const char *name;
	const char *args;    /* for the help: "[LEVEL]" */
	size_t min, max;     /* positional arguments */
	const char *options; /* those that not all commands take: "wait limit"; NULL: none */
	const char *help;
	/* *out: what to print, may stay NULL (then run has printed itself). */
	enum exit_code (*run)(struct admin *a, json_t **out);
	void (*show)(const json_t *result); /* for people; NULL: always JSON */
};

extern const struct command commands[];
extern const size_t n_commands;
const struct command *command_find(const char *name); /* NULL: none */
/* Options that no command names are for all. */
bool command_takes(const struct command *c, const char *option);
void usage(void);

/* cmd_*.c */
enum exit_code cmd_status(struct admin *a, json_t **out);
void show_status(const json_t *result);
void show_daemons(const json_t *result); /* parts of it */
void show_queues_and_jobs(const json_t *result);
enum exit_code cmd_top(struct admin *a, json_t **out);
void show_top(const json_t *result);
enum exit_code cmd_validate(struct admin *a, json_t **out);
void show_validate(const json_t *result);
enum exit_code cmd_version(struct admin *a, json_t **out);
void show_version(const json_t *result);
enum exit_code cmd_help(struct admin *a, json_t **out);
enum exit_code cmd_reload(struct admin *a, json_t **out);
void show_reload(const json_t *result);
enum exit_code cmd_log_level(struct admin *a, json_t **out);
void show_log_level(const json_t *result);
enum exit_code cmd_workers(struct admin *a, json_t **out);
void show_workers(const json_t *result);
enum exit_code cmd_drain(struct admin *a, json_t **out);
void show_drain(const json_t *result);
enum exit_code cmd_replicate(struct admin *a, json_t **out);
void show_replicate(const json_t *result);
enum exit_code cmd_over_replication(struct admin *a, json_t **out);
void show_over_replication(const json_t *result);
enum exit_code cmd_rebalance(struct admin *a, json_t **out);
void show_rebalance(const json_t *result);
enum exit_code cmd_reconcile(struct admin *a, json_t **out);
void show_reconcile(const json_t *result);
enum exit_code cmd_verify(struct admin *a, json_t **out);
void show_verify(const json_t *result);
enum exit_code cmd_sync(struct admin *a, json_t **out);
void show_sync(const json_t *result);
enum exit_code cmd_remove_backend(struct admin *a, json_t **out);
void show_remove_backend(const json_t *result);
enum exit_code cmd_run(struct admin *a, json_t **out);
void show_run(const json_t *result);
enum exit_code cmd_usage(struct admin *a, json_t **out);
void show_usage(const json_t *result); /* of one daemon's status, too */
enum exit_code cmd_usage_flush(struct admin *a, json_t **out);
void show_usage_flush(const json_t *result);
enum exit_code cmd_object(struct admin *a, json_t **out);
void show_object(const json_t *result);
enum exit_code cmd_ls(struct admin *a, json_t **out);
void show_ls(const json_t *result);
enum exit_code cmd_buckets(struct admin *a, json_t **out);
void show_buckets(const json_t *result);
enum exit_code cmd_cleanup_queue(struct admin *a, json_t **out);
void show_cleanup_queue(const json_t *result);
enum exit_code cmd_dlq(struct admin *a, json_t **out);
void show_dlq(const json_t *result);
enum exit_code cmd_replication_queue(struct admin *a, json_t **out);
void show_replication_queue(const json_t *result);

#endif
