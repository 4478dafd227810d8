/* SPDX-License-Identifier: MIT
 *
 * See segment.h.
 *
 * What must never happen is that bytes lie on a backend and nobody knows. So
 * the intent is durable before the first byte is sent, and from there every way
 * out of attempt() ends it: committed, abandoned to the clean-up queue, cancelled
 * because nothing was sent, or left to the reaper when the database does not
 * answer. A commit whose outcome is unknown is settled before the client hears of
 * it: otherwise it could still happen after the client's next write.
 */
#include "object/segment.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"
#include "object/guard.h"
#include "object/key.h"
#include "observe/metrics.h"
#include "rt/sync.h"
#include "rt/task.h"

/* Version of the format of x-amz-meta-s3o-*. */
#define SELF_FORMAT "1"

/* The digest of a whole spool, in one offloaded pass when it is large. */
struct spool_digest {
	const void *p;
	size_t n;
	enum digest_kind kind;
	uint8_t out[DIGEST_MAX];
};

static void digest_memory(void *arg)
{
	struct spool_digest *d = arg;
	struct digest *run = digest_new(d->kind);
	digest_update(run, d->p, d->n);
	digest_final(run, d->out);
	digest_free(&run);
}

static enum err digest_file(struct spool *s, struct spool_digest *d, struct error *e)
{
	enum err r = ERR_OK;
	size_t block = 128 * 1024;
	char *buf = mem_alloc(block);
	struct body *b = spool_body(s);
	struct digest *run = digest_new(d->kind);
	ssize_t n;
	while ((n = body_read(b, buf, block, CLOCK_NEVER, e)) > 0) {
		digest_update(run, buf, (size_t)n);
		task_yield();
	}
	if (n < 0)
		r = e->code;
	digest_final(run, d->out);
	digest_free(&run);
	body_close(&b);
	free(buf);
	return r;
}

static enum err digest_spool(struct spool *s, enum digest_kind kind, char *hex, struct error *e)
{
	struct spool_digest d = {.kind = kind, .n = spool_size(s)};
	enum err r = ERR_OK;
	if (!spool_in_memory(s, &d.p))
		r = digest_file(s, &d, e);
	else if (d.n <= 64 * 1024) /* 0.1 ms, less than two thread switches under load */
		digest_memory(&d);
	else if (task_offload(digest_memory, &d) < 0)
		r = err_set(e, ERR_IO, "no thread for hashing");
	if (r == ERR_OK)
		hex_encode(d.out, digest_size(kind), hex);
	return r;
}

/* What a segment says about itself, so that a catalogue can be rebuilt from the
 * backends alone. */
void segment_describe(struct arena *a, struct segment_copy *c)
{
	const struct segment_write *w = c->w;
	struct str_pair *m = ARENA_ARRAY(a, struct str_pair, 6);
	size_t n = 0;
	m[n++] = (struct str_pair){STR("s3o-format"), STR(SELF_FORMAT)};
	m[n++] = (struct str_pair){STR("s3o-generation"), str_of(w->generation)};
	m[n++] = (struct str_pair){STR("s3o-segment"), str_of(arena_printf(a, "%d", w->number))};
	m[n++] = (struct str_pair){STR("s3o-size"),
	                           str_of(arena_printf(a, "%llu", (unsigned long long)w->s.size))};
	if (w->s.sha256.n)
		m[n++] = (struct str_pair){STR("s3o-sha256"), w->s.sha256};
	c->put.metadata = m;
	c->put.n_metadata = n;
	c->put.content_type = w->content_type;
}

/* Ends the intent of a copy whose bytes must not stay. Not to be left half-done when the
 * client goes away at this moment. */
static void give_up(struct engine *g, const struct segment_copy *c)
{
	task_shield();
	if (c->put.sent_any)
		store_abandon(g->store, c->intent, c->w->orphan, true);
	else
		store_cancel(g->store, c->intent);
	task_unshield();
}

enum err segment_send_body(struct engine *g, struct arena *a, struct segment_copy *c,
                           struct body *body, struct error *e)
{
	struct guard guard;
	c->put.sha256 = c->w->s.sha256;
	segment_describe(a, c);
	c->put.body = guard_init(&guard, body, g->store, c->intent);
	return backend_put(c->backend, a, &c->put, e);
}

