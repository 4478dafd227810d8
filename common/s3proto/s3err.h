/* SPDX-License-Identifier: MIT
 *
 * The errors that an S3 client can be told, as one table: code, HTTP status
 * and default message. Several rows share a code where S3 uses one code with
 * several statuses; a row names what happened, the code is what goes out.
 * Source: "Error responses" of the Amazon S3 API reference.
 */
#ifndef S3PROTO_S3ERR_H
#define S3PROTO_S3ERR_H

#include "base/buf.h"
#include "base/str.h"

/* X(name, code, status, default message) */
#define S3_ERRORS(X)                                                                               \
	X(ACCESS_DENIED, "AccessDenied", 403, "Access denied")                                     \
	X(ACCESS_FORBIDDEN, "AccessForbidden", 403,                                                \
	  "CORSResponse: This CORS request is not allowed.")                                       \
	X(AUTH_HEADER_MALFORMED, "AuthorizationHeaderMalformed", 400,                              \
	  "The authorization header that you provided is not valid.")                              \
	X(AUTH_QUERY_PARAMETERS, "AuthorizationQueryParametersError", 400,                         \
	  "The authorization query parameters that you provided are not valid.")                   \
	X(INVALID_ACCESS_KEY_ID, "InvalidAccessKeyId", 403,                                        \
	  "The AWS access key ID that you provided does not exist in our records.")                \
	X(SIGNATURE_DOES_NOT_MATCH, "SignatureDoesNotMatch", 403,                                  \
	  "The request signature that we calculated does not match the signature that you "        \
	  "provided. Check your secret access key and signing method.")                            \
	X(REQUEST_TIME_TOO_SKEWED, "RequestTimeTooSkewed", 403,                                    \
	  "The difference between the request time and the server's time is too large.")           \
	X(REQUEST_TIMEOUT, "RequestTimeout", 400,                                                  \
	  "Your socket connection to the server was not read from or written to within the "       \
	  "timeout period.")                                                                       \
	X(CONTENT_SHA256_MISMATCH, "XAmzContentSHA256Mismatch", 400,                               \
	  "The provided 'x-amz-content-sha256' header does not match what was computed.")          \
	X(BAD_DIGEST, "BadDigest", 400,                                                            \
	  "The Content-MD5 or checksum value that you specified did not match what the server "    \
	  "received.")                                                                             \
	X(INVALID_DIGEST, "InvalidDigest", 400,                                                    \
	  "The Content-MD5 or checksum value that you specified is not valid.")                    \
	X(INCOMPLETE_BODY, "IncompleteBody", 400,                                                  \
	  "You did not provide the number of bytes specified by the Content-Length HTTP header.")  \
	X(INVALID_REQUEST, "InvalidRequest", 400, "Invalid request")                               \
	X(INVALID_ARGUMENT, "InvalidArgument", 400, "Invalid argument")                            \
	X(INVALID_URI, "InvalidURI", 400, "Couldn't parse the specified URI.")                     \
	X(INVALID_BUCKET_NAME, "InvalidBucketName", 400, "The specified bucket is not valid.")     \
	X(INVALID_PART, "InvalidPart", 400,                                                        \
	  "One or more of the specified parts could not be found. The part may not have been "     \
	  "uploaded, or the specified entity tag may not match the part's entity tag.")            \
	X(INVALID_PART_ORDER, "InvalidPartOrder", 400,                                             \
	  "The list of parts was not in ascending order. The parts list must be specified in "     \
	  "order by part number.")                                                                 \
	X(ENTITY_TOO_SMALL, "EntityTooSmall", 400,                                                 \
	  "Your proposed upload is smaller than the minimum allowed object size.")                 \
	X(ENTITY_TOO_LARGE, "EntityTooLarge", 413, "Object size exceeds the maximum allowed size") \
	X(TOO_MANY_BUCKETS, "TooManyBuckets", 400,                                                 \
	  "You have attempted to create more buckets than allowed.")                               \
	X(ILLEGAL_LOCATION, "IllegalLocationConstraintException", 400,                             \
	  "The location constraint is incompatible with the region of this endpoint.")             \
	X(ILLEGAL_VERSIONING, "IllegalVersioningConfigurationException", 400,                      \
	  "The versioning configuration specified in the request is not valid.")                   \
	X(INVALID_TAG, "InvalidTag", 400, "The tag provided was not a valid tag.")                 \
	X(BAD_REQUEST, "BadRequest", 400, "Bad request")                                           \
	X(ACL_NOT_SUPPORTED, "AccessControlListNotSupported", 400,                                 \
	  "The bucket does not allow ACLs")                                                        \
	X(ACL_WITH_OWNERSHIP, "InvalidBucketAclWithObjectOwnership", 400,                          \
	  "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")        \
	X(MALFORMED_ACL, "MalformedACLError", 400,                                                 \
	  "The ACL that you provided is not well-formed or does not validate.")                    \
	X(KEY_TOO_LONG, "KeyTooLongError", 400, "Your key is too long")                            \
	X(KEY_REQUIRED, "UserKeyMustBeSpecified", 400, "The object key must be specified.")        \
	X(MALFORMED_XML, "MalformedXML", 400, "Failed to parse request body")                      \
	X(MALFORMED_POST, "MalformedPOSTRequest", 400,                                             \
	  "The body of your POST request is not well-formed multipart/form-data.")                 \
	X(POST_FIELDS_TOO_LARGE, "MaxPostPreDataLengthExceededError", 400,                         \
	  "Your POST request fields preceding the upload file were too large.")                    \
	X(POST_TOO_LARGE, "EntityTooLarge", 400,                                                   \
	  "Your proposed upload exceeds the maximum allowed size")                                 \
	X(INVALID_POLICY, "InvalidPolicyDocument", 400,                                            \
	  "The content of the form does not meet the conditions specified in the policy "          \
	  "document.")                                                                             \
	X(METADATA_TOO_LARGE, "MetadataTooLarge", 400,                                             \
	  "Your metadata headers exceed the maximum allowed metadata size.")                       \
	X(MISSING_CONTENT_LENGTH, "MissingContentLength", 411,                                     \
	  "Content-Length header is required")                                                     \
	X(HEADERS_TOO_LARGE, "RequestHeaderSectionTooLarge", 431,                                  \
	  "Your request header section exceeds the maximum allowed size.")                         \
	X(NO_SUCH_BUCKET, "NoSuchBucket", 404, "The specified bucket does not exist")              \
	X(NO_SUCH_KEY, "NoSuchKey", 404, "object not found")                                       \
	X(NO_SUCH_UPLOAD, "NoSuchUpload", 404, "multipart upload not found")                       \
	X(NO_SUCH_VERSION, "NoSuchVersion", 404, "The specified version does not exist.")          \
	X(NO_SUCH_TAG_SET, "NoSuchTagSet", 404, "The TagSet does not exist")                       \
	X(NO_SUCH_CORS, "NoSuchCORSConfiguration", 404, "The CORS configuration does not exist")   \
	X(NO_SUCH_LIFECYCLE, "NoSuchLifecycleConfiguration", 404,                                  \
	  "The lifecycle configuration does not exist")                                            \
	X(NO_SUCH_POLICY, "NoSuchBucketPolicy", 404, "The bucket policy does not exist")           \
	X(NO_OWNERSHIP_CONTROLS, "OwnershipControlsNotFoundError", 404,                            \
	  "The bucket ownership controls were not found")                                          \
	X(NO_PUBLIC_ACCESS_BLOCK, "NoSuchPublicAccessBlockConfiguration", 404,                     \
	  "The public access block configuration was not found")                                   \
	X(NO_ENCRYPTION, "ServerSideEncryptionConfigurationNotFoundError", 404,                    \
	  "The server side encryption configuration was not found")                                \
	X(NO_WEBSITE, "NoSuchWebsiteConfiguration", 404,                                           \
	  "The specified bucket does not have a website configuration")                            \
	X(NO_REPLICATION, "ReplicationConfigurationNotFoundError", 404,                            \
	  "The replication configuration was not found")                                           \
	X(NO_OBJECT_LOCK, "ObjectLockConfigurationNotFoundError", 404,                             \
	  "Object Lock configuration does not exist for this bucket")                              \
	X(METHOD_NOT_ALLOWED, "MethodNotAllowed", 405, "Method not supported")                     \
	X(BUCKET_NOT_EMPTY, "BucketNotEmpty", 409,                                                 \
	  "The bucket that you tried to delete is not empty.")                                     \
	X(BUCKET_ALREADY_EXISTS, "BucketAlreadyExists", 409,                                       \
	  "The requested bucket name is not available.")                                           \
	X(BUCKET_ALREADY_OWNED, "BucketAlreadyOwnedByYou", 409,                                    \
	  "The bucket exists, you own it, and it has other settings than those of the request")    \
	X(PRECONDITION_FAILED, "PreconditionFailed", 412,                                          \
	  "At least one of the pre-conditions you specified did not hold")                         \
	X(INVALID_RANGE, "InvalidRange", 416, "The requested range is not satisfiable")            \
	X(INVALID_PART_NUMBER, "InvalidPartNumber", 416,                                           \
	  "The requested part number is not satisfiable")                                          \
	X(RATE_LIMITED, "SlowDown", 429, "Rate limit exceeded")                                    \
	X(USAGE_LIMITED, "SlowDown", 429,                                                          \
	  "monthly usage limit exceeded for all backends holding this object")                     \
	X(INTERNAL_ERROR, "InternalError", 500, "An internal error occurred. Try again.")          \
	X(BACKEND_FAILED, "InternalError", 502, "The storage backend failed. Try again.")          \
	X(NOT_IMPLEMENTED, "NotImplemented", 501,                                                  \
	  "A header or parameter that you provided implies functionality that is not "             \
	  "implemented.")                                                                          \
	X(SLOW_DOWN, "SlowDown", 503, "Server at capacity")                                        \
	X(BACKEND_BUSY, "SlowDown", 503, "The storage backend is busy. Try again.")                \
	X(SERVICE_UNAVAILABLE, "ServiceUnavailable", 503,                                          \
	  "The service is temporarily unavailable. Try again.")                                    \
	X(INSUFFICIENT_STORAGE, "InsufficientStorage", 507,                                        \
	  "No backend has capacity for this upload")

enum s3_error {
	S3_OK = 0,
#define X(name, code, status, message) S3_##name,
	S3_ERRORS(X)
#undef X
};

/* None of these may be asked about S3_OK. */
const char *s3_error_code(enum s3_error e);
int s3_error_status(enum s3_error e);
const char *s3_error_message(enum s3_error e); /* the default one */

/* Appends the XML body of an error answer (Content-Type: application/xml). An
 * empty message is replaced by the default one; empty resource, request_id and
 * host_id leave their element out. */
void s3_error_body(struct buf *b, enum s3_error e, struct str message, struct str resource,
                   struct str request_id, struct str host_id);

#endif
