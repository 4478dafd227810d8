/* SPDX-License-Identifier: MIT
 *
 * Header fields and parameters that mean the same to several operations.
 */
#include <string.h>

#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/precondition.h"

#define VALUES_MAX       4
#define UNLESS_IT_COPIES 0x8000 /* operations with a source do it */

/* Fields that ask for something this version does not do, but for the values that ask
 * for what happens anyway. A name that ends with a hyphen stands for all that begin
 * with it. */
static const struct refused {
	const char *name;
	unsigned does;
	const char *values[VALUES_MAX];
} refused[] = {
	{"content-range", S3_DOES_WRITE, {0}},
	{"if-match", S3_DOES_PREPARE | S3_DOES_MANY, {0}},
	{"if-modified-since", S3_DOES_WRITE | S3_DOES_DELETE, {0}},
	{"if-none-match", S3_DOES_DELETE | S3_DOES_PREPARE, {0}},
	{"if-none-match", S3_DOES_WRITE, {"*"}},
	{"if-unmodified-since", S3_DOES_WRITE | S3_DOES_DELETE, {0}},
	{"x-amz-acl",
         S3_DOES_WRITE | S3_DOES_MAKE_BUCKET,
         {"private", "public-read", "bucket-owner-read", "bucket-owner-full-control"}},
	{"x-amz-bucket-namespace", S3_DOES_MAKE_BUCKET, {"global"}},
	{"x-amz-bucket-object-lock-enabled", S3_DOES_MAKE_BUCKET, {"false"}},
	{"x-amz-copy-source", S3_DOES_WRITE | UNLESS_IT_COPIES, {0}},
	{"x-amz-copy-source-range", S3_DOES_COPY_ALL, {0}},
	{"x-amz-copy-source-server-side-encryption-", S3_DOES_WRITE, {0}},
	{"x-amz-grant-", S3_DOES_WRITE | S3_DOES_MAKE_BUCKET | S3_DOES_ACL, {0}},
	{"x-amz-if-match-initiated-time", S3_DOES_DELETE, {0}},
	{"x-amz-if-match-last-modified-time", S3_DOES_DELETE, {0}},
	{"x-amz-if-match-size", S3_DOES_DELETE, {0}},
	{"x-amz-object-lock-legal-hold", S3_DOES_WRITE, {"OFF"}},
	{"x-amz-object-lock-mode", S3_DOES_WRITE, {0}},
	{"x-amz-object-lock-retain-until-date", S3_DOES_WRITE, {0}},
	{"x-amz-server-side-encryption", S3_DOES_WRITE, {"AES256"}},
	{"x-amz-server-side-encryption-", S3_DOES_READ | S3_DOES_WRITE, {0}},
	{"x-amz-website-redirect-location", S3_DOES_WRITE, {0}},
	{"x-amz-write-offset-bytes", S3_DOES_WRITE, {0}},
};

static bool is_named(struct str name, const char *pattern)
{
	size_t n = strlen(pattern);
	if (name.n < n || (name.n > n && pattern[n - 1] != '-'))
		return false;
	return str_eq_nocase(str_n(name.p, n), str_n(pattern, n));
}

static bool is_harmless(const struct refused *r, struct str value)
{
	for (size_t i = 0; i < VALUES_MAX && r->values[i]; i++)
		if (str_eq_nocase(value, str_of(r->values[i])))
			return true;
	return false;
}

/* A client that names an owner wants nothing done to the buckets of others. */
static bool is_wrong_owner(struct str name, struct str value)
{
	return (str_eq_nocase(name, STR("x-amz-expected-bucket-owner")) ||
	        str_eq_nocase(name, STR("x-amz-source-expected-bucket-owner"))) &&
	       !str_eq(value, STR(S3_OWNER));
}

/* False: answered. */
static bool refuse(struct s3_call *c, struct str name, struct str value)
{
	if (is_wrong_owner(name, value)) {
		s3_failf(c, S3_ACCESS_DENIED, "%.*s is not the owner of the bucket, which is %s",
		         STR_FMT(name), S3_OWNER);
		return false;
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const struct refused *r = &refused[i];
		if (!(r->does & c->operation->does) || !is_named(name, r->name) ||
		    is_harmless(r, value) || (r->does & UNLESS_IT_COPIES && c->operation->copies))
			continue;
		if (r->values[0])
			s3_failf(c, S3_NOT_IMPLEMENTED, "header %s is supported only as \"%s\"",
			         r->name, r->values[0]);
		else
			s3_failf(c, S3_NOT_IMPLEMENTED, "header %.*s is not supported",
			         STR_FMT(name));
		return false;
	}
	return true;
}