enum err segment_send_spool(struct engine *g, struct arena *a, struct segment_copy *c,
                            struct error *e)
{
	struct segment_write *w = c->w;
	if (!w->s.sha256.n && backend_wants_sha256(c->backend)) {
		char *hex = arena_alloc(a, SHA256_HEX_SIZE);
		enum err r = digest_spool(w->spool, DIGEST_SHA256, hex, e);
		if (r != ERR_OK) {
			c->put.source_failed = true;
			return r;
		}
		w->s.sha256 = str_of(hex);
	}
	struct body *bytes = spool_body(w->spool);
	enum err r = segment_send_body(g, a, c, bytes, e);
	body_close(&bytes);
	return r;
}

/* What is known of the bytes when they have been sent: each copy must agree with the first. */
static enum err check_etag(struct arena *a, const struct segment_copy *c, struct error *e)
{
	struct segment_write *w = c->w;
	struct str etag = arena_dup(a, str_of(c->put.etag_md5));
	if (!etag.n && !w->s.etag.n && w->spool) {
		char *hex = arena_alloc(a, 2 * MD5_SIZE + 1);
		if (digest_spool(w->spool, DIGEST_MD5, hex, e) != ERR_OK)
			return e->code;
		etag = str_of(hex);
	}
	if (!w->s.etag.n)
		w->s.etag = etag;
	if (etag.n && !str_eq(w->s.etag, etag))
		return err_set(e, ERR_PROTOCOL, "it has stored bytes with MD5 %.*s instead of %.*s",
		               STR_FMT(etag), STR_FMT(w->s.etag));
	return ERR_OK;
}

enum err segment_settle(struct engine *g, const struct store_intent *intents, size_t n,
                        const char *orphan, enum err r, struct store_written *written,
                        struct error *e)
{
	if (r == ERR_DB_UNCERTAIN)
		return store_settle(g->store, intents, n, written, e);
	for (size_t i = 0; r != ERR_OK && i < n; i++)
		store_abandon(g->store, &intents[i],
		              r == ERR_CONFLICT ? "drain_race_aborted" : orphan, false);
	return r;
}

/* From here the outcome must be known, whether the client waits or not. */
static enum err commit(struct engine *g, struct segment_write *w, struct error *e)
{
	task_shield();
	enum err r = w->commit(g, w, e);
	r = segment_settle(g, w->s.intents, w->s.n_intents, w->orphan, r, &w->written, e);
	task_unshield();
	if (r != ERR_OK)
		w->s.n_intents = 0;
	return r;
}

/* One backend. *stop: the result is final, another backend would not help. */
static enum err send_copy(struct engine *g, struct arena *a, struct segment_write *w,
                          struct backend *b, struct store_intent *intent, bool *stop,
                          struct error *e)
{
	*intent = (struct store_intent){
		.backend = b->name,
		.backend_key = object_key(a, w->bucket, w->key, w->generation, w->part, w->attempt),
		.size = w->s.size,
		.landing = w->is_native ? backend_copy_landing(b, w->s.size) : 0,
	};
	enum err r = store_reserve(g->store, w->bucket, w->key, intent, e);
	if (r != ERR_OK) {
		*stop = r != ERR_NO_SPACE && r != ERR_CONFLICT;
		return r;
	}
	metrics_inc(METRIC_INTENTS_ENQUEUED, METRIC_NONE, METRIC_NONE, METRIC_NONE);

	struct segment_copy c = {
		.w = w, .backend = b, .intent = intent, .put.key = intent->backend_key};
	r = w->send(g, a, &c, e);
	if (r == ERR_OK)
		r = check_etag(a, &c, e);
	if (r != ERR_OK && r != ERR_CANCELED && !c.put.source_failed)
		err_at(e, b->name);
	if (r != ERR_OK) {
		give_up(g, &c);
		*stop = c.put.source_failed || r == ERR_CANCELED;
	}
	return r;
}

