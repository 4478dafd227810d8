/* SPDX-License-Identifier: MIT
 *
 * One S3 request on its way through the server: authenticated, located, handed
 * to the operation's function, answered, and told to log and metrics in one
 * place (s3.c). An operation answers exactly once: with http_reply*() or
 * s3_fail*().
 */
#ifndef PROXYD_S3_H
#define PROXYD_S3_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "net/http_server.h"
#include "net/uri.h"
#include "object/engine.h"
#include "s3proto/awschunk.h"
#include "s3proto/checksum.h"
#include "s3proto/path.h"
#include "s3proto/s3err.h"
#include "s3proto/sigv4.h"

struct config_bucket;
struct config_credential;
struct server;
struct store_bucket;

#define S3_REQUEST_ID_MAX 64

#define S3_PARTS_MAX        10000
#define S3_PART_NUMBER_TEXT "Part number must be an integer between 1 and 10000, inclusive"

/* How far a request may go in its bucket; each includes those before it. */
enum s3_access {
	S3_ACCESS_NONE,
	S3_ACCESS_OBJECTS, /* read objects that are public by their ACL */
	S3_ACCESS_LISTED,  /* list keys: the bucket is public by its ACL */
	S3_ACCESS_PUBLIC,  /* read all objects: buckets[].public_read */
	S3_ACCESS_OWNER,   /* everything */
};

/* Whom all buckets and objects belong to, for clients. */
#define S3_OWNER  "s3-orchestrator"
#define S3_REGION "us-east-1"

struct s3_call {
	struct http_call *http;
	struct server *server;
	struct arena *arena;
	char request_id[S3_REQUEST_ID_MAX + 1];
	struct uri_query query;
	struct sigv4_request auth;                  /* how the request was signed */
	struct sigv4_seed seed;                     /* what chunk signatures continue from */
	const struct config_credential *credential; /* NULL: none was given */
	const struct config_bucket *allowed;        /* at which it stands; NULL without */
	enum s3_access access;
	struct str bucket, key; /* decoded; key empty for bucket operations */
	const struct s3_operation *operation;

	/* for the record */
	uint64_t received;   /* body bytes of the request, decoded */
	uint64_t size;       /* of the object that was stored or read */
	const char *backend; /* that served it; "" when none did */
	uint64_t copies_deleted;
	struct {
		struct str prefix;
		size_t keys; /* and common prefixes, on this page */
		bool truncated;
	} listed;
	bool trespassing;  /* the bucket is not that of the credential */
	const char *event; /* audit event when no operation was reached */
	char error[300];   /* what went wrong, for the log */
};

/* What an operation does, as far as header fields are concerned (request.c). */
enum {
	S3_DOES_READ = 1,
	S3_DOES_WRITE = 2,
	S3_DOES_DELETE = 4,
	S3_DOES_MAKE_BUCKET = 8,
	S3_DOES_OTHER = 16,
	S3_DOES_ACL = 32,
};

struct s3_operation {
	const char *name; /* "PutObject", as in audit events and metrics */
	const char *method;
	enum { S3_SERVICE, S3_BUCKET, S3_OBJECT } level;
	const char *parameter; /* query parameter that must be there, or NULL */
	void (*handle)(struct s3_call *c);
	int metric;          /* METRIC_OPERATION_*, or -1: not a storage operation */
	unsigned does;       /* one of S3_DOES_* */
	const char *value;   /* that the parameter must have, or NULL */
	const char *accepts; /* further subresources, separated by spaces, or NULL */
	bool copies;         /* there is x-amz-copy-source; else there is none */
	enum s3_access open; /* from which on others than the owner may do it; 0: never */
	bool sums_object;    /* x-amz-checksum-* are of the object, not of the body */
};

/* operations.c: what a request asks for, or NULL. */
const struct s3_operation *s3_find_operation(const struct s3_call *c);
/* The first subresource that the request names and the operation (NULL: none) is not
 * about, or NULL. */
const char *s3_foreign_subresource(const struct s3_call *c, const struct s3_operation *op);

/* Serves one request (proxyd/http/route.c). */
void s3_handle(struct http_call *h);
/* Answers what is no HTTP request; the head is not to be looked at. */
void s3_handle_malformed(struct http_call *h, int status, const char *why);

/* auth.c: fills auth, seed, credential, allowed. A request that shows no credential at
 * all passes without one. False: answered. */
bool s3_authenticate(struct s3_call *c);

/* access.c: whether the request may do what it asks for in its bucket; fills access. A
 * credential may use the bucket it stands at and those that its access key has created;
 * others read what is public. Buckets that are not in the configuration, and those of
 * others, are looked up. False: answered. */
bool s3_enter(struct s3_call *c);
/* Whether an object that was found (NULL: there is none) may be told about to whoever
 * asks. False: answered. */
