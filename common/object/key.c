/* SPDX-License-Identifier: MIT
 *
 * Names of segments on backends; the format is described in the header.
 */
#include "object/key.h"

#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "base/digest.h"

#define HASH_HEX  32 /* half of a SHA-256: collisions are no concern */
#define PART_SIZE 6  /* "/00001" */

/* The longest prefix of at most max bytes that does not end inside a UTF-8
 * character. */
static size_t cut(struct str s, size_t max)
{
	if (s.n <= max)
		return s.n;
	while (max > 0 && ((unsigned char)s.p[max] & 0xc0) == 0x80)
		max--;
	return max;
}

struct str object_key(struct arena *a, struct str bucket, struct str key, const char *generation,
                      int part, const char *attempt)
{
	char part_text[16] = "";
	if (part > 0)
		snprintf(part_text, sizeof(part_text), "/%05d", part);
	char *tail = arena_printf(a, "~%s%s%s%s", generation, part_text, attempt ? "." : "",
	                          attempt ? attempt : "");
	struct str name = str_of(arena_printf(a, "%.*s/%.*s", STR_FMT(bucket), STR_FMT(key)));
	size_t room = OBJECT_KEY_MAX - strlen(tail);
	if (name.n <= room)
		return str_of(arena_printf(a, "%.*s%s", STR_FMT(name), tail));

	char hash[SHA256_HEX_SIZE];
	sha256_hex(name.p, name.n, hash);
	name.n = cut(name, room - 2 - HASH_HEX);
	return str_of(arena_printf(a, "%.*s~~%.*s%s", STR_FMT(name), HASH_HEX, hash, tail));
}

/* The last n bytes, taken off. */
static struct str take_end(struct str *s, size_t n)
{
	s->n -= n;
	return str_n(s->p + s->n, n);
}

/* A mark and a ULID at the end, taken off. */
static bool take_ulid(struct str *s, char mark, struct str *ulid)
{
	struct str rest = *s;

	if (rest.n < ULID_SIZE || s->p[s->n - ULID_SIZE] != mark)
		return false;
	*ulid = str_skip(take_end(&rest, ULID_SIZE), 1);
	if (!ulid_is_valid(*ulid))
		return false;
	*s = rest;
	return true;
}

/* "/00001" at the end, taken off. */
static void take_part(struct str *s, int *part)
{
	struct str rest = *s;
	uint64_t n;

	*part = 0;
	if (rest.n < PART_SIZE || s->p[s->n - PART_SIZE] != '/' ||
	    !str_to_u64(str_skip(take_end(&rest, PART_SIZE), 1), &n) || n == 0)
		return;
	*part = (int)n;
	*s = rest;
}

/* "~~" and the hash at the end, taken off. */
static bool take_hash(struct str *s)
{
	struct str rest = *s, hash;

	if (rest.n < HASH_HEX + 2)
		return false;
	hash = take_end(&rest, HASH_HEX + 2);
	if (!str_starts(hash, STR("~~")) || !str_is_hex(str_skip(hash, 2)))
		return false;
	*s = rest;
	return true;
}

bool object_key_parse(struct str name, struct object_name *out)
{
	struct str rest = name, generation, attempt;

	take_ulid(&rest, '.', &attempt);
	take_part(&rest, &out->part);
	if (!take_ulid(&rest, '~', &generation))
		return false;
	memcpy(out->generation, generation.p, generation.n);
	out->generation[generation.n] = '\0';
	/* Only a name that was too long has a hash. */
	out->is_cut = name.n > OBJECT_KEY_MAX - 4 && take_hash(&rest);
	out->bucket = str_cut(rest, '/', &out->key);
	return out->bucket.n > 0 && out->bucket.n < rest.n && out->key.n > 0;
}
