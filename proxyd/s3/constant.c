/* SPDX-License-Identifier: MIT
 *
 * What clients and tools ask about a bucket although it cannot be set here. The answers
 * say truthfully what is the case: nobody else pays, nothing is accelerated, logged,
 * announced, replicated, locked, served as a site, or ruled by a policy.
 */
#include "config/config.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/document.h"
#include "store/buckets.h"

#define DOCUMENT_MAX (64 * 1024)

static const struct constant {
	const char *parameter;
	enum s3_error error; /* or S3_OK: an element, with one child if that is not NULL */
	const char *root, *child, *text;
} constants[] = {
	{"accelerate", S3_OK, "AccelerateConfiguration", NULL, NULL},
	{"logging", S3_OK, "BucketLoggingStatus", NULL, NULL},
	{"notification", S3_OK, "NotificationConfiguration", NULL, NULL},
	{"object-lock", S3_NO_OBJECT_LOCK, NULL, NULL, NULL},
	{"policy", S3_NO_SUCH_POLICY, NULL, NULL, NULL},
	{"replication", S3_NO_REPLICATION, NULL, NULL, NULL},
	{"requestPayment", S3_OK, "RequestPaymentConfiguration", "Payer", "BucketOwner"},
	{"website", S3_NO_WEBSITE, NULL, NULL, NULL},
};

void s3_get_constant(struct s3_call *c)
{
	const struct constant *k = constants;
	while (!str_eq(str_of(k->parameter), str_of(c->operation->parameter)))
		k++;
	if (k->error != S3_OK) {
		s3_fail(c, k->error, NULL);
		return;
	}
	BUF_AUTO b = {0};
	xml_begin(&b, k->root);
	if (k->child)
		xml_text(&b, k->child, str_of(k->text));
	xml_close(&b, k->root);
	s3_reply_xml(c, buf_str(&b));
}

void s3_get_policy_status(struct s3_call *c)
{
	const struct config_bucket *configured = config_bucket(c->server->config, c->bucket);
	struct store_bucket bucket;
	struct error e;
	if (store_bucket_find(c->server->store, c->bucket, s3_public_settings, S3_PUBLIC_SETTINGS,
	                      c->arena, &bucket, &e) != ERR_OK) {
		s3_fail_err(c, &e, NULL);
		return;
	}
	BUF_AUTO b = {0};
	xml_begin(&b, "PolicyStatus");
	xml_bool(&b, "IsPublic",
	         (configured && configured->public_read) ||
	                 s3_public_access(&bucket) >= S3_ACCESS_LISTED);
	xml_close(&b, "PolicyStatus");
	s3_reply_xml(c, buf_str(&b));
}

/* --- encryption: the operator's choice ----------------------------------------- */

#define ENCRYPTION "ServerSideEncryptionConfiguration"
#define BY_DEFAULT "ApplyServerSideEncryptionByDefault"

static bool encrypts(const struct s3_call *c)
{
	return c->server->config->encryption.enabled;
}

void s3_get_bucket_encryption(struct s3_call *c)
{
	if (!encrypts(c)) {
		s3_fail(c, S3_NO_ENCRYPTION, NULL);
		return;
	}
	BUF_AUTO b = {0};
	xml_begin(&b, ENCRYPTION);
	xml_open(&b, "Rule");
	xml_open(&b, BY_DEFAULT);
	xml_text(&b, "SSEAlgorithm", STR("AES256"));
	xml_close(&b, BY_DEFAULT);
	xml_bool(&b, "BucketKeyEnabled", false);
	xml_close(&b, "Rule");
	xml_close(&b, ENCRYPTION);
	s3_reply_xml(c, buf_str(&b));
}

static bool check_rule(struct document *d)
{
	static const char *const one[] = {"Rule", NULL};
	static const char *const names[] = {BY_DEFAULT, "BucketKeyEnabled", NULL};
	static const char *const inner[] = {"SSEAlgorithm", "KMSMasterKeyID", NULL};
	const struct xml_node *rule = xml_child(d->root, "Rule");
	const struct xml_node *by_default = rule ? xml_child(rule, BY_DEFAULT) : NULL;
	bool bucket_key = false;
	if (!document_allow(d, d->root, one, NULL, NULL))
		return false;
	if (!by_default)
		return document_refuse(d, S3_MALFORMED_XML, "There is no " BY_DEFAULT);
	if (!document_allow(d, rule, names, NULL, NULL) ||
	    !document_allow(d, by_default, inner, NULL, NULL) ||
	    !document_bool(d, rule, "BucketKeyEnabled", &bucket_key))
		return false;
	if (!str_eq(xml_child_text(by_default, "SSEAlgorithm"), STR("AES256")) ||
	    xml_child(by_default, "KMSMasterKeyID"))
		return document_refuse(d, S3_NOT_IMPLEMENTED,
		                       "SSEAlgorithm is supported only as AES256");
	return true;
}

void s3_put_bucket_encryption(struct s3_call *c)
{
	struct document d;
	struct str doc;
	if (!s3_receive_document(c, DOCUMENT_MAX, &doc))
		return;
	if (!document_read(&d, doc, ENCRYPTION, c->arena) || !check_rule(&d))
		s3_fail(c, d.error, d.why);
	else if (!encrypts(c))
		s3_fail(c, S3_INVALID_REQUEST,
		        "Objects are not encrypted here: encryption.enabled of the configuration "
		        "is false");
	else
		http_reply(c->http, 200, STR_NULL);
}

/* Back to what is done by default, which is the same. */
void s3_delete_bucket_encryption(struct s3_call *c)
{
	http_reply(c->http, 204, STR_NULL);
}
