/* SPDX-License-Identifier: MIT
 *
 * Rules over the decoded configuration: bounds of single values, then what is
 * required and what must fit together. Computed defaults are filled in first,
 * so that every rule sees the values the program will use.
 */
#include "config/load.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>
#include <linux/magic.h>
#include "config/value.h"

#define PROCESSES_MAX 128 /* the bound of server.processes */
#define ATTEMPTS_MAX  10  /* the bound of notifications.endpoints[].max_retries */

/* A finding about the field c->name. */
#define FAIL(l, name, ...) fail((l), &(l)->config->name, #name, __VA_ARGS__)
#define WARN(l, name, ...) warn((l), &(l)->config->name, #name, __VA_ARGS__)
#define GIVEN(l, name)     load_given((l), &(l)->config->name)

static void __attribute__((format(printf, 4, 5)))
fail(struct load *l, const void *field, const char *path, const char *fmt, ...)
{
	struct place at = load_place(l, field, path);
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	load_error(l, at.line, at.path, "%s", text);
}

static void warn(struct load *l, const void *field, const char *path, const char *text)
{
	struct place at = load_place(l, field, path);

	load_warn(l, at.line, at.path, "%s", text);
}

/* --- computed defaults ----------------------------------------------------------- */

static int online_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > PROCESSES_MAX ? PROCESSES_MAX : (int)n;
}

static void clamp_concurrency(struct load *l, int *value, const char *path)
{
	if (*value > 0)
		return;
	*value = 1;
	warn(l, value, path, "is below 1 and counts as 1");
}

static void resolve_server(struct load *l)
{
	struct config_server *s = &l->config->server;
	const char *tmp = getenv("TMPDIR");

	if (!s->spill_dir[0])
		s->spill_dir = arena_strdup(l->arena, tmp && *tmp ? tmp : "/tmp");
	if (!s->processes)
		s->processes = online_cpus();
	if (s->max_concurrent_reads > 0 && s->max_concurrent_writes > 0 &&
	    !load_given(l, &s->max_concurrent_requests))
		s->max_concurrent_requests = 0;
}

static void resolve_backend(struct load *l, struct config_backend *b, size_t i)
{
	if (!b->name[0])
		b->name = arena_printf(l->arena, "backend-%zu", i);
	if (!load_given(l, &b->unsigned_payload))
		b->unsigned_payload = str_starts(str_of(b->endpoint), STR("https://"));
}

static void resolve_bucket(const struct config *c, struct config_bucket *b)
{
	if (!b->factor)
		b->factor = c->replication.factor;
	if (!b->ack)
		b->ack = c->replication.ack < b->factor ? c->replication.ack : b->factor;
}

static void resolve(struct load *l)
{
	struct config *c = l->config;

	resolve_server(l);
	for (size_t i = 0; i < c->n_buckets; i++)
		resolve_bucket(c, &c->buckets[i]);
	for (size_t i = 0; i < c->n_backends; i++)
		resolve_backend(l, &c->backends[i], i);
	if (!load_given(l, &c->database.driver))
		c->database.driver = c->database.host[0] ? DRIVER_POSTGRES : DRIVER_EMBEDDED;
	if (!load_given(l, &c->integrity.verify_on_replicate))
		c->integrity.verify_on_replicate = c->integrity.enabled;
	if (!c->ui.admin_token[0])
		c->ui.admin_token = c->ui.admin_key;
	c->circuit_breaker.enabled = true;
	clamp_concurrency(l, &c->replication.concurrency, "replication.concurrency");
	clamp_concurrency(l, &c->cleanup_queue.concurrency, "cleanup_queue.concurrency");
}

/* --- bounds ---------------------------------------------------------------------- */

static bool within_bounds(const struct setting *s, double v)
{
	return s->open ? v > s->min && v < s->max : v >= s->min && v <= s->max;
}

static void check_bounds(struct load *l, const struct section *s)
{
	bool skip = s->bound_in_effect && !s->in_effect(l->config);
	const struct setting *end = s->settings;

	for (; end->key; end++)
		if (end->sub)
			check_bounds(l, end->sub);
	for (size_t i = 0; i < l->n_seen; i++) {
		const struct seen *v = &l->seen[i];
		const struct setting *t = v->setting;

		if (isnan(v->number) || !t->complaint || (skip && !t->always_bound))
			continue;
		if ((uintptr_t)t < (uintptr_t)s->settings || (uintptr_t)t >= (uintptr_t)end)
			continue;
		if (!within_bounds(t, v->number))
			load_error(l, v->line, v->path, "%s", t->complaint);
	}
}

