/* SPDX-License-Identifier: MIT
 *
 * The connection string of the configured database.
 */
#include "db/db.h"

#include <errno.h>
#include "base/arena.h"
#include "base/buf.h"
#include "config/config.h"
#include "db/embedded.h"

/* keyword='value' with \ and ' escaped; left out when empty. */
static void add(struct buf *b, const char *keyword, const char *value)
{
	if (!value || !*value)
		return;
	buf_printf(b, "%s%s='", b->n ? " " : "", keyword);
	for (const char *p = value; *p; p++) {
		if (*p == '\'' || *p == '\\')
			buf_add_char(b, '\\');
		buf_add_char(b, *p);
	}
	buf_add_char(b, '\'');
}

char *db_conninfo(struct arena *a, const struct config *c)
{
	BUF_AUTO b = {0};
	const struct config_database *d = &c->database;
	if (d->driver == DRIVER_EMBEDDED) {
		add(&b, "host", arena_printf(a, "%s/" EMBEDDED_SOCKET_DIR, d->path));
		add(&b, "dbname", EMBEDDED_DATABASE);
		add(&b, "user", EMBEDDED_USER);
	} else {
		add(&b, "host", d->host);
		add(&b, "port", d->port ? arena_printf(a, "%d", d->port) : NULL);
		add(&b, "dbname", d->database);
		add(&b, "user", d->user);
		add(&b, "password", d->password);
		add(&b, "sslmode", d->ssl_mode);
	}
	add(&b, "application_name", program_invocation_short_name);
	return arena_strndup(a, b.p, b.n);
}