bool s3_may_read(struct s3_call *c, const struct store_object *o);
/* Whether something in the bucket may get the ACL public-read. False: answered. */
bool s3_may_publish(struct s3_call *c);
/* What is public in a bucket by its settings, to be asked for by s3_public_settings. */
#define S3_PUBLIC_SETTINGS 3
extern const char *const s3_public_settings[S3_PUBLIC_SETTINGS];
enum s3_access s3_public_access(const struct store_bucket *b);

/* cors.c: answers a preflight. */
void s3_preflight(struct s3_call *c);
/* Tells a request with an Origin what the rules of the bucket say, whatever its answer
 * will be. */
void s3_reply_origin(struct s3_call *c);

/* request.c: refuses what a request asks for in header fields, or in a signed URL that
 * carries them as parameters, and the operation does not do: it must not be done
 * without. False: answered. */
bool s3_refuse_fields(struct s3_call *c);
/* A query parameter; empty when absent. */
struct str s3_parameter(const struct s3_call *c, const char *name);
/* The version that is asked for, as in store_find(): empty when none is. False:
 * answered. */
bool s3_version(struct s3_call *c, struct str *out);
/* The conditions of a write. False: answered. */
bool s3_conditions(struct s3_call *c, struct store_conditions *out);
/* Whether they hold now: a client need not send a body for nothing. They are checked
 * again with the commit, and that decides. False: answered. */
bool s3_conditions_hold(struct s3_call *c, const struct store_conditions *cond);
/* What the client says about an object to come. False: answered. */
bool s3_metadata(struct s3_call *c, struct store_object *o);
/* The condition of a write, "*" or a tag. False: answered. */
bool s3_if_match(struct s3_call *c, struct str *out);

/* reply.c: error answers. message NULL: the default one of the code. */
void s3_fail(struct s3_call *c, enum s3_error error, const char *message);
void s3_failf(struct s3_call *c, enum s3_error error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* From an error of the engine or the catalogue; fallback is what the client is
 * told when the text is none of its business. */
void s3_fail_err(struct s3_call *c, const struct error *e, const char *fallback);
void s3_reply_xml(struct s3_call *c, struct str document);
void s3_reply_etag(struct s3_call *c, struct str etag);
void s3_reply_version(struct s3_call *c, const char *id); /* "": nothing */
/* The checksum fields of an object. */
void s3_reply_checksums(struct s3_call *c, const struct store_object *o);

/* announce.c: what a request says about its body, checked before the body is asked
 * for. */
struct s3_upload {
	uint64_t size; /* decoded */
	bool chunked;  /* aws-chunked framing is to be removed */
	enum awschunk_variant variant;
	struct str trailer_names;             /* x-amz-trailer; all lines of it */
	unsigned kinds;                       /* checksums to compute, CHECKSUM_BITs */
	struct str announced[CHECKSUM_KINDS]; /* base64 from header fields; empty: none */
	struct str sha256; /* the signed payload hash, hex; empty when not signed */
	/* out */
	char md5_hex[33];    /* "" when it was not computed */
	char sha256_hex[65]; /* "" when it was not computed */
};
/* False: answered. */
bool s3_upload_parse(struct s3_call *c, uint64_t max_size, const char *too_large,
                     struct s3_upload *u);
/* receive.c: receives and verifies the body into a sealed spool. False: answered. */
bool s3_upload_receive(struct s3_call *c, struct s3_upload *u, struct spool *spool);
/* receive.c: the body of an operation that is asked for with a document, at most max
 * bytes: received and verified like an upload. It lives in the arena. False: answered. */
bool s3_receive_document(struct s3_call *c, uint64_t max, struct str *out);

/* The operations. */
void s3_list_buckets(struct s3_call *c);
void s3_create_bucket(struct s3_call *c);
void s3_delete_bucket(struct s3_call *c);
void s3_head_bucket(struct s3_call *c);
/* Settings of a bucket: which one is the parameter of the operation. */
void s3_get_setting(struct s3_call *c);
void s3_put_setting(struct s3_call *c);
void s3_delete_setting(struct s3_call *c);
void s3_put_bucket_acl(struct s3_call *c);
void s3_get_bucket_encryption(struct s3_call *c);
void s3_put_bucket_encryption(struct s3_call *c);
void s3_delete_bucket_encryption(struct s3_call *c);
void s3_get_policy_status(struct s3_call *c);
void s3_get_constant(struct s3_call *c); /* what is the same for all buckets */
void s3_get_bucket_location(struct s3_call *c);
void s3_list_objects_v1(struct s3_call *c);
void s3_list_objects_v2(struct s3_call *c);
void s3_put_object(struct s3_call *c);
void s3_get_object(struct s3_call *c);
void s3_head_object(struct s3_call *c);
void s3_delete_object(struct s3_call *c);

#endif
