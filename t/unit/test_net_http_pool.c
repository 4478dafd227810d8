/* SPDX-License-Identifier: MIT
 *
 * The connections of the client: reuse, dead ones, limits, idle ones, what becomes
 * of one whose exchange is cancelled, TLS.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "http_client_fixture.h"
#include "t/unit/run.h"

static void reuse(void)
{
	static const char *const methods[] = {"GET", "HEAD", "GET", "DELETE"};
	struct server srv;
	struct http_client *c;

	server_start(&srv, serve_ok);
	c = client_default(&srv);
	for (int i = 0; i < 20; i++) {
		struct http_exchange x = request(methods[i % 4]);

		fetch_ok(c, &x, 200, str_eq(x.method, STR("HEAD")) ? "" : "ok");
	}
	ck_assert_int_eq(srv.n_requests, 20);
	ck_assert_int_eq(srv.n_conns, 1);
	http_client_free(&c);
	wait_closed(&srv);
	server_stop(&srv);
}

/* --- dead connections --------------------------------------------------------- */

static bool serve_and_close(struct server *srv, struct http_conn *c, const struct http_head *h)
{
	serve_ok(srv, c, h);
	return false;
}

/* Closed while idle: noticed before it is used. */
static void stale_noticed(void)
{
	struct server srv;
	struct http_client *c;

	server_start(&srv, serve_and_close);
	c = client_default(&srv);
	for (int i = 0; i < 3; i++) {
		struct http_exchange x = request("PUT");

		x.send = body_of_memory("\0\37", 2);
		fetch_ok(c, &x, 200, "ok");
		body_close(&x.send);
		wait_closed(&srv);
	}
	ck_assert_int_eq(srv.n_conns, 3);
	http_client_free(&c);
	server_stop(&srv);
}

/* Closed at the moment of use: the request arrives and nothing comes back. */
static bool serve_first_only(struct server *srv, struct http_conn *c, const struct http_head *h)
{
	if (srv->n_requests == 2)
		return false;
	return serve_ok(srv, c, h);
}

static void stale_at_use(void)
{
	for (int with_body = 0; with_body < 2; with_body++) {
		struct server srv;
		struct http_client *c;
		struct http_exchange x = request("GET");

		server_start(&srv, serve_first_only);
		c = client_default(&srv);
		fetch_ok(c, &x, 200, "ok");
		if (with_body) {
			x = request("PUT");
			x.send = body_of_memory("x", 1);
			fetch_fails(c, &x, ERR_IO);
			ck_assert(x.sent_any && !x.send_failed);
			body_close(&x.send);
		} else {
			fetch_ok(c, &x, 200, "ok");
			ck_assert_int_eq(srv.n_conns, 2);
		}
		http_client_free(&c);
		server_stop(&srv);
	}
}

/* A fresh connection that dies is not tried again. */
static bool serve_nothing(struct server *srv, struct http_conn *c, const struct http_head *h)
{
	(void)srv;
	(void)c;
	(void)h;
	return false;
}

static void fresh_dies(void)
{
	struct server srv;
	struct http_client *c;
	struct http_exchange x = request("GET");

	server_start(&srv, serve_nothing);
	c = client_default(&srv);
	fetch_fails(c, &x, ERR_IO);
	ck_assert_int_eq(srv.n_conns, 1);
	ck_assert(x.sent_any);
	http_client_free(&c);
	server_stop(&srv);
}

static void nobody_listens(void)
{
	struct server srv;
	struct http_client *c;
	struct http_exchange x = request("GET");

	server_start(&srv, serve_ok);
	c = client_default(&srv);
	server_stop(&srv);
	fetch_fails(c, &x, ERR_IO);
	ck_assert(!x.sent_any);
	http_client_free(&c);
}

/* --- limits ---------------------------------------------------------------------- */

struct fetcher {
	struct http_client *c;
	int done, failed;
	enum err want;
};

static void fetcher_task(void *arg)
{
	struct fetcher *f = arg;
	struct http_exchange x = request("GET");
	struct arena *a = arena_new();
	enum err rc;

	fetch(f->c, a, &x, &rc);
	f->done += rc == f->want;
	f->failed += rc != f->want;
	arena_free(&a);
}

static void limit_waits(void)
{
	struct server srv;
	struct wait_group g = {0};
	struct fetcher f = {0};

	server_start(&srv, serve_wait);
	f.c = client_open(&srv, (struct http_client_options){.max_connections = 3, .max_idle = 2});
	for (int i = 0; i < 10; i++)
		wait_group_spawn(&g, "fetch", fetcher_task, &f, NULL);
	while (srv.n_requests < 3)
		task_sleep(CLOCK_MS);
	ck_assert_int_eq(srv.n_conns, 3);
	srv.go = true;
	notify_all(&srv.changed);
	wait_group_wait(&g, 0);
	ck_assert_int_eq(f.done, 10);
	ck_assert_int_le(srv.n_open, 3);
	while (srv.n_open > 2) /* at most max_idle stay */
		ck_assert_int_eq(notify_wait(&srv.changed, clock_deadline(TEST_PATIENCE)), 0);
	http_client_free(&f.c);
	server_stop(&srv);
}

static void limit_times_out(void)
{
	struct server srv;
	struct http_client *c;
	struct http_exchange held = request("GET"), x = request("GET");
	struct arena *a = arena_new();

	server_start(&srv, serve_ok);
	c = client_open(&srv, (struct http_client_options){.max_connections = 1,
	                                                   .connect_us = 100 * CLOCK_MS});
	ck_assert_ok(http_client_exchange(c, a, &held, &error));
	fetch_fails(c, &x, ERR_CONGESTED);
	ck_assert(!x.sent_any);
	body_close(&held.body);
	fetch_ok(c, &x, 200, "ok");
	ck_assert_int_eq(srv.n_conns, 1);
	arena_free(&a);
	http_client_free(&c);
	server_stop(&srv);
}

