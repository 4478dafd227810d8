/* SPDX-License-Identifier: MIT
 *
 * Reading small regular files: the configuration itself and what it names.
 */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include <sys/stat.h>
#include "base/buf.h"

/* Larger configurations, certificates and key files are mistakes. */
#define FILE_SIZE_MAX ((size_t)1 << 20)

/* Reads all of a regular file. Never waits for a FIFO or a device. Returns
 * NULL, or what is wrong (valid until the next call of strerror). */
const char *file_read(const char *path, struct buf *out, struct stat *st);

#endif