static void log_failure(const struct segment_write *w, const struct backend *b,
                        const struct error *e)
{
	log_warn("writepath", "write attempt failed", LOG_STR("request_id", w->request_id),
	         LOG_STR("backend", b->name), LOG_S("bucket", w->bucket), LOG_S("key", w->key),
	         LOG_STR("outcome", err_name(e->code)), LOG_STR("error", e->text));
}

/* A commit of several copies does not say which of them was not to be: after that many all
 * backends are tried again, as far as they are not known to drain by then. */
#define CONFLICTS_MAX 3

void segment_new_attempt(struct arena *a, struct segment_write *w)
{
	char *attempt = arena_alloc(a, ULID_SIZE);
	ulid_new(attempt);
	w->attempt = attempt;
}

/* What has been tried for one segment. */
struct attempts {
	struct placement_candidate *c; /* room for all */
	bool *tried;                   /* by index of the backend */
	int *failed;                   /* not for want of room */
	size_t n_failed;
	struct error worst; /* a failure weighs more than a full backend */
	bool stop;
	int conflicts; /* of commits */
};

static void note_failure(struct attempts *t, const struct segment_write *w, const struct backend *b,
                         const struct error *e)
{
	log_failure(w, b, e);
	if (e->code == ERR_NO_SPACE || e->code == ERR_CANCELED)
		return;
	t->worst = *e;
	t->failed[t->n_failed++] = b->index;
}

/* The best backend for one more copy that was not tried, or NULL. *e becomes why none takes
 * bytes at all. Asked again after each attempt: others may have changed what is best. */
static struct backend *next_backend(struct engine *g, const struct segment_write *w,
                                    const struct attempts *t, struct error *e)
{
	struct engine_held held = w->held;
	held.intents = w->intents;
	held.n_intents = (size_t)w->copies;
	size_t n = engine_candidates(g, w->s.size, &held, t->c);
	for (size_t i = 0; i < n; i++) {
		struct backend *b = g->backends->list[t->c[i].index];
		if (!t->tried[b->index] && (!w->accepts || w->accepts(w, b, &t->c[i])))
			return b;
	}
	engine_none_eligible(g, w->s.size, t->c, "no backend may take the object", e);
	return NULL;
}

static enum err write_copy(struct engine *g, struct arena *a, struct segment_write *w,
                           struct attempts *t, struct store_intent *intent, struct error *e)
{
	struct error none;
	struct backend *b = next_backend(g, w, t, e);
	enum err r = b ? ERR_OK : e->code;
	for (; b; b = t->stop ? NULL : next_backend(g, w, t, &none)) {
		t->tried[b->index] = true;
		r = send_copy(g, a, w, b, intent, &t->stop, e);
		if (r == ERR_OK)
			break;
		intent->backend = NULL;
		note_failure(t, w, b, e);
	}
	return r;
}

/* --- several copies at once ---------------------------------------------------- */

/* A task that makes one. */
struct writer {
	struct engine *g;
	struct arena *a;
	struct segment_write *w;
	struct attempts *t;
	struct store_intent *intent;
	struct task *task; /* NULL: it has ended */
	enum err r;
	struct error e;
};

static void writer_main(void *arg)
{
	struct writer *c = arg;
	c->r = write_copy(c->g, c->a, c->w, c->t, c->intent, &c->e);
	c->task = NULL;
}

static const struct writer *first_failed(const struct writer *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!all[i].task && all[i].r != ERR_OK)
			return &all[i];
	return NULL;
}

static void cancel_all(const struct writer *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (all[i].task)
			task_cancel(all[i].task);
}

