/* SPDX-License-Identifier: MIT
 *
 * Reading an object: a body that goes from segment to segment and, when a copy
 * fails, goes on at the same byte of another copy. That is safe even after the
 * client has got part of it, because segments never change. Their copies do: when
 * none of those that were looked up is left, they may just have moved, and are
 * looked up again.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/breaker.h"
#include "backend/usage.h"
#include "base/log.h"
#include "base/mem.h"
#include "object/engine_private.h"
#include "store/copies.h"

struct read_body {
	struct body body;
	struct engine *engine;
	struct arena *arena;
	const struct store_version *version;
	uint64_t at, end;                /* of the object: next byte, byte after the last */
	size_t segment;                  /* that holds `at` */
	const struct store_copy *copies; /* of that segment, as known now */
	size_t n_copies;
	int refreshed;       /* how often they were looked up anew */
	uint64_t tried;      /* bit i: copy i has failed */
	struct body *piece;  /* open copy, positioned at `at` */
	const char *backend; /* of the piece */
	bool long_read;      /* of several segments, as the store knows */
};

struct range_in_segment {
	uint64_t first, last; /* inclusive */
};

/* Copies that one segment can have, bounded by the bits of read_body.tried. */
#define COPIES_MAX 64

/* Whatever moves a segment around leaves it alone for longer than a look-up takes. */
#define REFRESH_MAX 8

/* Those of the bytes still to be read that are of this segment; some are. */
static struct range_in_segment wanted_of(const struct read_body *r, const struct store_segment *s)
{
	struct range_in_segment w = {.first = 0, .last = s->size - 1};
	if (r->at > s->start)
		w.first = r->at - s->start;
	if (r->end < s->start + s->size)
		w.last = r->end - 1 - s->start;
	return w;
}

/* Whether the limits of the month let the backend send them. */
static bool may_send(const struct backend *b, struct usage_amounts planned,
                     struct range_in_segment w)
{
	planned.api++;
	planned.egress += w.last - w.first + 1;
	return usage_allows(b->usage, b->config, planned);
}

/* The copy to read next: of those that have not failed the oldest, preferring
 * backends whose breaker lets calls through. -1: none is left. *used_up is set when
 * one was passed over because of a limit of the month. */
static int choose_copy(struct read_body *r, const struct store_segment *s, struct backend **out,
                       bool *used_up)
{
	struct range_in_segment wanted = wanted_of(r, s);
	int fallback = -1;
	for (size_t i = 0; i < r->n_copies && i < COPIES_MAX; i++) {
		if (r->tried & (UINT64_C(1) << i))
			continue;
		struct backend *b = backend_by_name(r->engine->backends, r->copies[i].backend);
		if (!b)
			continue;
		if (!may_send(b, (struct usage_amounts){0}, wanted)) {
			*used_up = true;
			continue;
		}
		if (!b->breaker || breaker_is_eligible(b->breaker)) {
			*out = b;
			return (int)i;
		}
		if (fallback < 0) {
			fallback = (int)i;
			*out = b;
		}
	}
	return fallback;
}

static enum err open_copy(struct read_body *r, const struct store_segment *s, int copy,
                          struct backend *b, struct error *e)
{
	struct range_in_segment w = wanted_of(r, s);
	struct backend_get g = {
		.key = r->copies[copy].backend_key,
		.ranged = w.first != 0 || w.last != s->size - 1,
		.first = w.first,
		.last = w.last,
	};
	enum err err = backend_get(b, r->arena, &g, e);
	if (err == ERR_NOT_FOUND)
		store_copy_suspect(r->engine->store, s->id, &r->copies[copy]);
	if (err != ERR_OK)
		return err;
	if (g.object_size != r->copies[copy].size || g.body->size != w.last - w.first + 1) {
		body_close(&g.body);
		store_copy_suspect(r->engine->store, s->id, &r->copies[copy]);
		return err_set(e, ERR_PROTOCOL, "copy has another size than recorded");
	}
	r->piece = g.body;
	r->backend = b->name;
	return ERR_OK;
}

static void log_failed(const struct read_body *r, const char *backend, const struct error *e)
{
	log_warn("readpath", "copy cannot be read", LOG_STR("backend", backend),
	         LOG_S("bucket", r->version->o.bucket), LOG_S("key", r->version->o.key),
	         LOG_INT("offset", r->at), LOG_STR("outcome", err_name(e->code)),
	         LOG_STR("error", e->text));
}

