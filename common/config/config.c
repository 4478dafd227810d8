/* SPDX-License-Identifier: MIT
 *
 * Loading: read, parse, decode, validate. A stage that finds errors ends the
 * load, because what follows would only repeat them in other words; within a
 * stage everything is reported. The configuration and its strings lie in one arena.
 */
#include "config/config.h"

#include <string.h>
#include "config/file.h"
#include "config/load.h"

struct loaded { /* what a struct config * from here points into */
	struct config config;
	struct arena *arena;
};

void config_findings_free(struct config_findings *f)
{
	buf_free(&f->errors);
	buf_free(&f->warnings);
}

static struct loaded *loaded_new(const char *file)
{
	struct arena *arena = arena_new();
	struct loaded *loaded = ARENA_NEW(arena, struct loaded);

	loaded->arena = arena;
	loaded->config.file = arena_strdup(arena, file);
	return loaded;
}

void config_free(struct config **c)
{
	struct arena *arena;

	if (!*c)
		return;
	arena = ((struct loaded *)*c)->arena;
	arena_free(&arena);
	*c = NULL;
}

static bool fill(struct load *l, const char *text, size_t n)
{
	const struct node *root;
	struct error e;

	if (tree_parse(l->scratch, text, n, &root, &e)) {
		buf_printf(&l->findings->errors, "parse config \"%s\": %s", l->file, e.text);
		return false;
	}
	load_decode(l, root);
	if (!l->n_errors)
		load_validate(l);
	return !l->n_errors;
}

enum err config_load_text(const char *name, const char *text, size_t n, struct config **out,
                          struct config_findings *f)
{
	struct loaded *loaded = loaded_new(name);
	struct config *config = &loaded->config;
	struct load l = {.file = config->file,
	                 .arena = loaded->arena,
	                 .scratch = arena_new(),
	                 .config = config,
	                 .findings = f};
	bool ok = fill(&l, text, n);

	arena_free(&l.scratch);
	if (!ok) {
		config_free(&config);
		return ERR_INVALID;
	}
	*out = config;
	return ERR_OK;
}

enum err config_load(const char *path, struct config **out, struct config_findings *f)
{
	BUF_AUTO text = {0};
	struct stat st;
	const char *wrong = file_read(path, &text, &st);

	if (wrong) {
		buf_printf(&f->errors, "read config file \"%s\": %s", path, wrong);
		return ERR_INVALID;
	}
	if (st.st_mode & 007)
		buf_printf(&f->warnings, "%s:1: the file can be read by everybody (mode %04o)",
		           path, (unsigned)st.st_mode & 07777);
	return config_load_text(path, text.n ? text.p : "", text.n, out, f);
}

const struct config_backend *config_backend(const struct config *c, struct str name)
{
	for (size_t i = 0; i < c->n_backends; i++)
		if (str_eq(str_of(c->backends[i].name), name))
			return &c->backends[i];
	return NULL;
}

const struct config_bucket *config_bucket(const struct config *c, struct str name)
{
	for (size_t i = 0; i < c->n_buckets; i++)
		if (str_eq(str_of(c->buckets[i].name), name))
			return &c->buckets[i];
	return NULL;
}

static const struct config_credential *find_credential(const struct config_bucket *b,
                                                       struct str access_key)
{
	for (size_t i = 0; i < b->n_credentials; i++) {
		const struct config_credential *cr = &b->credentials[i];

		if (cr->access_key_id[0] && cr->secret_access_key[0] &&
		    str_eq(access_key, str_of(cr->access_key_id)))
			return cr;
	}
	return NULL;
}

const struct config_credential *config_credential(const struct config *c, struct str access_key,
                                                  const struct config_bucket **bucket)
{
	const struct config_credential *found = NULL;

	for (size_t i = 0; i < c->n_buckets && !found; i++) {
		found = find_credential(&c->buckets[i], access_key);
		if (found && bucket)
			*bucket = &c->buckets[i];
	}
	return found;
}

int config_factor(const struct config *c, struct str bucket)
{
	const struct config_bucket *b = config_bucket(c, bucket);

	return b ? b->factor : c->replication.factor;
}

int config_ack(const struct config *c, struct str bucket)
{
	const struct config_bucket *b = config_bucket(c, bucket);

	return b ? b->ack : c->replication.ack;
}

int config_max_factor(const struct config *c)
{
	int max = c->replication.factor;

	for (size_t i = 0; i < c->n_buckets; i++)
		if (c->buckets[i].factor > max)
			max = c->buckets[i].factor;
	return max;
}

const char *config_domain(const struct config *c, const struct config_backend *b)
{
	struct str name = str_of(c->replication.spread_over);

	for (size_t i = 0; name.n && i < b->n_labels; i++)
		if (str_starts(str_of(b->labels[i]), name) && b->labels[i][name.n] == '=')
			return b->labels[i] + name.n + 1;
	return b->name;
}
