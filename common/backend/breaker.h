/* SPDX-License-Identifier: MIT
 *
 * Circuit breaker in shared memory: all children of a host see one state.
 * Lock-free; a child that is killed leaves nothing held (a probe without a
 * result is given up after BREAKER_PROBE_STALE).
 *
 * closed --threshold consecutive failures--> open --open_timeout + jitter-->
 * half-open (one probe) --success--> closed, --failure--> open.
 */
#ifndef BACKEND_BREAKER_H
#define BACKEND_BREAKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum breaker_state { BREAKER_CLOSED = 0, BREAKER_OPEN = 1, BREAKER_HALF_OPEN = 2 };

#define BREAKER_PROBE_STALE (INT64_C(120) * 1000000) /* microseconds */

struct breaker {
	_Alignas(64) _Atomic uint64_t word; /* state, failures and generation, changed as one */
	_Atomic int64_t since;  /* clock_mono of the last change (same on all processes) */
	_Atomic int64_t opened; /* first opening of this outage; kept by failed probes */
	_Atomic int64_t jitter;
	int threshold; /* 0: disabled, always closed */
	int64_t open_timeout;
};

/* Zeroed shared memory is a disabled breaker; this sets the limits. */
void breaker_init(struct breaker *b, int threshold, int64_t open_timeout_us);

/* May a call go out now? *ticket must be given to breaker_report, so that a
 * late answer of an earlier state is not taken for the probe's. */
bool breaker_allow(struct breaker *b, uint64_t *ticket);
/* True for the ticket of a probe: the call that made the breaker half-open. */
bool breaker_is_probe(uint64_t ticket);
/* counted = false for outcomes that say nothing about the backend's health
 * (cancelled by the client): gives a probe back. Returns true when this call
 * changed the state (for log and metric). */
bool breaker_report(struct breaker *b, uint64_t ticket, bool ok, bool counted);

/* For placement: closed, or a probe could go out. Changes nothing. */
bool breaker_is_eligible(const struct breaker *b);
enum breaker_state breaker_state(const struct breaker *b);
int breaker_failures(const struct breaker *b);        /* consecutive ones, up to the opening */
int64_t breaker_open_for(const struct breaker *b);    /* microseconds; 0 when closed */
const char *breaker_state_name(enum breaker_state s); /* closed open half-open */

#endif
