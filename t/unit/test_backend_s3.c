/* SPDX-License-Identifier: MIT
 *
 * The S3 backend against real servers: Ceph's radosgw with and without TLS, and
 * Swift's s3api. They are started here by t/backends/. Only what no real server
 * does on request comes from a scripted one.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend_fixture.h"
#include "t/unit/run.h"

static char state[64];
static pid_t starter; /* who stops the servers: tests run in other processes */

struct server {
	const char *script, *arguments; /* environment before it */
	char port[16], endpoint[128], access_key[64], secret[128], ca_file[256];
};
static struct server servers[] = {
	{.script = "radosgw", .arguments = ""},
	{.script = "radosgw", .arguments = "RADOSGW_TLS=1"},
	{.script = "swift-s3", .arguments = ""},
};
#define N_SERVERS ((int)(sizeof(servers) / sizeof(*servers)))
static struct server *server; /* of the running test */

static void __attribute__((format(printf, 1, 2))) shell(const char *format, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	ck_assert_msg(system(command) == 0, "%s", command);
}

static void take_line(struct server *s, const char *line)
{
	const struct {
		const char *name;
		char *to;
		size_t size;
	} wanted[] = {
		{"_ENDPOINT=", s->endpoint, sizeof(s->endpoint)},
		{"_PORT=", s->port, sizeof(s->port)},
		{"_ACCESS_KEY=", s->access_key, sizeof(s->access_key)},
		{"_SECRET_KEY=", s->secret, sizeof(s->secret)},
		{"_CA_FILE=", s->ca_file, sizeof(s->ca_file)},
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		const char *p = strstr(line, wanted[i].name);

		if (p != NULL)
			snprintf(wanted[i].to, wanted[i].size, "%s", p + strlen(wanted[i].name));
	}
}

/* A state folder for each, so that every start makes a server of its own. */
static void start_server(int i)
{
	struct server *s = &servers[i];
	char command[256], line[512];
	FILE *out;

	snprintf(command, sizeof(command), "S3_BACKENDS_STATE=%s/%d %s t/backends/%s start 1",
	         state, i, s->arguments, s->script);
	out = popen(command, "r");
	while (out != NULL && fgets(line, sizeof(line), out) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		take_line(s, line);
	}
	if (out == NULL || pclose(out) != 0 || s->secret[0] == '\0') {
		fprintf(stderr, "%s: failed\n", command);
		exit(EXIT_FAILURE);
	}
}

static void stop_servers(void)
{
	char command[256];

	for (int i = 0; i < N_SERVERS && getpid() == starter; i++) {
		snprintf(command, sizeof(command), "S3_BACKENDS_STATE=%s/%d t/backends/%s stop",
		         state, i, servers[i].script);
		if (system(command) != 0)
			fprintf(stderr, "%s: failed\n", command);
		snprintf(command, sizeof(command), "%s/%d", state, i);
		rmdir(command);
	}
	rmdir(state);
}

#define FAULT(format, ...)                                                                         \
	shell("S3_BACKENDS_STATE=%s/%d t/backends/%s " format " >/dev/null 2>&1", state,           \
	      (int)(server - servers), server->script, __VA_ARGS__)

static void use(int i)
{
	server = &servers[i];
	memset(&fx, 0, sizeof(fx));
	fx.backend = (struct config_backend){
		.type = BACKEND_S3,
		.name = "s3",
		.endpoint = server->endpoint,
		.region = "us-east-1",
		.bucket = "alpha",
		.access_key_id = server->access_key,
		.secret_access_key = server->secret,
		.ca_file = server->ca_file,
		.force_path_style = true,
		.unsigned_payload = true,
	};
}

/* --- what works on all of them -------------------------------------------- */

static void sizes(void)
{
	static const size_t all[] = {0, 1, 65537, 1048576, 5 * 1048576 + 1};

	EXPECT_ERR(fixture_open(), ERR_OK);
	ck_assert(!backend_wants_sha256(fx.b));
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct str bytes = some_bytes(all[i], (unsigned)i);

		EXPECT_ERR(put_bytes("dir/key", bytes), ERR_OK);
		get_and_compare("dir/key", bytes);
		if (all[i] > 10) {
			EXPECT_ERR(get_range("dir/key", 0, 0, bytes), ERR_OK);
			EXPECT_ERR(get_range("dir/key", 3, bytes.n - 1, bytes), ERR_OK);
			EXPECT_ERR(get_range("dir/key", bytes.n, bytes.n, bytes), ERR_RANGE);
			EXPECT_ERR(get_range("dir/key", 0, bytes.n, bytes), ERR_PROTOCOL);
		}
	}
	EXPECT_ERR(remove_key("dir/key"), ERR_OK);
	EXPECT_ERR(get_range("dir/key", 0, 0, STR_NULL), ERR_NOT_FOUND);
}
START_TEST(what_goes_in_comes_out)
{
	use(_i);
	in_task(sizes);
}
END_TEST

