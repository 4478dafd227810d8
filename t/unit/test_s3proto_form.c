/* SPDX-License-Identifier: MIT
 *
 * Forms of browsers: each is read whole, byte by byte and cut in every place.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "s3proto/form.h"
#include "t/unit/run.h"

static struct arena *arena;

static void setup(void)
{
	arena = arena_new();
}

static void teardown(void)
{
	arena_free(&arena);
}

struct outcome {
	enum form_result result;
	struct form *form;
	struct buf file;
	int files; /* times that FORM_FILE was said */
};

static void feed(struct outcome *o, const char *p, size_t n)
{
	while (n > 0 && o->result != FORM_DONE) {
		const char *data;
		size_t used, data_n;
		o->result = form_feed(o->form, p, n, &used, &data, &data_n);
		buf_add(&o->file, data_n ? data : "", data_n);
		o->files += o->result == FORM_FILE;
		ck_assert(used <= n && (used > 0 || data_n > 0 || o->result > FORM_FILE));
		if (o->result > FORM_DONE)
			return;
		p += used;
		n -= used;
	}
}

/* In pieces of that size. */
static struct outcome run(struct str text, size_t piece)
{
	struct outcome o = {.form = form_new(arena, STR("bound"))};
	for (size_t i = 0; i < text.n && o.result < FORM_DONE; i += piece)
		feed(&o, text.p + i, text.n - i < piece ? text.n - i : piece);
	return o;
}

#define DISPOSITION "Content-Disposition: form-data; name="
#define HEAD        "--bound\r\n" DISPOSITION "\"key\"\r\n\r\na key\r\n"
#define FILE_HEAD   "--bound\r\n" DISPOSITION "\"file\"; filename=\"x.txt\"\r\n"
#define END         "\r\n--bound--\r\n"

static void check_field(const struct form *f, size_t i, const char *name, const char *value)
{
	size_t n;
	const struct str_pair *fields = form_fields(f, &n);
	ck_assert_uint_lt(i, n);
	ck_assert_msg(str_eq(fields[i].name, str_of(name)), "%.*s", STR_FMT(fields[i].name));
	ck_assert_msg(str_eq(fields[i].value, str_of(value)), "%.*s", STR_FMT(fields[i].value));
}

START_TEST(fields_and_a_file)
{
	static const char text[] =
		"ignored\r\n--bound  \r\nX-Other: y\r\ncontent-disposition:form-data ; "
		"name=a\r\n\r\n\r\n" HEAD "--bound\r\n" DISPOSITION
		"\"x-amz-meta-b\"\r\n\r\ntwo\r\nlines\r\n" FILE_HEAD
		"Content-Type: text/html\r\n\r\n"
		"\r\n--boun\r\n\r--bound\r\n-" END "anything \r\n--bound\r\n more";
	for (size_t piece = 1; piece <= sizeof text; piece++) {
		struct outcome o = run(str_n(text, sizeof text - 1), piece);
		ck_assert_int_eq(o.result, FORM_DONE);
		ck_assert_int_eq(o.files, 1);
		ck_assert(form_has_file(o.form));
		ck_assert(str_eq(buf_str(&o.file), STR("\r\n--boun\r\n\r--bound\r\n-")));
		check_field(o.form, 0, "a", "");
		check_field(o.form, 1, "key", "a key");
		check_field(o.form, 2, "x-amz-meta-b", "two\r\nlines");
		ck_assert(str_eq(form_file_name(o.form), STR("x.txt")));
		buf_free(&o.file);
	}
}
END_TEST

START_TEST(an_empty_file)
{
	struct outcome o = run(STR(HEAD FILE_HEAD "\r\n" END), 1000);
	ck_assert_int_eq(o.result, FORM_DONE);
	ck_assert_uint_eq(o.file.n, 0);
	ck_assert(form_has_file(o.form));
	buf_free(&o.file);
}
END_TEST

