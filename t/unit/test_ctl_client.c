/* SPDX-License-Identifier: MIT
 *
 * The control client against a real HTTP server on a Unix socket, which runs in
 * a forked process because the client blocks.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/config.h"
#include "ctl/client.h"
#include "ctl/token.h"
#include "net/doors.h"
#include "net/http_server.h"
#include "net/socket.h"
#include "rt/task.h"
#include "t/unit/run.h"

static char dir[] = "/tmp/ctl-client-XXXXXX";
static char path[sizeof dir + 16];
static pid_t server;

/* --- the server ---------------------------------------------------------- */

static void echo(struct http_call *c)
{
	BUF_AUTO out = {0};
	char body[256];
	ssize_t n;

	http_continue(c);
	n = body_read(c->body, body, sizeof body, CLOCK_SEC, NULL);
	buf_printf(&out, "{\"method\":\"%.*s\",\"path\":\"%.*s\",\"body\":\"%zd\"}",
	           STR_FMT(c->head.method), STR_FMT(c->path), n);
	http_reply(c, 200, buf_str(&out));
}

static void too_large(struct http_call *c)
{
	BUF_AUTO out = {0};

	buf_reserve(&out, CTL_REPLY_MAX + 1);
	memset(out.p, ' ', CTL_REPLY_MAX + 1);
	out.n = CTL_REPLY_MAX + 1;
	http_reply(c, 200, buf_str(&out));
}

static void answer(struct http_call *c)
{
	if (str_starts(c->path, STR("/echo")))
		echo(c);
	else if (str_eq(c->path, STR("/refused")))
		http_reply(c, 409, STR("{\"error\":\"not today\"}"));
	else if (str_eq(c->path, STR("/text")))
		http_reply(c, 500, STR("not JSON"));
	else if (str_eq(c->path, STR("/large")))
		too_large(c);
	else if (str_eq(c->path, STR("/token")))
		http_reply(c, http_head_get(&c->head, STR("X-Admin-Token")) ? 200 : 401, STR("{}"));
	else
		task_sleep(60 * CLOCK_SEC); /* longer than any test waits */
}

static void malformed(struct http_call *c, int status, const char *why)
{
	http_reply(c, status, str_of(why));
}

static void listen_on(int fd)
{
	const struct door_options o = {
		.fd = fd,
		.limit = 10,
		.handle = answer,
		.malformed = malformed,
		.header_us = CLOCK_SEC,
		.idle_us = CLOCK_SEC,
		.write_idle_us = CLOCK_SEC,
	};

	doors_open(doors_new((struct doors_counters){0}), &o, NULL);
}

static void start_server(void)
{
	struct error e;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/s", dir);
	ck_assert_msg(socket_listen_unix(path, 0600, &fd, &e) == ERR_OK, "%s", e.text);
	server = fork();
	if (server == 0) {
		rt_init();
		listen_on(fd);
		rt_run();
		_exit(0);
	}
	close(fd);
}

static void stop_server(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	unlink(path);
	rmdir(dir);
}

/* --- tests --------------------------------------------------------------- */

static struct ctl_target target(void)
{
	return (struct ctl_target){.socket = path, .timeout_us = 10 * CLOCK_SEC};
}

static const char *member(const struct ctl_reply *r, const char *key)
{
	return json_string_value(json_object_get(r->json, key));
}

START_TEST(test_request_and_reply)
{
	struct ctl_target t = target();
	json_t *body = json_pack("{s:i}", "a", 1);
	struct ctl_reply r;
	struct error e;

	ck_assert_int_eq(ctl_request(&t, "GET", "/echo", NULL, &r, &e), ERR_OK);
	ck_assert_int_eq(r.status, 200);
	ck_assert_str_eq(member(&r, "method"), "GET");
	ck_assert_str_eq(member(&r, "path"), "/echo");
	ck_assert_str_eq(member(&r, "body"), "0");
	ctl_reply_free(&r);

	ck_assert_int_eq(ctl_request(&t, "PUT", "/echo/x", body, &r, &e), ERR_OK);
	ck_assert_str_eq(member(&r, "method"), "PUT");
	ck_assert_str_eq(member(&r, "body"), "7"); /* {"a":1} */
	ctl_reply_free(&r);

	ck_assert_int_eq(ctl_request(&t, "POST", "/echo", NULL, &r, &e), ERR_OK);
	ck_assert_str_eq(member(&r, "method"), "POST");
	ctl_reply_free(&r);
	json_decref(body);
}
END_TEST