bool s3_refuse_fields(struct s3_call *c)
{
	for (size_t i = 0; i < c->http->head.n_fields; i++)
		if (!refuse(c, c->http->head.fields[i].name, c->http->head.fields[i].value))
			return false;
	for (size_t i = 0; i < c->query.n; i++)
		if (!refuse(c, c->query.params[i].name, c->query.params[i].value))
			return false;
	return true;
}

struct str s3_parameter(const struct s3_call *c, const char *name)
{
	const struct uri_param *p = uri_query_get(&c->query, str_of(name));
	return p ? p->value : STR_NULL;
}

bool s3_part_number(struct s3_call *c, int *out)
{
	uint64_t n;
	if (!str_to_u64(s3_parameter(c, "partNumber"), &n)) {
		s3_fail(c, S3_INVALID_ARGUMENT, "Invalid part number");
		return false;
	}
	if (n < 1 || n > S3_PARTS_MAX) {
		s3_failf(c, S3_INVALID_ARGUMENT, "Part number must be between 1 and %d",
		         S3_PARTS_MAX);
		return false;
	}
	*out = (int)n;
	return true;
}

bool s3_encoding_type(struct s3_call *c, bool *url)
{
	struct str value = s3_parameter(c, "encoding-type");
	*url = str_eq_nocase(value, STR("url"));
	if (!value.n || *url)
		return true;
	s3_fail(c, S3_INVALID_ARGUMENT, "Invalid Encoding Method specified in Request");
	return false;
}

bool s3_check_text(struct s3_call *c, struct str text)
{
	if (str_is_utf8(text) && str_chr(text, '\0') < 0)
		return true;
	s3_fail(c, S3_INVALID_ARGUMENT, "a parameter is not valid UTF-8");
	return false;
}

bool s3_if_match(struct s3_call *c, struct str *out)
{
	struct str tag;
	switch (precondition_write_match(&c->http->head, &tag)) {
	case PRECONDITION_MATCH_ANY:
		*out = STR("*");
		return true;
	case PRECONDITION_MATCH_TAG:
		*out = tag;
		return true;
	case PRECONDITION_MATCH_NEVER:
		s3_fail(c, S3_PRECONDITION_FAILED, NULL);
		return false;
	default:
		return true;
	}
}

bool s3_conditions(struct s3_call *c, struct store_conditions *cond)
{
	cond->if_none_match_any = http_head_get(&c->http->head, STR("if-none-match")) != NULL;
	return s3_if_match(c, &cond->if_match);
}

static bool has_tag(const struct store_conditions *cond, const struct store_version *v)
{
	return str_eq(cond->if_match, STR("*")) || str_eq(cond->if_match, v->o.etag);
}

bool s3_conditions_hold(struct s3_call *c, const struct store_conditions *cond)
{
	struct store_version v;
	struct error e;
	if (!cond->if_none_match_any && !cond->if_match.n)
		return true;
	enum err r = store_find(c->server->store, c->bucket, c->key, STR_NULL, c->arena, &v, &e);
	if (r == ERR_NOT_FOUND && !cond->if_match.n)
		return true;
	if (r == ERR_OK && (cond->if_none_match_any || !has_tag(cond, &v)))
		r = err_set(&e, ERR_PRECONDITION, "a condition does not hold");
	if (r != ERR_OK)
		s3_fail_err(c, &e, "Failed to evaluate conditional write");
	return r == ERR_OK;
}

bool s3_is_version(struct str id)
{
	return str_eq(id, STR("null")) ||
	       (id.n == STORE_VERSION_SIZE - 1 && str_is_utf8(id) && str_chr(id, '\0') < 0);
}

bool s3_check_version(struct s3_call *c, struct str id)
{
	if (!id.n || s3_is_version(id))
		return true;
	s3_fail(c, S3_INVALID_ARGUMENT, "Invalid version id specified");
	return false;
}

bool s3_version(struct s3_call *c, struct str *out)
{
	const struct uri_param *p = uri_query_get(&c->query, STR("versionId"));
	*out = p ? p->value : STR_NULL;
	if (!p || p->value.n)
		return s3_check_version(c, *out);
	/* Whoever has lost an id does not mean the current version. */
	s3_fail(c, S3_INVALID_ARGUMENT, "Version id cannot be the empty string");
	return false;
}
