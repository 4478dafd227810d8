/* SPDX-License-Identifier: MIT
 *
 * See excess.h.
 */
#include "placement/excess.h"

#include <string.h>

double placement_score(const struct placement_copy *c)
{
	if (c->leaving)
		return 0;
	if (c->limit == 0)
		return 2.5;
	return c->used < c->limit ? 3 - (double)c->used / (double)c->limit : 2;
}

static bool shares_domain(const struct placement_copy *copies, size_t n, size_t i)
{
	for (size_t k = 0; k < n; k++)
		if (k != i && !copies[k].leaving && strcmp(copies[k].domain, copies[i].domain) == 0)
			return true;
	return false;
}

size_t placement_excess(const struct placement_copy *copies, size_t n)
{
	size_t worst = 0;
	bool worst_shares = false;

	for (size_t i = 0; i < n; i++) {
		bool shares = copies[i].leaving || shares_domain(copies, n, i);

		if (i == 0 || (shares && !worst_shares) ||
		    (shares == worst_shares &&
		     placement_score(&copies[i]) <= placement_score(&copies[worst]))) {
			worst = i;
			worst_shares = shares;
		}
	}
	return worst;
}