START_TEST(test_refusals_are_replies)
{
	struct ctl_target t = target();
	struct ctl_reply r;
	char text[64], small[4];

	ck_assert_int_eq(ctl_request(&t, "POST", "/refused", NULL, &r, NULL), ERR_OK);
	ck_assert_int_eq(r.status, 409);
	ck_assert_str_eq(ctl_reply_error(&r, text, sizeof text), "not today");
	ck_assert_str_eq(ctl_reply_error(&r, small, sizeof small), "not");
	ctl_reply_free(&r);

	ck_assert_int_eq(ctl_request(&t, "GET", "/text", NULL, &r, NULL), ERR_OK);
	ck_assert_ptr_null(r.json);
	ck_assert_str_eq(ctl_reply_error(&r, text, sizeof text), "HTTP status 500");
	ck_assert(str_eq(buf_str(&r.text), STR("not JSON")));
	ctl_reply_free(&r);
}
END_TEST

START_TEST(test_token_is_sent)
{
	struct ctl_target t = target();
	struct ctl_reply r;

	ck_assert_int_eq(ctl_request(&t, "GET", "/token", NULL, &r, NULL), ERR_OK);
	ck_assert_int_eq(r.status, 401);
	ctl_reply_free(&r);
	t.token = "secret";
	ck_assert_int_eq(ctl_request(&t, "GET", "/token", NULL, &r, NULL), ERR_OK);
	ck_assert_int_eq(r.status, 200);
	ctl_reply_free(&r);
}
END_TEST

START_TEST(test_bounds)
{
	struct ctl_target t = target();
	struct ctl_reply r;
	struct error e;

	ck_assert_int_eq(ctl_request(&t, "GET", "/large", NULL, &r, &e), ERR_TOO_LARGE);
	t.timeout_us = 50 * CLOCK_MS;
	ck_assert_int_eq(ctl_request(&t, "GET", "/never", NULL, &r, &e), ERR_TIMEOUT);
}
END_TEST

START_TEST(test_nobody_there)
{
	char file[sizeof path + 8];
	struct ctl_target t = {.socket = file, .timeout_us = CLOCK_SEC};
	struct ctl_reply r;
	struct error e;

	snprintf(file, sizeof file, "%s-none", path);
	ck_assert_int_eq(ctl_request(&t, "GET", "/", NULL, &r, &e), ERR_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(e.text, file));
	ck_assert_ptr_nonnull(strstr(e.text, "No such file"));

	ck_assert_int_eq(creat(file, 0600) >= 0, 1); /* a file on which nobody listens */
	ck_assert_int_eq(ctl_request(&t, "GET", "/", NULL, &r, &e), ERR_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(e.text, "refused"));
	unlink(file);

	t = (struct ctl_target){.url = "http://127.0.0.1:1", .timeout_us = CLOCK_SEC};
	ck_assert_int_eq(ctl_request(&t, "GET", "/", NULL, &r, &e), ERR_UNAVAILABLE);
}
END_TEST

START_TEST(test_no_permission)
{
	struct ctl_target t = target();
	struct ctl_reply r;
	struct error e;

	if (geteuid() != 0)
		SKIP("only root can become somebody without permission");
	ck_assert_int_eq(seteuid(65534), 0);
	ck_assert_int_eq(ctl_request(&t, "GET", "/echo", NULL, &r, &e), ERR_DENIED);
	ck_assert_int_eq(seteuid(0), 0);
	ck_assert_ptr_nonnull(strstr(e.text, path));
}
END_TEST

static bool valid(const char *configured, struct http_field *fields, size_t n)
{
	struct config c = {0};
	struct http_head h = {.fields = fields, .n_fields = n};

	c.ui.admin_token = configured;
	return ctl_token_is_valid(&c, &h);
}

START_TEST(test_token_check)
{
	struct http_field right = {STR("x-admin-token"), STR("secret")};
	struct http_field key = {STR("X-Admin-Token"), STR("key")};
	struct http_field empty = {STR("X-Admin-Token"), STR("")};
	struct http_field twice[] = {right, right};
	struct config none = {0};

	ck_assert(valid("secret", &right, 1));
	ck_assert(!valid("secret", &key, 1));
	ck_assert(!valid("secret", NULL, 0));
	ck_assert(!valid("secret", twice, 2));
	ck_assert(!valid("secret", &empty, 1));
	none.ui.admin_token = "";
	ck_assert(!ctl_token_is_set(&none));
	ck_assert(!ctl_token_is_valid(&none, &(struct http_head){.fields = &empty, .n_fields = 1}));
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("client");

	tcase_add_unchecked_fixture(t, start_server, stop_server);
	tcase_add_test(t, test_request_and_reply);
	tcase_add_test(t, test_refusals_are_replies);
	tcase_add_test(t, test_token_is_sent);
	tcase_add_test(t, test_bounds);
	tcase_add_test(t, test_nobody_there);
	tcase_add_test(t, test_no_permission);
	tcase_add_test(t, test_token_check);
	return run_tests("ctl_client", t);
}
