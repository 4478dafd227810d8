/* SPDX-License-Identifier: MIT
 *
 * Connections of a process: requests in every rhythm, time-outs, limits, no
 * descriptors left, and leaving.
 */
#include "test_net.h"

#include <ctype.h>
#include <netinet/in.h>
#include <sys/resource.h>

#include "net/doors.h"
#include "net/http_server.h"
#include "t/unit/run.h"

#define CLIENTS_MAX 8
#define GET         "GET /now HTTP/1.1\r\nHost: x\r\n\r\n"
#define SLOW        "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"

static _Atomic uint64_t n_connections, n_requests, n_served;
static struct doors *doors;
static struct stream *clients[CLIENTS_MAX];
static struct notify go; /* what slow requests wait for */
static struct wait_group leaving;
static bool left;

/* --- the server -------------------------------------------------------------- */

/* Yields two pieces, then ends or fails. */
struct pieces {
	struct body body;
	int at;
	bool fails;
};

static ssize_t pieces_read(struct body *b, void *buf, size_t n, int64_t idle_us, struct error *e)
{
	static const char *const all[] = {"one", "a second piece", ""};
	struct pieces *p = (struct pieces *)b;
	const char *piece = all[p->at++];

	(void)idle_us;
	if (p->fails && *piece == '\0') {
		err_set(e, ERR_IO, "broken");
		return -1;
	}
	ck_assert_uint_ge(n, strlen(piece));
	memcpy(buf, piece, strlen(piece));
	return (ssize_t)strlen(piece);
}

static void reply_pieces(struct http_call *c, bool fails)
{
	static const struct body_ops ops = {.read = pieces_read};
	struct pieces p = {.body = {.ops = &ops, .size = BODY_SIZE_UNKNOWN}, .fails = fails};
	bool sink_failed;
	enum err r = http_reply_body(c, 200, &p.body, &sink_failed, &error);

	ck_assert_int_eq(r, fails ? ERR_IO : ERR_OK);
	ck_assert(!sink_failed);
	ck_assert_uint_eq(c->sent, 17);
}

static void handle(struct http_call *c)
{
	if (str_starts(c->path, STR("/pieces")))
		reply_pieces(c, str_eq(c->path, STR("/pieces-that-fail")));
	else if (str_eq(c->path, STR("/slow")) &&
	         notify_wait(&go, clock_deadline(TEST_PATIENCE)) < 0)
		http_reply(c, 503, STR("cancelled"));
	else
		http_reply(c, 200, STR("ok"));
}

static void malformed(struct http_call *c, int status, const char *why)
{
	http_reply(c, status, str_of(why));
}

static in_port_t open_door(struct door_options o)
{
	struct sockaddr_in a;
	socklen_t n = sizeof a;

	ck_assert_ok(socket_listen_tcp("127.0.0.1:0", 1, &o.fd, &error));
	ck_assert_int_eq(getsockname(o.fd, (struct sockaddr *)&a, &n), 0);
	o.handle = handle;
	o.malformed = malformed;
	o.limit = o.limit ? o.limit : 100;
	o.idle_us = o.idle_us ? o.idle_us : CLOCK_NEVER;
	o.header_us = o.header_us ? o.header_us : TEST_PATIENCE;
	o.write_idle_us = TEST_PATIENCE;
	ck_assert_ok(doors_open(doors, &o, &error));
	return ntohs(a.sin_port);
}

static void set_up(void)
{
	left = false;
	doors = doors_new((struct doors_counters){&n_connections, &n_requests, &n_served});
}

static void leave_task(void *arg)
{
	const int64_t *us = arg;

	doors_leave(doors, us[0], us[1]);
}

static void begin_to_leave(const int64_t us[2])
{
	left = true;
	ck_assert_int_eq(
		wait_group_spawn(&leaving, "leave", leave_task, (void *)(intptr_t)us, NULL), 0);
	task_yield();
	task_yield();
}

static void tear_down(void)
{
	static const int64_t us[2] = {0, CLOCK_NEVER};

	if (!left)
		begin_to_leave(us);
	wait_group_wait(&leaving, 0);
	doors_free(&doors);
	ck_assert_uint_eq(n_connections, 0);
	ck_assert_uint_eq(n_requests, 0);
	for (int i = 0; i < CLIENTS_MAX; i++)
		stream_close(&clients[i]);
}

/* --- clients ----------------------------------------------------------------- */

static void await(const _Atomic uint64_t *counter, uint64_t value)
{
	int64_t deadline = clock_deadline(TEST_PATIENCE);

	while (*counter != value) {
		ck_assert_int_lt(clock_mono(), deadline);
		task_sleep(CLOCK_MS);
	}
}

