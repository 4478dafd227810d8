/* SPDX-License-Identifier: MIT
 *
 * The configuration, typed. One table (settings.h) describes every key; this
 * struct is what the rest of the program reads. A loaded configuration never
 * changes: a reload loads another one and starts children with it.
 *
 * Durations are int64_t microseconds, sizes uint64_t bytes, ratios double.
 * Strings are owned by the configuration and never NULL ("" when absent),
 * except where a comment says otherwise. 0 of a limit means unlimited.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

enum config_driver { DRIVER_POSTGRES, DRIVER_EMBEDDED };
enum config_backend_type { BACKEND_S3, BACKEND_DIRECTORY };
enum config_strategy { STRATEGY_PACK, STRATEGY_SPREAD };

struct config_tls {
	const char *cert_file, *key_file, *client_ca_file;
	bool min_1_3;
};

/* Configurations whose children may live at once: one serves, one starts, and those
 * of earlier reloads may still be finishing long requests. */
#define CONFIG_GENERATIONS 4

struct config_server {
	const char *listen_addr;
	const char *domain; /* one or several, with commas; BUCKET.DOMAIN addresses a bucket */
	enum log_level log_level;
	uint64_t max_object_size;
	int max_concurrent_requests, max_concurrent_reads, max_concurrent_writes;
	double load_shed_threshold;
	int64_t admission_wait;
	int64_t backend_timeout, read_header_timeout, read_timeout, write_timeout, idle_timeout;
	int64_t shutdown_delay;
	struct config_tls tls;
	const char *spill_dir; /* resolved: the key, else $TMPDIR, else /tmp */
	int processes;         /* resolved: never 0 */
	const char *run_dir;   /* where sockets and pid files are; default /run/s3-orchestrator */
};

struct config_credential {
	const char *access_key_id, *secret_access_key; /* both "" with only a token */
	const char *token;
	bool create_buckets;
};

struct config_bucket {
	const char *name;
	int max_multipart_uploads;
	bool public_read; /* everybody may list it and read its objects */
	int factor, ack;  /* resolved: copies of each object, and those that are durable before a
	                  * write is answered; 1 <= ack <= factor */
	struct config_credential *credentials;
	size_t n_credentials;
};

struct config_database {
	enum config_driver driver;
	const char *host, *database, *user, *password, *ssl_mode;
	int port;
	int max_conns, min_conns;
	int64_t max_conn_lifetime;
	const char *path; /* embedded: the cluster's data directory */
};

struct config_backend {
	const char *name;
	enum config_backend_type type;
	/* s3 */
	const char *endpoint, *region, *bucket, *access_key_id, *secret_access_key;
	const char *ca_file; /* additional CA bundle for https endpoints */
	bool force_path_style, unsigned_payload, disable_checksum, strip_sdk_headers;
	/* directory */
	const char *path;
	/* both */
	uint64_t quota_bytes, max_object_size;
	const char **labels; /* "name=value" */
	size_t n_labels;
	uint64_t api_request_limit, egress_byte_limit, ingress_byte_limit;
};

struct config_write_path {
	uint64_t spill_threshold; /* bytes of one body kept in memory */
	uint64_t memory_budget;   /* bytes of bodies kept in memory per child */
	bool pending_enabled;
	int64_t reaper_tick, min_age;
	int batch_size;
};

struct config_breaker {
	bool enabled; /* the database's is always on */
	int failure_threshold;
	int64_t open_timeout;
	int64_t cache_ttl;       /* database only */
	bool parallel_broadcast; /* database only */
};

struct config_rate_limit {
	bool enabled;
	double requests_per_sec;
	int burst;
	const char **trusted_proxies;
	size_t n_trusted_proxies;
	int64_t cleanup_interval, cleanup_max_age;
};

struct config_lifecycle_rule {
	const char *prefix;
	int expiration_days;
};

struct config_endpoint { /* a webhook */
	const char *url, *prefix, *secret;
	const char **events;
	size_t n_events;
	int64_t timeout;
	int max_retries;
};

