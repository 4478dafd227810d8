/* SPDX-License-Identifier: MIT
 *
 * The values that a configuration ends up with: defaults of every key, explicit
 * zeros, every key set; what a reload cannot change; what is not active; the
 * certificates of TLS; the manual.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include "base/clock.h"
#include "config/settings.h"
#include "config_text.h"
#include "t/unit/run.h"

#define SEC  CLOCK_SEC
#define MIN  (60 * SEC)
#define HOUR (60 * MIN)

START_TEST(defaults_of_the_daemons)
{
	setenv("TMPDIR", "/var/tmp", 1);
	struct config *c = load_valid("server: {listen_addr: ':9000'}\n" DATABASE BUCKETS BACKENDS);
	const struct config_server *s = &c->server;

	ck_assert_str_eq(s->listen_addr, ":9000");
	ck_assert_int_eq(s->log_level, LOG_INFO);
	ck_assert_uint_eq(s->max_object_size, UINT64_C(5368709120));
	ck_assert_int_eq(s->max_concurrent_requests, 1000);
	ck_assert_int_eq(s->max_concurrent_reads, 0);
	ck_assert_int_eq(s->max_concurrent_writes, 0);
	ck_assert(s->load_shed_threshold == 0);
	ck_assert_int_eq(s->admission_wait, 0);
	ck_assert_int_eq(s->backend_timeout, 30 * SEC);
	ck_assert_int_eq(s->read_header_timeout, 10 * SEC);
	ck_assert_int_eq(s->read_timeout, 5 * MIN);
	ck_assert_int_eq(s->write_timeout, 5 * MIN);
	ck_assert_int_eq(s->idle_timeout, 120 * SEC);
	ck_assert_int_eq(s->shutdown_delay, 0);
	ck_assert_str_eq(s->tls.cert_file, "");
	ck_assert_str_eq(s->tls.key_file, "");
	ck_assert_str_eq(s->tls.client_ca_file, "");
	ck_assert(!s->tls.min_1_3);
	ck_assert_str_eq(s->spill_dir, "/var/tmp");
	ck_assert_int_ge(s->processes, 1);
	ck_assert_str_eq(s->run_dir, "/run/s3-orchestrator");
	ck_assert_str_eq(c->worker.listen_addr, "127.0.0.1:9010");
	ck_assert_int_eq(c->routing_strategy, STRATEGY_PACK);
	config_free(&c);

	unsetenv("TMPDIR");
	c = load_valid("server: {listen_addr: ':9000', spill_dir: ''}\n"
	               "worker: {listen_addr: ''}\n" DATABASE BUCKETS BACKENDS);
	ck_assert_str_eq(c->server.spill_dir, "/tmp");
	ck_assert_str_eq(c->worker.listen_addr, "");
	config_free(&c);
}
END_TEST

START_TEST(defaults_of_stores)
{
	struct config *c = load_valid(VALID);
	const struct config_database *d = &c->database;
	const struct config_backend *b = &c->backends[0];

	ck_assert_int_eq(d->driver, DRIVER_POSTGRES);
	ck_assert_str_eq(d->path, "/var/lib/s3-orchestrator/postgresql");
	ck_assert_int_eq(d->port, 5432);
	ck_assert_str_eq(d->password, "");
	ck_assert_str_eq(d->ssl_mode, "require");
	ck_assert_int_eq(d->max_conns, 50);
	ck_assert_int_eq(d->min_conns, 10);
	ck_assert_int_eq(d->max_conn_lifetime, 5 * MIN);
	ck_assert_str_eq(b->name, "backend-0");
	ck_assert_int_eq(b->type, BACKEND_S3);
	ck_assert_str_eq(b->region, "");
	ck_assert_str_eq(b->ca_file, "");
	ck_assert_str_eq(b->path, "");
	ck_assert(!b->force_path_style && !b->disable_checksum && !b->strip_sdk_headers);
	ck_assert(b->unsigned_payload); /* https */
	ck_assert_uint_eq(b->quota_bytes | b->max_object_size | b->api_request_limit |
	                          b->egress_byte_limit | b->ingress_byte_limit,
	                  0);
	ck_assert_int_eq(c->buckets[0].max_multipart_uploads, 0);
	ck_assert_str_eq(c->buckets[0].credentials[0].token, "");
	config_free(&c);

	c = load_valid(SERVER BUCKETS BACKENDS);
	ck_assert_int_eq(c->database.driver, DRIVER_EMBEDDED);
	config_free(&c);
	c = load_valid(SERVER BUCKETS "backends: [{endpoint: 'http://h', bucket: b, access_key_id: "
	                              "k, secret_access_key: s}]\n");
	ck_assert(!c->backends[0].unsigned_payload);
	config_free(&c);
}
END_TEST

