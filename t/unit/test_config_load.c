/* SPDX-License-Identifier: MIT
 *
 * Every rule with its line and message, warnings, secrets, and the files in
 * etc/. A case is a text and everything that must be found in it.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config_text.h"
#include "t/unit/run.h"

struct test {
	const char *text, *found;
};

#define RUN(cases, fn)                                                                             \
	for (size_t i = 0; i < sizeof(cases) / sizeof *(cases); i++)                               \
	fn((cases)[i].text, (cases)[i].found)

#define SRV(keys)                                                                                  \
	"server: {listen_addr: ':9000', spill_dir: /var/tmp, " keys "}\n" DATABASE BUCKETS BACKENDS
#define DB(keys)   SERVER "database: {host: h, database: d, user: u, " keys "}\n" BUCKETS BACKENDS
#define S3(keys)   SERVER DATABASE BUCKETS "backends: [{" S3_KEYS ", " keys "}]\n"
#define MORE(text) VALID text
#define BKT(text)  SERVER DATABASE BACKENDS text
#define CRED       "credentials: [{access_key_id: A, secret_access_key: S}]"
#define DIR_(name, quota)                                                                          \
	"{name: " name ", type: directory, path: /x/" name ", quota_bytes: " quota "}"

START_TEST(structure)
{
	static const struct test cases[] = {
		{VALID, ""},
		{"[1]\n", "f:1: expected a mapping"},
		{"a: [\n", "parse config \"f\": line 2: did not find expected node content"},
		{MORE("worker: 1\n"), "f:5: worker: expected a mapping"},
		{SERVER DATABASE BACKENDS "buckets: {}\n", "f:4: buckets: expected a list"},
		{SERVER DATABASE BACKENDS "buckets: [1]\n", "f:4: buckets[0]: expected a mapping"},
		{SRV("processes: [1]"), "f:1: server.processes: expected a single value"},
		{MORE("rate_limit: {trusted_proxies: 10.0.0.0/8}\n"),
	         "f:5: rate_limit.trusted_proxies: expected a list"},
		{MORE("worker:\n"), ""},
		{MORE("redis:\n"), ""},
		{MORE("server: {listen_addr: ':1'}\n"),
	         "f:5: server: the key is already in line 1 of the same section"},
		{SRV("spill_dir: /var/tmp"),
	         "f:1: server.spill_dir: the key is already in line 1 of the same section"},
		{SRV("processes: '${T_UNSET}'"),
	         "f:1: server.processes: environment variable T_UNSET is not set"},
		{SRV("processes: '${T_UNSET:-3}'"), ""},
	};

	RUN(cases, expect_errors);
}
END_TEST

START_TEST(unknown_keys)
{
	static const struct test cases[] = {
		{SRV("lisen_addr: ':1'"),
	         "f:1: unknown key \"server.lisen_addr\" (did you mean \"server.listen_addr\"?)"},
		{SRV("Processes: 1"),
	         "f:1: unknown key \"server.Processes\" (did you mean \"server.processes\"?)"},
		{SRV("porcesses: 1"),
	         "f:1: unknown key \"server.porcesses\" (did you mean \"server.processes\"?)"},
		{SRV("colour: 1"), "f:1: unknown key \"server.colour\" (no similar key)"},
		{S3("endpont: x"), "f:4: unknown key \"backends[0].endpont\" (did you mean "
	                           "\"backends[0].endpoint\"?)"},
		{MORE("databse: {}\n"),
	         "f:5: unknown key \"databse\" (did you mean \"database\"?)"},
		{SRV("tls: {ca_cert: x}"),
	         "f:1: unknown key \"server.tls.ca_cert\" (no similar key)"},
		{MORE("metrics: {enabled: true}\n"),
	         "f:5: unknown key \"metrics\": belongs under telemetry.metrics"},
		{SRV("metrics_listen: x"),
	         "f:1: unknown key \"server.metrics_listen\": belongs under telemetry.metrics"},
		{MORE("telemetry: {sample_rate: 1}\n"),
	         "f:5: unknown key \"telemetry.sample_rate\": belongs under telemetry.tracing"},
		{MORE("compression: {}\n"), "f:5: unknown key \"compression\": not supported"},
		{S3("unmetered: 1"), "f:4: unknown key \"backends[0].unmetered\": not supported"},
		{MORE("write_path:\n  pending_pattern: {enable: 1}\n"),
	         "f:6: unknown key \"write_path.pending_pattern.enable\" (did you mean "
	         "\"write_path.pending_pattern.enabled\"?)"},
		{"a: 1\nb: 2\n\"c\\nd\": 1\n", "f:1: unknown key \"a\" (no similar key)\n"
	                                       "f:2: unknown key \"b\" (no similar key)\n"
	                                       "f:3: unknown key \"c?d\" (no similar key)"},
	};

	RUN(cases, expect_errors);
}
END_TEST

START_TEST(server_rules)
{
	static const struct test cases[] = {
		{"server: {spill_dir: /var/tmp}\n" DATABASE BUCKETS BACKENDS,
	         "f:1: server.listen_addr: is required"},
		{DATABASE BUCKETS BACKENDS, "f:1: server.listen_addr: is required"},
		{"server: {listen_addr: '9000'}\n" DATABASE BUCKETS BACKENDS,
	         "f:1: server.listen_addr: must be host:port with a port of 1 to 65535"},
		{SRV("log_level: loud"),
	         "f:1: server.log_level: must be one of: debug, info, warn, error"},
		{SRV("max_object_size: -1"), "f:1: server.max_object_size: must not be negative"},
		{SRV("max_object_size: 0"), ""},
		{SRV("max_concurrent_requests: -1"),
	         "f:1: server.max_concurrent_requests: must not be negative"},
		{SRV("max_concurrent_reads: -1, max_concurrent_writes: -1"),
	         "f:1: server.max_concurrent_reads: must not be negative\n"
	         "f:1: server.max_concurrent_writes: must not be negative"},
		{SRV("max_concurrent_requests: 3000000000"),
	         "f:1: server.max_concurrent_requests: must not be negative"},
		{SRV("load_shed_threshold: 1"),
	         "f:1: server.load_shed_threshold: must be between 0.0 and 1.0 (exclusive)"},
		{SRV("load_shed_threshold: 0"), ""},
		{SRV("load_shed_threshold: 0.99"), ""},
		{SRV("admission_wait: -1s"), "f:1: server.admission_wait: must not be negative"},
		{SRV("backend_timeout: 30"),
	         "f:1: server.backend_timeout: must have a unit, as in 30s"},
		{SRV("backend_timeout: -1s"), "f:1: server.backend_timeout: must be positive"},
		{SRV("backend_timeout: 6m"),
	         "f:1: server.backend_timeout: server.backend_timeout must "
	         "not exceed server.write_timeout"},
		{SRV("backend_timeout: 5m"), ""},
		{SRV("read_timeout: 5s"),
	         "f:1: server.read_header_timeout: server.read_header_timeout must not exceed "
	         "server.read_timeout"},
		{SRV("idle_timeout: -1s"), "f:1: server.idle_timeout: must be positive"},
		{SRV("shutdown_delay: -1s"), "f:1: server.shutdown_delay: must not be negative"},
		{SRV("processes: 129"), "f:1: server.processes: must be between 0 and 128"},
		{SRV("processes: many"), "f:1: server.processes: must be an integer"},
		{"server: {listen_addr: ':9000', spill_dir: /nowhere}\n" DATABASE BUCKETS BACKENDS,
	         "f:1: server.spill_dir: is not a usable directory"},
		{SRV("tls: {min_version: 1.1}"),
	         "f:1: server.tls.min_version: must be \"1.2\" or \"1.3\""},
		{SRV("tls: {cert_file: /x}"),
	         "f:1: server.tls.cert_file: server.tls requires both cert_file and key_file"},
		{SRV("tls: {client_ca_file: /nowhere}"),
	         "f:1: server.tls.client_ca_file: requires cert_file and key_file\n"
	         "f:1: server.tls.client_ca_file: No such file or directory"},
		{MORE("worker: {listen_addr: '127.0.0.1:9000'}\n"),
	         "f:5: worker.listen_addr: address is used twice"},
		{MORE("worker: {listen_addr: ''}\n"), ""},
		{MORE("telemetry: {metrics: {listen: '127.0.0.1:9010'}}\n"),
	         "f:5: telemetry.metrics.listen: address is used twice"},
	};

	RUN(cases, expect_errors);
}
END_TEST

START_TEST(bucket_rules)
{
	static const struct test cases[] = {
		{SERVER DATABASE BACKENDS, "f:1: buckets: at least one bucket is required"},
		{BKT("buckets: []\n"), "f:4: buckets: at least one bucket is required"},
		{BKT("buckets:\n- {" CRED "}\n"), "f:5: buckets[0].name: name is required"},
		{BKT("buckets:\n- {name: a/b, " CRED "}\n"),
	         "f:5: buckets[0].name: name must not contain '/'"},
		{BKT("buckets:\n- {name: b}\n"),
	         "f:5: buckets[0].credentials: at least one credential is required"},
		{BKT("buckets:\n- {name: b, credentials: [{}]}\n"),
	         "f:5: buckets[0].credentials[0].access_key_id: must have "
	         "access_key_id+secret_access_key or token"},
		{BKT("buckets:\n- {name: b, credentials: [{token: t}]}\n"), ""},
		{BKT("buckets:\n- {name: b, credentials: [{token: t, create_buckets: true}]}\n"),
	         "f:5: buckets[0].credentials[0].create_buckets: needs access_key_id and "
	         "secret_access_key, which own the buckets"},
		{BKT("buckets:\n- {name: b, " CRED "}\n- {name: b, credentials: [{token: t}]}\n"),
	         "f:6: buckets[1].name: duplicate bucket name 'b'"},
		{BKT("buckets:\n- {name: b, " CRED "}\n- {name: c, " CRED "}\n"),
	         "f:6: buckets[1].credentials[0].access_key_id: duplicate access_key_id 'A'"},
		{BKT("buckets:\n- {name: b, credentials: [{token: t}, {token: t}]}\n"),
	         "f:5: buckets[0].credentials[1].token: duplicate token"},
		{BKT("buckets:\n- {name: b, max_multipart_uploads: -1, " CRED "}\n"),
	         "f:5: buckets[0].max_multipart_uploads: must be >= 0"},
		{BKT("buckets:\n- {name: __multipart, " CRED "}\n"),
	         "f:5: buckets[0].name: name is reserved"},
		{BKT("buckets:\n- {name: health, " CRED "}\n"),
	         "f:5: buckets[0].name: name is reserved"},
		{BKT("buckets:\n- {name: admin, " CRED "}\n"),
	         "f:5: buckets[0].name: name is reserved"},
		{BKT("buckets:\n- {name: ui, " CRED "}\n"), ""},
		{BKT("buckets:\n- {name: ui, " CRED
	             "}\nui: {enabled: true, path: /ui/x, admin_key: k, admin_secret: s, "
	             "session_secret: t}\n"),
	         "f:5: buckets[0].name: name is reserved"},
		{BKT("buckets:\n- {name: metrics, " CRED
	             "}\ntelemetry: {metrics: {enabled: true}}\n"),
	         "f:5: buckets[0].name: name is reserved"},
		{BKT("buckets:\n- {name: metrics, " CRED
	             "}\ntelemetry: {metrics: {enabled: true, listen: ':9011'}}\n"),
	         ""},
	};

	RUN(cases, expect_errors);
}
END_TEST

START_TEST(database_rules)
{
	static const struct test cases[] = {
		{SERVER BUCKETS BACKENDS, ""},
		{SERVER "database: {driver: postgres}\n" BUCKETS BACKENDS,
	         "f:2: database.host: is required\nf:2: database.database: is required\n"
	         "f:2: database.user: is required"},
		{SERVER "database: {driver: sqlite, path: x}\n" BUCKETS BACKENDS,
	         "f:2: database.driver: sqlite is not supported: proxyd and workerd need "
	         "PostgreSQL; "
	         "use driver: embedded for a private one"},
		{SERVER "database: {driver: mysql}\n" BUCKETS BACKENDS,
	         "f:2: database.driver: must be 'postgres' or 'embedded'"},
		{SERVER "database: {driver: embedded, path: /etc/passwd}\n" BUCKETS BACKENDS,
	         "f:2: database.path: is not a directory (it is the data folder of the embedded "
	         "PostgreSQL)"},
		{DB("port: 65536"), "f:2: database.port: must be between 1 and 65535"},
		{DB("ssl_mode: maybe"),
	         "f:2: database.ssl_mode: must be one of: disable, allow, prefer, "
	         "require, verify-ca, verify-full"},
		{DB("max_conns: -1"),
	         "f:2: database.max_conns: must be at least 1\n"
	         "f:2: database.min_conns: database.min_conns (10) cannot exceed max_conns (-1)"},
		{DB("max_conns: 20, min_conns: 21"),
	         "f:2: database.min_conns: database.min_conns (21) cannot exceed max_conns (20)"},
		{DB("min_conns: -1"), "f:2: database.min_conns: must not be negative"},
		{DB("max_conn_lifetime: -1s"), "f:2: database.max_conn_lifetime: must be positive"},
	};

	RUN(cases, expect_errors);
}
END_TEST

START_TEST(backend_rules)
{
	static const struct test cases[] = {
		{SERVER DATABASE BUCKETS, "f:1: backends: at least one backend is required"},
		{SERVER DATABASE BUCKETS "backends:\n- {}\n",
	         "f:5: backends[0].endpoint: endpoint is required\n"
	         "f:5: backends[0].bucket: bucket is required\n"
	         "f:5: backends[0].access_key_id: access_key_id is required\n"
	         "f:5: backends[0].secret_access_key: secret_access_key is required"},
		{SERVER DATABASE BUCKETS "backends: [{type: directory}]\n",
	         "f:4: backends[0].path: path is required"},
		{S3("type: tape"), "f:4: backends[0].type: must be 's3' or 'directory'"},
		{S3("name: 'a b'"),
	         "f:4: backends[0].name: must be 1 to 64 of the characters A-Z a-z 0-9 . _ -"},
		{S3("quota_bytes: -1"), "f:4: backends[0].quota_bytes: must not be negative"},
		{S3("quota_bytes: lots"),
	         "f:4: backends[0].quota_bytes: must be a size such as 512MB"},
		{S3("api_request_limit: -1"),
	         "f:4: backends[0].api_request_limit: must not be negative"},
		{S3("force_path_style: 1"),
	         "f:4: backends[0].force_path_style: must be true or false"},
		{S3("ca_file: /nowhere"), "f:4: backends[0].ca_file: No such file or directory"},
		{S3("ca_file: /etc/passwd"),
	         "f:4: backends[0].ca_file: contains no certificate in PEM"},
		{SERVER DATABASE BUCKETS
	         "backends: [{endpoint: 's3.example.com', bucket: b, access_key_id: k, "
	         "secret_access_key: s}]\n",
	         "f:4: backends[0].endpoint: must be an http:// or https:// URL"},
		{SERVER DATABASE BUCKETS
	         "backends:\n- " DIR_("a", "1GB") "\n- " DIR_("a", "1GB") "\n",
	         "f:6: backends[1].name: duplicate backend name 'a'"},
		{SERVER DATABASE BUCKETS
	         "backends:\n- " DIR_("a", "1GB") "\n- " DIR_("b", "0") "\n",
	         "f:4: backends: cannot mix unlimited (quota_bytes: 0) and quota-limited backends"},
		{SERVER DATABASE BUCKETS "backends:\n- " DIR_("a", "0") "\n- " DIR_("b", "0") "\n",
	         "f:4: backends: multiple backends with unlimited quota requires "
	         "replication.factor "
	         ">= 2"},
		{SERVER DATABASE BUCKETS "backends:\n- " DIR_("a", "0") "\n- " DIR_(
			 "b", "0") "\nreplication: {factor: 2}\n",
	         ""},
		{MORE("routing_strategy: random\n"),
	         "f:5: routing_strategy: routing_strategy must be 'pack' or 'spread'"},
	};

	RUN(cases, expect_errors);
}
END_TEST

START_TEST(background_rules)
{
	static const struct test cases[] = {
		{MORE("write_path: {spill_threshold: 1KB}\n"),
	         "f:5: write_path.spill_threshold: must be between 64KiB and 1GiB"},
		{MORE("write_path: {spill_threshold: 2GB}\n"),
	         "f:5: write_path.spill_threshold: must be between 64KiB and 1GiB"},
		{MORE("write_path: {memory_budget: 1048575}\n"),
	         "f:5: write_path.memory_budget: must be at least 1MiB"},
		{MORE("write_path: {memory_budget: 1MiB, spill_threshold: 64KiB}\n"), ""},
		{MORE("write_path: {pending_pattern: {min_age: -1s}}\n"),
	         "f:5: write_path.pending_pattern.min_age: must be positive"},
		{MORE("write_path: {pending_pattern: {batch_size: -1}}\n"), ""},
		{MORE("replication: {factor: -1}\n"),
	         "f:5: replication.factor: must be at least 1"},
		{MORE("replication: {factor: 2}\n"),
	         "f:5: replication.factor: replication.factor (2) "
	         "cannot exceed number of backends (1)"},
		{MORE("replication: {ack: 2}\n"),
	         "f:5: replication.ack: replication.ack (2) cannot exceed replication.factor (1)"},
		{MORE("replication: {ack: -1}\n"), "f:5: replication.ack: must be at least 1"},
		{BKT("buckets:\n- {name: b, " CRED ", replication: {factor: 2}}\n"),
	         "f:5: buckets[0].replication.factor: 2 cannot exceed number of backends (1)"},
		{BKT("buckets:\n- {name: b, " CRED ", replication: {ack: 2}}\n"),
	         "f:5: buckets[0].replication.ack: 2 cannot exceed the factor (1)"},
		{BKT("buckets:\n- {name: b, " CRED ", replication: {factor: -2, ack: 0}}\n"),
	         "f:5: buckets[0].replication.factor: must be at least 1"},
		{BKT("buckets:\n- {name: b, " CRED ", replication: 2}\n"),
	         "f:5: buckets[0].replication: expected a mapping"},
		{S3("labels: [provider]"), "f:4: backends[0].labels: expected a mapping"},
		{S3("labels: {provider: [aws]}"),
	         "f:4: backends[0].labels.provider: expected a single value"},
		{S3("labels: {provider: ''}"),
	         "f:4: backends[0].labels.provider: must have a name without '=' and a value that "
	         "is not empty"},
		{S3("labels: {a=b: c}"),
	         "f:4: backends[0].labels.a=b: must have a name without '=' and a value that is "
	         "not empty"},
		{S3("labels: {a: b, a: c}"),
	         "f:4: backends[0].labels.a: the label is already in line 4"},
		{S3("labels: {a: b, c: '${T_UNSET}'}"),
	         "f:4: backends[0].labels.c: environment variable T_UNSET is not set"},
		{MORE("safety: {max_deletes_per_minute: -1}\n"),
	         "f:5: safety.max_deletes_per_minute: must not be negative"},
		{MORE("replication: {batch_size: -1}\n"), ""}, /* factor 1: not checked */
		{SERVER DATABASE BUCKETS "backends: [" DIR_("a", "0") "," DIR_(
			 "b", "0") "]\nreplication: {factor: 2, batch_size: -1, "
	                           "unhealthy_threshold: -1s}\n",
	         "f:5: replication.batch_size: must be positive\n"
	         "f:5: replication.unhealthy_threshold: must not be negative"},
		{MORE("rebalance: {batch_size: -1, threshold: 2}\n"), ""}, /* not enabled */
		{MORE("rebalance: {enabled: on, batch_size: -1, threshold: 2}\n"),
	         "f:5: rebalance.batch_size: must be positive\n"
	         "f:5: rebalance.threshold: must be between 0 and 1"},
		{MORE("rebalance: {strategy: x}\n"),
	         "f:5: rebalance.strategy: must be 'pack' or 'spread'"},
		{MORE("cleanup_queue: {claim_grace_period: 10ms}\n"),
	         "f:5: cleanup_queue.claim_grace_period: must be at least 1s"},
		{MORE("cleanup_queue: {claim_grace_period: -1s}\n"), ""},
		{MORE("reconcile: {interval: -1s}\n"), ""},
		{MORE("lifecycle:\n  rules:\n  - {prefix: ''}\n  - {prefix: a, expiration_days: "
	              "-1}\n"),
	         "f:8: lifecycle.rules[1].expiration_days: must be positive\n"
	         "f:7: lifecycle.rules[0].prefix: prefix is required (an empty prefix would match "
	         "all "
	         "objects)\nf:7: lifecycle.rules[0].expiration_days: must be positive"},
		{MORE("lifecycle:\n  rules:\n  - &r {prefix: a, expiration_days: 1}\n  - *r\n"),
	         "f:7: lifecycle.rules[1].prefix: duplicate prefix 'a'"},
	};

	RUN(cases, expect_errors);
}
END_TEST

