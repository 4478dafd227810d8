/* SPDX-License-Identifier: MIT
 *
 * See replica.h. A source that cannot be read, or whose bytes are not what the catalogue
 * says, is left for the next one; so a write is tried once for each source at most.
 */
#include "object/replica.h"

#include <string.h>

#include "backend/breaker.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/stop.h"
#include "object/segment.h"
#include "object/tally.h"
#include "observe/metrics.h"
#include "s3proto/etag.h"

struct replica {
	struct engine_replica *r;
	struct store_copy source; /* the copy that is read */
	struct store_segment segment;
	struct store_version version; /* that has it as its only segment */
};

static enum err mismatch(const struct replica *p, struct error *e)
{
	const struct store_held *h = p->r->segment;
	metrics_inc(METRIC_INTEGRITY_ERRORS, METRIC_INTEGRITY_REPLICATE, 0, 0);
	log_error("replication", "copy is damaged", LOG_STR("request_id", p->r->request_id),
	          LOG_S("backend", p->source.backend), LOG_S("bucket", h->bucket),
	          LOG_S("key", h->key), LOG_S("backend_key", p->source.backend_key));
	return err_set(e, ERR_PROTOCOL, "the copy is damaged");
}

/* What the bytes are compared with; -1: nothing is known, or it is not wanted. */
static int known_digest(const struct engine *g, const struct store_held *h,
                        uint8_t value[CHECKSUM_MAX])
{
	if (g->config->integrity.enabled && !g->config->integrity.verify_on_replicate)
		return -1;
	if (h->sha256.n == SHA256_HEX_SIZE - 1 && hex_decode(h->sha256, value, SHA256_SIZE))
		return CHECKSUM_SHA256;
	return etag_to_md5(h->etag, value) ? CHECKSUM_MD5 : -1;
}

static enum err send_verified(struct engine *g, struct arena *a, struct segment_copy *c,
                              struct body *bytes, struct error *e)
{
	struct replica *p = c->w->arg;
	uint8_t want[CHECKSUM_MAX];
	int kind = known_digest(g, p->r->segment, want);
	struct tally tally;
	if (kind < 0)
		return segment_send_body(g, a, c, bytes, e);
	struct body *counted = tally_init(&tally, bytes, CHECKSUM_BIT(kind), NULL);
	enum err r = segment_send_body(g, a, c, counted, e);
	tally_final(&tally);
	/* Also when the backend has refused it for that. */
	if (tally.n == p->segment.size &&
	    memcmp(tally_value(&tally, (enum checksum_kind)kind), want,
	           checksum_size((enum checksum_kind)kind)) != 0) {
		r = mismatch(p, e);
		c->put.source_failed = true;
	}
	tally_free(&tally);
	return r;
}

static enum err send_replica(struct engine *g, struct arena *a, struct segment_copy *c,
                             struct error *e)
{
	struct replica *p = c->w->arg;
	struct body *bytes;
	const char *source;
	p->r->source_failed = false;
	enum err r = engine_read(g, a, &p->version, 0, p->segment.size ? p->segment.size - 1 : 0,
	                         &bytes, &source, e);
	if (r != ERR_OK) {
		c->put.source_failed = p->r->source_failed = true;
		return err_at(e, p->r->source);
	}
	if (*source) /* nothing need be read of an empty one */
		p->r->source = source;
	r = send_verified(g, a, c, bytes, e);
	p->r->source_failed = c->put.source_failed && r != ERR_CONFLICT; /* see guard.h */
	body_close(&bytes);
	return p->r->source_failed && r != ERR_OK ? err_at(e, p->r->source) : r;
}

static bool accepts(const struct segment_write *w, const struct backend *b,
                    const struct placement_candidate *c)
{
	const struct engine_replica *r = ((const struct replica *)w->arg)->r;
	if (r->to)
		return strcmp(b->name, r->to) == 0;
	return !r->new_domain || !c->same_domain;
}

static enum err commit(struct engine *g, struct segment_write *w, struct error *e)
{
	const struct engine_replica *r = ((struct replica *)w->arg)->r;
	stop_point("replica-sent");
	return store_copy_add(g->store, r->segment->id, w->intents, r->from, r->reason, e);
}

static enum err copy_from(struct engine *g, struct arena *a, struct engine_replica *r,
                          const struct store_copy *source, struct error *e)
{
	const struct store_held *h = r->segment;
	struct replica p = {
		.r = r,
		.source = *source,
		.segment = {.id = h->id,
	                    .number = h->number,
	                    .size = h->size,
	                    .copies = &p.source,
	                    .n_copies = 1},
		.version = {.o = {.bucket = h->bucket, .key = h->key, .size = h->size},
	                    .segments = &p.segment,
	                    .n_segments = 1},
	};
	struct segment_write w = {
		.bucket = h->bucket,
		.key = h->key,
		.generation = h->generation,
		.part = h->part,
		.number = h->number,
		.content_type = h->content_type,
		.request_id = r->request_id,
		.metric = METRIC_WRITE_REPLICA,
		.arg = &p,
		.copies = 1,
		.held = {.copies = h->copies, .n_copies = h->n_copies},
		.orphan = r->orphan,
		.accepts = accepts,
		.send = send_replica,
		.commit = commit,
		.s = {.size = h->size, .etag = h->etag, .sha256 = h->sha256},
	};
	segment_new_attempt(a, &w); /* this backend may have had a copy before */
	r->source = arena_dup(a, source->backend).p;
	enum err err = segment_write(g, a, &w, e);
	r->target = w.backend;
	return err;
}

/* Oldest copies first, but those on backends that do not answer last. */
static void order_sources(const struct engine *g, const struct store_held *h, size_t *order)
{
	size_t n = 0;
	for (int ill = 0; ill < 2; ill++)
		for (size_t i = 0; i < h->n_copies; i++) {
			struct backend *b = backend_by_name(g->backends, h->copies[i].backend);
			if (b && (b->breaker && !breaker_is_eligible(b->breaker)) == ill)
				order[n++] = i;
		}
	while (n < h->n_copies)
		order[n++] = SIZE_MAX; /* on a backend that is not configured */
}

enum err engine_replicate(struct engine *g, struct arena *a, struct engine_replica *r,
                          struct error *e)
{
	const struct store_held *h = r->segment;
	size_t *order = ARENA_ARRAY(a, size_t, h->n_copies);
	enum err err = err_set(e, ERR_NOT_FOUND, "no configured backend holds a copy");
	r->source = r->target = NULL;
	r->source_failed = true;
	order_sources(g, h, order);
	for (size_t i = 0; i < h->n_copies && order[i] != SIZE_MAX; i++) {
		err = copy_from(g, a, r, &h->copies[order[i]], e);
		if (err == ERR_OK || !r->source_failed)
			break;
	}
	return err;
}
