/* SPDX-License-Identifier: MIT
 *
 * Any text as a configuration: load it, and if it is valid compare it with
 * itself and list what is inactive. A valid configuration needs no restart
 * against itself, an invalid one says why.
 */
#include <stdlib.h>
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct config_findings f = {0};
	struct config *c = NULL;
	BUF_AUTO lines = {0};

	if (config_load_text("fuzz.yaml", (const char *)data, n, &c, &f)) {
		if (c || !f.errors.n)
			abort();
	} else {
		if (f.errors.n)
			abort();
		config_restart_needed(c, c, &lines);
		if (lines.n)
			abort();
		config_inactive_features(c, &lines);
		config_free(&c);
	}
	config_findings_free(&f);
	return 0;
}
