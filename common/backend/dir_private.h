/* SPDX-License-Identifier: MIT
 *
 * What the files of the directory backend share. Functions named dir_ block and
 * run on offload threads: they must not use the loop, nor log.
 *
 *     <path>/objects/   the objects, see dir_path.h
 *     <path>/tmp/       files being written, where the file system has no
 *                       O_TMPFILE; leftovers are removed when they are old
 *
 * An object is a file with the attribute user.s3o.meta, see dir_meta.c.
 */
#ifndef BACKEND_DIR_PRIVATE_H
#define BACKEND_DIR_PRIVATE_H

#include <dirent.h>
#include "backend/backend.h"
#include "backend/backend_private.h"
#include "backend/dir_path.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/digest.h"

struct directory {
	struct backend base;
	int objects, tmp; /* open directories */
	bool tmpfile;     /* O_TMPFILE works */
};

/* The error of a system call; errno is still as it left it. */
enum err dir_error(struct error *e, const char *what, const char *path);
/* Was an open directory removed? */
bool dir_is_gone(int dir);
/* The error for a file that is not there: ERR_NOT_FOUND, unless the whole backend
 * is gone. */
enum err dir_absent(const struct directory *d, struct error *e);

/* --- dir_file.c: whole objects -------------------------------------------- */

struct dir_write {
	/* in */
	const struct directory *d;
	const char *path;
	uint64_t size;
	struct str meta;
	const char *piece; /* the next bytes */
	size_t piece_n;
	bool last;
	char name[ULID_SIZE]; /* in tmp/; "": O_TMPFILE */
	/* state */
	int fd; /* -1 at first */
	struct digest *md5;
	/* out */
	bool published; /* the object is there, durable or not */
	char etag[2 * MD5_SIZE + 1];
	enum err result;
	struct error error;
};
/* Writes one piece; the first call creates the file, the last one puts it in its
 * place, durably. After a failure nothing is left of it. */
void dir_write_step(void *write);
/* Ends a write that will not be completed. Fine after any step. */
void dir_write_abort(void *write);

struct dir_remove {
	const struct directory *d;
	char *path; /* changed */
	enum err result;
	struct error error;
};
void dir_remove(void *remove);

/* --- dir_meta.c: the attribute -------------------------------------------- */

#define DIR_META_NAME "user.s3o.meta"
/* ext4 keeps all attributes of a file in one block of 4 KiB. */
#define DIR_META_MAX 3500

void dir_meta_write(struct buf *out, const struct backend_put *p);
/* Unreadable lines are left out. Everything is copied into the arena. */
void dir_meta_read(struct arena *a, struct str text, struct backend_info *out);

/* --- dir_list.c: listing -------------------------------------------------- */

struct dir_listed {
	size_t key, key_n; /* in dir_list.keys */
	uint64_t size;
	int64_t modified;
};
struct dir_list {
	const struct directory *d;
	struct str prefix, after;
	size_t max;
	/* out */
	struct buf keys;
	struct dir_listed *items; /* room for max, by the caller */
	size_t n;
	bool more;
	enum err result;
	struct error error;
};
void dir_list(void *list);

#endif
