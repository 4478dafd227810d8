/* SPDX-License-Identifier: MIT
 *
 * What a backend has been used for in a month, in shared memory: requests, bytes read
 * from it (egress) and bytes sent to it (ingress), because that is what providers bill
 * and give away by the month. Lock-free; a child that is killed takes nothing along.
 *
 * A number is the sum of two: what the database said last (of all hosts, usage_flush.h),
 * and what this host has counted since. Counted numbers stay here until the database has
 * confirmed them, so that a limit holds while they are on their way; if the confirmation
 * is lost they may be added twice, never not at all.
 *
 * Months are counted from January 1970, of the UTC clock. What the database said of
 * another month is nothing: so a month begins with 0 although nobody writes it.
 */
#ifndef BACKEND_USAGE_H
#define BACKEND_USAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config_backend;

struct usage_amounts {
	uint64_t api, egress, ingress; /* requests; bytes */
};

/* Zeroed memory: nothing used, nothing known. */
struct usage {
	_Alignas(64) _Atomic uint64_t api, egress, ingress; /* not in the database yet */
	_Alignas(64) _Atomic uint64_t stored_api, stored_egress, stored_ingress;
	_Atomic int month; /* of the stored ones */
};

/* One request that left for the backend. u may be NULL here and below: not counted. */
void usage_add_call(struct usage *u);
void usage_add_egress(struct usage *u, uint64_t n);
void usage_add_ingress(struct usage *u, uint64_t n);

/* Whether the limits of the backend leave room for that, now. Reaching a limit exactly
 * is allowed. Requests at the same time are all measured against the same rest, so a
 * limit may be overrun by what is in progress. */
bool usage_allows(const struct usage *u, const struct config_backend *c,
                  struct usage_amounts asked);
/* Whether some limit is used up to that share (0 to 1). */
bool usage_is_near_limit(const struct usage *u, const struct config_backend *c, double share);

struct usage_amounts usage_unflushed(const struct usage *u);
bool usage_is_flushed(const struct usage *u); /* nothing is to be written */
/* What the database said last, in this month. */
struct usage_amounts usage_stored(const struct usage *u);
/* The database has added these amounts, and its numbers of that month are now `total`. */
void usage_set_stored(struct usage *u, struct usage_amounts added, int month,
                      struct usage_amounts total);
/* Everything goes to another place, which counts the same backend. */
void usage_move(struct usage *from, struct usage *to);

int usage_month(int64_t wall);
#define USAGE_PERIOD_SIZE 24 /* "2026-04", and room for years that will not come */
void usage_period(int month, char out[USAGE_PERIOD_SIZE]);

/* Sets the gauges s3o_usage_* of n backends. */
void usage_export(const struct usage *all, size_t n);

#endif
