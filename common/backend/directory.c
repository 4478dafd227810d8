/* SPDX-License-Identifier: MIT
 *
 * The backend "directory": a local folder, on the loop's side. Everything that
 * may wait for a disk is done on offload threads; what the kernel has in memory
 * is opened and read here directly, which saves two thread switches.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "backend/dir_private.h"
#include "base/clock.h"
#include "base/mem.h"
#include "config/config.h"
#include "net/file_body.h"
#include "rt/task.h"

/* Bytes moved by one call on a thread: hashing and writing them takes about
 * 0.5 ms, the two switches 20 us. */
#define PIECE_SIZE ((size_t)256 * 1024)

/* A file in tmp/ that has not been written to for so long was left by a process
 * that died. */
#define LEFTOVER_AGE 3600 /* seconds */

static struct directory *of(struct backend *b)
{
	return (struct directory *)b;
}

static enum err run(void (*fn)(void *arg), void *arg, struct error *e)
{
	return task_offload(fn, arg) < 0 ? err_set(e, ERR_IO, "no thread can be started") : ERR_OK;
}

static enum err path_of(struct str key, char path[DIR_PATH_SIZE], struct error *e)
{
	return dir_path_of_key(key, path) ? ERR_OK
	                                  : err_set(e, ERR_TOO_LARGE, "the key is too long");
}

/* --- put ------------------------------------------------------------------ */

