/* SPDX-License-Identifier: MIT
 *
 * Error values. The text ends up in JSON, XML and the database, but may repeat what
 * a server or a file name says: so it is made valid UTF-8, and cut between
 * characters.
 */
#include "base/err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* Removes the incomplete UTF-8 sequence that cutting may have left at the end. */
static void drop_partial_char(char *text, size_t n)
{
	size_t start = n;

	while (start > 0 && n - start < 3 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
		start--;
	if (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0xC0 &&
	    str_utf8_len(str_n(text + start - 1, n - start + 1)) != n - start + 1)
		text[start - 1] = '\0';
}

enum err err_set(struct error *e, enum err code, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (!e)
		return code;
	e->code = code;
	va_start(ap, fmt);
	n = vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	if (n < 0)
		e->text[0] = '\0';
	else if ((size_t)n >= sizeof(e->text))
		drop_partial_char(e->text, sizeof(e->text) - 1);
	str_make_utf8(e->text, strlen(e->text));
	return code;
}

enum err err_at(struct error *e, const char *where)
{
	struct error why = *e;

	return err_set(e, why.code, "%s: %s", where, why.text);
}

const char *err_name(enum err code)
{
	switch (code) {
	case ERR_OK:
		return "ok";
	case ERR_CANCELED:
		return "canceled";
	case ERR_TIMEOUT:
		return "timeout";
	case ERR_IO:
		return "io";
	case ERR_PROTOCOL:
		return "protocol";
	case ERR_INVALID:
		return "invalid";
	case ERR_NOT_FOUND:
		return "not_found";
	case ERR_NO_BUCKET:
		return "no_bucket";
	case ERR_NO_UPLOAD:
		return "no_upload";
	case ERR_DENIED:
		return "denied";
	case ERR_NO_SPACE:
		return "no_space";
	case ERR_USED_UP:
		return "used_up";
	case ERR_TOO_LARGE:
		return "too_large";
	case ERR_PRECONDITION:
		return "precondition";
	case ERR_RANGE:
		return "range";
	case ERR_CONFLICT:
		return "conflict";
	case ERR_BUSY:
		return "busy";
	case ERR_CONGESTED:
		return "congested";
	case ERR_UNSUPPORTED:
		return "unsupported";
	case ERR_UNAVAILABLE:
		return "unavailable";
	case ERR_DB_BUSY:
		return "db_busy";
	case ERR_DB_REFUSED:
		return "db_refused";
	case ERR_DB_UNCERTAIN:
		return "db_uncertain";
	}
	return "unknown";
}