static void signed_payload(void)
{
	struct str bytes = some_bytes(100000, 9);
	char hex[SHA256_HEX_SIZE];
	struct backend_put p = {.key = STR("signed"), .sha256 = {hex, SHA256_HEX_SIZE - 1}};

	EXPECT_ERR(fixture_open(), ERR_OK);
	ck_assert(backend_wants_sha256(fx.b));
	sha256_hex(bytes.p, bytes.n, hex);
	p.body = body_of_memory(bytes.p, bytes.n);
	EXPECT_ERR(backend_put(fx.b, fx.arena, &p, &fx.error), ERR_OK);
	body_close(&p.body);
	get_and_compare("signed", bytes);
	/* without the hash it is sent nevertheless */
	EXPECT_ERR(put_bytes("signed", bytes), ERR_OK);
	/* and a wrong one is noticed by the server */
	sha256_hex("x", 1, hex);
	p.body = body_of_memory(bytes.p, bytes.n);
	enum err r = backend_put(fx.b, fx.arena, &p, &fx.error);
	ck_assert_msg(r == ERR_DENIED || r == ERR_PROTOCOL, "%s: %s", err_name(r), fx.error.text);
	ck_assert(!p.sent_any);
	body_close(&p.body);
}
START_TEST(payloads_are_signed_if_wanted)
{
	use(_i);
	fx.backend.unsigned_payload = false;
	in_task(signed_payload);
}
END_TEST

static void metadata(void)
{
	const struct str_pair pairs[] = {
		{STR("s3o-generation"), STR("01JABC")},
		{STR("s3o-size"), STR("5")},
		{STR("spaces"), STR("a  b   c")},
	};
	struct backend_put p = {
		.key = STR("with metadata"),
		.content_type = STR("text/x-test"),
		.metadata = pairs,
		.n_metadata = 3,
	};
	struct backend_info info;

	EXPECT_ERR(fixture_open(), ERR_OK);
	p.body = body_of_memory("hello", 5);
	EXPECT_ERR(backend_put(fx.b, fx.arena, &p, &fx.error), ERR_OK);
	body_close(&p.body);
	EXPECT_ERR(backend_head(fx.b, fx.arena, p.key, &info, &fx.error), ERR_OK);
	ck_assert_uint_eq(info.size, 5);
	ck_assert(str_eq(info.content_type, p.content_type));
	ck_assert(str_eq(metadata_of(&info, "s3o-generation"), STR("01JABC")));
	ck_assert(str_eq(metadata_of(&info, "s3o-size"), STR("5")));
	ck_assert_uint_gt(metadata_of(&info, "spaces").n, 4);
	ck_assert_int_lt(llabs(info.modified - clock_wall()), 60 * CLOCK_SEC);
	EXPECT_ERR(backend_head(fx.b, fx.arena, STR("none"), &info, &fx.error), ERR_NOT_FOUND);
}
START_TEST(metadata_is_kept)
{
	use(_i);
	in_task(metadata);
}
END_TEST

static void odd(void)
{
	const char *keys[N_ODD_KEYS];

	memcpy(keys, odd_keys, sizeof(keys));
	EXPECT_ERR(fixture_open(), ERR_OK);
	for (size_t i = 0; i < N_ODD_KEYS; i++)
		EXPECT_ERR(put_bytes(keys[i], str_of(keys[i])), ERR_OK);
	for (size_t i = 0; i < N_ODD_KEYS; i++)
		get_and_compare(keys[i], str_of(keys[i]));
	qsort(keys, N_ODD_KEYS, sizeof(*keys), compare_keys);
	list_and_compare("", "", 1000, keys, N_ODD_KEYS);
	list_and_compare("", "", 4, keys, N_ODD_KEYS);
	list_and_compare("a", "a/b", 2, keys, N_ODD_KEYS);
	list_and_compare("a+b/c d#", "", 2, keys, N_ODD_KEYS);
	for (size_t i = 0; i < N_ODD_KEYS; i++)
		EXPECT_ERR(remove_key(keys[i]), ERR_OK);
	list_and_compare("", "", 1000, NULL, 0);
}
START_TEST(any_key_works)
{
	use(_i);
	fx.backend.bucket = "beta";
	in_task(odd);
}
END_TEST

/* --- refusals ------------------------------------------------------------- */

static void every_call(enum err want, enum err want_head)
{
	struct backend_get g = {.key = STR("k")};
	struct backend_list l = {.max = 10};
	struct backend_info info;

	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(put_bytes("k", STR("x")), want);
	EXPECT_ERR(put_bytes("k", some_bytes(3000000, 1)), want);
	EXPECT_ERR(backend_get(fx.b, fx.arena, &g, &fx.error), want);
	ck_assert_ptr_null(g.body);
	EXPECT_ERR(backend_head(fx.b, fx.arena, STR("k"), &info, &fx.error), want_head);
	EXPECT_ERR(remove_key("k"), want);
	EXPECT_ERR(backend_list(fx.b, fx.arena, &l, &fx.error), want);
	fixture_close();
}