/* --- server, worker --------------------------------------------------------------- */

static void validate_spill_dir(struct load *l)
{
	const char *dir = l->config->server.spill_dir;
	struct statfs fs;
	struct stat st;

	if (stat(dir, &st) || !S_ISDIR(st.st_mode) || access(dir, W_OK | X_OK))
		FAIL(l, server.spill_dir, "is not a usable directory");
	else if (!statfs(dir, &fs) && fs.f_type == TMPFS_MAGIC)
		WARN(l, server.spill_dir, "is on tmpfs: spilled bodies take memory");
}

static void validate_server(struct load *l)
{
	const struct config_server *s = &l->config->server;

	if (!s->listen_addr[0])
		FAIL(l, server.listen_addr, "is required");
	if (s->read_header_timeout > s->read_timeout)
		FAIL(l, server.read_header_timeout,
		     "server.read_header_timeout must not exceed server.read_timeout");
	if (s->backend_timeout > s->write_timeout)
		FAIL(l, server.backend_timeout,
		     "server.backend_timeout must not exceed server.write_timeout");
	if ((s->max_concurrent_reads > 0) != (s->max_concurrent_writes > 0)) {
		if (s->max_concurrent_reads > 0)
			WARN(l, server.max_concurrent_reads,
			     "max_concurrent_writes is not set: writes use the global limit");
		else
			WARN(l, server.max_concurrent_writes,
			     "max_concurrent_reads is not set: reads use the global limit");
	}
	validate_spill_dir(l);
	validate_tls(l);
}

/* Would binding both fail? An address without host, 0.0.0.0 and [::] take the
 * port on every interface. */
static bool is_wildcard(struct str host)
{
	return !host.n || str_eq(host, STR("0.0.0.0")) || str_eq(host, STR("[::]"));
}

static bool addresses_collide(const char *a, const char *b)
{
	struct str host_a, host_b, port_a, port_b;
	uint64_t a_number, b_number;

	value_address_split(str_of(a), &host_a, &port_a);
	value_address_split(str_of(b), &host_b, &port_b);
	return str_to_u64(port_a, &a_number) && str_to_u64(port_b, &b_number) &&
	       a_number == b_number &&
	       (is_wildcard(host_a) || is_wildcard(host_b) || str_eq_nocase(host_a, host_b));
}

static void validate_listeners(struct load *l)
{
	const struct config *c = l->config;
	const char *s = c->server.listen_addr, *w = c->worker.listen_addr,
		   *m = c->telemetry.metrics.listen;

	if (addresses_collide(s, w))
		FAIL(l, worker.listen_addr, "address is used twice");
	if (addresses_collide(s, m) || addresses_collide(w, m))
		FAIL(l, telemetry.metrics.listen, "address is used twice");
}

/* --- database ---------------------------------------------------------------------- */

static void validate_postgres(struct load *l)
{
	const struct config_database *d = &l->config->database;

	if (!d->host[0])
		FAIL(l, database.host, "is required");
	if (!d->database[0])
		FAIL(l, database.database, "is required");
	if (!d->user[0])
		FAIL(l, database.user, "is required");
	if (GIVEN(l, database.path))
		WARN(l, database.path, "is used only with driver: embedded");
}

static void validate_embedded(struct load *l)
{
	const struct config_database *d = &l->config->database;
	struct stat st;
	const struct {
		const void *field;
		const char *path;
	} unused[] = {
		{&d->host, "database.host"},         {&d->port, "database.port"},
		{&d->database, "database.database"}, {&d->user, "database.user"},
		{&d->password, "database.password"}, {&d->ssl_mode, "database.ssl_mode"},
	};

	for (size_t i = 0; i < sizeof unused / sizeof *unused; i++)
		if (load_given(l, unused[i].field))
			warn(l, unused[i].field, unused[i].path,
			     "is used only with driver: postgres");
	if (!stat(d->path, &st) && !S_ISDIR(st.st_mode))
		FAIL(l, database.path,
		     "is not a directory (it is the data folder of the embedded "
		     "PostgreSQL)");
}

static void validate_database(struct load *l)
{
	const struct config_database *d = &l->config->database;

	if (d->driver == DRIVER_EMBEDDED)
		validate_embedded(l);
	else
		validate_postgres(l);
	if (d->min_conns > d->max_conns)
		FAIL(l, database.min_conns, "database.min_conns (%d) cannot exceed max_conns (%d)",
		     d->min_conns, d->max_conns);
}

