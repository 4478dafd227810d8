/* SPDX-License-Identifier: MIT
 *
 * Reading files without making the loop wait for a disk.
 */
#ifndef NET_FILE_BODY_H
#define NET_FILE_BODY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"

struct body;
struct offload_lane;

/* Up to n > 0 bytes at off, of which there must be at least one: from the page
 * cache if they are there, else by a thread while the task is parked. Not ended by
 * cancellation. > 0 bytes, or -1: ERR_IO. */
ssize_t file_read_at(int fd, void *buf, size_t n, uint64_t off, struct error *e);

/* The n bytes of a file at off; a file that is shorter is an error. Takes fd over.
 * What has to be waited for is read in the lane, which must outlive the body:
 * ERR_TIMEOUT when the disk does not answer. */
struct body *file_body(int fd, uint64_t off, uint64_t n, struct offload_lane *lane);

#endif
