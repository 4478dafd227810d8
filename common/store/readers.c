/* SPDX-License-Identifier: MIT
 *
 * Reads of several segments. What a reader has not opened yet would be deleted as soon as
 * its version is replaced. So such deletions wait for some seconds, and a task puts them
 * off for as long as there are readers (sql/queries/cleanup.sql has the times). Nothing is
 * written while nothing is replaced.
 */
#include "store/store_private.h"

#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "rt/task.h"

/* Three times before a deletion of a version that is replaced now can be claimed. */
#define KEEP_INTERVAL (5 * CLOCK_SEC)

static void keep(struct store *s)
{
	BUF_AUTO generations = {0};
	struct args a = {0};
	struct db_result *res = NULL;
	struct error e;
	for (size_t i = 0; i < s->n_reads; i++)
		buf_printf(&generations, "%c%s", i == 0 ? '{' : ',', s->reads[i].generation);
	buf_add_char(&generations, '}');
	arg_str(&a, buf_str(&generations));
	enum err r = db_exec(s->db, Q_POSTPONE_READS, a.p, &res, &e);
	if (r != ERR_OK && r != ERR_CANCELED)
		log_warn("store", "readers not told of", LOG_STR("error", e.text));
	db_result_free(&res);
}

static void run_keeper(void *arg)
{
	struct store *s = arg;
	while (!s->closing && s->n_reads > 0 && task_sleep(KEEP_INTERVAL) == 0)
		if (s->n_reads > 0)
			keep(s);
	s->reads_kept = false;
}

void store_read_begins(struct store *s, const char *generation)
{
	if (s->n_reads == s->cap_reads) {
		s->cap_reads = s->cap_reads ? s->cap_reads * 2 : 16;
		s->reads = mem_resize(s->reads, s->cap_reads * sizeof *s->reads);
	}
	memcpy(s->reads[s->n_reads++].generation, generation, ULID_SIZE);
	if (!s->reads_kept && !s->closing)
		s->reads_kept = wait_group_spawn(&s->tasks, "store-readers", run_keeper, s,
		                                 &s->keeper) == 0;
}

void store_read_ends(struct store *s, const char *generation)
{
	for (size_t i = 0; i < s->n_reads; i++)
		if (memcmp(s->reads[i].generation, generation, ULID_SIZE) == 0) {
			s->reads[i] = s->reads[--s->n_reads];
			return;
		}
}
