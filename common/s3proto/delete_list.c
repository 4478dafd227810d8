/* SPDX-License-Identifier: MIT
 *
 * From the document of DeleteObjects to its list. Everything that is not
 * understood refuses the whole request, because what is deleted stays deleted.
 */
#include "s3proto/delete_list.h"

#include "s3proto/document.h"
#include "s3proto/etag.h"

static const char *const root_once[] = {"Quiet", NULL};
static const char *const root_many[] = {"Object", NULL};
static const char *const object_once[] = {"Key", "VersionId", "ETag", NULL};
static const char *const object_unsupported[] = {"LastModifiedTime", "Size", NULL};

static bool parse_etag(struct document *d, const struct xml_node *n, struct str *etag)
{
	struct str text;
	if (xml_child(n, "ETag") == NULL)
		return true;
	if (!document_text(d, n, "ETag", &text))
		return false;
	text = str_trim(text);
	*etag = etag_strip(text);
	bool is_any = str_eq(text, STR("*"));
	if (etag->n == 0 || str_starts(text, STR("W/")) || (str_eq(*etag, STR("*")) && !is_any))
		return document_refuse(d, S3_INVALID_ARGUMENT,
		                       "The ETag \"%.*s\" cannot be that of an object",
		                       STR_FMT(text));
	return true;
}

static bool parse_object(struct document *d, const struct xml_node *n, struct delete_item *out)
{
	if (!document_allow(d, n, object_once, NULL, object_unsupported))
		return false;
	if (xml_child(n, "Key") == NULL)
		return document_refuse(d, S3_MALFORMED_XML, "<Object> without <Key>");
	return document_text(d, n, "Key", &out->key) &&
	       document_text(d, n, "VersionId", &out->version) && parse_etag(d, n, &out->etag);
}

static bool parse_list(struct document *d, struct delete_list *out)
{
	size_t n = document_count(d->root, "Object");
	if (!document_allow(d, d->root, root_once, root_many, NULL) ||
	    !document_bool(d, d->root, "Quiet", &out->quiet))
		return false;
	if (n == 0)
		return document_refuse(d, S3_MALFORMED_XML, "No objects specified for deletion");
	if (n > DELETE_LIST_MAX)
		return document_refuse(d, S3_MALFORMED_XML,
		                       "DeleteObjects request may contain a maximum of %d objects",
		                       DELETE_LIST_MAX);
	out->items = ARENA_ARRAY(d->arena, struct delete_item, n);
	for (const struct xml_node *o = xml_child(d->root, "Object"); o != NULL; o = xml_next(o))
		if (!parse_object(d, o, &out->items[out->n++]))
			return false;
	return true;
}

enum s3_error delete_list_parse(struct str doc, struct arena *a, struct delete_list *out,
                                const char **why)
{
	struct document d;
	*out = (struct delete_list){0};
	if (document_read(&d, doc, "Delete", a))
		parse_list(&d, out);
	*why = d.why;
	return d.error;
}
