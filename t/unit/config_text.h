/* SPDX-License-Identifier: MIT
 *
 * For the tests of the configuration: the parts of a valid file, one line each
 * so that line numbers are easy to tell, and loading a text.
 */
#ifndef UNIT_CONFIG_TEXT_H
#define UNIT_CONFIG_TEXT_H

#include <check.h>
#include <string.h>
#include "config/config.h"

#define SERVER   "server: {listen_addr: ':9000', spill_dir: /var/tmp}\n"
#define DATABASE "database: {host: /run/postgresql, database: d, user: u}\n"
#define BUCKETS                                                                                    \
	"buckets: [{name: files, credentials: [{access_key_id: AK, secret_access_key: SK}]}]\n"
#define S3_KEYS                                                                                    \
	"endpoint: 'https://s3.example.com', bucket: b, access_key_id: k, secret_access_key: s"
#define BACKENDS "backends: [{" S3_KEYS "}]\n"
#define VALID    SERVER DATABASE BUCKETS BACKENDS

/* Loads a text that must be valid. The caller frees it. */
static inline struct config *load_valid(const char *text)
{
	struct config_findings f = {0};
	struct config *c = NULL;
	enum err e = config_load_text("f", text, strlen(text), &c, &f);

	ck_assert_msg(e == ERR_OK, "%.*s\n%s", (int)f.errors.n, f.errors.p, text);
	ck_assert_uint_eq(f.errors.n, 0);
	config_findings_free(&f);
	return c;
}

static inline void expect_lines(const struct buf *found, const char *wanted, const char *text)
{
	ck_assert_msg(found->n == strlen(wanted) &&
	                      !memcmp(found->n ? found->p : "", wanted, found->n),
	              "found:\n%.*s\nwanted:\n%s\nin:\n%s", (int)found->n, found->n ? found->p : "",
	              wanted, text);
}

/* Exactly these errors, separated by \n; "" for none. */
static inline void expect_errors(const char *text, const char *errors)
{
	struct config_findings f = {0};
	struct config *c = NULL;
	enum err e = config_load_text("f", text, strlen(text), &c, &f);

	ck_assert_int_eq(e, *errors ? ERR_INVALID : ERR_OK);
	expect_lines(&f.errors, errors, text);
	config_free(&c);
	config_findings_free(&f);
}

/* A valid text with exactly these warnings. */
static inline void expect_warnings(const char *text, const char *warnings)
{
	struct config_findings f = {0};
	struct config *c = NULL;
	enum err e = config_load_text("f", text, strlen(text), &c, &f);

	ck_assert_msg(e == ERR_OK, "%.*s", (int)f.errors.n, f.errors.p);
	expect_lines(&f.warnings, warnings, text);
	config_free(&c);
	config_findings_free(&f);
}

#endif
