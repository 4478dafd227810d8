/* SPDX-License-Identifier: MIT
 *
 * PostObject: a browser sends an HTML form with a file. The form carries what other
 * requests have in their head: who signed it, the key, what is said about the object.
 * So it is read up to the file first; then its fields take the place of the head's, and
 * the file is stored as the body of a PutObject is.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "config/config.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/form.h"
#include "s3proto/post_policy.h"
#include "s3proto/xml.h"

#define BLOCK_SIZE (32 * 1024)

/* What follows the file is read when it is no more than this, and comes within this
 * time: that is cheaper than another connection. */
#define REST_MAX (64 * 1024)
#define REST_US  CLOCK_SEC

struct s3_form {
	struct body body; /* the file; first member */
	struct s3_call *c;
	struct form *parser;
	char *block; /* of input; at..n is not parsed yet */
	size_t at, n;
	const char *data; /* of the file, not taken yet */
	size_t data_n;
	bool ended;
};

bool s3_is_form(const struct s3_call *c)
{
	struct str boundary, type = http_head_value(&c->http->head, STR("content-type"));
	return str_eq(c->http->head.method, STR("POST")) && c->query.n == 0 &&
	       form_is_multipart(type, &boundary);
}

static struct str field(const struct s3_form *f, const char *name)
{
	size_t n;
	const struct str_pair *fields = form_fields(f->parser, &n);
	for (size_t i = 0; i < n; i++)
		if (str_eq_nocase(fields[i].name, str_of(name)))
			return fields[i].value;
	return STR_NULL;
}

/* --- reading ------------------------------------------------------------------- */

/* More input. False: *e says why. */
static bool fill(struct s3_form *f, int64_t idle_us, struct error *e)
{
	ssize_t got = body_read(f->c->http->body, f->block, BLOCK_SIZE, idle_us, e);
	f->at = 0;
	f->n = got > 0 ? (size_t)got : 0;
	if (got == 0)
		err_set(e, ERR_PROTOCOL, "the form breaks off");
	return got > 0;
}

static ssize_t file_read(struct body *b, void *buf, size_t n, int64_t idle_us, struct error *e)
{
	struct s3_form *f = (struct s3_form *)b;
	for (size_t got = 0;;) {
		size_t some = f->data_n < n - got ? f->data_n : n - got, used;
		if (some > 0) {
			memcpy((char *)buf + got, f->data, some);
			f->data += some;
			f->data_n -= some;
			got += some;
		}
		if (got == n || f->ended || (f->at == f->n && got > 0))
			return (ssize_t)got;
		if (f->at == f->n && !fill(f, idle_us, e))
			return -1;
		f->ended = form_feed(f->parser, f->block + f->at, f->n - f->at, &used, &f->data,
		                     &f->data_n) == FORM_DONE;
		f->at += used;
	}
}

/* The memory is the arena's. */
static void file_close(struct body *b)
{
	(void)b;
}

static struct s3_form *new_form(struct s3_call *c, struct str boundary)
{
	static const struct body_ops ops = {.read = file_read, .close = file_close};
	struct s3_form *f = ARENA_NEW(c->arena, struct s3_form);
	f->body = (struct body){.ops = &ops, .size = BODY_SIZE_UNKNOWN};
	f->c = c;
	f->parser = form_new(c->arena, boundary);
	f->block = arena_alloc(c->arena, BLOCK_SIZE);
	return f;
}

static bool fail_read(struct s3_call *c, const struct error *e)
{
	http_close_after(c->http);
	snprintf(c->error, sizeof(c->error), "reading a form: %s", e->text);
	if (e->code == ERR_TIMEOUT)
		s3_fail(c, S3_REQUEST_TIMEOUT, NULL);
	else
		s3_fail(c, S3_MALFORMED_POST, e->text);
	return false;
}

