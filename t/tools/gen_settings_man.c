/* SPDX-License-Identifier: MIT
 *
 * Makes the manual page of the configuration: copies a page from standard
 * input and puts the settings where a line says @SETTINGS@.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/settings.h"

int main(void)
{
	char *line = NULL;
	size_t cap = 0;
	int placed = 0;

	while (getline(&line, &cap, stdin) >= 0) {
		if (strcmp(line, "@SETTINGS@\n")) {
			fputs(line, stdout);
			continue;
		}
		config_write_man(stdout);
		placed++;
	}
	free(line);
	if (placed != 1)
		fputs("gen_settings_man: expected one line @SETTINGS@\n", stderr);
	return placed == 1 && !ferror(stdout) && !fflush(stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
}
