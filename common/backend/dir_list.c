/* SPDX-License-Identifier: MIT
 *
 * Listing keys in byte order from directories that have no order and any size.
 *
 * Of each directory only the least names that matter are kept (a selection),
 * gone into in order, and the directory is read again from there if they were
 * not enough. What all levels together may keep is bounded.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/dir_private.h"
#include "base/clock.h"
#include "base/mem.h"

/* Names kept at once over all levels, about 2 MiB; a level takes at most half of
 * what is left, and SELECTION_MIN when nothing is. */
#define NAMES_MAX     16384
#define SELECTION_MIN 16

struct entry {
	enum dir_name_kind kind;
	size_t text_n;
	char *text; /* what it adds to the key */
	char name[];
};

struct selection {
	struct entry **list; /* in order of text */
	size_t n, max;
	bool more; /* some were left out */
};

struct walk {
	struct dir_list *l;
	struct buf path; /* of the current directory, terminated; "" is the top */
	struct buf key;  /* what it adds to keys */
	size_t names_left;
	bool done;
};

static struct str text_of(const struct entry *e)
{
	return str_n(e->text, e->text_n);
}

static struct entry *entry_new(enum dir_name_kind kind, const char *name, struct str text)
{
	size_t name_n = strlen(name) + 1;
	struct entry *e = mem_alloc(sizeof(*e) + name_n + text.n);

	e->kind = kind;
	e->text_n = text.n;
	e->text = e->name + name_n;
	memcpy(e->name, name, name_n);
	memcpy(e->text, text.p, text.n);
	return e;
}

/* --- selections ----------------------------------------------------------- */

static void selection_clear(struct selection *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->list[i]);
	s->n = 0;
	s->more = false;
}