START_TEST(names)
{
	static const struct {
		const char *parameters, *name, *file;
	} cases[] = {
		{"name=\"file\"; filename=\"a b;c.txt\"", "file", "a b;c.txt"},
		{"name=file;filename=x", "file", "x"},
		{"filename=\"x\"; name=\"FILE\"", "FILE", "x"},
		{"name=\"file\"; filename=\"C:\\dir\\x.txt\"", "file", "x.txt"},
		{"name=\"file\"; filename=\"/etc/passwd\"", "file", "passwd"},
		{"name=\"file\"; filename=\"say \\\"hi\\\"\"", "file", "say \"hi\""},
		{"name=\"file\"; filename=\"%22\"", "file", "%22"},
		{"name=\"file\"; filename=\"\"", "file", ""},
		{"name=\"file\"", "file", ""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *text = arena_printf(
			arena, "--bound\r\nContent-Disposition: form-data; %s\r\n\r\nx" END,
			cases[i].parameters);
		struct outcome o = run(str_of(text), 1000);
		ck_assert_msg(o.result == FORM_DONE && form_has_file(o.form), "%s", text);
		ck_assert_msg(str_eq(form_file_name(o.form), str_of(cases[i].file)), "%s", text);
		buf_free(&o.file);
	}
}
END_TEST

START_TEST(malformed)
{
	static const char *const cases[] = {
		"--bound\r\n\r\nx" END,
		"--boundx\r\n",
		"--bound-x",
		"--bound\rx",
		"--bound\r\nno colon\r\n",
		"--bound\r\n: empty name\r\n",
		"--bound\r\nA: b\n",
		"--bound\r\nA: b\rc",
		"--bound\r\nContent-Disposition: form-data\r\n",
		"--bound\r\nContent-Disposition: form-data; name\r\n",
		"--bound\r\nContent-Disposition: form-data; name=\r\n",
		"--bound\r\nContent-Disposition: form-data; name=\"\"\r\n",
		"--bound\r\nContent-Disposition: form-data; name=\"a\r\n",
		"--bound\r\nContent-Disposition: form-data; name=\"a\" x\r\n",
		"--bound\r\nContent-Disposition: attachment; name=\"a\"\r\n",
		"--bound\r\n" DISPOSITION "\"a\"\r\n" DISPOSITION "\"b\"\r\n",
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		for (size_t piece = 1; piece < 100; piece += 7) {
			struct outcome o = run(str_of(cases[i]), piece);
			ck_assert_msg(o.result == FORM_MALFORMED, "%s", cases[i]);
			ck_assert(form_why(o.form)[0] != '\0');
			buf_free(&o.file);
		}
	}
}
END_TEST

START_TEST(without_a_file)
{
	struct outcome o = run(STR(HEAD "--bound--"), 1000);
	ck_assert_int_eq(o.result, FORM_DONE);
	ck_assert(!form_has_file(o.form));
	o = run(STR(HEAD FILE_HEAD "\r\nx\r\n--boun"), 1000);
	ck_assert_int_eq(o.result, FORM_MORE); /* cut off */
	buf_free(&o.file);
}
END_TEST

/* A value of n bytes and then a file. */
static enum form_result with_value(size_t n)
{
	BUF_AUTO text = {0};
	buf_add_cstr(&text, "--bound\r\n" DISPOSITION "\"key\"\r\n\r\n");
	for (size_t i = 0; i < n; i++)
		buf_add_char(&text, 'v');
	buf_add_cstr(&text, "\r\n" FILE_HEAD "\r\nx" END);
	struct outcome o = run(buf_str(&text), 1000);
	buf_free(&o.file);
	return o.result;
}

START_TEST(limits)
{
	size_t others = strlen("--bound\r\n" DISPOSITION "\"key\"\r\n\r\n\r\n" FILE_HEAD "\r\n");
	ck_assert_int_eq(with_value(FORM_BEFORE_FILE - others), FORM_DONE);
	ck_assert_int_eq(with_value(FORM_BEFORE_FILE - others + 1), FORM_TOO_LARGE);
	ck_assert_int_eq(with_value(100000), FORM_TOO_LARGE);
	BUF_AUTO many = {0};
	for (int i = 0; i <= FORM_FIELDS_MAX + 1; i++)
		buf_add_cstr(&many, "--bound\r\nContent-Disposition:form-data;name=a\r\n\r\n\r\n");
	struct outcome o = run(buf_str(&many), 1000);
	ck_assert_int_eq(o.result, FORM_TOO_LARGE);
}
END_TEST

START_TEST(boundaries)
{
	static const struct {
		const char *type, *boundary;
		bool is_form;
	} cases[] = {
		{"multipart/form-data; boundary=abc", "abc", true},
		{"Multipart/Form-Data;charset=utf-8;BOUNDARY=\"a b=c\"; x=y", "a b=c", true},
		{"multipart/form-data; boundary=----WebKitFormBoundary7MA",
	         "----WebKitFormBoundary7MA", true},
		{"multipart/form-data", "", true},
		{"multipart/form-data; boundary=", "", true},
		{"multipart/form-data; boundary=\"a \"", "", true},
		{"multipart/form-data; boundary=a\"b", "", true},
		{"multipart/form-data; boundary="
	         "01234567890123456789012345678901234567890123456789012345678901234567890",
	         "", true},
		{"multipart/mixed; boundary=abc", "", false},
		{"", "", false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct str boundary;
		ck_assert_msg(form_is_multipart(str_of(cases[i].type), &boundary) ==
		                      cases[i].is_form,
		              "%s", cases[i].type);
		ck_assert_msg(str_eq(boundary, str_of(cases[i].boundary)), "%s", cases[i].type);
	}
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("form");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, fields_and_a_file);
	tcase_add_test(t, an_empty_file);
	tcase_add_test(t, names);
	tcase_add_test(t, malformed);
	tcase_add_test(t, without_a_file);
	tcase_add_test(t, limits);
	tcase_add_test(t, boundaries);
	return run_tests("s3proto_form", t);
}
