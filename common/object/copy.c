/* SPDX-License-Identifier: MIT
 *
 * Copies of objects, and parts that are bytes of objects. A backend that has the bytes
 * and room for a copy makes it by itself; only when none does, bytes move through here.
 *
 * An object has as many segments as its source, and all of them become visible in one
 * commit. Until then their intents stay open, and every way out ends all of them.
 *
 * The complication is a checksum of the whole that cannot be had from those of the parts:
 * then all bytes move through here, in order, and an attempt that fails must not have
 * advanced it.
 */
#include <string.h>

#include "base/codec.h"
#include "base/log.h"
#include "object/segment.h"
#include "object/tally.h"
#include "observe/metrics.h"
#include "rt/task.h"
#include "s3proto/etag.h"

/* Bytes of a version that become one segment. */
struct run {
	const struct store_version *source;
	const struct store_segment *whole; /* which they are exactly, or NULL */
	uint64_t first, size;
	unsigned kinds; /* checksums to be computed on the way */
	/* Checksums of all that comes before: these bytes are added when they are written.
	 * NULL: none are wanted. */
	struct checksum_set **running;
	struct checksum_set *next; /* the same with these bytes, as the last attempt sent them */
	/* out */
	const char *backend; /* of the source */
	bool source_failed;
	uint8_t values[CHECKSUM_KINDS][CHECKSUM_MAX]; /* of kinds */
};

/* --- by the backend itself ---------------------------------------------------- */

static const struct store_copy *copy_on(const struct store_segment *s, const char *backend)
{
	for (size_t i = 0; i < s->n_copies; i++)
		if (str_eq(s->copies[i].backend, str_of(backend)))
			return &s->copies[i];
	return NULL;
}

static bool can_copy(const struct segment_write *w, const struct backend *b,
                     const struct placement_candidate *c)
{
	const struct run *run = w->arg;
	const struct store_copy *copy = copy_on(run->whole, b->name);
	return copy && copy->size == w->s.size && backend_can_copy(b, copy->size) &&
	       engine_has_room(c, w->s.size);
}

static enum err send_natively(struct engine *g, struct arena *a, struct segment_copy *c,
                              struct error *e)
{
	struct backend *b = c->backend;
	struct run *run = c->w->arg;
	(void)g;
	segment_describe(a, c);
	run->backend = b->name;
	return backend_copy(b, a, copy_on(run->whole, b->name)->backend_key, c->w->s.size, &c->put,
	                    e);
}

/* --- through here --------------------------------------------------------------- */

static enum err open_run(struct engine *g, struct arena *a, struct run *run, struct body **out,
                         struct error *e)
{
	if (run->size > 0)
		return engine_read(g, a, run->source, run->first, run->first + run->size - 1, out,
		                   &run->backend, e);
	run->backend = run->whole && run->whole->n_copies
	                       ? arena_dup(a, run->whole->copies[0].backend).p
	                       : "";
	*out = body_of_memory("", 0);
	return ERR_OK;
}

static bool is_computed(const struct run *run)
{
	return run->kinds || run->running;
}

/* What was computed of bytes that have been sent completely. */
static void take_values(struct arena *a, struct segment_write *w, struct run *run, struct tally *t)
{
	tally_final(t);
	for (enum checksum_kind k = 0; k < CHECKSUM_KINDS; k++)
		if (run->kinds & CHECKSUM_BIT(k))
			memcpy(run->values[k], tally_value(t, k), checksum_size(k));
	if (w->s.etag.n || !(run->kinds & CHECKSUM_BIT(CHECKSUM_MD5)))
		return;
	char *hex = arena_alloc(a, 2 * MD5_SIZE + 1);
	hex_encode(run->values[CHECKSUM_MD5], MD5_SIZE, hex);
	w->s.etag = str_of(hex);
}

static enum err send_computed(struct engine *g, struct arena *a, struct segment_copy *c,
                              struct body *bytes, struct error *e)
{
	struct run *run = c->w->arg;
	struct tally tally;
	checksum_set_free(&run->next);
	run->next = run->running ? checksum_set_copy(*run->running) : NULL;
	struct body *counted = tally_init(&tally, bytes, run->kinds, run->next);
	enum err r = segment_send_body(g, a, c, counted, e);
	if (r == ERR_OK)
		take_values(a, c->w, run, &tally);
	tally_free(&tally);
	return r;
}

