/* SPDX-License-Identifier: MIT
 *
 * Questions on standard output, answers from standard input, a line each: typed or piped.
 *
 * When the input ends, or a signal ends a question, that stays so: all further answers are
 * "", and nobody is asked again. So a dialogue reads from top to bottom, its loops look at
 * `ended`, and whoever acts upon the answers looks at it first.
 */
#ifndef ADMINCTL_ASK_H
#define ADMINCTL_ASK_H

#include <stdbool.h>
#include "base/arena.h"
#include "base/str.h"

struct asker {
	struct arena *arena; /* of the answers */
	bool ended;
};

/* fallback is what an empty line stands for, and is shown; NULL: there has to be an answer.
 * White space around it is not part of it. Never NULL, always UTF-8. */
const char *ask(struct asker *q, const char *question, const char *fallback);
/* The same without echo, the white space is kept, and shown: what is told instead of the
 * fallback. */
const char *ask_secret(struct asker *q, const char *question, const char *fallback,
                       const char *shown);
/* Again until check(answer, arg) finds nothing wrong: NULL, or what is, as a text. */
const char *ask_checked(struct asker *q, const char *question, const char *fallback,
                        const char *(*check)(struct str answer, const void *arg), const void *arg);
/* One of the words, NULL-terminated; the beginning of one will do. */
const char *ask_choice(struct asker *q, const char *question, const char *const *words,
                       const char *fallback);
/* "y" and "yes", in any case, are yes. */
bool ask_yes(struct asker *q, const char *question, bool fallback);

#endif
