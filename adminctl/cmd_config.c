/* SPDX-License-Identifier: MIT
 *
 * Commands that need no daemon: validate, version.
 */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "adminctl/daemons.h"
#include "adminctl/print.h"
#include "config/config.h"

#ifdef __clang__
#define COMPILER "clang-" __clang_version__
#else
#define COMPILER "gcc-" __VERSION__
#endif

/* Files and their names may hold anything, JSON only UTF-8. */
static json_t *lines(struct buf *b)
{
	json_t *list = json_array();
	struct str rest = buf_str(b);

	str_make_utf8(b->p, b->n);
	while (rest.n > 0) {
		struct str line = str_cut(rest, '\n', &rest);

		if (line.n > 0)
			json_array_append_new(list, json_stringn(line.p, line.n));
	}
	return list;
}

enum exit_code cmd_validate(struct admin *a, json_t **out)
{
	struct config_findings f = {0};
	struct config *c = NULL;
	bool valid = config_load(config_path(a), &c, &f) == ERR_OK;
	char *name = arena_strdup(a->arena, config_path(a));

	str_make_utf8(name, strlen(name));
	*out = json_pack("{s:s, s:b, s:o, s:o}", "config", name, "valid", valid, "errors",
	                 lines(&f.errors), "warnings", lines(&f.warnings));
	if (valid) {
		json_object_set_new(*out, "backends", json_integer((json_int_t)c->n_backends));
		json_object_set_new(*out, "buckets", json_integer((json_int_t)c->n_buckets));
		json_object_set_new(
			*out, "routing",
			json_string(c->routing_strategy == STRATEGY_SPREAD ? "spread" : "pack"));
	}
	config_free(&c);
	config_findings_free(&f);
	return valid ? EXIT_DONE : EXIT_ERROR;
}

static void show_lines(const char *prefix, const json_t *list)
{
	size_t i;
	json_t *line;

	json_array_foreach(list, i, line)
		fprintf(stderr, "%s: %s\n", prefix, json_string_value(line));
}

void show_validate(const json_t *r)
{
	show_lines("warning", json_object_get(r, "warnings"));
	show_lines("error", json_object_get(r, "errors"));
	if (!json_is_true(json_object_get(r, "valid")))
		return;
	printf("config %s: valid\n", json_string_value(json_object_get(r, "config")));
	printf("  backends: %lld\n", (long long)member_number(r, "backends"));
	printf("  buckets:  %lld\n", (long long)member_number(r, "buckets"));
	printf("  routing:  %s\n", json_string_value(json_object_get(r, "routing")));
}

enum exit_code cmd_version(struct admin *a, json_t **out)
{
	struct utsname u = {.machine = "unknown"};

	(void)a;
	uname(&u);
	*out = json_pack("{s:s, s:s, s:s, s:s}", "name", "adminctl", "version", S3O_VERSION,
	                 "compiler", COMPILER, "machine", u.machine);
	return EXIT_DONE;
}

void show_version(const json_t *r)
{
	const char *name, *version, *compiler, *machine;

	json_unpack((json_t *)r, "{s:s, s:s, s:s, s:s}", "name", &name, "version", &version,
	            "compiler", &compiler, "machine", &machine);
	printf("%s %s %s linux/%s\n", name, version, compiler, machine);
}
