/* SPDX-License-Identifier: MIT
 *
 * The right to run a job: a session advisory lock of PostgreSQL. All leases of a daemon share
 * one connection and end with it. Only a lease, not a guarantee: when the connection breaks
 * another daemon may begin while this one is still at an item. Claims and idempotent
 * statements are what makes that safe.
 */
#ifndef WORKERD_LEASE_H
#define WORKERD_LEASE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "rt/sync.h"

struct db_session;

/* The connection, opened when it is needed first. */
struct leases {
	const char *conninfo;
	struct db_session *session; /* NULL: none */
	uint64_t generation;        /* of the session */
	struct semaphore turn;      /* one statement at a time */
};

struct lease {
	struct leases *all;
	int64_t lock;
	bool held;
	uint64_t generation; /* of the session that holds it */
};

void leases_init(struct leases *l, const char *conninfo);
/* Gives up all at once. */
void leases_close(struct leases *l);

/* Tries to get the lease, without waiting for another holder. *got is true also
 * when it was held already. Errors: no answer from the database. */
enum err lease_take(struct lease *l, bool *got, struct error *e);
/* False once the connection has broken. */
bool lease_is_held(const struct lease *l);
/* Nothing if it is not held. */
void lease_give(struct lease *l);

#endif
