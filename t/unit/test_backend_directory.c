/* SPDX-License-Identifier: MIT
 *
 * The directory backend on a real file system: what goes in comes out, under
 * any key, in order, and nothing is left of what failed.
 */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backend/dir_path.h"
#include "backend_fixture.h"
#include "net/stream.h"
#include "rt/sync.h"
#include "t/unit/run.h"

static char folder[64];
static bool mounted;

/* What is synced is seen here, and can be made to take long. */
static struct {
	char names[32][64]; /* below the folder */
	int n;
	bool recorded;
	_Atomic bool stuck;
	sem_t go;
} syncs;

static void record_sync(int fd)
{
	char self[64], path[512];
	ssize_t n;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	n = readlink(self, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	if (syncs.n < 32 && str_starts(str_of(path), str_of(folder)))
		snprintf(syncs.names[syncs.n++], 64, "%.63s", path + strlen(folder));
}

int fsync(int fd)
{
	if (syncs.recorded)
		record_sync(fd);
	if (syncs.stuck)
		sem_wait(&syncs.go);
	return (int)syscall(SYS_fsync, fd);
}

static int count_syncs(const char *name)
{
	int n = 0;

	for (int i = 0; i < syncs.n; i++)
		n += strcmp(syncs.names[i], name) == 0;
	return n;
}

static void setup(void)
{
	snprintf(folder, sizeof(folder), "/tmp/s3o-directory-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	memset(&fx, 0, sizeof(fx));
	fx.backend.type = BACKEND_DIRECTORY;
	fx.backend.name = "disk";
	fx.backend.path = folder;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static void teardown(void)
{
	if (mounted)
		umount2(folder, MNT_DETACH);
	nftw(folder, remove_one, 50, FTW_DEPTH | FTW_PHYS);
}

/* And waits until it is open. */
static void open_folder(void)
{
	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(remove_key("absent"), ERR_NOT_FOUND);
}

/* Files and directories below a folder. */
static int entries;
static int count_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)path;
	(void)st;
	(void)kind;
	if (ftw->level > 0)
		entries++;
	return 0;
}
static int entries_in(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	entries = 0;
	ck_assert_int_eq(nftw(path, count_one, 50, FTW_PHYS), 0);
	return entries;
}

/* --- objects -------------------------------------------------------------- */

static void sizes(void)
{
	static const size_t all[] = {0, 1, 65536, 65537, 262144, 262145, 1048576, 5 * 1048576 + 3};

	EXPECT_ERR(fixture_open(), ERR_OK);
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct str bytes = some_bytes(all[i], (unsigned)i);

		EXPECT_ERR(put_bytes("bucket/key", bytes), ERR_OK);
		get_and_compare("bucket/key", bytes);
		EXPECT_ERR(put_bytes("bucket/key", bytes), ERR_CONFLICT);
		get_and_compare("bucket/key", bytes);
		EXPECT_ERR(remove_key("bucket/key"), ERR_OK);
		EXPECT_ERR(remove_key("bucket/key"), ERR_NOT_FOUND);
		ck_assert_int_eq(entries_in("objects"), 0);
		ck_assert_int_eq(entries_in("tmp"), 0);
	}
}
START_TEST(what_goes_in_comes_out)
{
	in_task(sizes);
}
END_TEST

static void ranges(void)
{
	struct str bytes = some_bytes(3 * 1048576, 7);
	struct backend_get g = {.key = STR("absent")};

	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(put_bytes("k", bytes), ERR_OK);
	EXPECT_ERR(get_range("k", 0, 0, bytes), ERR_OK);
	EXPECT_ERR(get_range("k", 0, bytes.n - 1, bytes), ERR_OK);
	EXPECT_ERR(get_range("k", 1048575, 2097153, bytes), ERR_OK);
	EXPECT_ERR(get_range("k", bytes.n - 1, bytes.n - 1, bytes), ERR_OK);
	EXPECT_ERR(get_range("k", bytes.n, bytes.n, bytes), ERR_RANGE);
	EXPECT_ERR(get_range("k", bytes.n - 1, bytes.n, bytes), ERR_PROTOCOL);
	EXPECT_ERR(backend_get(fx.b, fx.arena, &g, &fx.error), ERR_NOT_FOUND);
	ck_assert_ptr_null(g.body);
}
START_TEST(ranges_are_exact)
{
	in_task(ranges);
}
END_TEST