/* All that comes before the file, within read_timeout: it is little. False: answered. */
static bool read_fields(struct s3_form *f)
{
	struct s3_call *c = f->c;
	int64_t deadline = clock_deadline(c->server->config->server.read_timeout);
	enum form_result r = FORM_MORE;
	struct error e;
	http_continue(c->http);
	while (r == FORM_MORE) {
		size_t used;
		int64_t left = deadline - clock_mono();
		if (f->at == f->n && !fill(f, left > 0 ? left : 0, &e))
			return fail_read(c, &e);
		r = form_feed(f->parser, f->block + f->at, f->n - f->at, &used, &f->data,
		              &f->data_n);
		f->at += used;
	}
	if (r == FORM_FILE)
		return true;
	if (r == FORM_DONE)
		s3_fail(c, S3_INVALID_ARGUMENT,
		        "POST requires exactly one file upload per request.");
	else if (r == FORM_TOO_LARGE)
		s3_fail(c, S3_POST_FIELDS_TOO_LARGE, NULL);
	else
		s3_fail(c, S3_MALFORMED_POST, form_why(f->parser));
	return false;
}

static bool authenticate(struct s3_form *f)
{
	const struct sigv4_post signature = {
		.algorithm = field(f, "x-amz-algorithm"),
		.credential = field(f, "x-amz-credential"),
		.amz_date = field(f, "x-amz-date"),
		.signature = field(f, "x-amz-signature"),
		.policy = field(f, "policy"),
	};
	f->c->event = "s3.AuthFailure";
	if (signature.policy.n)
		return s3_authenticate_form(f->c, &signature);
	s3_fail(f->c, S3_ACCESS_DENIED, NULL);
	return false;
}

bool s3_begin_form(struct s3_call *c)
{
	struct str boundary;
	c->event = "s3.InvalidForm";
	form_is_multipart(http_head_value(&c->http->head, STR("content-type")), &boundary);
	if (c->key.n || !c->bucket.n)
		s3_fail_method(c, NULL, NULL);
	else if (c->http->head.framing == HTTP_BODY_NONE)
		s3_fail(c, S3_MISSING_CONTENT_LENGTH, NULL);
	else if (!boundary.n)
		s3_fail(c, S3_MALFORMED_POST, "Content-Type has no usable boundary");
	else
		c->form = new_form(c, boundary);
	return c->form && read_fields(c->form) && authenticate(c->form);
}

/* --- what the fields say ----------------------------------------------------------- */

static bool starts_nocase(struct str s, const char *prefix)
{
	size_t n = strlen(prefix);
	return s.n >= n && str_eq_nocase(str_n(s.p, n), str_n(prefix, n));
}

/* Of two values, one would be believed and the other one not looked at. */
static bool refuse_repeated(struct s3_call *c, const struct str_pair *fields, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < i; k++) {
			if (!str_eq_nocase(fields[i].name, fields[k].name) ||
			    starts_nocase(fields[i].name, "x-ignore-"))
				continue;
			s3_failf(c, S3_INVALID_ARGUMENT,
			         "form field %.*s must not come more than once",
			         STR_FMT(fields[i].name));
			return false;
		}
	}
	return true;
}

/* The field "key" with the name of the file in place of ${filename}. */
static struct str make_key(const struct s3_form *f)
{
	const struct str variable = STR("${filename}");
	struct str rest = field(f, "key");
	BUF_AUTO b = {0};
	for (ssize_t at; (at = str_find(rest, variable)) >= 0;) {
		buf_add(&b, rest.p, (size_t)at);
		buf_add_str(&b, form_file_name(f->parser));
		rest = str_skip(rest, (size_t)at + variable.n);
	}
	buf_add_str(&b, rest);
	return arena_dup(f->c->arena, buf_str(&b));
}

static bool parse_key(struct s3_form *f)
{
	struct s3_call *c = f->c;
	struct str key = make_key(f);
	if (!field(f, "key").n)
		s3_fail(c, S3_INVALID_ARGUMENT,
		        "Bucket POST must contain a field named 'key'. If it is specified, please "
		        "check the order of the fields.");
	else if (!key.n)
		s3_fail(c, S3_KEY_REQUIRED, NULL);
	else if (key.n > PATH_KEY_MAX)
		s3_fail(c, S3_KEY_TOO_LONG, NULL);
	else if (!str_is_utf8(key) || str_chr(key, '\0') >= 0)
		s3_fail(c, S3_INVALID_REQUEST, "The key is not valid UTF-8 text");
	else
		c->key = key;
	return c->key.n > 0;
}