static enum err send_bytes(struct engine *g, struct arena *a, struct segment_copy *c,
                           struct error *e)
{
	struct run *run = c->w->arg;
	struct body *bytes;
	enum err r = open_run(g, a, run, &bytes, e);
	if (r != ERR_OK) {
		c->put.source_failed = run->source_failed = true;
		return r;
	}
	r = is_computed(run) ? send_computed(g, a, c, bytes, e)
	                     : segment_send_body(g, a, c, bytes, e);
	/* ERR_CONFLICT: the intent is gone, see guard.h */
	run->source_failed = c->put.source_failed && r != ERR_CONFLICT;
	body_close(&bytes);
	return r;
}

/* --- one segment ---------------------------------------------------------------- */

static void advance(struct run *run)
{
	if (!run->next)
		return;
	checksum_set_free(run->running);
	*run->running = run->next;
	run->next = NULL;
}

static enum err write_run(struct engine *g, struct arena *a, struct segment_write *w,
                          struct run *run, struct error *e)
{
	w->arg = run;
	if (run->whole && !is_computed(run)) {
		w->is_native = true;
		w->accepts = can_copy;
		w->send = send_natively;
		enum err r = segment_write(g, a, w, e);
		if (r == ERR_OK || w->is_final)
			return r;
		segment_new_attempt(a, w); /* what it may have left is not met again */
	}
	w->is_native = false;
	w->accepts = NULL;
	w->send = send_bytes;
	enum err r = segment_write(g, a, w, e);
	if (r == ERR_OK)
		advance(run);
	checksum_set_free(&run->next);
	return r;
}

/* --- checksums -------------------------------------------------------------------- */

static bool is_md5(struct str etag)
{
	uint8_t md5[MD5_SIZE];
	return etag_to_md5(etag, md5);
}

static struct str checksum_in(const struct str_pair *pairs, size_t n, int kind)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(pairs[i].name, str_of(checksum_name((enum checksum_kind)kind))))
			return pairs[i].value;
	return STR_NULL;
}

/* Sets what is known of the bytes of a run, and what is to be computed. */
static void plan_checksums(struct segment_write *w, struct run *run, const struct store_part *known,
                           int kind)
{
	w->s.etag = is_md5(known->etag) ? known->etag : STR_NULL;
	w->s.sha256 = known->sha256;
	w->s.checksums = known->checksums;
	w->s.n_checksums = known->n_checksums;
	if (!w->s.etag.n)
		run->kinds |= CHECKSUM_BIT(CHECKSUM_MD5);
	if (kind < 0)
		return;
	struct str value = checksum_in(known->checksums, known->n_checksums, kind);
	if (!checksum_parse((enum checksum_kind)kind, value, run->values[kind]))
		run->kinds |= CHECKSUM_BIT(kind);
}

static struct str_pair *checksum_pair(struct arena *a, int kind, const uint8_t *value)
{
	struct str_pair *p = ARENA_ARRAY(a, struct str_pair, 1);
	char *text = arena_alloc(a, CHECKSUM_BASE64_SIZE);
	checksum_format((enum checksum_kind)kind, value, text);
	*p = (struct str_pair){str_of(checksum_name((enum checksum_kind)kind)), str_of(text)};
	return p;
}

static void set_checksum(struct arena *a, struct segment_write *w, const struct run *run, int kind)
{
	if (kind < 0)
		return;
	w->s.checksums = checksum_pair(a, kind, run->values[kind]);
	w->s.n_checksums = 1;
}

/* --- objects ------------------------------------------------------------------------ */

struct copying {
	struct engine_copy *c;
	struct store_part *known; /* of each segment */
	struct store_new_segment *segments;
	struct store_intent *intents;
	size_t n, n_intents;          /* written */
	uint8_t value[CHECKSUM_MAX];  /* of all of them, if one is wanted */
	struct checksum_set *running; /* that makes it, where the values of segments do not */
};

static enum err load_known(struct engine *g, struct arena *a, struct copying *p, struct error *e)
{
	const struct store_version *v = p->c->source;
	size_t n;
	enum err r = store_segments(g->store, &v->o, 0, (int)v->n_segments, a, &p->known, &n, e);
	if (r == ERR_OK && n != v->n_segments) {
		p->c->source_failed = true; /* it has been replaced meanwhile */
		r = err_set(e, ERR_NOT_FOUND, "the source has %zu segments instead of %zu", n,
		            v->n_segments);
	}
	return r;
}