static void metadata(void)
{
	const struct str_pair pairs[] = {
		{STR("s3o-generation"), STR("01J")},
		{STR("odd=name"), STR("line\nbreak 100% = \001")},
		{STR("empty"), STR("")},
	};
	struct backend_put p = {
		.key = STR("with/metadata"),
		.content_type = STR("text/plain; charset=utf-8"),
		.metadata = pairs,
		.n_metadata = 3,
	};
	struct backend_info info;
	int64_t now = clock_wall();

	EXPECT_ERR(fixture_open(), ERR_OK);
	p.body = body_of_memory("hello", 5);
	EXPECT_ERR(backend_put(fx.b, fx.arena, &p, &fx.error), ERR_OK);
	body_close(&p.body);
	EXPECT_ERR(backend_head(fx.b, fx.arena, p.key, &info, &fx.error), ERR_OK);
	ck_assert_uint_eq(info.size, 5);
	ck_assert_uint_eq(info.n_metadata, 3);
	ck_assert(str_eq(info.content_type, p.content_type));
	for (size_t i = 0; i < 3; i++)
		ck_assert(str_eq(metadata_of(&info, pairs[i].name.p), pairs[i].value));
	ck_assert_int_lt(llabs(info.modified - now), 5 * CLOCK_SEC);
	EXPECT_ERR(backend_head(fx.b, fx.arena, STR("with"), &info, &fx.error), ERR_NOT_FOUND);

	char *large = arena_alloc(fx.arena, 5000);
	memset(large, 'x', 4999);
	p.content_type = str_of(large);
	p.key = STR("too-much");
	p.body = body_of_memory("hello", 5);
	EXPECT_ERR(backend_put(fx.b, fx.arena, &p, &fx.error), ERR_TOO_LARGE);
	body_close(&p.body);
	ck_assert(!p.sent_any);
}
START_TEST(metadata_is_kept)
{
	in_task(metadata);
}
END_TEST

/* --- keys ----------------------------------------------------------------- */

static const char *long_key(size_t n, char c, size_t slash_every)
{
	char *key = arena_alloc(fx.arena, n + 1);

	memset(key, c, n);
	for (size_t i = slash_every; slash_every > 0 && i < n; i += slash_every + 1)
		key[i] = '/';
	return key;
}

static size_t collect_keys(const char **keys)
{
	size_t n = 0;

	for (size_t i = 0; i < N_ODD_KEYS; i++)
		keys[n++] = odd_keys[i];
	keys[n++] = long_key(199, 'l', 0);
	keys[n++] = long_key(200, 'l', 0);
	keys[n++] = long_key(201, 'l', 0);
	keys[n++] = long_key(400, 'l', 0);
	keys[n++] = long_key(401, 'l', 200);
	keys[n++] = long_key(1024, 'l', 0);
	keys[n++] = long_key(1150, '%', 0);
	keys[n++] = long_key(1150, '\001', 7);
	keys[n++] = long_key(1024, '/', 0);
	keys[n++] = long_key(1024, '.', 1);
	keys[n++] = long_key(1024, 'y', 1);
	return n;
}

