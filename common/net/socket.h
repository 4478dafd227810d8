/* SPDX-License-Identifier: MIT
 *
 * Making sockets: listeners (before fork, no loop needed) and connections.
 */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"
#include "net/stream.h"

/* Listening TCP sockets on address "host:port", ":port" or "[v6]:port", n of
 * them with SO_REUSEPORT so that each child has a queue of its own. An empty
 * host listens on IPv6 and IPv4 alike. Port 0 takes a free one, the same for
 * all n. Close-on-exec, non-blocking. Errors name the address. */
enum err socket_listen_tcp(const char *address, int n, int *fds, struct error *e);

/* A listening Unix socket with that file mode. A socket file on which nobody
 * answers is removed first; one that is alive gives ERR_CONFLICT. */
enum err socket_listen_unix(const char *path, mode_t mode, int *fd, struct error *e);

/* A process that has the Unix socket open that listens at that path, or 0. Looks
 * through /proc: for an error message. */
pid_t socket_unix_holder(const char *path);

/* The peer of a Unix socket: its uid when it connected, and whether it was in a group then,
 * that of its process or a supplementary one. */
bool socket_peer_uid(int fd, uid_t *uid);
bool socket_peer_in_group(int fd, gid_t gid);

/* Connects, for tasks. The name is resolved on an offload thread; all addresses
 * are tried in order within the deadline. */
enum err socket_connect_tcp(const char *host, const char *port, int64_t deadline,
                            struct stream **out, struct error *e);
enum err socket_connect_unix(const char *path, int64_t deadline, struct stream **out,
                             struct error *e);

/* Waits for a connection on a listening, rt_fd-registered socket. */
struct rt_fd;
enum err socket_accept(struct rt_fd *listener, int64_t deadline, int *fd, struct error *e);

#endif
