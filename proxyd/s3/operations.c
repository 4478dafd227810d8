/* SPDX-License-Identifier: MIT
 *
 * The operations of S3 that are served: which request is which. What is not here is
 * refused by name, never taken for its plain neighbour.
 */
#include <stdlib.h>
#include <string.h>

#include "observe/metrics.h"
#include "proxyd/s3/s3.h"

/* Further members follow. */
#define OPERATION(name_, method_, level_, parameter_, handle_, metric_, does_, ...)                \
	{                                                                                          \
		.name = (name_), .method = (method_), .level = (level_),                           \
		.parameter = (parameter_), .handle = (handle_), .metric = (metric_),               \
		.does = (does_), __VA_ARGS__                                                       \
	}

/* First match wins. */
static const struct s3_operation operations[] = {
	OPERATION("ListBuckets", "GET", S3_SERVICE, NULL, s3_list_buckets, -1, S3_DOES_OTHER),

	OPERATION("GetBucketVersioning", "GET", S3_BUCKET, "versioning", s3_get_bucket_versioning,
                  -1, S3_DOES_OTHER),
	OPERATION("PutBucketVersioning", "PUT", S3_BUCKET, "versioning", s3_put_bucket_versioning,
                  -1, S3_DOES_OTHER),
	OPERATION("DeleteObjects", "POST", S3_BUCKET, "delete", s3_delete_objects,
                  METRIC_OPERATION_DELETE_MANY, S3_DOES_DELETE | S3_DOES_MANY),
	OPERATION("ListObjectVersions", "GET", S3_BUCKET, "versions", s3_list_object_versions,
                  METRIC_OPERATION_LIST, S3_DOES_OTHER),
	OPERATION("GetBucketTagging", "GET", S3_BUCKET, "tagging", s3_get_setting, -1,
                  S3_DOES_OTHER),
	OPERATION("PutBucketTagging", "PUT", S3_BUCKET, "tagging", s3_put_setting, -1,
                  S3_DOES_OTHER),
	OPERATION("DeleteBucketTagging", "DELETE", S3_BUCKET, "tagging", s3_delete_setting, -1,
                  S3_DOES_OTHER),
	OPERATION("GetBucketCors", "GET", S3_BUCKET, "cors", s3_get_setting, -1, S3_DOES_OTHER),
	OPERATION("PutBucketCors", "PUT", S3_BUCKET, "cors", s3_put_setting, -1, S3_DOES_OTHER),
	OPERATION("DeleteBucketCors", "DELETE", S3_BUCKET, "cors", s3_delete_setting, -1,
                  S3_DOES_OTHER),
	OPERATION("GetBucketLifecycleConfiguration", "GET", S3_BUCKET, "lifecycle", s3_get_setting,
                  -1, S3_DOES_OTHER),
	OPERATION("PutBucketLifecycleConfiguration", "PUT", S3_BUCKET, "lifecycle", s3_put_setting,
                  -1, S3_DOES_OTHER),
	OPERATION("DeleteBucketLifecycle", "DELETE", S3_BUCKET, "lifecycle", s3_delete_setting, -1,
                  S3_DOES_OTHER),
	OPERATION("GetBucketOwnershipControls", "GET", S3_BUCKET, "ownershipControls",
                  s3_get_setting, -1, S3_DOES_OTHER),
	OPERATION("PutBucketOwnershipControls", "PUT", S3_BUCKET, "ownershipControls",
                  s3_put_setting, -1, S3_DOES_OTHER),
	OPERATION("DeleteBucketOwnershipControls", "DELETE", S3_BUCKET, "ownershipControls",
                  s3_delete_setting, -1, S3_DOES_OTHER),
	OPERATION("GetPublicAccessBlock", "GET", S3_BUCKET, "publicAccessBlock", s3_get_setting, -1,
                  S3_DOES_OTHER),
	OPERATION("PutPublicAccessBlock", "PUT", S3_BUCKET, "publicAccessBlock", s3_put_setting, -1,
                  S3_DOES_OTHER),
	OPERATION("DeletePublicAccessBlock", "DELETE", S3_BUCKET, "publicAccessBlock",
                  s3_delete_setting, -1, S3_DOES_OTHER),
	OPERATION("GetBucketAcl", "GET", S3_BUCKET, "acl", s3_get_setting, -1, S3_DOES_OTHER),
	OPERATION("PutBucketAcl", "PUT", S3_BUCKET, "acl", s3_put_bucket_acl, -1, S3_DOES_ACL),
	OPERATION("GetBucketEncryption", "GET", S3_BUCKET, "encryption", s3_get_bucket_encryption,
                  -1, S3_DOES_OTHER),
	OPERATION("PutBucketEncryption", "PUT", S3_BUCKET, "encryption", s3_put_bucket_encryption,
                  -1, S3_DOES_OTHER),
	OPERATION("DeleteBucketEncryption", "DELETE", S3_BUCKET, "encryption",
                  s3_delete_bucket_encryption, -1, S3_DOES_OTHER),
	OPERATION("GetBucketPolicyStatus", "GET", S3_BUCKET, "policyStatus", s3_get_policy_status,
                  -1, S3_DOES_OTHER),
	OPERATION("GetBucketAccelerateConfiguration", "GET", S3_BUCKET, "accelerate",
                  s3_get_constant, -1, S3_DOES_OTHER),
	OPERATION("GetBucketLogging", "GET", S3_BUCKET, "logging", s3_get_constant, -1,
                  S3_DOES_OTHER),
	OPERATION("GetBucketNotificationConfiguration", "GET", S3_BUCKET, "notification",
                  s3_get_constant, -1, S3_DOES_OTHER),
	OPERATION("GetObjectLockConfiguration", "GET", S3_BUCKET, "object-lock", s3_get_constant,
                  -1, S3_DOES_OTHER),
	OPERATION("GetBucketPolicy", "GET", S3_BUCKET, "policy", s3_get_constant, -1,
                  S3_DOES_OTHER),
	OPERATION("GetBucketReplication", "GET", S3_BUCKET, "replication", s3_get_constant, -1,
                  S3_DOES_OTHER),
	OPERATION("GetBucketRequestPayment", "GET", S3_BUCKET, "requestPayment", s3_get_constant,
                  -1, S3_DOES_OTHER),
	OPERATION("GetBucketWebsite", "GET", S3_BUCKET, "website", s3_get_constant, -1,
                  S3_DOES_OTHER),

	OPERATION("CreateBucket", "PUT", S3_BUCKET, NULL, s3_create_bucket, -1,
                  S3_DOES_MAKE_BUCKET),
	OPERATION("DeleteBucket", "DELETE", S3_BUCKET, NULL, s3_delete_bucket, -1, S3_DOES_OTHER),
	OPERATION("HeadBucket", "HEAD", S3_BUCKET, NULL, s3_head_bucket, -1, S3_DOES_OTHER,
                  .open = S3_ACCESS_LISTED),
	OPERATION("GetBucketLocation", "GET", S3_BUCKET, "location", s3_get_bucket_location, -1,
                  S3_DOES_OTHER),
	OPERATION("ListMultipartUploads", "GET", S3_BUCKET, "uploads", s3_list_uploads, -1,
                  S3_DOES_OTHER),
	OPERATION("ListObjectsV2", "GET", S3_BUCKET, "list-type", s3_list_objects_v2,
                  METRIC_OPERATION_LIST, S3_DOES_OTHER, .value = "2", .open = S3_ACCESS_LISTED),
	OPERATION("ListObjectsV1", "GET", S3_BUCKET, NULL, s3_list_objects_v1,
                  METRIC_OPERATION_LIST, S3_DOES_OTHER, .open = S3_ACCESS_LISTED),

	OPERATION("PostObject", "POST", S3_FORM, NULL, s3_post_object, METRIC_OPERATION_PUT,
                  S3_DOES_WRITE),
	OPERATION("CreateMultipartUpload", "POST", S3_OBJECT, "uploads", s3_create_upload,
                  METRIC_OPERATION_CREATE_UPLOAD, S3_DOES_WRITE | S3_DOES_PREPARE),
	OPERATION("UploadPart", "PUT", S3_OBJECT, "uploadId", s3_upload_part, METRIC_OPERATION_PART,
                  S3_DOES_WRITE | S3_DOES_PREPARE, .accepts = "partNumber"),
	OPERATION("CompleteMultipartUpload", "POST", S3_OBJECT, "uploadId", s3_complete_upload,
                  METRIC_OPERATION_COMPLETE, S3_DOES_WRITE, .sums_object = true),
	OPERATION("AbortMultipartUpload", "DELETE", S3_OBJECT, "uploadId", s3_abort_upload,
                  METRIC_OPERATION_ABORT, S3_DOES_DELETE | S3_DOES_PREPARE),
	OPERATION("ListParts", "GET", S3_OBJECT, "uploadId", s3_list_parts, -1, S3_DOES_READ),
	OPERATION("GetObjectAttributes", "GET", S3_OBJECT, "attributes", s3_get_object_attributes,
                  -1, S3_DOES_READ, .accepts = "versionId"),
	OPERATION("GetObjectTagging", "GET", S3_OBJECT, "tagging", s3_get_object_tagging, -1,
                  S3_DOES_OTHER, .accepts = "versionId"),
	OPERATION("PutObjectTagging", "PUT", S3_OBJECT, "tagging", s3_put_object_tagging, -1,
                  S3_DOES_OTHER, .accepts = "versionId"),
	OPERATION("DeleteObjectTagging", "DELETE", S3_OBJECT, "tagging", s3_delete_object_tagging,
                  -1, S3_DOES_OTHER, .accepts = "versionId"),
	OPERATION("GetObjectAcl", "GET", S3_OBJECT, "acl", s3_get_object_acl, -1, S3_DOES_OTHER,
                  .accepts = "versionId"),
	OPERATION("PutObjectAcl", "PUT", S3_OBJECT, "acl", s3_put_object_acl, -1, S3_DOES_ACL,
                  .accepts = "versionId"),
	OPERATION("PutObject", "PUT", S3_OBJECT, NULL, s3_put_object, METRIC_OPERATION_PUT,
                  S3_DOES_WRITE),
	OPERATION("UploadPartCopy", "PUT", S3_OBJECT, "uploadId", s3_upload_part_copy,
                  METRIC_OPERATION_PART, S3_DOES_WRITE | S3_DOES_PREPARE, .accepts = "partNumber",
                  .copies = true),
	OPERATION("CopyObject", "PUT", S3_OBJECT, NULL, s3_copy_object, METRIC_OPERATION_COPY,
                  S3_DOES_WRITE | S3_DOES_COPY_ALL, .copies = true),
	OPERATION("GetObject", "GET", S3_OBJECT, NULL, s3_get_object, METRIC_OPERATION_GET,
                  S3_DOES_READ, .accepts = "partNumber versionId", .open = S3_ACCESS_OBJECTS),
	OPERATION("HeadObject", "HEAD", S3_OBJECT, NULL, s3_head_object, METRIC_OPERATION_HEAD,
                  S3_DOES_READ, .accepts = "partNumber versionId", .open = S3_ACCESS_OBJECTS),
	OPERATION("DeleteObject", "DELETE", S3_OBJECT, NULL, s3_delete_object,
                  METRIC_OPERATION_DELETE, S3_DOES_DELETE, .accepts = "versionId"),
};

