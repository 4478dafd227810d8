/* SPDX-License-Identifier: MIT
 *
 * Header fields and parameters that mean the same to several operations.
 */
#include <string.h>

#include "proxyd/s3/s3.h"
#include "s3proto/precondition.h"

#define VALUES_MAX 2

/* Fields that ask for something this version does not do, but for the values that ask
 * for what happens anyway. A name that ends with a hyphen stands for all that begin
 * with it. */
static const struct refused {
	const char *name;
	unsigned does;
	const char *values[VALUES_MAX];
} refused[] = {
	{"if-modified-since", S3_DOES_WRITE | S3_DOES_DELETE, {0}},
	{"if-none-match", S3_DOES_DELETE, {0}},
	{"if-none-match", S3_DOES_WRITE, {"*"}},
	{"if-unmodified-since", S3_DOES_WRITE | S3_DOES_DELETE, {0}},
	{"x-amz-acl",
         S3_DOES_WRITE | S3_DOES_MAKE_BUCKET,
         {"private", "bucket-owner-full-control"}},
	{"x-amz-bucket-object-lock-enabled", S3_DOES_MAKE_BUCKET, {"false"}},
	{"x-amz-copy-source", S3_DOES_WRITE, {0}},
	{"x-amz-grant-", S3_DOES_WRITE | S3_DOES_MAKE_BUCKET, {0}},
	{"x-amz-if-match-last-modified-time", S3_DOES_DELETE, {0}},
	{"x-amz-if-match-size", S3_DOES_DELETE, {0}},
	{"x-amz-object-lock-legal-hold", S3_DOES_WRITE, {"OFF"}},
	{"x-amz-object-lock-mode", S3_DOES_WRITE, {0}},
	{"x-amz-object-lock-retain-until-date", S3_DOES_WRITE, {0}},
	{"x-amz-object-ownership", S3_DOES_MAKE_BUCKET, {"BucketOwnerEnforced"}},
	{"x-amz-server-side-encryption", S3_DOES_WRITE, {"AES256"}},
	{"x-amz-server-side-encryption-", S3_DOES_READ | S3_DOES_WRITE, {0}},
	{"x-amz-tagging", S3_DOES_WRITE, {0}},
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
		    is_harmless(r, value))
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
