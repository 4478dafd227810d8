/* SPDX-License-Identifier: MIT
 *
 * The features, one function each, in the order of a table. A function says in *why what was
 * found; where a call has failed that is the error. They go through the same calls as
 * the daemons, so what works here works there.
 */
#include "adminctl/probe_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"
#include "rt/task.h"

#define SMALL STR("The quick brown fox jumps over the lazy dog.\n")
#define OTHER STR("Pack my box with five dozen liquor jugs.\n")
#define TYPE  STR("image/x-s3o-probe")

#define MIB        ((size_t)1024 * 1024)
#define LARGE      (8 * MIB)
#define LARGE_STEP MIB /* a limit of the size is not looked for below it */

#define KEY_MAX 1024 /* bytes ("Creating object key names" in the S3 User Guide) */

/* Of the 2 KB that S3 promises ("Working with object metadata" in the S3 User Guide). */
#define META_LARGE 1500

struct
try {
	const char *feature;
	bool (*run)(struct probe * p, struct buf * why);
	bool required, brief;
	int type; /* enum config_backend_type, or -1: of both */
};

/* --- calls ---------------------------------------------------------------------- */

static bool fail(struct buf *why, const struct error *e)
{
	buf_add_cstr(why, e->text);
	return false;
}

static bool say(struct buf *why, const char *text)
{
	buf_add_cstr(why, text);
	return false;
}

static bool send_put(struct probe *p, struct backend_put *put, struct str bytes, struct error *e)
{
	struct body *body = body_of_memory(bytes.p, bytes.n);
	char hex[SHA256_HEX_SIZE];
	enum err r;

	sha256_hex(bytes.p, bytes.n, hex);
	put->body = body;
	put->sha256 = str_n(hex, SHA256_HEX_SIZE - 1);
	r = backend_put(p->backend, p->arena, put, e);
	body_close(&body);
	put->sha256 = STR_NULL;
	return r == ERR_OK;
}

static bool put_bytes(struct probe *p, struct str key, struct str bytes, struct buf *why)
{
	struct backend_put put = {.key = key, .content_type = TYPE};
	struct error e;

	return send_put(p, &put, bytes, &e) || fail(why, &e);
}

/* Reads a body of at most max bytes. */
static bool read_all(struct probe *p, struct body *b, size_t max, struct buf *out, struct error *e)
{
	ssize_t n = 1;

	buf_reserve(out, max + 1);
	while (n > 0 && out->n <= max) {
		n = body_read(b, out->p + out->n, max + 1 - out->n, p->backend->timeout_us, e);
		if (n > 0)
			out->n += (size_t)n;
	}
	return n >= 0;
}

static bool get_bytes(struct probe *p, struct backend_get *g, struct str expected, struct buf *why)
{
	BUF_AUTO got = {0};
	struct error e;
	bool ok;

	if (backend_get(p->backend, p->arena, g, &e) != ERR_OK)
		return fail(why, &e);
	ok = read_all(p, g->body, expected.n, &got, &e);
	body_close(&g->body);
	if (!ok)
		return fail(why, &e);
	return str_eq(buf_str(&got), expected) || say(why, "GET: other bytes than were written");
}

static bool has_bytes(struct probe *p, struct str key, struct str expected, struct buf *why)
{
	struct backend_get g = {.key = key};

	return get_bytes(p, &g, expected, why);
}

static bool head(struct probe *p, struct str key, struct backend_info *info, struct buf *why)
{
	struct error e;

	return backend_head(p->backend, p->arena, key, info, &e) == ERR_OK || fail(why, &e);
}

static bool has_size(struct probe *p, struct str key, uint64_t size, struct buf *why)
{
	struct backend_info info;

	if (!head(p, key, &info, why))
		return false;
	return info.size == size || say(why, "HEAD: another size than was written");
}

static bool remove_one(struct probe *p, struct str key, struct buf *why)
{
	struct error e;

	return backend_remove(p->backend, p->arena, key, &e) == ERR_OK || fail(why, &e);
}

