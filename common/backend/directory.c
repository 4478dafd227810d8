/* SPDX-License-Identifier: MIT
 *
 * The backend "directory": a local folder, on the loop's side. Everything that
 * may wait for a disk is done on offload threads; what the kernel has in memory
 * is opened and read here directly, which saves two thread switches.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend/dir_private.h"
#include "base/clock.h"
#include "base/mem.h"
#include "config/config.h"
#include "net/file_body.h"
#include "rt/offload.h"
#include "rt/task.h"

/* Bytes moved by one call on a thread: hashing and writing them takes about
 * 0.5 ms, the two switches 20 us. */
#define PIECE_SIZE ((size_t)256 * 1024)

/* Calls on threads at once: enough for a disk to put writes together, few enough
 * to be lost when it does not answer. */
#define PLACES 4

static struct directory *of(struct backend *b)
{
	return (struct directory *)b;
}

static enum err path_of(struct str key, char path[DIR_PATH_SIZE], struct error *e)
{
	return dir_path_of_key(key, path) ? ERR_OK
	                                  : err_set(e, ERR_TOO_LARGE, "the key is too long");
}

/* The whole of a job that has one step. What it has not begun is freed, and *job
 * is then NULL. */
static enum err run(struct directory *d, void (*fn)(void *job), void **job,
                    void (*release)(void *job), struct error *e)
{
	struct dir_job *j = *job;
	enum err r = dir_run(d, fn, job, release, e);

	if (r == ERR_OK && j->result == ERR_OK)
		return ERR_OK;
	if (r == ERR_OK) {
		*e = j->error;
		r = j->result;
	}
	if (*job != NULL)
		release(*job);
	*job = NULL;
	return r;
}

/* --- put ------------------------------------------------------------------ */

/* Fills the piece or reads to the end of the body. */
static enum err read_piece(struct backend_put *p, struct dir_write *w, uint64_t *left,
                           int64_t timeout, struct error *e)
{
	w->piece_n = 0;
	while (*left > 0 && w->piece_n < PIECE_SIZE) {
		size_t room = PIECE_SIZE - w->piece_n;
		ssize_t n = body_read(p->body, w->piece + w->piece_n,
		                      room < *left ? room : (size_t)*left, timeout, e);

		if (n == 0)
			err_set(e, ERR_PROTOCOL, "the body is shorter than its size");
		if (n <= 0) {
			p->source_failed = true;
			return e->code;
		}
		w->piece_n += (size_t)n;
		*left -= (uint64_t)n;
	}
	w->last = *left == 0;
	return ERR_OK;
}

/* Not ended by cancellation: a piece that is half-written is of no use. */
static enum err step(struct directory *d, void (*fn)(void *write), struct dir_write **w,
                     struct error *e)
{
	void *job = *w;
	enum err r;

	task_shield();
	r = dir_run(d, fn, &job, dir_write_withdraw, e);
	task_unshield();
	*w = job;
	return r;
}

static enum err write_body(struct directory *d, struct backend_put *p, struct dir_write **w,
                           struct error *e)
{
	uint64_t left = (*w)->size;
	bool last;
	enum err r;

	do {
		r = read_piece(p, *w, &left, d->base.timeout_us, e);
		last = left == 0;
		if (r == ERR_OK)
			r = step(d, dir_write_step, w, e);
		if (r == ERR_OK && (*w)->job.result != ERR_OK) {
			*e = (*w)->job.error;
			r = e->code;
		}
	} while (r == ERR_OK && !last);
	return r;
}

static bool is_unfinished(const struct dir_write *w, enum err r)
{
	return r == ERR_OK && !w->last;
}

/* One stretch after the other. */
static enum err copy_file(struct directory *d, struct dir_write **w, struct error *e)
{
	enum err r;

	do {
		if (task_is_cancelled())
			return err_set(e, ERR_CANCELED, "cancelled");
		r = step(d, dir_copy_step, w, e);
		if (r == ERR_OK && (*w)->job.result != ERR_OK) {
			*e = (*w)->job.error;
			r = e->code;
		}
	} while (is_unfinished(*w, r));
	return r;
}

/* The file of a write that has failed is closed on a thread: it may be large. */
static void end_write(struct directory *d, struct dir_write *w)
{
	struct error ignored;

	if (w != NULL && w->fd >= 0)
		step(d, dir_write_abort, &w, &ignored);
	if (w != NULL && w->fd >= 0)
		offload_later(d->lane, dir_write_free, w);
	else if (w != NULL)
		dir_write_free(w);
}

static struct dir_write *write_new(struct dir_root *root, const char *path, uint64_t size,
                                   const struct backend_put *p)
{
	struct dir_write *w = MEM_NEW(struct dir_write);

	w->job.root = root;
	w->size = size;
	w->fd = w->from = -1;
	memcpy(w->path, path, sizeof(w->path));
	dir_meta_write(&w->meta, p);
	if (!root->tmpfile)
		ulid_new(w->name);
	return w;
}