/* One that fails, or a cancelled request, ends the others. */
static enum err write_at_once(struct engine *g, struct arena *a, struct segment_write *w,
                              struct attempts *t, struct error *e)
{
	size_t n = (size_t)w->copies;
	struct writer *all = ARENA_ARRAY(a, struct writer, n);
	struct wait_group group = {0};
	enum err r = ERR_OK;
	for (size_t i = 0; i < n && r == ERR_OK; i++) {
		all[i] = (struct writer){.g = g, .a = a, .w = w, .t = t, .intent = &w->intents[i]};
		if (wait_group_spawn(&group, "copy", writer_main, &all[i], &all[i].task) < 0)
			r = err_set(e, ERR_IO, "no task for a copy");
	}
	while (r == ERR_OK && group.running > 0 && !first_failed(all, n))
		if (notify_wait(&group.changed, CLOCK_NEVER) < 0)
			r = err_set(e, ERR_CANCELED, "cancelled");
	const struct writer *failed = first_failed(all, n);
	if (r == ERR_OK && failed) {
		*e = failed->e;
		r = failed->r;
	}
	bool stop = t->stop || r == ERR_CANCELED;
	if (r != ERR_OK)
		cancel_all(all, n);
	wait_group_wait(&group, 0);
	t->stop = stop; /* not because the others were cancelled */
	return r;
}

static enum err write_one_by_one(struct engine *g, struct arena *a, struct segment_write *w,
                                 struct attempts *t, struct error *e)
{
	enum err r = ERR_OK;
	for (int i = 0; r == ERR_OK && i < w->copies; i++)
		r = write_copy(g, a, w, t, &w->intents[i], e);
	return r;
}

/* Those that were sent completely before another failed. */
static void give_up_sent(struct engine *g, const struct segment_write *w)
{
	task_shield();
	for (int i = 0; i < w->copies; i++)
		if (w->intents[i].backend)
			store_abandon(g->store, &w->intents[i], w->orphan, false);
	task_unshield();
}

static enum err write_copies(struct engine *g, struct arena *a, struct segment_write *w,
                             struct attempts *t, struct error *e)
{
	memset(w->intents, 0, (size_t)w->copies * sizeof *w->intents);
	enum err r = w->spool && w->copies > 1 ? write_at_once(g, a, w, t, e)
	                                       : write_one_by_one(g, a, w, t, e);
	if (r != ERR_OK) {
		give_up_sent(g, w);
		return r;
	}
	w->s.n_intents = (size_t)w->copies;
	w->backend = w->intents[0].backend;
	return ERR_OK;
}

static const char *last_backend(const struct segment_write *w)
{
	return w->intents[w->copies - 1].backend;
}

static void commit_failed(struct engine *g, struct arena *a, struct segment_write *w,
                          struct attempts *t, const struct error *e)
{
	struct backend *b = backend_by_name(g->backends, str_of(last_backend(w)));
	note_failure(t, w, b, e);
	t->stop = e->code != ERR_CONFLICT;
	if (t->stop || w->copies == 1 || t->conflicts++ == CONFLICTS_MAX)
		return;
	store_space_renew(g->store);
	segment_new_attempt(a, w);
	memset(t->tried, 0, g->backends->n * sizeof *t->tried);
}

static void count_failovers(struct engine *g, const struct segment_write *w,
                            const struct attempts *t)
{
	int success = backend_by_name(g->backends, str_of(last_backend(w)))->index;
	for (size_t i = 0; i < t->n_failed; i++)
		metrics_inc(METRIC_WRITE_FAILOVER, w->metric, t->failed[i], success);
}

enum err segment_write(struct engine *g, struct arena *a, struct segment_write *w, struct error *e)
{
	size_t n = g->backends->n;
	struct attempts t = {
		.c = ARENA_ARRAY(a, struct placement_candidate, n),
		.tried = ARENA_ARRAY(a, bool, n),
		.failed = ARENA_ARRAY(a, int, 2 * (CONFLICTS_MAX + 2) * n),
	};
	enum err r;
	if (!w->orphan)
		w->orphan = "orphan_record_failed";
	w->s.intents = w->intents = ARENA_ARRAY(a, struct store_intent, w->copies);
	do {
		w->s.n_intents = 0;
		r = write_copies(g, a, w, &t, e);
		if (r != ERR_OK || !w->commit)
			break;
		r = commit(g, w, e);
		if (r != ERR_OK)
			commit_failed(g, a, w, &t, e);
	} while (r != ERR_OK && !t.stop);
	w->is_final = t.stop;
	if (r == ERR_OK) {
		count_failovers(g, w, &t);
	} else if (!t.stop && t.n_failed > 0) {
		*e = t.worst;
		r = t.worst.code;
	}
	return r;
}
