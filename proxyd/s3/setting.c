/* SPDX-License-Identifier: MIT
 *
 * What can be set on a bucket: a document is checked and kept, given back, and forgotten.
 * What is kept is a text in the catalogue: the document as this program writes it, or
 * words where that is all it says. A document that asks for what is not done is refused.
 */
#include <string.h>

#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/acl.h"
#include "s3proto/cors.h"
#include "s3proto/document.h"
#include "s3proto/lifecycle.h"
#include "s3proto/tagging.h"
#include "store/buckets.h"

/* 1000 lifecycle rules of full length are longer, but nobody writes them. */
#define DOCUMENT_MAX (1024 * 1024)

/* --- documents and what is kept of them ------------------------------------- */

static enum s3_error read_tagging(struct s3_call *c, struct str doc, struct buf *out,
                                  const char **why)
{
	struct tagging t;
	enum s3_error r = tagging_parse_xml(doc, TAGGING_BUCKET, c->arena, &t, why);
	if (r == S3_OK)
		tagging_write(out, &t);
	return r;
}

static enum s3_error read_cors(struct s3_call *c, struct str doc, struct buf *out, const char **why)
{
	struct cors cors;
	enum s3_error r = cors_parse(doc, c->arena, &cors, why);
	if (r == S3_OK)
		cors_write(out, &cors);
	return r;
}

static enum s3_error read_lifecycle(struct s3_call *c, struct str doc, struct buf *out,
                                    const char **why)
{
	struct lifecycle l;
	enum s3_error r = lifecycle_parse(doc, c->arena, &l, why);
	if (r == S3_OK)
		lifecycle_write(out, &l);
	return r;
}

static void write_document(struct buf *out, struct str value)
{
	buf_add_str(out, value);
}

bool s3_is_ownership(struct str value)
{
	return str_eq(value, STR("BucketOwnerEnforced")) ||
	       str_eq(value, STR("BucketOwnerPreferred")) || str_eq(value, STR("ObjectWriter"));
}

static enum s3_error read_ownership(struct s3_call *c, struct str doc, struct buf *out,
                                    const char **why)
{
	static const char *const one[] = {"Rule", NULL};
	static const char *const names[] = {"ObjectOwnership", NULL};
	struct document d;
	if (document_read(&d, doc, "OwnershipControls", c->arena) &&
	    document_allow(&d, d.root, one, NULL, NULL)) {
		const struct xml_node *rule = xml_child(d.root, "Rule");
		struct str value = xml_child_text(rule, "ObjectOwnership");
		if (rule && document_allow(&d, rule, names, NULL, NULL) && s3_is_ownership(value))
			buf_add_str(out, value);
		else
			document_refuse(&d, S3_MALFORMED_XML,
			                "ObjectOwnership is not one of those there are");
	}
	*why = d.why;
	return d.error;
}

static void write_ownership(struct buf *out, struct str value)
{
	xml_begin(out, "OwnershipControls");
	xml_open(out, "Rule");
	xml_text(out, "ObjectOwnership", value);
	xml_close(out, "Rule");
	xml_close(out, "OwnershipControls");
}

static const char *const blocks[] = {"BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy",
                                     "RestrictPublicBuckets", NULL};

/* The words that are true, or "none". */
static enum s3_error read_block(struct s3_call *c, struct str doc, struct buf *out,
                                const char **why)
{
	struct document d;
	if (document_read(&d, doc, "PublicAccessBlockConfiguration", c->arena) &&
	    document_allow(&d, d.root, blocks, NULL, NULL))
		for (size_t i = 0; blocks[i]; i++) {
			bool on = false;
			if (!document_bool(&d, d.root, blocks[i], &on))
				break;
			if (on)
				buf_printf(out, "%s%s", out->n ? " " : "", blocks[i]);
		}
	if (!out->n)
		buf_add_cstr(out, "none");
	*why = d.why;
	return d.error;
}

static void write_block(struct buf *out, struct str value)
{
	xml_begin(out, "PublicAccessBlockConfiguration");
	for (size_t i = 0; blocks[i]; i++)
		xml_bool(out, blocks[i], str_has_word(value, blocks[i]));
	xml_close(out, "PublicAccessBlockConfiguration");
}

static void write_acl(struct buf *out, struct str value)
{
	acl_write(out, STR(S3_OWNER), str_eq(value, STR("public-read")));
}

/* --- the settings ------------------------------------------------------------ */

