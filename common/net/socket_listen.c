/* SPDX-License-Identifier: MIT
 *
 * Listening sockets, made by the supervisor before there is a loop: the calls
 * here may block. SO_REUSEPORT would let a second daemon of the same user take
 * half of the connections without a word, so the port is first tried without it.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "net/socket.h"

#define BACKLOG 4096 /* the kernel cuts it to net.core.somaxconn, 4096 by default */

#define LISTENS 0x10000 /* a listener, in /proc/net/unix (linux/net.h) */

struct place {
	struct sockaddr_storage ss;
	socklen_t len;
};

static enum err fail(struct error *e, const char *address, int error)
{
	return err_set(e, error == EADDRINUSE ? ERR_CONFLICT : ERR_IO, "listen on %s: %s", address,
	               strerrordesc_np(error));
}

static int set_on(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof value);
}

/* A bound socket, or -1 with errno. */
static int bind_tcp(const struct place *at, bool share)
{
	int fd = socket(at->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int saved;

	if (fd < 0)
		return -1;
	if (set_on(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0 &&
	    (!share || set_on(fd, SOL_SOCKET, SO_REUSEPORT, 1) == 0) &&
	    (at->ss.ss_family != AF_INET6 || set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0) == 0) &&
	    bind(fd, (const struct sockaddr *)&at->ss, at->len) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static in_port_t *port_of(struct place *at)
{
	return at->ss.ss_family == AF_INET6 ? &((struct sockaddr_in6 *)&at->ss)->sin6_port
	                                    : &((struct sockaddr_in *)&at->ss)->sin_port;
}

/* Fails when somebody else listens there already. */
static int probe(struct place *at)
{
	int fd;

	if (*port_of(at) == 0)
		return 0;
	fd = bind_tcp(at, false);
	if (fd < 0)
		return -1;
	/* bind() alone lets two pass that both said SO_REUSEADDR. */
	if (listen(fd, 1) < 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return close(fd);
}

static int listen_at(struct place *at, int *fd)
{
	*fd = bind_tcp(at, true);
	if (*fd < 0)
		return -1;
	if (listen(*fd, BACKLOG) < 0)
		return -1;
	/* Of port 0 the kernel has made a real one: the others take the same. */
	return getsockname(*fd, (struct sockaddr *)&at->ss, &at->len);
}

static int listen_all(struct place *at, int n, int *fds)
{
	int saved;

	for (int i = 0; i < n; i++)
		fds[i] = -1;
	if (probe(at) < 0)
		return -1;
	for (int i = 0; i < n; i++)
		if (listen_at(at, &fds[i]) < 0)
			goto fail;
	return 0;
fail:
	saved = errno;
	for (int i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	errno = saved;
	return -1;
}

/* Without a host: both families through one IPv6 socket, or IPv4 alone where
 * the kernel has no IPv6. */
static int listen_everywhere(in_port_t port, int n, int *fds)
{
	struct sockaddr_in6 any6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_any};
	struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct place at = {.len = sizeof any6};

	memcpy(&at.ss, &any6, sizeof any6);
	if (listen_all(&at, n, fds) == 0)
		return 0;
	if (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)
		return -1;
	at = (struct place){.len = sizeof any4};
	memcpy(&at.ss, &any4, sizeof any4);
	return listen_all(&at, n, fds);
}

/* Splits "host:port"; host gets no brackets. */
static bool split_address(const char *address, char *host, size_t cap, in_port_t *port)
{
	const char *colon = strrchr(address, ':');
	struct str name = str_n(address, colon ? (size_t)(colon - address) : 0);
	uint64_t v;

	if (!colon || !str_to_u64(str_of(colon + 1), &v) || v > 65535)
		return false;
	if (name.n >= 2 && name.p[0] == '[' && name.p[name.n - 1] == ']')
		name = str_n(name.p + 1, name.n - 2);
	else if (str_chr(name, ':') >= 0)
		return false;
	if (name.n >= cap)
		return false;
	if (name.n > 0)
		memcpy(host, name.p, name.n);
	host[name.n] = '\0';
	*port = (in_port_t)v;
	return true;
}

enum err socket_listen_tcp(const char *address, int n, int *fds, struct error *e)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
	struct place at = {0};
	char host[256];
	in_port_t port;
	int r;

	if (!split_address(address, host, sizeof host, &port))
		return err_set(e, ERR_INVALID, "%s: expected host:port", address);
	if (host[0] == '\0')
		return listen_everywhere(port, n, fds) < 0 ? fail(e, address, errno) : ERR_OK;
	r = getaddrinfo(host, NULL, &hints, &found);
	if (r != 0)
		return err_set(e, ERR_INVALID, "listen on %s: %s", address, gai_strerror(r));
	memcpy(&at.ss, found->ai_addr, found->ai_addrlen);
	at.len = found->ai_addrlen;
	freeaddrinfo(found);
	*port_of(&at) = htons(port);
	return listen_all(&at, n, fds) < 0 ? fail(e, address, errno) : ERR_OK;
}

/* Does anybody answer there? Only a refused connection proves that nobody does. */
static bool is_dead_socket(const struct sockaddr_un *sun)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool refused;

	if (fd < 0)
		return false;
	refused =
		connect(fd, (const struct sockaddr *)sun, sizeof *sun) < 0 && errno == ECONNREFUSED;
	close(fd);
	return refused;
}

static enum err clear_path(const struct sockaddr_un *sun, struct error *e)
{
	struct stat st;

	if (lstat(sun->sun_path, &st) < 0)
		return errno == ENOENT ? ERR_OK : fail(e, sun->sun_path, errno);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_CONFLICT, "%s exists and is not a socket", sun->sun_path);
	if (!is_dead_socket(sun))
		return err_set(e, ERR_CONFLICT, "%s: somebody answers there", sun->sun_path);
	return unlink(sun->sun_path) < 0 ? fail(e, sun->sun_path, errno) : ERR_OK;
}

/* The socket's inode, 0: nobody listens there. Columns: proc(5), /proc/net/unix. */
static unsigned long find_listener(const char *path)
{
	FILE *f = fopen("/proc/net/unix", "re");
	char line[256], name[sizeof((struct sockaddr_un *)0)->sun_path + 1];
	unsigned long inode, found = 0;
	unsigned flags;

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%*s %*s %*s %x %*s %*s %lu %108[^\n]", &flags, &inode, name) ==
		            3 &&
		    (flags & LISTENS) && strcmp(name, path) == 0)
			found = inode;
	if (f)
		fclose(f);
	return found;
}

