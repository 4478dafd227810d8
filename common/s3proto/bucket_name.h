/* SPDX-License-Identifier: MIT
 *
 * Names of buckets. ("General purpose bucket naming rules" of the Amazon S3 user guide.)
 */
#ifndef S3PROTO_BUCKET_NAME_H
#define S3PROTO_BUCKET_NAME_H

#include "base/str.h"

/* What is wrong with the name of a bucket to be, or NULL. */
const char *bucket_name_fault(struct str name);

#endif
