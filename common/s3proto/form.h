/* SPDX-License-Identifier: MIT
 *
 * What a browser sends for an HTML form with a file: multipart/form-data, read as it
 * comes in. All fields before the file are kept, within limits; the bytes of the file
 * are handed on; what follows it is not looked at, as with S3.
 * Source: RFC 7578, RFC 2046 5.1.1; "POST Object" in the Amazon S3 API reference.
 */
#ifndef S3PROTO_FORM_H
#define S3PROTO_FORM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"

#define FORM_BEFORE_FILE  (20 * 1024) /* bytes of all that comes before the file; S3's limit */
#define FORM_FIELDS_MAX   300         /* more than any form has */
#define FORM_BOUNDARY_MAX 70          /* bytes, RFC 2046 */

struct form;

/* Whether a Content-Type is multipart/form-data, and its boundary; that is empty when
 * there is none or it breaks the rules. */
bool form_is_multipart(struct str content_type, struct str *boundary);

/* Everything belongs to the arena. The boundary has 1 to FORM_BOUNDARY_MAX bytes. */
struct form *form_new(struct arena *a, struct str boundary);

enum form_result {
	FORM_MORE,      /* more input is needed */
	FORM_FILE,      /* once: all fields are there, the next byte is the file's */
	FORM_DONE,      /* the file has ended, or the form has without one */
	FORM_MALFORMED, /* for good; form_why() */
	FORM_TOO_LARGE, /* for good: more than FORM_BEFORE_FILE or FORM_FIELDS_MAX */
};

/* Looks at p[0..n), n > 0: *used is how many bytes were consumed; if *data_n > 0, the
 * bytes *data[0..*data_n) are the file's. They may lie outside of p, and are good until
 * the next call. With FORM_MORE and input left call again. */
enum form_result form_feed(struct form *f, const char *p, size_t n, size_t *used, const char **data,
                           size_t *data_n);

bool form_has_file(const struct form *f);
const char *form_why(const struct form *f); /* constant text */

/* The fields before the file, in order, names as sent. */
const struct str_pair *form_fields(const struct form *f, size_t *n);
/* As the client has it, without folders; may be empty. */
struct str form_file_name(const struct form *f);

#endif
