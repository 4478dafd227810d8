/* SPDX-License-Identifier: MIT
 *
 * What the files of the directory backend share. Functions named dir_ with a
 * pointer to void block and run on offload threads: they must not use the loop,
 * nor log. What they work on is a job on the heap, because a disk that does not
 * answer makes its task give it up.
 *
 *     directory.c   the calls          dir_open.c     opening, on the loop's side
 *     dir_file.c    whole objects      dir_folder.c   opening, on a thread
 *     dir_copy.c    copies of them     dir_meta.c     the attribute
 *     dir_list.c    listing            dir_path.c     names
 *
 *     <path>/objects/     the objects, see dir_path.h
 *     <path>/tmp/         files being written, where the file system has no
 *                         O_TMPFILE; leftovers are removed when they are old
 *     <path>/s3o-folder   which folder this is
 *
 * An object is a file with the attribute user.s3o.meta, see dir_meta.c.
 */
#ifndef BACKEND_DIR_PRIVATE_H
#define BACKEND_DIR_PRIVATE_H

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include "backend/backend.h"
#include "backend/backend_private.h"
#include "backend/dir_path.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/digest.h"
#include "rt/sync.h"

struct offload_lane;

/* A directory below objects/, told from one that had its name or its inode number
 * before. */
struct dir_identity {
	uint64_t inode;
	int64_t born; /* nanoseconds since 1970; 0: unknown to the file system */
};

/* Enough for the directories that are written to at a time, in 64 KiB. */
#define DIR_LASTING_MAX 4096

/* An open folder, counted: each job has a reference. */
struct dir_root {
	_Atomic unsigned users;
	int objects, tmp; /* open directories */
	bool tmpfile;     /* O_TMPFILE works */
	/* Directories that this process has synced up to the top, by hash; a new one
	 * takes the place of another. */
	pthread_mutex_t lock;
	struct dir_identity lasting[DIR_LASTING_MAX];
};
struct dir_root *dir_root_use(struct dir_root *r);
void dir_root_drop(struct dir_root **r);

struct directory {
	struct backend base;
	struct offload_lane *lane;
	struct store *store;   /* NULL: whatever folder is there is the right one */
	struct dir_root *root; /* NULL: not open */
	struct error fault;    /* why not; no text: not known yet */
	struct task *opener;   /* tries until it is open */
	struct wait_group tasks;
	struct notify tried;
};

/* What all jobs begin with. */
struct dir_job {
	struct dir_root *root;
	enum err result;
	struct error error;
};

/* Runs a step of a job on a thread. ERR_OK: it has been run, whatever its result.
 * Else it was not begun; or *job is NULL, because it goes on without us, and is
 * freed by release(). Ended by cancellation unless the task is shielded. */
enum err dir_run(struct directory *d, void (*fn)(void *job), void **job, void (*release)(void *job),
                 struct error *e);

/* The error of a system call; errno is still as it left it. */
enum err dir_error(struct error *e, const char *what, const char *path);
/* Was an open directory removed? */
bool dir_is_gone(int dir);
/* The error for a file that is not there: ERR_NOT_FOUND, unless the whole backend
 * is gone. */
enum err dir_absent(const struct dir_root *r, struct error *e);

/* --- dir_open.c: opening, on the loop's side ------------------------------- */

/* How each call begins: the folder, to be dropped, and a request is counted. Waits for
 * the end of the first attempt to open it, at most for the backend's timeout. */
enum err dir_enter(struct directory *d, struct dir_root **out, struct error *e);
/* Starts the task that opens it. */
void dir_open(struct directory *d);

/* --- dir_folder.c: opening, on a thread ------------------------------------ */

#define DIR_ID_SIZE 64

struct dir_folder {
	struct dir_job job; /* its root: made by dir_folder_open */
	char path[DIR_PATH_SIZE];
	bool is_first_use;    /* it may be made, and get an identity */
	bool in_use;          /* has objects */
	char id[DIR_ID_SIZE]; /* "": none */
};
/* Finds id and in_use of what is there, which may be nothing. Changes nothing. */
void dir_folder_look(void *folder);
/* Opens it, provided that it still has that id, or makes it on first use; and
 * tries out whether it can hold objects. */
void dir_folder_open(void *folder);
void dir_folder_free(void *folder);

/* --- dir_file.c: whole objects -------------------------------------------- */

struct dir_write {
	struct dir_job job;
	/* in */
	char path[DIR_PATH_SIZE];
	uint64_t size;
	struct buf meta;
	char *piece; /* the next bytes */
	size_t piece_n;
	bool last;
	char name[ULID_SIZE]; /* in tmp/; "": O_TMPFILE */
	int from;             /* the source of a copy, else -1 */
	/* state */
	int fd;             /* -1 at first */
	struct digest *md5; /* NULL of a copy */
	uint64_t unsynced;  /* bytes */
	uint64_t copied;    /* bytes */
	/* out */
	bool published;              /* the object is there, durable or not */
	char etag[2 * MD5_SIZE + 1]; /* "" of a copy: its bytes were not seen */
};
/* Writes one piece; the first call creates the file, the last one puts it in its
 * place, durably. After a failure nothing is left of it. */
void dir_write_step(void *write);
/* The steps that both kinds of writes have, with their result in the job: the file,
 * what is brought to the disk from time to time, and the place. */
enum err dir_write_begin(struct dir_write *w);
enum err dir_write_sync(struct dir_write *w, uint64_t n);
enum err dir_write_finish(struct dir_write *w);
/* Ends a write that will not be completed. Fine after any step. */
void dir_write_abort(void *write);
void dir_write_free(void *write);
/* The same when the task has given up: nobody will ever ask for the object. */
void dir_write_withdraw(void *write);

/* --- dir_copy.c: copies of objects ----------------------------------------- */

/* Copies a stretch from w->from, which is closed with w; w->last: it was the last one.
 * ERR_UNSUPPORTED: this file system does not. Else as dir_write_step(). */
void dir_copy_step(void *write);

struct dir_opening {
	struct dir_job job;
	char path[DIR_PATH_SIZE];
	bool want_meta;
	/* out */
	int fd;
	uint64_t size;
	int64_t modified;
	size_t meta_n;
	char *meta;
};
void dir_open_object(void *opening);
void dir_opening_free(void *opening);

struct dir_remove {
	struct dir_job job;
	char path[DIR_PATH_SIZE]; /* changed */
};
void dir_remove(void *remove);
void dir_remove_free(void *remove);

/* --- dir_meta.c: the attribute -------------------------------------------- */

#define DIR_META_NAME "user.s3o.meta"
/* ext4 keeps all attributes of a file in one block of 4 KiB. */
#define DIR_META_MAX 3500
/* Of this the line that is added when all bytes have been written. */
#define DIR_META_MD5 (sizeof("md5=\n") - 1 + 2 * MD5_SIZE)

void dir_meta_write(struct buf *out, const struct backend_put *p);
void dir_meta_add_md5(struct buf *out, const char *hex);
/* Unreadable lines are left out. Everything is copied into the arena. */
void dir_meta_read(struct arena *a, struct str text, struct backend_info *out);

/* --- dir_list.c: listing -------------------------------------------------- */

struct dir_listed {
	size_t key, key_n; /* in dir_list.keys */
	uint64_t size;
	int64_t modified;
};
struct dir_list {
	struct dir_job job;
	struct buf prefix, after;
	size_t max;
	/* out */
	struct buf keys;
	struct dir_listed *items; /* room for max */
	size_t n;
	bool more;
};
void dir_list(void *list);
void dir_list_free(void *list);

#endif
