/* SPDX-License-Identifier: MIT
 *
 * Answers that take long. The work runs in a task of its own, while the task of the
 * request waits for it, or sends something to the client now and then. XML allows white
 * space behind its declaration, not before: so the declaration goes first.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "net/stream.h"
#include "proxyd/s3/s3.h"
#include "rt/sync.h"
#include "rt/task.h"
#include "s3proto/xml.h"

/* Until then an answer has its true status and length; later it is white space at
 * intervals, well below the patience of clients and of what lies between. */
#define PATIENCE (5 * CLOCK_SEC)
#define INTERVAL (5 * CLOCK_SEC)

struct s3_keepalive {
	struct body body; /* the answer, when it has begun before it is known */
	struct s3_call *call;
	void (*work)(struct s3_call *c);
	struct task *task; /* NULL when it has ended */
	struct wait_group group;
	struct notify answered;
	bool begun; /* the declaration is sent */
	int status; /* 0: not yet */
	struct buf document;
	size_t sent; /* bytes of it */
};

void s3_keepalive_answer(struct s3_keepalive *k, int status, struct str document)
{
	k->status = status;
	buf_add_str(&k->document, document);
	notify_all(&k->answered);
}

static void run(void *arg)
{
	struct s3_keepalive *k = arg;
	k->work(k->call);
	k->task = NULL;
}

/* 0, -ETIMEDOUT or -ECANCELED. */
static int wait_for_answer(struct s3_keepalive *k, int64_t us)
{
	int64_t deadline = clock_deadline(us);
	int r = 0;
	while (!k->status && r == 0)
		r = notify_wait(&k->answered, deadline);
	return k->status ? 0 : r;
}

static ssize_t give(void *buf, size_t n, struct str bytes)
{
	if (bytes.n < n)
		n = bytes.n;
	memcpy(buf, bytes.p, n);
	return (ssize_t)n;
}

/* The document without its declaration. */
static struct str rest(const struct s3_keepalive *k)
{
	struct str all = buf_str(&k->document);
	if (str_starts(all, STR(XML_DECLARATION)))
		all = str_skip(all, sizeof(XML_DECLARATION) - 1);
	return str_skip(all, k->sent);
}

static ssize_t keepalive_read(struct body *b, void *buf, size_t n, int64_t idle_us, struct error *e)
{
	struct s3_keepalive *k = (struct s3_keepalive *)b;
	(void)idle_us;
	if (!k->begun) {
		k->begun = true;
		return give(buf, n, STR(XML_DECLARATION));
	}
	int r = wait_for_answer(k, INTERVAL);
	if (r == -ETIMEDOUT)
		return give(buf, n, STR(" "));
	if (r < 0) {
		stream_error(e, r, "waiting for the answer");
		return -1;
	}
	ssize_t given = give(buf, n, rest(k));
	k->sent += (size_t)given;
	return given;
}

static void keepalive_close(struct body *b)
{
	(void)b;
}

/* The client has something in its hands until the answer is there. */
static void begin(struct s3_call *c, struct s3_keepalive *k)
{
	static const struct body_ops ops = {.read = keepalive_read, .close = keepalive_close};
	bool client_left;
	struct error e;
	k->body = (struct body){.ops = &ops, .size = BODY_SIZE_UNKNOWN};
	http_reply_field(c->http, "Content-Type", STR("application/xml"));
	if (http_reply_body(c->http, 200, &k->body, &client_left, &e) != ERR_OK)
		snprintf(c->error, sizeof(c->error), "client left: %s", e.text);
	c->failed = k->status >= 300;
}

static void wait_and_answer(struct s3_call *c, struct s3_keepalive *k)
{
	if (wait_for_answer(k, PATIENCE) == -ETIMEDOUT)
		begin(c, k);
	if (k->task)
		task_cancel(k->task); /* without effect when all has been said */
	wait_group_wait(&k->group, 0);
	if (!c->http->status)
		http_reply(c->http, k->status, buf_str(&k->document));
}

void s3_answer_slowly(struct s3_call *c, void (*work)(struct s3_call *c))
{
	struct s3_keepalive k = {.call = c, .work = work};
	c->keepalive = &k;
	if (wait_group_spawn(&k.group, "slow answer", run, &k, &k.task) < 0)
		s3_fail(c, S3_SLOW_DOWN, NULL);
	wait_and_answer(c, &k);
	c->keepalive = NULL;
	buf_free(&k.document);
}
