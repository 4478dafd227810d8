/* SPDX-License-Identifier: MIT
 *
 * Time. Deadlines are int64_t microseconds of the monotonic clock, points in
 * time are int64_t microseconds since 1970 UTC.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include "base/str.h"

#define CLOCK_MS    INT64_C(1000)
#define CLOCK_SEC   INT64_C(1000000)
#define CLOCK_NEVER INT64_MAX /* a deadline that does not pass */

int64_t clock_mono(void);           /* microseconds, for deadlines and durations */
int64_t clock_wall(void);           /* microseconds since 1970 */
int64_t clock_deadline(int64_t us); /* now + us; CLOCK_NEVER stays CLOCK_NEVER */

/* Sizes include the terminating NUL. */
#define CLOCK_HTTP_SIZE    30 /* Sun, 06 Nov 1994 08:49:37 GMT  (RFC 9110 5.6.7) */
#define CLOCK_AMZ_SIZE     17 /* 20150830T123600Z               (SigV4 x-amz-date) */
#define CLOCK_RFC3339_SIZE 28 /* 2026-04-01T10:00:00.123456Z */
#define CLOCK_S3_SIZE      25 /* 2026-04-01T10:00:00.000Z       (S3 XML LastModified) */

void clock_format_http(int64_t wall, char out[CLOCK_HTTP_SIZE]);
void clock_format_amz(int64_t wall, char out[CLOCK_AMZ_SIZE]);
void clock_format_rfc3339(int64_t wall, char out[CLOCK_RFC3339_SIZE]);
void clock_format_s3(int64_t wall, char out[CLOCK_S3_SIZE]); /* whole seconds, ".000Z" */

/* HTTP date in any of the three forms of RFC 9110 5.6.7. */
bool clock_parse_http(struct str s, int64_t *wall);
bool clock_parse_amz(struct str s, int64_t *wall);
bool clock_parse_rfc3339(struct str s, int64_t *wall); /* also PostgreSQL's text form */

#endif