static void credentials(void)
{
	fx.backend.secret_access_key = "wrong";
	every_call(ERR_DENIED, ERR_DENIED);
	fx.backend.secret_access_key = server->secret;
	fx.backend.access_key_id = "NOBODY";
	every_call(ERR_DENIED, ERR_DENIED);
}
START_TEST(wrong_credentials)
{
	use(_i);
	in_task(credentials);
}
END_TEST

static void no_bucket(void)
{
	/* an answer to HEAD has no body that could tell the difference */
	every_call(ERR_IO, ERR_NOT_FOUND);
}
START_TEST(missing_bucket_is_not_a_missing_key)
{
	use(_i);
	fx.backend.bucket = "no-such-bucket";
	in_task(no_bucket);
}
END_TEST

static void quota(void)
{
	struct str large = some_bytes(3000000, 1);
	struct backend_put p = {.key = STR("large"), .body = body_of_memory(large.p, large.n)};

	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(backend_put(fx.b, fx.arena, &p, &fx.error), ERR_NO_SPACE);
	ck_assert(!p.sent_any);
	ck_assert(!p.source_failed);
	body_close(&p.body);
}
START_TEST(full_bucket)
{
	use(_i);
	fx.backend.bucket = "gamma";
	FAULT("quota %s gamma 1000000", server->port);
	in_task(quota);
}
END_TEST

static void broken(void)
{
	static const uint64_t all[] = {1000, 300000, 3000000};

	EXPECT_ERR(fixture_open(), ERR_OK);
	for (size_t i = 0; i < 3; i++) {
		struct broken_body source;
		struct backend_put p = {.key = STR("broken"), .body = broken_body(&source, all[i])};
		struct backend_get g = {.key = p.key};

		EXPECT_ERR(backend_put(fx.b, fx.arena, &p, &fx.error), ERR_IO);
		ck_assert(p.source_failed);
		EXPECT_ERR(backend_get(fx.b, fx.arena, &g, &fx.error), ERR_NOT_FOUND);
	}
	struct body unread = {.size = UINT64_C(5) * 1024 * 1024 * 1024 + 1};
	static const struct body_ops none = {0};
	struct backend_put p = {.key = STR("huge"), .body = &unread};
	unread.ops = &none;
	EXPECT_ERR(backend_put(fx.b, fx.arena, &p, &fx.error), ERR_TOO_LARGE);
	ck_assert(!p.sent_any);
}
START_TEST(failed_source)
{
	use(_i);
	in_task(broken);
}
END_TEST

/* --- servers that fail ---------------------------------------------------- */

static void crash(void)
{
	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(put_bytes("k", STR("x")), ERR_OK);
	FAULT("crash %s", server->port);
	EXPECT_ERR(put_bytes("k2", STR("x")), ERR_IO);
	uint64_t sent = usage_unflushed(&fx.usage).api;
	EXPECT_ERR(remove_key("k"), ERR_IO);
	ck_assert_uint_eq(usage_unflushed(&fx.usage).api, sent); /* it never left */
	FAULT("revive %s", server->port);
	get_and_compare("k", STR("x"));
	ck_assert_uint_eq(usage_unflushed(&fx.usage).api, sent + 1);
}
START_TEST(crashed_server)
{
	use(_i);
	in_task(crash);
}
END_TEST

/* A server that does not answer: time-outs, until the breaker stops them. */
static void hang(void)
{
	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(put_bytes("k", STR("x")), ERR_OK);
	FAULT("pause %s", server->port);
	EXPECT_ERR(put_bytes("k2", STR("x")), ERR_TIMEOUT);
	EXPECT_ERR(remove_key("k"), ERR_TIMEOUT);
	uint64_t turns = rt_turns();
	EXPECT_ERR(put_bytes("k2", STR("x")), ERR_UNAVAILABLE);
	ck_assert_uint_eq(rt_turns(), turns); /* at once */
	FAULT("resume %s", server->port);
	while (!breaker_is_eligible(&fx.breaker))
		task_sleep(10 * CLOCK_MS);
	EXPECT_ERR(put_bytes("k3", STR("x")), ERR_OK);
	ck_assert_int_eq(breaker_state(&fx.breaker), BREAKER_CLOSED);
	get_and_compare("k3", STR("x"));
}
START_TEST(paused_server)
{
	use(_i);
	/* time enough for what is meant to work, also on a busy machine */
	fx.config.server.backend_timeout = 2 * CLOCK_SEC;
	fx.config.backend_circuit_breaker = (struct config_breaker){
		.enabled = true, .failure_threshold = 2, .open_timeout = 2 * CLOCK_SEC};
	in_task(hang);
}
END_TEST

static void untrusted(void)
{
	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(put_bytes("k", STR("x")), ERR_IO);
}
START_TEST(unknown_certificate_is_refused)
{
	use(1);
	fx.backend.ca_file = "";
	in_task(untrusted);
}
END_TEST

