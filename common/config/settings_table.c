/* SPDX-License-Identifier: MIT
 *
 * The table itself. Deepest sections come first, as C wants it; the order
 * within the file and the manual is that of root[] at the end. Bounds are in
 * the stored unit: bytes, microseconds, or the number itself.
 */
#include "config/settings.h"

#include <math.h>
#include "config/checks.h"

#define KEY(owner, name, type_, field_)                                                            \
	.key = name, .type = SET_##type_, .offset = offsetof(owner, field_),                       \
	.size = sizeof(((owner *)NULL)->field_)
#define C(name, type_, field_) KEY(struct config, name, type_, field_)
#define LIST(owner, name, type_, field_, count_)                                                   \
	KEY(owner, name, type_, field_), .count_offset = offsetof(owner, count_)

#define ACTIVE       .active = true
#define SECRET       .secret = true
#define NO_RELOAD    .reload = RELOAD_NO
#define POSITIVE     .min = 1, .max = INFINITY, .complaint = "must be positive"
#define NOT_NEGATIVE .min = 0, .max = INFINITY, .complaint = "must not be negative"
#define AT_LEAST_ONE .min = 1, .max = INFINITY, .complaint = "must be at least 1"

#define KIB 1024.0
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const tls_versions[] = {"1.2", "1.3", NULL};
static const char *const drivers[] = {"postgres", "embedded", NULL};
static const char *const backend_types[] = {"s3", "directory", NULL};
static const char *const strategies[] = {"pack", "spread", NULL};
static const char *const ssl_modes[] = {"disable",   "allow",       "prefer", "require",
                                        "verify-ca", "verify-full", NULL};

/* --- when is a section in effect? ----------------------------------------- */

#define ENABLED(name, field)                                                                       \
	static bool name(const struct config *c)                                                   \
	{                                                                                          \
		return c->field;                                                                   \
	}
ENABLED(rebalances, rebalance.enabled)
ENABLED(reconciles, reconcile.enabled)
ENABLED(limits_rates, rate_limit.enabled)
ENABLED(breaks_backends, backend_circuit_breaker.enabled)
ENABLED(encrypts, encryption.enabled)
ENABLED(checks_integrity, integrity.enabled)
ENABLED(caches, cache.enabled)
ENABLED(traces, telemetry.tracing.enabled)
static bool replicates(const struct config *c)
{
	return config_max_factor(c) > 1;
}
ENABLED(uses_redis, redis.address[0])
ENABLED(notifies, notifications.n_endpoints > 0)
ENABLED(shows_ui, ui.enabled)

/* --- server, worker -------------------------------------------------------- */

static const struct setting tls_settings[] = {
	{C("cert_file", PATH, server.tls.cert_file), ACTIVE, .reload = RELOAD_FILE,
         .prose = "Certificate chain, PEM. Needs a key_file."},
	{C("key_file", PATH, server.tls.key_file), ACTIVE, .reload = RELOAD_FILE,
         .prose = "Private key of the certificate, PEM."},
	{C("min_version", ENUM, server.tls.min_1_3), ACTIVE, .fallback = "1.2",
         .choices = tls_versions, .complaint = "must be \"1.2\" or \"1.3\"",
         .prose = "Oldest TLS version that is accepted."},
	{C("client_ca_file", PATH, server.tls.client_ca_file), ACTIVE,
         .prose = "Bundle of CA certificates, PEM. When set, clients must present a certificate "
                  "signed by one of them."},
	{0}};
static const struct section tls = {
	.path = "server.tls", .settings = tls_settings, .prose = "HTTPS on the S3 listener."};

