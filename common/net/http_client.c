/* SPDX-License-Identifier: MIT
 *
 * The connection pool of one origin. Idle connections are a stack: the one used
 * last is used next, so that surplus ones grow old at the bottom, where the
 * sweeper finds them. It is a task that exists only while there are idle
 * connections.
 *
 * The semaphore counts the connections in use. A new one is made only when none
 * is idle, hence used and idle ones together never exceed the limit either.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http_client_private.h"
#include "net/socket.h"
#include "rt/sync.h"
#include "rt/task.h"

#define MAX_CONNECTIONS 200
#define MAX_IDLE        100
#define IDLE_US         (90 * CLOCK_SEC)
#define CONNECT_US      (10 * CLOCK_SEC)

struct http_client {
	struct arena *arena;
	struct uri_endpoint endpoint;
	SSL_CTX *tls; /* NULL for http */
	bool verify;
	int max_idle;
	int64_t idle_us, connect_us;
	struct semaphore places;
	struct client_conn *idle; /* the one used last first */
	int n_idle;
	struct sweeper *sweeper;
};

/* Outlives the client for a moment: until its task has seen the cancellation. */
struct sweeper {
	struct http_client *client; /* NULL once that is gone */
	struct task *task;
};

static void close_conn(struct client_conn **cc)
{
	http_conn_close(&(*cc)->conn);
	free(*cc);
	*cc = NULL;
}

static struct client_conn *pop_idle(struct http_client *c)
{
	struct client_conn *cc = c->idle;

	if (cc) {
		c->idle = cc->older;
		c->n_idle--;
	}
	return cc;
}

/* Closes what was used before `before`: the tail of the list. */
static void close_idle(struct http_client *c, int64_t before)
{
	struct client_conn **p = &c->idle;

	while (*p && (*p)->idle_since >= before)
		p = &(*p)->older;
	while (*p) {
		struct client_conn *cc = *p;

		*p = cc->older;
		c->n_idle--;
		close_conn(&cc);
	}
}

static int64_t oldest_idle(const struct http_client *c)
{
	const struct client_conn *cc = c->idle;

	while (cc->older)
		cc = cc->older;
	return cc->idle_since;
}

static void sweep(void *arg)
{
	struct sweeper *s = arg;

	while (s->client && s->client->idle) {
		int64_t until = oldest_idle(s->client) + s->client->idle_us;

		if (task_sleep(until - clock_mono()) < 0)
			break;
		if (s->client)
			close_idle(s->client, clock_mono() - s->client->idle_us);
	}
	if (s->client)
		s->client->sweeper = NULL;
	free(s);
}

/* Without a task to be had it is tried again at the next chance. */
static void start_sweeper(struct http_client *c)
{
	struct sweeper *s;

	if (c->sweeper)
		return;
	s = MEM_NEW(struct sweeper);
	s->client = c;
	s->task = task_spawn("http idle", sweep, s);
	if (s->task)
		c->sweeper = s;
	else
		free(s);
}

static struct client_conn *take_idle(struct http_client *c)
{
	struct client_conn *cc;

	close_idle(c, clock_mono() - c->idle_us);
	while ((cc = pop_idle(c))) {
		if (!stream_is_stale(http_conn_stream(cc->conn)))
			return cc;
		close_conn(&cc);
	}
	return NULL;
}

static enum err open_conn(struct http_client *c, struct client_conn **out, struct error *e)
{
	const struct uri_endpoint *ep = &c->endpoint;
	struct client_conn *cc;
	struct stream *s;
	enum err rc;

	rc = socket_connect_tcp(ep->host, ep->port, clock_deadline(c->connect_us), &s, e);
	if (rc)
		return rc;
	if (c->tls)
		rc = stream_tls_client(s, c->tls, ep->host, c->verify,
		                       clock_deadline(c->connect_us), e);
	if (rc) {
		stream_close(&s);
		return rc;
	}
	cc = MEM_NEW(struct client_conn);
	cc->owner = c;
	cc->conn = http_conn_new(s);
	*out = cc;
	return ERR_OK;
}