static void virtual_host(void)
{
	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(put_bytes("virtual/host", STR("x")), ERR_OK);
	get_and_compare("virtual/host", STR("x"));
	list_and_compare("virtual/", "", 10, (const char *const[]){"virtual/host"}, 1);
}
START_TEST(bucket_in_the_host_name)
{
	struct addrinfo *found;
	char endpoint[64];

	use(_i);
	if (getaddrinfo("alpha.localhost", NULL, NULL, &found) != 0)
		SKIP("the resolver does not know names below localhost (RFC 6761 6.3)");
	freeaddrinfo(found);
	snprintf(endpoint, sizeof(endpoint), "http://localhost:%s", server->port);
	fx.backend.endpoint = endpoint;
	fx.backend.force_path_style = false;
	in_task(virtual_host);
}
END_TEST

static void copies(void)
{
	static const size_t sizes[] = {0, 1, 6 * 1048576 + 1};
	uint64_t total = 0;
	struct backend_put p;

	EXPECT_ERR(fixture_open(), ERR_OK);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct str bytes = some_bytes(sizes[i], (unsigned)i);

		EXPECT_ERR(put_bytes("from/a b+%41?x", bytes), ERR_OK);
		EXPECT_ERR(copy_key("from/a b+%41?x", "to/\303\244", bytes.n, &p), ERR_OK);
		ck_assert(p.sent_any && !p.source_failed);
		ck_assert_uint_eq(strlen(p.etag_md5), 32);
		EXPECT_ERR(remove_key("from/a b+%41?x"), ERR_OK);
		expect_copy("to/\303\244", bytes);
		total += bytes.n;
		expect_usage(5 * (i + 1), total, total); /* copying moves nothing */
	}
	EXPECT_ERR(copy_key("absent", "k", 1, &p), ERR_NOT_FOUND);
	ck_assert(!p.sent_any);
	EXPECT_ERR(backend_head(fx.b, fx.arena, p.key, &(struct backend_info){0}, &fx.error),
	           ERR_NOT_FOUND);
	EXPECT_ERR(copy_key("to/\303\244", "k", UINT64_C(5) << 30 | 1, &p), ERR_UNSUPPORTED);
	expect_usage(17, total, total); /* a failure is a request, what is not asked is none */
}
START_TEST(copies_are_made_by_the_server)
{
	use(_i);
	in_task(copies);
}
END_TEST

static void only_new(void)
{
	struct backend_put p = {.key = STR("new"), .only_new = true};
	struct backend_refusal refusal = {0};
	bool knows_conditions = strcmp(server->script, "radosgw") == 0;

	EXPECT_ERR(fixture_open(), ERR_OK);
	fx.b->refusal = &refusal;
	EXPECT_ERR(put_bytes("new", STR("first")), ERR_OK);
	ck_assert_int_eq(refusal.status, 0);
	p.body = body_of_memory("second", 6);
	EXPECT_ERR(backend_put(fx.b, fx.arena, &p, &fx.error),
	           knows_conditions ? ERR_PRECONDITION : ERR_UNSUPPORTED);
	body_close(&p.body);
	ck_assert_int_eq(refusal.status, knows_conditions ? 412 : 501);
	ck_assert_str_eq(refusal.code, knows_conditions ? "PreconditionFailed" : "NotImplemented");
	ck_assert_str_eq(refusal.region, "");
	ck_assert_int_lt(llabs(refusal.clock - clock_wall()), 60 * CLOCK_SEC);
	get_and_compare("new", STR("first"));
}
START_TEST(an_object_is_not_overwritten_on_condition)
{
	use(_i);
	in_task(only_new);
}
END_TEST

/* --- answers that no real server gives on request ------------------------- */

struct exchange {
	const char *request; /* its beginning */
	const char *answer;
};

static void read_head(int fd, char *head, size_t size)
{
	size_t n = 0;

	while (n < size - 1 && recv(fd, head + n, 1, 0) == 1) {
		head[++n] = '\0';
		if (n >= 4 && memcmp(head + n - 4, "\r\n\r\n", 4) == 0)
			return;
	}
	_exit(2);
}

/* What SDKs add, and some servers (Google's) then find the signature wrong. */
static bool has_sdk_field(const char *head)
{
	static const char *const fields[] = {"amz-sdk-",        "accept-encoding:",
	                                     "x-amz-checksum-", "x-amz-sdk-checksum-",
	                                     "x-amz-trailer:",  "x-id="};

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (strcasestr(head, fields[i]) != NULL)
			return true;
	return false;
}

/* In an answer: nothing is said for two seconds. */
#define PAUSE "\1"

static bool send_answer(int fd, const char *answer)
{
	size_t n = strcspn(answer, PAUSE);

	if (send(fd, answer, n, MSG_NOSIGNAL) < 0)
		return false;
	if (answer[n] == '\0')
		return true;
	sleep(2);
	return send_answer(fd, answer + n + 1);
}

/* Gives the answers in order, one a connection. Ends with 0 when all requests
 * were as expected. */
static void serve(int listener, const struct exchange *x, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char head[8192], rest[4096];
		int fd = accept(listener, NULL, NULL);

		read_head(fd, head, sizeof(head));
		if (strncmp(head, x[i].request, strlen(x[i].request)) != 0 || has_sdk_field(head)) {
			fprintf(stderr, "unexpected: %s", head);
			_exit(1);
		}
		if (!send_answer(fd, x[i].answer))
			_exit(3);
		shutdown(fd, SHUT_WR);
		while (recv(fd, rest, sizeof(rest), 0) > 0)
			;
		close(fd);
	}
	_exit(0);
}

