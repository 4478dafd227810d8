/* SPDX-License-Identifier: MIT
 *
 * What can be asked about buckets. They come from the configuration, and a
 * credential sees the one it belongs to.
 */
#include "base/clock.h"
#include "config/config.h"
#include "proxyd/board.h"
#include "proxyd/s3/s3.h"
#include "proxyd/server.h"
#include "s3proto/xml.h"

#define REGION "us-east-1"

#define MAX_BUCKETS 10000 /* of a page, as in S3 */

/* A page that holds all there is: no token was ever given out. False: answered. */
static bool check_page(struct s3_call *c)
{
	struct str max = s3_parameter(c, "max-buckets");
	struct str region = s3_parameter(c, "bucket-region");
	uint64_t n;
	if (max.n && (!str_to_u64(max, &n) || n < 1 || n > MAX_BUCKETS))
		s3_fail(c, S3_INVALID_ARGUMENT, "max-buckets must be between 1 and 10000");
	else if (s3_parameter(c, "continuation-token").n)
		s3_fail(c, S3_INVALID_ARGUMENT, "The continuation token provided is incorrect");
	else if (region.n && !str_eq(region, STR(REGION)))
		s3_fail(c, S3_INVALID_ARGUMENT, "all buckets are in " REGION);
	else
		return true;
	return false;
}

static void add_bucket(struct buf *b, const char *name, const char *created)
{
	xml_open(b, "Bucket");
	xml_text(b, "Name", str_of(name));
	xml_text(b, "CreationDate", str_of(created));
	xml_close(b, "Bucket");
}

void s3_list_buckets(struct s3_call *c)
{
	struct str prefix = s3_parameter(c, "prefix");
	if (!check_page(c))
		return;
	char created[CLOCK_S3_SIZE];
	clock_format_s3(atomic_load(&c->server->board->started), created);
	BUF_AUTO b = {0};
	xml_begin(&b, "ListAllMyBucketsResult");
	s3_xml_owner(&b, "Owner");
	xml_open(&b, "Buckets");
	if (str_starts(str_of(c->allowed->name), prefix))
		add_bucket(&b, c->allowed->name, created);
	xml_close(&b, "Buckets");
	if (prefix.n)
		xml_text(&b, "Prefix", prefix);
	xml_close(&b, "ListAllMyBucketsResult");
	s3_reply_xml(c, buf_str(&b));
}

/* Clients make sure of their bucket before they write. It is there: a request for
 * any other bucket does not come this far. */
void s3_create_bucket(struct s3_call *c)
{
	http_reply_fieldf(c->http, "Location", "/%s", c->allowed->name);
	http_reply(c->http, 200, STR_NULL);
}

void s3_head_bucket(struct s3_call *c)
{
	http_reply_field(c->http, "Content-Type", STR("application/xml"));
	http_reply_field(c->http, "x-amz-bucket-region", STR(REGION));
	http_reply(c->http, 200, STR_NULL);
}

/* An empty constraint means us-east-1. */
void s3_get_bucket_location(struct s3_call *c)
{
	BUF_AUTO b = {0};
	xml_begin(&b, "LocationConstraint");
	xml_close(&b, "LocationConstraint");
	s3_reply_xml(c, buf_str(&b));
}