START_TEST(defaults_of_background_work)
{
	struct config *c = load_valid(VALID);

	ck_assert_uint_eq(c->write_path.spill_threshold, 32 << 20);
	ck_assert_uint_eq(c->write_path.memory_budget, 64 << 20);
	ck_assert(c->write_path.pending_enabled);
	ck_assert_int_eq(c->write_path.reaper_tick, MIN);
	ck_assert_int_eq(c->write_path.min_age, 5 * MIN);
	ck_assert_int_eq(c->write_path.batch_size, 50);
	ck_assert_int_eq(c->replication.factor, 1);
	ck_assert_int_eq(c->replication.worker_interval, 5 * MIN);
	ck_assert_int_eq(c->replication.batch_size, 50);
	ck_assert_int_eq(c->replication.concurrency, 5);
	ck_assert_int_eq(c->replication.unhealthy_threshold, 10 * MIN);
	ck_assert(!c->rebalance.enabled);
	ck_assert_int_eq(c->rebalance.strategy, STRATEGY_PACK);
	ck_assert_int_eq(c->rebalance.interval, 6 * HOUR);
	ck_assert_int_eq(c->rebalance.batch_size, 100);
	ck_assert(c->rebalance.threshold == 0.1);
	ck_assert_int_eq(c->rebalance.concurrency, 5);
	ck_assert_int_eq(c->cleanup_queue.concurrency, 10);
	ck_assert_int_eq(c->cleanup_queue.multipart_stale_timeout, 24 * HOUR);
	ck_assert_int_eq(c->cleanup_queue.claim_grace_period, 5 * MIN);
	ck_assert(!c->reconcile.enabled);
	ck_assert_int_eq(c->reconcile.interval, 24 * HOUR);
	ck_assert_int_eq(c->lifecycle.batch_size, 100);
	ck_assert_uint_eq(c->lifecycle.n_rules, 0);
	ck_assert_int_eq(c->usage_flush.interval, 30 * SEC);
	ck_assert(!c->usage_flush.adaptive_enabled);
	ck_assert(c->usage_flush.adaptive_threshold == 0.8);
	ck_assert_int_eq(c->usage_flush.fast_interval, 5 * SEC);
	config_free(&c);
}
END_TEST

START_TEST(defaults_of_the_rest)
{
	struct config *c = load_valid(VALID);

	ck_assert(!c->rate_limit.enabled);
	ck_assert(c->rate_limit.requests_per_sec == 100);
	ck_assert_int_eq(c->rate_limit.burst, 200);
	ck_assert_uint_eq(c->rate_limit.n_trusted_proxies, 0);
	ck_assert_int_eq(c->rate_limit.cleanup_interval, MIN);
	ck_assert_int_eq(c->rate_limit.cleanup_max_age, 5 * MIN);
	ck_assert(c->circuit_breaker.enabled);
	ck_assert_int_eq(c->circuit_breaker.failure_threshold, 3);
	ck_assert_int_eq(c->circuit_breaker.open_timeout, 15 * SEC);
	ck_assert_int_eq(c->circuit_breaker.cache_ttl, 60 * SEC);
	ck_assert(!c->circuit_breaker.parallel_broadcast);
	ck_assert(!c->backend_circuit_breaker.enabled);
	ck_assert_int_eq(c->backend_circuit_breaker.failure_threshold, 5);
	ck_assert_int_eq(c->backend_circuit_breaker.open_timeout, 5 * MIN);
	ck_assert(!c->encryption.enabled);
	ck_assert_int_eq(c->encryption.chunk_size, 65536);
	ck_assert_str_eq(c->encryption.master_key, "");
	ck_assert_str_eq(c->encryption.master_key_file, "");
	ck_assert_uint_eq(c->encryption.n_previous_keys, 0);
	ck_assert_str_eq(c->encryption.vault.mount_path, "transit");
	ck_assert_int_eq(c->encryption.vault.renew_interval, 5 * MIN);
	ck_assert(!c->integrity.enabled && !c->integrity.verify_on_read);
	ck_assert(!c->integrity.verify_on_replicate);
	ck_assert_int_eq(c->integrity.scrubber_interval, 0);
	ck_assert_int_eq(c->integrity.scrubber_batch_size, 100);
	ck_assert(!c->cache.enabled);
	ck_assert_uint_eq(c->cache.max_size, 256 << 20);
	ck_assert_uint_eq(c->cache.max_object_size, 10 << 20);
	ck_assert_int_eq(c->cache.ttl, 5 * MIN);
	ck_assert(!c->ui.enabled && !c->ui.force_secure_cookies);
	ck_assert_str_eq(c->ui.path, "/ui");
	ck_assert_str_eq(c->ui.admin_token, "");
	ck_assert_str_eq(c->redis.address, "");
	ck_assert_str_eq(c->redis.key_prefix, "s3orch");
	ck_assert_int_eq(c->redis.db, 0);
	ck_assert(!c->redis.tls);
	ck_assert_int_eq(c->redis.failure_threshold, 3);
	ck_assert_int_eq(c->redis.open_timeout, 15 * SEC);
	ck_assert_uint_eq(c->notifications.n_endpoints, 0);
	ck_assert(!c->telemetry.metrics.enabled && !c->telemetry.tracing.enabled);
	ck_assert_str_eq(c->telemetry.metrics.path, "/metrics");
	ck_assert_str_eq(c->telemetry.metrics.listen, "");
	ck_assert(c->telemetry.tracing.sample_rate == 1.0);
	ck_assert(!c->telemetry.tracing.insecure);
	config_free(&c);
}
END_TEST