static const struct setting server_settings[] = {
	{C("listen_addr", ADDRESS, server.listen_addr), ACTIVE, NO_RELOAD,
         .prose = "Where S3 clients connect. Required."},
	{C("domain", STRING, server.domain), ACTIVE, .check = check_domains,
         .prose = "Domain under which each bucket has a host name of its own, or several separated "
                  "by commas. A request for the host BUCKET.DOMAIN is about that bucket and its "
                  "path is the key; all other requests name the bucket in the path."},
	{C("log_level", ENUM, server.log_level), ACTIVE, .fallback = "info", .choices = log_levels,
         .complaint = "must be one of: debug, info, warn, error",
         .prose = "Least severe log lines that are written."},
	{C("max_object_size", SIZE, server.max_object_size), ACTIVE, .fallback = "5GiB", POSITIVE,
         .prose = "Largest body of one PUT or part. A multipart object may reach 5 TiB."},
	{C("max_concurrent_requests", INT, server.max_concurrent_requests), .fallback = "1000",
         .fallback_note = "1000, or 0 when both split limits are set", .zero = ZERO_VALUE,
         NOT_NEGATIVE, .prose = "Requests served at the same time. 0 sets no limit."},
	{C("max_concurrent_reads", INT, server.max_concurrent_reads), .zero = ZERO_VALUE,
         NOT_NEGATIVE,
         .prose = "Reads served at the same time. 0 leaves reads to max_concurrent_requests. Split "
                  "limits act when both are set."},
	{C("max_concurrent_writes", INT, server.max_concurrent_writes), .zero = ZERO_VALUE,
         NOT_NEGATIVE,
         .prose = "Writes served at the same time. 0 leaves writes to max_concurrent_requests."},
	{C("load_shed_threshold", FLOAT, server.load_shed_threshold), .zero = ZERO_VALUE, .min = 0,
         .max = 1, .open = true, .complaint = "must be between 0.0 and 1.0 (exclusive)",
         .prose = "Share of a limit in use from which requests begin to be refused at random. 0 "
                  "turns it off."},
	{C("admission_wait", DURATION, server.admission_wait), .zero = ZERO_VALUE, NOT_NEGATIVE,
         .prose = "How long a request may wait for a free place. 0 refuses it at once."},
	{C("backend_timeout", DURATION, server.backend_timeout), ACTIVE, .fallback = "30s",
         POSITIVE,
         .prose = "Longest silence of a backend within one request; in one that lets it copy an "
                  "object, a second more for each 16 MiB. At most write_timeout."},
	{C("read_header_timeout", DURATION, server.read_header_timeout), ACTIVE, .fallback = "10s",
         POSITIVE, .prose = "Time for a client to send a request head. At most read_timeout."},
	{C("read_timeout", DURATION, server.read_timeout), ACTIVE, .fallback = "5m", POSITIVE,
         .prose = "Longest wait for the next bytes of a request. Within each such time at least 64 "
                  "KiB of a body must come, or the rest of it."},
	{C("write_timeout", DURATION, server.write_timeout), ACTIVE, .fallback = "5m", POSITIVE,
         .prose = "Longest wait for a client to take the next bytes of an answer."},
	{C("idle_timeout", DURATION, server.idle_timeout), ACTIVE, .fallback = "120s", POSITIVE,
         .prose = "How long a connection is kept between two requests."},
	{C("shutdown_delay", DURATION, server.shutdown_delay), ACTIVE, .zero = ZERO_VALUE,
         NOT_NEGATIVE,
         .prose = "How long requests are still accepted after SIGTERM, while readiness already "
                  "says no."},
	{.key = "tls", .type = SET_SECTION, .sub = &tls},
	{C("spill_dir", PATH, server.spill_dir), ACTIVE,
         .fallback_note = "the environment variable TMPDIR, else /tmp",
         .prose = "Folder for the unnamed temporary files of bodies that do not fit in memory. It "
                  "should not be on tmpfs."},
	{C("processes", INT, server.processes), ACTIVE, NO_RELOAD, .fallback_note = "one per CPU",
         .min = 0, .max = 128, .complaint = "must be between 0 and 128",
         .prose = "Number of processes that serve requests. 0 means one per CPU."},
	{C("run_dir", PATH, server.run_dir), ACTIVE, NO_RELOAD, .fallback = "/run/s3-orchestrator",
         .prose = "Folder of the control sockets and pid files."},
	{0}};
static const struct section server = {
	.path = "server", .settings = server_settings, .prose = "The S3 endpoint."};

static const struct setting worker_settings[] = {
	{C("listen_addr", ADDRESS, worker.listen_addr), ACTIVE, NO_RELOAD, .empty_ok = true,
         .fallback = "127.0.0.1:9010",
         .prose = "Where workerd serves health and metrics. An empty string opens no listener."},
	{0}};
static const struct section worker = {
	.path = "worker", .settings = worker_settings, .prose = "The background daemon."};

/* --- buckets --------------------------------------------------------------- */

#define CRED(name, field) KEY(struct config_credential, name, STRING, field)

static const struct setting credential_settings[] = {
	{CRED("access_key_id", access_key_id), ACTIVE,
         .prose = "Access key, unique over all buckets."},
	{CRED("secret_access_key", secret_access_key), ACTIVE, SECRET,
         .prose = "Secret key that belongs to it."},
	{CRED("token", token), ACTIVE, SECRET,
         .prose =
                 "A bearer token, instead of or beside the pair of keys. Unique over all buckets."},
	{KEY(struct config_credential, "create_buckets", BOOL, create_buckets), ACTIVE,
         .fallback = "false",
         .prose = "Let its holder create further buckets, up to 100. They belong to the access "
                  "key, and only it may use them."},
	{0}};
static const struct section credentials = {.path = "buckets[].credentials[]",
                                           .settings = credential_settings,
                                           .element_size = sizeof(struct config_credential),
                                           .prose = "Who may use the bucket. At least one."};

static const struct setting bucket_replication_settings[] = {
	{KEY(struct config_bucket, "factor", INT, factor), ACTIVE,
         .fallback_note = "replication.factor", AT_LEAST_ONE,
         .prose = "Copies of every object in the bucket. At most the number of backends."},
	{KEY(struct config_bucket, "ack", INT, ack), ACTIVE,
         .fallback_note = "replication.ack, but not more than factor", AT_LEAST_ONE,
         .prose = "Copies that are durable before a write is answered. At most factor."},
	{0}};
static const struct section bucket_replication = {.path = "buckets[].replication",
                                                  .settings = bucket_replication_settings,
                                                  .prose = "Where the bucket differs from the "
                                                           "section replication."};

static const struct setting bucket_settings[] = {
	{KEY(struct config_bucket, "name", STRING, name), ACTIVE,
         .prose = "Name that clients use. Required, unique, without a slash."},
	{KEY(struct config_bucket, "max_multipart_uploads", INT, max_multipart_uploads), ACTIVE,
         .zero = ZERO_VALUE, .min = 0, .max = INFINITY, .complaint = "must be >= 0",
         .prose = "Multipart uploads that may be in progress. 0 sets no limit."},
	{KEY(struct config_bucket, "public_read", BOOL, public_read), ACTIVE, .fallback = "false",
         .prose = "Let everybody list the bucket and read its objects, without a signature."},
	{.key = "replication", .type = SET_SECTION, .sub = &bucket_replication},
	{LIST(struct config_bucket, "credentials", LIST, credentials, n_credentials),
         .sub = &credentials},
	{0}};