static enum err check_meta(const struct dir_write *w, struct error *e)
{
	if (w->meta.n + DIR_META_MD5 <= DIR_META_MAX)
		return ERR_OK;
	return err_set(e, ERR_TOO_LARGE, "%zu bytes of metadata", w->meta.n);
}

static enum err directory_put(struct backend *b, struct arena *a, struct backend_put *p,
                              struct error *e)
{
	struct directory *d = of(b);
	char path[DIR_PATH_SIZE];
	enum err r = path_of(p->key, path, e);
	struct dir_root *root;
	struct dir_write *w;

	(void)a;
	if (r == ERR_OK)
		r = dir_enter(d, &root, e);
	if (r != ERR_OK)
		return r;
	w = write_new(root, path, p->body->size, p);
	if (w->size == BODY_SIZE_UNKNOWN)
		r = err_set(e, ERR_INVALID, "a body of unknown size");
	else
		r = check_meta(w, e);
	if (r == ERR_OK) {
		w->piece = mem_alloc(w->size < PIECE_SIZE ? (size_t)w->size + 1 : PIECE_SIZE);
		r = write_body(d, p, &w, e);
	}
	p->sent_any = w == NULL || w->published;
	if (r == ERR_OK)
		memcpy(p->etag_md5, w->etag, sizeof(p->etag_md5));
	end_write(d, w);
	return r;
}

/* --- get and head --------------------------------------------------------- */

/* A file whose path and size the kernel has in memory (Linux 5.12), or -1. */
static int open_cached(const struct dir_root *root, const char *path, uint64_t *size)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_CACHED,
	};
	int fd = (int)syscall(SYS_openat2, root->objects, path, &how, sizeof(how));
	struct statx st;

	if (fd < 0)
		return -1;
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_SIZE, &st) == 0) {
		*size = st.stx_size;
		return fd;
	}
	close(fd);
	return -1;
}

/* Opens on a thread. ERR_OK: *out is to be freed. */
static enum err open_object(struct directory *d, struct dir_root *root, const char *path,
                            bool want_meta, struct dir_opening **out, struct error *e)
{
	struct dir_opening *o = MEM_NEW(struct dir_opening);
	void *job = o;
	enum err r;

	o->job.root = dir_root_use(root);
	o->want_meta = want_meta;
	o->fd = -1;
	memcpy(o->path, path, sizeof(o->path));
	r = run(d, dir_open_object, &job, dir_opening_free, e);
	*out = job;
	return r;
}

static enum err open_for_reading(struct directory *d, struct dir_root *root, const char *path,
                                 int *fd, uint64_t *size, struct error *e)
{
	struct dir_opening *o;
	enum err r;

	*fd = open_cached(root, path, size);
	if (*fd >= 0)
		return ERR_OK;
	r = open_object(d, root, path, false, &o, e);
	if (r != ERR_OK)
		return r;
	*fd = o->fd;
	*size = o->size;
	o->fd = -1;
	dir_opening_free(o);
	return ERR_OK;
}

/* --- copy ------------------------------------------------------------------ */

/* The source, if it is as large as it should be. */
static enum err open_source(struct directory *d, struct dir_write *w, struct str from,
                            struct error *e)
{
	char path[DIR_PATH_SIZE];
	uint64_t size;
	enum err r = path_of(from, path, e);

	if (r == ERR_OK)
		r = open_for_reading(d, w->job.root, path, &w->from, &size, e);
	if (r == ERR_OK && size != w->size)
		r = err_set(e, ERR_PROTOCOL, "the source has %llu bytes instead of %llu",
		            (unsigned long long)size, (unsigned long long)w->size);
	return r;
}

static enum err directory_copy(struct backend *b, struct arena *a, struct str from, uint64_t size,
                               struct backend_put *p, struct error *e)
{
	struct directory *d = of(b);
	char path[DIR_PATH_SIZE];
	enum err r = path_of(p->key, path, e);
	struct dir_root *root;
	struct dir_write *w;

	(void)a;
	if (r == ERR_OK)
		r = dir_enter(d, &root, e);
	if (r != ERR_OK)
		return r;
	w = write_new(root, path, size, p);
	r = check_meta(w, e);
	if (r == ERR_OK)
		r = open_source(d, w, from, e);
	if (r == ERR_OK)
		r = copy_file(d, &w, e);
	p->sent_any = w == NULL || w->published;
	end_write(d, w);
	return r;
}

/* --- ranges ---------------------------------------------------------------- */

static enum err range_of(const struct backend_get *g, uint64_t size, uint64_t *n, struct error *e)
{
	*n = size;
	if (!g->ranged)
		return ERR_OK;
	*n = g->last - g->first + 1;
	if (g->first >= size)
		return err_set(e, ERR_RANGE, "the object has only %llu bytes",
		               (unsigned long long)size);
	if (g->last >= size || g->last < g->first)
		return err_set(e, ERR_PROTOCOL, "the object has only %llu bytes",
		               (unsigned long long)size);
	return ERR_OK;
}