static void with_script(const struct exchange *x, size_t n, void (*fn)(void))
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), status;
	char endpoint[64];
	pid_t pid;

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(listener, 16), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&a, &length), 0);
	snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%d/base", ntohs(a.sin_port));
	pid = fork();
	if (pid == 0)
		serve(listener, x, n);
	close(listener);
	memset(&fx, 0, sizeof(fx));
	fx.backend = (struct config_backend){.name = "script",
	                                     .endpoint = endpoint,
	                                     .bucket = "bkt",
	                                     .access_key_id = "A",
	                                     .secret_access_key = "S",
	                                     .force_path_style = true};
	in_task(fn);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
#define WITH_SCRIPT(fn, ...)                                                                       \
	with_script((const struct exchange[]){__VA_ARGS__},                                        \
	            sizeof((const struct exchange[]){__VA_ARGS__}) / sizeof(struct exchange), fn)

#define CLOSE "Connection: close\r\n"
#define GET_K "GET /base/bkt/k HTTP/1.1\r\n"

static void whole_for_part(void)
{
	struct str all = STR("0123456789");

	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(get_range("k", 3, 5, all), ERR_OK);
	EXPECT_ERR(get_range("k", 0, 9, all), ERR_OK);
	EXPECT_ERR(get_range("k", 2000000, 2000001, all), ERR_PROTOCOL);
	EXPECT_ERR(get_range("k", 5, 20, all), ERR_PROTOCOL);
}
#define WHOLE "HTTP/1.1 200 OK\r\n" CLOSE "Content-Length: 10\r\n\r\n0123456789"
START_TEST(range_answered_with_everything)
{
	WITH_SCRIPT(whole_for_part, {GET_K, WHOLE}, {GET_K, WHOLE},
	            {GET_K, "HTTP/1.1 200 OK\r\n" CLOSE "Content-Length: 3000000\r\n\r\n"},
	            {GET_K, WHOLE});
}
END_TEST

static void wrong_parts(void)
{
	EXPECT_ERR(fixture_open(), ERR_OK);
	for (int i = 0; i < 5; i++)
		EXPECT_ERR(get_range("k", 3, 5, STR("0123456789")), ERR_PROTOCOL);
}
START_TEST(wrong_ranges_are_refused)
{
#define PART(range, length)                                                                        \
	"HTTP/1.1 206 Partial Content\r\n" CLOSE range "Content-Length: " length "\r\n\r\n0123456"
	WITH_SCRIPT(wrong_parts, {GET_K, PART("Content-Range: bytes 3-6/10\r\n", "4")},
	            {GET_K, PART("Content-Range: bytes 2-5/10\r\n", "4")},
	            {GET_K, PART("Content-Range: bytes 3-5/*\r\n", "3")},
	            {GET_K, PART("Content-Range: bytes 3-5/10\r\n", "4")}, {GET_K, PART("", "3")});
}
END_TEST

static void short_body(void)
{
	struct backend_get g = {.key = STR("k")};
	char buf[100];
	ssize_t n;

	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(backend_get(fx.b, fx.arena, &g, &fx.error), ERR_OK);
	do
		n = body_read(g.body, buf, sizeof(buf), CLOCK_SEC, &fx.error);
	while (n > 0);
	ck_assert_int_lt(n, 0);
	body_close(&g.body);
	/* without a length there is no telling */
	EXPECT_ERR(backend_get(fx.b, fx.arena, &g, &fx.error), ERR_PROTOCOL);
}
START_TEST(cut_bodies_are_errors)
{
	WITH_SCRIPT(short_body,
	            {GET_K, "HTTP/1.1 200 OK\r\n" CLOSE "Content-Length: 10\r\n\r\n01234"},
	            {GET_K, "HTTP/1.1 200 OK\r\n" CLOSE "\r\n01234"});
}
END_TEST

#define BUSY "HTTP/1.1 503 Slow Down\r\n" CLOSE "Content-Length: 0\r\n\r\n"
#define DONE "HTTP/1.1 204 No Content\r\n" CLOSE "\r\n"

static void busy(void)
{
	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(remove_key("k"), ERR_OK);
	EXPECT_ERR(remove_key("k"), ERR_BUSY);
	/* the small body is gone already, the large one is not */
	EXPECT_ERR(put_bytes("k", STR("small")), ERR_BUSY);
	struct str large = some_bytes(2000000, 1);
	struct backend_put p = {.key = STR("k"), .body = body_of_memory(large.p, large.n)};
	EXPECT_ERR(backend_put(fx.b, fx.arena, &p, &fx.error), ERR_BUSY);
	ck_assert(!p.sent_any);
	body_close(&p.body);
	expect_usage(7, 0, 5);
}
START_TEST(busy_servers_are_asked_twice)
{
	WITH_SCRIPT(busy, {"DELETE /base/bkt/k HTTP/1.1\r\n", BUSY}, {"DELETE ", DONE},
	            {"DELETE ", BUSY}, {"DELETE ", BUSY}, {"PUT /base/bkt/k HTTP/1.1\r\n", BUSY},
	            {"PUT ", BUSY}, {"PUT ", BUSY});
}
END_TEST

