/* SPDX-License-Identifier: MIT
 *
 * The check of the admin token: digests are compared, so that neither content
 * nor length of the secret shows in the time it takes.
 */
#include "base/digest.h"
#include "config/config.h"
#include "ctl/token.h"

bool ctl_token_is_set(const struct config *c)
{
	return *c->ui.admin_token != '\0';
}

bool ctl_token_is_valid(const struct config *c, const struct http_head *h)
{
	struct str want = str_of(c->ui.admin_token), got = STR_NULL;
	uint8_t a[SHA256_SIZE], b[SHA256_SIZE];
	int seen = 0;

	for (size_t i = 0; i < h->n_fields; i++)
		if (str_eq_nocase(h->fields[i].name, STR("X-Admin-Token"))) {
			got = h->fields[i].value;
			seen++;
		}
	sha256(want.p, want.n, a);
	sha256(got.p, got.n, b);
	return str_eq_secret(str_n((const char *)a, sizeof a), str_n((const char *)b, sizeof b)) &&
	       seen == 1 && want.n > 0;
}