enum err http_client_take(struct http_client *c, bool fresh, struct client_conn **out,
                          struct error *e)
{
	int r = semaphore_take(&c->places, 1, clock_deadline(c->connect_us));
	enum err rc = ERR_OK;

	if (r == -ETIMEDOUT)
		return err_set(e, ERR_CONGESTED, "all connections are in use");
	if (r < 0)
		return stream_error(e, r, "waiting for a free connection");
	if (fresh)
		close_idle(c, CLOCK_NEVER); /* one was dead: so are those of the same age */
	*out = take_idle(c);
	if (!*out)
		rc = open_conn(c, out, e);
	if (rc)
		semaphore_give(&c->places, 1);
	return rc;
}

static bool can_be_kept(const struct client_conn *cc)
{
	return !cc->unusable && http_conn_reusable(cc->conn) && http_conn_buffered(cc->conn) == 0 &&
	       cc->owner->n_idle < cc->owner->max_idle;
}

void http_client_put(struct client_conn **ccp)
{
	struct client_conn *cc = *ccp;
	struct http_client *c = cc->owner;

	*ccp = NULL;
	if (!can_be_kept(cc)) {
		close_conn(&cc);
	} else {
		cc->pooled = true;
		cc->idle_since = clock_mono();
		cc->older = c->idle;
		c->idle = cc;
		c->n_idle++;
		start_sweeper(c);
	}
	semaphore_give(&c->places, 1);
}

struct str http_client_authority(const struct http_client *c)
{
	return str_of(c->endpoint.authority);
}

static enum err tls_context(const struct http_client_options *o, SSL_CTX **out, struct error *e)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	char why[160];
	int ok = ctx && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);

	if (ok && o->ca_file)
		ok = SSL_CTX_load_verify_locations(ctx, o->ca_file, NULL);
	else if (ok)
		ok = SSL_CTX_set_default_verify_paths(ctx);
	*out = ctx;
	if (ok)
		return ERR_OK;
	ERR_error_string_n(ERR_get_error(), why, sizeof why);
	SSL_CTX_free(ctx);
	return err_set(e, ERR_INVALID, "%s: %s", o->ca_file ? o->ca_file : "system certificates",
	               why);
}

static int int_or(int v, int otherwise)
{
	return v > 0 ? v : otherwise;
}

static int64_t time_or(int64_t v, int64_t otherwise)
{
	return v > 0 ? v : otherwise;
}

enum err http_client_new(const struct http_client_options *o, struct http_client **out,
                         struct error *e)
{
	const struct uri_endpoint *ep = o->endpoint;
	struct http_client *c;
	SSL_CTX *tls = NULL;
	enum err rc;

	if (ep->tls && (rc = tls_context(o, &tls, e)))
		return rc;
	c = MEM_NEW(struct http_client);
	c->arena = arena_new();
	c->endpoint = (struct uri_endpoint){
		.tls = ep->tls,
		.host = arena_strdup(c->arena, ep->host),
		.port = arena_strdup(c->arena, ep->port),
		.authority = arena_strdup(c->arena, ep->authority),
		.path = arena_strdup(c->arena, ep->path),
	};
	c->tls = tls;
	c->verify = !o->insecure;
	c->max_idle = int_or(o->max_idle, MAX_IDLE);
	c->idle_us = time_or(o->idle_us, IDLE_US);
	c->connect_us = time_or(o->connect_us, CONNECT_US);
	semaphore_init(&c->places, (size_t)int_or(o->max_connections, MAX_CONNECTIONS));
	*out = c;
	return ERR_OK;
}

void http_client_free(struct http_client **cp)
{
	struct http_client *c = *cp;

	*cp = NULL;
	if (!c)
		return;
	close_idle(c, CLOCK_NEVER);
	if (c->sweeper) {
		c->sweeper->client = NULL;
		task_cancel(c->sweeper->task);
	}
	SSL_CTX_free(c->tls);
	arena_free(&c->arena);
	free(c);
}