static bool list(struct probe *p, struct backend_list *l, struct buf *why)
{
	struct error e;

	return backend_list(p->backend, p->arena, l, &e) == ERR_OK || fail(why, &e);
}

/* The object that most tries use. */
static struct str plain(struct probe *p)
{
	return probe_key(p, "plain");
}

/* --- writing --------------------------------------------------------------------- */

/* Whether the other way of signing works; keep: it is gone on with. */
static bool other_signature(struct probe *p, bool keep, struct buf *why)
{
	bool was = p->trial->unsigned_payload, works;

	p->trial->unsigned_payload = !was;
	works = put_bytes(p, probe_key(p, "signed"), SMALL, why);
	if (!works || !keep)
		p->trial->unsigned_payload = was;
	return works;
}

static bool try_put(struct probe *p, struct buf *why)
{
	BUF_AUTO ignored = {0};

	if (put_bytes(p, plain(p), SMALL, why))
		return true;
	if (p->trial->type != BACKEND_S3 || !other_signature(p, true, &ignored) ||
	    !put_bytes(p, plain(p), SMALL, &ignored))
		return false;
	probe_suggest(p, "unsigned_payload", p->trial->unsigned_payload ? "true" : "false", true,
	              "the other way of signing is refused");
	return true;
}

static bool is_https(const struct probe *p)
{
	return str_starts(str_of(p->trial->endpoint), STR("https:"));
}

/* Over https the bytes are protected anyway. */
static bool try_signatures(struct probe *p, struct buf *why)
{
	bool is_unsigned = p->trial->unsigned_payload;

	if (!other_signature(p, false, why))
		return false;
	buf_add_cstr(why, "unsigned_payload may be either");
	if (is_unsigned && !is_https(p))
		probe_suggest(p, "unsigned_payload", "false", false,
		              "signed bytes are accepted, and protected on their way");
	return true;
}

static bool try_etag(struct probe *p, struct buf *why)
{
	struct backend_put put = {.key = probe_key(p, "digested"), .content_type = TYPE};
	struct digest *d = digest_new(DIGEST_MD5);
	char hex[2 * MD5_SIZE + 1];
	uint8_t md5[MD5_SIZE];
	struct error e;

	digest_update(d, SMALL.p, SMALL.n);
	digest_final(d, md5);
	digest_free(&d);
	hex_encode(md5, sizeof(md5), hex);
	if (!send_put(p, &put, SMALL, &e))
		return fail(why, &e);
	if (put.etag_md5[0] == '\0')
		return say(why, "no ETag that is an MD5");
	return strcmp(put.etag_md5, hex) == 0 || say(why, "the ETag is not the MD5 of the bytes");
}

static bool try_empty(struct probe *p, struct buf *why)
{
	struct str key = probe_key(p, "empty");

	return put_bytes(p, key, STR_NULL, why) && has_size(p, key, 0, why) &&
	       has_bytes(p, key, STR_NULL, why);
}

static bool try_overwrite(struct probe *p, struct buf *why)
{
	struct str key = probe_key(p, "overwritten");

	if (!put_bytes(p, key, SMALL, why) || !put_bytes(p, key, OTHER, why))
		return false;
	return has_bytes(p, key, OTHER, why);
}

static bool try_condition(struct probe *p, struct buf *why)
{
	struct backend_put put = {.key = plain(p), .content_type = TYPE, .only_new = true};
	struct error e;

	if (send_put(p, &put, SMALL, &e))
		return say(why, "ignored: the object was overwritten");
	return e.code == ERR_PRECONDITION || fail(why, &e);
}

/* --- what belongs to an object ---------------------------------------------------- */

static struct str meta_value(const struct backend_info *info, struct str name)
{
	for (size_t i = 0; i < info->n_metadata; i++)
		if (str_eq_nocase(info->metadata[i].name, name))
			return info->metadata[i].value;
	return STR_NULL;
}

