/* SPDX-License-Identifier: MIT
 *
 * The access keys that are refused, as this child knows them: every request asks, so they are
 * kept in memory, and read anew when the database tells that they have changed; every few
 * seconds in any case. While the database is away they stay as they were.
 */
#ifndef PROXYD_KEYS_H
#define PROXYD_KEYS_H

#include <stdbool.h>
#include "base/str.h"

struct db;
struct keys;
struct store;

/* Reads them for the first time, unless the database is away, and starts to follow them.
 * db: that of the store, which tells of changes. */
struct keys *keys_new(struct store *s, struct db *db);
/* Parks until its task has left. */
void keys_free(struct keys **k);

/* False until they have been read: then nobody can tell who is to be refused. */
bool keys_are_known(const struct keys *k);
bool keys_is_disabled(const struct keys *k, struct str id);

#endif