static const struct setting {
	const char *name; /* in the catalogue, and as a parameter */
	enum s3_error (*read)(struct s3_call *c, struct str doc, struct buf *out, const char **why);
	void (*write)(struct buf *out, struct str value);
	enum s3_error absent; /* S3_OK: an empty value is written */
	/* A field that goes with the document, and the one value that it has; or NULL. */
	const char *field, *only;
} settings[] = {
	{"acl", NULL, write_acl, S3_OK, NULL, NULL},
	{"cors", read_cors, write_document, S3_NO_SUCH_CORS, NULL, NULL},
	/* About transitions, of which there are none. Terraform waits for its value. */
	{"lifecycle", read_lifecycle, write_document, S3_NO_SUCH_LIFECYCLE,
         "x-amz-transition-default-minimum-object-size", "all_storage_classes_128K"},
	{"ownershipControls", read_ownership, write_ownership, S3_NO_OWNERSHIP_CONTROLS, NULL,
         NULL},
	{"publicAccessBlock", read_block, write_block, S3_NO_PUBLIC_ACCESS_BLOCK, NULL, NULL},
	{"tagging", read_tagging, write_document, S3_NO_SUCH_TAG_SET, NULL, NULL},
};

static const struct setting *setting_of(const struct s3_call *c)
{
	size_t i = 0;
	while (strcmp(settings[i].name, c->operation->parameter) != 0)
		i++;
	return &settings[i];
}

static void reply_field(struct s3_call *c, const struct setting *s)
{
	if (s->field)
		http_reply_field(c->http, s->field, str_of(s->only));
}

/* False: answered. */
static bool check_field(struct s3_call *c, const struct setting *s)
{
	const struct str *value = s->field ? http_head_get(&c->http->head, str_of(s->field)) : NULL;
	if (!value || str_eq(*value, str_of(s->only)))
		return true;
	s3_failf(c, S3_NOT_IMPLEMENTED, "%s is supported only as %s", s->field, s->only);
	return false;
}

void s3_get_setting(struct s3_call *c)
{
	const struct setting *s = setting_of(c);
	struct store_bucket b;
	struct error e;
	if (store_bucket_find(c->server->store, c->bucket, &s->name, 1, c->arena, &b, &e) !=
	    ERR_OK) {
		s3_fail_err(c, &e, NULL);
		return;
	}
	struct str value = store_bucket_setting(&b, s->name);
	if (!value.n && s->absent != S3_OK) {
		s3_fail(c, s->absent, NULL);
		return;
	}
	BUF_AUTO doc = {0};
	s->write(&doc, value);
	reply_field(c, s);
	s3_reply_xml(c, buf_str(&doc));
}

static void keep(struct s3_call *c, const char *name, struct str value)
{
	struct error e;
	if (store_bucket_set(c->server->store, c->bucket, c->owner, name, value, &e) != ERR_OK)
		s3_fail_err(c, &e, NULL);
	else
		http_reply(c->http, 200, STR_NULL);
}

void s3_put_setting(struct s3_call *c)
{
	const struct setting *s = setting_of(c);
	const char *why = NULL;
	struct str doc;
	if (!check_field(c, s) || !s3_receive_document(c, DOCUMENT_MAX, &doc))
		return;
	BUF_AUTO value = {0};
	enum s3_error r = s->read(c, doc, &value, &why);
	if (r != S3_OK) {
		s3_fail(c, r, why);
		return;
	}
	reply_field(c, s);
	keep(c, s->name, buf_str(&value));
}

void s3_delete_setting(struct s3_call *c)
{
	struct error e;
	if (store_bucket_unset(c->server->store, c->bucket, c->owner, setting_of(c)->name, &e) !=
	    ERR_OK)
		s3_fail_err(c, &e, NULL);
	else
		http_reply(c->http, 204, STR_NULL);
}

/* The list that is asked for, by field or document. False: answered. */
static bool read_acl(struct s3_call *c, bool *public_read)
{
	const struct str *canned = http_head_get(&c->http->head, STR("x-amz-acl"));
	const char *why = NULL;
	struct str doc;
	if (!s3_receive_document(c, DOCUMENT_MAX, &doc))
		return false;
	enum s3_error r = canned ? acl_parse_canned(*canned, public_read)
	                         : acl_parse_xml(doc, STR(S3_OWNER), c->arena, public_read, &why);
	if (r == S3_OK)
		return true;
	if (canned)
		s3_failf(c, r, "x-amz-acl is supported only as private or public-read");
	else
		s3_fail(c, r, why);
	return false;
}

void s3_put_bucket_acl(struct s3_call *c)
{
	bool public_read;
	if (!read_acl(c, &public_read) || (public_read && !s3_may_publish(c)))
		return;
	keep(c, c->operation->parameter, public_read ? STR("public-read") : STR("private"));
}
