/* SPDX-License-Identifier: MIT
 *
 * Tag sets. The one complication is the alphabet: letters, digits and spaces of
 * any script. The C library knows them only with a locale, which depends on the
 * machine; so a table has the blocks of Unicode that hold none. A symbol in the
 * middle of a block of letters passes, a letter is never refused.
 */
#include "s3proto/tagging.h"

#include <stdbool.h>
#include <string.h>

#include "net/uri.h"
#include "s3proto/document.h"

/* Ranges without letters, marks, numbers and spaces, ascending. */
static const struct {
	uint32_t first, last;
} excluded[] = {
	{0x80, 0x9f}, /* control characters */
	{0xa1, 0xa9}, /* punctuation and symbols of Latin-1, in pieces */
	{0xab, 0xb1},       {0xb4, 0xb4},     {0xb6, 0xb8},     {0xbb, 0xbb}, {0xbf, 0xbf},
	{0xd7, 0xd7},       {0xf7, 0xf7},     {0x200b, 0x202e}, /* punctuation, format */
	{0x2030, 0x205e},   {0x2060, 0x206f}, {0x20a0, 0x20cf}, /* currency */
	{0x2190, 0x245f},                     /* arrows, mathematical, technical */
	{0x2500, 0x2775},                     /* box drawing, shapes, symbols, dingbats */
	{0x2794, 0x2bff},                     /* arrows, Braille, mathematical */
	{0x3001, 0x3004},   {0x3008, 0x3020}, /* CJK punctuation */
	{0xe000, 0xf8ff},                     /* private use */
	{0xfdd0, 0xfdef},                     /* no characters */
	{0xfff9, 0xffff},                     /* specials */
	{0x1f000, 0x1f0ff},                   /* game pieces */
	{0x1f10d, 0x1fbef},                   /* pictures */
	{0xe0000, 0xe00ff},                   /* language tags */
	{0xf0000, 0x10ffff}                   /* private use */
};

/* The character of n bytes at p, which is well-formed. */
static uint32_t code_point(const char *p, size_t n)
{
	uint32_t c = (unsigned char)p[0];
	if (n > 1)
		c &= 0xffU >> (n + 1);
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)p[i] & 0x3f);
	return c;
}

static bool is_allowed(uint32_t c)
{
	if (c < 0x80)
		return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		       (c != 0 && strchr(" +-=._:/@", (int)c) != NULL);
	for (size_t i = 0; i < sizeof(excluded) / sizeof(excluded[0]); i++)
		if (c >= excluded[i].first && c <= excluded[i].last)
			return false;
	return true;
}

/* Whether s has only allowed characters; *n is their number. */
static bool count_characters(struct str s, size_t *n)
{
	for (*n = 0; s.n > 0; ++*n) {
		size_t bytes = str_utf8_len(s);
		if (bytes == 0 || !is_allowed(code_point(s.p, bytes)))
			return false;
		s = str_skip(s, bytes);
	}
	return true;
}

static bool check_tag(struct document *d, const struct str_pair *tag)
{
	size_t n;
	if (!count_characters(tag->name, &n) || n < 1 || n > TAGGING_KEY_MAX)
		return document_refuse(d, S3_INVALID_TAG,
		                       "The TagKey you have provided is invalid: %.*s",
		                       STR_FMT(tag->name));
	if (!count_characters(tag->value, &n) || n > TAGGING_VALUE_MAX)
		return document_refuse(d, S3_INVALID_TAG,
		                       "The TagValue you have provided is invalid: %.*s",
		                       STR_FMT(tag->value));
	if (str_starts(tag->name, STR("aws:")))
		return document_refuse(d, S3_INVALID_TAG,
		                       "Your TagKey cannot be prefixed with aws:");
	return true;
}

/* Room for n tags, if so many are allowed. */
static bool begin(struct document *d, enum tagging_owner owner, size_t n, struct tagging *out)
{
	size_t max = owner == TAGGING_OBJECT ? TAGGING_OBJECT_MAX : TAGGING_BUCKET_MAX;
	if (n > max)
		return document_refuse(d, S3_BAD_REQUEST, "%s tags cannot be greater than %zu",
		                       owner == TAGGING_OBJECT ? "Object" : "Bucket", max);
	out->tags = ARENA_ARRAY(d->arena, struct str_pair, n);
	return true;
}