/* Without any traffic the sweeper closes what has been idle too long. */
static void idle_closed(void)
{
	struct server srv;
	struct http_client *c;
	struct http_exchange x = request("GET");

	server_start(&srv, serve_ok);
	c = client_open(&srv, (struct http_client_options){.idle_us = 30 * CLOCK_MS});
	fetch_ok(c, &x, 200, "ok");
	ck_assert_int_eq(srv.n_open, 1);
	wait_closed(&srv);
	fetch_ok(c, &x, 200, "ok");
	ck_assert_int_eq(srv.n_conns, 2);
	wait_closed(&srv);
	http_client_free(&c);
	server_stop(&srv);
}

/* --- cancellation ------------------------------------------------------------------ */

static void cancelled(void)
{
	struct server srv;
	struct wait_group g = {0};
	struct fetcher f = {.want = ERR_CANCELED};
	struct http_exchange x = request("GET");
	struct task *t;

	server_start(&srv, serve_wait);
	f.c = client_open(&srv, (struct http_client_options){.max_connections = 1});
	wait_group_spawn(&g, "fetch", fetcher_task, &f, &t);
	while (srv.n_requests < 1)
		task_sleep(CLOCK_MS);
	task_cancel(t);
	wait_group_wait(&g, 0);
	ck_assert_int_eq(f.done, 1);
	srv.go = true;
	notify_all(&srv.changed);
	fetch_ok(f.c, &x, 200, "ok"); /* its place is free again */
	http_client_free(&f.c);
	server_stop(&srv);
}

static void cancelled_upload_task(void *arg)
{
	struct fetcher *f = arg;
	struct http_exchange x = request("PUT");
	struct arena *a = arena_new();
	const size_t n = 32 * 1024 * 1024;
	char *p = calloc(1, n);
	enum err rc;

	x.send = body_of_memory(p, n);
	fetch(f->c, a, &x, &rc);
	f->done += rc == f->want;
	body_close(&x.send);
	free(p);
	arena_free(&a);
}

static void cancelled_upload(void)
{
	struct server srv;
	struct wait_group g = {0};
	struct fetcher f = {.want = ERR_CANCELED};
	struct task *t;

	server_start(&srv, serve_wait);
	f.c = client_default(&srv);
	wait_group_spawn(&g, "upload", cancelled_upload_task, &f, &t);
	while (srv.n_requests < 1)
		task_sleep(CLOCK_MS);
	task_cancel(t);
	wait_group_wait(&g, 0);
	ck_assert_int_eq(f.done, 1);
	srv.go = true;
	notify_all(&srv.changed);
	http_client_free(&f.c);
	server_stop(&srv);
}

/* --- TLS ---------------------------------------------------------------------------- */

static SSL_CTX *self_signed(const char *pem)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_EXTENSION *san =
		X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost");
	FILE *f = fopen(pem, "we");

	X509_set_version(x, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
	                           (const unsigned char *)"test", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_add_ext(x, san, -1);
	X509_set_pubkey(x, key);
	ck_assert_int_gt(X509_sign(x, key, EVP_sha256()), 0);
	SSL_CTX_use_certificate(ctx, x);
	SSL_CTX_use_PrivateKey(ctx, key);
	ck_assert(f && PEM_write_X509(f, x) == 1);
	fclose(f);
	X509_EXTENSION_free(san);
	X509_free(x);
	EVP_PKEY_free(key);
	return ctx;
}

static void over_tls(void)
{
	char pem[] = "/tmp/test_net_XXXXXX";
	const size_t n = 1000000;
	unsigned char *p = malloc(n);
	struct server srv;
	struct http_client *c;
	struct http_exchange x;

	close(mkstemp(pem));
	fill_pattern(p, n, 0);
	server_start(&srv, serve_ok);
	srv.tls = self_signed(pem);
	c = client_open(&srv, (struct http_client_options){.ca_file = pem});
	for (int i = 0; i < 3; i++) {
		x = request("PUT");
		x.send = body_of_memory(p, n);
		fetch_ok(c, &x, 200, "ok");
		ck_assert(srv.intact && srv.received == n);
		body_close(&x.send);
	}
	ck_assert_int_eq(srv.n_conns, 1);
	http_client_free(&c);

	x = request("GET");
	c = client_default(&srv);
	fetch_fails(c, &x, ERR_IO);
	ck_assert(!x.sent_any);
	http_client_free(&c);
	c = client_open(&srv, (struct http_client_options){.insecure = true});
	fetch_ok(c, &x, 200, "ok");
	http_client_free(&c);
	server_stop(&srv);
	SSL_CTX_free(srv.tls);
	unlink(pem);
	free(p);
}

static void bad_ca_file(void)
{
	struct arena *a = arena_new();
	struct uri_endpoint ep;
	struct http_client_options o = {.endpoint = &ep, .ca_file = "/nonexistent"};
	struct http_client *c;

	ck_assert_ok(uri_parse_endpoint(a, STR("https://h"), &ep, &error));
	ck_assert_int_eq(http_client_new(&o, &c, &error), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(error.text, "/nonexistent"));
	arena_free(&a);
}

static void (*const in_tasks[])(void) = {
	reuse,           stale_noticed, stale_at_use, fresh_dies,       nobody_listens, limit_waits,
	limit_times_out, idle_closed,   cancelled,    cancelled_upload, over_tls,       bad_ca_file,
};

START_TEST(test_in_task)
{
	in_task(in_tasks[_i]);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test_in_task, 0, sizeof in_tasks / sizeof *in_tasks);
	return run_tests("net_http_pool", t);
}