/* --- background work ---------------------------------------------------------------- */

static void validate_writes(struct load *l)
{
	const struct config_write_path *w = &l->config->write_path;

	if (!w->pending_enabled)
		warn(l, &w->pending_enabled, "write_path.pending_pattern.enabled",
		     "has no effect: every write is recorded before its bytes are sent");
}

static void validate_bucket_replication(struct load *l, const struct config_bucket *b)
{
	struct place factor = load_place_in(l, b, &b->factor, "replication.factor");
	struct place ack = load_place_in(l, b, &b->ack, "replication.ack");

	if (load_given(l, &b->factor) && b->factor > 1 && (size_t)b->factor > l->config->n_backends)
		load_error(l, factor.line, factor.path, "%d cannot exceed number of backends (%zu)",
		           b->factor, l->config->n_backends);
	if (load_given(l, &b->ack) && b->factor > 0 && b->ack > b->factor)
		load_error(l, ack.line, ack.path, "%d cannot exceed the factor (%d)", b->ack,
		           b->factor);
}

static bool has_label(const struct config_backend *b, const char *name)
{
	for (size_t i = 0; i < b->n_labels; i++) {
		struct str rest;

		if (str_eq(str_cut(str_of(b->labels[i]), '=', &rest), str_of(name)))
			return true;
	}
	return false;
}

static void validate_domains(struct load *l)
{
	const struct config *c = l->config;

	for (size_t i = 0; i < c->n_backends && c->replication.spread_over[0]; i++) {
		const struct config_backend *b = &c->backends[i];
		struct place at = load_place_in(l, b, &b->labels, "labels");

		if (!has_label(b, c->replication.spread_over))
			load_warn(l, at.line, at.path,
			          "has no label \"%s\" (replication.spread_over): it counts as "
			          "different from all others",
			          c->replication.spread_over);
	}
}

static void validate_replication(struct load *l)
{
	const struct config *c = l->config;

	for (size_t i = 0; i < c->n_buckets; i++)
		validate_bucket_replication(l, &c->buckets[i]);
	validate_domains(l);
	if (c->replication.factor > 0 && c->replication.ack > c->replication.factor)
		FAIL(l, replication.ack,
		     "replication.ack (%d) cannot exceed replication.factor (%d)",
		     c->replication.ack, c->replication.factor);

	if (c->replication.factor > 1 && (size_t)c->replication.factor > c->n_backends)
		FAIL(l, replication.factor,
		     "replication.factor (%d) cannot exceed number of backends (%zu)",
		     c->replication.factor, c->n_backends);
	if (c->n_backends > 1 && c->replication.factor <= 1)
		WARN(l, replication.factor,
		     "every object has one copy: losing a backend loses data");
	if (GIVEN(l, replication.unhealthy_threshold) && c->replication.unhealthy_threshold > 0 &&
	    !c->backend_circuit_breaker.enabled)
		WARN(l, replication.unhealthy_threshold,
		     "has no effect without backend_circuit_breaker.enabled");
}

static void validate_lifecycle(struct load *l)
{
	const struct config *c = l->config;
	size_t n = c->lifecycle.n_rules;
	struct unique *prefixes = ARENA_ARRAY(l->scratch, struct unique, n);

	for (size_t i = 0; i < n; i++) {
		const struct config_lifecycle_rule *r = &c->lifecycle.rules[i];
		struct place prefix = load_place_in(l, r, &r->prefix, "prefix");
		struct place days = load_place_in(l, r, &r->expiration_days, "expiration_days");

		if (!r->prefix[0])
			load_error(l, prefix.line, prefix.path,
			           "prefix is required (an empty prefix would match all objects)");
		if (r->expiration_days == 0) /* negative: out of bounds, reported already */
			load_error(l, days.line, days.path, "must be positive");
		prefixes[i] = (struct unique){r->prefix, i, prefix};
	}
	load_check_unique(l, prefixes, n, "duplicate prefix", true);
}

static void validate_usage(struct load *l)
{
	const struct config *c = l->config;

	if (c->usage_flush.fast_interval >= c->usage_flush.interval)
		FAIL(l, usage_flush.fast_interval,
		     "usage_flush.fast_interval must be less than usage_flush.interval");
	if (c->cache.max_object_size > c->cache.max_size)
		FAIL(l, cache.max_object_size,
		     "cache.max_object_size cannot exceed cache.max_size");
}

/* --- operators ------------------------------------------------------------------------ */

