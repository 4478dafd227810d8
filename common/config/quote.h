/* SPDX-License-Identifier: MIT
 *
 * A text as a value of the configuration: written so that parsing YAML and expanding
 * variables gives it back, byte for byte.
 */
#ifndef CONFIG_QUOTE_H
#define CONFIG_QUOTE_H

#include <stdbool.h>
#include "base/buf.h"

/* Adds it in double quotes. False, and nothing is added, when it cannot be written: it is
 * not UTF-8, or has a NUL. */
bool config_quote(struct buf *out, struct str text);
/* The same for the name of a label: names are not expanded. */
bool config_quote_name(struct buf *out, struct str text);

#endif
