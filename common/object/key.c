/* SPDX-License-Identifier: MIT
 *
 * Names of segments on backends; the format is described in the header.
 */
#include "object/key.h"

#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "base/digest.h"

#define HASH_HEX 32 /* half of a SHA-256: collisions are no concern */

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
