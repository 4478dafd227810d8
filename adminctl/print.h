/* SPDX-License-Identifier: MIT
 *
 * Printers: the same result as JSON for programs or as tables for people.
 */
#ifndef ADMINCTL_PRINT_H
#define ADMINCTL_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "base/buf.h"

/* A member of a reply; "" or 0 when there is none of that type. */
const char *member_text(const json_t *o, const char *key);
json_int_t member_number(const json_t *o, const char *key);

/* Pretty, two spaces, in the order in which members were set. */
void print_json(const json_t *v);

enum print_kind {
	PRINT_TEXT,
	PRINT_COUNT,       /* a number, right-aligned */
	PRINT_BYTES,       /* 1536 -> "1.5 KiB" */
	PRINT_LIMIT,       /* as PRINT_BYTES, 0 is "unlimited" */
	PRINT_COUNT_LIMIT, /* likewise, as PRINT_COUNT */
	PRINT_RATE,        /* a number, perhaps with a fraction: 12345, 123, 12.3, 1.23 */
	PRINT_SECONDS,     /* a duration: 93784 -> "1d 2h 3m" */
	PRINT_MS,          /* a duration in milliseconds: 1234 -> "1.2s" */
	PRINT_SINCE,       /* an RFC 3339 time: "12s ago", "in 40s" */
};

/* One value as text, several of a list with commas; what is absent or null is "-". Control characters of
 * texts that came from elsewhere do not reach the terminal. */
void print_value(struct buf *out, const json_t *v, enum print_kind kind);

struct print_column {
	const char *title;
	const char *key; /* member of the row */
	enum print_kind kind;
};

/* A table of the objects in an array; nothing at all for an empty one. */
void print_table(const json_t *rows, const struct print_column *columns, size_t n);

#endif
