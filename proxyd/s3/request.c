/* SPDX-License-Identifier: MIT
 *
 * Header fields that mean the same to several operations.
 */
#include "proxyd/s3/s3.h"
#include "s3proto/precondition.h"

bool s3_if_match(struct s3_call *c, struct str *out)
{
	struct str tag;
	switch (precondition_write_match(&c->http->head, &tag)) {
	case PRECONDITION_MATCH_ANY:
		*out = STR("*");
		return true;
	case PRECONDITION_MATCH_TAG:
		*out = tag;
		return true;
	case PRECONDITION_MATCH_NEVER:
		s3_fail(c, S3_PRECONDITION_FAILED, NULL);
		return false;
	default:
		return true;
	}
}