static void odd(void)
{
	const char *keys[N_ODD_KEYS + 16];
	size_t n = collect_keys(keys);

	EXPECT_ERR(fixture_open(), ERR_OK);
	for (size_t i = 0; i < n; i++)
		EXPECT_ERR(put_bytes(keys[i], str_of(keys[i])), ERR_OK);
	for (size_t i = 0; i < n; i++)
		get_and_compare(keys[i], str_of(keys[i]));
	qsort(keys, n, sizeof(*keys), compare_keys);
	list_and_compare("", "", 1000, keys, n);
	list_and_compare("", "", 3, keys, n);
	list_and_compare("a/", "", 2, keys, n);
	list_and_compare("l", "lll", 1, keys, n);
	for (size_t i = 0; i < n; i++)
		EXPECT_ERR(remove_key(keys[i]), ERR_OK);
	ck_assert_int_eq(entries_in("objects"), 0);
	EXPECT_ERR(put_bytes(long_key(5000, 'z', 0), STR("x")), ERR_TOO_LARGE);
}
START_TEST(any_key_works)
{
	in_task(odd);
}
END_TEST

START_TEST(names_are_unambiguous)
{
	static const char *const foreign[] = {"a%",     "%",    "%4=",   "%4",   "a%41", "%2e%=",
	                                      "a.%2E=", ".x%=", "%2F%=", "ab%+", "\001", "a%-"};
	char path[DIR_PATH_SIZE], text[DIR_TEXT_SIZE];
	size_t n;

	ck_assert(dir_path_of_key(STR("photos//.x/"), path));
	ck_assert_str_eq(path, "photos/%-/%2Ex/%=");
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
		ck_assert_msg(dir_name_parse(foreign[i], text, &n) == DIR_NAME_FOREIGN, "%s",
		              foreign[i]);
	ck_assert_int_eq(dir_name_parse("%-", text, &n), DIR_NAME_DIRECTORY);
	ck_assert(str_eq(str_n(text, n), STR("/")));
	ck_assert_int_eq(dir_name_parse("%2E.%25%=", text, &n), DIR_NAME_OBJECT);
	ck_assert(str_eq(str_n(text, n), STR("..%")));
}
END_TEST

/* --- listing -------------------------------------------------------------- */

#define N_RANDOM 2000

