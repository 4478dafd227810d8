/* SPDX-License-Identifier: MIT
 *
 * A body that computes checksums of what is read from another one.
 */
#ifndef OBJECT_TALLY_H
#define OBJECT_TALLY_H

#include "net/body.h"
#include "s3proto/checksum.h"

struct tally {
	struct body body;
	struct body *inner;
	struct checksum_set *set, *running;
	uint64_t n; /* bytes that were read */
};

/* kinds: CHECKSUM_BITs. running: a set of the caller's that is to go on with what is read,
 * or NULL. Valid as long as the arguments; closes nothing. */
struct body *tally_init(struct tally *t, struct body *inner, unsigned kinds,
                        struct checksum_set *running);
/* After all has been read: the values, as in s3proto/checksum.h. */
const uint8_t *tally_value(const struct tally *t, enum checksum_kind k);
void tally_final(struct tally *t);
void tally_free(struct tally *t);

#endif
