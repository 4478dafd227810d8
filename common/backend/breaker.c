/* SPDX-License-Identifier: MIT
 *
 * The state is one 64-bit word that is only changed by compare-and-swap. The
 * times beside it cannot be swapped together with it, so they are always stored
 * first: whoever sees a new state sees its times too. A store whose swap then
 * fails does no more than shift a waiting time by the length of the race.
 */
#include "backend/breaker.h"

#include "base/clock.h"
#include "base/codec.h"

/* The word: state (2 bits), consecutive failures (22), generation (40). The
 * generation grows with every change of state, so that a result can be told
 * from those of earlier states. */
#define STATE_BITS     2
#define FAILURE_BITS   22
#define FAILURE_MAX    ((UINT64_C(1) << FAILURE_BITS) - 1)
#define GENERATION_BIT (STATE_BITS + FAILURE_BITS)

/* A ticket is the generation and, in the lowest bit, whether it is a probe. */
#define TICKET_PROBE UINT64_C(1)

static enum breaker_state state_of(uint64_t word)
{
	return (enum breaker_state)(word & ((1U << STATE_BITS) - 1));
}

static uint64_t failures_of(uint64_t word)
{
	return (word >> STATE_BITS) & FAILURE_MAX;
}

static uint64_t generation_of(uint64_t word)
{
	return word >> GENERATION_BIT;
}

static uint64_t successor(uint64_t word, enum breaker_state state, uint64_t failures)
{
	if (failures > FAILURE_MAX)
		failures = FAILURE_MAX;
	return (generation_of(word) + 1) << GENERATION_BIT | failures << STATE_BITS | state;
}

static bool swap(struct breaker *b, uint64_t *expected, uint64_t wanted)
{
	return atomic_compare_exchange_strong(&b->word, expected, wanted);
}

void breaker_init(struct breaker *b, int threshold, int64_t open_timeout_us)
{
	b->threshold = threshold;
	b->open_timeout = open_timeout_us;
}

/* Is a probe due, in the state of `word`? Half-open: when the last one died. */
static bool probe_due(const struct breaker *b, uint64_t word, int64_t now)
{
	int64_t since = atomic_load(&b->since);

	if (state_of(word) == BREAKER_OPEN)
		return now - since >= b->open_timeout + atomic_load(&b->jitter);
	return now - since >= BREAKER_PROBE_STALE;
}

bool breaker_allow(struct breaker *b, uint64_t *ticket)
{
	uint64_t word = atomic_load(&b->word), next;
	int64_t now;

	*ticket = generation_of(word) << 1;
	if (b->threshold == 0 || state_of(word) == BREAKER_CLOSED)
		return true;
	now = clock_mono();
	if (!probe_due(b, word, now))
		return false;
	next = successor(word, BREAKER_HALF_OPEN, failures_of(word));
	atomic_store(&b->since, now);
	if (!swap(b, &word, next))
		return false; /* another caller is the probe */
	*ticket = generation_of(next) << 1 | TICKET_PROBE;
	return true;
}

bool breaker_is_probe(uint64_t ticket)
{
	return (ticket & TICKET_PROBE) != 0;
}

static int64_t draw_jitter(const struct breaker *b)
{
	int64_t range = b->open_timeout / 4;

	return range > 0 ? (int64_t)(random_u64() % (uint64_t)range) : 0;
}

/* Result of a call that began in the closed state which still lasts. */
static bool report_closed(struct breaker *b, uint64_t word, bool ok)
{
	uint64_t generation = generation_of(word);

	do {
		uint64_t failures = ok ? 0 : failures_of(word) + 1, next;
		bool opens = failures >= (uint64_t)b->threshold;

		if (generation_of(word) != generation)
			return false; /* opened meanwhile */
		if (ok && failures_of(word) == 0)
			return false;
		if (opens) {
			int64_t now = clock_mono();

			atomic_store(&b->since, now);
			atomic_store(&b->opened, now);
			atomic_store(&b->jitter, draw_jitter(b));
			next = successor(word, BREAKER_OPEN, failures);
		} else {
			next = generation << GENERATION_BIT | failures << STATE_BITS |
			       BREAKER_CLOSED;
		}
		if (swap(b, &word, next))
			return opens;
	} while (true);
}

static bool report_probe(struct breaker *b, uint64_t word, bool ok, bool counted)
{
	int64_t now = clock_mono();

	if (ok && counted)
		return swap(b, &word, successor(word, BREAKER_CLOSED, 0));
	if (counted) {
		atomic_store(&b->jitter, draw_jitter(b));
		atomic_store(&b->since, now);
	} else { /* the next caller may probe at once */
		atomic_store(&b->since, now - b->open_timeout - atomic_load(&b->jitter));
	}
	return swap(b, &word, successor(word, BREAKER_OPEN, failures_of(word)));
}

bool breaker_report(struct breaker *b, uint64_t ticket, bool ok, bool counted)
{
	uint64_t word = atomic_load(&b->word);
	bool current = generation_of(word) == ticket >> 1;

	if (b->threshold == 0)
		return false;
	if (current && state_of(word) == BREAKER_HALF_OPEN)
		return breaker_is_probe(ticket) && report_probe(b, word, ok, counted);
	if (current && state_of(word) == BREAKER_CLOSED)
		return counted && report_closed(b, word, ok);
	/* A call of an earlier state decides nothing, but its failure shows that
	 * the outage still lasts. */
	if (state_of(word) == BREAKER_OPEN && counted && !ok)
		atomic_store(&b->since, clock_mono());
	return false;
}

bool breaker_is_eligible(const struct breaker *b)
{
	uint64_t word = atomic_load(&b->word);

	return b->threshold == 0 || state_of(word) == BREAKER_CLOSED ||
	       probe_due(b, word, clock_mono());
}

enum breaker_state breaker_state(const struct breaker *b)
{
	return b->threshold == 0 ? BREAKER_CLOSED : state_of(atomic_load(&b->word));
}

int breaker_failures(const struct breaker *b)
{
	return (int)failures_of(atomic_load(&b->word));
}

int64_t breaker_open_for(const struct breaker *b)
{
	return breaker_state(b) == BREAKER_CLOSED ? 0 : clock_mono() - atomic_load(&b->opened);
}

const char *breaker_state_name(enum breaker_state s)
{
	static const char *const names[] = {"closed", "open", "half-open"};

	return names[s];
}
