/* SPDX-License-Identifier: MIT
 *
 * A body around another one that notices and counts what is done with it, and lets its
 * bytes pass by the cheapest way that the other one has.
 */
#ifndef BACKEND_BODY_METER_H
#define BACKEND_BODY_METER_H

#include <stdbool.h>
#include <stdint.h>
#include "net/body.h"

struct backend;
struct usage;

struct body_meter {
	struct body body;
	struct body *inner;
	bool touched;                               /* bytes were asked for */
	void (*count)(struct usage *u, uint64_t n); /* told of all that passes */
	struct usage *usage;
	/* of those from body_meter_new(): what s3o_backend_duration_seconds is told */
	int64_t start;
	int operation, backend;
};

/* On the caller's stack; is not closed and does not close inner. */
struct body *body_meter_init(struct body_meter *m, struct body *inner,
                             void (*count)(struct usage *u, uint64_t n), struct usage *usage);

/* Owns inner, which was read from that backend. Closing it observes the duration since
 * start (clock_mono). */
struct body *body_meter_new(struct body *inner, const struct backend *b, int64_t start,
                            int operation);

#endif