START_TEST(other_rules)
{
	static const struct test cases[] = {
		{MORE("rate_limit: {trusted_proxies: [10.0.0.0/8, 10.0.0.1]}\n"),
	         "f:5: rate_limit.trusted_proxies[1]: invalid CIDR \"10.0.0.1\""},
		{MORE("rate_limit: {requests_per_sec: -1}\n"), ""},
		{MORE("rate_limit: {enabled: y, requests_per_sec: -1, burst: -1}\n"),
	         "f:5: rate_limit.requests_per_sec: must be positive\n"
	         "f:5: rate_limit.burst: must be positive"},
		{MORE("circuit_breaker: {failure_threshold: -1, open_timeout: -1s}\n"),
	         "f:5: circuit_breaker.failure_threshold: must be at least 1\n"
	         "f:5: circuit_breaker.open_timeout: must be positive"},
		{MORE("backend_circuit_breaker: {failure_threshold: -1}\n"),
	         "f:5: backend_circuit_breaker.failure_threshold: must be at least 1"},
		{MORE("integrity: {scrubber_interval: -1s}\n"),
	         "f:5: integrity.scrubber_interval: must be >= 0"},
		{MORE("cache: {max_size: 1MB}\n"),
	         "f:5: cache.max_object_size: cache.max_object_size cannot exceed cache.max_size"},
		{MORE("usage_flush: {interval: 5s}\n"),
	         "f:5: usage_flush.fast_interval: usage_flush.fast_interval must be less than "
	         "usage_flush.interval"},
		{MORE("usage_flush: {adaptive_threshold: 1}\n"),
	         "f:5: usage_flush.adaptive_threshold: must be between 0 and 1 (exclusive)"},
		{MORE("ui: {enabled: true}\n"),
	         "f:5: ui.admin_key: ui.admin_key and ui.admin_secret are required when ui is "
	         "enabled\n"
	         "f:5: ui.session_secret: is required when ui is enabled"},
		{MORE("ui: {path: ui}\n"),
	         "f:5: ui.path: must start with '/' and not end with one"},
		{MORE("redis: {}\n"),
	         "f:5: redis.address: is required when redis section is present"},
		{MORE("redis: {address: 'r:1', db: -1, failure_threshold: -1}\n"),
	         "f:5: redis.db: must not be negative\nf:5: redis.failure_threshold: must be "
	         "positive"},
		{MORE("notifications: {endpoints: [{}]}\n"),
	         "f:5: notifications.endpoints[0].url: url is required\n"
	         "f:5: notifications.endpoints[0].events: at least one event pattern is required"},
		{MORE("notifications:\n  endpoints:\n  - {url: 'http://a', events: ['*']}\n"
	              "  - {url: 'http://a', events: ['*']}\n"),
	         "f:8: notifications.endpoints[1].url: duplicate url"},
		{MORE("telemetry: {metrics: {path: /}}\n"),
	         "f:5: telemetry.metrics.path: must start with '/' and not end with one"},
		{MORE("telemetry: {metrics: {path: /health/x}}\n"),
	         "f:5: telemetry.metrics.path: must not be under /health, /admin or ui.path"},
		{MORE("telemetry: {tracing: {enabled: true, sample_rate: 2}}\n"),
	         "f:5: telemetry.tracing.sample_rate: must be between 0 and 1\n"
	         "f:5: telemetry.tracing.endpoint: is required when tracing is enabled"},
	};

	RUN(cases, expect_errors);
}
END_TEST