#define ANSWER(status, type, length, body)                                                         \
	"HTTP/1.1 " status "\r\n" CLOSE "Content-Type: " type "\r\nContent-Length: " length        \
	"\r\n\r\n" body

#define NO_SUCH_KEY "<Error><Code>NoSuchKey</Code></Error>"

static void meanings(void)
{
	struct backend_get g = {.key = STR("k")};
	struct backend_info info;

	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(remove_key("k"), ERR_PROTOCOL); /* a web server's 404 */
	EXPECT_ERR(remove_key("k"), ERR_PROTOCOL);
	EXPECT_ERR(remove_key("k"), ERR_PROTOCOL); /* could be NoSuchBucket */
	EXPECT_ERR(remove_key("k"), ERR_NOT_FOUND);
	EXPECT_ERR(backend_get(fx.b, fx.arena, &g, &fx.error), ERR_PROTOCOL);
	EXPECT_ERR(backend_head(fx.b, fx.arena, g.key, &info, &fx.error), ERR_NOT_FOUND);
	EXPECT_ERR(remove_key("k"), ERR_NO_SPACE);
	EXPECT_ERR(remove_key("k"), ERR_IO);
	EXPECT_ERR(remove_key("k"), ERR_UNSUPPORTED);
	EXPECT_ERR(remove_key("k"), ERR_PROTOCOL); /* a redirect */
	EXPECT_ERR(remove_key("k"), ERR_TIMEOUT);
}
START_TEST(answers_mean_what_they_say)
{
	WITH_SCRIPT(
		meanings,
		{"DELETE ", ANSWER("404 Not Found", "text/html", "15", "<html>no</html>")},
		{"DELETE ", ANSWER("404 Not Found", "text/html", "0", "")},
		{"DELETE ", ANSWER("404 Not Found", "application/xml", "90", "<Error><Code>NoSu")},
		{"DELETE ", ANSWER("404 Not Found", "application/xml", "37", NO_SUCH_KEY)},
		{"GET ", ANSWER("404 Not Found", "text/html", "0", "")},
		{"HEAD ", ANSWER("404 Not Found", "text/html", "37", "")},
		{"DELETE ", ANSWER("507 Full", "text/html", "0", "")},
		{"DELETE ", ANSWER("500 Oops", "text/html", "0", "")},
		{"DELETE ", ANSWER("501 No", "text/html", "0", "")},
		{"DELETE ", ANSWER("301 Moved", "text/html", "0", "")},
		{"DELETE ", ANSWER("504 Late", "text/html", "0", "")});
}
END_TEST

/* Whatever disable_checksum and strip_sdk_headers are. */
static bool flags;
static void every_operation(void)
{
	struct backend_put p = {.key = STR("k"), .body = body_of_memory("x", 1)};
	struct backend_list l = {.max = 1};
	struct backend_info info;

	fx.backend.disable_checksum = fx.backend.strip_sdk_headers = flags;
	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(backend_put(fx.b, fx.arena, &p, &fx.error), ERR_OK);
	body_close(&p.body);
	EXPECT_ERR(get_range("k", 0, 0, STR("x")), ERR_OK);
	EXPECT_ERR(backend_head(fx.b, fx.arena, p.key, &info, &fx.error), ERR_OK);
	EXPECT_ERR(backend_list(fx.b, fx.arena, &l, &fx.error), ERR_OK);
	EXPECT_ERR(remove_key("k"), ERR_OK);
}
START_TEST(nothing_that_only_sdks_send)
{
	flags = _i;
	WITH_SCRIPT(every_operation, {"PUT ", ANSWER("200 OK", "text/plain", "0", "")},
	            {GET_K, ANSWER("200 OK", "text/plain", "1", "x")},
	            {"HEAD ", ANSWER("200 OK", "text/plain", "1", "")},
	            {"GET /base/bkt?", ANSWER("200 OK", "text/xml", "21", "<ListBucketResult/>  ")},
	            {"DELETE ", ANSWER("204 No Content", "text/plain", "0", "")});
}
END_TEST

static void put_and_expect_md5(const char *md5)
{
	struct backend_put p = {.key = STR("k"), .body = body_of_memory("x", 1)};

	EXPECT_ERR(backend_put(fx.b, fx.arena, &p, &fx.error), ERR_OK);
	ck_assert_str_eq(p.etag_md5, md5);
	body_close(&p.body);
}

#define MD5_X "9dd4e461268c8034f5c8564e155c67a6"