static const struct section buckets = {.path = "buckets[]",
                                       .settings = bucket_settings,
                                       .element_size = sizeof(struct config_bucket),
                                       .prose = "The buckets that clients see. At least one."};

/* --- database -------------------------------------------------------------- */

static const struct setting database_settings[] = {
	{C("driver", ENUM, database.driver), ACTIVE, .choices = drivers, .check = check_driver,
         .complaint = "must be 'postgres' or 'embedded'",
         .fallback_note = "postgres when host is set, else embedded",
         .prose = "postgres connects to a server. embedded runs a private PostgreSQL cluster that "
                  "is reached through a Unix socket only."},
	{C("path", PATH, database.path), ACTIVE, .fallback = "/var/lib/s3-orchestrator/postgresql",
         .prose = "Data folder of the embedded cluster, an absolute path."},
	{C("host", STRING, database.host), ACTIVE,
         .prose = "Host name or address, or the folder of a Unix socket when it begins with a "
                  "slash. Required for postgres."},
	{C("port", INT, database.port), ACTIVE, .fallback = "5432", .min = 1, .max = 65535,
         .complaint = "must be between 1 and 65535", .prose = "TCP port of the server."},
	{C("database", STRING, database.database), ACTIVE,
         .prose = "Name of the database. Required for postgres."},
	{C("user", STRING, database.user), ACTIVE,
         .prose = "Role to connect as. Required for postgres."},
	{C("password", STRING, database.password), ACTIVE, SECRET,
         .prose = "Password of the role."},
	{C("ssl_mode", ENUM, database.ssl_mode), ACTIVE, .fallback = "require",
         .choices = ssl_modes,
         .complaint = "must be one of: disable, allow, prefer, require, verify-ca, verify-full",
         .prose = "As sslmode of libpq."},
	{C("max_conns", INT, database.max_conns), .fallback = "50", AT_LEAST_ONE,
         .prose = "Most connections of one daemon. Each process has 2, which carry many statements "
                  "at a time."},
	{C("min_conns", INT, database.min_conns), .fallback = "10", NOT_NEGATIVE,
         .prose = "Connections that are kept open. At most max_conns."},
	{C("max_conn_lifetime", DURATION, database.max_conn_lifetime), .fallback = "5m", POSITIVE,
         .prose = "Age at which a connection is replaced."},
	{0}};
static const struct section database = {.path = "database",
                                        .settings = database_settings,
                                        .prose = "Where the catalogue of objects is."};

/* --- backends -------------------------------------------------------------- */

#define BACKEND(name, type_, field) KEY(struct config_backend, name, type_, field)

static const struct setting backend_settings[] = {
	{BACKEND("name", STRING, name), ACTIVE, .check = check_backend_name,
         .fallback_note = "backend-N, counted from 0",
         .prose = "Name in the catalogue, in metrics and in commands. Unique. 1 to 64 letters, "
                  "digits, dots, underscores and hyphens."},
	{BACKEND("type", ENUM, type), ACTIVE, .fallback = "s3", .choices = backend_types,
         .complaint = "must be 's3' or 'directory'",
         .prose = "s3 is any service that speaks S3. directory is a local folder."},
	{BACKEND("path", PATH, path), ACTIVE,
         .prose = "The folder. Required for a directory backend. Created on first use, and then "
                  "only accepted with its file s3o-folder, see s3-orchestrator(7)."},
	{BACKEND("endpoint", URL, endpoint), ACTIVE, .check = check_endpoint,
         .prose = "URL of the service. Required for s3."},
	{BACKEND("region", STRING, region), ACTIVE,
         .prose = "Region for signing. Requests are signed for us-east-1 when it is empty."},
	{BACKEND("bucket", STRING, bucket), ACTIVE,
         .prose = "Bucket at the service. Required for s3."},
	{BACKEND("access_key_id", STRING, access_key_id), ACTIVE,
         .prose = "Access key. Required for s3."},
	{BACKEND("secret_access_key", STRING, secret_access_key), ACTIVE, SECRET,
         .prose = "Secret key. Required for s3."},
	{BACKEND("ca_file", PATH, ca_file), ACTIVE,
         .prose = "Additional CA certificates for an https endpoint, PEM."},
	{BACKEND("force_path_style", BOOL, force_path_style), ACTIVE, .fallback = "false",
         .prose = "Put the bucket into the path instead of the host name."},
	{BACKEND("unsigned_payload", BOOL, unsigned_payload), ACTIVE,
         .fallback_note = "true for https, false for http",
         .prose = "Sign requests without a digest of the body, so that it can be streamed."},
	{BACKEND("disable_checksum", BOOL, disable_checksum), ACTIVE, .fallback = "false",
         .prose = "Send no integrity checksum headers or trailers. There are none in any case."},
	{BACKEND("strip_sdk_headers", BOOL, strip_sdk_headers), ACTIVE, .fallback = "false",
         .prose = "Never send or sign headers and parameters that only SDKs add. None are in any "
                  "case."},
	{BACKEND("quota_bytes", SIZE, quota_bytes), ACTIVE, .zero = ZERO_VALUE, NOT_NEGATIVE,
         .prose = "Bytes that may be stored. 0 sets no limit. Either all backends have a quota or "
                  "none."},
	{BACKEND("max_object_size", SIZE, max_object_size), ACTIVE, .zero = ZERO_VALUE,
         NOT_NEGATIVE, .prose = "Larger objects go to other backends. 0 sets no limit."},
	{LIST(struct config_backend, "labels", LABELS, labels, n_labels), ACTIVE,
         .prose = "Names and values of your choice, such as provider: aws. See "
                  "replication.spread_over."},
	{BACKEND("api_request_limit", INT, api_request_limit), ACTIVE, .zero = ZERO_VALUE,
         NOT_NEGATIVE,
         .prose = "Requests per calendar month, UTC. 0 sets no limit. A backend that has reached "
                  "a limit gets no new objects and is passed over by reads; deletions go on."},
	{BACKEND("egress_byte_limit", SIZE, egress_byte_limit), ACTIVE, .zero = ZERO_VALUE,
         NOT_NEGATIVE, .prose = "Bytes read per calendar month. 0 sets no limit."},
	{BACKEND("ingress_byte_limit", SIZE, ingress_byte_limit), ACTIVE, .zero = ZERO_VALUE,
         NOT_NEGATIVE, .prose = "Bytes written per calendar month. 0 sets no limit."},
	{0}};