#define KEY32 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

START_TEST(encryption_rules)
{
	static const struct test cases[] = {
		{MORE("encryption: {chunk_size: 5, master_key: x}\n"), ""},
		{MORE("encryption: {enabled: true, master_key: " KEY32 "}\n"), ""},
		{MORE("encryption: {enabled: true}\n"),
	         "f:5: encryption: exactly one of master_key, master_key_file, vault is required"},
		{MORE("encryption: {enabled: true, master_key: " KEY32
	              ", master_key_file: /nowhere}\n"),
	         "f:5: encryption: only one of master_key, master_key_file, vault may be set\n"
	         "f:5: encryption.master_key_file: No such file or directory"},
		{MORE("encryption: {enabled: true, master_key: '!!!'}\n"),
	         "f:5: encryption.master_key: invalid base64"},
		{MORE("encryption: {enabled: true, master_key: AAAA}\n"),
	         "f:5: encryption.master_key: must be 256 bits (32 bytes), got 3 bytes"},
		{MORE("encryption: {enabled: true, master_key: " KEY32
	              ", previous_keys: [AAAA]}\n"),
	         "f:5: encryption.previous_keys[0]: must be 256 bits (32 bytes), got 3 bytes"},
		{MORE("encryption: {enabled: true, master_key: " KEY32 ", chunk_size: 4097}\n"),
	         "f:5: encryption.chunk_size: must be a power of 2"},
		{MORE("encryption: {enabled: true, master_key: " KEY32 ", chunk_size: 2048}\n"),
	         "f:5: encryption.chunk_size: must be between 4096 (4KB) and 1048576 (1MB)"},
		{MORE("encryption: {enabled: true, vault: {}}\n"),
	         "f:5: encryption.vault.address: is required\n"
	         "f:5: encryption.vault.key_name: is required\n"
	         "f:5: encryption.vault.token: one of token or token_file is required"},
		{MORE("encryption: {enabled: true, vault: {address: 'http://v', key_name: k, "
	              "token: t, "
	              "token_file: /x}}\n"),
	         "f:5: encryption.vault.token_file: only one of token or token_file may be set"},
		{MORE("encryption: {enabled: true, vault: {address: 'http://v', key_name: k, "
	              "token_file: "
	              "/etc/passwd}}\n"),
	         "f:5: encryption.vault.token_file: insecure permissions 0644 (must be 0600 or "
	         "stricter)"},
	};

	RUN(cases, expect_errors);
}
END_TEST

