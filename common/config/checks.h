/* SPDX-License-Identifier: MIT
 *
 * Rules for the text of single values that the type alone does not express.
 * False: *message says what is wrong.
 */
#ifndef CONFIG_CHECKS_H
#define CONFIG_CHECKS_H

#include <stdbool.h>
#include "base/buf.h"

bool check_driver(struct str v, struct buf *message);       /* of the database */
bool check_backend_name(struct str v, struct buf *message); /* 1-64 of [A-Za-z0-9._-] */
bool check_endpoint(struct str v, struct buf *message);     /* a URL without query */
bool check_url_path(struct str v, struct buf *message);     /* "/x", not "/", not "/x/" */
bool check_domains(struct str v, struct buf *message);      /* names, separated by commas */
bool check_cidr(struct str v, struct buf *message);         /* address/length, IPv4 or IPv6 */
bool check_collector(struct str v, struct buf *message);    /* host:port or URL */

#endif
