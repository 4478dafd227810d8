/* SPDX-License-Identifier: MIT
 *
 * See acl.h.
 */
#include "s3proto/acl.h"

#include "s3proto/document.h"
#include "s3proto/xml.h"

#define ALL_USERS "http://acs.amazonaws.com/groups/global/AllUsers"
#define XSI       "http://www.w3.org/2001/XMLSchema-instance"

enum s3_error acl_parse_canned(struct str value, bool *public_read)
{
	static const char *const others[] = {"public-read-write", "authenticated-read",
	                                     "aws-exec-read", "log-delivery-write"};
	*public_read = str_eq(value, STR("public-read"));
	if (*public_read || str_eq(value, STR("private")) ||
	    str_eq(value, STR("bucket-owner-full-control")) ||
	    str_eq(value, STR("bucket-owner-read")))
		return S3_OK;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (str_eq(value, str_of(others[i])))
			return S3_NOT_IMPLEMENTED;
	return S3_INVALID_ARGUMENT;
}

static bool read_grant(struct document *d, const struct xml_node *grant, struct str owner,
                       bool *public_read)
{
	static const char *const names[] = {"Grantee", "Permission", NULL};
	const struct xml_node *grantee = xml_child(grant, "Grantee");
	struct str permission = xml_child_text(grant, "Permission");
	if (!document_allow(d, grant, names, NULL, NULL))
		return false;
	if (!grantee || !permission.n)
		return document_refuse(d, S3_MALFORMED_ACL, "A grant needs Grantee and Permission");
	if (str_eq(xml_child_text(grantee, "URI"), STR(ALL_USERS)) &&
	    str_eq(permission, STR("READ")))
		*public_read = true;
	else if (!str_eq(xml_child_text(grantee, "ID"), owner))
		return document_refuse(d, S3_NOT_IMPLEMENTED,
		                       "Only READ can be granted, and only to " ALL_USERS);
	else if (!str_eq(permission, STR("FULL_CONTROL")))
		return document_refuse(d, S3_NOT_IMPLEMENTED,
		                       "The owner has FULL_CONTROL, not %.*s", STR_FMT(permission));
	return true;
}

static bool read_policy(struct document *d, struct str doc, struct str owner, struct arena *a,
                        bool *public_read)
{
	static const char *const names[] = {"Owner", "AccessControlList", NULL};
	static const char *const grants[] = {"Grant", NULL};
	if (!document_read(d, doc, "AccessControlPolicy", a) ||
	    !document_allow(d, d->root, names, NULL, NULL))
		return false;
	const struct xml_node *list = xml_child(d->root, "AccessControlList");
	if (!list)
		return document_refuse(d, S3_MALFORMED_ACL, "There is no AccessControlList");
	if (!document_allow(d, list, NULL, grants, NULL))
		return false;
	for (const struct xml_node *g = xml_child(list, "Grant"); g; g = xml_next(g))
		if (!read_grant(d, g, owner, public_read))
			return false;
	return true;
}

enum s3_error acl_parse_xml(struct str doc, struct str owner, struct arena *a, bool *public_read,
                            const char **why)
{
	struct document d;
	*public_read = false;
	bool ok = read_policy(&d, doc, owner, a, public_read);
	*why = d.why;
	if (ok)
		return S3_OK;
	return d.error == S3_MALFORMED_XML ? S3_MALFORMED_ACL : d.error;
}

static void write_grant(struct buf *b, const char *type, const char *element, struct str who,
                        const char *permission)
{
	xml_open(b, "Grant");
	buf_printf(b, "<Grantee xmlns:xsi=\"" XSI "\" xsi:type=\"%s\">", type);
	xml_text(b, element, who);
	xml_close(b, "Grantee");
	xml_text(b, "Permission", str_of(permission));
	xml_close(b, "Grant");
}

void acl_write(struct buf *b, struct str owner, bool public_read)
{
	xml_begin(b, "AccessControlPolicy");
	xml_open(b, "Owner");
	xml_text(b, "ID", owner);
	xml_text(b, "DisplayName", owner);
	xml_close(b, "Owner");
	xml_open(b, "AccessControlList");
	write_grant(b, "CanonicalUser", "ID", owner, "FULL_CONTROL");
	if (public_read)
		write_grant(b, "Group", "URI", STR(ALL_USERS), "READ");
	xml_close(b, "AccessControlList");
	xml_close(b, "AccessControlPolicy");
}