struct config {
	struct config_server server;
	struct {
		const char *listen_addr; /* "": no listener */
	} worker;
	struct config_bucket *buckets;
	size_t n_buckets;
	struct config_database database;
	struct config_backend *backends;
	size_t n_backends;
	enum config_strategy routing_strategy;
	struct config_write_path write_path;
	struct {
		int factor, ack;
		const char *spread_over; /* name of a label, or "" */
		int64_t worker_interval;
		int batch_size, concurrency;
		int64_t unhealthy_threshold;
	} replication;
	struct {
		bool enabled;
		enum config_strategy strategy;
		int64_t interval;
		int batch_size;
		double threshold;
		int concurrency;
	} rebalance;
	struct {
		int concurrency;
		int64_t multipart_stale_timeout, claim_grace_period;
	} cleanup_queue;
	struct {
		int max_deletes_per_minute; /* 0: no brake */
	} safety;
	struct {
		bool enabled, remove;
		int64_t interval, min_age, orphan_age;
	} reconcile;
	struct {
		int batch_size;
		struct config_lifecycle_rule *rules;
		size_t n_rules;
	} lifecycle;
	struct config_rate_limit rate_limit;
	struct config_breaker circuit_breaker;         /* of the database */
	struct config_breaker backend_circuit_breaker; /* of each backend */
	struct {
		bool enabled;
		int chunk_size;
		const char *master_key, *master_key_file;
		const char **previous_keys;
		size_t n_previous_keys;
		struct {
			const char *address, *token, *token_file, *key_name, *mount_path, *ca_cert;
			int64_t renew_interval;
		} vault;
	} encryption;
	struct {
		bool enabled, verify_on_read, verify_on_replicate;
		int64_t scrubber_interval;
		int scrubber_batch_size;
	} integrity;
	struct {
		bool enabled;
		uint64_t max_size, max_object_size;
		int64_t ttl;
	} cache;
	struct {
		bool enabled;
		const char *path, *admin_key, *admin_secret, *session_secret;
		const char *admin_token; /* resolved: the key, else admin_key */
		bool force_secure_cookies;
	} ui;
	struct {
		int64_t interval;
		bool adaptive_enabled;
		double adaptive_threshold;
		int64_t fast_interval;
	} usage_flush;
	struct {
		const char *address; /* "": no Redis */
		const char *password, *key_prefix;
		int db;
		bool tls;
		int failure_threshold;
		int64_t open_timeout;
	} redis;
	struct {
		struct config_endpoint *endpoints;
		size_t n_endpoints;
	} notifications;
	struct {
		struct {
			bool enabled;
			const char *path, *listen;
		} metrics;
		struct {
			bool enabled;
			const char *endpoint;
			double sample_rate;
			bool insecure;
		} tracing;
	} telemetry;

	const char *file;    /* the path it was loaded from */
	uint64_t generation; /* set by the supervisor: 1 for the first load */
};

/* What was found wrong (or odd), one line each: "file:line: key: message". */
struct config_findings {
	struct buf errors; /* lines separated by \n; empty: the file is valid */
	struct buf warnings;
};
void config_findings_free(struct config_findings *f);

/* Loads and validates a file: YAML, ${NAME} expansion, unknown keys, types,
 * ranges, rules across keys; everything wrong is reported at once. Opens no
 * network connection. Returns ERR_OK and *out, or ERR_INVALID with f->errors
 * filled; *f must be valid and empty, warnings may be there either way. Secrets
 * never appear in a finding. */
enum err config_load(const char *path, struct config **out, struct config_findings *f);
/* The same for a text in memory; name stands for the file in findings. */
enum err config_load_text(const char *name, const char *text, size_t n, struct config **out,
                          struct config_findings *f);

void config_free(struct config **c);

/* The keys and groups in which b differs from a although they cannot be
 * reloaded, one per line ("server.listen_addr"). */
void config_restart_needed(const struct config *a, const struct config *b, struct buf *out);

/* What is configured but not acted upon by this version, one line each. */
void config_inactive_features(const struct config *c, struct buf *out);

/* Lookups; NULL when there is none. */
const struct config_backend *config_backend(const struct config *c, struct str name);
const struct config_bucket *config_bucket(const struct config *c, struct str name);

/* The copies that a bucket's objects shall have; buckets that clients have created are as
 * the section replication says. */
int config_factor(const struct config *c, struct str bucket);
int config_ack(const struct config *c, struct str bucket);
int config_max_factor(const struct config *c); /* of any bucket */

/* In which failure domain a backend is: the value of the label replication.spread_over, or
 * else its name. */
const char *config_domain(const struct config *c, const struct config_backend *b);

/* Is the name the beginning of a path that is, or with another switch would be, not a
 * bucket's? No bucket that is created while running may have it. */
bool config_is_reserved(const struct config *c, struct str name);

#endif