/* Defaults that depend on other keys, and zeros that say something. */
START_TEST(computed_values)
{
	struct config *c = load_valid(
		"server: {listen_addr: ':1', spill_dir: /var/tmp, max_concurrent_reads: 5, "
		"max_concurrent_writes: 6, read_timeout: 0, max_object_size: 0, log_level: error, "
		"tls: {min_version: 1.3}}\n" DATABASE BUCKETS "backends: [{" S3_KEYS
		", unsigned_payload: no}]\n"
		"integrity: {enabled: true}\nui: {admin_key: tok}\n"
		"replication: {unhealthy_threshold: 0, concurrency: 0, batch_size: 0}\n"
		"telemetry: {tracing: {sample_rate: 0}}\n"
		"cleanup_queue: {concurrency: -1, claim_grace_period: -1s}\n"
		"lifecycle: {rules: [{prefix: a, expiration_days: 7}]}\n"
		"notifications: {endpoints: [{url: 'http://h', events: ['*'], timeout: -1s, "
		"max_retries: 99}]}\n");

	ck_assert_int_eq(c->server.max_concurrent_requests, 0);
	ck_assert_int_eq(c->server.read_timeout, 5 * MIN);
	ck_assert_uint_eq(c->server.max_object_size, UINT64_C(5) << 30);
	ck_assert_int_eq(c->server.log_level, LOG_ERROR);
	ck_assert(c->server.tls.min_1_3);
	ck_assert(!c->backends[0].unsigned_payload);
	ck_assert(c->integrity.verify_on_replicate);
	ck_assert_str_eq(c->ui.admin_token, "tok");
	ck_assert_int_eq(c->replication.unhealthy_threshold, 0);
	ck_assert_int_eq(c->replication.concurrency, 5);
	ck_assert_int_eq(c->replication.batch_size, 50);
	ck_assert(c->telemetry.tracing.sample_rate == 0);
	ck_assert_int_eq(c->cleanup_queue.concurrency, 1);
	ck_assert_int_eq(c->cleanup_queue.claim_grace_period, 5 * MIN);
	ck_assert_int_eq(c->lifecycle.rules[0].expiration_days, 7);
	ck_assert_str_eq(c->notifications.endpoints[0].events[0], "*");
	ck_assert_int_eq(c->notifications.endpoints[0].timeout, 5 * SEC);
	ck_assert_int_eq(c->notifications.endpoints[0].max_retries, 10);
	config_free(&c);
}
END_TEST

static void expect_restart(const char *a_text, const char *b_text, const char *wanted)
{
	struct config *a = load_valid(a_text), *b = load_valid(b_text);
	BUF_AUTO found = {0};

	config_restart_needed(a, b, &found);
	expect_lines(&found, wanted, b_text);
	config_free(&a);
	config_free(&b);
}

