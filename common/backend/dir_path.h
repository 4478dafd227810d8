/* SPDX-License-Identifier: MIT
 *
 * How a directory backend names files. A key becomes a path below objects/,
 * split at its slashes. One directory can hold the object "a" and the objects
 * "a/...", and any byte and any length can be stored, because '%' marks what a
 * file system cannot express. It is followed by
 *
 *     XX   two upper-case hex digits: that byte (control characters, DEL, '%',
 *          and '.' at the start of a name)
 *     =    at the end of a name: this file is an object
 *     +    at the end of a name: the component was too long and goes on in the
 *          names inside this directory
 *     -    alone: a directory for an empty component
 *
 *     photos/cat.jpg      photos/cat.jpg%=
 *     photos//.x/         photos/%-/%2Ex/%=
 *
 * Every key has exactly one path and every path at most one key.
 */
#ifndef BACKEND_DIR_PATH_H
#define BACKEND_DIR_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include "base/str.h"

/* A component is cut where its encoding reaches this length. Also with the last
 * byte as %XX and a mark a name stays below NAME_MAX (255). */
#define DIR_CUT 200

/* PATH_MAX, with the terminating NUL. A key of 1,150 bytes always fits. */
#define DIR_PATH_SIZE 4096

/* False when the path would be too long. */
bool dir_path_of_key(struct str key, char path[DIR_PATH_SIZE]);

enum dir_name_kind {
	DIR_NAME_FOREIGN,   /* nothing that we made */
	DIR_NAME_OBJECT,    /* the key ends with text */
	DIR_NAME_DIRECTORY, /* keys go on after text, which ends with '/' */
	DIR_NAME_CONTINUED, /* keys go on after text, in the same component */
};

#define DIR_TEXT_SIZE 256 /* NAME_MAX and one '/' */

/* What a name contributes to the keys below it: their path's texts, joined. */
enum dir_name_kind dir_name_parse(const char *name, char text[DIR_TEXT_SIZE], size_t *n);

#endif