static bool is_known(const struct read_body *r, const struct store_copy *copy)
{
	for (size_t i = 0; i < r->n_copies; i++)
		if (str_eq(r->copies[i].backend_key, copy->backend_key) &&
		    str_eq(r->copies[i].backend, copy->backend))
			return true;
	return false;
}

/* True when there are copies that were not known. */
static bool refresh_copies(struct read_body *r)
{
	struct store_held *held;
	size_t n, fresh = 0;
	if (r->refreshed++ == REFRESH_MAX ||
	    store_held(r->engine->store, &r->version->segments[r->segment].id, 1, r->arena, &held,
	               &n, NULL) != ERR_OK ||
	    n == 0)
		return false;
	for (size_t i = 0; i < held->n_copies; i++)
		if (!is_known(r, &held->copies[i]))
			held->copies[fresh++] = held->copies[i];
	if (fresh == 0)
		return false;
	r->copies = held->copies;
	r->n_copies = fresh;
	r->tried = 0;
	return true;
}

static enum err all_used_up(struct error *e)
{
	return err_set(e, ERR_USED_UP, "monthly limits of all backends with a copy are reached");
}

/* Opens one of the known copies at `at`. ERR_NOT_FOUND only when every copy is gone, ERR_USED_UP only
 * when nothing but limits of the month is in the way. */
static enum err open_known(struct read_body *r, struct error *e)
{
	const struct store_segment *s = &r->version->segments[r->segment];
	enum err result = err_set(e, ERR_IO, "no configured backend holds a copy");
	bool all_gone = true, any = false, used_up = false;
	struct backend *b = NULL;
	for (int copy; (copy = choose_copy(r, s, &b, &used_up)) >= 0;) {
		any = true;
		result = open_copy(r, s, copy, b, e);
		if (result == ERR_OK || result == ERR_CANCELED)
			return result;
		log_failed(r, b->name, e);
		r->tried |= UINT64_C(1) << copy;
		all_gone = all_gone && result == ERR_NOT_FOUND;
	}
	if (!any && used_up)
		return all_used_up(e);
	if (any && result == ERR_NOT_FOUND && (!all_gone || used_up))
		result = err_set(e, ERR_IO, "no copy can be read");
	return result;
}

static enum err open_piece(struct read_body *r, struct error *e)
{
	enum err result = open_known(r, e);
	while (result != ERR_OK && result != ERR_CANCELED && refresh_copies(r))
		result = open_known(r, e);
	return result;
}

/* The piece broke at `at`: another copy takes over there. */
static enum err take_over(struct read_body *r, struct error *e)
{
	log_failed(r, r->backend, e);
	body_close(&r->piece);
	for (size_t i = 0; i < r->n_copies && i < COPIES_MAX; i++)
		if (str_eq(r->copies[i].backend, str_of(r->backend)))
			r->tried |= UINT64_C(1) << i;
	struct error again = *e;
	enum err result = open_piece(r, &again);
	if (result == ERR_OK)
		return ERR_OK;
	if (result == ERR_CANCELED)
		*e = again; /* else the first failure says more */
	return e->code;
}

static uint64_t segment_end(const struct read_body *r)
{
	const struct store_segment *s = &r->version->segments[r->segment];
	return s->start + s->size;
}

static void enter_segment(struct read_body *r, size_t segment)
{
	r->segment = segment;
	r->copies = r->version->segments[segment].copies;
	r->n_copies = r->version->segments[segment].n_copies;
	r->refreshed = 0;
	r->tried = 0;
}

/* To the segment that holds `at`, which lies before the end. */
static void find_segment(struct read_body *r)
{
	while (r->at >= segment_end(r)) {
		body_close(&r->piece);
		enter_segment(r, r->segment + 1);
	}
}

/* Makes sure that a piece is open at `at`. */
static enum err ensure_piece(struct read_body *r, struct error *e)
{
	find_segment(r);
	return r->piece ? ERR_OK : open_piece(r, e);
}

