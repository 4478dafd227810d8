/* SPDX-License-Identifier: MIT
 *
 * log: shape of a line (read back with a JSON parser), escaping, cutting, and
 * what happens when the reader is slow.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "t/unit/run.h"

static int sink = -1;
static char content[1024 * 1024];

static void open_sink(void)
{
	sink = memfd_create("log", MFD_CLOEXEC);
	ck_assert_int_ge(sink, 0);
	log_init(sink, LOG_INFO);
}

static void close_sink(void)
{
	close(sink);
}

static const char *written(void)
{
	ssize_t n = pread(sink, content, sizeof(content) - 1, 0);

	ck_assert_int_ge(n, 0);
	content[n] = '\0';
	return content;
}

/* The only line there is; free with json_decref(). */
static json_t *only_line(void)
{
	const char *text = written();
	json_error_t e;
	json_t *j = json_loads(text, JSON_ALLOW_NUL, &e);

	ck_assert_msg(j != NULL, "%s: %s", e.text, text);
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
	return j;
}

static const char *text_of(json_t *j, const char *name)
{
	return json_string_value(json_object_get(j, name));
}

START_TEST(has_its_fields_in_order)
{
	static const char *const order[] = {"time",    "level",      "msg",   "component",
	                                    "backend", "size_bytes", "again", "pid"};
	const char *name;
	json_t *j, *value;
	int64_t t;
	size_t i = 0;

	log_warn("object", "backend failed", LOG_STR("backend", "b2"), LOG_STR("key", NULL),
	         LOG_INT("size_bytes", INT64_MIN), LOG_BOOL("again", true));
	j = only_line();
	json_object_foreach(j, name, value) ck_assert_str_eq(name, order[i++]);
	ck_assert_uint_eq(i, 8);
	ck_assert(clock_parse_rfc3339(str_of(text_of(j, "time")), &t));
	ck_assert_int_lt(llabs(clock_wall() - t), 60 * CLOCK_SEC);
	ck_assert_str_eq(text_of(j, "level"), "WARN");
	ck_assert_str_eq(text_of(j, "msg"), "backend failed");
	ck_assert_int_eq(json_integer_value(json_object_get(j, "size_bytes")), INT64_MIN);
	ck_assert(json_is_true(json_object_get(j, "again")));
	ck_assert_int_eq(json_integer_value(json_object_get(j, "pid")), getpid());
	json_decref(j);
}
END_TEST

START_TEST(filters_by_level)
{
	enum log_level level = LOG_ERROR;

	log_debug("x", "not written");
	ck_assert_str_eq(written(), "");
	log_set_level(LOG_ERROR);
	log_warn("x", "not written either");
	ck_assert_str_eq(written(), "");
	ck_assert(log_level_parse(STR("debug"), &level) && level == LOG_DEBUG);
	ck_assert(log_level_parse(STR("WARN"), &level) && level == LOG_WARN);
	ck_assert(!log_level_parse(STR("warning"), &level) && level == LOG_WARN);
	ck_assert(!log_level_parse(STR_NULL, &level));
	log_set_level(LOG_DEBUG);
	log_debug("x", "written");
	ck_assert_str_ne(written(), "");
}
END_TEST

START_TEST(audit_is_always_written)
{
	json_t *j;

	log_set_level(LOG_ERROR);
	log_audit("object", "storage.PutObject",
	          LOG_FIELDS(LOG_STR("key", "a"), LOG_INT("size", 3)));
	j = only_line();
	ck_assert_str_eq(text_of(j, "level"), "INFO");
	ck_assert_str_eq(text_of(j, "msg"), "audit");
	ck_assert(json_is_true(json_object_get(j, "audit")));
	ck_assert_str_eq(text_of(j, "event"), "storage.PutObject");
	ck_assert_str_eq(text_of(j, "key"), "a");
	json_decref(j);
}
END_TEST

START_TEST(escapes)
{
	static const struct str in = {"\"\\\b\f\n\r\t\x01\x7f\0/<\xc3\xa9\xf0\x9f\x98\x80", 19};
	json_t *j, *v;

	log_info(NULL, "x", LOG_S("key", in));
	j = only_line();
	v = json_object_get(j, "key");
	ck_assert_uint_eq(json_string_length(v), in.n);
	ck_assert_mem_eq(json_string_value(v), in.p, in.n);
	ck_assert_ptr_null(json_object_get(j, "component"));
	ck_assert_ptr_nonnull(strstr(content, "\\\"\\\\\\b\\f\\n\\r\\t\\u0001"));
	json_decref(j);
}
END_TEST