static void etags(void)
{
	EXPECT_ERR(fixture_open(), ERR_OK);
	put_and_expect_md5(MD5_X);
	put_and_expect_md5(MD5_X);
	for (int i = 0; i < 3; i++)
		put_and_expect_md5("");
}
START_TEST(etags_of_encrypting_servers_are_not_taken)
{
#define STORED(field)                                                                              \
	"HTTP/1.1 200 OK\r\n" CLOSE field "ETag: \"" MD5_X "\"\r\nContent-Length: 0\r\n\r\n"
#define SSE "x-amz-server-side-encryption"
	WITH_SCRIPT(etags, {"PUT ", STORED("")}, {"PUT ", STORED(SSE ": AES256\r\n")},
	            {"PUT ", STORED(SSE ": aws:kms\r\n")},
	            {"PUT ", STORED(SSE ": aws:kms:dsse\r\n")},
	            {"PUT ", STORED(SSE "-customer-algorithm: AES256\r\n")});
}
END_TEST

static void odd_lists(void)
{
	struct backend_list l = {.prefix = STR("p"), .after = STR("p1"), .max = 10};

	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(backend_list(fx.b, fx.arena, &l, &fx.error), ERR_OK);
	ck_assert_uint_eq(l.n_items, 1);
	ck_assert(str_eq(l.items[0].key, STR("p2 +")));
	ck_assert_uint_eq(l.items[0].size, 7);
	ck_assert(!l.more);
	for (int i = 0; i < 5; i++)
		EXPECT_ERR(backend_list(fx.b, fx.arena, &l, &fx.error), ERR_PROTOCOL);
}
START_TEST(listings_are_checked)
{
#define LIST       "GET /base/bkt?encoding-type=url&list-type=2&max-keys=10&prefix=p&start-after=p1 "
#define PAGE(body) "HTTP/1.1 200 OK\r\n" CLOSE "\r\n<ListBucketResult>" body "</ListBucketResult>"
#define ITEM(key)  "<Contents><Key>" key "</Key><Size>7</Size></Contents>"
	WITH_SCRIPT(odd_lists,
	            {LIST, PAGE("<EncodingType>url</EncodingType>"
	                        "<IsTruncated>false</IsTruncated>" ITEM("p2+%2B"))},
	            {LIST, PAGE(ITEM("p1"))}, {LIST, PAGE(ITEM("p3") ITEM("p2"))},
	            {LIST, PAGE(ITEM("q"))}, {LIST, PAGE("<IsTruncated>true</IsTruncated>")},
	            {LIST, "HTTP/1.1 200 OK\r\n" CLOSE "\r\n<Nonsense/>"});
}
END_TEST

#define COPY_K      "PUT /base/bkt/k HTTP/1.1\r\n"
#define COPY_OK     "HTTP/1.1 200 OK\r\n" CLOSE "\r\n"
#define MD5_OF_NONE "d41d8cd98f00b204e9800998ecf8427e"
#define N_COPIES    9

/* What each of the answers below means, and whether bytes may lie there after it. */
static void odd_copies(void)
{
	static const struct {
		enum err result;
		const char *md5;
		bool sent_any;
	} wanted[N_COPIES] = {
		{ERR_OK, MD5_OF_NONE, true},  {ERR_OK, MD5_OF_NONE, true},
		{ERR_OK, "", true},           {ERR_IO, "", true},
		{ERR_NOT_FOUND, "", true},    {ERR_PROTOCOL, "", true},
		{ERR_PROTOCOL, "", true},     {ERR_IO, "", true},
		{ERR_UNSUPPORTED, "", false},
	};
	struct backend_put p;

	EXPECT_ERR(fixture_open(), ERR_OK);
	for (int i = 0; i < N_COPIES; i++) {
		ck_assert(backend_can_copy(fx.b, 1));
		EXPECT_ERR(copy_key("from", "k", 1, &p), wanted[i].result);
		ck_assert_str_eq(p.etag_md5, wanted[i].md5);
		ck_assert_int_eq(p.sent_any, wanted[i].sent_any);
	}
	ck_assert(!backend_can_copy(fx.b, 1)); /* and it is not asked again */
	EXPECT_ERR(copy_key("from", "k", 1, &p), ERR_UNSUPPORTED);
}
START_TEST(a_copy_has_succeeded_only_when_the_document_says_so)
{
	WITH_SCRIPT(odd_copies,
	            {COPY_K, COPY_OK "<CopyObjectResult><ETag>&quot;" MD5_OF_NONE
	                             "&quot;</ETag></CopyObjectResult>"},
	            {COPY_K, COPY_OK " \n\t <?xml version=\"1.0\"?>  <CopyObjectResult><Progress>1"
	                             "</Progress><ETag>" MD5_OF_NONE "</ETag></CopyObjectResult>"},
	            {COPY_K, COPY_OK "<CopyObjectResult><ETag>\"" MD5_OF_NONE
	                             "-2\"</ETag></CopyObjectResult>"},
	            {COPY_K,
	             COPY_OK "<?xml version=\"1.0\"?>   <Error><Code>InternalError</Code></Error>"},
	            {COPY_K, COPY_OK "<Error><Code>NoSuchKey</Code></Error>"},
	            {COPY_K, COPY_OK "      "}, {COPY_K, COPY_OK "<CopyObjectResult><ETag>"},
	            {COPY_K, "HTTP/1.1 500 Oh\r\n" CLOSE "\r\n"},
	            {COPY_K, "HTTP/1.1 501 No\r\n" CLOSE "\r\n"});
}
END_TEST

