/* SPDX-License-Identifier: MIT
 *
 * The helper process. It ends with _exit(): what it has inherited is not its
 * own to free.
 */
#include "proxyd/helper.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "backend/usage_flush.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "ctl/daemon.h"
#include "db/db.h"
#include "db/embedded.h"
#include "db/migrate.h"
#include "observe/metrics.h"
#include "store/store.h"

#define RETRY_MS 500 /* between two attempts to reach a database that is starting */

/* --- in the helper ------------------------------------------------------------- */

static enum err start_embedded(const struct config *c, struct helper_report *r, struct error *e)
{
	if (c->database.driver != DRIVER_EMBEDDED)
		return ERR_OK;
	return embedded_start(c, &r->stop, &r->postmaster, e);
}

static bool may_try_again(enum err rc)
{
	return rc == ERR_UNAVAILABLE || rc == ERR_DB_BUSY || rc == ERR_IO || rc == ERR_TIMEOUT;
}

static enum err try_migrate(const char *conninfo, struct db_blocking **db, struct migrate_result *m,
                            struct error *e)
{
	enum err rc = db_blocking_open(conninfo, db, e);

	if (rc == ERR_OK)
		rc = migrate_on(*db, m, e);
	if (rc != ERR_OK)
		db_blocking_close(db);
	return rc;
}

/* Leaves the connection open for what follows. */
static enum err migrate(const char *conninfo, struct db_blocking **db, struct helper_report *r,
                        int64_t deadline, struct error *e)
{
	struct migrate_result m = {0};
	enum err rc = try_migrate(conninfo, db, &m, e);

	while (may_try_again(rc) && clock_mono() < deadline && !r->stop) {
		log_info("runtime", "waiting for the database", LOG_STR("error", e->text));
		nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000L}, NULL);
		rc = try_migrate(conninfo, db, &m, e);
	}
	if (rc == ERR_OK && m.applied > 0)
		log_info("runtime", "Database migrations applied", LOG_INT("from", m.from),
		         LOG_INT("to", m.to), LOG_INT("count", m.applied));
	return rc;
}

/* A server that is started again must not forget that a limit is reached. */
static enum err boot(const struct config *c, const char *conninfo, struct helper *h,
                     int64_t deadline, struct error *e)
{
	struct helper_report *r = h->report;
	struct db_blocking *db = NULL;
	enum err rc = start_embedded(c, r, e);

	if (rc == ERR_OK)
		rc = migrate(conninfo, &db, r, deadline, e);
	if (rc == ERR_OK)
		rc = store_sync_config(db, c, e);
	if (rc == ERR_OK)
		rc = usage_flush_blocking(h->usage, c, db, e);
	db_blocking_close(&db);
	return rc;
}

static enum err sync_config(const struct config *c, const char *conninfo, struct error *e)
{
	struct db_blocking *db;
	enum err rc = db_blocking_open(conninfo, &db, e);

	if (rc == ERR_OK)
		rc = store_sync_config(db, c, e);
	db_blocking_close(&db);
	return rc;
}

static enum err flush_usage(const struct config *c, const char *conninfo, struct usage *usage,
                            struct error *e)
{
	struct db_blocking *db;
	enum err rc = db_blocking_open(conninfo, &db, e);

	if (rc == ERR_OK)
		rc = usage_flush_blocking(usage, c, db, e);
	db_blocking_close(&db);
	return rc;
}

static enum err run(enum helper_job job, const struct config *c, struct helper *h, int64_t deadline,
                    struct error *e)
{
	struct arena *a = arena_new();
	const char *conninfo = db_conninfo(a, c);
	enum err rc = ERR_OK;

	switch (job) {
	case HELPER_BOOT:
		rc = boot(c, conninfo, h, deadline, e);
		break;
	case HELPER_QUOTA:
		rc = sync_config(c, conninfo, e);
		break;
	case HELPER_EMBEDDED:
		rc = start_embedded(c, h->report, e);
		break;
	case HELPER_USAGE:
		rc = flush_usage(c, conninfo, h->usage, e);
		break;
	}
	arena_free(&a);
	return rc;
}

static _Noreturn void helper_main(enum helper_job job, const struct config *c, struct helper *h,
                                  int64_t deadline, pid_t supervisor)
{
	struct error e = {0};

	metrics_attach(NULL, 0, 0, NULL); /* its slot has one writer, the supervisor */
	daemon_forked();
	daemon_signals_default();
	signal(SIGPIPE, SIG_IGN);
	setpgid(0, 0); /* Ctrl-C is the supervisor's business, and not the database's */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != supervisor)
		_exit(DAEMON_FAILED);
	if (run(job, c, h, deadline, &e) == ERR_OK)
		_exit(DAEMON_OK);
	snprintf(h->report->error, sizeof h->report->error, "%s", e.text);
	_exit(DAEMON_FAILED);
}

/* --- in the supervisor ------------------------------------------------------------ */

void helper_init(struct helper *h)
{
	void *p = mmap(NULL, sizeof *h->report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
	               -1, 0);

	if (p == MAP_FAILED) {
		perror("helper");
		abort();
	}
	*h = (struct helper){.report = p};
}

bool helper_start(struct helper *h, enum helper_job job, const struct config *c, int64_t wait_db,
                  int64_t limit)
{
	int64_t deadline = clock_deadline(wait_db);
	pid_t self = getpid();

	h->report->error[0] = '\0';
	fflush(NULL);
	h->pid = fork();
	if (h->pid == 0)
		helper_main(job, c, h, deadline, self);
	if (h->pid < 0) {
		snprintf(h->report->error, sizeof h->report->error, "fork failed");
		h->pid = 0;
		return false;
	}
	h->job = job;
	h->kill_at = clock_deadline(limit);
	return true;
}

bool helper_ended(struct helper *h, pid_t pid, int status, bool *ok)
{
	char *error = h->report->error;

	if (!h->pid || pid != h->pid)
		return false;
	h->pid = 0;
	*ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (WIFSIGNALED(status))
		snprintf(error, sizeof h->report->error, "ended by signal %d (%s)",
		         WTERMSIG(status), strsignal(WTERMSIG(status)));
	return true;
}

void helper_tick(struct helper *h)
{
	if (h->pid && clock_mono() >= h->kill_at)
		kill(h->pid, SIGKILL);
}

void helper_stop(struct helper *h)
{
	h->report->stop = true;
}
