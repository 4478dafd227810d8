/* SPDX-License-Identifier: MIT
 *
 * ${NAME} in a value is replaced by the environment variable NAME, or by the
 * text after :- in ${NAME:-text} when the variable is unset or empty.
 * $${NAME} stands for the literal ${NAME}. Every other $ is itself, so that
 * bcrypt hashes need no quoting.
 */
#ifndef CONFIG_EXPAND_H
#define CONFIG_EXPAND_H

#include <stdbool.h>
#include "base/buf.h"

struct expansion {
	struct buf value;
	struct buf unset; /* names of unset variables, separated by ", " */
	bool malformed;   /* a "${" that is no variable was left as it is */
	bool too_long;    /* value is cut: it would exceed the limit */
};

void expand(struct str text, size_t limit, struct expansion *out);
void expansion_free(struct expansion *x);

#endif