/* Query parameters that turn a request into another operation, sorted. A request
 * with one that no operation above claims is refused, never taken for its plain
 * neighbour. */
static const char *const subresources[] = {
	"abac",
	"accelerate",
	"acl",
	"analytics",
	"append",
	"attributes",
	"cors",
	"delete",
	"encryption",
	"intelligent-tiering",
	"inventory",
	"legal-hold",
	"lifecycle",
	"location",
	"logging",
	"metadataConfiguration",
	"metadataInventoryTable",
	"metadataJournalTable",
	"metadataTable",
	"metrics",
	"notification",
	"object-lock",
	"ownershipControls",
	"partNumber",
	"policy",
	"policyStatus",
	"publicAccessBlock",
	"renameObject",
	"replication",
	"requestPayment",
	"restore",
	"retention",
	"select",
	"select-type",
	"session",
	"tagging",
	"torrent",
	"uploadId",
	"uploads",
	"versionId",
	"versioning",
	"versions",
	"website",
};

static unsigned level_of(const struct s3_call *c)
{
	if (c->form)
		return S3_FORM;
	return c->key.n ? S3_OBJECT : c->bucket.n ? S3_BUCKET : S3_SERVICE;
}

static bool matches(const struct s3_call *c, const struct s3_operation *op)
{
	unsigned level = level_of(c);
	if (op->level != level || !str_eq(c->http->head.method, str_of(op->method)))
		return false;
	if (op->copies != (http_head_get(&c->http->head, STR("x-amz-copy-source")) != NULL) &&
	    str_eq(c->http->head.method, STR("PUT")) && level == S3_OBJECT)
		return false;
	if (!op->parameter)
		return true;
	const struct uri_param *p = uri_query_get(&c->query, str_of(op->parameter));
	return p && (!op->value || str_eq(p->value, str_of(op->value)));
}