START_TEST(warnings)
{
	static const struct test cases[] = {
		{VALID, ""},
		{SRV("max_concurrent_reads: 5"), "f:1: server.max_concurrent_reads: "
	                                         "max_concurrent_writes is not set: writes use the "
	                                         "global limit"},
		{DB("path: /x"), "f:2: database.path: is used only with driver: embedded"},
		{SERVER "database: {driver: embedded, host: h, port: 1, database: d, user: u, "
	                "password: p, ssl_mode: disable}\n" BUCKETS BACKENDS,
	         "f:2: database.host: is used only with driver: postgres\n"
	         "f:2: database.port: is used only with driver: postgres\n"
	         "f:2: database.database: is used only with driver: postgres\n"
	         "f:2: database.user: is used only with driver: postgres\n"
	         "f:2: database.password: is used only with driver: postgres\n"
	         "f:2: database.ssl_mode: is used only with driver: postgres"},
		{S3("region: '${'"),
	         "f:4: backends[0].region: \"${\" that names no variable is taken literally"},
		{SERVER DATABASE BUCKETS
	         "backends: [{endpoint: 'http://h', bucket: b, access_key_id: k, "
	         "secret_access_key: s, unsigned_payload: true}]\n",
	         "f:4: backends[0].unsigned_payload: over http nothing protects an unsigned body "
	         "on "
	         "its way"},
		{SERVER DATABASE BUCKETS "backends: [" DIR_("a", "1") "," DIR_("b", "1") "]\n",
	         "f:1: replication.factor: every object has one copy: losing a backend loses data"},
		{MORE("cleanup_queue: {concurrency: -3}\nreplication: {concurrency: -3}\n"),
	         "f:6: replication.concurrency: is below 1 and counts as 1\n"
	         "f:5: cleanup_queue.concurrency: is below 1 and counts as 1"},
		{MORE("write_path: {pending_pattern: {enabled: false}}\n"),
	         "f:5: write_path.pending_pattern.enabled: has no effect: every write is recorded "
	         "before its bytes are sent"},
		{MORE("replication: {unhealthy_threshold: 1m}\n"),
	         "f:5: replication.unhealthy_threshold: has no effect without "
	         "backend_circuit_breaker.enabled"},
		{MORE("replication: {spread_over: site}\n"),
	         "f:4: backends[0].labels: has no label \"site\" (replication.spread_over): it "
	         "counts as different from all others"},
		{BKT("buckets:\n- {name: b, credentials: [{token: t, access_key_id: a}]}\n"),
	         "f:5: buckets[0].credentials[0].access_key_id: half a pair of keys beside a token "
	         "is "
	         "ignored"},
		{MORE("notifications: {endpoints: [{url: 'http://a', events: ['x.*', 'backend.*'], "
	              "max_retries: 11}]}\n"),
	         "f:5: notifications.endpoints[0].events: \"x.*\" matches no event\n"
	         "f:5: notifications.endpoints[0].max_retries: is above 10 and counts as 10"},
		{S3("path: /x"), "f:4: backends[0].path: is not used by a backend of type s3"},
	};

	RUN(cases, expect_warnings);
}
END_TEST

