/* SPDX-License-Identifier: MIT
 *
 * The monthly usage of backends: the sums of all hosts. Errors as in store.h.
 */
#ifndef STORE_USAGE_H
#define STORE_USAGE_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct db_blocking;
struct store;

struct store_amounts {
	uint64_t api, egress, ingress; /* requests; bytes */
};

struct store_usage {
	const char *backend;
	struct store_amounts add;
	struct store_amounts total; /* out: of the period, of all hosts */
};

/* Adds to the numbers of a period ("2026-04"), in one statement, and tells the sums, also
 * of backends with nothing to add. What is added to a drained backend is dropped. On
 * ERR_DB_UNCERTAIN it may have been added. Not ended by cancellation. */
enum err store_usage_add(struct store *s, const char *period, struct store_usage *list, size_t n,
                         struct error *e);
/* The same without a loop. */
enum err store_usage_add_blocking(struct db_blocking *db, const char *period,
                                  struct store_usage *list, size_t n, struct error *e);
/* Only tells; `add` does not count. */
enum err store_usage_read(struct store *s, const char *period, struct store_usage *list, size_t n,
                          struct error *e);

#endif