/* Nothing is heard before the bytes are copied: the more there are, the longer it takes. */
static void slow_copies(void)
{
	struct backend_put p;

	fx.config.server.backend_timeout = CLOCK_SEC;
	EXPECT_ERR(fixture_open(), ERR_OK);
	EXPECT_ERR(copy_key("from", "k", 4 * BACKEND_COPY_RATE, &p), ERR_OK);
	EXPECT_ERR(copy_key("from", "k", 4 * BACKEND_COPY_RATE, &p), ERR_OK);
	EXPECT_ERR(copy_key("from", "k", 1, &p), ERR_TIMEOUT);
	ck_assert(p.sent_any);
	ck_assert_int_eq(backend_copy_patience(fx.b, 1), CLOCK_SEC);
	ck_assert_int_eq(backend_copy_patience(fx.b, 3 * BACKEND_COPY_RATE / 2), CLOCK_SEC * 5 / 2);
	ck_assert_int_eq(backend_copy_landing(fx.b, UINT64_C(5) << 30), (1 + 1280) * CLOCK_SEC);
	fx.backend.type = BACKEND_DIRECTORY; /* the copier ends with this process */
	ck_assert_int_eq(backend_copy_landing(fx.b, UINT64_C(5) << 30), CLOCK_SEC);
	fx.backend.type = BACKEND_S3;
}
START_TEST(a_copy_is_waited_for_by_its_size)
{
#define COPIED "<CopyObjectResult><ETag>x</ETag></CopyObjectResult>"
	WITH_SCRIPT(slow_copies, {COPY_K, PAUSE COPY_OK COPIED}, {COPY_K, COPY_OK PAUSE COPIED},
	            {COPY_K, PAUSE COPY_OK COPIED});
}
END_TEST

/* Says on stderr what is not. */
static bool installed(void)
{
	return system("missing=\n"
	              "for program in radosgw ceph-mon ceph-osd memcached; do\n"
	              "	command -v $program >/dev/null || missing=\"$missing $program\"\n"
	              "done\n"
	              "test -e /usr/lib/python3/dist-packages/swift || missing=\"$missing swift\"\n"
	              "test -z \"$missing\" && exit\n"
	              "echo \"not installed:$missing; packaging/deps test installs it\" >&2\n"
	              "exit 1") == 0;
}

static void add_real_servers(TCase *t)
{
	tcase_add_loop_test(t, what_goes_in_comes_out, 0, N_SERVERS);
	tcase_add_loop_test(t, payloads_are_signed_if_wanted, 0, N_SERVERS);
	tcase_add_loop_test(t, metadata_is_kept, 0, N_SERVERS);
	tcase_add_loop_test(t, any_key_works, 0, N_SERVERS);
	tcase_add_loop_test(t, copies_are_made_by_the_server, 0, N_SERVERS);
	tcase_add_loop_test(t, an_object_is_not_overwritten_on_condition, 0, N_SERVERS);
	tcase_add_loop_test(t, wrong_credentials, 0, N_SERVERS);
	tcase_add_loop_test(t, missing_bucket_is_not_a_missing_key, 0, N_SERVERS);
	tcase_add_loop_test(t, full_bucket, 0, N_SERVERS);
	tcase_add_loop_test(t, failed_source, 0, N_SERVERS);
	tcase_add_loop_test(t, crashed_server, 0, N_SERVERS);
	tcase_add_loop_test(t, paused_server, 0, N_SERVERS);
	tcase_add_test(t, unknown_certificate_is_refused);
	tcase_add_loop_test(t, bucket_in_the_host_name, 0, 1);
	tcase_add_loop_test(t, bucket_in_the_host_name, 2, 3);
}

int main(void)
{
	TCase *t;

	if (!installed())
		return EXIT_FAILURE;
	t = tcase_create("s3");
	tcase_set_timeout(t, 120);
	tcase_add_test(t, range_answered_with_everything);
	tcase_add_test(t, wrong_ranges_are_refused);
	tcase_add_test(t, cut_bodies_are_errors);
	tcase_add_test(t, busy_servers_are_asked_twice);
	tcase_add_test(t, answers_mean_what_they_say);
	tcase_add_loop_test(t, nothing_that_only_sdks_send, 0, 2);
	tcase_add_test(t, etags_of_encrypting_servers_are_not_taken);
	tcase_add_test(t, listings_are_checked);
	tcase_add_test(t, a_copy_has_succeeded_only_when_the_document_says_so);
	tcase_add_test(t, a_copy_is_waited_for_by_its_size);
	snprintf(state, sizeof(state), "/tmp/s3o-servers-XXXXXX");
	if (mkdtemp(state) == NULL)
		return EXIT_FAILURE;
	starter = getpid();
	atexit(stop_servers);
	for (int i = 0; i < N_SERVERS; i++)
		start_server(i);
	add_real_servers(t);
	return run_tests("s3", t);
}