/* Whatever is wrong with or around a secret, no finding shows it. */
START_TEST(secrets_stay_secret)
{
	static const char *const texts[] = {
		BKT("buckets: [{name: b, credentials: [{token: XSECRETX}, {token: XSECRETX}]}]\n"),
		BKT("buckets: [{name: b, credentials: [{secret_access_key: XSECRETX}]}]\n"),
		MORE("encryption: {enabled: true, master_key: XSECRETX}\n"),
		MORE("encryption: {enabled: true, master_key: " KEY32
	             ", previous_keys: [XSECRETX]}\n"),
		MORE("ui: {enabled: true, admin_secret: XSECRETX, session_secret: [XSECRETX]}\n"),
		DB("password: {x: XSECRETX}"),
		DB("password: XSECRETX, port: XSECRETX"),
		"a: 'XSECRETX\n",
		S3("secret_access_key: XSECRETX"),
	};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct config_findings f = {0};
		struct config *c = NULL;

		ck_assert_int_eq(config_load_text("f", texts[i], strlen(texts[i]), &c, &f),
		                 ERR_INVALID);
		ck_assert_int_lt(str_find(buf_str(&f.errors), STR("XSECRETX")), 0);
		ck_assert_int_lt(str_find(buf_str(&f.warnings), STR("XSECRETX")), 0);
		config_findings_free(&f);
	}
}
END_TEST