static const struct section backends = {.path = "backends[]",
                                        .settings = backend_settings,
                                        .element_size = sizeof(struct config_backend),
                                        .prose = "Where the bytes are stored. At least one."};

/* --- writing, and the work in the background -------------------------------- */

static const struct setting pending_settings[] = {
	{C("enabled", BOOL, write_path.pending_enabled), ACTIVE, .fallback = "true",
         .prose = "Only true has an effect: every write is recorded before its bytes are sent."},
	{C("reaper_tick", DURATION, write_path.reaper_tick), ACTIVE, .fallback = "1m", POSITIVE,
         .prose = "How often writes that never ended are looked for."},
	{C("min_age", DURATION, write_path.min_age), ACTIVE, .fallback = "5m", POSITIVE,
         .prose = "A write is taken for abandoned when its process has not renewed it for so long. "
                  "One that cannot be renewed for three quarters of that, because the database is "
                  "away, ends by itself."},
	{C("batch_size", INT, write_path.batch_size), ACTIVE, .fallback = "50",
         .zero = ZERO_LENIENT, .prose = "Abandoned writes removed per round."},
	{0}};
static const struct section pending = {.path = "write_path.pending_pattern",
                                       .settings = pending_settings,
                                       .prose = "What happens to writes that never ended."};

static const struct setting write_path_settings[] = {
	{.key = "pending_pattern", .type = SET_SECTION, .sub = &pending},
	{C("spill_threshold", SIZE, write_path.spill_threshold), ACTIVE, .fallback = "32MiB",
         .min = 64 * KIB, .max = 1 * GIB, .complaint = "must be between 64KiB and 1GiB",
         .prose = "Bytes of one body kept in memory. The rest goes to spill_dir."},
	{C("memory_budget", SIZE, write_path.memory_budget), ACTIVE, .fallback = "64MiB",
         .min = 1 * MIB, .max = INFINITY, .complaint = "must be at least 1MiB",
         .prose = "Bytes of all bodies kept in the memory of one process."},
	{0}};
static const struct section write_path = {
	.path = "write_path", .settings = write_path_settings, .prose = "How bodies are taken in."};

static const struct setting replication_settings[] = {
	{C("factor", INT, replication.factor), ACTIVE, .fallback = "1", AT_LEAST_ONE,
         .always_bound = true, .prose = "Copies of every object. At most the number of backends."},
	{C("ack", INT, replication.ack), ACTIVE, .fallback = "1", AT_LEAST_ONE,
         .always_bound = true,
         .prose = "Copies that are durable before a write is answered; a write that cannot have so "
                  "many fails. workerd makes the others. At most factor."},
	{C("spread_over", STRING, replication.spread_over), ACTIVE,
         .prose = "Name of a label. Copies of an object go to backends with different values of it "
                  "as far as there are such; a backend without the label differs from all others."},
	{C("worker_interval", DURATION, replication.worker_interval), ACTIVE, .fallback = "5m",
         POSITIVE,
         .prose = "How often all objects are looked at. Missing copies of new objects are made at "
                  "once."},
	{C("batch_size", INT, replication.batch_size), ACTIVE, .fallback = "50", POSITIVE,
         .prose = "Segments per round: objects, or parts of them."},
	{C("concurrency", INT, replication.concurrency), ACTIVE, .fallback = "5",
         .prose = "Copies made at the same time. Negative numbers count as 1."},
	{C("unhealthy_threshold", DURATION, replication.unhealthy_threshold), ACTIVE,
         .fallback = "10m", .zero = ZERO_VALUE, NOT_NEGATIVE,
         .prose = "Time after which copies on a failing backend no longer count. 0 turns it off. "
                  "Needs backend_circuit_breaker.enabled."},
	{0}};
static const struct section replication = {.path = "replication",
                                           .settings = replication_settings,
                                           .in_effect = replicates,
                                           .bound_in_effect = true,
                                           .prose = "Several copies of every object."};

