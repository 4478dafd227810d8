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

struct config;
struct config_bucket;
struct s3_form;
struct s3_keepalive;
struct config_credential;
struct server;
struct store_bucket;

#define S3_REQUEST_ID_MAX 64
/* Whom all buckets and objects belong to: what Owner and expected owners say. */
#define S3_OWNER "s3-orchestrator"

#define S3_PARTS_MAX 10000
/* Bounds of S3, whatever the configuration says: of each part but the last one, and of
 * an object made of parts. */
#define S3_PART_MIN   (UINT64_C(5) << 20)
#define S3_OBJECT_MAX (UINT64_C(5) << 40)

/* How far a request may go in its bucket; each includes those before it. */
enum s3_access {
	S3_ACCESS_NONE,
	S3_ACCESS_OBJECTS, /* read objects that are public by their ACL */
	S3_ACCESS_LISTED,  /* list keys: the bucket is public by its ACL */
	S3_ACCESS_PUBLIC,  /* read all objects: buckets[].public_read */
	S3_ACCESS_OWNER,   /* everything */
};

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
	struct str owner;       /* of the bucket, as of store_commit(); once it was entered */
	struct s3_form *form;   /* of a browser, which takes the place of the head; or NULL */
	const struct s3_operation *operation;

	struct s3_keepalive *keepalive; /* takes the answer instead of the connection, or NULL */

	/* for the record */
	uint64_t received;   /* body bytes of the request, decoded */
	uint64_t size;       /* of the object that was stored or read */
	const char *backend; /* that served it; "" when none did */
	uint64_t copies_deleted;
	struct {
		size_t keys, deleted, errors;
	} batch; /* of DeleteObjects */
	struct {
		struct str prefix;
		size_t keys; /* and common prefixes, on this page */
		bool truncated;
	} listed;
	struct {
		struct str id;
		int part;       /* number */
		uint64_t parts; /* that it was made of */
	} upload;
	struct {
		struct str bucket, key;
		const char *backend;
	} source;          /* of a copy */
	bool failed;       /* the answer is an error, whatever its status says */
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
	S3_DOES_PREPARE = 32, /* nothing yet that conditions could be about; with another one */
	S3_DOES_ACL = 64,
	S3_DOES_COPY_ALL = 128, /* of the source; with another one */
	S3_DOES_MANY = 256,     /* objects, which no field speaks of; with another one */
};