START_TEST(rubbish_is_bounded)
{
	BUF_AUTO text = {0};
	struct config_findings f = {0};
	struct config *c = NULL;

	buf_add_cstr(&text, "backends:\n");
	for (int i = 0; i < 20000; i++)
		buf_printf(&text, "- {endpont: x, nmae: %d}\n", i);
	ck_assert_int_eq(config_load_text("f", text.p, text.n, &c, &f), ERR_INVALID);
	ck_assert_uint_lt(f.errors.n, 20000);
	config_findings_free(&f);

	text.n = 0;
	buf_add_cstr(&text, "buckets: [");
	for (int i = 0; i < 10001; i++)
		buf_add_cstr(&text, "{},");
	buf_add_cstr(&text, "]\n");
	ck_assert_int_eq(config_load_text("f", text.p, text.n, &c, &f), ERR_INVALID);
	expect_lines(&f.errors, "f:1: buckets: has more than 10000 entries", "");
	config_findings_free(&f);

	char *big = calloc(1, 100001);

	memset(big, 'x', 100000);
	setenv("T_BIG", big, 1);
	free(big);
	text.n = 0;
	buf_add_cstr(&text, "database: {user: '");
	for (int i = 0; i < 1000; i++)
		buf_add_cstr(&text, "${T_BIG}");
	buf_add_cstr(&text, "'}\n");
	ck_assert_int_eq(config_load_text("f", text.p, text.n, &c, &f), ERR_INVALID);
	expect_lines(&f.errors, "f:1: database.user: variables expand to more than 4 MiB", "");
	config_findings_free(&f);
}
END_TEST

