/* SPDX-License-Identifier: MIT
 *
 * adminctl: the operator's tool. Reads options wherever they stand, finds the
 * command in the table and prints its result.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adminctl/adminctl.h"
#include "adminctl/print.h"

/* No command needs more; keeps the array fixed. */
#define POSITIONAL_MAX 16
#define GIVEN_MAX      32

struct line {
	struct admin admin;
	char *positional[POSITIONAL_MAX];
	size_t n;
	const char *given[GIVEN_MAX]; /* names of options */
	size_t n_given;
	bool help, version;
};

struct option {
	const char *name;
	const char **value; /* NULL: a flag */
	bool *flag;
};

static bool fail(const char *what, const char *arg)
{
	fprintf(stderr, "adminctl: %s%s; see: adminctl help\n", what, arg);
	return false;
}

/* arg without its dashes. Takes the value from behind '=' or from *next. */
static bool take_option(struct line *l, const struct option *options, char *arg, char ***next)
{
	size_t n = strcspn(arg, "=");

	for (const struct option *o = options; o->name; o++) {
		if (strlen(o->name) != n || strncmp(o->name, arg, n) != 0)
			continue;
		if (l->n_given == GIVEN_MAX)
			return fail("too many options: -", o->name);
		l->given[l->n_given++] = o->name;
		if (!o->value) {
			*o->flag = true;
			return arg[n] == '\0' || fail("this option takes no value: -", o->name);
		}
		*o->value = arg[n] ? arg + n + 1 : **next;
		if (!*o->value)
			return fail("a value is missing: -", o->name);
		if (!arg[n])
			++*next;
		return true;
	}
	return fail("unknown option: -", arg);
}

static bool parse(struct line *l, char **argv)
{
	const struct option options[] = {
		{"config", &l->admin.config, NULL},
		{"c", &l->admin.config, NULL},
		{"socket-dir", &l->admin.socket_dir, NULL},
		{"addr", &l->admin.addr, NULL},
		{"token", &l->admin.token, NULL},
		{"json", NULL, &l->admin.json},
		{"wait", NULL, &l->admin.wait},
		{"r", NULL, &l->admin.recursive},
		{"all", NULL, &l->admin.all},
		{"limit", &l->admin.limit, NULL},
		{"backend", &l->admin.backend, NULL},
		{"bucket", &l->admin.bucket, NULL},
		{"prefix", &l->admin.prefix, NULL},
		{"dry-run", NULL, &l->admin.dry_run},
		{"execute", NULL, &l->admin.execute},
		{"purge", NULL, &l->admin.purge},
		{"confirm", NULL, &l->admin.confirm},
		{"help", NULL, &l->help},
		{"h", NULL, &l->help},
		{"version", NULL, &l->version},
		{"V", NULL, &l->version},
		{NULL, NULL, NULL},
	};
	bool only_positional = false;

	for (char **p = argv + 1; *p;) {
		char *arg = *p++;

		if (!only_positional && strcmp(arg, "--") == 0) {
			only_positional = true;
		} else if (!only_positional && arg[0] == '-' && arg[1]) {
			if (!take_option(l, options, arg + (arg[1] == '-' ? 2 : 1), &p))
				return false;
		} else if (l->n == POSITIONAL_MAX) {
			return fail("too many arguments: ", arg);
		} else {
			l->positional[l->n++] = arg;
		}
	}
	return true;
}

static const struct command *choose(struct line *l)
{
	const struct command *c;

	if (l->version)
		return command_find("version");
	if (l->help || l->n == 0)
		return command_find("help");
	c = command_find(l->positional[0]);
	if (!c) {
		fail("unknown command: ", l->positional[0]);
		return NULL;
	}
	for (size_t i = 0; i < l->n_given; i++)
		if (!command_takes(c, l->given[i])) {
			fail("no option of this command: -", l->given[i]);
			return NULL;
		}
	l->admin.argv = l->positional + 1;
	l->admin.argc = l->n - 1;
	if (l->admin.argc >= c->min && l->admin.argc <= c->max)
		return c;
	fprintf(stderr, "usage: adminctl %s%s%s\n", c->name, *c->args ? " " : "", c->args);
	return NULL;
}

static enum exit_code run(struct admin *a, const struct command *c)
{
	json_t *result = NULL;
	enum exit_code code = c->run(a, &result);

	if (result && (a->json || !c->show))
		print_json(result);
	else if (result)
		c->show(result);
	json_decref(result);
	return code;
}

int main(int argc, char **argv)
{
	struct line l = {.n = 0};
	const struct command *c;
	enum exit_code code;

	(void)argc;
	if (!parse(&l, argv))
		return EXIT_USAGE;
	c = choose(&l);
	if (!c)
		return EXIT_USAGE;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	l.admin.arena = arena_new();
	code = run(&l.admin, c);
	arena_free(&l.admin.arena);
	curl_global_cleanup();
	if (fflush(stdout) != 0) {
		perror("adminctl: standard output");
		return EXIT_ERROR;
	}
	return code;
}
