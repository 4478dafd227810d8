/* SPDX-License-Identifier: MIT
 *
 * Lays out the shared board: the struct, then the breakers, the usage, the metrics.
 */
#include "proxyd/board.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "base/clock.h"
#include "config/config.h"
#include "observe/metrics.h"

#define LINE_SIZE ((size_t)64) /* of the cache: regions begin on their own */

static size_t round_up(size_t n)
{
	return (n + LINE_SIZE - 1) / LINE_SIZE * LINE_SIZE;
}

static int children_for(const struct config *c)
{
	int n = CONFIG_GENERATIONS * c->server.processes;

	return n < BOARD_CHILDREN ? n : BOARD_CHILDREN;
}

static size_t breakers_size(size_t backends)
{
	return round_up(backends * sizeof(struct breaker));
}

static size_t usage_size(size_t backends)
{
	return round_up(backends * sizeof(struct usage));
}

size_t board_size(const struct config *c)
{
	return round_up(sizeof(struct board)) + breakers_size(c->n_backends) +
	       usage_size(c->n_backends) + metrics_size(children_for(c), (int)c->n_backends);
}

struct board *board_new(const struct config *c)
{
	struct board *b = mmap(NULL, board_size(c), PROT_READ | PROT_WRITE,
	                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (b == MAP_FAILED) {
		perror("board");
		abort();
	}
	b->n_backends = (int)c->n_backends;
	b->n_children = children_for(c);
	b->started = clock_wall();
	b->log_level = -1;
	b->usage_flusher.flushed = clock_mono(); /* there is nothing yet */
	board_set_breakers(b, c);
	return b;
}

struct breaker *board_breakers(struct board *b)
{
	return (struct breaker *)((char *)b + round_up(sizeof *b));
}

struct usage *board_usage(struct board *b)
{
	return (struct usage *)((char *)board_breakers(b) + breakers_size((size_t)b->n_backends));
}

void *board_metrics(struct board *b)
{
	return (char *)board_usage(b) + usage_size((size_t)b->n_backends);
}

enum log_level board_log_level(const struct board *b, const struct config *c)
{
	int set = b->log_level;

	return set < 0 ? c->server.log_level : (enum log_level)set;
}

enum db_state board_database(const struct board *b)
{
	enum db_state worst = DB_CLOSED;

	for (int i = 0; i < b->n_children; i++) {
		const struct board_child *c = &b->child[i];
		enum db_state state = (enum db_state)c->database;

		if (c->pid == 0 || c->state == CHILD_NONE)
			continue;
		if (state == DB_OPEN)
			return DB_OPEN;
		if (state == DB_HALF_OPEN)
			worst = state;
	}
	return worst;
}

void board_set_breakers(struct board *b, const struct config *c)
{
	const struct config_breaker *limits = &c->backend_circuit_breaker;

	for (int i = 0; i < b->n_backends; i++)
		breaker_init(&board_breakers(b)[i], limits->enabled ? limits->failure_threshold : 0,
		             limits->open_timeout);
}