static bool keeps(struct probe *p, const char *name, const struct str_pair *meta, size_t n,
                  struct buf *why)
{
	struct backend_put put = {
		.key = probe_key(p, name), .content_type = TYPE, .metadata = meta, .n_metadata = n};
	struct backend_info info;
	struct error e;

	if (!send_put(p, &put, SMALL, &e))
		return fail(why, &e);
	if (!head(p, put.key, &info, why))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!str_eq(meta_value(&info, meta[i].name), meta[i].value)) {
			buf_printf(why, "x-amz-meta-%.*s is lost or changed",
			           STR_FMT(meta[i].name));
			return false;
		}
	return true;
}

static bool try_metadata(struct probe *p, struct buf *why)
{
	static const struct str_pair meta[] = {
		{STR("s3o-probe"), STR("1")},
		{STR("s3o-probe-case"), STR("Mixed Case; and, \"marks\"")},
	};

	return keeps(p, "described", meta, 2, why);
}

static bool try_large_metadata(struct probe *p, struct buf *why)
{
	char *value = arena_alloc(p->arena, META_LARGE);
	struct str_pair meta = {STR("s3o-probe"), str_n(value, META_LARGE)};

	for (size_t i = 0; i < META_LARGE; i++)
		value[i] = (char)('!' + i % 90);
	return keeps(p, "described at length", &meta, 1, why);
}

static bool try_type(struct probe *p, struct buf *why)
{
	struct backend_info info;

	if (!head(p, plain(p), &info, why))
		return false;
	if (str_eq(info.content_type, TYPE))
		return true;
	buf_printf(why, "it has become \"%.*s\"", STR_FMT(info.content_type));
	return false;
}

/* --- reading ----------------------------------------------------------------------- */

static bool try_head(struct probe *p, struct buf *why)
{
	return has_size(p, plain(p), SMALL.n, why);
}

static bool try_get(struct probe *p, struct buf *why)
{
	return has_bytes(p, plain(p), SMALL, why);
}

static bool try_range(struct probe *p, struct buf *why)
{
	struct backend_get g = {.key = plain(p), .ranged = true, .first = 4, .last = 8};

	return get_bytes(p, &g, STR("quick"), why);
}

static bool try_copy(struct probe *p, struct buf *why)
{
	struct backend_put put = {.key = probe_key(p, "copied"), .content_type = TYPE};
	struct error e;

	if (backend_copy(p->backend, p->arena, plain(p), SMALL.n, &put, &e) != ERR_OK)
		return fail(why, &e);
	return has_bytes(p, put.key, SMALL, why);
}

/* --- sizes -------------------------------------------------------------------------- */

static bool is_too_large(const struct error *e)
{
	return e->code == ERR_TOO_LARGE || e->code == ERR_NO_SPACE;
}

/* The largest power of two below LARGE that is accepted. */
static void look_for_limit(struct probe *p, struct backend_put *put, const char *bytes)
{
	struct error e;

	for (size_t n = LARGE / 2; n >= LARGE_STEP; n /= 2)
		if (send_put(p, put, str_n(bytes, n), &e)) {
			probe_suggest(p, "max_object_size",
			              arena_printf(p->arena, "%zuMiB", n / MIB), true,
			              "larger ones are refused");
			return;
		}
}

static bool large_object(struct probe *p, char *bytes, struct buf *why)
{
	struct backend_put put = {.key = probe_key(p, "large"), .content_type = TYPE};
	struct error e;

	/* no two stretches are the same */
	for (size_t i = 0; i < LARGE; i++)
		bytes[i] = (char)(i * 2654435761U >> 13);
	if (send_put(p, &put, str_n(bytes, LARGE), &e))
		return has_bytes(p, put.key, str_n(bytes, LARGE), why);
	if (is_too_large(&e))
		look_for_limit(p, &put, bytes);
	return fail(why, &e);
}

