/* SPDX-License-Identifier: MIT
 *
 * What "adminctl init" has been told, and the configuration that this makes.
 *
 *     cmd_init.c      the dialogue            init_text.c    the answers as YAML
 *     init_backend.c  its part about backends init_file.c    checking and writing it
 */
#ifndef ADMINCTL_INIT_H
#define ADMINCTL_INIT_H

#include "adminctl/ask.h"
#include "base/buf.h"
#include "config/config.h"

/* Texts as they were typed; NULL or "": not set. */
struct init_backend {
	const char *name;
	const char *type; /* "s3", "directory" */
	const char *path;
	const char *endpoint, *region, *bucket, *access_key_id, *secret_access_key;
	bool force_path_style;
	const char *unsigned_payload; /* "true", "false" */
	const char *quota, *requests, *egress, *ingress;
	const char *labels; /* a=b,c=d */
};

struct init_bucket {
	const char *name, *access_key_id, *secret_access_key;
	bool is_generated; /* the secret: nobody knows it yet */
};

struct init_answers {
	const char *listen_addr;
	const char *driver; /* "embedded", "postgres" */
	const char *path;
	const char *host, *port, *database, *user, *password, *ssl_mode;
	struct init_backend *backends;
	size_t n_backends;
	struct init_bucket *buckets;
	size_t n_buckets;
	const char *copies;
};

/* Checks for ask_checked(). */
/* An absolute path: the daemons run elsewhere. */
const char *init_check_folder(struct str path, const void *ignored);
/* "a=b" without empty parts, separated by commas. */
const char *init_check_labels(struct str labels, const void *ignored);

void init_write_text(const struct init_answers *in, struct buf *out);

/* Checks what was answered so far: what is missing is made up. NULL: not valid, which
 * has been printed. The caller frees it. */
struct config *init_check(const struct init_answers *in);

/* One backend after the other; each is tried. False: the input has ended, or a
 * signal has come. */
bool init_ask_backends(struct asker *q, struct init_answers *in);

/* Whether a file can be written there; ERR_IO says why not. */
enum err init_check_place(const char *path, struct error *e);
/* Writes a file with mode 0600 in the place of another one or of none. It is loaded before
 * it takes that place; what is found odd is printed. */
enum err init_write_file(const char *path, struct str text, struct error *e);

#endif
