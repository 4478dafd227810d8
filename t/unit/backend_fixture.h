/* SPDX-License-Identifier: MIT
 *
 * What the tests of backends share: a loop for each test, one backend made from
 * a hand-written configuration, and calls that check themselves.
 */
#ifndef T_UNIT_BACKEND_FIXTURE_H
#define T_UNIT_BACKEND_FIXTURE_H

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "backend/breaker.h"
#include "backend/usage.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/digest.h"
#include "base/mem.h"
#include "config/config.h"
#include "rt/task.h"

#define UNUSED __attribute__((unused))

static struct {
	struct config config;
	struct config_backend backend;
	struct breaker breaker;
	struct usage usage;
	struct store *store; /* NULL: none */
	struct backend_set set;
	struct backend *b;
	struct arena *arena;
	struct error error;
} fx UNUSED;

/* Fill fx.backend first. Strings that are not set are "". */
static UNUSED enum err fixture_open(void)
{
	const char **strings[] = {
		&fx.backend.name,   &fx.backend.endpoint,          &fx.backend.region,
		&fx.backend.bucket, &fx.backend.access_key_id,     &fx.backend.ca_file,
		&fx.backend.path,   &fx.backend.secret_access_key,
	};

	for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++)
		if (*strings[i] == NULL)
			*strings[i] = "";
	fx.config.backends = &fx.backend;
	fx.config.n_backends = 1;
	if (fx.config.server.backend_timeout == 0)
		fx.config.server.backend_timeout = 30 * CLOCK_SEC;
	enum err r = backend_set_open(&fx.config, &fx.breaker, fx.store, &fx.set, &fx.error);
	if (r == ERR_OK) {
		fx.b = fx.set.list[0];
		backend_set_count(&fx.set, &fx.usage);
	}
	return r;
}

static UNUSED void fixture_close(void)
{
	if (fx.b != NULL)
		backend_set_close(&fx.set);
	fx.b = NULL;
}

static void fixture_main(void *fn)
{
	(*(void (**)(void))fn)();
	fixture_close(); /* here, because a client has a task that ends with it */
	rt_stop();
}

/* Runs fn in a task, on a loop and with an arena of its own. */
static UNUSED void in_task(void (*fn)(void))
{
	signal(SIGPIPE, SIG_IGN); /* as the programs do, see net/stream.h */
	rt_init();
	fx.arena = arena_new();
	ck_assert_ptr_nonnull(task_spawn("test", fixture_main, &fn));
	rt_run();
	arena_free(&fx.arena);
	rt_deinit();
}

/* What has been counted in all. */
static UNUSED void expect_usage(uint64_t api, uint64_t egress, uint64_t ingress)
{
	struct usage_amounts n = usage_unflushed(&fx.usage);

	ck_assert_uint_eq(n.api, api);
	ck_assert_uint_eq(n.egress, egress);
	ck_assert_uint_eq(n.ingress, ingress);
}

#define EXPECT_ERR(call, want)                                                                     \
	do {                                                                                       \
		fx.error.text[0] = '\0';                                                           \
		enum err got_ = (call);                                                            \
		ck_assert_msg(got_ == (want), "%s: %s (%s), not %s", #call, err_name(got_),        \
		              fx.error.text, err_name(want));                                      \
	} while (0)

/* Bytes that differ from seed to seed. */
static UNUSED struct str some_bytes(size_t n, unsigned seed)
{
	char *p = arena_alloc(fx.arena, n + 1);
	uint32_t x = seed * 2654435761U + 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525U + 1013904223U;
		p[i] = (char)(x >> 24);
	}
	return str_n(p, n);
}

static UNUSED enum err put_bytes(const char *key, struct str bytes)
{
	struct backend_put p = {.key = str_of(key), .body = body_of_memory(bytes.p, bytes.n)};
	uint8_t md5[MD5_SIZE];
	char hex[2 * MD5_SIZE + 1];
	struct digest *d = digest_new(DIGEST_MD5);
	enum err r = backend_put(fx.b, fx.arena, &p, &fx.error);

	body_close(&p.body);
	digest_update(d, bytes.p, bytes.n);
	digest_final(d, md5);
	digest_free(&d);
	hex_encode(md5, sizeof(md5), hex);
	if (r == ERR_OK)
		ck_assert_str_eq(p.etag_md5, hex);
	return r;
}

static UNUSED void read_and_compare(struct body *b, struct str want)
{
	char buf[70000];
	size_t done = 0;
	ssize_t n;

	ck_assert_uint_eq(b->size, want.n);
	while ((n = body_read(b, buf, sizeof(buf), 10 * CLOCK_SEC, &fx.error)) > 0) {
		ck_assert_uint_le(done + (size_t)n, want.n);
		ck_assert_mem_eq(buf, want.p + done, (size_t)n);
		done += (size_t)n;
	}
	ck_assert_msg(n == 0, "%s", fx.error.text);
	ck_assert_uint_eq(done, want.n);
}

static UNUSED void get_and_compare(const char *key, struct str want)
{
	struct backend_get g = {.key = str_of(key)};

	EXPECT_ERR(backend_get(fx.b, fx.arena, &g, &fx.error), ERR_OK);
	ck_assert_uint_eq(g.object_size, want.n);
	read_and_compare(g.body, want);
	body_close(&g.body);
}

