/* SPDX-License-Identifier: MIT
 *
 * The answers as a configuration. Every text that was typed is quoted, so that none can
 * become anything else than a value.
 */
#include <stdlib.h>
#include <string.h>

#include "adminctl/init.h"
#include "config/quote.h"

static bool is_set(const char *text)
{
	return text && *text;
}

/* What comes from an asker can be quoted. */
static void add_quoted(struct buf *out, const char *text)
{
	if (!config_quote(out, str_of(text)))
		abort();
}

/* A line "key: value", indented; nothing when there is no value. */
static void add(struct buf *out, int indent, const char *key, const char *value)
{
	if (!is_set(value))
		return;
	buf_printf(out, "%*s%s: ", indent, "", key);
	add_quoted(out, value);
	buf_add_char(out, '\n');
}

/* The same for numbers, for which 0 is the default. */
static void add_limit(struct buf *out, int indent, const char *key, const char *value)
{
	if (value && strcmp(value, "0") != 0)
		add(out, indent, key, value);
}

static void add_database(struct buf *out, const struct init_answers *in)
{
	buf_add_cstr(out, "\ndatabase:\n");
	add(out, 2, "driver", in->driver);
	add(out, 2, "path", in->path);
	add(out, 2, "host", in->host);
	add(out, 2, "port", in->port);
	add(out, 2, "database", in->database);
	add(out, 2, "user", in->user);
	add(out, 2, "password", in->password);
	add(out, 2, "ssl_mode", in->ssl_mode);
}

const char *init_check_folder(struct str path, const void *ignored)
{
	(void)ignored;
	return str_starts(path, STR("/")) ? NULL : "must begin with '/'";
}

/* --- labels ------------------------------------------------------------------------ */

/* The next one of the list. False: there is none. */
static bool next_label(struct str *labels, struct str *name, struct str *value)
{
	struct str label;

	if (!labels->n)
		return false;
	label = str_cut(*labels, ',', labels);
	*name = str_trim(str_cut(label, '=', value));
	*value = str_trim(*value);
	return true;
}

const char *init_check_labels(struct str labels, const void *ignored)
{
	struct str name, value;

	(void)ignored;
	while (next_label(&labels, &name, &value))
		if (!name.n || !value.n)
			return "each label is NAME=VALUE, separated by commas";
	return NULL;
}

static void add_labels(struct buf *out, struct str labels)
{
	struct str name, value;

	if (!labels.n)
		return;
	buf_add_cstr(out, "    labels:\n");
	while (next_label(&labels, &name, &value)) {
		buf_add_cstr(out, "      ");
		if (!config_quote_name(out, name))
			abort();
		buf_add_cstr(out, ": ");
		if (!config_quote(out, value))
			abort();
		buf_add_char(out, '\n');
	}
}

/* --- lists ------------------------------------------------------------------------- */

static void add_backend(struct buf *out, const struct init_backend *b)
{
	buf_add_cstr(out, "  - name: ");
	add_quoted(out, b->name);
	buf_add_char(out, '\n');
	add(out, 4, "type", b->type);
	add(out, 4, "path", b->path);
	add(out, 4, "endpoint", b->endpoint);
	add(out, 4, "region", b->region);
	add(out, 4, "bucket", b->bucket);
	add(out, 4, "access_key_id", b->access_key_id);
	add(out, 4, "secret_access_key", b->secret_access_key);
	if (b->force_path_style)
		buf_add_cstr(out, "    force_path_style: true\n");
	if (b->unsigned_payload)
		buf_printf(out, "    unsigned_payload: %s\n", b->unsigned_payload);
	add_limit(out, 4, "quota_bytes", b->quota);
	add_limit(out, 4, "api_request_limit", b->requests);
	add_limit(out, 4, "egress_byte_limit", b->egress);
	add_limit(out, 4, "ingress_byte_limit", b->ingress);
	add_labels(out, str_of(b->labels));
}

static void add_bucket(struct buf *out, const struct init_bucket *b)
{
	buf_add_cstr(out, "  - name: ");
	add_quoted(out, b->name);
	buf_add_cstr(out, "\n    credentials:\n      - access_key_id: ");
	add_quoted(out, b->access_key_id);
	buf_add_char(out, '\n');
	add(out, 8, "secret_access_key", b->secret_access_key);
}

void init_write_text(const struct init_answers *in, struct buf *out)
{
	buf_add_cstr(out, "# s3-orchestrator, made by adminctl init; see s3-orchestrator.yaml(5).\n"
	                  "# In texts ${NAME} is a variable of the environment; $${ is a literal "
	                  "${.\n\nserver:\n");
	add(out, 2, "listen_addr", in->listen_addr);
	add_database(out, in);
	buf_add_cstr(out, "\nrouting_strategy: pack\n");
	if (is_set(in->copies)) {
		buf_add_cstr(out, "\nreplication:\n");
		add(out, 2, "factor", in->copies);
	}
	buf_add_cstr(out, "\nbackends:\n");
	for (size_t i = 0; i < in->n_backends; i++)
		add_backend(out, &in->backends[i]);
	buf_add_cstr(out, "\nbuckets:\n");
	for (size_t i = 0; i < in->n_buckets; i++)
		add_bucket(out, &in->buckets[i]);
}
