/* SPDX-License-Identifier: MIT
 *
 * A private PostgreSQL cluster for `database.driver: embedded`, run from the
 * distribution's server package. It listens on a Unix socket only.
 *
 *     <database.path>/        0700, owned by the user that PostgreSQL runs as
 *         data/               PGDATA, made by initdb
 *         run/                the socket: whoever can enter database.path is trusted
 *         log/                one file per day of the week
 *
 * PostgreSQL refuses to run as root: then the user is s3-orchestrator, else
 * postgres, else nobody. Blocking: not for tasks.
 */
#ifndef DB_EMBEDDED_H
#define DB_EMBEDDED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>
#include "base/err.h"

struct config;

#define EMBEDDED_DATABASE "s3orchestrator"
#define EMBEDDED_USER     "s3orch"

/* Below database.path; a socket's whole path is limited to 107 bytes. */
#define EMBEDDED_SOCKET_DIR "run"

/* Makes the cluster if there is none, starts it, waits until it answers and
 * makes the database. A server that is running on this folder already (its
 * supervisor was killed) is taken over. *postmaster may or may not be a child of
 * the caller; it is set as soon as there is a process, and 0 again when that has
 * been stopped because of an error. Once *stop is set the wait ends with
 * ERR_CANCELED, and the server is the caller's to stop. */
enum err embedded_start(const struct config *c, const _Atomic bool *stop, _Atomic pid_t *postmaster,
                        struct error *e);

/* Fast shutdown (open transactions are rolled back); after 30 s an immediate
 * one, which the next start recovers from. Returns when it has ended, or after
 * another 10 s. */
void embedded_stop(pid_t postmaster);

#endif