static enum err directory_get(struct backend *b, struct arena *a, struct backend_get *g,
                              struct error *e)
{
	struct directory *d = of(b);
	char path[DIR_PATH_SIZE];
	enum err r = path_of(g->key, path, e);
	struct dir_root *root;
	uint64_t n;
	int fd;

	(void)a;
	if (r == ERR_OK)
		r = dir_enter(d, &root, e);
	if (r != ERR_OK)
		return r;
	r = open_for_reading(d, root, path, &fd, &g->object_size, e);
	dir_root_drop(&root);
	if (r != ERR_OK)
		return r;
	r = range_of(g, g->object_size, &n, e);
	if (r != ERR_OK)
		close(fd);
	else
		g->body = file_body(fd, g->ranged ? g->first : 0, n, d->lane);
	return r;
}

static enum err directory_head(struct backend *b, struct arena *a, struct str key,
                               struct backend_info *out, struct error *e)
{
	char path[DIR_PATH_SIZE];
	enum err r = path_of(key, path, e);
	struct dir_root *root;
	struct dir_opening *o;

	*out = (struct backend_info){0};
	if (r == ERR_OK)
		r = dir_enter(of(b), &root, e);
	if (r != ERR_OK)
		return r;
	r = open_object(of(b), root, path, true, &o, e);
	dir_root_drop(&root);
	if (r != ERR_OK)
		return r;
	out->size = o->size;
	out->modified = o->modified;
	if (o->meta_n > 0)
		dir_meta_read(a, str_n(o->meta, o->meta_n), out);
	dir_opening_free(o);
	return ERR_OK;
}

/* --- remove and list ------------------------------------------------------ */

static enum err directory_remove(struct backend *b, struct arena *a, struct str key,
                                 struct error *e)
{
	char path[DIR_PATH_SIZE];
	enum err r = path_of(key, path, e);
	struct dir_root *root;
	struct dir_remove *remove;
	void *job;

	(void)a;
	if (r == ERR_OK)
		r = dir_enter(of(b), &root, e);
	if (r != ERR_OK)
		return r;
	job = remove = MEM_NEW(struct dir_remove);
	remove->job.root = root;
	memcpy(remove->path, path, sizeof(remove->path));
	task_shield();
	r = run(of(b), dir_remove, &job, dir_remove_free, e);
	task_unshield();
	if (r == ERR_OK)
		dir_remove_free(job);
	return r;
}

static struct dir_list *list_new(struct dir_root *root, const struct backend_list *l)
{
	struct dir_list *list = MEM_NEW(struct dir_list);

	list->job.root = root;
	list->max = l->max > 0 ? (size_t)l->max : 1;
	list->items = mem_alloc(list->max * sizeof(*list->items));
	buf_add_str(&list->prefix, l->prefix);
	buf_add_str(&list->after, l->after);
	return list;
}

static void take_list(struct arena *a, const struct dir_list *list, struct backend_list *l)
{
	struct str keys = arena_dup(a, buf_str(&list->keys));

	l->items = ARENA_ARRAY(a, struct backend_info, list->n);
	l->n_items = list->n;
	l->more = list->more;
	for (size_t i = 0; i < list->n; i++)
		l->items[i] = (struct backend_info){
			.key = str_n(keys.p + list->items[i].key, list->items[i].key_n),
			.size = list->items[i].size,
			.modified = list->items[i].modified,
		};
}

static enum err directory_list(struct backend *b, struct arena *a, struct backend_list *l,
                               struct error *e)
{
	struct dir_root *root;
	enum err r = dir_enter(of(b), &root, e);
	void *job;

	if (r != ERR_OK)
		return r;
	job = list_new(root, l);
	r = run(of(b), dir_list, &job, dir_list_free, e);
	if (r == ERR_OK) {
		take_list(a, job, l);
		dir_list_free(job);
	}
	return r;
}

/* --- life ----------------------------------------------------------------- */

static const char *directory_fault(const struct backend *b)
{
	const struct directory *d = (const struct directory *)b;

	return d->root == NULL && d->fault.text[0] != '\0' ? d->fault.text : NULL;
}

static void directory_free(struct backend *b)
{
	struct directory *d = of(b);

	if (d->opener != NULL)
		task_cancel(d->opener);
	wait_group_wait(&d->tasks, 0);
	dir_root_drop(&d->root);
	offload_lane_free(&d->lane);
	free(d);
}

struct backend *directory_new(struct store *store, int64_t timeout_us)
{
	static const struct backend_ops ops = {
		.put = directory_put,
		.copy = directory_copy,
		.get = directory_get,
		.head = directory_head,
		.remove = directory_remove,
		.list = directory_list,
		.fault = directory_fault,
		.free = directory_free,
	};
	struct directory *d = MEM_NEW(struct directory);

	d->base.ops = &ops;
	d->base.copy_max = UINT64_MAX;
	d->store = store;
	d->lane = offload_lane_new(PLACES, timeout_us);
	dir_open(d); /* the task runs when backend.c has filled in the rest */
	return &d->base;
}
