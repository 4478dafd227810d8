/* SPDX-License-Identifier: MIT
 *
 * GetBucketVersioning and PutBucketVersioning: whether a bucket keeps versions.
 */
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/document.h"
#include "s3proto/xml.h"
#include "store/versions.h"

#define DOCUMENT_MAX 4096 /* bytes; two elements with a word each */

void s3_get_bucket_versioning(struct s3_call *c)
{
	enum store_versioning v;
	struct error e;
	if (store_versioning(c->server->store, c->bucket, &v, &e) != ERR_OK) {
		s3_fail_err(c, &e, "Failed to look up the bucket");
		return;
	}
	BUF_AUTO b = {0};
	xml_begin(&b, "VersioningConfiguration");
	if (v != STORE_NEVER_VERSIONED)
		xml_text(&b, "Status", v == STORE_VERSIONED ? STR("Enabled") : STR("Suspended"));
	xml_close(&b, "VersioningConfiguration");
	s3_reply_xml(c, buf_str(&b));
}

/* That a second factor is wanted for deletions must not be taken for done. */
static bool read_mfa(struct document *d)
{
	struct str mfa = STR_NULL;
	if (!xml_child(d->root, "MfaDelete"))
		return true;
	if (!document_text(d, d->root, "MfaDelete", &mfa))
		return false;
	if (str_eq(mfa, STR("Enabled")))
		return document_refuse(d, S3_NOT_IMPLEMENTED, "MfaDelete is not supported");
	return str_eq(mfa, STR("Disabled")) ||
	       document_refuse(d, S3_MALFORMED_XML, "<MfaDelete> must be Enabled or Disabled");
}

static bool read_status(struct document *d, enum store_versioning *out)
{
	struct str status = STR_NULL;
	if (!xml_child(d->root, "Status"))
		return document_refuse(
			d, S3_ILLEGAL_VERSIONING,
			"The Versioning element must be specified: <Status> is missing");
	if (!document_text(d, d->root, "Status", &status))
		return false;
	*out = str_eq(status, STR("Enabled")) ? STORE_VERSIONED : STORE_VERSIONING_SUSPENDED;
	return *out == STORE_VERSIONED || str_eq(status, STR("Suspended")) ||
	       document_refuse(d, S3_MALFORMED_XML, "<Status> must be Enabled or Suspended");
}

void s3_put_bucket_versioning(struct s3_call *c)
{
	static const char *const once[] = {"Status", "MfaDelete", NULL};
	struct document d;
	struct str text;
	struct error e;
	enum store_versioning v = STORE_VERSIONING_SUSPENDED;
	if (!s3_receive_document(c, DOCUMENT_MAX, &text))
		return;
	if (!document_read(&d, text, "VersioningConfiguration", c->arena) ||
	    !document_allow(&d, d.root, once, NULL, NULL) || !read_mfa(&d) || !read_status(&d, &v))
		s3_fail(c, d.error, d.why);
	else if (store_set_versioning(c->server->store, c->bucket, c->owner, v, &e) != ERR_OK)
		s3_fail_err(c, &e, "Failed to set the versioning of the bucket");
	else
		http_reply(c->http, 200, STR_NULL);
}
