/* SPDX-License-Identifier: MIT
 *
 * The control client on libcurl. libcurl only says "could not connect"; which of
 * the reasons it was comes from the operating system's error number.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/client.h"

#define CONNECT_TIMEOUT_MS 30000L

struct transfer {
	CURL *curl;
	struct curl_slist *fields;
	char *body;
	struct ctl_reply reply;
	bool too_large;
	char error[CURL_ERROR_SIZE];
};

static size_t on_data(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	if (t->reply.text.n + size * n > CTL_REPLY_MAX) {
		t->too_large = true;
		return 0;
	}
	buf_add(&t->reply.text, p, size * n);
	return size * n;
}

static void add_field(struct transfer *t, const char *name, const char *value)
{
	BUF_AUTO line = {0};
	struct curl_slist *more;

	buf_printf(&line, "%s: %s", name, value);
	more = curl_slist_append(t->fields, line.p);
	if (!more)
		abort();
	t->fields = more;
}

static void prepare(struct transfer *t, const struct ctl_target *to, const char *method,
                    const char *url, const json_t *body)
{
	CURL *c = t->curl;

	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(to->timeout_us / CLOCK_MS));
	if (to->socket) {
		curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, to->socket);
		/* an http_proxy in the environment has no business here */
		curl_easy_setopt(c, CURLOPT_PROXY, "");
	}
	add_field(t, "Accept", "application/json");
	if (to->token)
		add_field(t, "X-Admin-Token", to->token);
	if (body) {
		t->body = json_dumps(body, JSON_COMPACT);
		if (!t->body)
			abort();
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, t->body);
		add_field(t, "Content-Type", "application/json");
		add_field(t, "Expect", "");
	}
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->fields);
}

static enum err connect_failed(struct transfer *t, const char *where, struct error *e)
{
	long code = 0;

	curl_easy_getinfo(t->curl, CURLINFO_OS_ERRNO, &code);
	if (code == EACCES || code == EPERM)
		return err_set(e, ERR_DENIED, "no permission to use %s", where);
	if (code != 0)
		return err_set(e, ERR_UNAVAILABLE, "%s does not answer: %s", where,
		               strerror((int)code));
	return err_set(e, ERR_UNAVAILABLE, "%s does not answer: %s", where, t->error);
}

static enum err explain(struct transfer *t, CURLcode rc, const char *where, struct error *e)
{
	switch (rc) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		return connect_failed(t, where, e);
	case CURLE_OPERATION_TIMEDOUT:
		return err_set(e, ERR_TIMEOUT, "%s did not answer in time", where);
	case CURLE_GOT_NOTHING: /* closed before an answer: it is going away */
		return err_set(e, ERR_UNAVAILABLE, "%s closed the connection", where);
	default:
		if (t->too_large)
			return err_set(e, ERR_TOO_LARGE, "the answer of %s is too large", where);
		return err_set(e, ERR_IO, "%s: %s", where,
		               t->error[0] ? t->error : curl_easy_strerror(rc));
	}
}

static void read_reply(struct transfer *t)
{
	long status = 0;

	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	t->reply.status = (int)status;
	if (t->reply.text.n > 0)
		t->reply.json = json_loadb(t->reply.text.p, t->reply.text.n, JSON_DECODE_ANY, NULL);
}

enum err ctl_request(const struct ctl_target *to, const char *method, const char *path,
                     const json_t *body, struct ctl_reply *out, struct error *e)
{
	struct transfer t = {.curl = curl_easy_init()};
	enum err r = ERR_OK;
	BUF_AUTO url = {0};
	CURLcode rc;

	if (!t.curl)
		return err_set(e, ERR_IO, "libcurl cannot be initialised");
	buf_printf(&url, "%s%s", to->socket ? "http://localhost" : to->url, path);
	prepare(&t, to, method, url.p, body);
	rc = curl_easy_perform(t.curl);
	if (rc == CURLE_OK)
		read_reply(&t);
	else
		r = explain(&t, rc, to->socket ? to->socket : to->url, e);
	curl_easy_cleanup(t.curl);
	curl_slist_free_all(t.fields);
	free(t.body);
	if (r == ERR_OK)
		*out = t.reply;
	else
		ctl_reply_free(&t.reply);
	return r;
}

void ctl_reply_free(struct ctl_reply *r)
{
	json_decref(r->json);
	r->json = NULL;
	buf_free(&r->text);
}

const char *ctl_reply_error(const struct ctl_reply *r, char *buf, size_t n)
{
	const char *text = json_string_value(json_object_get(r->json, "error"));

	if (text)
		snprintf(buf, n, "%s", text);
	else
		snprintf(buf, n, "HTTP status %d", r->status);
	return buf;
}
