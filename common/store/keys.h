/* SPDX-License-Identifier: MIT
 *
 * Access keys that are refused although the configuration has them. Errors as in store.h.
 */
#ifndef STORE_KEYS_H
#define STORE_KEYS_H

#include "store/store.h"

/* Is notified when something has changed. */
#define STORE_KEYS_CHANNEL "s3o_keys"

struct store_disabled_key {
	struct str id;
	int64_t disabled; /* when, microseconds since 1970 */
};

/* All of them, in order of id. */
enum err store_disabled_keys(struct store *s, struct arena *a, struct store_disabled_key **out,
                             size_t *n, struct error *e);

/* Disabling one that is disabled already is no error. */
enum err store_key_disable(struct store *s, struct str id, struct error *e);
/* ERR_NOT_FOUND: it was not disabled. */
enum err store_key_enable(struct store *s, struct str id, struct error *e);

#endif