static bool try_large(struct probe *p, struct buf *why)
{
	uint64_t limit = p->trial->max_object_size;
	char *bytes;
	bool ok;

	if (limit > 0 && limit < LARGE) {
		buf_add_cstr(why, "not tried: max_object_size is smaller");
		return true;
	}
	bytes = mem_alloc(LARGE);
	ok = large_object(p, bytes, why);
	free(bytes);
	return ok;
}

/* --- keys --------------------------------------------------------------------------- */

static bool is_listed(struct probe *p, struct str key, struct buf *why)
{
	struct backend_list l = {.prefix = key, .max = 1};

	if (!list(p, &l, why))
		return false;
	return (l.n_items == 1 && str_eq(l.items[0].key, key)) ||
	       say(why, "LIST does not tell the key as it is");
}

/* It is removed at once: others may stumble over it in a list. */
static bool try_key(struct probe *p, struct str key, struct buf *why)
{
	BUF_AUTO ignored = {0};
	bool ok = put_bytes(p, key, SMALL, why) && has_bytes(p, key, SMALL, why) &&
	          is_listed(p, key, why);

	return remove_one(p, key, ok ? why : &ignored) && ok;
}

static bool try_odd_key(struct probe *p, struct buf *why)
{
	return try_key(p, probe_key(p, "odd/a b+c%2F\u00fc//~&?#=;'\"<@,$!()*:"), why);
}

static bool try_long_key(struct probe *p, struct buf *why)
{
	size_t n = KEY_MAX - strlen(p->prefix);
	char *name = arena_alloc(p->arena, n + 1);

	memset(name, 'k', n);
	return try_key(p, probe_key(p, name), why);
}

/* XML 1.0 cannot express it. */
static bool try_encoding(struct probe *p, struct buf *why)
{
	return try_key(p, probe_key(p, "control\x01"), why);
}

/* --- lists -------------------------------------------------------------------------- */

/* In the order of their bytes. */
static const char *const listed[] = {"list/A", "list/B/", "list/B/b", "list/a", "list/\u00e4"};
#define N_LISTED (sizeof(listed) / sizeof(*listed))

/* first.. of the keys, in pages of max. The order is checked by whoever reads the page. */
static bool lists_as(struct probe *p, size_t first, int max, struct buf *why)
{
	struct backend_list l = {.prefix = str_of(arena_printf(p->arena, "%slist/", p->prefix)),
	                         .max = max};

	if (first > 0)
		l.after = probe_key(p, listed[first - 1]);
	for (size_t i = first; i < N_LISTED;) {
		size_t left = N_LISTED - i;

		if (!list(p, &l, why))
			return false;
		if (l.n_items != ((size_t)max < left ? (size_t)max : left))
			return say(why, "a page has not as many keys as there are");
		for (size_t j = 0; j < l.n_items; j++)
			if (!str_eq(l.items[j].key, probe_key(p, listed[i + j])))
				return say(why, "other keys than were written");
		i += l.n_items;
		if (l.more != (i < N_LISTED))
			return say(why, "IsTruncated is wrong");
		l.after = l.items[l.n_items - 1].key;
	}
	return true;
}

static bool try_order(struct probe *p, struct buf *why)
{
	for (size_t i = 0; i < N_LISTED; i++)
		if (!put_bytes(p, probe_key(p, listed[i]), SMALL, why))
			return false;
	return lists_as(p, 0, 1000, why);
}

static bool try_start(struct probe *p, struct buf *why)
{
	return lists_as(p, 3, 1000, why);
}

static bool try_pages(struct probe *p, struct buf *why)
{
	return lists_as(p, 0, 2, why);
}

/* --- what is not there ---------------------------------------------------------------- */

static bool is_absent(struct probe *p, struct str key, struct buf *why)
{
	struct backend_get g = {.key = key};
	struct error e;

	switch (backend_get(p->backend, p->arena, &g, &e)) {
	case ERR_NOT_FOUND:
		return true;
	case ERR_OK:
		body_close(&g.body);
		return say(why, "it is still there");
	case ERR_DENIED:
		fail(why, &e);
		return say(why, "; servers say so to keys that may not list the bucket");
	default:
		return fail(why, &e);
	}
}

