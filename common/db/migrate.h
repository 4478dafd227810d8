/* SPDX-License-Identifier: MIT
 *
 * Schema migrations: the files of sql/migrations, built into the programs,
 * applied in order under an advisory lock (1012), each in one transaction,
 * together with sql/functions, which are replaced as a whole whenever they
 * differ. Forward only. Blocking: for use at start, before any task runs.
 */
#ifndef DB_MIGRATE_H
#define DB_MIGRATE_H

#include "base/err.h"

struct migrate_result {
	int from, to; /* schema version before and after */
	int applied;
};

/* A database newer than this program is refused (ERR_CONFLICT). Errors name
 * the file and the line or message of PostgreSQL. */
enum err migrate_run(const char *conninfo, struct migrate_result *out, struct error *e);
/* The same on a connection that has more to do afterwards. */
struct db_blocking;
enum err migrate_on(struct db_blocking *b, struct migrate_result *out, struct error *e);

#endif