START_TEST(copies_and_domains)
{
	struct config *c = load_valid(
		SERVER DATABASE
		"buckets:\n"
		"- {name: plain, credentials: [{token: t1}]}\n"
		"- {name: more, credentials: [{token: t2}], replication: {factor: 3, ack: 3}}\n"
		"- {name: less, credentials: [{token: t3}], replication: {factor: 1}}\n"
		"backends:\n"
		"- {name: a, type: directory, path: /a, labels: {site: x, siteless: y}}\n"
		"- {name: b, type: directory, path: /b, labels: {siteless: x, site: x}}\n"
		"- {name: c, type: directory, path: /c, labels: {other: x}}\n"
		"replication: {factor: 2, ack: 2, spread_over: site}\n");

	ck_assert_int_eq(config_factor(c, STR("plain")), 2);
	ck_assert_int_eq(config_ack(c, STR("plain")), 2);
	ck_assert_int_eq(config_factor(c, STR("more")), 3);
	ck_assert_int_eq(config_ack(c, STR("more")), 3);
	ck_assert_int_eq(config_factor(c, STR("less")), 1);
	ck_assert_int_eq(config_ack(c, STR("less")), 1); /* not more than there are */
	ck_assert_int_eq(config_factor(c, STR("created-by-a-client")), 2);
	ck_assert_int_eq(config_max_factor(c), 3);
	ck_assert_str_eq(config_domain(c, &c->backends[0]), "x");
	ck_assert_str_eq(config_domain(c, &c->backends[1]), "x");
	ck_assert_str_eq(config_domain(c, &c->backends[2]), "c");
	config_free(&c);
	c = load_valid(VALID);
	ck_assert_str_eq(config_domain(c, &c->backends[0]), "backend-0");
	config_free(&c);
}
END_TEST

START_TEST(what_needs_a_restart)
{
	expect_restart(VALID, VALID, "");
	expect_restart(
		VALID,
		"server: {listen_addr: ':9001', spill_dir: /tmp, idle_timeout: 1s}\n" DATABASE
			BUCKETS BACKENDS,
		"server.listen_addr");
	expect_restart(
		VALID,
		"server: {listen_addr: ':9000', processes: 99, run_dir: /x}\n"
		"database: {host: other, database: d, user: u}\n"
		"redis: {address: 'r:1'}\nworker: {listen_addr: ':1'}\n" BUCKETS BACKENDS,
		"server.processes\nserver.run_dir\nworker.listen_addr\ndatabase\nredis.address");
	expect_restart(VALID,
	               VALID "rate_limit: {enabled: y, trusted_proxies: [10.0.0.0/8]}\n"
	                     "routing_strategy: spread\nui: {path: /x}\nredis:\n",
	               "");
	expect_restart(VALID,
	               SERVER DATABASE BUCKETS "backends: [{" S3_KEYS ", quota_bytes: 1GB}]\n", "");
}
END_TEST

static void expect_inactive(const char *text, const char *wanted)
{
	struct config *c = load_valid(text);
	BUF_AUTO found = {0};

	config_inactive_features(c, &found);
	expect_lines(&found, wanted, text);
	config_free(&c);
}

#define NOT_YET " is configured but not acted upon by this version"

START_TEST(what_is_not_active)
{
	expect_inactive(VALID, "");
	expect_inactive(VALID "rebalance: {enabled: false, interval: 1h}\ncache: {max_size: 1GB}\n"
	                      "replication: {factor: 1, batch_size: 7}\nui: {admin_token: t}\n"
	                      "usage_flush: {interval: 30s}\n",
	                "");
	expect_inactive(VALID "rebalance: {enabled: true}\nintegrity: {enabled: true}\n"
	                      "usage_flush: {interval: 40s}\nredis: {address: 'r:1'}\n"
	                      "lifecycle: {rules: [{prefix: p, expiration_days: 1}]}\n"
	                      "notifications: {endpoints: [{url: 'http://h', events: ['*']}]}\n"
	                      "telemetry: {tracing: {enabled: true, endpoint: 'h:1'}}\n",
	                "integrity" NOT_YET "\nredis" NOT_YET "\nnotifications" NOT_YET
	                "\ntelemetry.tracing" NOT_YET);
	expect_inactive(
		"server: {listen_addr: ':1', admission_wait: 1s, load_shed_threshold: 0.5}\n"
		"database: {driver: embedded, max_conns: 20, min_conns: 2, max_conn_lifetime: 1h}\n"
		"buckets: [{name: b, max_multipart_uploads: 1, credentials: [{token: t}]}]\n"
		"backends: [{" S3_KEYS ", egress_byte_limit: 1GB}]\n"
		"circuit_breaker: {cache_ttl: 1s}\nui: {enabled: true, admin_key: k, admin_secret: "
		"s, session_secret: s}\n",
		"server (load_shed_threshold, admission_wait)" NOT_YET
		"\ndatabase (max_conns, min_conns, max_conn_lifetime)" NOT_YET
		"\ncircuit_breaker (cache_ttl)" NOT_YET
		"\nui (enabled, admin_secret, session_secret)" NOT_YET);
}
END_TEST

