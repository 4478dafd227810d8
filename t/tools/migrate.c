/* SPDX-License-Identifier: MIT
 *
 * migrate CONNINFO: brings a database to the schema of this build. Tests copy the result
 * instead of migrating every database of theirs.
 */
#include <stdio.h>

#include "db/migrate.h"

int main(int argc, char **argv)
{
	struct migrate_result m;
	struct error e;

	if (argc != 2) {
		fprintf(stderr, "usage: migrate CONNINFO\n");
		return 2;
	}
	if (migrate_run(argv[1], &m, &e) == ERR_OK)
		return 0;
	fprintf(stderr, "migrate: %s\n", e.text);
	return 1;
}