/* The scratch arena takes what one exchange needs: there may be 10,000. */
static void keep_segment(struct arena *a, struct copying *p, const struct segment_write *w)
{
	struct store_intent *intents = &p->intents[p->n_intents];
	struct store_new_segment *s = &p->segments[p->n];
	*s = w->s;
	s->etag = arena_dup(a, s->etag);
	s->intents = intents;
	for (size_t i = 0; i < s->n_intents; i++) {
		intents[i] = w->intents[i];
		intents[i].backend_key = arena_dup(a, intents[i].backend_key);
	}
	p->n_intents += s->n_intents;
	p->n++;
}

static void add_value(struct copying *p, const struct run *run)
{
	int kind = p->c->checksum;
	if (kind < 0 || p->running)
		return;
	if (p->n == 0)
		memcpy(p->value, run->values[kind], CHECKSUM_MAX);
	else
		checksum_combine((enum checksum_kind)kind, p->value, run->values[kind], run->size);
}

static enum err copy_segment(struct engine *g, struct arena *a, struct copying *p, struct error *e)
{
	struct engine_copy *c = p->c;
	const struct store_segment *s = &c->source->segments[p->n];
	const struct store_part *known = &p->known[p->n];
	struct run run = {.source = c->source, .whole = s, .first = s->start, .size = s->size};
	struct segment_write w = {
		.bucket = c->object.bucket,
		.key = c->object.key,
		.generation = c->object.generation,
		.part = c->object.parts ? known->number : 0,
		.number = (int)p->n + 1,
		.content_type = c->object.content_type,
		.request_id = c->request_id,
		.metric = METRIC_WRITE_COPY,
		.copies = config_ack(g->config, c->object.bucket),
		.s = {.size = s->size, .part = c->object.parts ? known->number : 0},
	};
	struct arena *scratch = arena_new();
	if (p->running)
		run.running = &p->running;
	plan_checksums(&w, &run, known, c->checksum);
	enum err r = write_run(g, scratch, &w, &run, e);
	c->source_failed = run.source_failed;
	if (r == ERR_OK) {
		set_checksum(a, &w, &run, c->checksum);
		add_value(p, &run);
		keep_segment(a, p, &w);
		c->backend = w.backend;
		c->source_backend = arena_strdup(a, run.backend);
	}
	arena_free(&scratch);
	return r;
}

static void take_from_source(struct engine_copy *c)
{
	const struct store_object *from = &c->source->o;
	struct store_object *o = &c->object;
	ulid_new(o->generation);
	o->size = from->size;
	o->etag = from->etag;
	o->sha256 = from->sha256;
	o->parts = from->parts;
	o->checksums = from->checksums;
	o->n_checksums = from->n_checksums;
}

static enum err commit_copy(struct engine *g, struct arena *a, struct copying *p, struct error *e)
{
	struct engine_copy *c = p->c;
	if (p->running) {
		checksum_set_final(p->running);
		memcpy(p->value, checksum_set_value(p->running, (enum checksum_kind)c->checksum),
		       checksum_size((enum checksum_kind)c->checksum));
	}
	if (c->checksum >= 0) {
		c->object.checksums = checksum_pair(a, c->checksum, p->value);
		c->object.n_checksums = 1;
	}
	task_shield();
	enum err r = store_commit(g->store, &c->object, &c->conditions, p->segments, p->n,
	                          &c->written, e);
	r = segment_settle(g, p->intents, p->n_intents, "orphan_record_failed", r, &c->written, e);
	task_unshield();
	return r;
}

/* Nothing of them is still on its way. */
static void give_up(struct engine *g, const struct copying *p)
{
	task_shield();
	for (size_t i = 0; i < p->n_intents; i++)
		store_abandon(g->store, &p->intents[i], "orphan_record_failed", false);
	task_unshield();
}

static enum err copy_all(struct engine *g, struct arena *a, struct copying *p, struct error *e)
{
	enum err r = ERR_OK;
	while (r == ERR_OK && p->n < p->c->source->n_segments)
		r = copy_segment(g, a, p, e);
	if (r == ERR_OK)
		return commit_copy(g, a, p, e);
	give_up(g, p);
	return r;
}