/* --- TLS ---------------------------------------------------------------------- */

static EVP_PKEY *write_key(const char *path)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	FILE *f = fopen(path, "w");

	ck_assert_int_eq(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(f);
	return key;
}

static void write_certificate(const char *path, EVP_PKEY *key, long seconds)
{
	X509 *cert = X509_new();
	FILE *f = fopen(path, "w");

	X509_set_pubkey(cert, key);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), seconds);
	X509_sign(cert, key, EVP_sha256());
	ck_assert_int_eq(PEM_write_X509(f, cert), 1);
	fclose(f);
	X509_free(cert);
}

START_TEST(certificates)
{
	char dir[] = "/tmp/s3o-tls-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	EVP_PKEY *key = write_key("k.pem"), *other = write_key("other.pem");

	write_certificate("c.pem", key, 48 * 3600);
	write_certificate("old.pem", key, 3600);
#define TLS(cert, key_, more)                                                                      \
	"server: {listen_addr: ':1', spill_dir: /var/tmp, tls: {cert_file: " cert                  \
	", key_file: " key_ more "}}\n" DATABASE BUCKETS BACKENDS
	expect_warnings(TLS("c.pem", "k.pem", ", client_ca_file: c.pem"), "");
	expect_warnings(TLS("old.pem", "k.pem", ""),
	                "f:1: server.tls.cert_file: the certificate expires in less than 24 hours");
	expect_errors(TLS("c.pem", "other.pem", ""),
	              "f:1: server.tls.key_file: does not match the certificate");
	expect_errors(
		TLS("k.pem", "c.pem", ""),
		"f:1: server.tls.cert_file: contains no certificate in PEM\n"
		"f:1: server.tls.key_file: contains no private key in PEM without a passphrase");
	expect_errors(TLS("c.pem", "none.pem", ""),
	              "f:1: server.tls.key_file: No such file or directory");
	expect_errors(TLS("c.pem", "k.pem", ", client_ca_file: k.pem"),
	              "f:1: server.tls.client_ca_file: contains no certificate in PEM");
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
	unlink("k.pem");
	unlink("other.pem");
	unlink("c.pem");
	unlink("old.pem");
	ck_assert_int_eq(chdir("/"), 0);
	rmdir(dir);
}
END_TEST

/* --- the table ------------------------------------------------------------------ */

struct pages {
	const char *man;
	size_t n;
};

static bool check_setting(void *arg, const char *path, const struct setting *s)
{
	struct pages *p = arg;
	char item[64];

	snprintf(item, sizeof item, ".It Cm %s\n", s->key);
	ck_assert_msg(strstr(p->man, item) != NULL, "%s is not in the manual", path);
	ck_assert_msg(s->prose && s->prose[strlen(s->prose) - 1] == '.', "%s: prose", path);
	ck_assert_msg(s->size > 0, "%s: size", path);
	ck_assert_msg(s->type != SET_ENUM || (s->choices && s->complaint), "%s: choices", path);
	ck_assert_msg(s->complaint || (s->min == 0 && s->max == 0), "%s: complaint", path);
	p->n++;
	return true;
}

START_TEST(the_manual_has_every_key)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	struct pages p = {0};

	config_write_man(f);
	fclose(f);
	p.man = text;
	settings_each(check_setting, &p);
	ck_assert_uint_gt(p.n, 120);
	free(text);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_add_test(t, defaults_of_the_daemons);
	tcase_add_test(t, defaults_of_stores);
	tcase_add_test(t, defaults_of_background_work);
	tcase_add_test(t, defaults_of_the_rest);
	tcase_add_test(t, computed_values);
	tcase_add_test(t, copies_and_domains);
	tcase_add_test(t, what_needs_a_restart);
	tcase_add_test(t, what_is_not_active);
	tcase_add_test(t, certificates);
	tcase_add_test(t, the_manual_has_every_key);
	return run_tests("config_settings", t);
}