/* The test itself, and the one that accepts at each door. */
static void await_tasks(size_t n)
{
	int64_t deadline = clock_deadline(TEST_PATIENCE);

	while (task_count() != n) {
		ck_assert_int_lt(clock_mono(), deadline);
		task_sleep(CLOCK_MS);
	}
}

static void dial(int i, in_port_t port)
{
	char text[8];

	snprintf(text, sizeof text, "%d", port);
	ck_assert_ok(socket_connect_tcp("127.0.0.1", text, clock_deadline(TEST_PATIENCE),
	                                &clients[i], &error));
}

static void dial_accepted(int i, in_port_t port)
{
	uint64_t before = n_connections;

	dial(i, port);
	await(&n_connections, before + 1);
}

static void say(int i, const char *text)
{
	ck_assert_int_eq(stream_write_all(clients[i], text, strlen(text), TEST_PATIENCE), 0);
}

/* Reads one answer. */
static void expect_answer(int i, const char *status, bool close)
{
	char text[2000];
	size_t n = 0;

	do {
		ssize_t r = stream_read(clients[i], text + n, 1, clock_deadline(TEST_PATIENCE));

		ck_assert_int_eq(r, 1);
		n++;
	} while (n < 4 || memcmp(text + n - 4, "\r\n\r\n", 4) != 0);
	text[n] = '\0';
	ck_assert_msg(strncmp(text + 9, status, 3) == 0, "%s", text);
	ck_assert_msg((strstr(text, "Connection: close") != NULL) == close, "%s", text);
	for (unsigned long n_body = strtoul(strstr(text, "Content-Length: ") + 16, NULL, 10);
	     n_body > 0; n_body--)
		ck_assert_int_eq(stream_read(clients[i], text, 1, clock_deadline(TEST_PATIENCE)),
		                 1);
}

static void expect_get(int i)
{
	say(i, GET);
	expect_answer(i, "200", false);
}

static void expect_closed(int i)
{
	char c;

	ck_assert_int_eq(stream_read(clients[i], &c, 1, clock_deadline(TEST_PATIENCE)), 0);
}

static void expect_open(int i)
{
	ck_assert(!stream_is_stale(clients[i]));
}

/* --- tests ------------------------------------------------------------------- */

static void every_rhythm(void)
{
	in_port_t port = open_door((struct door_options){0});

	for (int i = 0; i < 3; i++)
		dial_accepted(i, port);
	await_tasks(2); /* silence costs no task */
	for (int round = 0; round < 3; round++) {
		say(0, GET GET GET); /* pipelined, with the beginning of one more */
		say(0, "GET /now HT");
		for (int i = 0; i < 3; i++)
			expect_answer(0, "200", false);
		await_tasks(2); /* nor half a head */
		say(0, "TP/1.1\r\nHost: x\r\n\r\n\r\n");
		expect_answer(0, "200", false);
		for (const char *p = GET; *p; p++) {
			say(1, (char[]){*p, '\0'});
			if (isspace((unsigned char)*p))
				await_tasks(2);
		}
		expect_answer(1, "200", false);
		expect_get(2);
		await_tasks(2);
		ck_assert_uint_eq(n_requests, 0);
	}
	ck_assert_uint_eq(n_served, 18);
	stream_close(&clients[0]); /* while it has no task */
	await(&n_connections, 2);
	say(1, GET); /* and right behind a request */
	stream_shutdown_write(clients[1]);
	expect_answer(1, "200", false);
	expect_closed(1);
	say(2, "nonsense\r\n\r\n");
	expect_answer(2, "400", true);
	expect_closed(2);
}

static void overdue(void)
{
	in_port_t idle = open_door((struct door_options){.idle_us = CLOCK_SEC / 2});
	in_port_t heads = open_door((struct door_options){.header_us = CLOCK_SEC / 2});
	int64_t begin = clock_mono();

	dial(0, idle); /* silent */
	dial(1, idle);
	expect_get(1); /* silent afterwards */
	dial(2, heads);
	say(2, "GET / HT");
	dial(3, heads);
	expect_get(3);
	expect_closed(0);
	expect_closed(1);
	while (!stream_is_stale(clients[2])) {
		ck_assert_int_lt(clock_mono() - begin, TEST_PATIENCE);
		say(2, "T"); /* byte by byte makes it no younger */
		task_sleep(10 * CLOCK_MS);
	}
	expect_closed(2);
	ck_assert_int_ge(clock_mono() - begin, CLOCK_SEC / 2);
	expect_open(3);
	expect_get(3);
}