static void validate_ui(struct load *l)
{
	const struct config *c = l->config;

	if (!c->ui.enabled)
		return;
	if (!c->ui.admin_key[0] || !c->ui.admin_secret[0])
		FAIL(l, ui.admin_key,
		     "ui.admin_key and ui.admin_secret are required when ui is enabled");
	if (!c->ui.session_secret[0])
		FAIL(l, ui.session_secret, "is required when ui is enabled");
}

static bool is_under(const char *path, const char *folder)
{
	struct str p = str_of(path), f = str_of(folder);

	return str_starts(p, f) && (p.n == f.n || p.p[f.n] == '/');
}

static void validate_telemetry(struct load *l)
{
	const struct config *c = l->config;
	const char *path = c->telemetry.metrics.path;

	if (is_under(path, "/health") || is_under(path, "/admin") ||
	    (c->ui.enabled && is_under(path, c->ui.path)))
		FAIL(l, telemetry.metrics.path, "must not be under /health, /admin or ui.path");
	if (c->telemetry.tracing.enabled && !c->telemetry.tracing.endpoint[0])
		FAIL(l, telemetry.tracing.endpoint, "is required when tracing is enabled");
	if (load_given_section(l, "redis") && !c->redis.address[0])
		FAIL(l, redis.address, "is required when redis section is present");
}

/* Does any event that exists match? */
static bool pattern_is_known(const char *pattern)
{
	static const char *const types[] = {"s3:ObjectCreated:Put",
	                                    "s3:ObjectCreated:Copy",
	                                    "s3:ObjectCreated:CompleteMultipartUpload",
	                                    "s3:ObjectRemoved:Delete",
	                                    "s3:ObjectRemoved:DeleteBatch",
	                                    "lifecycle.delete",
	                                    "backend.circuit.opened",
	                                    "backend.circuit.closed",
	                                    "backend.capacity.warning",
	                                    "cleanup.exhausted",
	                                    "integrity.corruption_detected",
	                                    "replication.target_exhausted",
	                                    "backend.drain.completed",
	                                    "backend.drain.failed",
	                                    "backend.removed",
	                                    "config.reload_failed",
	                                    "rebalance.completed",
	                                    "replication.completed",
	                                    "lifecycle.completed",
	                                    "service.started",
	                                    "service.stopping"};
	struct str p = str_of(pattern);
	bool open_end = str_ends(p, STR("*"));

	if (open_end)
		p.n--;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		struct str type = str_of(types[i]);

		if (open_end ? str_starts(type, p) : str_eq(type, p))
			return true;
	}
	return false;
}

static void validate_endpoint(struct load *l, struct config_endpoint *e)
{
	struct place url = load_place_in(l, e, &e->url, "url");
	struct place events = load_place_in(l, e, &e->events, "events");
	struct place retries = load_place_in(l, e, &e->max_retries, "max_retries");

	if (!e->url[0])
		load_error(l, url.line, url.path, "url is required");
	if (!e->n_events)
		load_error(l, events.line, events.path, "at least one event pattern is required");
	for (size_t i = 0; i < e->n_events; i++)
		if (!pattern_is_known(e->events[i]))
			load_warn(l, events.line, events.path, "\"%s\" matches no event",
			          e->events[i]);
	if (e->max_retries > ATTEMPTS_MAX) {
		e->max_retries = ATTEMPTS_MAX;
		load_warn(l, retries.line, retries.path, "is above 10 and counts as 10");
	}
}

static void validate_notifications(struct load *l)
{
	const struct config *c = l->config;
	size_t n = c->notifications.n_endpoints;
	struct unique *urls = ARENA_ARRAY(l->scratch, struct unique, n);

	for (size_t i = 0; i < n; i++) {
		struct config_endpoint *e = &c->notifications.endpoints[i];

		validate_endpoint(l, e);
		urls[i] = (struct unique){e->url, i, load_place_in(l, e, &e->url, "url")};
	}
	/* A URL may contain a token: it is not quoted. */
	load_check_unique(l, urls, n, "duplicate url", false);
}

void load_validate(struct load *l)
{
	resolve(l);
	check_bounds(l, &settings_root);
	validate_server(l);
	validate_listeners(l);
	validate_buckets(l);
	validate_database(l);
	validate_backends(l);
	validate_writes(l);
	validate_replication(l);
	validate_lifecycle(l);
	validate_encryption(l);
	validate_usage(l);
	validate_ui(l);
	validate_notifications(l);
	validate_telemetry(l);
}