static const struct setting rebalance_settings[] = {
	{C("enabled", BOOL, rebalance.enabled), ACTIVE, .fallback = "false",
         .prose = "Move objects between backends."},
	{C("strategy", ENUM, rebalance.strategy), ACTIVE, .fallback = "pack", .choices = strategies,
         .complaint = "must be 'pack' or 'spread'",
         .prose = "pack fills backends in their order. spread fills them evenly."},
	{C("interval", DURATION, rebalance.interval), ACTIVE, .fallback = "6h", POSITIVE,
         .prose = "Time between two rounds."},
	{C("batch_size", INT, rebalance.batch_size), ACTIVE, .fallback = "100", POSITIVE,
         .prose = "Objects per round."},
	{C("threshold", FLOAT, rebalance.threshold), ACTIVE, .fallback = "0.1", .min = 0, .max = 1,
         .complaint = "must be between 0 and 1",
         .prose = "Difference in use from which anything is moved."},
	{C("concurrency", INT, rebalance.concurrency), ACTIVE, .fallback = "5", POSITIVE,
         .prose = "Objects moved at the same time."},
	{0}};
static const struct section rebalance = {.path = "rebalance",
                                         .settings = rebalance_settings,
                                         .in_effect = rebalances,
                                         .bound_in_effect = true,
                                         .prose = "Evening out how full the backends are."};

static const struct setting cleanup_settings[] = {
	{C("concurrency", INT, cleanup_queue.concurrency), ACTIVE, .fallback = "10",
         .prose = "Deletions at the same time. Negative numbers count as 1."},
	{C("multipart_stale_timeout", DURATION, cleanup_queue.multipart_stale_timeout), ACTIVE,
         .fallback = "24h", .zero = ZERO_LENIENT,
         .prose = "Age at which an unfinished multipart upload is aborted."},
	{C("claim_grace_period", DURATION, cleanup_queue.claim_grace_period), ACTIVE,
         .fallback = "5m", .zero = ZERO_LENIENT, .min = 1e6, .max = INFINITY,
         .complaint = "must be at least 1s",
         .prose = "Time after which work claimed by another daemon may be taken over."},
	{0}};
static const struct section cleanup_queue = {.path = "cleanup_queue",
                                             .settings = cleanup_settings,
                                             .prose = "Deleting replaced and removed bytes."};

static const struct setting safety_settings[] = {
	{C("max_deletes_per_minute", INT, safety.max_deletes_per_minute), ACTIVE,
         .zero = ZERO_VALUE, NOT_NEGATIVE,
         .prose = "Bytes that nothing refers to any more are deleted no faster, so that a mistake "
                  "can be noticed while most of them are still there. 0 sets no limit."},
	{0}};
static const struct section safety = {
	.path = "safety", .settings = safety_settings, .prose = "A brake on mass deletion."};

static const struct setting reconcile_settings[] = {
	{C("enabled", BOOL, reconcile.enabled), ACTIVE, .fallback = "false",
         .prose = "Compare the backends with the catalogue now and then. When somebody asks for "
                  "it, it is done in any case."},
	{C("interval", DURATION, reconcile.interval), ACTIVE, .fallback = "24h",
         .zero = ZERO_LENIENT, .prose = "Time between two comparisons."},
	{C("min_age", DURATION, reconcile.min_age), ACTIVE, .fallback = "15m", .zero = ZERO_VALUE,
         NOT_NEGATIVE, .always_bound = true,
         .prose = "What has changed less than that before the comparison began is left alone: "
                  "writes, clocks that differ, and listings that are behind."},
	{C("orphan_age", DURATION, reconcile.orphan_age), ACTIVE, .fallback = "168h",
         .zero = ZERO_VALUE, NOT_NEGATIVE, .always_bound = true,
         .prose = "Objects of ours that the catalogue does not know are deleted when they are "
                  "older than that. Before, there is time to notice that it is the wrong "
                  "database, or an old one."},
	{C("remove", BOOL, reconcile.remove), ACTIVE, .fallback = "true",
         .prose = "Take what is missing on a backend out of the catalogue, if there is another "
                  "copy, and delete such objects. Without, they are only counted."},
	{0}};
static const struct section reconcile = {.path = "reconcile",
                                         .settings = reconcile_settings,
                                         .in_effect = reconciles,
                                         .prose = "Finding differences between backends and "
                                                  "catalogue."};

static const struct setting rule_settings[] = {
	{KEY(struct config_lifecycle_rule, "prefix", STRING, prefix), ACTIVE,
         .prose = "Beginning of bucket/key. Required, unique."},
	{KEY(struct config_lifecycle_rule, "expiration_days", INT, expiration_days), ACTIVE,
         POSITIVE,
         .prose = "Age in days at which an object is deleted, rounded up to the next midnight UTC. "
                  "Required."},
	{0}};
static const struct section rules = {.path = "lifecycle.rules[]",
                                     .settings = rule_settings,
                                     .element_size = sizeof(struct config_lifecycle_rule),
                                     .prose = "Which objects expire."};

static const struct setting lifecycle_settings[] = {
	{C("batch_size", INT, lifecycle.batch_size), ACTIVE, .fallback = "100",
         .zero = ZERO_LENIENT,
         .prose = "Objects that are deleted in one transaction. At most 1000."},
	{LIST(struct config, "rules", LIST, lifecycle.rules, lifecycle.n_rules), .sub = &rules},
	{0}};