static void limits(void)
{
	in_port_t port = open_door((struct door_options){.limit = 3});
	in_port_t other = open_door((struct door_options){.limit = 2});

	dial_accepted(4, other);
	for (int i = 0; i < 3; i++)
		dial_accepted(i, port);
	say(0, SLOW);
	await(&n_requests, 1);
	expect_get(1); /* now 2 has been silent for longest */
	dial(3, port);
	expect_closed(2);
	expect_open(1);
	say(1, SLOW);
	say(3, SLOW);
	await(&n_requests, 3);
	dial(5, port); /* nobody may be sent away */
	say(5, GET);
	expect_get(4); /* which is nothing to another door */
	ck_assert_uint_eq(n_connections, 4);
	notify_all(&go);
	expect_answer(5, "200", false);
	expect_answer(1, "200", false);
	expect_answer(3, "200", false);
}

static int lowest_free(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

/* What is idle makes room when the process runs out of descriptors. */
static void no_descriptors(void)
{
	in_port_t port = open_door((struct door_options){0});
	struct rlimit old, low;

	for (int i = 0; i < 2; i++)
		dial_accepted(i, port);
	say(0, SLOW);
	await(&n_requests, 1);
	dial(2, port);
	await(&n_connections, 3);
	getrlimit(RLIMIT_NOFILE, &old);
	low = old;
	low.rlim_cur = (rlim_t)lowest_free() + 1; /* the client's end of one more */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	dial(3, port);
	expect_get(3);
	expect_closed(1);
	setrlimit(RLIMIT_NOFILE, &old);
	expect_open(2);
	notify_all(&go);
	expect_answer(0, "200", false);
}

static void leaves_with_patience(void)
{
	static const int64_t us[2] = {CLOCK_SEC, CLOCK_NEVER};
	in_port_t port = open_door((struct door_options){0});

	for (int i = 0; i < 4; i++)
		dial_accepted(i, port);
	say(0, SLOW);
	say(1, "GET /now HT");
	await(&n_requests, 1);
	begin_to_leave(us);
	expect_open(2); /* an idle one lingers */
	say(2, GET);
	expect_answer(2, "200", true);
	expect_closed(2);
	say(1, "TP/1.1\r\nHost: x\r\n\r\n");
	expect_answer(1, "200", true);
	expect_closed(3); /* but not for ever */
	ck_assert_uint_eq(leaving.running, 1);
	notify_all(&go);
	expect_answer(0, "200", true); /* which is the last */
}

static void leaves_at_once(void)
{
	static const int64_t us[2] = {0, 50 * CLOCK_MS};
	in_port_t port = open_door((struct door_options){0});

	for (int i = 0; i < 3; i++)
		dial_accepted(i, port);
	say(0, SLOW);
	say(1, "GET /now HT");
	await(&n_requests, 1);
	begin_to_leave(us);
	expect_closed(1);
	expect_closed(2);
	expect_answer(0, "503", true); /* cancelled in the end */
}

/* What comes until the text is there, behind the head. */
static void expect_bytes(int i, const char *head, const char *body)
{
	char text[2000];
	size_t n = 0, end = strlen(body);

	do {
		ck_assert_int_eq(
			stream_read(clients[i], text + n, 1, clock_deadline(TEST_PATIENCE)), 1);
		text[++n] = '\0';
	} while (n < end || strcmp(text + n - end, body) != 0 || !strstr(text, "\r\n\r\n"));
	ck_assert_msg(strstr(text, head) != NULL, "%s", text);
	ck_assert_msg(strstr(text, "Content-Length") == NULL, "%s", text);
	ck_assert_str_eq(strstr(text, "\r\n\r\n") + 4, body);
}

static void bodies_of_unknown_size(void)
{
	in_port_t port = open_door((struct door_options){0});
	const char *head = "Transfer-Encoding: chunked\r\n";

	for (int i = 0; i < 3; i++)
		dial_accepted(i, port);
	for (int round = 0; round < 2; round++) { /* the connection lives on */
		say(0, "GET /pieces HTTP/1.1\r\nHost: x\r\n\r\n");
		expect_bytes(0, head, "3\r\none\r\ne\r\na second piece\r\n0\r\n\r\n");
	}
	expect_get(0);
	say(1, "GET /pieces-that-fail HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_bytes(1, head, "3\r\none\r\ne\r\na second piece\r\n");
	expect_closed(1);
	say(2, "GET /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	expect_bytes(2, "Connection: close\r\n", "onea second piece");
	expect_closed(2);
}

static void (*const tests[])(void) = {
	bodies_of_unknown_size, every_rhythm,         overdue,        limits,
	no_descriptors,         leaves_with_patience, leaves_at_once,
};
static int running;

static void run(void)
{
	set_up();
	tests[running]();
	tear_down();
}

START_TEST(doors_test)
{
	running = _i;
	in_task(run);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("doors");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, doors_test, 0, sizeof tests / sizeof *tests);
	return run_tests("net_doors", t);
}
