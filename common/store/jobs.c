/* SPDX-License-Identifier: MIT
 *
 * Waking jobs, and how they are doing. A wake-up waits a few milliseconds for
 * others: a NOTIFY is a transaction with a lock that all notifying share.
 */
#include "store/store_private.h"

#include <assert.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "rt/task.h"

#define WAKE_DELAY (5 * CLOCK_MS)

static void send_wake(struct store *s, const char *slug)
{
	struct args a = {0};
	struct db_result *res = NULL;
	struct error e;
	arg_text(&a, slug);
	if (db_exec(s->db, Q_NOTIFY, a.p, &res, &e) != ERR_OK)
		log_debug("store", "wake-up not sent", LOG_STR("error", e.text));
	db_result_free(&res);
}

static void send_wakes(void *arg)
{
	struct store *s = arg;
	char slugs[WAKE_SLUGS_MAX][WAKE_SLUG_SIZE];
	task_sleep(WAKE_DELAY);
	size_t n = s->n_wakes;
	memcpy(slugs, s->wakes, sizeof slugs);
	s->n_wakes = 0;
	s->waking = false;
	for (size_t i = 0; i < n; i++)
		send_wake(s, slugs[i]);
}

void store_wake(struct store *s, const char *slug)
{
	size_t i = 0;

	assert(strlen(slug) < WAKE_SLUG_SIZE);
	while (i < s->n_wakes && strcmp(s->wakes[i], slug) != 0)
		i++;
	if (s->closing || i == WAKE_SLUGS_MAX)
		return;
	if (i == s->n_wakes)
		memcpy(s->wakes[s->n_wakes++], slug, strlen(slug) + 1);
	if (!s->waking)
		s->waking = wait_group_spawn(&s->tasks, "store-wake", send_wakes, s, NULL) == 0;
}

enum err store_job_record(struct store *s, const char *name, bool ok, const char *error,
                          struct error *e)
{
	struct args a = {0};
	struct db_result *res = NULL;
	arg_text(&a, name);
	if (!ok)
		arg_text(&a, error);
	enum err r = db_exec(s->db, ok ? Q_JOB_SUCCEEDED : Q_JOB_FAILED, a.p, &res, e);
	db_result_free(&res);
	return r;
}

enum err store_job_list(struct store *s, struct arena *a, struct store_job_health **out, size_t *n,
                        struct error *e)
{
	struct db_result *res = NULL;
	*out = NULL;
	*n = 0;
	enum err r = db_exec(s->db, Q_JOB_LIST, NULL, &res, e);
	if (r != ERR_OK)
		return r;
	*n = (size_t)db_rows(res);
	*out = ARENA_ARRAY(a, struct store_job_health, *n);
	for (int i = 0; i < (int)*n; i++)
		(*out)[i] = (struct store_job_health){
			.name = arena_dup(a, db_str(res, i, JOB_LIST_NAME)),
			.last_success = db_wall(res, i, JOB_LIST_LAST_SUCCESS),
			.last_failure = db_wall(res, i, JOB_LIST_LAST_FAILURE),
			.last_error = arena_dup(a, db_str(res, i, JOB_LIST_LAST_ERROR)),
			.consecutive_failures =
				(uint64_t)db_i64(res, i, JOB_LIST_CONSECUTIVE_FAILURES),
		};
	db_result_free(&res);
	return ERR_OK;
}
