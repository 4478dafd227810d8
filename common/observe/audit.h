/* SPDX-License-Identifier: MIT
 *
 * Audit events: a log line that no log level silences, and a count in
 * s3o_audit_events_total{event}.
 */
#ifndef OBSERVE_AUDIT_H
#define OBSERVE_AUDIT_H

#include "base/log.h"

/* event is one of METRIC_EVENTS, e.g. "s3.PutObject". */
void audit(const char *component, const char *event, const struct log_field *fields);

#endif
