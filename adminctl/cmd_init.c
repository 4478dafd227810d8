/* SPDX-License-Identifier: MIT
 *
 * adminctl init: from questions to a configuration that works. Nothing is written before
 * the last answer.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "adminctl/daemons.h"
#include "adminctl/init.h"
#include "base/codec.h"

/* As long as those of AWS. */
#define ACCESS_KEY_LENGTH 20
#define SECRET_LENGTH     40

/* --- server and database ---------------------------------------------------------------- */

/* Whether what was answered so far can be used. The end of the input is for others to
 * notice. */
static bool is_good(const struct asker *q, const struct init_answers *in)
{
	struct config *c = q->ended ? NULL : init_check(in);
	bool ok = c || q->ended;

	config_free(&c);
	return ok;
}

static void ask_server(struct asker *q, struct init_answers *in)
{
	do
		in->listen_addr = ask(q, "Address to listen at", ":9000");
	while (!is_good(q, in));
}

/* A server on the same machine usually has no certificate. */
static const char *usual_ssl_mode(const char *host)
{
	return *host == '/' || strcmp(host, "localhost") == 0 ? "prefer" : "require";
}

static void ask_postgres(struct asker *q, struct init_answers *in)
{
	static const char *const modes[] = {"disable",   "allow",       "prefer", "require",
	                                    "verify-ca", "verify-full", NULL};

	in->host = ask(q, "  Host, or the folder of its socket", "localhost");
	in->port = ask(q, "  Port", "5432");
	in->database = ask(q, "  Name of the database", NULL);
	in->user = ask(q, "  User", NULL);
	in->password = ask_secret(q, "  Password", "", NULL);
	in->ssl_mode = ask_choice(q, "  TLS (sslmode)", modes, usual_ssl_mode(in->host));
}

static void ask_database(struct asker *q, struct init_answers *in)
{
	static const char *const drivers[] = {"embedded", "postgres", NULL};

	puts("\nThe catalogue is in a database: embedded is a private PostgreSQL that proxyd "
	     "starts,"
	     "\npostgres a server that runs already.");
	do {
		in->driver =
			ask_choice(q, "Database driver: embedded or postgres", drivers, "embedded");
		if (strcmp(in->driver, "postgres") == 0)
			ask_postgres(q, in);
		else
			in->path = ask_checked(q, "  Folder of its data",
			                       "/var/lib/s3-orchestrator/postgresql",
			                       init_check_folder, NULL);
	} while (!is_good(q, in));
}

/* --- copies ------------------------------------------------------------------------------- */

static bool has_quota(const struct init_answers *in)
{
	return strcmp(in->backends[0].quota, "0") != 0;
}

/* Without quotas nothing says what goes where, unless everything goes to several. */
static void ask_copies(struct asker *q, struct init_answers *in)
{
	if (in->n_backends < 2)
		return;
	putchar('\n');
	do
		in->copies = ask(q, "Copies of every object", has_quota(in) ? "1" : "2");
	while (!is_good(q, in));
}

/* --- buckets ------------------------------------------------------------------------------ */

/* Each of 32 or 64 characters is equally likely. */
static const char *generate(struct arena *a, const char *alphabet, size_t n)
{
	char *text = arena_alloc(a, n + 1);
	size_t letters = strlen(alphabet);
	uint8_t bytes[SECRET_LENGTH];

	random_bytes(bytes, n);
	for (size_t i = 0; i < n; i++)
		text[i] = alphabet[bytes[i] % letters];
	return text;
}

static void ask_bucket(struct asker *q, struct init_bucket *b)
{
	*b = (struct init_bucket){.name = ask(q, "  Name", NULL)};
	b->access_key_id = ask(q, "  Access key id of its clients; none: make one", "");
	b->secret_access_key = ask_secret(q, "  Secret access key; none: make one", "", NULL);
	b->is_generated = !*b->secret_access_key;
	if (!*b->access_key_id)
		b->access_key_id =
			generate(q->arena, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", ACCESS_KEY_LENGTH);
	if (b->is_generated)
		b->secret_access_key =
			generate(q->arena,
		                 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
		                 SECRET_LENGTH);
}

static void ask_one_bucket(struct asker *q, struct init_answers *in)
{
	struct init_bucket *more = ARENA_ARRAY(q->arena, struct init_bucket, in->n_buckets + 1);

	if (in->n_buckets)
		memcpy(more, in->buckets, in->n_buckets * sizeof *more);
	in->buckets = more;
	in->n_buckets++;
	do
		ask_bucket(q, &more[in->n_buckets - 1]);
	while (!is_good(q, in));
}

static void ask_buckets(struct asker *q, struct init_answers *in)
{
	do {
		printf("\nBucket %zu, as clients see it:\n", in->n_buckets + 1);
		ask_one_bucket(q, in);
	} while (!q->ended && ask_yes(q, "Add another bucket?", false));
}

/* --- the end ------------------------------------------------------------------------------- */

static void show_generated(const struct init_answers *in)
{
	for (size_t i = 0; i < in->n_buckets; i++) {
		const struct init_bucket *b = &in->buckets[i];

		if (b->is_generated)
			printf("\nCredentials of bucket %s:\n  access key id      %s\n"
			       "  secret access key  %s\n",
			       b->name, b->access_key_id, b->secret_access_key);
	}
}

static void show_end(const struct init_answers *in, const char *path)
{
	show_generated(in);
	printf("\n%s is written. Only its owner can read it", path);
	if (geteuid() == 0)
		printf(": let the user that the daemons run as,\n"
		       "  chgrp s3-orchestrator %s && chmod 640 %s",
		       path, path);
	printf("\nCheck it:    adminctl validate -config %s\n"
	       "Then start:  proxyd -config %s, and workerd likewise\n",
	       path, path);
}

static enum exit_code write_answers(const struct init_answers *in, const char *path)
{
	BUF_AUTO text = {0};
	struct error e;
	enum err r;

	init_write_text(in, &text);
	r = init_write_file(path, buf_str(&text), &e);
	explicit_bzero(text.p, text.n);
	if (r == ERR_OK) {
		show_end(in, path);
		return EXIT_DONE;
	}
	fprintf(stderr, "adminctl: %s\n", e.text);
	return EXIT_ERROR;
}

static enum exit_code dialogue(struct asker *q, const char *path)
{
	struct init_answers in = {0};

	ask_server(q, &in);
	if (!q->ended)
		ask_database(q, &in);
	if (!q->ended && init_ask_backends(q, &in))
		ask_copies(q, &in);
	if (!q->ended)
		ask_buckets(q, &in);
	if (!q->ended)
		return write_answers(&in, path);
	fputs("\nadminctl: no more answers; nothing was written\n", stderr);
	return EXIT_ERROR;
}

enum exit_code cmd_init(struct admin *a, json_t **out)
{
	struct asker q = {.arena = a->arena};
	const char *path = config_path(a);
	struct error e;

	(void)out;
	if (init_check_place(path, &e) != ERR_OK) {
		fprintf(stderr, "adminctl: %s\n", e.text);
		return EXIT_ERROR;
	}
	printf("Makes the configuration %s.\n", path);
	if (access(path, F_OK) == 0 && !ask_yes(&q, "It is there already. Overwrite?", false)) {
		if (q.ended)
			fputs("\nadminctl: no more answers; nothing was written\n", stderr);
		else
			puts("Aborted.");
		return q.ended ? EXIT_ERROR : EXIT_DONE;
	}
	return dialogue(&q, path);
}
