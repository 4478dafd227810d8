/* SPDX-License-Identifier: MIT
 *
 * One libpq connection in the loop. Connecting may block (name look-up), so it
 * runs on a thread; then the connection belongs to the loop, under a descriptor of
 * our own: libpq closes its own one whenever it finds the server gone, also while it
 * sends, and the number would be somebody else's while it is still registered.
 *
 * The complication: events are edge-triggered, but libpq reads as much as it
 * likes. So after each read the socket is asked whether there is more, and TLS too:
 * of a record that libpq had no room for it keeps the rest, decrypted, which the
 * socket knows nothing of.
 */
#include "db/db_private.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "rt/fd.h"

struct opening {
	const char *conninfo, *settings;
	PGconn *conn;
};

/* On a thread. What stands after the connection string wins over it, what stands
 * before gives way. */
static void open_blocking(void *arg)
{
	struct opening *o = arg;
	const char *const names[] = {
		"connect_timeout", /* seconds; 2 is the least that libpq takes */
		"keepalives_idle",
		"keepalives_interval",
		"keepalives_count",
		"tcp_user_timeout", /* ms: a dead peer is noticed within 20 s */
		"gssencmode",       /* probing for Kerberos costs a round trip */
		"dbname",
		"client_encoding",
		o->settings ? "options" : NULL,
		NULL};
	const char *const values[] = {"3",       "10",        "5",    "2",         "20000",
	                              "disable", o->conninfo, "UTF8", o->settings, NULL};
	o->conn = PQconnectdbParams(names, values, 1);
}

static void on_notice(void *arg, const PGresult *r)
{
	(void)arg;
	log_debug("store", "database notice",
	          LOG_STR("error", PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY)));
}

enum err pg_conn_error(PGconn *conn, const char *what, struct error *e)
{
	struct str text = str_of(conn ? PQerrorMessage(conn) : "out of memory");
	ssize_t end = str_chr(text, '\n');
	if (end >= 0)
		text.n = (size_t)end;
	return err_set(e, ERR_UNAVAILABLE, "%s: %.*s", what, STR_FMT(text));
}

enum err pg_open(struct pg *p, const char *conninfo, const char *settings, struct error *e)
{
	struct opening o = {.conninfo = conninfo, .settings = settings};
	*p = (struct pg){0};
	if (task_offload(open_blocking, &o) < 0)
		return err_set(e, ERR_UNAVAILABLE, "database: no thread to connect with");
	if (PQstatus(o.conn) != CONNECTION_OK || PQsetnonblocking(o.conn, 1) != 0) {
		pg_conn_error(o.conn, "database", e);
		PQfinish(o.conn);
		return ERR_UNAVAILABLE;
	}
	int fd = fcntl(PQsocket(o.conn), F_DUPFD_CLOEXEC, 0);
	if (fd < 0) {
		PQfinish(o.conn);
		return err_set(e, ERR_UNAVAILABLE, "database: %s", strerror(errno));
	}
	PQsetNoticeReceiver(o.conn, on_notice, NULL);
	p->conn = o.conn;
	p->fd = rt_fd_new(fd);
	return ERR_OK;
}

void pg_close(struct pg *p)
{
	rt_fd_close(&p->fd);
	if (p->conn)
		PQfinish(p->conn);
	*p = (struct pg){0};
}

static bool has_more(const struct pg *p)
{
	struct pollfd arrived = {.fd = rt_fd_get(p->fd), .events = POLLIN};
	const SSL *ssl = PQsslStruct(p->conn, "OpenSSL");
	return (ssl && SSL_pending(ssl) > 0) || poll(&arrived, 1, 0) > 0;
}

bool pg_receive(struct pg *p, void (*handle)(void *arg), void *arg)
{
	do {
		bool alive = PQconsumeInput(p->conn);
		handle(arg); /* also what came with the end of the connection */
		if (!alive)
			return false;
	} while (has_more(p));
	return true;
}

/* --- one statement ---------------------------------------------------------- */

static void nothing(void *arg)
{
	(void)arg;
}

static enum err wait_error(int r, struct error *e)
{
	return r == -ECANCELED ? err_set(e, ERR_CANCELED, "cancelled")
	                       : err_set(e, ERR_UNAVAILABLE, "database: no answer in time");
}

static enum err flush(struct pg *p, int64_t deadline, struct error *e)
{
	int r;
	while ((r = PQflush(p->conn)) > 0)
		if ((r = rt_fd_wait_write(p->fd, deadline)) < 0)
			return wait_error(r, e);
	return r == 0 ? ERR_OK : pg_conn_error(p->conn, "database", e);
}

/* The last result: a statement that is not a list has one. */
static enum err receive(struct pg *p, int64_t deadline, PGresult **out, struct error *e)
{
	for (;;) {
		while (!PQisBusy(p->conn)) {
			PGresult *next = PQgetResult(p->conn);
			if (!next)
				return ERR_OK;
			PQclear(*out);
			*out = next;
		}
		int r = rt_fd_wait_read(p->fd, deadline);
		if (r < 0)
			return wait_error(r, e);
		if (!pg_receive(p, nothing, NULL))
			return pg_conn_error(p->conn, "database", e);
	}
}

enum err pg_query(struct pg *p, const char *sql, int n_params, const char *const *params,
                  int64_t deadline, PGresult **out, struct error *e)
{
	PGresult *res = NULL;
	if (!PQsendQueryParams(p->conn, sql, n_params, NULL, params, NULL, NULL, 0))
		return pg_conn_error(p->conn, "database", e);
	enum err r = flush(p, deadline, e);
	if (r == ERR_OK)
		r = receive(p, deadline, &res, e);
	if (r == ERR_OK && PQresultStatus(res) != PGRES_TUPLES_OK &&
	    PQresultStatus(res) != PGRES_COMMAND_OK)
		r = pg_result_error(res, pg_failure(res).code, "database", e);
	if (r == ERR_OK && out)
		*out = res;
	else
		PQclear(res);
	return r;
}