enum err engine_copy(struct engine *g, struct arena *a, struct engine_copy *c, struct error *e)
{
	size_t n = c->source->n_segments;
	struct copying p = {
		.c = c,
		.segments = ARENA_ARRAY(a, struct store_new_segment, n),
		.intents = ARENA_ARRAY(a, struct store_intent,
	                               n * (size_t)config_ack(g->config, c->object.bucket)),
	};
	c->source_failed = false;
	if (n == 0)
		return err_set(e, ERR_IO, "the catalogue has no segments of the source");
	take_from_source(c);
	if (n > 1)
		store_read_begins(g->store, c->source->o.generation);
	enum err r = load_known(g, a, &p, e);
	if (c->checksum >= 0 && n > 1 && !checksum_is_crc((enum checksum_kind)c->checksum))
		p.running = checksum_set_new(CHECKSUM_BIT(c->checksum));
	if (r == ERR_OK)
		r = copy_all(g, a, &p, e);
	checksum_set_free(&p.running);
	if (n > 1)
		store_read_ends(g->store, c->source->o.generation);
	return r;
}

/* --- parts --------------------------------------------------------------------------- */

/* The part and its run: the first thing that the commit is told. */
struct part_run {
	struct run run;
	struct engine_part_copy *c;
	struct arena *arena;
};

static const struct store_segment *find_whole(const struct engine_part_copy *c)
{
	for (size_t i = 0; i < c->source->n_segments; i++) {
		const struct store_segment *s = &c->source->segments[i];
		if (s->start == c->first && s->size == c->size)
			return s;
	}
	return NULL;
}

/* What is known of the bytes: nothing, unless they are a segment. */
static enum err find_known(struct engine *g, struct arena *a, const struct engine_part_copy *c,
                           const struct store_segment *whole, struct store_part *known,
                           struct error *e)
{
	struct store_part *all;
	size_t n;
	*known = (struct store_part){0};
	if (!whole)
		return ERR_OK;
	enum err r = store_segments(g->store, &c->source->o, 0, whole->number, a, &all, &n, e);
	if (r != ERR_OK || n != (size_t)whole->number)
		return r;
	*known = all[n - 1];
	if (!c->source->o.parts) { /* they stand with the object */
		known->checksums = c->source->o.checksums;
		known->n_checksums = c->source->o.n_checksums;
	}
	return ERR_OK;
}

static enum err commit_part(struct engine *g, struct segment_write *w, struct error *e)
{
	struct part_run *p = w->arg;
	set_checksum(p->arena, w, &p->run, p->c->checksum);
	return store_part_commit(g->store, p->c->part.upload, &w->s, &w->written.modified, e);
}

enum err engine_copy_part(struct engine *g, struct arena *a, struct engine_part_copy *c,
                          struct error *e)
{
	const struct store_object *o = &c->part.upload->o;
	struct part_run p = {.c = c, .arena = a};
	struct store_part known;
	struct segment_write w = {
		.bucket = o->bucket,
		.key = o->key,
		.generation = o->generation,
		.part = c->part.part.number,
		.number = c->part.part.number,
		.content_type = o->content_type,
		.request_id = c->part.request_id,
		.metric = METRIC_WRITE_PART,
		.copies = config_ack(g->config, o->bucket),
		.commit = commit_part,
		.s = {.size = c->size, .part = c->part.part.number},
	};
	p.run = (struct run){
		.source = c->source, .whole = find_whole(c), .first = c->first, .size = c->size};
	enum err r = find_known(g, a, c, p.run.whole, &known, e);
	if (r != ERR_OK)
		return r;
	plan_checksums(&w, &p.run, &known, c->checksum);
	if (c->checksum < 0)
		w.s.n_checksums = 0; /* the upload asks for none */
	segment_new_attempt(a, &w);  /* a part may be uploaded again */
	r = write_run(g, a, &w, &p.run, e);
	c->source_backend = p.run.backend;
	c->source_failed = p.run.source_failed;
	c->part.backend = w.backend;
	c->part.modified = w.written.modified;
	c->part.part.size = c->size;
	c->part.part.etag = w.s.etag;
	c->part.part.checksums = (struct str_pair *)w.s.checksums;
	c->part.part.n_checksums = w.s.n_checksums;
	return r;
}
