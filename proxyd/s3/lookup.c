/* SPDX-License-Identifier: MIT
 *
 * Finding a version whose bytes are still there.
 */
#include <stdio.h>

#include "base/log.h"
#include "observe/metrics.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"

/* A version that is replaced between look-up and opening has its bytes removed: then
 * the new one is looked up, and may be replaced as well. With 64 writers of one key
 * a tenth of the attempts were late, more when the machine is busy. */
#define LOOKUPS_MAX 32

/* The catalogue has the object, and every backend says for certain that it has not:
 * repeating will not help the client, but somebody should know. */
static void missing_everywhere(const struct s3_call *c, const struct s3_lookup *l)
{
	metrics_inc(METRIC_INTEGRITY_ERRORS, METRIC_INTEGRITY_READ, METRIC_NONE, METRIC_NONE);
	log_warn("readpath", "every copy is missing", LOG_STR("request_id", c->request_id),
	         LOG_S("bucket", l->bucket), LOG_S("key", l->key));
}

/* Whether a look-up found what the one before it had found. */
static bool same_copies(const struct store_version *v, const struct store_version *w)
{
	if (v->n_segments != w->n_segments)
		return false;
	for (size_t i = 0; i < v->n_segments; i++) {
		const struct store_segment *s = &v->segments[i], *t = &w->segments[i];
		if (s->n_copies != t->n_copies)
			return false;
		for (size_t k = 0; k < s->n_copies; k++)
			if (!str_eq(s->copies[k].backend, t->copies[k].backend) ||
			    !str_eq(s->copies[k].backend_key, t->copies[k].backend_key))
				return false;
	}
	return true;
}

/* Not a matter of seconds, so nobody is told to come back soon. */
static void used_up(struct s3_call *c, const struct error *failure)
{
	snprintf(c->error, sizeof(c->error), "%s: %s", err_name(failure->code), failure->text);
	s3_count_used_up(c, METRIC_LIMIT_READ);
	s3_fail(c, S3_USAGE_LIMITED, NULL);
}

static bool fail_open(struct s3_call *c, const struct s3_lookup *l, const struct error *failure,
                      const char *fallback)
{
	if (failure->code == ERR_NOT_FOUND)
		missing_everywhere(c, l);
	if (failure->code == ERR_USED_UP)
		used_up(c, failure);
	else
		s3_fail_err(c, failure, fallback);
	return false;
}

static bool give_up(struct s3_call *c, const struct error *failure)
{
	struct error e;
	err_set(&e, ERR_CONFLICT, "replaced faster than it can be read: %s", failure->text);
	s3_fail_err(c, &e, NULL);
	return false;
}

bool s3_look_up(struct s3_call *c, struct s3_lookup *l, const struct error *failure,
                const char *fallback)
{
	struct error e;
	if (l->done == LOOKUPS_MAX)
		return give_up(c, failure);
	l->before = l->found;
	if (store_find_copies(c->server->store, l->bucket, l->key, l->version, l->wanted, c->arena,
	                      &l->found, &e) != ERR_OK) {
		s3_fail_find(c, &l->found, l->version, &e, fallback);
		return false;
	}
	/* The failure stands when nothing has changed. */
	if (l->done++ > 0 && same_copies(&l->found, &l->before))
		return fail_open(c, l, failure, fallback);
	return true;
}