static UNUSED enum err get_range(const char *key, uint64_t first, uint64_t last, struct str all)
{
	struct backend_get g = {.key = str_of(key), .ranged = true, .first = first, .last = last};
	enum err r = backend_get(fx.b, fx.arena, &g, &fx.error);

	if (r != ERR_OK)
		return r;
	ck_assert_uint_eq(g.object_size, all.n);
	read_and_compare(g.body, str_n(all.p + first, last - first + 1));
	body_close(&g.body);
	return ERR_OK;
}

static UNUSED enum err remove_key(const char *key)
{
	return backend_remove(fx.b, fx.arena, str_of(key), &fx.error);
}

static UNUSED struct str metadata_of(const struct backend_info *i, const char *name)
{
	for (size_t k = 0; k < i->n_metadata; k++)
		if (str_eq(i->metadata[k].name, str_of(name)))
			return i->metadata[k].value;
	return STR("(absent)");
}

/* With p.etag_md5 and p.sent_any for who wants them. */
static UNUSED enum err copy_key(const char *from, const char *to, uint64_t size,
                                struct backend_put *p)
{
	static const struct str_pair pairs[] = {{STR("s3o-generation"), STR("01JCOPY")}};

	*p = (struct backend_put){
		.key = str_of(to),
		.content_type = STR("text/x-copy"),
		.metadata = pairs,
		.n_metadata = 1,
	};
	return backend_copy(fx.b, fx.arena, str_of(from), size, p, &fx.error);
}

/* What a copy is: the bytes of its source, with its own type and metadata. */
static UNUSED void expect_copy(const char *key, struct str bytes)
{
	struct backend_info info;

	get_and_compare(key, bytes);
	EXPECT_ERR(backend_head(fx.b, fx.arena, str_of(key), &info, &fx.error), ERR_OK);
	ck_assert(str_eq(info.content_type, STR("text/x-copy")));
	ck_assert(str_eq(metadata_of(&info, "s3o-generation"), STR("01JCOPY")));
}

/* A body that fails after half of its size. */
struct broken_body {
	struct body body;
	uint64_t done;
};

static ssize_t broken_read(struct body *b, void *buf, size_t n, int64_t idle_us, struct error *e)
{
	struct broken_body *s = (struct broken_body *)b;

	(void)idle_us;
	if (s->done >= b->size / 2) {
		err_set(e, ERR_IO, "the client went away");
		return -1;
	}
	if (n > b->size / 2 - s->done)
		n = (size_t)(b->size / 2 - s->done);
	memset(buf, 'x', n);
	s->done += n;
	return (ssize_t)n;
}

static UNUSED struct body *broken_body(struct broken_body *s, uint64_t size)
{
	static const struct body_ops ops = {.read = broken_read};

	*s = (struct broken_body){.body = {.ops = &ops, .size = size}};
	return &s->body;
}

static UNUSED const char *const odd_keys[] = {
	"a",
	"a/b",
	"a//b",
	"a/",
	"/",
	"/a",
	"//",
	"a/b/",
	"a/./b",
	"a/../b",
	"..",
	".",
	"../..",
	"100%",
	"%41",
	"%",
	"%=",
	"%-",
	"%+",
	"x%=/y",
	"tab\there",
	"new\nline",
	"space here",
	"plus+and&=?",
	"umlaut-\303\244/\346\227\245",
	"b/cat.jpg~01JABCDEFGHJKMNPQRSTVWXYZ0",
	"a+b/c d#e;f",
	"quote\"'<>\\",
	"a.b..c/.hidden",
	"~tilde~",
};
#define N_ODD_KEYS (sizeof(odd_keys) / sizeof(*odd_keys))

static UNUSED int compare_keys(const void *a, const void *b)
{
	return str_cmp(str_of(*(const char *const *)a), str_of(*(const char *const *)b));
}

static bool is_wanted(const struct backend_list *l, const char *key, const char *after)
{
	return str_starts(str_of(key), l->prefix) && str_cmp(str_of(key), str_of(after)) > 0;
}

/* Lists in pages of `page` keys and compares with sorted[0..n), of which those
 * with the prefix and after `after` are expected. (A ck_assert() that holds costs a system call, so
 * there is none for each key.) */
static UNUSED void list_and_compare(const char *prefix, const char *after, int page,
                                    const char *const *sorted, size_t n)
{
	struct backend_list l = {
		.prefix = str_of(prefix), .after = str_of(after), .max = page, .more = true};
	size_t at = 0;

	while (l.more) {
		EXPECT_ERR(backend_list(fx.b, fx.arena, &l, &fx.error), ERR_OK);
		ck_assert_uint_le(l.n_items, (size_t)page);
		for (size_t i = 0; i < l.n_items; i++, at++) {
			while (at < n && !is_wanted(&l, sorted[at], after))
				at++;
			if (at == n || !str_eq(l.items[i].key, str_of(sorted[at])))
				ck_abort_msg("'%.*s' instead of '%s'", STR_FMT(l.items[i].key),
				             at == n ? "(the end)" : sorted[at]);
			if (l.items[i].modified <= 0)
				ck_abort_msg("'%s' without a time", sorted[at]);
		}
		if (l.more)
			ck_assert_uint_eq(l.n_items, (size_t)page);
		if (l.n_items > 0)
			l.after = l.items[l.n_items - 1].key;
	}
	for (; at < n; at++)
		if (is_wanted(&l, sorted[at], after))
			ck_abort_msg("'%s' was not listed", sorted[at]);
}

#endif
