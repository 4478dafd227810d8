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
void segment_describe(struct arena *a, const struct segment_write *w, struct backend_put *put)
{
	struct str_pair *m = ARENA_ARRAY(a, struct str_pair, 6);
	size_t n = 0;
	m[n++] = (struct str_pair){STR("s3o-format"), STR(SELF_FORMAT)};
	m[n++] = (struct str_pair){STR("s3o-generation"), str_of(w->generation)};
	m[n++] = (struct str_pair){STR("s3o-segment"), str_of(arena_printf(a, "%d", w->number))};
	m[n++] = (struct str_pair){STR("s3o-size"),
	                           str_of(arena_printf(a, "%llu", (unsigned long long)w->s.size))};
	if (w->s.sha256.n)
		m[n++] = (struct str_pair){STR("s3o-sha256"), w->s.sha256};
	put->metadata = m;
	put->n_metadata = n;
	put->content_type = w->content_type;
}

/* Ends an intent whose bytes must not stay; sent_any: some may have reached the backend.
 * Not to be left half-done when the client goes away at this moment. */
static void give_up(struct engine *g, const struct segment_write *w, bool sent_any)
{
	task_shield();
	if (sent_any)
		store_abandon(g->store, w->intent, w->orphan, true);
	else
		store_cancel(g->store, w->intent);
	task_unshield();
}

/* Those that were sent completely. */
static void give_up_sent(struct engine *g, struct segment_write *w)
{
	task_shield();
	for (size_t i = 0; i < w->s.n_intents; i++)
		store_abandon(g->store, &w->s.intents[i], w->orphan, false);
	task_unshield();
	w->s.n_intents = 0;
}

enum err segment_send_body(struct engine *g, struct arena *a, struct segment_write *w,
                           struct backend *b, struct backend_put *put, struct body *body,
                           struct error *e)
{
	struct guard guard;
	put->sha256 = w->s.sha256;
	segment_describe(a, w, put);
	put->body = guard_init(&guard, body, g->store, w->intent);
	return backend_put(b, a, put, e);
}

enum err segment_send_spool(struct engine *g, struct arena *a, struct segment_write *w,
                            struct backend *b, struct backend_put *put, struct error *e)
{
	if (!w->s.sha256.n && backend_wants_sha256(b)) {
		char *hex = arena_alloc(a, SHA256_HEX_SIZE);
		enum err r = digest_spool(w->spool, DIGEST_SHA256, hex, e);
		if (r != ERR_OK) {
			put->source_failed = true;
			return r;
		}
		w->s.sha256 = str_of(hex);
	}
	struct body *bytes = spool_body(w->spool);
	enum err r = segment_send_body(g, a, w, b, put, bytes, e);
	body_close(&bytes);
	return r;
}

static enum err fill_etag(struct arena *a, struct segment_write *w, const struct backend_put *put,
                          struct error *e)
{
	if (w->s.etag.n && put->etag_md5[0] && !str_eq(w->s.etag, str_of(put->etag_md5)))
		return err_set(e, ERR_PROTOCOL, "it has stored bytes with MD5 %s instead of %.*s",
		               put->etag_md5, STR_FMT(w->s.etag));
	if (w->s.etag.n || (!w->spool && !put->etag_md5[0]))
		return ERR_OK;
	char *hex = arena_alloc(a, 2 * MD5_SIZE + 1);
	if (put->etag_md5[0])
		memcpy(hex, put->etag_md5, 2 * MD5_SIZE + 1);
	else if (digest_spool(w->spool, DIGEST_MD5, hex, e) != ERR_OK)
		return e->code;
	w->s.etag = str_of(hex);
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
                          struct backend *b, bool *stop, struct error *e)
{
	*w->intent = (struct store_intent){
		.backend = b->name,
		.backend_key = object_key(a, w->bucket, w->key, w->generation, w->part, w->attempt),
		.size = w->s.size,
		.landing = w->is_native ? backend_copy_landing(b, w->s.size) : 0,
	};
	enum err r = store_reserve(g->store, w->bucket, w->key, w->intent, e);
	if (r != ERR_OK) {
		*stop = r != ERR_NO_SPACE && r != ERR_CONFLICT;
		return r;
	}
	metrics_inc(METRIC_INTENTS_ENQUEUED, METRIC_NONE, METRIC_NONE, METRIC_NONE);

	struct backend_put put = {.key = w->intent->backend_key};
	r = w->send(g, a, w, b, &put, e);
	if (r == ERR_OK)
		r = fill_etag(a, w, &put, e);
	if (r != ERR_OK) {
		give_up(g, w, put.sent_any);
		*stop = put.source_failed || r == ERR_CANCELED;
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
	if (e->code == ERR_NO_SPACE)
		return;
	t->worst = *e;
	t->failed[t->n_failed++] = b->index;
}

/* One more copy, on the best backend that takes it. */
static enum err write_copy(struct engine *g, struct arena *a, struct segment_write *w,
                           struct attempts *t, struct error *e)
{
	struct engine_held held = w->held;
	held.intents = w->s.intents;
	held.n_intents = w->s.n_intents;
	size_t n = engine_candidates(g, w->s.size, &held, t->c);
	/* stays when none is eligible, or none accepted */
	enum err r = engine_none_eligible(g, w->s.size, t->c, "no backend may take the object", e);
	for (size_t i = 0; i < n && !t->stop; i++) {
		struct backend *b = g->backends->list[t->c[i].index];
		if (t->tried[b->index] || (w->accepts && !w->accepts(w, b, &t->c[i])))
			continue;
		t->tried[b->index] = true;
		r = send_copy(g, a, w, b, &t->stop, e);
		if (r == ERR_OK)
			return ERR_OK;
		note_failure(t, w, b, e);
	}
	return r;
}

static enum err write_copies(struct engine *g, struct arena *a, struct segment_write *w,
                             struct attempts *t, struct error *e)
{
	enum err r = ERR_OK;
	while (r == ERR_OK && w->s.n_intents < (size_t)w->copies) {
		w->intent = &w->intents[w->s.n_intents];
		r = write_copy(g, a, w, t, e);
		if (r == ERR_OK && w->s.n_intents++ == 0)
			w->backend = w->intent->backend;
	}
	if (r != ERR_OK)
		give_up_sent(g, w);
	return r;
}

static void commit_failed(struct engine *g, struct arena *a, struct segment_write *w,
                          struct attempts *t, const struct error *e)
{
	struct backend *b = backend_by_name(g->backends, str_of(w->intent->backend));
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
	int success = backend_by_name(g->backends, str_of(w->intent->backend))->index;
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
