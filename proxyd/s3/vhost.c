/* SPDX-License-Identifier: MIT
 *
 * Virtual-host style: the host of a request names the bucket, its path is the key.
 */
#include "config/config.h"
#include "proxyd/s3/s3.h"

struct str s3_host_bucket(const struct config *config, const struct http_head *h)
{
	struct str named =
		path_host_bucket(http_head_value(h, STR("host")), str_of(config->server.domain));
	struct str found = named;
	/* Hosts have no case; the buckets of the configuration may. */
	for (size_t i = 0; named.n && i < config->n_buckets; i++) {
		struct str name = str_of(config->buckets[i].name);
		if (str_eq(name, named))
			return name;
		if (str_eq_nocase(name, named))
			found = name;
	}
	return found;
}
