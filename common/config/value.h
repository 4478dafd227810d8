/* SPDX-License-Identifier: MIT
 *
 * The text forms of values: numbers, sizes, durations, addresses, URLs. Each
 * function returns NULL, or what is wrong as constant text that never
 * contains the value.
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/str.h"

/* true false yes no on off y n; lower, Title or UPPER case. */
const char *value_bool(struct str s, bool *out);

/* Decimal with sign and '_', 0x 0o 0b, or a float literal that is integral. */
const char *value_int(struct str s, int64_t *out);

/* A finite YAML float. */
const char *value_float(struct str s, double *out);

/* Bytes: an int, or a decimal number with B, K KB KiB, M ..., G ..., T ...,
 * any case; all powers of 1024. At most INT64_MAX. */
const char *value_size(struct str s, uint64_t *out);

/* Microseconds: optional sign, then number and unit (ns us µs ms s m h), once
 * or more: 1h30m, 1.5h, 500ms. Less than a microsecond is rounded up. Only 0
 * may stand without a unit. */
const char *value_duration(struct str s, int64_t *out);

/* host:port, :port or [v6]:port with a port of 1-65535. */
const char *value_address(struct str s);

/* Cuts a valid address. *host may be empty; brackets are kept. */
void value_address_split(struct str s, struct str *host, struct str *port);

/* http:// or https:// and a host, without user name. */
const char *value_url(struct str s);

#endif
