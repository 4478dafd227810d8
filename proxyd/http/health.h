/* SPDX-License-Identifier: MIT
 *
 * What monitoring asks: health, readiness, metrics. No authentication.
 */
#ifndef PROXYD_HTTP_HEALTH_H
#define PROXYD_HTTP_HEALTH_H

struct http_call;

void health_handle(struct http_call *c); /* /health and /health/ready */
void metrics_handle(struct http_call *c);

#endif
