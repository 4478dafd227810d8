/* SPDX-License-Identifier: MIT
 *
 * The right to run a job: a session advisory lock of PostgreSQL, which ends with
 * its connection. Only a lease, not a guarantee: when the connection breaks
 * another daemon may begin while this one is still at an item. Claims and
 * idempotent statements are what makes that safe.
 */
#ifndef WORKERD_LEASE_H
#define WORKERD_LEASE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

struct db_session;

struct lease {
	const char *conninfo;
	int64_t lock;
	struct db_session *session; /* NULL: no connection */
	bool held;
};

/* Tries to get the lease, without waiting for another holder. *got is true also
 * when it was held already. Errors: no answer from the database. */
enum err lease_take(struct lease *l, bool *got, struct error *e);
/* False once the connection has broken. */
bool lease_is_held(const struct lease *l);
/* Gives lock and connection back. */
void lease_give(struct lease *l);

#endif