const struct s3_operation *s3_find_operation(const struct s3_call *c)
{
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		if (matches(c, &operations[i]))
			return &operations[i];
	return NULL;
}

static int compare_name(const void *name, const void *entry)
{
	return str_cmp(*(const struct str *)name, str_of(*(const char *const *)entry));
}

static const char *find_subresource(struct str name)
{
	const char *const *found =
		bsearch(&name, subresources, sizeof(subresources) / sizeof(subresources[0]),
	                sizeof(subresources[0]), compare_name);
	return found ? *found : NULL;
}

const char *s3_foreign_subresource(const struct s3_call *c, const struct s3_operation *op)
{
	for (size_t i = 0; i < c->query.n; i++) {
		const char *name = find_subresource(c->query.params[i].name);
		if (!name || (op && op->parameter && strcmp(op->parameter, name) == 0) ||
		    (op && op->accepts && str_has_word(str_of(op->accepts), name)))
			continue;
		return name;
	}
	return NULL;
}

/* Whether there is an operation on a subresource; NULL: on the bucket or object itself. */
static bool has_method(const struct s3_call *c, const char *subresource, const char *method)
{
	unsigned level = level_of(c);
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		const struct s3_operation *op = &operations[i];
		bool here = op->level == level || (op->level == S3_FORM && level == S3_BUCKET);
		bool about = subresource ? op->parameter && strcmp(op->parameter, subresource) == 0
		                         : !op->parameter;
		if (here && about && strcmp(op->method, method) == 0)
			return true;
	}
	return false;
}

void s3_fail_method(struct s3_call *c, const char *subresource, const char *message)
{
	static const char *const methods[] = {"GET", "HEAD", "PUT", "POST", "DELETE"};
	BUF_AUTO allow = {0};
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (!str_eq(c->http->head.method, str_of(methods[i])) &&
		    has_method(c, subresource, methods[i]))
			buf_printf(&allow, "%s%s", allow.n ? ", " : "", methods[i]);
	http_reply_field(c->http, "Allow", buf_str(&allow));
	s3_fail(c, S3_METHOD_NOT_ALLOWED, message);
}

bool s3_is_other_method(const struct s3_call *c, const char *subresource)
{
	bool changes = false;
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		const struct s3_operation *op = &operations[i];
		if (op->level != level_of(c) || !op->parameter ||
		    strcmp(op->parameter, subresource) != 0)
			continue;
		if (str_eq(c->http->head.method, str_of(op->method)))
			return false;
		changes = changes || !str_eq(STR("GET"), str_of(op->method));
	}
	return changes;
}
