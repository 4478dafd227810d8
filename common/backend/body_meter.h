/* SPDX-License-Identifier: MIT
 *
 * A body around another one that notices what is done with it, and lets its
 * bytes pass by the cheapest way that the other one has.
 */
#ifndef BACKEND_BODY_METER_H
#define BACKEND_BODY_METER_H

#include <stdbool.h>
#include <stdint.h>
#include "net/body.h"

struct body_meter {
	struct body body;
	struct body *inner;
	bool touched; /* bytes were asked for */
	/* of those from body_meter_new(): what s3o_backend_duration_seconds is told */
	int64_t start;
	int operation, backend;
};

/* On the caller's stack; is not closed and does not close inner. */
struct body *body_meter_init(struct body_meter *m, struct body *inner);

/* Owns inner. Closing it observes the duration since start (clock_mono). */
struct body *body_meter_new(struct body *inner, int64_t start, int operation, int backend);

#endif
