/* SPDX-License-Identifier: MIT
 *
 * adminctl probe: what a backend of the configuration can do, and how to configure it.
 */
#include <stdio.h>

#include "adminctl/daemons.h"
#include "adminctl/print.h"
#include "adminctl/probe.h"
#include "config/config.h"

static bool load(const char *path, struct config **c)
{
	struct config_findings f = {0};
	bool ok = config_load(path, c, &f) == ERR_OK;

	if (!ok)
		fprintf(stderr, "adminctl: the configuration is not valid:\n%.*s\n",
		        STR_FMT(buf_str(&f.errors)));
	config_findings_free(&f);
	return ok;
}

static enum exit_code unknown(const struct config *c, const char *name, const char *path)
{
	fprintf(stderr, "adminctl: no backend %s in %s; there are:", name, path);
	for (size_t i = 0; i < c->n_backends; i++)
		fprintf(stderr, " %s", c->backends[i].name);
	fputc('\n', stderr);
	return EXIT_ERROR;
}

static void warn_of_costs(const struct config_backend *b)
{
	if (b->type == BACKEND_S3)
		fprintf(stderr,
		        "Sends about %d requests and %d MiB, which some providers charge for.\n",
		        PROBE_REQUESTS, PROBE_MIB);
}

static enum exit_code exit_of(const struct probe_result *r)
{
	switch (r->verdict) {
	case PROBE_USABLE:
		return EXIT_DONE;
	case PROBE_UNREACHABLE:
		return EXIT_DOWN;
	default:
		return EXIT_ERROR;
	}
}

enum exit_code cmd_probe(struct admin *a, json_t **out)
{
	const char *path = config_path(a);
	const struct config_backend *b;
	struct probe_result r;
	struct config *c;
	enum exit_code code;

	if (!load(path, &c))
		return EXIT_ERROR;
	b = config_backend(c, str_of(a->argv[0]));
	if (b) {
		warn_of_costs(b);
		probe_backend(c, b, false, a->arena, &r);
		*out = r.report;
		code = exit_of(&r);
	} else {
		code = unknown(c, a->argv[0], path);
	}
	config_free(&c);
	return code;
}

/* --- for people ------------------------------------------------------------------ */

static void show_settings(const json_t *r, bool needed, const char *title)
{
	size_t i, n = 0;
	json_t *s;

	json_array_foreach(json_object_get(r, "settings"), i, s)
	{
		if (json_is_true(json_object_get(s, "needed")) != needed)
			continue;
		if (n++ == 0)
			printf("\n%s\n", title);
		printf("  %s: %s   # %s\n", member_text(s, "name"),
		       *member_text(s, "value") ? member_text(s, "value") : "\"\"",
		       member_text(s, "why"));
	}
}

void probe_show_left(const json_t *r)
{
	size_t i;
	json_t *k;

	json_array_foreach(json_object_get(r, "left"), i, k)
		fprintf(stderr, "adminctl: could not be removed: %s: %s\n", member_text(k, "key"),
	                member_text(k, "why"));
}

void show_probe(const json_t *r)
{
	static const struct print_column columns[] = {
		{"FEATURE", "feature", PRINT_TEXT},
		{"RESULT", "result", PRINT_TEXT},
		{"MS", "ms", PRINT_COUNT},
		{"", "why", PRINT_TEXT},
	};
	BUF_AUTO sent = {0};
	BUF_AUTO got = {0};

	print_table(json_object_get(r, "tries"), columns, sizeof columns / sizeof *columns);
	show_settings(r, true, "To be set for this backend:");
	show_settings(r, false, "Can be done without, if set to this:");
	print_value(&sent, json_object_get(r, "bytes_sent"), PRINT_BYTES);
	print_value(&got, json_object_get(r, "bytes_read"), PRINT_BYTES);
	printf("\n%lld requests, %.*s sent, %.*s read.\n%s: %s%s%s\n", member_number(r, "requests"),
	       STR_FMT(buf_str(&sent)), STR_FMT(buf_str(&got)), member_text(r, "backend"),
	       member_text(r, "verdict"), *member_text(r, "why") ? ": " : "",
	       member_text(r, "why"));
	probe_show_left(r);
}
