/* SPDX-License-Identifier: MIT
 *
 * One page of a listing: which keys of an ordered stream become entries, which
 * are rolled up into common prefixes, where to read on, when the page is full.
 * No I/O: the caller reads keys from the catalogue and feeds them.
 *
 *     while (!l.done) {
 *             rows = keys >= l.from and (l.until empty or < l.until),
 *                    byte order, at most listing_want(&l)
 *             for each row: switch (listing_feed(&l, row.key)) ... until l.done
 *             if there were fewer rows than wanted: listing_end(&l)
 *     }
 *
 * After LISTING_GROUP l.from lies behind the whole group: the rest of its rows may be
 * fed, thrown away or never read, so a page need not cost more than its entries,
 * however large the groups are.
 */
#ifndef S3PROTO_LISTING_H
#define S3PROTO_LISTING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "net/uri.h"

#define LISTING_MAX_KEYS 1000 /* entries of a page, default and limit, as in S3 */

enum listing_step {
	LISTING_KEY,   /* the key is an entry */
	LISTING_GROUP, /* l->group is a common prefix */
	LISTING_SKIP,  /* nothing: before l->from */
	LISTING_FULL,  /* nothing: the page was full and there is more; done */
};

struct listing {
	/* for the query */
	struct str from;  /* the least key that is of interest */
	struct str until; /* keys from here on lack the prefix; empty: no upper bound */
	/* result */
	bool done;
	bool truncated;
	size_t count;     /* entries and common prefixes so far */
	struct str group; /* the last common prefix, valid after LISTING_GROUP */
	struct str last;  /* the last entry or common prefix: the cursor of the next page */
	/* private */
	struct arena *arena;
	struct str prefix, delimiter;
	size_t limit;
};

/* Starts a page of at most limit entries (0 gives an empty page that is done at
 * once). after is exclusive, empty for the beginning. after_is_cursor says that it
 * is a marker or from a token: then a group in which it lies, or which it names,
 * was told on an earlier page and is passed over as a whole. The strings must
 * outlive l. */
void listing_init(struct listing *l, struct arena *a, struct str prefix, struct str delimiter,
                  struct str after, bool after_is_cursor, size_t limit);

/* Rows worth reading next: what the page still holds, and one more to see whether it is
 * truncated. */
size_t listing_want(const struct listing *l);

/* The next key, greater than the one before. It must outlive l. */
enum listing_step listing_feed(struct listing *l, struct str key);

/* The same for one more entry of a key that has been an entry: uploads share keys. */
enum listing_step listing_repeat(struct listing *l, struct str key);

/* There are no more keys. */
void listing_end(struct listing *l);

/* The least string that is greater than every string beginning with s, as valid
 * UTF-8 (s is); empty when there is none. */
struct str listing_successor(struct arena *a, struct str s);

/* The same for the keys among those strings, which have at most PATH_KEY_MAX bytes: never
 * empty. A greater key that does not begin with s is not less than it either. */
struct str listing_behind(struct arena *a, struct str s);

/* Tokens are opaque to clients: base64url of a version byte and the cursor. */
void listing_token_encode(struct buf *b, struct str cursor);
/* False for everything that listing_token_encode cannot have made. */
bool listing_token_decode(struct arena *a, struct str token, struct str *cursor);

/* The max-keys parameter (NULL: absent): more than LISTING_MAX_KEYS is that; false
 * for what is no number. */
bool listing_parse_max_keys(const struct uri_param *p, size_t *out);

/* An element whose text is percent-encoded when the client asked for
 * encoding-type=url. */
void listing_text(struct buf *b, const char *element, struct str text, bool url);

#endif