static void expect_file_error(const char *path, const char *message)
{
	struct config_findings f = {0};
	struct config *c = NULL;

	ck_assert_int_eq(config_load(path, &c, &f), ERR_INVALID);
	expect_lines(&f.errors, message, path);
	config_findings_free(&f);
}

START_TEST(files_that_cannot_be_read)
{
	char path[] = "/tmp/s3o-config-XXXXXX";
	int fd = mkstemp(path);
	BUF_AUTO message = {0};

	expect_file_error("/nowhere", "read config file \"/nowhere\": No such file or directory");
	expect_file_error("/tmp", "read config file \"/tmp\": not a regular file");
	expect_file_error("/dev/null", "read config file \"/dev/null\": not a regular file");
	ck_assert_int_eq(ftruncate(fd, (1 << 20) + 1), 0);
	buf_printf(&message, "read config file \"%s\": larger than 1 MiB%c", path, 0);
	expect_file_error(path, message.p);
	close(fd);
	unlink(path);
}
END_TEST

START_TEST(world_readable_files_are_warned_of)
{
	char path[] = "/tmp/s3o-config-XXXXXX";
	int fd = mkstemp(path);
	struct config_findings f = {0};
	struct config *c = NULL;
	BUF_AUTO wanted = {0};

	ck_assert_int_eq(write(fd, VALID, strlen(VALID)), (ssize_t)strlen(VALID));
	ck_assert_int_eq(config_load(path, &c, &f), ERR_OK);
	ck_assert_uint_eq(f.warnings.n, 0);
	ck_assert_str_eq(c->file, path);
	config_free(&c);
	ck_assert_ptr_null(c);
	fchmod(fd, 0644);
	ck_assert_int_eq(config_load(path, &c, &f), ERR_OK);
	buf_printf(&wanted, "%s:1: the file can be read by everybody (mode 0644)%c", path, 0);
	expect_lines(&f.warnings, wanted.p, path);
	config_free(&c);
	config_findings_free(&f);
	close(fd);
	unlink(path);
}
END_TEST