START_TEST(replaces_what_is_not_utf8)
{
	json_t *j;

	log_info("x", "x", LOG_STR("key", "a\xff\xc3(\xed\xa0\x80z\xe2\x82"));
	j = only_line();
#define FFFD "\xEF\xBF\xBD"
	ck_assert_str_eq(text_of(j, "key"), "a" FFFD FFFD "(" FFFD FFFD FFFD "z" FFFD FFFD);
	json_decref(j);
}
END_TEST

static char *long_text(const char *unit, size_t times)
{
	size_t n = strlen(unit);
	char *p = mem_alloc(n * times + 1);

	for (size_t i = 0; i < times; i++)
		memcpy(p + i * n, unit, n);
	return p;
}

/* Units that are escaped to 1, 2, 3, 4 and 6 bytes: none may be cut in two. */
START_TEST(cuts_the_longest_field)
{
	static const char *const units[] = {"x", "\"", "\xff", "\xf0\x9f\x98\x80", "\x01"};
	char *p = long_text(units[_i], 100000), *q = long_text("y", 2000);
	json_t *j;

	log_info("x", "x", LOG_STR("path", q), LOG_STR("key", p), LOG_STR("method", "PUT"));
	j = only_line();
	ck_assert_uint_le(strlen(content), 64 * 1024);
	ck_assert_uint_gt(strlen(content), 64 * 1024 - 8);
	ck_assert_str_eq(text_of(j, "path"), q);
	ck_assert_str_eq(text_of(j, "method"), "PUT");
	ck_assert_int_eq(json_integer_value(json_object_get(j, "pid")), getpid());
	json_decref(j);
	free(p);
	free(q);
}
END_TEST

START_TEST(cuts_several_fields)
{
	char *p = long_text("x", 500000), *q = long_text("y", 500000);
	json_t *j;

	log_info("x", "x", LOG_STR("a", p), LOG_STR("b", q), LOG_STR("c", "short"));
	j = only_line();
	ck_assert_uint_le(strlen(content), 64 * 1024);
	ck_assert_uint_gt(strlen(content), 64 * 1024 - 4);
	ck_assert_uint_eq(strlen(text_of(j, "a")), strlen(text_of(j, "b")));
	ck_assert_str_eq(text_of(j, "c"), "short");
	json_decref(j);
	free(p);
	free(q);
}
END_TEST

/* A line that exactly fits is not touched, one byte more is cut by one byte. */
START_TEST(cuts_no_more_than_needed)
{
	char *p = long_text("x", 64 * 1024);
	size_t base;
	json_t *j;

	log_info("x", "x", LOG_STR("key", ""));
	base = strlen(written());
	for (size_t extra = 0; extra < 2; extra++) {
		ck_assert_int_eq(ftruncate(sink, 0), 0);
		ck_assert_int_eq(lseek(sink, 0, SEEK_SET), 0);
		log_info("x", "x", LOG_S("key", str_n(p, 64 * 1024 - base + extra)));
		j = only_line();
		ck_assert_uint_eq(strlen(content), 64 * 1024);
		json_decref(j);
	}
	free(p);
}
END_TEST

/* A pipe that blocks as well as one that does not. */
static void open_pipe(int fds[2], int i)
{
	ck_assert_int_eq(pipe2(fds, i == 0 ? 0 : O_NONBLOCK), 0);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
}

/* 16 lines of 30 KB through a pipe of 64 KB with a slow reader. */
START_TEST(waits_for_a_slow_reader)
{
	char *p = long_text("x", 30000), buffer[8192];
	size_t lines = 0;
	ssize_t n;
	int fds[2];
	pid_t pid;

	open_pipe(fds, _i);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		close(fds[0]);
		log_init(fds[1], LOG_INFO);
		for (int i = 0; i < 16; i++)
			log_info("x", "x", LOG_STR("key", p));
		_exit(0);
	}
	close(fds[1]);
	fcntl(fds[0], F_SETFL, 0);
	while ((n = read(fds[0], buffer, sizeof(buffer))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			lines += buffer[i] == '\n';
	}
	ck_assert_uint_eq(lines, 16);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	close(fds[0]);
	free(p);
}
END_TEST

