/* SPDX-License-Identifier: MIT
 *
 * The policy of a browser form: until when, and which values of its fields, whoever
 * signed it allows. Source: "POST Policy" in the Amazon S3 API reference.
 */
#ifndef S3PROTO_POST_POLICY_H
#define S3PROTO_POST_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

struct post_condition {
	bool starts_with; /* else equal */
	struct str field; /* without '$', as written; any case is meant */
	struct str value;
};

struct post_policy {
	int64_t expiration;          /* microseconds since 1970 */
	uint64_t min_size, max_size; /* of the file; all ranges hold at once */
	size_t n;
	struct post_condition *conditions;
};

/* base64: as it stands in the form. False: *why is what is wrong (constant text;
 * InvalidPolicyDocument). */
bool post_policy_parse(struct arena *a, struct str base64, struct post_policy *out,
                       const char **why);

/* Whether the policy allows these fields now (microseconds since 1970). The bucket is to
 * be among them. Each condition must hold, and each field be named by one, but for
 * those that carry the policy itself, the file, and x-ignore-*. False: why gets what to
 * tell the client (AccessDenied). The size of the file is the caller's to compare. */
bool post_policy_allows(const struct post_policy *p, const struct str_pair *fields, size_t n,
                        int64_t now, struct buf *why);

#endif
