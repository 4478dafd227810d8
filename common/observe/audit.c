/* SPDX-License-Identifier: MIT
 *
 * Audit events: the line and the count.
 */
#include "observe/audit.h"

#include "observe/metrics.h"

void audit(const char *component, const char *event, const struct log_field *fields)
{
	metrics_inc(METRIC_AUDIT_EVENTS, metrics_event(str_of(event)), METRIC_NONE, METRIC_NONE);
	log_audit(component, event, fields);
}