static const struct section lifecycle = {.path = "lifecycle",
                                         .settings = lifecycle_settings,
                                         .prose = "Deleting objects by age: hourly, by these rules "
                                                  "and by those that clients set on a bucket."};

/* --- limits and breakers ---------------------------------------------------- */

static const struct setting rate_limit_settings[] = {
	{C("enabled", BOOL, rate_limit.enabled), .fallback = "false",
         .prose = "Limit the requests of each client address."},
	{C("requests_per_sec", FLOAT, rate_limit.requests_per_sec), .fallback = "100", .min = 0,
         .max = INFINITY, .open = true, .complaint = "must be positive",
         .prose = "Requests per second and address."},
	{C("burst", INT, rate_limit.burst), .fallback = "200", POSITIVE,
         .prose = "Requests that may come at once."},
	{LIST(struct config, "trusted_proxies", STRINGS, rate_limit.trusted_proxies,
              rate_limit.n_trusted_proxies),
         .check = check_cidr,
         .prose = "Networks (address/length) whose X-Forwarded-For is believed."},
	{C("cleanup_interval", DURATION, rate_limit.cleanup_interval), .fallback = "1m", POSITIVE,
         .prose = "How often idle addresses are forgotten."},
	{C("cleanup_max_age", DURATION, rate_limit.cleanup_max_age), .fallback = "5m", POSITIVE,
         .prose = "Idle time after which an address is forgotten."},
	{0}};
static const struct section rate_limit = {.path = "rate_limit",
                                          .settings = rate_limit_settings,
                                          .in_effect = limits_rates,
                                          .bound_in_effect = true,
                                          .prose = "Limits per client address."};

static const struct setting breaker_settings[] = {
	{C("failure_threshold", INT, circuit_breaker.failure_threshold), ACTIVE, .fallback = "3",
         AT_LEAST_ONE, .prose = "Failures in a row that open the breaker."},
	{C("open_timeout", DURATION, circuit_breaker.open_timeout), ACTIVE, .fallback = "15s",
         POSITIVE, .prose = "Time until the database is tried again."},
	{C("cache_ttl", DURATION, circuit_breaker.cache_ttl), .fallback = "60s", POSITIVE,
         .prose = "How long known locations serve reads while the database is away."},
	{C("parallel_broadcast", BOOL, circuit_breaker.parallel_broadcast), .fallback = "false",
         .prose = "Ask all backends at once while the database is away."},
	{0}};
static const struct section circuit_breaker = {.path = "circuit_breaker",
                                               .settings = breaker_settings,
                                               .prose = "When the database fails. Always on."};

static const struct setting backend_breaker_settings[] = {
	{C("enabled", BOOL, backend_circuit_breaker.enabled), ACTIVE, .fallback = "false",
         .prose = "Leave a failing backend alone for a while."},
	{C("failure_threshold", INT, backend_circuit_breaker.failure_threshold), ACTIVE,
         .fallback = "5", AT_LEAST_ONE, .prose = "Failures in a row that open the breaker."},
	{C("open_timeout", DURATION, backend_circuit_breaker.open_timeout), ACTIVE,
         .fallback = "5m", POSITIVE, .prose = "Time until the backend is tried again."},
	{0}};
static const struct section backend_circuit_breaker = {.path = "backend_circuit_breaker",
                                                       .settings = backend_breaker_settings,
                                                       .in_effect = breaks_backends,
                                                       .prose = "When a backend fails."};

/* --- encryption, integrity, cache ------------------------------------------- */

static const struct setting vault_settings[] = {
	{C("address", URL, encryption.vault.address), .prose = "URL of Vault. Required."},
	{C("token", STRING, encryption.vault.token), SECRET, .prose = "Token for Vault."},
	{C("token_file", PATH, encryption.vault.token_file),
         .prose = "File with the token, mode 0600 or stricter. One of token and token_file is "
                  "required."},
	{C("key_name", STRING, encryption.vault.key_name),
         .prose = "Name of the transit key. Required."},
	{C("mount_path", STRING, encryption.vault.mount_path), .fallback = "transit",
         .prose = "Where the transit engine is mounted."},
	{C("ca_cert", PATH, encryption.vault.ca_cert), .fallback_note = "the CAs of the system",
         .prose = "CA certificates for Vault, PEM."},
	{C("renew_interval", DURATION, encryption.vault.renew_interval), .fallback = "5m", POSITIVE,
         .prose = "How often the token is renewed."},
	{0}};
static const struct section vault = {.path = "encryption.vault",
                                     .settings = vault_settings,
                                     .in_effect = encrypts,
                                     .bound_in_effect = true,
                                     .prose = "Keys from HashiCorp Vault."};

static const struct setting encryption_settings[] = {
	{C("enabled", BOOL, encryption.enabled), .fallback = "false",
         .prose = "Encrypt what is stored on backends. Exactly one of master_key, master_key_file "
                  "and vault is required."},
	{C("chunk_size", INT, encryption.chunk_size), .fallback = "65536", .min = 4096,
         .max = 1048576, .complaint = "must be between 4096 (4KB) and 1048576 (1MB)",
         .prose = "Bytes encrypted as one piece. A power of 2."},
	{C("master_key", STRING, encryption.master_key), SECRET,
         .prose = "Master key, 32 bytes in base64."},
	{C("master_key_file", PATH, encryption.master_key_file),
         .prose = "File with the 32 bytes of the master key."},
	{LIST(struct config, "previous_keys", STRINGS, encryption.previous_keys,
              encryption.n_previous_keys),
         SECRET, .prose = "Master keys of the past, for reading. 32 bytes in base64 each."},
	{.key = "vault", .type = SET_SECTION, .sub = &vault},
	{0}};
