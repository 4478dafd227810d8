/* SPDX-License-Identifier: MIT
 *
 * Reading a page of metrics (Prometheus text format 0.0.4), as far as ours go: sums over the
 * samples of a family, and quantiles of a histogram between two pages.
 */
#ifndef ADMINCTL_SAMPLES_H
#define ADMINCTL_SAMPLES_H

#include "base/str.h"

/* The sum of all samples with that name which have all these labels, "" being any:
 * samples_sum(page, "s3o_requests_total", "method=\"GET\"", ""). */
double samples_sum(struct str page, const char *name, const char *label, const char *other);

/* Seconds below which that share (0 to 1) of what was observed between two pages lies; in the
 * middle of a bucket that is guessed. Negative: nothing was. base: the name without
 * "_bucket". */
double samples_quantile(struct str before, struct str after, const char *base, const char *label,
                        double share);

#endif
