/* SPDX-License-Identifier: MIT
 *
 * What is quoted comes back from the configuration as it was.
 */
#include <check.h>
#include <stdlib.h>
#include "base/codec.h"
#include "config/expand.h"
#include "config/quote.h"
#include "config_text.h"
#include "t/unit/run.h"

static const char *const texts[] = {
	"plain",
	"\"",
	"\\",
	"\\n",
	"a\"b\\c\\",
	"# no comment",
	"a: b",
	"- a",
	"{a}, [b]",
	"'",
	" spaces ",
	"*&!|>%@`",
	"null",
	"~",
	"yes",
	"007",
	"1e9",
	"tab\there",
	"two\nlines\r\n",
	"\x01\x1f\x7f",
	"${HOME}",
	"$${HOME}",
	"$$${HOME}",
	"$$$${HOME}",
	"${",
	"$$${",
	"$",
	"$$",
	"$2b$10$bcrypt",
	"${NO_SUCH_VARIABLE:-x}",
	"\\${HOME}",
	"$\n{HOME}",
	"\u00fc\u65e5\u672c\U0001f600",
	"\xc2\x85\u00a0\u2028\u2029\ufeff",
	"\xc2\x9f\ufffe\uffff\U0001ffff\U0010ffff",
};
#define N_TEXTS ((int)(sizeof texts / sizeof *texts))

/* As the secret and as the value of a label of a backend. */
static void expect_back(struct str text)
{
	BUF_AUTO file = {0};
	struct config *c;

	buf_add_cstr(&file, SERVER DATABASE BUCKETS
	             "backends: [{endpoint: 'http://h', bucket: b, access_key_id: k, "
	             "secret_access_key: ");
	ck_assert(config_quote(&file, text));
	buf_add_cstr(&file, ", labels: {l: ");
	ck_assert(config_quote(&file, text));
	buf_add_cstr(&file, "}}]\n");
	buf_add_char(&file, '\0');
	c = load_valid(file.p);
	ck_assert_msg(str_eq(str_of(c->backends[0].secret_access_key), text), "%s", file.p);
	ck_assert(str_starts(str_of(c->backends[0].labels[0]), STR("l=")));
	ck_assert(str_eq(str_skip(str_of(c->backends[0].labels[0]), 2), text));
	config_free(&c);
}

START_TEST(survives)
{
	expect_back(str_of(texts[_i]));
}
END_TEST

/* Made of what is special to one of the two stages. */
START_TEST(survives_any_mixture)
{
	static const char *const pieces[] = {"$", "{", "}", "\\", "\"", "HOME", ":-", "#",
	                                     "'", ":", " ", "\n", "\t", "\x01", "ü",  "\u2028"};

	for (int n = 0; n < 300; n++) {
		BUF_AUTO text = {0};

		do
			buf_add_cstr(&text, pieces[random_u64() % 16]);
		while (random_u64() % 8);
		expect_back(buf_str(&text));
	}
}
END_TEST

START_TEST(names_of_labels_are_not_expanded)
{
	BUF_AUTO file = {0};
	struct config *c;

	buf_add_cstr(&file, SERVER DATABASE BUCKETS "backends: [{" S3_KEYS ", labels: {");
	ck_assert(config_quote_name(&file, STR("a\"b: ${HOME}")));
	buf_add_cstr(&file, ": v}}]\n");
	buf_add_char(&file, '\0');
	c = load_valid(file.p);
	ck_assert_str_eq(c->backends[0].labels[0], "a\"b: ${HOME}=v");
	config_free(&c);
}
END_TEST

START_TEST(refuses_what_no_text_can_hold)
{
	BUF_AUTO out = {0};

	ck_assert(!config_quote(&out, STR("a\xff")));
	ck_assert(!config_quote(&out, STR("\xed\xa0\x80"))); /* a surrogate */
	ck_assert(!config_quote(&out, STR("a\0b")));
	ck_assert(!config_quote_name(&out, STR("\xc3")));
	ck_assert_uint_eq(out.n, 0);
	ck_assert(config_quote(&out, STR_NULL));
	ck_assert(str_eq(buf_str(&out), STR("\"\"")));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("config_quote");
	TCase *t = tcase_create("quote");

	tcase_add_loop_test(t, survives, 0, N_TEXTS);
	tcase_add_test(t, survives_any_mixture);
	tcase_add_test(t, names_of_labels_are_not_expanded);
	tcase_add_test(t, refuses_what_no_text_can_hold);
	suite_add_tcase(s, t);
	return run_suite(s);
}
