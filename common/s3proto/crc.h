/* SPDX-License-Identifier: MIT
 *
 * The cyclic redundancy checks of S3. Each function continues a computation:
 * start with 0, pass the last result on. Values are those of the published check
 * tables: "123456789" gives cbf43926, e3069283 and ae8b14860a799888. The names
 * keep clear of crc32() in zlib, which shared libraries bring along.
 */
#ifndef S3PROTO_CRC_H
#define S3PROTO_CRC_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc_32(uint32_t crc, const void *p, size_t n);           /* IEEE 802.3 */
uint32_t crc_32c(uint32_t crc, const void *p, size_t n);          /* Castagnoli, RFC 3720 */
uint32_t crc_32c_portable(uint32_t crc, const void *p, size_t n); /* without CPU instructions */
uint64_t crc_64nvme(uint64_t crc, const void *p, size_t n);       /* NVM Express, "CRC-64/NVME" */

/* The value of data and more data behind it, from both values and the size of the
 * second in bytes. About 10,000 instructions, whatever the size. */
uint32_t crc_32_combine(uint32_t crc, uint32_t crc2, uint64_t size2);
uint32_t crc_32c_combine(uint32_t crc, uint32_t crc2, uint64_t size2);
uint64_t crc_64nvme_combine(uint64_t crc, uint64_t crc2, uint64_t size2);

#endif