/* Conditions are about the key as it will be, and about the bucket of the request. */
static bool obey_policy(struct s3_form *f, struct post_policy *policy)
{
	struct s3_call *c = f->c;
	BUF_AUTO why = {0};
	const char *malformed;
	size_t n;
	const struct str_pair *sent = form_fields(f->parser, &n);
	if (!post_policy_parse(c->arena, field(f, "policy"), policy, &malformed)) {
		s3_fail(c, S3_INVALID_POLICY, malformed);
		return false;
	}
	struct str_pair *fields = ARENA_ARRAY(c->arena, struct str_pair, n + 1);
	size_t n_fields = 0;
	fields[n_fields++] = (struct str_pair){STR("bucket"), c->bucket};
	for (size_t i = 0; i < n; i++) {
		bool is_key = str_eq_nocase(sent[i].name, STR("key"));
		if (str_eq_nocase(sent[i].name, STR("bucket")))
			continue;
		fields[n_fields++] =
			(struct str_pair){sent[i].name, is_key ? c->key : sent[i].value};
	}
	if (post_policy_allows(policy, fields, n_fields, clock_wall(), &why))
		return true;
	buf_add_char(&why, '\0');
	s3_fail(c, S3_ACCESS_DENIED, why.p);
	return false;
}

/* What a form field is called in the head of a PutObject; empty: it means nothing there. */
static struct str name_in_head(struct str name)
{
	static const char *const same[] = {"content-type",       "cache-control",    "expires",
	                                   "content-encoding",   "content-language", "content-md5",
	                                   "content-disposition"};
	static const char *const about_signature[] = {"x-amz-algorithm", "x-amz-credential",
	                                              "x-amz-date", "x-amz-signature",
	                                              "x-amz-security-token"};
	if (str_eq_nocase(name, STR("acl")))
		return STR("x-amz-acl");
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		if (str_eq_nocase(name, str_of(same[i])))
			return name;
	for (size_t i = 0; i < sizeof(about_signature) / sizeof(about_signature[0]); i++)
		if (str_eq_nocase(name, str_of(about_signature[i])))
			return STR_NULL;
	return starts_nocase(name, "x-amz-") ? name : STR_NULL;
}

static bool adopt_field(struct s3_call *c, struct http_head *h, const struct str_pair *f)
{
	struct str name = name_in_head(f->name), value = str_trim(f->value);
	if (str_eq_nocase(f->name, STR("tagging")) || starts_nocase(f->name, "x-amz-copy-")) {
		s3_failf(c, S3_NOT_IMPLEMENTED, "form field %.*s is not supported",
		         STR_FMT(f->name));
		return false;
	}
	if (!name.n)
		return true;
	if (!http1_is_token(name) || !http1_is_value(value)) {
		s3_failf(c, S3_INVALID_ARGUMENT, "form field %.*s cannot be kept as a header field",
		         STR_FMT(name));
		return false;
	}
	h->fields[h->n_fields++] = (struct http_field){name, value};
	return true;
}

/* Puts the form's fields in the place of the head's, of which conditions and the
 * expected owner stay. False: answered. */
static bool adopt_fields(struct s3_form *f)
{
	struct s3_call *c = f->c;
	struct http_head *h = &c->http->head;
	const struct http_field *old = h->fields;
	size_t n, n_old = h->n_fields;
	const struct str_pair *fields = form_fields(f->parser, &n);
	h->fields = ARENA_ARRAY(c->arena, struct http_field, n_old + n);
	h->n_fields = 0;
	for (size_t i = 0; i < n_old; i++)
		if (starts_nocase(old[i].name, "if-") ||
		    str_eq_nocase(old[i].name, STR("x-amz-expected-bucket-owner")))
			h->fields[h->n_fields++] = old[i];
	for (size_t i = 0; i < n; i++)
		if (!adopt_field(c, h, &fields[i]))
			return false;
	return s3_refuse_fields(c);
}

