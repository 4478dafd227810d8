/* SPDX-License-Identifier: MIT
 *
 * adminctl key. Credentials stand in the configuration: a new one is drawn here and shown,
 * to be added there by whoever may write to it. Disabling needs no change of any file.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "adminctl/daemons.h"
#include "adminctl/print.h"
#include "base/codec.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* An access key has 20 characters, of which clients see all; a secret 40, of 160 bits. */
#define KEY_PREFIX   "S3OK"
#define KEY_BYTES    8
#define SECRET_BYTES 20

static void draw(char *out, size_t bytes)
{
	uint8_t random[SECRET_BYTES];

	random_bytes(random, bytes);
	hex_encode(random, bytes, out);
}

static enum exit_code create(struct admin *a, json_t **out)
{
	char key[sizeof KEY_PREFIX + 2 * KEY_BYTES] = KEY_PREFIX, secret[2 * SECRET_BYTES + 1];

	draw(key + strlen(KEY_PREFIX), KEY_BYTES);
	draw(secret, SECRET_BYTES);
	for (char *p = key; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	*out = json_pack("{s:s, s:s, s:s*}", "access_key_id", key, "secret_access_key", secret,
	                 "bucket", a->argc > 1 ? a->argv[1] : NULL);
	return EXIT_DONE;
}

static enum exit_code ask(struct admin *a, const char *method, const char *path, const char *id,
                          json_t **out)
{
	struct question q = {method, NULL, NULL, ASK_TIMEOUT};
	BUF_AUTO target = {0};

	buf_add_cstr(&target, path);
	buf_add_char(&target, '\0');
	if (id)
		question_add(&target, "id", id);
	q.path = target.p;
	return daemons_ask_any(a, &q, out);
}

enum exit_code cmd_key(struct admin *a, json_t **out)
{
	const char *action = a->argv[0], *arg = a->argc > 1 ? a->argv[1] : NULL;

	if (strcmp(action, "create") == 0)
		return create(a, out);
	if (strcmp(action, "list") == 0 && !arg)
		return ask(a, "GET", "/admin/api/keys", NULL, out);
	if (strcmp(action, "disable") == 0 && arg)
		return ask(a, "POST", "/admin/api/keys/disable", arg, out);
	if (strcmp(action, "enable") == 0 && arg)
		return ask(a, "POST", "/admin/api/keys/enable", arg, out);
	fputs("usage: adminctl key create [BUCKET] | list | disable KEY | enable KEY\n", stderr);
	return EXIT_USAGE;
}

static void show_new(const json_t *r)
{
	const char *bucket = member_text(r, "bucket");

	printf("# to be added to the configuration, then: adminctl reload\n"
	       "buckets:\n"
	       "  - name: %s\n"
	       "    credentials:\n"
	       "      - access_key_id: \"%s\"\n"
	       "        secret_access_key: \"%s\"\n",
	       *bucket ? bucket : "BUCKET", member_text(r, "access_key_id"),
	       member_text(r, "secret_access_key"));
}

void show_key(const json_t *r)
{
	static const struct print_column columns[] = {
		{"ACCESS KEY", "access_key_id", PRINT_TEXT},
		{"BUCKET", "bucket", PRINT_TEXT},
		{"CREATES BUCKETS", "create_buckets", PRINT_TEXT},
		{"DISABLED", "disabled", PRINT_TEXT},
		{"SINCE", "disabled_at", PRINT_SINCE},
	};

	if (json_object_get(r, "secret_access_key"))
		show_new(r);
	else if (json_object_get(r, "keys"))
		print_table(json_object_get(r, "keys"), columns, COUNT(columns));
	else
		printf("%s: %s\n", member_text(r, "access_key_id"), member_text(r, "status"));
}
