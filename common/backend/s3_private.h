/* SPDX-License-Identifier: MIT
 *
 * What the files of the S3 backend share.
 */
#ifndef BACKEND_S3_PRIVATE_H
#define BACKEND_S3_PRIVATE_H

#include "backend/backend.h"
#include "backend/backend_private.h"
#include "net/http_client.h"
#include "s3proto/sigv4.h"

/* What one PUT may carry, and one copy too ("Amazon S3 multipart upload limits" in
 * the S3 User Guide): 5 GiB. */
#define S3_PUT_MAX (UINT64_C(5) * 1024 * 1024 * 1024)

struct s3 {
	struct backend base;
	struct arena *arena; /* of the strings here */
	struct http_client *client;
	struct sigv4_credentials credentials;
	struct str host;   /* value of Host */
	struct str prefix; /* of all targets: path of the endpoint and, path-style, bucket */
};

/* --- s3_answer.c: what an answer means ------------------------------------ */

/* The error of an answer that is not the one hoped for; reads and closes its
 * body. size: of the object that was sent, for servers that call a full bucket
 * "EntityTooLarge"; 0 when nothing was sent. */
enum err s3_refusal(struct s3 *s, struct arena *a, struct http_exchange *x, uint64_t size,
                    struct error *e);

/* All of a body, at most max bytes (else ERR_PROTOCOL). idle_us: for each wait. */
enum err s3_read_body(struct body *b, int64_t idle_us, size_t max, struct buf *out,
                      struct error *e);

/* Fills a page from a ListBucketResult. */
enum err s3_parse_list(struct arena *a, struct str doc, struct backend_list *l, struct error *e);

/* What a copy has ended with, in an answer of status 200: the ETag of a
 * CopyObjectResult, or the error of an Error document. */
enum err s3_parse_copy(struct arena *a, struct str doc, struct str *etag, struct error *e);

/* --- s3_body.c ------------------------------------------------------------ */

/* Bytes from..from+n of inner, which it takes over: what came before is read and
 * thrown away on the first read. */
struct body *s3_slice(struct body *inner, uint64_t from, uint64_t n);

#endif