static bool try_delete(struct probe *p, struct buf *why)
{
	struct str key = plain(p);

	return remove_one(p, key, why) && is_absent(p, key, why);
}

static bool try_delete_absent(struct probe *p, struct buf *why)
{
	struct error e;
	enum err r = backend_remove(p->backend, p->arena, probe_key(p, "never"), &e);

	if (r != ERR_OK && r != ERR_NOT_FOUND)
		return fail(why, &e);
	buf_add_cstr(why, r == ERR_OK ? "success" : "not found");
	return true;
}

static bool try_get_absent(struct probe *p, struct buf *why)
{
	return is_absent(p, probe_key(p, "never"), why);
}

/* --- all of them ------------------------------------------------------------------------ */

#define BOTH (-1)

static const struct try tries[] = {
	{"write", try_put, true, true, BOTH},
	{"the other way of signing", try_signatures, false, false, BACKEND_S3},
	{"ETag is the MD5", try_etag, false, false, BOTH},
	{"size (HEAD)", try_head, true, false, BOTH},
	{"read", try_get, true, true, BOTH},
	{"read a range", try_range, true, false, BOTH},
	{"content type", try_type, false, false, BOTH},
	{"metadata", try_metadata, false, false, BOTH},
	{"metadata of 1.5 KB in one value", try_large_metadata, false, false, BOTH},
	{"special characters in keys", try_odd_key, true, false, BOTH},
	{"keys of 1024 bytes", try_long_key, true, false, BOTH},
	{"control characters in keys", try_encoding, false, false, BOTH},
	{"lists in the order of bytes", try_order, false, false, BOTH},
	{"lists that start after a key", try_start, false, false, BOTH},
	{"lists in pages", try_pages, false, false, BOTH},
	{"copies by itself", try_copy, false, false, BOTH},
	{"empty objects", try_empty, true, false, BOTH},
	{"objects of 8 MiB", try_large, true, false, BOTH},
	{"overwriting is visible at once", try_overwrite, false, false, BACKEND_S3},
	{"If-None-Match: *", try_condition, false, false, BACKEND_S3},
	{"delete", try_delete, true, true, BOTH},
	{"delete what is not there", try_delete_absent, true, false, BOTH},
	{"read what is not there", try_get_absent, true, false, BOTH},
};

static bool try_one(struct probe *p, const struct try *t)
{
	int64_t start = clock_mono();
	BUF_AUTO why = {0};
	bool ok = t->run(p, &why);

	probe_note(p, t->feature, ok ? PROBE_OK : PROBE_NO, t->required, buf_str(&why),
	           clock_mono() - start);
	return ok;
}

static bool is_wanted(const struct probe *p, const struct try *t)
{
	return (!p->brief || t->brief) && (t->type == BOTH || t->type == (int)p->trial->type);
}

/* Switches for what SDKs send: nothing of it is ever sent from here. */
static void check_switches(struct probe *p)
{
	if (p->trial->disable_checksum)
		probe_suggest(p, "disable_checksum", "false", false,
		              "no such checksums are sent anyway");
	if (p->trial->strip_sdk_headers)
		probe_suggest(p, "strip_sdk_headers", "false", false,
		              "no such header fields are sent anyway");
}

void probe_tries(struct probe *p)
{
	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		bool ok = !is_wanted(p, &tries[i]) || try_one(p, &tries[i]);

		/* what cannot be written, the first try, cannot be read either */
		if (task_is_cancelled() || (i == 0 && !ok))
			return;
	}
	if (p->brief)
		return;
	if (p->trial->type == BACKEND_DIRECTORY) {
		probe_folder_tries(p);
	} else {
		check_switches(p);
		probe_addressing(p);
	}
}
