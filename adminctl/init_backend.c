/* SPDX-License-Identifier: MIT
 *
 * The part of the dialogue about backends. Each is tried as soon as it is described, so
 * that what does not work is corrected while its keys are at hand. What was answered is
 * offered again then.
 */
#include <stdio.h>
#include <string.h>

#include "adminctl/init.h"
#include "adminctl/probe.h"
#include "config/value.h"

/* --- checks of single answers ---------------------------------------------------------- */

static const char *check_size(struct str s, const void *ignored)
{
	uint64_t bytes;

	(void)ignored;
	return value_size(s, &bytes);
}

static const char *check_count(struct str s, const void *ignored)
{
	int64_t n = 0;
	const char *fault = value_int(s, &n);

	(void)ignored;
	return fault || n >= 0 ? fault : "must not be negative";
}

/* --- one description -------------------------------------------------------------------- */

static const char *text_or(const char *text, const char *otherwise)
{
	return text && *text ? text : otherwise;
}

/* As it was answered before; NULL: there has to be an answer. */
static const char *before(const char *text)
{
	return text_or(text, NULL);
}

static void ask_folder(struct asker *q, struct init_backend *b)
{
	b->endpoint = b->region = b->bucket = b->access_key_id = b->secret_access_key = NULL;
	b->force_path_style = false;
	b->path = ask_checked(q, "  Folder", before(b->path), init_check_folder, NULL);
}

static void ask_service(struct asker *q, struct init_backend *b)
{
	b->path = NULL;
	b->endpoint = ask(q, "  Endpoint, such as https://s3.example.com", before(b->endpoint));
	b->region = ask(q, "  Region; none: us-east-1", text_or(b->region, ""));
	b->bucket = ask(q, "  Bucket there", before(b->bucket));
	b->access_key_id = ask(q, "  Access key id", before(b->access_key_id));
	b->secret_access_key = ask_secret(q, "  Secret access key", before(b->secret_access_key),
	                                  b->secret_access_key ? "as before" : NULL);
	b->force_path_style =
		ask_yes(q, "  Bucket in the path, not in the host name?", b->force_path_style);
}

static void ask_limits(struct asker *q, struct init_backend *b)
{
	b->quota = ask_checked(q, "  Storage quota, such as 10GB; 0: none", text_or(b->quota, "0"),
	                       check_size, NULL);
	b->requests = ask_checked(q, "  Requests per month; 0: no limit", text_or(b->requests, "0"),
	                          check_count, NULL);
	b->egress = ask_checked(q, "  Bytes read per month; 0: no limit", text_or(b->egress, "0"),
	                        check_size, NULL);
	b->ingress = ask_checked(q, "  Bytes written per month; 0: no limit",
	                         text_or(b->ingress, "0"), check_size, NULL);
	b->labels = ask_checked(q, "  Labels, such as provider=aws,zone=eu", text_or(b->labels, ""),
	                        init_check_labels, NULL);
}

static void describe(struct asker *q, struct init_backend *b, size_t number)
{
	static const char *const types[] = {"s3", "directory", NULL};

	b->unsigned_payload = NULL;
	b->name = ask(q, "  Name",
	              text_or(b->name, arena_printf(q->arena, "backend%zu", number + 1)));
	b->type = ask_choice(q, "  Type: s3 or directory", types, text_or(b->type, "s3"));
	if (strcmp(b->type, "directory") == 0)
		ask_folder(q, b);
	else
		ask_service(q, b);
	ask_limits(q, b);
}

/* --- trying it ---------------------------------------------------------------------------- */

static void adopt(struct asker *q, struct init_backend *b, const struct probe_result *r)
{
	const struct config_backend *s = r->settings;
	size_t i;
	json_t *changed;

	json_array_foreach(json_object_get(r->report, "settings"), i, changed)
	{
		const char *name = json_string_value(json_object_get(changed, "name"));
		const char *value = json_string_value(json_object_get(changed, "value"));

		printf("  %s: %s, because %s\n", name, value,
		       json_string_value(json_object_get(changed, "why")));
		if (strcmp(name, "unsigned_payload") == 0)
			b->unsigned_payload = arena_strdup(q->arena, value);
	}
	b->force_path_style = s->force_path_style;
	/* of the configuration, which is freed, unless it was changed */
	b->region = arena_strdup(q->arena, s->region);
}

enum fate { KEEP, AGAIN, LEAVE };

/* The answers are one of three words. */
static enum fate ask_fate(struct asker *q)
{
	static const char *const words[] = {"keep", "again", "leave", NULL};
	const char *word = ask_choice(
		q, "  Keep it all the same, enter it again, or leave it out: keep, again, leave",
		words, "again");

	for (enum fate f = KEEP; f <= LEAVE; f++)
		if (strcmp(word, words[f]) == 0)
			return f;
	return LEAVE; /* the input has ended */
}

static enum fate try_backend(struct asker *q, const struct config *c, struct init_backend *b)
{
	struct probe_result r;
	enum fate fate = KEEP;

	puts("  Trying it with a few requests ...");
	fflush(stdout);
	probe_backend(c, &c->backends[c->n_backends - 1], true, q->arena, &r);
	probe_show_left(r.report);
	if (r.works) {
		adopt(q, b, &r);
		puts("  It works.");
	} else if (r.verdict == PROBE_INTERRUPTED) {
		q->ended = true;
	} else {
		printf("  It does not work: %s\n", r.why);
		fate = ask_fate(q);
	}
	json_decref(r.report);
	return fate;
}

/* --- all of them ----------------------------------------------------------------------------- */

/* The answers with room for one more backend, which is at its end. */
static struct init_answers with_one_more(struct asker *q, const struct init_answers *in)
{
	struct init_answers more = *in;

	more.backends = ARENA_ARRAY(q->arena, struct init_backend, in->n_backends + 1);
	if (in->n_backends)
		memcpy(more.backends, in->backends, in->n_backends * sizeof *in->backends);
	more.n_backends++;
	/* How many is asked later. */
	more.copies = more.n_backends > 1 ? "2" : NULL;
	return more;
}

/* Until there is one that is kept or left out. */
static void ask_one(struct asker *q, struct init_answers *in)
{
	struct init_answers more = with_one_more(q, in);
	struct init_backend *b = &more.backends[in->n_backends];
	enum fate fate = AGAIN;

	while (fate == AGAIN && !q->ended) {
		struct config *c = NULL;

		describe(q, b, in->n_backends);
		if (!q->ended)
			c = init_check(&more);
		if (c)
			fate = try_backend(q, c, b);
		config_free(&c);
	}
	if (fate != KEEP || q->ended)
		return;
	in->backends = more.backends;
	in->n_backends = more.n_backends;
}

bool init_ask_backends(struct asker *q, struct init_answers *in)
{
	do {
		printf("\nBackend %zu, where bytes are stored:\n", in->n_backends + 1);
		ask_one(q, in);
	} while (!q->ended && (in->n_backends == 0 || ask_yes(q, "Add another backend?", false)));
	return !q->ended;
}
