/* SPDX-License-Identifier: MIT
 *
 * A spool holds the body of one upload so that it can be sent again to another
 * backend: in memory up to a threshold, and as long as the child's budget lasts;
 * beyond either in an unlinked temporary file, so that nothing is left behind by a
 * crash. The block in which bytes wait for the file is charged to the budget, too,
 * and small when that is spent. Bytes are written once, front to back, and may be
 * read several times, also while they are still being written: a reader that has
 * caught up waits. The last block is given to readers only after spool_seal(),
 * which the writer calls when every digest and signature has been verified; so an
 * upload that turns out to be wrong can never be complete anywhere.
 */
#ifndef OBJECT_SPOOL_H
#define OBJECT_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "net/body.h"

struct spool;

/* Memory for bodies, shared by the requests of one child. */
struct spool_budget {
	uint64_t limit, used; /* bytes */
	uint64_t threshold;   /* of one body */
	const char *dir;      /* for temporary files */
};

/* size is the announced number of bytes. */
struct spool *spool_new(struct spool_budget *b, uint64_t size);
/* For a body whose size nobody knows before its end: at most max bytes. Memory is taken
 * as it grows, up to the threshold and while the budget lasts; then all of it goes on in
 * a file. It ends with spool_end(); until then it cannot be read. */
struct spool *spool_new_open(struct spool_budget *b, uint64_t max);
/* No more bytes will come: what was written is the size. May wait for the disk, with the
 * errors of spool_commit(). Before spool_seal(), and for open spools only. */
enum err spool_end(struct spool *s, struct error *e);
/* May wait while a large file is closed. */
void spool_free(struct spool **s);

/* Where the next bytes may be written: *p is at least 1 byte, at most *n bytes
 * long, inside the spool (memory) or a block to be written to the file. Fill it
 * and say how much with spool_commit(), which may wait for the disk; so does
 * spool_space() once, when an open spool leaves memory. ERR_NO_SPACE: the disk is
 * full; ERR_TOO_LARGE: more than the announced size, or max. */
enum err spool_space(struct spool *s, void **p, size_t *n, struct error *e);
enum err spool_commit(struct spool *s, size_t n, struct error *e);

/* All bytes are there and verified (written == size), or the upload failed:
 * readers then get an error. */
void spool_seal(struct spool *s);
void spool_fail(struct spool *s, enum err why);

uint64_t spool_size(const struct spool *s);
bool spool_in_memory(const struct spool *s, const void **p); /* all of it in one piece */

/* A body over the whole spool, which must outlive it. */
struct body *spool_body(struct spool *s);

#endif