static bool add(struct document *d, struct tagging *out, struct str_pair tag)
{
	if (!check_tag(d, &tag))
		return false;
	for (size_t i = 0; i < out->n; i++)
		if (str_eq(out->tags[i].name, tag.name))
			return document_refuse(d, S3_INVALID_TAG,
			                       "Cannot provide multiple Tags with the same key");
	out->tags[out->n++] = tag;
	return true;
}

bool tagging_read_tag(struct document *d, const struct xml_node *n, struct str_pair *out)
{
	static const char *const once[] = {"Key", "Value", NULL};
	if (!document_allow(d, n, once, NULL, NULL))
		return false;
	if (xml_child(n, "Key") == NULL || xml_child(n, "Value") == NULL)
		return document_refuse(d, S3_MALFORMED_XML, "<Tag> without <Key> and <Value>");
	return document_text(d, n, "Key", &out->name) &&
	       document_text(d, n, "Value", &out->value) && check_tag(d, out);
}

static bool parse_tag(struct document *d, const struct xml_node *n, struct tagging *out)
{
	struct str_pair tag = {0};
	return tagging_read_tag(d, n, &tag) && add(d, out, tag);
}

bool tagging_read_set(struct document *d, const struct xml_node *n, enum tagging_owner owner,
                      struct tagging *out)
{
	static const char *const many[] = {"Tag", NULL};
	*out = (struct tagging){0};
	if (!document_allow(d, n, NULL, many, NULL) ||
	    !begin(d, owner, document_count(n, "Tag"), out))
		return false;
	for (const struct xml_node *t = xml_child(n, "Tag"); t != NULL; t = xml_next(t))
		if (!parse_tag(d, t, out))
			return false;
	return true;
}

static bool parse_set(struct document *d, enum tagging_owner owner, struct tagging *out)
{
	static const char *const once[] = {"TagSet", NULL};
	const struct xml_node *set = xml_child(d->root, "TagSet");
	if (!document_allow(d, d->root, once, NULL, NULL))
		return false;
	if (set == NULL)
		return document_refuse(d, S3_MALFORMED_XML, "<Tagging> without <TagSet>");
	return tagging_read_set(d, set, owner, out);
}

enum s3_error tagging_parse_xml(struct str doc, enum tagging_owner owner, struct arena *a,
                                struct tagging *out, const char **why)
{
	struct document d;
	*out = (struct tagging){0};
	if (document_read(&d, doc, "Tagging", a))
		parse_set(&d, owner, out);
	*why = d.why;
	return d.error;
}

static bool parse_header(struct document *d, struct str value, struct tagging *out)
{
	struct uri_query q;
	if (!uri_parse_query(d->arena, value, &q))
		return document_refuse(d, S3_INVALID_ARGUMENT,
		                       "The header 'x-amz-tagging' shall be encoded as UTF-8 then "
		                       "URLEncoded URL query parameters");
	if (!begin(d, TAGGING_OBJECT, q.n, out))
		return false;
	for (size_t i = 0; i < q.n; i++)
		if (!add(d, out, (struct str_pair){q.params[i].name, q.params[i].value}))
			return false;
	return true;
}

enum s3_error tagging_parse_header(struct str value, struct arena *a, struct tagging *out,
                                   const char **why)
{
	struct document d = {.arena = a};
	*out = (struct tagging){0};
	parse_header(&d, value, out);
	*why = d.why;
	return d.error;
}

void tagging_write_tag(struct buf *b, const struct str_pair *tag)
{
	xml_open(b, "Tag");
	xml_text(b, "Key", tag->name);
	xml_text(b, "Value", tag->value);
	xml_close(b, "Tag");
}

void tagging_write(struct buf *b, const struct tagging *t)
{
	xml_begin(b, "Tagging");
	xml_open(b, "TagSet");
	for (size_t i = 0; i < t->n; i++)
		tagging_write_tag(b, &t->tags[i]);
	xml_close(b, "TagSet");
	xml_close(b, "Tagging");
}
