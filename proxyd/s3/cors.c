/* SPDX-License-Identifier: MIT
 *
 * Requests from pages of other origins. A preflight comes without any signature and asks
 * whether a request may follow; other answers are told to the page only when a rule
 * allows it, so they carry the fields also when they are errors.
 */
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/cors.h"
#include "store/buckets.h"

static struct str field(const struct s3_call *c, const char *name)
{
	return http_head_value(&c->http->head, str_of(name));
}

/* The rules of the bucket; none when it has none or does not exist. */
static enum err find_rules(struct s3_call *c, struct cors *out, struct error *e)
{
	static const char *const name[] = {"cors"};
	struct store_bucket b;
	const char *why;
	*out = (struct cors){0};
	enum err r = store_bucket_find(c->server->store, c->bucket, name, 1, c->arena, &b, e);
	if (r == ERR_NO_BUCKET)
		return ERR_OK;
	struct str doc = r == ERR_OK ? store_bucket_setting(&b, "cors") : STR_NULL;
	if (doc.n && cors_parse(doc, c->arena, out, &why) != S3_OK)
		*out = (struct cors){0}; /* written by a version that knows more */
	return r;
}

static void reply_rule(struct s3_call *c, const struct cors_rule *rule, struct str headers)
{
	struct cors_answer answer;
	cors_answer(rule, field(c, "origin"), headers, c->arena, &answer);
	for (size_t i = 0; i < answer.n; i++)
		http_reply_field(c->http, answer.fields[i].name.p, answer.fields[i].value);
}

void s3_reply_origin(struct s3_call *c)
{
	struct cors cors;
	struct error e;
	if (str_eq(c->http->head.method, STR("OPTIONS")) || find_rules(c, &cors, &e) != ERR_OK)
		return;
	const struct cors_rule *rule =
		cors_match(&cors, field(c, "origin"), c->http->head.method, STR_NULL);
	if (rule)
		reply_rule(c, rule, STR_NULL);
}

void s3_preflight(struct s3_call *c)
{
	struct str origin = field(c, "origin");
	struct str method = field(c, "access-control-request-method");
	struct str headers = field(c, "access-control-request-headers");
	struct cors cors;
	struct error e;
	c->event = "s3.Preflight";
	if (!origin.n || !method.n) {
		s3_failf(c, S3_BAD_REQUEST, "Insufficient information. %s header needed.",
		         origin.n ? "Access-Control-Request-Method" : "Origin request");
		return;
	}
	if (find_rules(c, &cors, &e) != ERR_OK) {
		s3_fail_err(c, &e, NULL);
		return;
	}
	const struct cors_rule *rule = cors_match(&cors, origin, method, headers);
	if (!rule) {
		s3_fail(c, S3_ACCESS_FORBIDDEN, NULL);
		return;
	}
	reply_rule(c, rule, headers);
	http_reply(c->http, 200, STR_NULL);
}