static ssize_t read_read(struct body *b, void *buf, size_t n, int64_t idle_us, struct error *e)
{
	struct read_body *r = (struct read_body *)b;
	if (r->at == r->end)
		return 0;
	for (;;) {
		if (ensure_piece(r, e) != ERR_OK)
			return -1;
		ssize_t got = body_read(r->piece, buf, n, idle_us, e);
		if (got > 0) {
			r->at += (uint64_t)got;
			return got;
		}
		if (got == 0)
			err_set(e, ERR_PROTOCOL, "copy ended early");
		if (e->code == ERR_CANCELED || take_over(r, e) != ERR_OK)
			return -1;
	}
}

static uint64_t read_raw(struct body *b, struct stream **from, int *file, int64_t *off)
{
	struct read_body *r = (struct read_body *)b;
	struct error e;
	if (r->at == r->end || ensure_piece(r, &e) != ERR_OK || !r->piece->ops->raw)
		return 0;
	return r->piece->ops->raw(r->piece, from, file, off);
}

static void read_taken(struct body *b, uint64_t n)
{
	struct read_body *r = (struct read_body *)b;
	r->piece->ops->taken(r->piece, n);
	r->at += n;
}

static void read_close(struct body *b)
{
	struct read_body *r = (struct read_body *)b;
	body_close(&r->piece);
	if (r->long_read)
		store_read_ends(r->engine->store, r->version->o.generation);
	free(r);
}

static const struct body_ops read_ops = {
	.read = read_read,
	.close = read_close,
	.raw = read_raw,
	.taken = read_taken,
};

/* Whether the segments hold these bytes, without a gap. */
static bool is_covered(const struct store_version *v, uint64_t first, uint64_t last)
{
	if (!v->n_segments || v->segments[0].start > first)
		return false;
	uint64_t end = v->segments[0].start;
	for (size_t i = 0; i < v->n_segments && v->segments[i].start == end; i++)
		end += v->segments[i].size;
	return end > last;
}

/* Adds a segment to what is planned for the backend of its oldest copy that the limits of
 * the month allow then. False: they allow none. */
static bool plan_segment(const struct read_body *r, const struct store_segment *s,
                         struct usage_amounts *planned)
{
	struct range_in_segment w = wanted_of(r, s);
	bool known = false; /* without a backend that is configured limits are not the trouble */
	for (size_t i = 0; i < s->n_copies && i < COPIES_MAX; i++) {
		struct backend *b = backend_by_name(r->engine->backends, s->copies[i].backend);
		if (b && may_send(b, planned[b->index], w)) {
			planned[b->index].api++;
			planned[b->index].egress += w.last - w.first + 1;
			return true;
		}
		known = known || b;
	}
	return !known;
}

/* Whether the limits leave room for all segments together: an answer that has begun
 * cannot become a refusal. */
static bool is_affordable(const struct read_body *r)
{
	const struct store_version *v = r->version;
	struct usage_amounts *planned =
		ARENA_ARRAY(r->arena, struct usage_amounts, r->engine->backends->n);
	for (size_t i = r->segment; i < v->n_segments && v->segments[i].start < r->end; i++)
		if (v->segments[i].size > 0 && !plan_segment(r, &v->segments[i], planned))
			return false;
	return true;
}

enum err engine_read(struct engine *g, struct arena *a, const struct store_version *v,
                     uint64_t first, uint64_t last, struct body **out, const char **backend,
                     struct error *e)
{
	*backend = "";
	if (v->o.size == 0) {
		*out = body_of_memory("", 0);
		return ERR_OK;
	}
	if (!is_covered(v, first, last))
		return err_set(e, ERR_IO, "the catalogue's segments are not of the object's size");
	struct read_body *r = MEM_NEW(struct read_body);
	r->body.ops = &read_ops;
	r->body.size = last - first + 1;
	r->engine = g;
	r->arena = a;
	r->version = v;
	r->at = first;
	r->end = last + 1;
	enter_segment(r, 0);
	find_segment(r);
	r->long_read = r->end > segment_end(r);
	if (r->long_read) /* now: to open the first piece may take long, too */
		store_read_begins(g->store, v->o.generation);
	enum err err = !r->long_read || is_affordable(r) ? ensure_piece(r, e) : all_used_up(e);
	if (err != ERR_OK) {
		read_close(&r->body);
		return err;
	}
	*backend = r->backend;
	*out = &r->body;
	return ERR_OK;
}
