/* SPDX-License-Identifier: MIT
 *
 * See health.h.
 */
#include "ctl/health.h"

#include "backend/backend.h"
#include "backend/breaker.h"

void ctl_health_add(json_t *o, const struct backend *b)
{
	enum breaker_state state = b->breaker ? breaker_state(b->breaker) : BREAKER_CLOSED;
	const char *fault = backend_fault(b);

	json_object_set_new(o, "healthy", json_boolean(state == BREAKER_CLOSED && !fault));
	if (fault)
		json_object_set_new(o, "error", json_string(fault));
	json_object_set_new(o, "breaker", json_string(breaker_state_name(state)));
}
