/* SPDX-License-Identifier: MIT
 *
 * Several numbers cannot be changed as one, so the order is what keeps readers right:
 * of a new month the numbers are stored before the month, and confirmed amounts are
 * taken out before the new total is stored. A reader in between sees a little less than
 * there is; the other way round it could refuse what is allowed.
 */
#include "backend/usage.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "config/config.h"
#include "observe/metrics.h"

int usage_month(int64_t wall)
{
	time_t seconds = (time_t)(wall / CLOCK_SEC);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	return (tm.tm_year - 70) * 12 + tm.tm_mon;
}

void usage_period(int month, char out[USAGE_PERIOD_SIZE])
{
	snprintf(out, USAGE_PERIOD_SIZE, "%04d-%02d", 1970 + month / 12, month % 12 + 1);
}

/* --- counting ------------------------------------------------------------- */

static void add(_Atomic uint64_t *to, uint64_t n)
{
	atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

void usage_add_call(struct usage *u)
{
	if (u != NULL)
		add(&u->api, 1);
}

void usage_add_egress(struct usage *u, uint64_t n)
{
	if (u != NULL)
		add(&u->egress, n);
}

void usage_add_ingress(struct usage *u, uint64_t n)
{
	if (u != NULL)
		add(&u->ingress, n);
}

/* --- limits --------------------------------------------------------------- */

static bool has_limit(const struct config_backend *c)
{
	return c->api_request_limit > 0 || c->egress_byte_limit > 0 || c->ingress_byte_limit > 0;
}

static struct usage_amounts used(const struct usage *u)
{
	struct usage_amounts sum = usage_stored(u), more = usage_unflushed(u);

	sum.api += more.api;
	sum.egress += more.egress;
	sum.ingress += more.ingress;
	return sum;
}

static bool fits(uint64_t taken, uint64_t asked, uint64_t limit)
{
	return limit == 0 || (taken <= limit && asked <= limit - taken);
}

bool usage_allows(const struct usage *u, const struct config_backend *c, struct usage_amounts asked)
{
	struct usage_amounts taken;

	if (u == NULL || !has_limit(c))
		return true;
	taken = used(u);
	return fits(taken.api, asked.api, c->api_request_limit) &&
	       fits(taken.egress, asked.egress, c->egress_byte_limit) &&
	       fits(taken.ingress, asked.ingress, c->ingress_byte_limit);
}

static bool reaches(uint64_t taken, uint64_t limit, double share)
{
	return limit > 0 && (double)taken >= share * (double)limit;
}

bool usage_is_near_limit(const struct usage *u, const struct config_backend *c, double share)
{
	struct usage_amounts taken = used(u);

	return reaches(taken.api, c->api_request_limit, share) ||
	       reaches(taken.egress, c->egress_byte_limit, share) ||
	       reaches(taken.ingress, c->ingress_byte_limit, share);
}

/* --- what is in the database ---------------------------------------------- */

struct usage_amounts usage_unflushed(const struct usage *u)
{
	return (struct usage_amounts){
		.api = atomic_load(&u->api),
		.egress = atomic_load(&u->egress),
		.ingress = atomic_load(&u->ingress),
	};
}

bool usage_is_flushed(const struct usage *u)
{
	struct usage_amounts n = usage_unflushed(u);

	return n.api == 0 && n.egress == 0 && n.ingress == 0;
}

struct usage_amounts usage_stored(const struct usage *u)
{
	if (atomic_load(&u->month) != usage_month(clock_wall()))
		return (struct usage_amounts){0};
	return (struct usage_amounts){
		.api = atomic_load(&u->stored_api),
		.egress = atomic_load(&u->stored_egress),
		.ingress = atomic_load(&u->stored_ingress),
	};
}

void usage_set_stored(struct usage *u, struct usage_amounts added, int month,
                      struct usage_amounts total)
{
	atomic_fetch_sub(&u->api, added.api);
	atomic_fetch_sub(&u->egress, added.egress);
	atomic_fetch_sub(&u->ingress, added.ingress);
	atomic_store(&u->stored_api, total.api);
	atomic_store(&u->stored_egress, total.egress);
	atomic_store(&u->stored_ingress, total.ingress);
	atomic_store(&u->month, month);
}

void usage_move(struct usage *from, struct usage *to)
{
	add(&to->api, atomic_exchange(&from->api, 0));
	add(&to->egress, atomic_exchange(&from->egress, 0));
	add(&to->ingress, atomic_exchange(&from->ingress, 0));
	usage_set_stored(to, (struct usage_amounts){0}, from->month,
	                 (struct usage_amounts){.api = from->stored_api,
	                                        .egress = from->stored_egress,
	                                        .ingress = from->stored_ingress});
}

/* --- metrics -------------------------------------------------------------- */

static void set_gauge(enum metric m, size_t backend, uint64_t value)
{
	metrics_set(m, (int)backend, METRIC_NONE, METRIC_NONE, (int64_t)value);
}

void usage_export(const struct usage *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct usage_amounts stored = usage_stored(&all[i]);

		set_gauge(METRIC_USAGE_API_REQUESTS, i, stored.api);
		set_gauge(METRIC_USAGE_API_CALLS, i, stored.api);
		set_gauge(METRIC_USAGE_EGRESS, i, stored.egress);
		set_gauge(METRIC_USAGE_INGRESS, i, stored.ingress);
	}
}
