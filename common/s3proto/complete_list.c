/* SPDX-License-Identifier: MIT
 *
 * From the document of CompleteMultipartUpload to its list. The order is checked
 * here because it needs no look into the catalogue.
 */
#include "s3proto/complete_list.h"

#include "s3proto/document.h"
#include "s3proto/etag.h"

static const char *const root_many[] = {"Part", NULL};

static bool parse_number(struct document *d, struct str text, unsigned *number)
{
	uint64_t v;
	if (!str_to_u64(str_trim(text), &v) || v < 1 || v > COMPLETE_LIST_MAX)
		return document_refuse(d, S3_INVALID_ARGUMENT,
		                       "PartNumber must be an integer between 1 and %d, inclusive",
		                       COMPLETE_LIST_MAX);
	*number = (unsigned)v;
	return true;
}

/* Which element it is decides the kind, so that there is no second list of them. */
static bool parse_checksum(struct document *d, const struct xml_node *n, struct complete_part *out)
{
	enum checksum_kind k;
	if (!checksum_of_element(n->name, &k)) {
		bool is_other_kind = str_starts(n->name, STR("Checksum"));
		return document_refuse(d, is_other_kind ? S3_NOT_IMPLEMENTED : S3_MALFORMED_XML,
		                       "<%.*s> is not supported in <Part>", STR_FMT(n->name));
	}
	return document_leaf(d, n, &out->checksum[k]);
}

static bool parse_child(struct document *d, const struct xml_node *n, struct complete_part *out)
{
	struct str text;
	if (str_eq(n->name, STR("PartNumber")))
		return document_leaf(d, n, &text) && parse_number(d, text, &out->number);
	if (!str_eq(n->name, STR("ETag")))
		return parse_checksum(d, n, out);
	if (!document_leaf(d, n, &text))
		return false;
	out->etag = etag_strip(text);
	return true;
}

static bool parse_part(struct document *d, const struct xml_node *n, struct complete_part *out)
{
	for (const struct xml_node *c = n->child; c != NULL; c = c->next) {
		if (xml_next(c) != NULL)
			return document_refuse(d, S3_MALFORMED_XML, "<%.*s> stands twice in <Part>",
			                       STR_FMT(c->name));
		if (!parse_child(d, c, out))
			return false;
	}
	if (out->number == 0)
		return document_refuse(d, S3_MALFORMED_XML, "<Part> without <PartNumber>");
	return true;
}

static bool parse_parts(struct document *d, struct complete_list *out)
{
	unsigned last = 0;
	for (const struct xml_node *n = xml_child(d->root, "Part"); n != NULL; n = xml_next(n)) {
		struct complete_part *part = &out->parts[out->n++];
		if (!parse_part(d, n, part))
			return false;
		if (part->number <= last) {
			d->error = S3_INVALID_PART_ORDER;
			return false;
		}
		last = part->number;
	}
	return true;
}

static bool parse_list(struct document *d, struct complete_list *out)
{
	size_t n = document_count(d->root, "Part");
	if (!document_allow(d, d->root, NULL, root_many, NULL))
		return false;
	if (n == 0)
		return document_refuse(d, S3_MALFORMED_XML, "You must specify at least one part");
	if (n > COMPLETE_LIST_MAX)
		return document_refuse(d, S3_MALFORMED_XML, "There are more than %d parts",
		                       COMPLETE_LIST_MAX);
	out->parts = ARENA_ARRAY(d->arena, struct complete_part, n);
	return parse_parts(d, out);
}

enum s3_error complete_list_parse(struct str doc, struct arena *a, struct complete_list *out,
                                  const char **why)
{
	struct document d;
	*out = (struct complete_list){0};
	if (document_read(&d, doc, "CompleteMultipartUpload", a))
		parse_list(&d, out);
	*why = d.why;
	return d.error;
}