/* Fills buf or reads to the end of the body. */
static enum err read_piece(struct backend_put *p, char *buf, struct dir_write *w, uint64_t *left,
                           int64_t timeout, struct error *e)
{
	w->piece_n = 0;
	while (w->piece_n<PIECE_SIZE && * left> 0) {
		size_t room = PIECE_SIZE - w->piece_n;
		ssize_t n = body_read(p->body, buf + w->piece_n,
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
	w->piece = buf;
	w->last = *left == 0;
	return ERR_OK;
}

static enum err write_body(struct backend *b, struct backend_put *p, struct dir_write *w,
                           struct error *e)
{
	uint64_t left = p->body->size;
	char *buf = mem_alloc(left < PIECE_SIZE ? (size_t)left + 1 : PIECE_SIZE);
	enum err r;

	do {
		r = read_piece(p, buf, w, &left, b->timeout_us, e);
		if (r == ERR_OK)
			r = run(dir_write_step, w, e);
		if (r == ERR_OK && w->result != ERR_OK) {
			*e = w->error;
			r = w->result;
		}
	} while (r == ERR_OK && !w->last);
	free(buf);
	return r;
}

static enum err directory_put(struct backend *b, struct arena *a, struct backend_put *p,
                              struct error *e)
{
	char path[DIR_PATH_SIZE];
	BUF_AUTO meta = {0};
	struct dir_write w = {.d = of(b), .path = path, .size = p->body->size, .fd = -1};
	enum err r = path_of(p->key, path, e);

	(void)a;
	if (r != ERR_OK)
		return r;
	if (p->body->size == BODY_SIZE_UNKNOWN)
		return err_set(e, ERR_INVALID, "a body of unknown size");
	dir_meta_write(&meta, p);
	if (meta.n > DIR_META_MAX)
		return err_set(e, ERR_TOO_LARGE, "%zu bytes of metadata", meta.n);
	w.meta = buf_str(&meta);
	if (!of(b)->tmpfile)
		ulid_new(w.name);
	r = write_body(b, p, &w, e);
	if (r != ERR_OK)
		run(dir_write_abort, &w, NULL);
	p->sent_any = w.published;
	if (r == ERR_OK)
		memcpy(p->etag_md5, w.etag, sizeof(p->etag_md5));
	return r;
}

/* --- get and head --------------------------------------------------------- */

struct opening {
	const struct directory *d;
	const char *path;
	int fd;
	int error; /* errno */
	struct stat st;
	char *meta; /* room for DIR_META_MAX bytes, or NULL: not wanted */
	ssize_t meta_n;
};

static void open_file(void *arg)
{
	struct opening *o = arg;

	o->fd = openat(o->d->objects, o->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	o->error = errno;
	if (o->fd < 0)
		return;
	if (fstat(o->fd, &o->st) == 0 && o->meta != NULL)
		o->meta_n = fgetxattr(o->fd, DIR_META_NAME, o->meta, DIR_META_MAX);
}

/* Opens a file whose path the kernel has in memory (Linux 5.12); else -1, and
 * only ENOENT is to be believed. */
static int open_cached(const struct directory *d, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_CACHED,
	};

	return (int)syscall(SYS_openat2, d->objects, path, &how, sizeof(how));
}

static enum err open_object(struct opening *o, struct error *e)
{
	enum err r;

	o->fd = o->meta != NULL ? -1 : open_cached(o->d, o->path);
	if (o->fd >= 0) {
		if (fstat(o->fd, &o->st) == 0) /* of an open file: no disk is touched */
			return ERR_OK;
		close(o->fd);
	}
	r = run(open_file, o, e);
	if (r != ERR_OK || o->fd >= 0)
		return r;
	errno = o->error;
	return errno == ENOENT ? dir_absent(o->d, e) : dir_error(e, "open", o->path);
}

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
	char path[DIR_PATH_SIZE];
	struct opening o = {.d = of(b), .path = path};
	enum err r = path_of(g->key, path, e);
	uint64_t n;

	(void)a;
	if (r == ERR_OK)
		r = open_object(&o, e);
	if (r != ERR_OK)
		return r;
	g->object_size = (uint64_t)o.st.st_size;
	r = range_of(g, g->object_size, &n, e);
	if (r != ERR_OK)
		close(o.fd);
	else
		g->body = file_body(o.fd, g->ranged ? g->first : 0, n);
	return r;
}

static enum err directory_head(struct backend *b, struct arena *a, struct str key,
                               struct backend_info *out, struct error *e)
{
	char path[DIR_PATH_SIZE], meta[DIR_META_MAX];
	struct opening o = {.d = of(b), .path = path, .meta = meta};
	enum err r = path_of(key, path, e);

	*out = (struct backend_info){0};
	if (r == ERR_OK)
		r = open_object(&o, e);
	if (r != ERR_OK)
		return r;
	close(o.fd);
	out->size = (uint64_t)o.st.st_size;
	out->modified = o.st.st_mtim.tv_sec * CLOCK_SEC + o.st.st_mtim.tv_nsec / 1000;
	if (o.meta_n > 0)
		dir_meta_read(a, str_n(meta, (size_t)o.meta_n), out);
	return ERR_OK;
}

/* --- remove and list ------------------------------------------------------ */

static enum err directory_remove(struct backend *b, struct arena *a, struct str key,
                                 struct error *e)
{
	char path[DIR_PATH_SIZE];
	struct dir_remove call = {.d = of(b), .path = path};
	enum err r = path_of(key, path, e);

	(void)a;
	if (r == ERR_OK)
		r = run(dir_remove, &call, e);
	if (r == ERR_OK && call.result != ERR_OK) {
		r = call.result;
		*e = call.error;
	}
	return r;
}

static enum err directory_list(struct backend *b, struct arena *a, struct backend_list *l,
                               struct error *e)
{
	struct dir_list call = {.d = of(b), .prefix = l->prefix, .after = l->after};
	enum err r;

	call.max = l->max > 0 ? (size_t)l->max : 1;
	call.items = ARENA_ARRAY(a, struct dir_listed, call.max);
	r = run(dir_list, &call, e);
	if (r == ERR_OK && call.result != ERR_OK) {
		r = call.result;
		*e = call.error;
	}
	if (r == ERR_OK) {
		struct str keys = arena_dup(a, buf_str(&call.keys));

		l->items = ARENA_ARRAY(a, struct backend_info, call.n);
		l->n_items = call.n;
		l->more = call.more;
		for (size_t i = 0; i < call.n; i++)
			l->items[i] = (struct backend_info){
				.key = str_n(keys.p + call.items[i].key, call.items[i].key_n),
				.size = call.items[i].size,
				.modified = call.items[i].modified,
			};
	}
	buf_free(&call.keys);
	return r;
}

/* --- opening -------------------------------------------------------------- */

static int make_path(const char *path)
{
	char copy[DIR_PATH_SIZE];

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (char *p = copy + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return -1;
		*p = '/';
	}
	return mkdir(copy, 0750) < 0 && errno != EEXIST ? -1 : 0;
}

static int open_inside(int base, const char *name)
{
	if (mkdirat(base, name, 0750) < 0 && errno != EEXIST)
		return -1;
	return openat(base, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void remove_leftovers(int tmp)
{
	DIR *d = fdopendir(openat(tmp, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *entry;
	struct stat st;

	if (d == NULL)
		return;
	while ((entry = readdir(d)) != NULL)
		if (fstatat(tmp, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && time(NULL) - st.st_mtime > LEFTOVER_AGE)
			unlinkat(tmp, entry->d_name, 0);
	closedir(d);
}

/* Can what O_TMPFILE makes be given a name? Not on NFS and some overlays. */
static bool tmpfile_works(int tmp)
{
	int fd = openat(tmp, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);
	char self[64], name[ULID_SIZE];
	bool works;

	if (fd < 0)
		return false;
	ulid_new(name);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	works = linkat(AT_FDCWD, self, tmp, name, AT_SYMLINK_FOLLOW) == 0;
	unlinkat(tmp, name, 0);
	close(fd);
	return works;
}

/* Writable, with attributes and hard links? NULL, or what failed, with errno. */
static const char *probe(int tmp)
{
	char name[ULID_SIZE], second[ULID_SIZE];
	const char *failed = NULL;
	int fd;

	ulid_new(name);
	ulid_new(second);
	fd = openat(tmp, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0640);
	if (fd < 0)
		return "it is not writable";
	if (fsetxattr(fd, DIR_META_NAME, "probe", 5, 0) < 0)
		failed = "it cannot hold extended attributes";
	else if (linkat(tmp, name, tmp, second, 0) < 0)
		failed = "it cannot hold hard links";
	int why = errno;
	unlinkat(tmp, second, 0);
	unlinkat(tmp, name, 0);
	close(fd);
	errno = why;
	return failed;
}

static enum err prepare(struct directory *d, const struct config_backend *c, struct error *e)
{
	int base = make_path(c->path) < 0 ? -1 : open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *failed = NULL;

	if (base < 0)
		return err_set(e, ERR_IO, "backend %s: path %s: %m", c->name, c->path);
	d->objects = open_inside(base, "objects");
	d->tmp = d->objects < 0 ? -1 : open_inside(base, "tmp");
	if (d->tmp < 0)
		failed = "cannot make its folders";
	else
		failed = probe(d->tmp);
	if (failed != NULL)
		err_set(e, ERR_IO, "backend %s: path %s: %s: %m", c->name, c->path, failed);
	else
		fsync(base); /* an error would come again with the first object */
	close(base);
	if (failed != NULL)
		return ERR_IO;
	remove_leftovers(d->tmp);
	d->tmpfile = tmpfile_works(d->tmp);
	return ERR_OK;
}

static void directory_free(struct backend *b)
{
	struct directory *d = of(b);

	if (d->objects >= 0)
		close(d->objects);
	if (d->tmp >= 0)
		close(d->tmp);
	free(d);
}

enum err directory_open(const struct config_backend *c, struct backend **out, struct error *e)
{
	static const struct backend_ops ops = {
		.put = directory_put,
		.get = directory_get,
		.head = directory_head,
		.remove = directory_remove,
		.list = directory_list,
		.free = directory_free,
	};
	struct directory *d = MEM_NEW(struct directory);
	enum err r;

	d->base.ops = &ops;
	d->objects = d->tmp = -1;
	r = prepare(d, c, e);
	if (r == ERR_OK)
		*out = &d->base;
	else
		directory_free(&d->base);
	return r;
}