/* Texts of one directory differ, so the order is total. */
static size_t position(const struct selection *s, struct str text)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (str_cmp(text_of(s->list[middle]), text) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void selection_add(struct selection *s, enum dir_name_kind kind, const char *name,
                          struct str text)
{
	size_t at = position(s, text);

	if (s->n == s->max) {
		s->more = true;
		if (at == s->n)
			return;
		free(s->list[--s->n]);
	}
	memmove(&s->list[at + 1], &s->list[at], (s->n - at) * sizeof(*s->list));
	s->list[at] = entry_new(kind, name, text);
	s->n++;
}

/* --- what is of interest -------------------------------------------------- */

/* Can this key, or for a directory a key that begins with it, be asked for? */
static bool matters(const struct dir_list *l, enum dir_name_kind kind, struct str key)
{
	struct str prefix = buf_str(&l->prefix), after = buf_str(&l->after);

	if (kind == DIR_NAME_OBJECT)
		return str_starts(key, prefix) && str_cmp(key, after) > 0;
	return (str_starts(key, prefix) || str_starts(prefix, key)) &&
	       (str_starts(after, key) || str_cmp(key, after) > 0);
}

static void consider(struct walk *w, struct selection *s, struct str last, const char *name)
{
	char text[DIR_TEXT_SIZE];
	size_t n, base = w->key.n;
	enum dir_name_kind kind = dir_name_parse(name, text, &n);
	bool wanted;

	if (kind == DIR_NAME_FOREIGN)
		return;
	if (last.p != NULL && str_cmp(str_n(text, n), last) <= 0)
		return;
	buf_add(&w->key, text, n);
	wanted = matters(w->l, kind, buf_str(&w->key));
	w->key.n = base;
	if (wanted)
		selection_add(s, kind, name, str_n(text, n));
}

static enum err list_error(struct walk *w, const char *what)
{
	return w->l->job.result = dir_error(&w->l->job.error, what, w->path.p);
}

/* Fills the selection with the least names after last (p == NULL: from the
 * start). */
static enum err read_directory(struct walk *w, struct selection *s, struct str last)
{
	const char *path = w->path.n > 1 ? w->path.p : ".";
	int fd = openat(w->l->job.root->objects, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;
	DIR *d;

	/* removed meanwhile, or a foreign file or tree */
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG))
		return ERR_OK;
	if (fd < 0)
		return list_error(w, "open");
	d = fdopendir(fd);
	if (d == NULL) {
		close(fd);
		return list_error(w, "open");
	}
	while (errno = 0, (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			consider(w, s, last, e->d_name);
	if (errno != 0)
		list_error(w, "read");
	closedir(d);
	return w->l->job.result;
}

/* --- the walk ------------------------------------------------------------- */

/* The path always ends with a NUL that counts. */
static void path_enter(struct walk *w, const char *name)
{
	w->path.n--;
	buf_add_cstr(&w->path, name);
	buf_add(&w->path, "/", 2);
}

static void path_cut(struct walk *w, size_t n)
{
	w->path.n = n;
	w->path.p[n - 1] = '\0';
}

static void take_object(struct walk *w, const struct entry *e)
{
	size_t base = w->path.n, start;
	struct dir_list *l = w->l;
	struct stat st;
	int r;

	path_enter(w, e->name);
	w->path.p[w->path.n - 2] = '\0'; /* no slash */
	r = fstatat(l->job.root->objects, w->path.p, &st, AT_SYMLINK_NOFOLLOW);
	path_cut(w, base);
	if (r < 0 && errno != ENOENT)
		list_error(w, "stat");
	if (r < 0 || !S_ISREG(st.st_mode))
		return;
	if (l->n == l->max) {
		l->more = w->done = true;
		return;
	}
	start = l->keys.n;
	buf_add_str(&l->keys, buf_str(&w->key));
	buf_add_str(&l->keys, text_of(e));
	l->items[l->n++] = (struct dir_listed){
		.key = start,
		.key_n = l->keys.n - start,
		.size = (uint64_t)st.st_size,
		.modified = st.st_mtim.tv_sec * CLOCK_SEC + st.st_mtim.tv_nsec / 1000,
	};
}

static void walk_directory(struct walk *w);

static void take_directory(struct walk *w, const struct entry *e)
{
	size_t path_n = w->path.n, key_n = w->key.n;

	path_enter(w, e->name);
	buf_add_str(&w->key, text_of(e));
	walk_directory(w);
	path_cut(w, path_n);
	w->key.n = key_n;
}

static size_t selection_size(const struct walk *w)
{
	size_t wanted = w->l->max - w->l->n + 1, fair = w->names_left / 2;

	if (fair < SELECTION_MIN)
		fair = SELECTION_MIN;
	return wanted < fair ? wanted : fair;
}

/* As deep as keys have slashes, about 1,000 levels of less than 1 KiB each on a
 * thread's stack. */
static void walk_directory(struct walk *w)
{
	struct selection s = {.max = selection_size(w)};
	size_t taken = s.max < w->names_left ? s.max : w->names_left;
	struct str last = STR_NULL;
	BUF_AUTO last_text = {0};
	bool again = true;

	s.list = mem_alloc((s.max + 1) * sizeof(*s.list));
	w->names_left -= taken;
	while (again && !w->done && read_directory(w, &s, last) == ERR_OK) {
		for (size_t i = 0; i < s.n && !w->done && w->l->job.result == ERR_OK; i++) {
			if (s.list[i]->kind == DIR_NAME_OBJECT)
				take_object(w, s.list[i]);
			else
				take_directory(w, s.list[i]);
		}
		again = s.more && w->l->job.result == ERR_OK;
		if (again) {
			last_text.n = 0;
			buf_add_str(&last_text, text_of(s.list[s.n - 1]));
			last = str_n(last_text.n > 0 ? last_text.p : "", last_text.n);
		}
		selection_clear(&s);
	}
	selection_clear(&s);
	w->names_left += taken;
	free(s.list);
}

void dir_list(void *list)
{
	struct walk w = {.l = list, .names_left = NAMES_MAX};

	if (dir_is_gone(w.l->job.root->objects)) {
		w.l->job.result = dir_absent(w.l->job.root, &w.l->job.error);
		return;
	}
	buf_add(&w.path, "", 1);
	walk_directory(&w);
	buf_free(&w.path);
	buf_free(&w.key);
}

void dir_list_free(void *list)
{
	struct dir_list *l = list;

	dir_root_drop(&l->job.root);
	buf_free(&l->prefix);
	buf_free(&l->after);
	buf_free(&l->keys);
	free(l->items);
	free(l);
}
