/* SPDX-License-Identifier: MIT
 *
 * Output for programs.
 */
#include <stdio.h>

#include "adminctl/print.h"

void print_json(const json_t *v)
{
	json_dumpf(v, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
}