/* Appends what is in the pipe to content. */
static size_t drain(int fd, size_t n)
{
	ssize_t r;

	while ((r = read(fd, content + n, sizeof(content) - 1 - n)) > 0)
		n += (size_t)r;
	content[n] = '\0';
	return n;
}

/* Nobody reads: a line is torn. Later, when there is room again, the next one
 * starts on a line of its own and tells how many there were. */
START_TEST(survives_a_stuck_reader)
{
	char *p = long_text("x", 50000);
	const char *last;
	int64_t start;
	size_t n;
	int fds[2];

	open_pipe(fds, _i);
	log_init(fds[1], LOG_INFO);
	start = clock_mono();
	log_info("x", "x", LOG_STR("key", p));
	for (int i = 0; i < 100; i++)
		log_info("x", "x", LOG_STR("key", p));
	/* only the first one waits, for 100 ms: all would for ten seconds */
	ck_assert_int_lt(clock_mono() - start, 5 * CLOCK_SEC);
	n = drain(fds[0], 0);
	ck_assert_uint_gt(n, 50000);
	log_hold();
	log_info("x", "later");
	log_info("x", "still later");
	log_release();
	n = drain(fds[0], n);
	last = strstr(content, "\n{\"time\"");
	ck_assert_ptr_nonnull(last);
	ck_assert_ptr_nonnull(last = strstr(content, "\"msg\":\"later\""));
	ck_assert_ptr_nonnull(strstr(last, "\"lost_lines\":100}\n{"));
	last = strstr(last, "\"msg\":\"still later\"");
	ck_assert_ptr_nonnull(last);
	ck_assert_ptr_null(strstr(last, "lost_lines"));
	close(fds[0]);
	close(fds[1]);
	free(p);
}
END_TEST

/* Packets of a socket show what one write(2) was: */
static size_t lines_of_next_write(int fd)
{
	size_t lines = 0;
	ssize_t n = recv(fd, content, sizeof(content), MSG_DONTWAIT);

	for (ssize_t i = 0; i < n; i++)
		lines += content[i] == '\n';
	return lines;
}

START_TEST(held_lines_leave_together)
{
	char *p = long_text("x", 3000);
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	log_init(fds[1], LOG_INFO);
	log_hold();
	log_info("x", "1");
	log_audit("x", "2", LOG_FIELDS(LOG_INT("n", -12)));
	ck_assert_uint_eq(lines_of_next_write(fds[0]), 0);
	log_release();
	ck_assert_uint_eq(lines_of_next_write(fds[0]), 2);
	ck_assert_ptr_nonnull(strstr(content, "\"n\":-12"));
	ck_assert_uint_eq(lines_of_next_write(fds[0]), 0);

	/* more than a pipe takes in one piece is not held */
	log_hold();
	log_info("x", "3");
	log_info("x", "4", LOG_STR("key", p));
	log_info("x", "5", LOG_STR("key", p));
	log_release();
	for (int i = 0; i < 2; i++)
		ck_assert_uint_eq(lines_of_next_write(fds[0]), 2 - i);
	log_info("x", "6");
	ck_assert_uint_eq(lines_of_next_write(fds[0]), 1);
	close(fds[0]);
	close(fds[1]);
	free(p);
}
END_TEST

START_TEST(ignores_write_errors)
{
	log_init(-1, LOG_INFO);
	errno = 0;
	log_info("x", "x");
	ck_assert_int_eq(errno, 0);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, open_sink, close_sink);
	tcase_add_test(t, has_its_fields_in_order);
	tcase_add_test(t, filters_by_level);
	tcase_add_test(t, audit_is_always_written);
	tcase_add_test(t, escapes);
	tcase_add_test(t, replaces_what_is_not_utf8);
	tcase_add_loop_test(t, cuts_the_longest_field, 0, 5);
	tcase_add_test(t, cuts_several_fields);
	tcase_add_test(t, cuts_no_more_than_needed);
	tcase_add_loop_test(t, waits_for_a_slow_reader, 0, 2);
	tcase_add_loop_test(t, survives_a_stuck_reader, 0, 2);
	tcase_add_test(t, held_lines_leave_together);
	tcase_add_test(t, ignores_write_errors);
	return run_tests("base_log", t);
}
