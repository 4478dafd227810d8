/* SPDX-License-Identifier: MIT
 *
 * Name look-ups. getaddrinfo() cannot be interrupted, so a task of its own waits
 * for the thread; whoever asked may leave at its deadline. The look-up is
 * counted: the last one to let go frees it.
 */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "net/resolve.h"
#include "net/stream.h"
#include "rt/sync.h"
#include "rt/task.h"

struct resolve {
	struct resolve *next; /* in running[] while the thread is at it */
	unsigned refs;
	bool done;
	int gai;       /* result of getaddrinfo() */
	int gai_errno; /* with EAI_SYSTEM */
	struct addrinfo *list;
	struct notify changed;
	char *host, *port;
};

static struct resolve *running;

void resolve_release(struct resolve **rp)
{
	struct resolve *r = *rp;

	*rp = NULL;
	if (!r || --r->refs > 0)
		return;
	if (r->list)
		freeaddrinfo(r->list);
	free(r->host);
	free(r->port);
	free(r);
}

static void ask(struct resolve *r, int flags)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};

	r->gai = getaddrinfo(r->host, r->port, &hints, &r->list);
	r->gai_errno = errno;
}

static void ask_for_name(void *arg)
{
	ask(arg, AI_NUMERICSERV);
}

static void forget(struct resolve *r)
{
	struct resolve **p = &running;

	while (*p != r)
		p = &(*p)->next;
	*p = r->next;
}

static void resolve_task(void *arg)
{
	struct resolve *r = arg;

	if (task_offload(ask_for_name, r) < 0)
		r->gai = EAI_AGAIN;
	r->done = true;
	forget(r);
	notify_all(&r->changed);
	resolve_release(&r);
}

static struct resolve *resolve_new(const char *host, const char *port)
{
	struct resolve *r = MEM_NEW(struct resolve);

	r->refs = 1;
	r->host = strdup(host);
	r->port = strdup(port);
	if (!r->host || !r->port)
		abort();
	return r;
}

static struct resolve *find_running(const char *host, const char *port)
{
	struct resolve *r = running;

	while (r && (strcmp(r->host, host) != 0 || strcmp(r->port, port) != 0))
		r = r->next;
	if (r)
		r->refs++;
	return r;
}

/* Starts the thread's task, which holds a reference of its own. */
static bool start(struct resolve *r)
{
	if (!task_spawn("resolve", resolve_task, r))
		return false;
	r->refs++;
	r->next = running;
	running = r;
	return true;
}

static enum err wait_done(struct resolve *r, int64_t deadline, struct error *e)
{
	while (!r->done) {
		int waited = notify_wait(&r->changed, deadline);

		if (waited < 0)
			return stream_error(e, waited, r->host);
	}
	return ERR_OK;
}

static enum err look_up(const char *host, const char *port, int64_t deadline, struct resolve **out,
                        struct error *e)
{
	struct resolve *r = *out = find_running(host, port);

	if (r)
		return wait_done(r, deadline, e);
	r = *out = resolve_new(host, port);
	ask(r, AI_NUMERICHOST | AI_NUMERICSERV);
	if (r->gai != EAI_NONAME)
		return ERR_OK;
	if (!start(r))
		return err_set(e, ERR_IO, "%s: no task for the name look-up", host);
	return wait_done(r, deadline, e);
}

enum err resolve(const char *host, const char *port, int64_t deadline, struct resolve **r,
                 const struct addrinfo **first, struct error *e)
{
	enum err rc = look_up(host, port, deadline, r, e);

	if (rc == ERR_OK && (*r)->gai != 0)
		rc = err_set(e, ERR_IO, "%s: %s", host,
		             (*r)->gai == EAI_SYSTEM ? strerrordesc_np((*r)->gai_errno)
		                                     : gai_strerror((*r)->gai));
	if (rc)
		resolve_release(r);
	else
		*first = (*r)->list;
	return rc;
}