struct s3_operation {
	const char *name; /* "PutObject", as in audit events and metrics */
	const char *method;
	enum { S3_SERVICE, S3_BUCKET, S3_OBJECT, S3_FORM } level;
	const char *parameter; /* query parameter that must be there, or NULL */
	void (*handle)(struct s3_call *c);
	int metric;          /* METRIC_OPERATION_*, or -1: not a storage operation */
	unsigned does;       /* S3_DOES_* */
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
/* Whether operations have that subresource, but none with the method of the request, and
 * none is missing: where there is only GET the others are not built. */
bool s3_is_other_method(const struct s3_call *c, const char *subresource);
/* Answers 405 and names the methods that there are for the subresource, NULL: for the
 * bucket or object itself; that of the request is none of them. message as s3_fail(). */
void s3_fail_method(struct s3_call *c, const char *subresource, const char *message);

/* Serves one request (proxyd/http/route.c). */
void s3_handle(struct http_call *h);
/* Answers what is no HTTP request; the head is not to be looked at. */
void s3_handle_malformed(struct http_call *h, int status, const char *why);

/* vhost.c: the bucket that the host of a request names; empty: none, it is in the path. */
struct str s3_host_bucket(const struct config *config, const struct http_head *h);
/* auth.c: fills auth, seed, credential, allowed. A request that shows no credential at
 * all passes without one. False: answered. */
bool s3_authenticate(struct s3_call *c);
/* The same by the signature of a form. */
bool s3_authenticate_form(struct s3_call *c, const struct sigv4_post *p);

/* post.c: whether a request looks like the form of a browser. */
bool s3_is_form(const struct s3_call *c);
/* In place of s3_authenticate(), with the bucket known: reads a form up to its file and
 * authenticates it. Fills form, auth, allowed. False: answered. */
bool s3_begin_form(struct s3_call *c);

/* presigned.c: makes the x-amz-* parameters of a presigned URL, but for hashes of the body,
 * fields of the head, where operations look for them. After the authentication. False: answered. */
bool s3_adopt_parameters(struct s3_call *c);

/* access.c: whether the request may do what it asks for in its bucket; fills access. A
 * credential may use the bucket it stands at and those that its access key has created;
 * others read what is public. Buckets that are not in the configuration, and those of
 * others, are looked up. False: answered. */
bool s3_enter(struct s3_call *c);
/* Whether the credential may read what is in a bucket, the request's or another one: for
 * copies. False: answered. */
bool s3_may_read_bucket(struct s3_call *c, struct str bucket);
/* Whether an object that was found (NULL: there is none) may be told about to whoever
 * asks. False: answered. */
bool s3_may_read(struct s3_call *c, const struct store_object *o);
/* setting.c: whether it is a value of ObjectOwnership. */
bool s3_is_ownership(struct str value);
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
/* The parameter partNumber. False: answered. */
bool s3_part_number(struct s3_call *c, int *out);
/* The parameter encoding-type of a listing: whether it is "url". False: answered. */
bool s3_encoding_type(struct s3_call *c, bool *url);
/* Whether the parameter of a listing can stand in a query: UTF-8 without NUL. False:
 * answered. */
bool s3_check_text(struct s3_call *c, struct str text);
/* Whether a version could have that id: "null", or one that was made here. */
bool s3_is_version(struct str id);
/* The version that is asked for, as in store_find(): empty when none is. False:
 * answered. */
bool s3_version(struct s3_call *c, struct str *out);
/* The same for a version that is named elsewhere. */
bool s3_check_version(struct s3_call *c, struct str id);
/* The conditions of a write. False: answered. */
bool s3_conditions(struct s3_call *c, struct store_conditions *out);
/* Whether they hold now: a client need not send a body for nothing. They are checked
 * again with the commit, and that decides. False: answered. */
bool s3_conditions_hold(struct s3_call *c, const struct store_conditions *cond);
/* What the client says about an object to come. False: answered. */
bool s3_metadata(struct s3_call *c, struct store_object *o);
/* The parts of it that a copy takes by themselves: tags, which it may have from its source
 * instead, and the ACL, which it never has from there. */
bool s3_tags(struct s3_call *c, struct store_object *o);
bool s3_canned_acl(struct s3_call *c, struct store_object *o);
/* The condition of a write, "*" or a tag. False: answered. */
bool s3_if_match(struct s3_call *c, struct str *out);

/* reply.c: error answers. message NULL: the default one of the code. */
void s3_fail(struct s3_call *c, enum s3_error error, const char *message);
void s3_failf(struct s3_call *c, enum s3_error error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* From an error of the engine or the catalogue; fallback is what the client is
 * told when the text is none of its business. */
void s3_fail_err(struct s3_call *c, const struct error *e, const char *fallback);
/* The operation was refused because of a limit of the month, METRIC_LIMIT_*. */
void s3_count_used_up(const struct s3_call *c, int limit);
void s3_reply_xml(struct s3_call *c, struct str document);

/* keepalive.c: runs work(c), which may take longer than clients wait in silence (60 s
 * with most of them), and answers with what it answers. It does so with s3_fail*() and
 * s3_reply_xml() only, reads no body, and is cancelled when the client leaves. After
 * some seconds the answer begins with status 200, as that of S3 does, and white space
 * follows until the document is there, which may then be an error. */
void s3_answer_slowly(struct s3_call *c, void (*work)(struct s3_call *c));
/* What work answers; document is copied. */
void s3_keepalive_answer(struct s3_keepalive *k, int status, struct str document);

void s3_reply_etag(struct s3_call *c, struct str etag);
void s3_reply_version(struct s3_call *c, const char *id); /* "": nothing */
/* There is no such version, or only the mark that it was deleted; fallback as above.
 * version: which was asked for, empty: none. */
void s3_fail_find(struct s3_call *c, const struct store_version *v, struct str version,
                  const struct error *e, const char *fallback);
/* The checksum fields of an object: both of the following. */
void s3_reply_checksums(struct s3_call *c, const struct store_object *o);
void s3_reply_checksum_type(struct s3_call *c, const struct store_object *o); /* if it has one */
void s3_reply_sums(struct s3_call *c, const struct str_pair *sums, size_t n);
/* Elements that several documents have. */
void s3_xml_owner(struct buf *b, const char *element);
void s3_xml_etag(struct buf *b, struct str etag);
void s3_xml_checksums(struct buf *b, const struct str_pair *sums, size_t n);
const char *s3_checksum_type(const struct str_pair *sums, size_t n); /* of an object */

/* lookup.c: a version is looked up, and opened a moment later; when it has been replaced
 * between, its bytes are gone and the new one is looked up. */
struct s3_lookup {
	struct str bucket, key, version;   /* as store_find() */
	const struct store_wanted *wanted; /* as store_find_copies() */
	struct store_version found;
	/* private */
	int done;
	struct store_version before;
};
/* To be called again after `failure` to open what was found. False: answered, with
 * fallback (see s3_fail_err()) where that fits. */
bool s3_look_up(struct s3_call *c, struct s3_lookup *l, const struct error *failure,
                const char *fallback);

/* announce.c: what a request says about its body, checked before the body is asked
 * for. */
struct s3_upload {
	/* set by the caller before s3_upload_parse() */
	bool takes_open;    /* the size may become known only at the end */
	struct body *body;  /* the bytes, when they are not the body of the request itself;
	                     * then the size is not known before */
	uint64_t min_size;  /* of an open upload; 0: none */
	enum s3_error over; /* what an open upload that is too large is told; 0: the usual */

	uint64_t size; /* decoded; of an open upload the most it may have, until received */
	bool open;     /* nobody knows the size yet */
	bool chunked;  /* aws-chunked framing is to be removed */
	enum awschunk_variant variant;
	struct str trailer_names;             /* x-amz-trailer; all lines of it */
	unsigned kinds;                       /* checksums to compute, CHECKSUM_BITs */
	unsigned sent;                        /* those that come with it, without Content-MD5 */
	enum checksum_kind keep;              /* of these, or any: stored; CHECKSUM_KINDS: none */
	struct str announced[CHECKSUM_KINDS]; /* base64 from header fields; empty: none */
	struct str sha256; /* the signed payload hash, hex; empty when not signed */
	/* out */
	char md5_hex[33];           /* "" when it was not computed */
	char sha256_hex[65];        /* "" when it was not computed */
	struct str_pair *checksums; /* that is kept, as in store_object */
	size_t n_checksums;
};
/* x-amz-checksum-* with the hash of a body, one that is not known here too. */
bool s3_is_checksum_field(struct str name);
/* False: answered. */
bool s3_upload_parse(struct s3_call *c, uint64_t max_size, const char *too_large,
                     struct s3_upload *u);
/* receive.c: a spool for the body that was announced. */
struct spool *s3_upload_spool(struct s3_call *c, const struct s3_upload *u);
/* Receives and verifies the body into a sealed spool. False: answered. */
bool s3_upload_receive(struct s3_call *c, struct s3_upload *u, struct spool *spool);
/* receive.c: the body of an operation that is asked for with a document, at most max
 * bytes: received and verified like an upload. It lives in the arena. False: answered. */
bool s3_receive_document(struct s3_call *c, uint64_t max, struct str *out);

/* put.c: whether some backend might take that many bytes. False: answered. */
bool s3_admit(struct s3_call *c, uint64_t size);

/* get.c: Last-Modified, and the version's id. */
void s3_reply_modified(struct s3_call *c, const struct store_version *v);

/* put.c: receives and stores the object of a request whose bucket, key and head fields
 * are as for PutObject. False: answered. On success the answer has the object's fields
 * and the caller sends it; *etag is in the arena, or in u. */
bool s3_put_upload(struct s3_call *c, struct s3_upload *u, uint64_t max_size, struct str *etag);

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
void s3_post_object(struct s3_call *c);
void s3_copy_object(struct s3_call *c);
void s3_upload_part_copy(struct s3_call *c);
void s3_get_object(struct s3_call *c);
void s3_head_object(struct s3_call *c);
void s3_delete_object(struct s3_call *c);
void s3_get_object_attributes(struct s3_call *c);
void s3_create_upload(struct s3_call *c);
void s3_upload_part(struct s3_call *c);
void s3_complete_upload(struct s3_call *c);
void s3_abort_upload(struct s3_call *c);
void s3_list_parts(struct s3_call *c);
void s3_list_uploads(struct s3_call *c);
void s3_delete_objects(struct s3_call *c);
void s3_list_object_versions(struct s3_call *c);
void s3_get_bucket_versioning(struct s3_call *c);
void s3_put_bucket_versioning(struct s3_call *c);
void s3_get_object_tagging(struct s3_call *c);
void s3_put_object_tagging(struct s3_call *c);
void s3_delete_object_tagging(struct s3_call *c);
void s3_get_object_acl(struct s3_call *c);
void s3_put_object_acl(struct s3_call *c);

#endif