static const struct section encryption = {.path = "encryption",
                                          .settings = encryption_settings,
                                          .in_effect = encrypts,
                                          .bound_in_effect = true,
                                          .prose = "Encryption of stored bytes."};

static const struct setting integrity_settings[] = {
	{C("enabled", BOOL, integrity.enabled), .fallback = "false",
         .prose = "Record and check digests of stored bytes."},
	{C("verify_on_read", BOOL, integrity.verify_on_read), .fallback = "false",
         .prose = "Check while an object is read."},
	{C("verify_on_replicate", BOOL, integrity.verify_on_replicate),
         .fallback_note = "true when integrity is enabled", .prose = "Check while a copy is made."},
	{C("scrubber_interval", DURATION, integrity.scrubber_interval), .zero = ZERO_VALUE,
         .min = 0, .max = INFINITY, .complaint = "must be >= 0",
         .prose = "Time between two rounds of checking stored copies. 0 turns it off."},
	{C("scrubber_batch_size", INT, integrity.scrubber_batch_size), .fallback = "100",
         .zero = ZERO_LENIENT, .prose = "Copies checked per round."},
	{0}};
static const struct section integrity = {.path = "integrity",
                                         .settings = integrity_settings,
                                         .in_effect = checks_integrity,
                                         .prose = "Digests of stored bytes."};

static const struct setting cache_settings[] = {
	{C("enabled", BOOL, cache.enabled), .fallback = "false",
         .prose = "Keep small objects in memory."},
	{C("max_size", SIZE, cache.max_size), .fallback = "256MB", POSITIVE,
         .prose = "Bytes of all cached objects."},
	{C("max_object_size", SIZE, cache.max_object_size), .fallback = "10MB", POSITIVE,
         .prose = "Larger objects are not cached. At most max_size."},
	{C("ttl", DURATION, cache.ttl), .fallback = "5m", .zero = ZERO_LENIENT,
         .prose = "How long an object stays in the cache."},
	{0}};
static const struct section cache = {.path = "cache",
                                     .settings = cache_settings,
                                     .in_effect = caches,
                                     .prose = "Objects kept in memory."};

/* --- operators --------------------------------------------------------------- */

static const struct setting ui_settings[] = {
	{C("enabled", BOOL, ui.enabled), .fallback = "false",
         .prose = "Serve the dashboard. Needs admin_key, admin_secret and session_secret."},
	{C("path", STRING, ui.path), .fallback = "/ui", .check = check_url_path,
         .prose = "Where the dashboard is served."},
	{C("admin_key", STRING, ui.admin_key), ACTIVE, SECRET,
         .prose = "User name for the dashboard. Without admin_token it is the token of the HTTP "
                  "administration interface, too."},
	{C("admin_secret", STRING, ui.admin_secret), SECRET,
         .prose = "Password for the dashboard, plain or a bcrypt hash."},
	{C("admin_token", STRING, ui.admin_token), ACTIVE, SECRET,
         .fallback_note = "the value of admin_key",
         .prose = "Token for the HTTP administration interface. The interface exists when there "
                  "is a token."},
	{C("session_secret", STRING, ui.session_secret), SECRET,
         .prose = "Key that signs session cookies."},
	{C("force_secure_cookies", BOOL, ui.force_secure_cookies), .fallback = "false",
         .prose = "Mark cookies Secure also behind a proxy that is not trusted."},
	{0}};
static const struct section ui = {.path = "ui",
                                  .settings = ui_settings,
                                  .in_effect = shows_ui,
                                  .prose = "Dashboard and administration over HTTP."};

static const struct setting usage_flush_settings[] = {
	{C("interval", DURATION, usage_flush.interval), ACTIVE, .fallback = "30s", POSITIVE,
         .prose = "How often counted usage is written to the database."},
	{C("adaptive_enabled", BOOL, usage_flush.adaptive_enabled), ACTIVE, .fallback = "false",
         .prose = "Write more often when a monthly limit is near."},
	{C("adaptive_threshold", FLOAT, usage_flush.adaptive_threshold), ACTIVE, .fallback = "0.8",
         .min = 0, .max = 1, .open = true, .complaint = "must be between 0 and 1 (exclusive)",
         .prose = "Share of a limit from which it counts as near."},
	{C("fast_interval", DURATION, usage_flush.fast_interval), ACTIVE, .fallback = "5s",
         POSITIVE, .prose = "The interval when a limit is near. Less than interval."},
	{0}};
static const struct section usage_flush = {
	.path = "usage_flush", .settings = usage_flush_settings, .prose = "Monthly usage."};

static const struct setting redis_settings[] = {
	{C("address", ADDRESS, redis.address), NO_RELOAD,
         .prose = "Where Redis listens. Required when the section is present."},
	{C("password", STRING, redis.password), SECRET, .prose = "Password of Redis."},
	{C("db", INT, redis.db), .fallback = "0", NOT_NEGATIVE, .prose = "Number of the database."},
	{C("tls", BOOL, redis.tls), .fallback = "false", .prose = "Connect with TLS."},
	{C("key_prefix", STRING, redis.key_prefix), .fallback = "s3orch",
         .prose = "Beginning of all keys."},
	{C("failure_threshold", INT, redis.failure_threshold), .fallback = "3", POSITIVE,
         .prose = "Failures in a row after which Redis is left alone."},
	{C("open_timeout", DURATION, redis.open_timeout), .fallback = "15s", POSITIVE,
         .prose = "Time until Redis is tried again."},
	{0}};