/* --- the answer --------------------------------------------------------------------- */

static void add_location(struct buf *b, const struct s3_call *c, struct str host)
{
	if (host.n)
		buf_printf(b, "%s://%.*s",
		           c->server->config->server.tls.cert_file[0] ? "https" : "http",
		           STR_FMT(host));
	buf_add_char(b, '/');
	if (!path_host_bucket(host, str_of(c->server->config->server.domain)).n) {
		uri_encode(b, c->bucket, false);
		buf_add_char(b, '/');
	}
	uri_encode(b, c->key, true);
}

/* A URL with what was stored in its query. False: the client did not ask for one that
 * can be used; then it is answered as if it had not asked, as S3 does. */
static bool add_redirect(struct buf *b, const struct s3_form *f, struct str etag)
{
	struct str url = field(f, "success_action_redirect"), fragment;
	if (!url.n)
		url = field(f, "redirect");
	if ((!starts_nocase(url, "http://") && !starts_nocase(url, "https://")) ||
	    !http1_is_target(url))
		return false;
	url = str_cut(url, '#', &fragment);
	buf_add_str(b, url);
	buf_add_cstr(b, str_chr(url, '?') < 0 ? "?bucket=" : "&bucket=");
	uri_encode(b, f->c->bucket, false);
	buf_add_cstr(b, "&key=");
	uri_encode(b, f->c->key, false);
	buf_printf(b, "&etag=%%22%.*s%%22", STR_FMT(etag));
	if (fragment.n)
		buf_printf(b, "#%.*s", STR_FMT(fragment));
	return true;
}

static void add_document(struct buf *b, const struct s3_call *c, struct str location,
                         struct str etag)
{
	xml_begin(b, "PostResponse");
	xml_text(b, "Location", location);
	xml_text(b, "Bucket", c->bucket);
	xml_text(b, "Key", c->key);
	xml_text(b, "ETag", str_of(arena_printf(c->arena, "\"%.*s\"", STR_FMT(etag))));
	xml_close(b, "PostResponse");
}

static void answer(struct s3_form *f, struct str host, struct str etag)
{
	struct s3_call *c = f->c;
	struct str status = field(f, "success_action_status");
	BUF_AUTO location = {0};
	BUF_AUTO document = {0};
	int code = str_eq(status, STR("200")) ? 200 : str_eq(status, STR("201")) ? 201 : 204;
	if (add_redirect(&location, f, etag))
		code = 303;
	else
		add_location(&location, c, host);
	http_reply_field(c->http, "Location", buf_str(&location));
	if (code == 201) {
		add_document(&document, c, buf_str(&location), etag);
		http_reply_field(c->http, "Content-Type", STR("application/xml"));
	}
	http_reply(c->http, code, buf_str(&document));
}

static void read_rest(struct s3_form *f)
{
	int64_t deadline = clock_deadline(REST_US), left = REST_US;
	size_t got = f->n - f->at;
	struct error e;
	while (got < REST_MAX && left > 0 && fill(f, left, &e)) {
		got += f->n;
		left = deadline - clock_mono();
	}
}

void s3_post_object(struct s3_call *c)
{
	struct s3_form *f = c->form;
	uint64_t max = c->server->config->server.max_object_size;
	struct str etag, host = http_head_value(&c->http->head, STR("host"));
	struct post_policy policy;
	size_t n;
	const struct str_pair *fields = form_fields(f->parser, &n);
	if (!refuse_repeated(c, fields, n) || !parse_key(f) || !obey_policy(f, &policy) ||
	    !adopt_fields(f))
		return;
	struct s3_upload upload = {.body = &f->body, .min_size = policy.min_size};
	if (policy.max_size < max) {
		max = policy.max_size;
		upload.over = S3_POST_TOO_LARGE;
	}
	if (!s3_put_upload(c, &upload, max, &etag))
		return;
	read_rest(f);
	answer(f, host, etag);
}
