/* SPDX-License-Identifier: MIT
 *
 * Storing an object or a part whose body lies in a spool: one segment each, and the
 * commit that makes it visible.
 */
#include "base/codec.h"
#include "object/segment.h"
#include "observe/metrics.h"

static struct segment_write write_of_spool(const struct engine *g, struct spool *spool,
                                           uint64_t size, const struct store_object *o,
                                           const char *request_id)
{
	return (struct segment_write){
		.bucket = o->bucket,
		.key = o->key,
		.generation = o->generation,
		.number = 1,
		.content_type = o->content_type,
		.request_id = request_id,
		.copies = config_ack(g->config, o->bucket),
		.spool = spool,
		.send = segment_send_spool,
		.s = {.size = size},
	};
}

static enum err commit_object(struct engine *g, struct segment_write *w, struct error *e)
{
	struct engine_put *p = w->arg;
	p->object.etag = w->s.etag;
	p->object.sha256 = w->s.sha256;
	return store_commit(g->store, &p->object, &p->conditions, &w->s, 1, &w->written, e);
}

enum err engine_put(struct engine *g, struct arena *a, struct engine_put *p, struct error *e)
{
	ulid_new(p->object.generation);
	struct segment_write w =
		write_of_spool(g, p->spool, p->object.size, &p->object, p->request_id);
	w.s.etag = p->object.etag;
	w.s.sha256 = p->object.sha256;
	w.metric = METRIC_WRITE_PUT;
	w.arg = p;
	w.commit = commit_object;
	enum err r = segment_write(g, a, &w, e);
	p->backend = w.backend;
	p->written = w.written;
	return r;
}

static enum err commit_part(struct engine *g, struct segment_write *w, struct error *e)
{
	struct engine_part *p = w->arg;
	return store_part_commit(g->store, p->upload, &w->s, &w->written.modified, e);
}

enum err engine_put_part(struct engine *g, struct arena *a, struct engine_part *p, struct error *e)
{
	struct segment_write w =
		write_of_spool(g, p->spool, p->part.size, &p->upload->o, p->request_id);
	w.part = w.number = w.s.part = p->part.number;
	segment_new_attempt(a, &w); /* a part may be uploaded again */
	w.s.etag = p->part.etag;
	w.s.sha256 = p->part.sha256;
	w.s.checksums = p->part.checksums;
	w.s.n_checksums = p->part.n_checksums;
	w.metric = METRIC_WRITE_PART;
	w.arg = p;
	w.commit = commit_part;
	enum err r = segment_write(g, a, &w, e);
	p->backend = w.backend;
	p->part.etag = w.s.etag;
	p->modified = w.written.modified;
	return r;
}