static const struct section redis = {.path = "redis",
                                     .settings = redis_settings,
                                     .in_effect = uses_redis,
                                     .prose = "Counters shared by several hosts."};

#define HOOK(name, type_, field) KEY(struct config_endpoint, name, type_, field)

static const struct setting endpoint_settings[] = {
	{HOOK("url", URL, url), .prose = "Where events are posted. Required, unique."},
	{LIST(struct config_endpoint, "events", STRINGS, events, n_events),
         .prose = "Types of events. A trailing asterisk stands for anything. At least one."},
	{HOOK("prefix", STRING, prefix), .prose = "Only events of objects whose key begins so."},
	{HOOK("secret", STRING, secret), SECRET, .prose = "Key of the HMAC-SHA256 signature."},
	{HOOK("timeout", DURATION, timeout), .fallback = "5s", .zero = ZERO_LENIENT,
         .prose = "Time for one delivery."},
	{HOOK("max_retries", INT, max_retries), .fallback = "3", .zero = ZERO_LENIENT,
         .prose = "Attempts in total. At most 10."},
	{0}};
static const struct section endpoints = {.path = "notifications.endpoints[]",
                                         .settings = endpoint_settings,
                                         .element_size = sizeof(struct config_endpoint),
                                         .prose = "Receivers of events."};

static const struct setting notification_settings[] = {
	{LIST(struct config, "endpoints", LIST, notifications.endpoints, notifications.n_endpoints),
         .sub = &endpoints},
	{0}};
static const struct section notifications = {.path = "notifications",
                                             .settings = notification_settings,
                                             .in_effect = notifies,
                                             .prose = "Webhooks."};

static const struct setting metrics_settings[] = {
	{C("enabled", BOOL, telemetry.metrics.enabled), ACTIVE, .fallback = "false",
         .prose = "Serve metrics for Prometheus."},
	{C("path", STRING, telemetry.metrics.path), ACTIVE, .fallback = "/metrics",
         .check = check_url_path, .prose = "Where they are served."},
	{C("listen", ADDRESS, telemetry.metrics.listen), ACTIVE, NO_RELOAD,
         .fallback_note = "the S3 listener", .prose = "A listener of their own."},
	{0}};
static const struct section metrics = {
	.path = "telemetry.metrics", .settings = metrics_settings, .prose = "Metrics."};

static const struct setting tracing_settings[] = {
	{C("enabled", BOOL, telemetry.tracing.enabled), .fallback = "false",
         .prose = "Send traces to a collector."},
	{C("endpoint", STRING, telemetry.tracing.endpoint), .check = check_collector,
         .prose = "host:port for OTLP over gRPC, or an http or https URL. Required when enabled."},
	{C("sample_rate", FLOAT, telemetry.tracing.sample_rate), .fallback = "1.0",
         .zero = ZERO_VALUE, .min = 0, .max = 1, .complaint = "must be between 0 and 1",
         .prose = "Share of requests that are traced. 0 traces none."},
	{C("insecure", BOOL, telemetry.tracing.insecure), .fallback = "false",
         .prose = "Connect to the collector without TLS."},
	{0}};
static const struct section tracing = {.path = "telemetry.tracing",
                                       .settings = tracing_settings,
                                       .in_effect = traces,
                                       .prose = "Traces."};

static const struct setting telemetry_settings[] = {
	{.key = "metrics", .type = SET_SECTION, .sub = &metrics},
	{.key = "tracing", .type = SET_SECTION, .sub = &tracing},
	{0}};
static const struct section telemetry = {.path = "telemetry",
                                         .settings = telemetry_settings,
                                         .prose = "What is told to monitoring."};

/* --- the file ---------------------------------------------------------------- */

#define SECTION(name)                                                                              \
	{                                                                                          \
		.key = #name, .type = SET_SECTION, .sub = &name                                    \
	}

static const struct setting root[] = {
	SECTION(server),
	SECTION(worker),
	{LIST(struct config, "buckets", LIST, buckets, n_buckets), .sub = &buckets},
	{.key = "database", .type = SET_SECTION, NO_RELOAD, .sub = &database},
	{LIST(struct config, "backends", LIST, backends, n_backends), .sub = &backends},
	{C("routing_strategy", ENUM, routing_strategy), ACTIVE, .fallback = "pack",
         .choices = strategies, .complaint = "routing_strategy must be 'pack' or 'spread'",
         .prose = "pack fills backends in their order. spread fills them evenly."},
	SECTION(write_path),
	SECTION(replication),
	SECTION(rebalance),
	SECTION(cleanup_queue),
	SECTION(safety),
	SECTION(reconcile),
	SECTION(lifecycle),
	SECTION(rate_limit),
	SECTION(circuit_breaker),
	SECTION(backend_circuit_breaker),
	SECTION(encryption),
	SECTION(integrity),
	SECTION(cache),
	SECTION(ui),
	SECTION(usage_flush),
	SECTION(redis),
	SECTION(notifications),
	SECTION(telemetry),
	{0}};

const struct section settings_root = {.path = "", .settings = root};