/* An object without the cost of making it last. False: it is there already. */
static bool make_file(const char *key)
{
	char path[DIR_PATH_SIZE], *full;
	int fd;

	ck_assert(dir_path_of_key(str_of(key), path));
	full = arena_printf(fx.arena, "%s/objects/%s", folder, path);
	for (char *p = strstr(full, "/objects/") + 9; (p = strchr(p, '/')) != NULL; *p++ = '/') {
		*p = '\0';
		mkdir(full, 0700);
	}
	fd = open(full, O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static const char *random_key(void)
{
	static const char alphabet[] = "aab//-.%0~\177\303";
	size_t n = 1 + random_u64() % 12;
	char *key;

	if (random_u64() % 20 == 0)
		n += 195 + random_u64() % 20; /* around the cut */
	key = arena_alloc(fx.arena, n + 1);
	for (size_t i = 0; i < n; i++)
		key[i] = n > 100 && i < 190 ? 'c' : alphabet[random_u64() % (sizeof(alphabet) - 1)];
	return key;
}

static void model(void)
{
	const char **keys = arena_alloc(fx.arena, N_RANDOM * sizeof(*keys));
	size_t n = 0;

	open_folder();
	for (size_t i = 0; i < N_RANDOM; i++) {
		const char *key = random_key();

		if (make_file(key))
			keys[n++] = key;
	}
	qsort(keys, n, sizeof(*keys), compare_keys);
	list_and_compare("", "", 1000, keys, n);
	list_and_compare("", "", 17, keys, n);
	for (int i = 0; i < 100; i++) {
		const char *prefix = random_key(), *after = random_key();
		char *cut = arena_strndup(fx.arena, prefix, random_u64() % 3);

		list_and_compare(cut, after, 50, keys, n);
		list_and_compare(cut, keys[random_u64() % n], 200, keys, n);
	}
}
START_TEST(lists_in_byte_order)
{
	in_task(model);
}
END_TEST

/* More names in one directory than a page or a selection holds. */
static void crowd(void)
{
	enum { N = 2500 };
	const char **keys = arena_alloc(fx.arena, N * sizeof(*keys));

	open_folder();
	for (size_t i = 0; i < N; i++) {
		keys[i] = arena_printf(fx.arena, "d/%04zu%s", i, i % 2 ? "/x" : "");
		ck_assert(make_file(keys[i]));
		if (i % 2) /* directories without objects must not end the page early */
			ck_assert_int_eq(
				mkdir(arena_printf(fx.arena, "%s/objects/d/%04zu.", folder, i),
			              0700),
				0);
	}
	list_and_compare("", "", 1000, keys, N);
	list_and_compare("d/1", "d/12", 7, keys, N);
}
START_TEST(lists_large_directories)
{
	in_task(crowd);
}
END_TEST

/* --- reading -------------------------------------------------------------- */

static struct {
	struct stream *from;
	struct str want;
	size_t got;
} sink;

static void swallow(void *arg)
{
	char buf[100000];
	ssize_t n;

	(void)arg;
	while ((n = stream_read(sink.from, buf, sizeof(buf), clock_deadline(10 * CLOCK_SEC))) > 0) {
		ck_assert_mem_eq(buf, sink.want.p + sink.got, (size_t)n);
		sink.got += (size_t)n;
	}
	ck_assert_int_eq(n, 0);
}

static void chill(const char *name)
{
	int fd = open(arena_printf(fx.arena, "%s/objects/%s", folder, name), O_RDONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	close(fd);
}

static void send_it(struct str bytes, uint64_t first)
{
	struct backend_get g = {
		.key = STR("k"), .ranged = true, .first = first, .last = bytes.n - 1};
	struct wait_group group = {0};
	struct stream *to;
	uint64_t sent = 0;
	bool sink_failed;
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	to = stream_new(pair[0]);
	sink.from = stream_new(pair[1]);
	sink.want = str_skip(bytes, first);
	sink.got = 0;
	wait_group_spawn(&group, "sink", swallow, NULL, NULL);
	EXPECT_ERR(backend_get(fx.b, fx.arena, &g, &fx.error), ERR_OK);
	EXPECT_ERR(body_send(g.body, to, 10 * CLOCK_SEC, &sent, &sink_failed, &fx.error), ERR_OK);
	body_close(&g.body);
	stream_close(&to);
	wait_group_wait(&group, 0);
	stream_close(&sink.from);
	ck_assert_uint_eq(sent, bytes.n - first);
	ck_assert_uint_eq(sink.got, bytes.n - first);
}

static void cold(void)
{
	struct str bytes = some_bytes(5 * 1048576 + 777, 3);

	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(put_bytes("k", bytes), ERR_OK);
	send_it(bytes, 0);
	chill("k%=");
	send_it(bytes, 0);
	chill("k%=");
	send_it(bytes, 12345);
	chill("k%=");
	get_and_compare("k", bytes);
}
START_TEST(cold_and_warm_files_are_the_same)
{
	in_task(cold);
}
END_TEST

static void shortened(void)
{
	struct str bytes = some_bytes(100000, 3);
	struct backend_get g = {.key = STR("k")};
	char buf[70000];
	ssize_t n;

	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(put_bytes("k", bytes), ERR_OK);
	EXPECT_ERR(backend_get(fx.b, fx.arena, &g, &fx.error), ERR_OK);
	ck_assert_int_eq(truncate(arena_printf(fx.arena, "%s/objects/k%%=", folder), 60000), 0);
	do
		n = body_read(g.body, buf, sizeof(buf), CLOCK_SEC, &fx.error);
	while (n > 0);
	ck_assert_int_lt(n, 0);
	ck_assert_int_eq(fx.error.code, ERR_IO);
	body_close(&g.body);
}
START_TEST(damaged_files_are_errors)
{
	in_task(shortened);
}
END_TEST

/* --- failures ------------------------------------------------------------- */

static void source(void)
{
	static const size_t all[] = {10, 50000, 3000000};

	EXPECT_ERR(fixture_open(), ERR_OK);
	for (size_t i = 0; i < 3; i++) {
		struct broken_body broken;
		struct backend_put p = {.key = STR("k"), .body = broken_body(&broken, all[i])};

		EXPECT_ERR(backend_put(fx.b, fx.arena, &p, &fx.error), ERR_IO);
		ck_assert(p.source_failed);
		ck_assert(!p.sent_any);
		ck_assert_int_eq(entries_in("objects"), 0);
		ck_assert_int_eq(entries_in("tmp"), 0);
	}
}
START_TEST(failed_source_leaves_nothing)
{
	in_task(source);
}
END_TEST

static void limited(void)
{
	struct rlimit limit = {.rlim_cur = 1000000, .rlim_max = RLIM_INFINITY};

	EXPECT_ERR(fixture_open(), ERR_OK);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	EXPECT_ERR(put_bytes("k", some_bytes(2000000, 1)), ERR_TOO_LARGE);
	EXPECT_ERR(put_bytes("k", some_bytes(900000, 1)), ERR_OK);
	limit.rlim_cur = RLIM_INFINITY;
	setrlimit(RLIMIT_FSIZE, &limit);
	ck_assert_int_eq(entries_in("tmp"), 0);
	ck_assert_int_eq(entries_in("objects"), 1);
}
START_TEST(file_size_limit)
{
	in_task(limited);
}
END_TEST

/* A disk of 4 MiB: full means full, and removing makes room. */
static void full(void)
{
	struct str bytes = some_bytes(1500000, 1), small = some_bytes(60000, 2);
	enum err r = fixture_open();
	int n = 0;

	if (r == ERR_OK)
		r = put_bytes("0", STR(""));
	if (r != ERR_OK && strstr(fx.error.text, "extended attributes") != NULL)
		SKIP("no extended attributes on a tmpfs: it has them since Linux 6.6");
	EXPECT_ERR(r, ERR_OK);
	EXPECT_ERR(put_bytes("1", bytes), ERR_OK);
	EXPECT_ERR(put_bytes("2", bytes), ERR_OK);
	EXPECT_ERR(put_bytes("3", bytes), ERR_NO_SPACE);
	while ((r = put_bytes(arena_printf(fx.arena, "s/%d", n), small)) == ERR_OK)
		n++;
	ck_assert_int_eq(r, ERR_NO_SPACE);
	ck_assert_int_gt(n, 5);
	ck_assert_int_eq(entries_in("tmp"), 0);
	get_and_compare("1", bytes);
	ck_assert_int_eq(breaker_state(&fx.breaker), BREAKER_CLOSED);
	EXPECT_ERR(remove_key("2"), ERR_OK);
	EXPECT_ERR(put_bytes("3", bytes), ERR_OK);
	get_and_compare("3", bytes);
}
START_TEST(full_disk)
{
	if (mount("none", folder, "tmpfs", 0, "size=4m") < 0)
		SKIP("a tmpfs cannot be mounted: not root");
	mounted = true;
	fx.config.backend_circuit_breaker = (struct config_breaker){
		.enabled = true, .failure_threshold = 2, .open_timeout = CLOCK_SEC};
	in_task(full);
}
END_TEST

/* A directory that somebody else has made, and may not have synced. */
static void foreign_directory(const char *name)
{
	ck_assert_int_eq(mkdir(arena_printf(fx.arena, "%s/objects/%s", folder, name), 0700), 0);
}

static void put_recorded(const char *key)
{
	syncs.n = 0;
	syncs.recorded = true;
	EXPECT_ERR(put_bytes(key, STR("x")), ERR_OK);
	syncs.recorded = false;
	ck_assert_int_eq(count_syncs("/objects/a/b"), 1);
}

static void lasting(void)
{
	open_folder();
	foreign_directory("a");
	foreign_directory("a/b");
	put_recorded("a/b/1");
	ck_assert_int_eq(count_syncs("/objects/a"), 1);
	ck_assert_int_eq(count_syncs("/objects"), 1);
	put_recorded("a/b/2");
	ck_assert_int_eq(count_syncs("/objects/a") + count_syncs("/objects"), 0);

	EXPECT_ERR(remove_key("a/b/1"), ERR_OK);
	EXPECT_ERR(remove_key("a/b/2"), ERR_OK);
	foreign_directory("a");
	foreign_directory("a/b");
	put_recorded("a/b/3");
	ck_assert_int_eq(count_syncs("/objects/a"), 1);
	ck_assert_int_eq(count_syncs("/objects"), 1);
}
START_TEST(names_of_others_are_made_to_last)
{
	in_task(lasting);
}
END_TEST

/* Whoever removed it may have been killed before that was durable. */
static void absent(void)
{
	open_folder();
	EXPECT_ERR(put_bytes("a/b/1", STR("x")), ERR_OK);
	syncs.n = 0;
	syncs.recorded = true;
	EXPECT_ERR(remove_key("a/b/2"), ERR_NOT_FOUND);
	EXPECT_ERR(remove_key("c/d"), ERR_NOT_FOUND);
	syncs.recorded = false;
	ck_assert_int_eq(count_syncs("/objects/a/b"), 1);
	ck_assert_int_eq(count_syncs("/objects"), 1);
}
START_TEST(absence_is_made_to_last)
{
	in_task(absent);
}
END_TEST

/* What appears after its writer has gone is taken away, and keeps nobody waiting. */
static void stuck(void)
{
	struct backend_put p = {.key = STR("d/k"), .body = body_of_memory("x", 1)};
	int64_t start;

	open_folder();
	EXPECT_ERR(put_bytes("other", STR("y")), ERR_OK);
	sem_init(&syncs.go, 0, 0);
	syncs.stuck = true;
	start = clock_mono();
	EXPECT_ERR(backend_put(fx.b, fx.arena, &p, &fx.error), ERR_TIMEOUT);
	ck_assert_int_lt(clock_mono() - start, 5 * CLOCK_SEC);
	ck_assert(p.sent_any);
	body_close(&p.body);
	get_and_compare("other", STR("y"));
	syncs.stuck = false;
	sem_post(&syncs.go);
	EXPECT_ERR(put_bytes("d/later", STR("z")), ERR_OK);
	for (int i = 0; i < 500 && entries_in("objects") != 3; i++)
		task_sleep(10 * CLOCK_MS);
	ck_assert_int_eq(entries_in("objects"), 3);
	EXPECT_ERR(remove_key("d/k"), ERR_NOT_FOUND);
	ck_assert_int_eq(entries_in("tmp"), 0);
}
START_TEST(a_write_that_is_given_up)
{
	fx.config.server.backend_timeout = CLOCK_SEC / 2;
	in_task(stuck);
}
END_TEST

static enum err remove_in_vain(struct backend *b, struct arena *a, struct str key, struct error *e)
{
	(void)b, (void)a, (void)key;
	return err_set(e, ERR_CONGESTED, "all connections are in use");
}

static void congested(void)
{
	struct backend_ops crowded;

	EXPECT_ERR(fixture_open(), ERR_OK);
	crowded = *fx.b->ops;
	crowded.remove = remove_in_vain;
	fx.b->ops = &crowded;
	for (int i = 0; i < 3; i++)
		EXPECT_ERR(remove_key("k"), ERR_CONGESTED);
	ck_assert_int_eq(breaker_state(&fx.breaker), BREAKER_CLOSED);
	ck_assert_int_eq(breaker_failures(&fx.breaker), 0);
	fixture_close(); /* uses the operations */
}
START_TEST(own_limits_say_nothing_about_the_backend)
{
	fx.config.backend_circuit_breaker = (struct config_breaker){
		.enabled = true, .failure_threshold = 2, .open_timeout = CLOCK_SEC};
	in_task(congested);
}
END_TEST

static void gone(void)
{
	struct backend_get g = {.key = STR("k")};
	struct backend_list l = {.max = 10};

	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(put_bytes("k", STR("x")), ERR_OK);
	teardown();
	EXPECT_ERR(backend_get(fx.b, fx.arena, &g, &fx.error), ERR_IO);
	EXPECT_ERR(remove_key("k"), ERR_IO);
	EXPECT_ERR(backend_list(fx.b, fx.arena, &l, &fx.error), ERR_IO);
	EXPECT_ERR(put_bytes("k2", STR("x")), ERR_IO);
}
START_TEST(removed_backend_is_not_an_empty_one)
{
	in_task(gone);
}
END_TEST

static void leftovers(void)
{
	char *old = arena_printf(fx.arena, "%s/tmp/old", folder);
	char *fresh = arena_printf(fx.arena, "%s/tmp/fresh", folder);
	struct timespec times[2] = {{.tv_sec = time(NULL) - 7200}, {.tv_sec = time(NULL) - 7200}};

	open_folder();
	fixture_close();
	close(open(old, O_CREAT | O_WRONLY, 0600));
	close(open(fresh, O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(utimensat(AT_FDCWD, old, times, 0), 0);
	open_folder();
	ck_assert_int_lt(access(old, F_OK), 0);
	ck_assert_int_eq(access(fresh, F_OK), 0);
}
START_TEST(old_leftovers_are_removed)
{
	in_task(leftovers);
}
END_TEST

/* It is a backend whose calls fail, until somebody repairs it. */
static void unusable(void)
{
	char *file = arena_printf(fx.arena, "%s/file", folder);

	close(open(file, O_CREAT | O_WRONLY, 0600));
	fx.backend.path = "/proc/1";
	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(put_bytes("k", STR("x")), ERR_IO);
	fixture_close();
	fx.backend.path = arena_printf(fx.arena, "%s/sub", file);
	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(put_bytes("k", STR("x")), ERR_IO);
	ck_assert_ptr_nonnull(strstr(fx.error.text, fx.backend.path));
	ck_assert_ptr_nonnull(strstr(backend_fault(fx.b), fx.backend.path));
	unlink(file);
	for (int i = 0; i < 50 && put_bytes("k", STR("x")) != ERR_OK; i++)
		task_sleep(100 * CLOCK_MS);
	get_and_compare("k", STR("x"));
	ck_assert_ptr_null(backend_fault(fx.b));
}
START_TEST(an_unusable_path_is_tried_again)
{
	in_task(unusable);
}
END_TEST

/* --- at the same time ------------------------------------------------------ */

/* Writers and removers of one directory take it away from each other. */
static void churn(void)
{
	for (int i = 0; i < 150; i++) {
		char *key = arena_printf(fx.arena, "deep/er/%d", getpid());

		EXPECT_ERR(put_bytes(key, STR("x")), ERR_OK);
		EXPECT_ERR(remove_key(key), ERR_OK);
	}
}
static void churn_process(void)
{
	EXPECT_ERR(fixture_open(), ERR_OK);
	churn();
}
START_TEST(writers_and_removers)
{
	enum { PROCESSES = 4 };
	pid_t pids[PROCESSES];

	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			in_task(churn_process);
			_exit(0);
		}
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_int_eq(entries_in("objects"), 0);
}
END_TEST

static int winners;
static void race_one(void *arg)
{
	(void)arg;
	enum err r = put_bytes("one/key", some_bytes(100000, (unsigned)winners));
	ck_assert(r == ERR_OK || r == ERR_CONFLICT);
	winners += r == ERR_OK;
}
static void race(void)
{
	struct wait_group g = {0};

	EXPECT_ERR(fixture_open(), ERR_OK);
	winners = 0;
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(wait_group_spawn(&g, "put", race_one, NULL, NULL), 0);
	wait_group_wait(&g, 0);
	ck_assert_int_eq(winners, 1);
	ck_assert_int_eq(entries_in("tmp"), 0);
}
START_TEST(one_writer_wins)
{
	in_task(race);
}
END_TEST

static void copies(void)
{
	static const size_t sizes[] = {0, 1, 70 * 1048576 + 1}; /* the last in two stretches */
	struct backend_put p;

	open_folder();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct str bytes = some_bytes(sizes[i], (unsigned)i);
		char to[32];

		snprintf(to, sizeof(to), "to/%zu", i);
		EXPECT_ERR(put_bytes("from", bytes), ERR_OK);
		EXPECT_ERR(copy_key("from", to, bytes.n, &p), ERR_OK);
		ck_assert(p.sent_any);
		ck_assert_str_eq(p.etag_md5, "");
		EXPECT_ERR(copy_key("from", to, bytes.n, &p), ERR_CONFLICT);
		ck_assert(!p.sent_any);
		EXPECT_ERR(remove_key("from"), ERR_OK);
		expect_copy(to, bytes);
	}
	EXPECT_ERR(copy_key("from", "k", 1, &p), ERR_NOT_FOUND);
	ck_assert(!p.sent_any);
	EXPECT_ERR(copy_key("to/1", "k", 2, &p), ERR_PROTOCOL); /* it has another size */
	ck_assert_int_eq(entries_in("tmp"), 0);
	EXPECT_ERR(remove_key("k"), ERR_NOT_FOUND);
}
START_TEST(copies_share_nothing_but_bytes)
{
	in_task(copies);
}
END_TEST

/* A copy counts once its bytes and its name are on the disk, as any other object. */
static void lasting_copy(void)
{
	struct backend_put p;

	open_folder();
	EXPECT_ERR(put_bytes("from", some_bytes(1000, 1)), ERR_OK);
	syncs.n = 0;
	syncs.recorded = true;
	EXPECT_ERR(copy_key("from", "deep/er/to", 1000, &p), ERR_OK);
	syncs.recorded = false;
	ck_assert_int_eq(count_syncs("/objects/deep/er"), 1);
	ck_assert_int_ge(count_syncs("/objects"), 1);
	ck_assert_int_ge(syncs.n, 4); /* the file, and all above it */
}
START_TEST(copies_are_made_to_last)
{
	in_task(lasting_copy);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("directory");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, what_goes_in_comes_out);
	tcase_add_test(t, ranges_are_exact);
	tcase_add_test(t, metadata_is_kept);
	tcase_add_test(t, any_key_works);
	tcase_add_test(t, names_are_unambiguous);
	tcase_add_test(t, lists_in_byte_order);
	tcase_add_test(t, lists_large_directories);
	tcase_add_test(t, cold_and_warm_files_are_the_same);
	tcase_add_test(t, damaged_files_are_errors);
	tcase_add_test(t, failed_source_leaves_nothing);
	tcase_add_test(t, file_size_limit);
	tcase_add_test(t, full_disk);
	tcase_add_test(t, names_of_others_are_made_to_last);
	tcase_add_test(t, absence_is_made_to_last);
	tcase_add_test(t, a_write_that_is_given_up);
	tcase_add_test(t, own_limits_say_nothing_about_the_backend);
	tcase_add_test(t, removed_backend_is_not_an_empty_one);
	tcase_add_test(t, old_leftovers_are_removed);
	tcase_add_test(t, an_unusable_path_is_tried_again);
	tcase_add_test(t, writers_and_removers);
	tcase_add_test(t, one_writer_wins);
	tcase_add_test(t, copies_share_nothing_but_bytes);
	tcase_add_test(t, copies_are_made_to_last);
	return run_tests("directory", t);
}