pid_t socket_unix_holder(const char *path)
{
	unsigned long inode = find_listener(path);
	char want[32], link[32];
	glob_t g = {0};
	pid_t pid = 0;

	snprintf(want, sizeof want, "socket:[%lu]", inode);
	if (inode)
		glob("/proc/[0-9]*/fd/[0-9]*", GLOB_NOSORT, NULL, &g);
	for (size_t i = 0; i < g.gl_pathc && !pid; i++) {
		ssize_t n = readlink(g.gl_pathv[i], link, sizeof link);

		if (n > 0 && str_eq(str_n(link, (size_t)n), str_of(want)))
			pid = (pid_t)strtol(g.gl_pathv[i] + strlen("/proc/"), NULL, 10);
	}
	globfree(&g);
	return pid;
}

enum err socket_listen_unix(const char *path, mode_t mode, int *fd, struct error *e)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	size_t n = strlen(path);
	enum err rc;
	int saved;

	if (n >= sizeof sun.sun_path)
		return err_set(e, ERR_INVALID, "%s: path too long for a socket", path);
	memcpy(sun.sun_path, path, n);
	if ((rc = clear_path(&sun, e)))
		return rc;
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return fail(e, path, errno);
	/* Nobody can connect before listen(), so the mode is in time. */
	if (bind(*fd, (struct sockaddr *)&sun, sizeof sun) == 0 && chmod(path, mode) == 0 &&
	    listen(*fd, BACKLOG) == 0)
		return ERR_OK;
	saved = errno;
	close(*fd);
	return fail(e, path, saved);
}

static bool peer_credentials(int fd, struct ucred *c)
{
	socklen_t n = sizeof *c;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, c, &n) == 0;
}

bool socket_peer_uid(int fd, uid_t *uid)
{
	struct ucred c;

	if (!peer_credentials(fd, &c))
		return false;
	*uid = c.uid;
	return true;
}

/* The supplementary groups of the peer, to be freed; NULL: none. */
static gid_t *peer_groups(int fd, size_t *n)
{
	socklen_t bytes = 0;
	gid_t *list = NULL;

	/* Says how much room it wants. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &bytes) < 0 && errno == ERANGE)
		list = mem_alloc(bytes);
	if (list && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, list, &bytes) < 0)
		bytes = 0;
	*n = list ? bytes / sizeof *list : 0;
	return list;
}

bool socket_peer_in_group(int fd, gid_t gid)
{
	struct ucred c;
	size_t n;
	gid_t *groups = peer_groups(fd, &n);
	bool found = peer_credentials(fd, &c) && c.gid == gid;

	for (size_t i = 0; i < n; i++)
		found |= groups[i] == gid;
	free(groups);
	return found;
}
