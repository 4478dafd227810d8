/* SPDX-License-Identifier: MIT
 *
 * What proxyd and workerd have in common as processes: options, the check of the
 * configuration, log file, detaching, pid file, privileges, signals, and the
 * word to the service manager. All of it is for the first process of a daemon,
 * before there is a loop or a thread; only daemon_notify() and
 * daemon_log_reopen() may be called later, too.
 */
#ifndef CTL_DAEMON_H
#define CTL_DAEMON_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"

struct config;

#define DAEMON_CONFIG_FILE "/etc/s3-orchestrator/config.yaml"

/* Exit statuses of both daemons. */
enum { DAEMON_OK = 0, DAEMON_FAILED = 1, DAEMON_USAGE = 2 };

struct daemon_options {
	const char *program;  /* "proxyd" or "workerd" */
	const char *config;   /* file, made absolute when detaching */
	const char *log_file; /* NULL: standard output */
	const char *pid_file; /* NULL: <run_dir>/<program>.pid */
	const char *user;     /* NULL: stay who we are */
	int64_t wait_db;      /* microseconds to wait for the database at start */
	bool check;           /* -t */
	bool detach;          /* -d */
};

/* Parses the command line; flags have one or two dashes, values follow as the
 * next argument or after '='. Returns -1 to go on, else the exit status: help
 * and version have been printed, or what is wrong. */
int daemon_options(struct daemon_options *o, const char *program, int argc, char **argv);

/* -t, and "adminctl validate": loads the file, prints a summary to standard
 * output or everything that is wrong to standard error. The exit status. */
int daemon_check_config(const char *file);

/* Loads the configuration at start: findings go to standard error, because
 * there is no log yet; daemon_log_open() repeats the warnings. NULL when it is
 * not valid. */
struct config *daemon_load_config(const char *file);
/* What is odd about a configuration, one line each (config_findings.warnings), and
 * what it asks for in vain: into the log, at start and at each reload. */
void daemon_log_warnings(struct str warnings);
void daemon_log_inactive(const struct config *c);

/* Lines go to --log-file from here on, or to standard output. The file is given
 * to the user of the options, who will have to open it again. */
enum err daemon_log_open(const struct daemon_options *o, enum log_level level, struct error *e);
/* After log rotation: opens the file anew. Keeps the old one when that fails. */
void daemon_log_reopen(void);

/* -d: returns in a new session, in the background, in /var/lib/s3-orchestrator, or
 * in / if there is no such folder. To be called before the configuration is
 * loaded, whose relative paths begin there. The process that was started
 * waits until daemon_ready() and exits with 0 then, or with 1 when the daemon
 * ends before that. Standard error stays open until daemon_ready(). */
enum err daemon_detach(struct daemon_options *o, struct error *e);
/* The service is up: tells the waiting process and the service manager. */
void daemon_ready(void);
/* In every process forked before daemon_ready(): lets go of the waiting process
 * and of its standard error. */
void daemon_forked(void);
/* An error that ends the daemon at start: into the log and, when that is a file,
 * also to standard error. Returns DAEMON_FAILED. */
int daemon_fail(const struct daemon_options *o, const char *what, const struct error *e);

/* The directory for sockets and pid files: made if missing (0755), with those
 * above it, and given to the user of the options. */
enum err daemon_run_dir(const char *dir, const char *user, struct error *e);

/* Makes a path belong to that user and its group; nothing without a name or when
 * not root. */
enum err daemon_give(const char *path, const char *user, struct error *e);

/* The pid file is locked by its process for as long as it lives: the lock, not
 * the file, says whether a daemon runs, and it is not inherited by children.
 * ERR_CONFLICT names the living one. */
enum err daemon_pid_lock(const char *path, struct error *e);
/* Writes the process id into it: when the sockets are bound. */
void daemon_pid_write(void);
/* Removes it; only the process that locked it does. */
void daemon_pid_remove(void);

/* Becomes that user, with its groups, for good. Without a name nothing changes,
 * but running as root is worth a warning. */
enum err daemon_become(const char *user, struct error *e);
/* The name under which a process owns what it claims in the database:
 * host:pid:random, never the same twice. */
#define DAEMON_INSTANCE_SIZE 96 /* HOST_NAME_MAX is 64 */
void daemon_instance(char name[DAEMON_INSTANCE_SIZE]);
/* As many open files as the hard limit allows. */
void daemon_raise_limits(void);

/* Blocks these signals (0 ends the list) for this process and what it forks, and
 * returns a non-blocking signalfd for them. SIGPIPE is ignored. */
int daemon_signalfd(const int *signals);
/* In a forked process: every signal unblocked and at its default again. */
void daemon_signals_default(void);

/* Sends a state such as "STOPPING=1" to the service manager ($NOTIFY_SOCKET,
 * sd_notify(3)); without one this does nothing. */
void daemon_notify(const char *state);
/* "WATCHDOG=1" when the service manager has asked for it; call once a second. */
void daemon_watchdog(void);

#endif
