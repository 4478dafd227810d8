/* SPDX-License-Identifier: MIT
 *
 * See bucket_name.h.
 */
#include "s3proto/bucket_name.h"

#include <string.h>

static bool is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Four numbers with dots between them. */
static bool looks_like_address(struct str name)
{
	int dots = 0;
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '.')
			dots++;
		else if (name.p[i] < '0' || name.p[i] > '9')
			return false;
	}
	return dots == 3;
}

const char *bucket_name_fault(struct str name)
{
	static const char *const prefixes[] = {"xn--", "sthree-", "amzn-s3-demo-"};
	static const char *const suffixes[] = {"-s3alias", "--ol-s3", ".mrap", "--x-s3",
	                                       "--table-s3"};
	if (name.n < 3 || name.n > 63)
		return "The name of a bucket has 3 to 63 characters";
	for (size_t i = 0; i < name.n; i++)
		if (!is_lower_or_digit(name.p[i]) && name.p[i] != '-' && name.p[i] != '.')
			return "The name of a bucket consists of a-z, 0-9, dots and hyphens";
	if (!is_lower_or_digit(name.p[0]) || !is_lower_or_digit(name.p[name.n - 1]))
		return "The name of a bucket begins and ends with a letter or digit";
	if (memmem(name.p, name.n, "..", 2))
		return "The name of a bucket has no two dots in a row";
	if (looks_like_address(name))
		return "The name of a bucket must not look like an IP address";
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (str_starts(name, str_of(prefixes[i])))
			return "The name of a bucket must not begin with xn--, sthree- or "
			       "amzn-s3-demo-";
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (str_ends(name, str_of(suffixes[i])))
			return "The name of a bucket must not end with -s3alias, --ol-s3, .mrap, "
			       "--x-s3 or --table-s3";
	return NULL;
}