static struct config *load_example(const char *path)
{
	struct config_findings f = {0};
	struct config *c = NULL;
	enum err e = config_load(path, &c, &f);

	ck_assert_msg(e == ERR_OK, "%.*s", (int)f.errors.n, f.errors.p);
	config_findings_free(&f);
	return c;
}

/* The tests run in the top folder of the project. */
START_TEST(the_examples_are_valid)
{
	char state[] = "/tmp/s3o-state-XXXXXX", spill[64], disk[64];
	struct config *c;

	setenv("BUCKET_SECRET_KEY", "s", 1);
	setenv("BACKEND1_ACCESS_KEY", "a", 1);
	setenv("BACKEND1_SECRET_KEY", "b", 1);
	c = load_example("etc/s3-orchestrator.yaml");
	ck_assert_uint_eq(c->n_backends, 2);
	BUF_AUTO inactive = {0};

	config_inactive_features(c, &inactive);
	expect_lines(&inactive, "", "etc/s3-orchestrator.yaml");
	config_free(&c);

	ck_assert_ptr_nonnull(mkdtemp(state));
	snprintf(spill, sizeof spill, "%s/spill", state);
	snprintf(disk, sizeof disk, "%s/backends/disk3", state);
	ck_assert_int_eq(mkdir(spill, 0700), 0);
	setenv("S3O_STATE", state, 1);
	c = load_example("etc/quickstart.yaml");
	ck_assert_str_eq(c->server.listen_addr, "127.0.0.1:9000");
	ck_assert_str_eq(c->worker.listen_addr, "127.0.0.1:9010");
	ck_assert_str_eq(c->server.spill_dir, spill);
	ck_assert_int_eq(c->database.driver, DRIVER_EMBEDDED);
	ck_assert_str_eq(config_backend(c, STR("disk3"))->path, disk);
	ck_assert_uint_eq(config_backend(c, STR("disk1"))->quota_bytes, UINT64_C(10) << 30);
	ck_assert_str_eq(config_bucket(c, STR("documents"))->credentials[0].secret_access_key,
	                 "docssecret");
	ck_assert_ptr_null(config_bucket(c, STR("nothing")));
	ck_assert_ptr_null(config_backend(c, STR("disk")));
	ck_assert(c->telemetry.metrics.enabled);
	config_free(&c);
	rmdir(spill);
	rmdir(state);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_add_test(t, structure);
	tcase_add_test(t, unknown_keys);
	tcase_add_test(t, server_rules);
	tcase_add_test(t, bucket_rules);
	tcase_add_test(t, database_rules);
	tcase_add_test(t, backend_rules);
	tcase_add_test(t, background_rules);
	tcase_add_test(t, other_rules);
	tcase_add_test(t, encryption_rules);
	tcase_add_test(t, warnings);
	tcase_add_test(t, secrets_stay_secret);
	tcase_add_test(t, rubbish_is_bounded);
	tcase_add_test(t, files_that_cannot_be_read);
	tcase_add_test(t, world_readable_files_are_warned_of);
	tcase_add_test(t, the_examples_are_valid);
	return run_tests("config_load", t);
}
