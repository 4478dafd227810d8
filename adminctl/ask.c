/* SPDX-License-Identifier: MIT
 *
 * Asking, see ask.h. A terminal whose echo is off must get it back whatever happens, so
 * signals end the read instead of the process, and are raised again afterwards.
 */
#include "adminctl/ask.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* --- one line -------------------------------------------------------------------- */

/* False: there is none. */
static bool read_line(struct asker *q, struct str *out)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n = getline(&line, &cap, stdin);

	if (n > 0 && line[n - 1] == '\n')
		n--;
	if (n >= 0)
		*out = arena_dup(q->arena, str_n(line, (size_t)n));
	else
		q->ended = true;
	if (line)
		explicit_bzero(line, cap);
	free(line);
	return n >= 0;
}

static volatile sig_atomic_t caught;

static void catch (int signo)
{
	caught = signo;
}

static const int fatal[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
#define N_FATAL (sizeof fatal / sizeof *fatal)

static bool read_unseen(struct asker *q, struct str *out)
{
	struct sigaction before[N_FATAL], on_signal = {.sa_handler = catch};
	struct termios echoing, silent;
	bool is_terminal = tcgetattr(STDIN_FILENO, &echoing) == 0, ok;

	if (!is_terminal)
		return read_line(q, out);
	caught = 0;
	for (size_t i = 0; i < N_FATAL; i++)
		sigaction(fatal[i], &on_signal, &before[i]);
	silent = echoing;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	ok = read_line(q, out);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &echoing);
	for (size_t i = 0; i < N_FATAL; i++)
		sigaction(fatal[i], &before[i], NULL);
	putchar('\n');
	if (caught)
		raise(caught);
	return ok;
}

/* What is wrong with a line whatever was asked. */
static const char *fault_of(struct str s)
{
	if (s.n && memchr(s.p, '\0', s.n))
		return "it has a NUL character";
	return str_is_utf8(s) ? NULL : "it is not UTF-8";
}

static void complain(const char *what)
{
	printf("  %s\n", what);
}

/* --- questions ------------------------------------------------------------------- */

static void show(const char *question, const char *shown)
{
	printf("%s", question);
	if (shown && *shown)
		printf(" [%s]", shown);
	fputs(": ", stdout);
	fflush(stdout);
}

/* Until there is an answer. */
static const char *answer_to(struct asker *q, const char *question, const char *fallback,
                             const char *shown, bool secret)
{
	struct str line;

	while (!q->ended) {
		const char *fault;

		show(question, shown);
		if (!(secret ? read_unseen : read_line)(q, &line))
			break;
		fault = fault_of(line);
		if (!secret)
			line = str_trim(line);
		if (fault)
			complain(fault);
		else if (line.n)
			return arena_strndup(q->arena, line.p, line.n);
		else if (fallback)
			return fallback;
		else
			complain("an answer is required");
	}
	return "";
}

const char *ask(struct asker *q, const char *question, const char *fallback)
{
	return answer_to(q, question, fallback, fallback, false);
}

const char *ask_secret(struct asker *q, const char *question, const char *fallback,
                       const char *shown)
{
	return answer_to(q, question, fallback, shown, true);
}

const char *ask_checked(struct asker *q, const char *question, const char *fallback,
                        const char *(*check)(struct str answer, const void *arg), const void *arg)
{
	const char *answer = "", *fault = "";

	while (fault && !q->ended) {
		answer = ask(q, question, fallback);
		fault = q->ended ? NULL : check(str_of(answer), arg);
		if (fault)
			complain(fault);
	}
	return answer;
}

static const char *word_of(struct str answer, const char *const *words)
{
	for (; *words; words++)
		if (answer.n && str_starts(str_of(*words), answer))
			return *words;
	return NULL;
}

static const char *check_word(struct str answer, const void *words)
{
	return word_of(answer, words) ? NULL : "it is none of these words";
}

const char *ask_choice(struct asker *q, const char *question, const char *const *words,
                       const char *fallback)
{
	const char *answer = ask_checked(q, question, fallback, check_word, words);

	return q->ended ? "" : word_of(str_of(answer), words);
}

bool ask_yes(struct asker *q, const char *question, bool fallback)
{
	const char *answer = ask(q, question, fallback ? "Y/n" : "y/N");

	if (strcmp(answer, "Y/n") == 0)
		return true;
	return str_eq_nocase(str_of(answer), STR("y")) || str_eq_nocase(str_of(answer), STR("yes"));
}
